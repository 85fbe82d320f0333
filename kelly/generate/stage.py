"""Entry in stages, and what a pause of the player means.

A soft bass note as soon as the harmony is clear, drums once the beat is trusted, chords and melody
once the key is; with key and tempo given all at once.  A pause up to one bar (or 2 s) may be answered,
a longer one ends the music until the player comes back.  How long a bar is, is taken from the faster tempo
where the tracked one could be half of it: better a rest too short than notes into a silence.
"""

from __future__ import annotations

from .grid import Place
from .heard import Heard
from .moment import Stage
from .settings import COUNTER, PAD, ConductorSettings

KEY_CLEAR, KEY_LOST = 0.35, 0.2  # key confidence: hysteresis, so that chords do not flicker
CHORD_CLEAR = 0.4
CHROMATIC = frozenset(range(12))
CHROMA_CLEAR = 0.25  # share of one pitch class in the 2 s chroma that makes a pedal note safe
PAUSE_BEATS = 1.5  # silence from which the player is taken to pause
SHORTEST_PAUSE_S = 2.0
AMBIGUOUS_BPM = 90.0  # a slower beat may be every second one of the player's


class Entry:
    """Remembers what has been reached."""

    def __init__(self, settings: ConductorSettings) -> None:
        self._given = settings.key_given and settings.tempo_given
        self._key_given, self._tempo_given = settings.key_given, settings.tempo_given
        self.reset()

    def reset(self) -> None:
        self._key_clear = False
        self._heard_player = False

    def hear(self, heard: Heard) -> None:
        """Take every tick, in order."""
        self._heard_player = self._heard_player or heard.playing
        threshold = KEY_LOST if self._key_clear else KEY_CLEAR
        self._key_clear = heard.tonic >= 0 and (self._key_given or heard.key_confidence >= threshold)

    def stage(self, heard: Heard, ahead_s: float, beat_s: float, bar_s: float, has_chord: bool) -> Stage:
        """Who may play a step that lies ``ahead_s`` after the tick."""
        if not self._heard_player or (heard.tonic < 0 and not has_chord and bass_hint(heard) < 0):
            return Stage()
        answering = False
        if not heard.playing:
            silence_s = heard.quiet_s(ahead_s)
            if silence_s > longest_pause_s(beat_s, bar_s, self._tempo_given):
                return Stage()
            answering = silence_s > PAUSE_BEATS * beat_s
        trusted = heard.locked or self._given
        chord_clear = has_chord and heard.chord_confidence >= CHORD_CLEAR
        return Stage(
            bass=chord_clear or self._key_clear or bass_hint(heard) >= 0,
            chords=has_chord and (self._key_clear or (chord_clear and trusted)),
            melody=self._key_clear and trusted,
            drums=trusted,
            counter=self._key_clear and trusted and has_chord and not answering,
            pad=has_chord and self._key_clear and (trusted or chord_clear),
            pedal=not trusted,
            answering=answering,
        )


def longest_pause_s(beat_s: float, bar_s: float, tempo_given: bool) -> float:
    """What is still a rest within the music: a bar, or 2 s; at twice the tempo where the beat may be two of the player's."""
    doubled = not tempo_given and 60.0 / beat_s <= AMBIGUOUS_BPM
    return max(bar_s / 2 if doubled else bar_s, SHORTEST_PAUSE_S)


def bass_hint(heard: Heard, within: frozenset[int] = CHROMATIC) -> int:
    """The pitch class that stands out of the chroma, -1 when none does or when it is not ``within``."""
    loudest = max(heard.chroma)
    hint = heard.chroma.index(loudest)
    return hint if loudest >= CHROMA_CLEAR and hint in within else -1


class Texture:
    """Whether counter-melody and pad join in: decided at each bar line, by complexity, arousal and room.

    The pad comes after two bars and leaves where the music is excited but not loud; the counter-melody
    comes with the second phrase and leaves where the player fills the bar.
    """

    PAD_BARS = 2
    HYSTERESIS = 0.08

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._first_bar: int | None = None
        self._first_phrase: int | None = None
        self._bar: int | None = None
        self._in: set[int] = set()

    def away(self) -> None:
        """Nobody plays: whoever comes back begins anew."""
        self.reset()

    def joined(self, place: Place, arousal: float, energy: float, room: float, complexity: float) -> set[int]:
        """Rows of the parts table that may play; places come in order."""
        if self._first_bar is None or self._first_phrase is None:
            self._first_bar, self._first_phrase = place.bar, place.phrase_start
        if place.bar == self._bar:
            return self._in
        self._bar = place.bar
        wishes = {
            PAD: (place.bar - self._first_bar >= self.PAD_BARS, 0.35 + 0.6 * (complexity - 0.5) - max(0.0, arousal - 0.3) + max(0.0, energy - 0.7)),
            COUNTER: (place.phrase_start > self._first_phrase, 0.15 + 0.9 * (complexity - 0.5) + 0.25 * arousal + 0.4 * (min(room, 1.2) - 0.6)),
        }  # fmt: skip
        for row, (ready, wish) in wishes.items():
            mark = 0.12 - (self.HYSTERESIS if row in self._in else 0.0)
            (self._in.add if ready and wish >= mark else self._in.discard)(row)
        return self._in
