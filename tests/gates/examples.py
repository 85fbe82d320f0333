"""The listening page: five players of different mood, what kelly played with each and why, and what it is without its nets.

    python -m tests.gates.examples docs/listening

Each player is composed here (``scores.progression``), swells and fades over eight bars, and is rendered through
FluidSynth; kelly plays along as ``kelly render`` does, knowing the meter and nothing else; then again by its rules
alone, and with the outputs of all five nets shuffled.  The player is on the left.  Twenty seconds of each are kept
as Opus, the whole as MIDI, with a picture, the figures of ``playing`` and one bar in kelly's own words.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from kelly._rt.contract import NET_NAMES
from kelly.audio.synth import render_midi
from kelly.config import load_config
from kelly.generate.explain import tell_bar
from kelly.generate.settings import DRUMS, PARTS
from kelly.live.render import render_config
from kelly.music.emotion import Mood
from kelly.music.thesaurus import nearest

from . import playing
from .ablation import MODELS, shuffled
from .picture import draw, why
from .scores import RATE, Take, progression

HARP, NYLON, STEEL, BRIGHT, CELLO = 46, 24, 25, 1, 42
MINOR, MAJOR = (9, -1), (0, 1)
FROM_S, LONG_S, SHORT_S, FADE_S = 12.0, 20.0, 12.0, 0.4
"""Of the excerpts: where they begin, how long kelly itself is heard, how long the others; their ends."""

COMPRESSION = {"kelly": 0.9, "rules": 0.9, "shuffled": 0.9}
"""Of Opus, 0..1: what keeps the whole page below one and a half megabytes."""


@dataclass(frozen=True)
class Player:
    """Who plays; told in words for the page."""

    title: str
    said: str
    take: Take


def players() -> tuple[Player, ...]:
    """The five; nothing of them is anybody else's."""
    return (
        Player("Calm", "A harp in 6/8, slow, in D major.", Take(progression("arpeggio", "C | Am | F | G", MAJOR, 2, 34, 2, True), 58, (HARP,))),
        Player("Sad", "A nylon guitar picks Em | C | G | B, slowly.", Take(progression("arpeggio", "Am | F | C | E", MINOR, 7, 44), 70, (NYLON,))),
        Player("Happy", "A steel guitar strums a progression in G major.", Take(progression("strum", "C | F | Am | G", MAJOR, 7, 72), 116, (STEEL,))),
        Player("Driving", "Piano and bass in F sharp minor, fast.", Take(progression("pop", "Am | F | C | G", MINOR, 9, 84), 136, (BRIGHT, 32))),
        Player("Alone", "A cello sings in A minor; nobody plays a chord.", Take(progression("sung", "Am | Dm | E | Am", MINOR, 0, 48, seed=15), 76, (CELLO,))),
    )


def variants(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Name -> settings: kelly as it is, its rules alone, and every net's outputs permuted."""
    models = MODELS
    for seed, net in enumerate(NET_NAMES):
        models = shuffled(net, folder / net, models, seed)
    return {"kelly": {}, "rules": {"disable": list(NET_NAMES)}, "shuffled": {"models": str(models), "enable": list(NET_NAMES)}}


def mixed(player: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Both at their places on the stage, (frames, 2) float32, the loudest sample at .9."""
    out = np.zeros((max(len(player), len(band)), 2), np.float32)
    out[: len(band)] = band
    louder = 1.6 * float(np.sqrt(np.mean(band**2)) / (np.sqrt(np.mean(player**2)) + 1e-9))
    out[: len(player)] += min(4.0, louder) * player[:, None] * np.array([0.95, 0.5], np.float32)
    return 0.9 * out / max(1e-6, float(np.abs(out).max()))


def excerpt(sound: np.ndarray, seconds: float) -> np.ndarray:
    """From FROM_S on, its ends faded."""
    part = sound[round(FROM_S * RATE) : round((FROM_S + seconds) * RATE)].copy()
    ramp = np.linspace(0.0, 1.0, round(FADE_S * RATE), dtype=np.float32)[:, None]
    part[: len(ramp)] *= ramp
    part[-len(ramp) :] *= ramp[::-1]
    return part


def play(take: Take, audio: Path, settings: Mapping[str, Any], midi: Path) -> tuple[playing.Played, dict[str, float], np.ndarray]:
    """Notes, figures and sound of one variant; the MIDI file is left behind."""
    chosen = {"meter": playing._meter(take), **settings}
    played = playing.play_along(audio, **chosen)
    figures = {name: gate.figure(played, take) for name, gate in playing.GATES.items()}
    figures["force follows level"] = playing.follows_level(played, take, audio)
    render_config(audio, midi, load_config(flags=chosen))
    with tempfile.TemporaryDirectory() as folder:
        render_midi(midi, Path(folder) / "band.wav", RATE)
        band, _ = soundfile.read(Path(folder) / "band.wav", dtype="float32", always_2d=True)
    player, _ = soundfile.read(audio, dtype="float32")
    return played, figures, mixed(player, band)


def mood_of(played: playing.Played) -> str:
    """What kelly felt in the excerpt: the middle valence, arousal, tension and the word for them."""
    felt = [reason.mood for reason in played.reasons if FROM_S <= reason.frame / RATE < FROM_S + LONG_S]
    middle = Mood(*(float(value) for value in np.median(np.array(felt), axis=0)))
    return f"valence {middle.valence:+.2f}, arousal {middle.arousal:+.2f}, tension {middle.tension:+.2f}: nearest to *{nearest(middle)[0][0].name}*"


def in_words(played: playing.Played) -> list[str]:
    """One bar of the excerpt as ``kelly explain`` tells it, a few notes of each part."""
    at = next(reason.bar for reason in played.reasons if reason.frame / RATE >= FROM_S + LONG_S / 2)
    lines, told = tell_bar(played.reasons, at, PARTS), dict.fromkeys((part.name for part in PARTS), 0)
    kept = []
    for line in lines:
        name = next((name for name in told if f" {name} " in line[:16] + " "), None)
        if name is None or told[name] < (1 if name == PARTS[DRUMS].name else 2):
            kept.append(line.rstrip())
        if name is not None:
            told[name] += 1
    return kept


NAMES = {"kelly": "kelly", "rules": "rules only", "shuffled": "nets shuffled"}


def page(folder: Path, chosen: Sequence[Player]) -> list[str]:
    """All of one page, its files written beside it."""
    lines = [
        "# Five players, heard", "",
        "Written by `make listening` (`python -m tests.gates.examples docs/listening`); nothing by hand.  The players are composed and rendered by the command,",
        "swell and fade over eight bars, and stand on the left; kelly knows the meter and nothing else.  Excerpts begin 12 s in.  *Rules only* is kelly with all nets off;",
        "*nets shuffled* has the outputs of all five nets permuted.  The figures are those of [the gates](../gates/README.md), over the whole take.", "",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        settings = variants(Path(scratch))
        for number, player in enumerate(chosen, 1):
            take = playing.swelling(player.take)
            audio = playing.sound(take)
            rows, first = [], None
            for name, flags in settings.items():
                midi = folder / f"{number}-{name}.mid" if name == "kelly" else Path(scratch) / "band.mid"
                played, figures, sound = play(take, audio, flags, midi)
                file = folder / f"{number}-{name}.ogg"
                part = excerpt(sound, LONG_S if name == "kelly" else SHORT_S)
                soundfile.write(file, part if name == "kelly" else part.mean(axis=1), RATE, format="OGG", subtype="OPUS", compression_level=COMPRESSION[name])
                rows.append((f"[{NAMES[name]}]({file.name})", *("-" if value != value else f"{value:.3f}" for value in figures.values())))
                first = first or (played, list(figures))
            assert first is not None
            played, names = first
            draw(folder / f"{number}.png", take, played, f"{player.title}: {take.name}")
            lines += [f"## {player.title}", "", f"{player.said} [Hear it with kelly]({number}-kelly.ogg), or take [kelly's notes]({number}-kelly.mid).", ""]
            lines += [f"![the player above, what kelly felt, what it played below]({number}.png)", "", f"Felt: {mood_of(played)}.", ""]
            lines += ["| to hear | " + " | ".join(names) + " |", "|" + "---|" * (len(names) + 1), *("| " + " | ".join(row) + " |" for row in rows), ""]
            lines += [f"Why: {why(played)}.", "", "One bar in kelly's words (two notes of each part, one of the drums):", "", "```", *in_words(played), "```", ""]
            print(f"{player.title}: {', '.join(rows[0][1:])}", flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    lines = page(folder, players())
    (folder / "README.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
