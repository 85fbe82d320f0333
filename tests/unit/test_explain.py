"""Why each note is there, told from pieces, takes and recordings."""

from __future__ import annotations

import json
import shutil

import pytest

from kelly.cli.app import run
from kelly.config import load_config
from kelly.generate.explain import DRUM_NAMES, difference, factors_of, name_of, place, tell_bar, tell_piece
from kelly.generate.settings import DRUMS, MELODY
from kelly.generate.why import FACTORS, RULES
from kelly.live.explain import explained, first_bar
from kelly.midi.tempo import TempoMap


@pytest.fixture(scope="module")
def piece(tmp_path_factory):
    folder = tmp_path_factory.mktemp("piece")
    assert run(["compose", "sadness turning into joy", "--bars", "8", "--seed", "2", "-o", str(folder / "p.mid"), "-q"]) == 0
    return folder / "p.mid"


@pytest.fixture(scope="module")
def found(piece):
    return explained(piece, load_config())


def test_a_piece_is_played_again_exactly(found):
    assert found.kind == "piece"
    assert found.same is True


def test_every_reason_uses_the_tables_words(found):
    assert {reason.rule for reason in found.reasons} <= {*RULES, ""}
    assert {name for reason in found.reasons for name, _ in reason.factors} <= set(FACTORS)


def test_a_bar_in_words_names_each_of_its_notes(found):
    here = [reason for reason in found.reasons if reason.bar == 2]
    text = "\n".join(tell_bar(found.reasons, 2, found.parts))
    for reason in here:
        assert name_of(reason) in text
        assert found.parts[reason.part].name in text
    assert sum(line.startswith("  ") for line in text.splitlines()) == len(here)


def test_leaving_a_factor_out_changes_what_it_decided(found):
    """The nets' word taken away: somewhere the melody goes another way."""
    without = found.again(frozenset(("net",)))
    assert any(difference(found.reasons, without, bar, found.parts) for bar in range(8))
    assert not any(difference(found.reasons, found.again(frozenset()), bar, found.parts) for bar in range(8))


def test_factors_of_a_bar_come_from_its_notes(found):
    names = factors_of(found.reasons, 1)
    assert "net" in names or "motif" in names
    assert factors_of(found.reasons, 99) == []


def test_drums_are_called_by_name_and_pitches_as_the_key_spells_them(found):
    drums = [reason for reason in found.reasons if reason.part == DRUMS]
    tune = [reason for reason in found.reasons if reason.part == MELODY]
    assert all(name_of(reason) in DRUM_NAMES.values() for reason in drums)
    assert all(name_of(reason)[-1].isdigit() for reason in tune)
    assert {place(reason)[0] for reason in drums} <= set("1234")


def test_an_empty_bar_says_so(found):
    assert tell_bar(found.reasons, 50, found.parts) == ["nothing is played in this bar"]
    assert tell_piece([], found.parts) == []


@pytest.mark.parametrize(("tempo", "bar"), [
    (TempoMap(), 0),
    (TempoMap([(0, 0), (24000, 1)], 120.0), 0),
    (TempoMap([(48000, 0), (72000, 1), (96000, 2)], downbeat=0), 1),  # two beats of lead-in are stretched to a bar
    (TempoMap([(48000, 3), (72000, 4), (96000, 5)], downbeat=4), 0),
])  # fmt: skip
def test_bars_are_counted_as_in_the_file(tempo, bar):
    assert first_bar(tempo, 48000) == bar


def test_an_edited_piece_is_told_apart(piece, tmp_path, capsys):
    shutil.copy(piece, tmp_path / "p.mid")
    shutil.copy(piece.with_suffix(".toml"), tmp_path / "p.toml")
    data = bytearray((tmp_path / "p.mid").read_bytes())
    data[-20] ^= 1
    (tmp_path / "p.mid").write_bytes(data)
    assert run(["explain", str(tmp_path / "p.mid")]) == 0
    assert "other notes" in capsys.readouterr().err


def test_the_command_tells_a_bar_and_what_each_factor_did(piece, capsys):
    assert run(["explain", str(piece), "--bar", "2", "--only", "melody", "--without", "net"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("bar 2: ")
    assert "without net" in out
    assert "drums" not in out
    assert run(["explain", str(piece), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "kelly.explain/1"
    assert report["same"]
    assert {note["bar"] for note in report["notes"]} == set(range(1, 9))


@pytest.mark.parametrize(("words", "code", "said"), [
    (["explain", "nowhere.mid"], 6, "no such file"),
    (["explain", "alone.mid"], 6, "alone.toml is not beside it"),
    (["explain", "nowhere.wav"], 6, "nowhere.wav"),
    (["explain", "p.mid", "--bar", "2", "--without", "luck"], 2, "no factor"),
    (["explain", "p.mid", "--without", "net"], 2, "--bar"),
    (["explain", "p.mid", "--only", "tuba"], 2, "no part"),
])  # fmt: skip
def test_what_cannot_be_explained_says_why(piece, tmp_path, capsys, monkeypatch, words, code, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alone.mid").write_bytes(piece.read_bytes())
    shutil.copy(piece, tmp_path / "p.mid")
    shutil.copy(piece.with_suffix(".toml"), tmp_path / "p.toml")
    assert run(words) == code
    assert said in capsys.readouterr().err


def test_a_recording_is_explained_with_the_settings_it_was_rendered_with(capsys):
    from kelly.audio.sources import DEMO

    assert run(["explain", str(DEMO), "--key", "G", "--tempo", "100", "--seed", "1", "--bar", "6", "--without", "net"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("bar 6: G major")
    assert "given, not heard: key, tempo" in out


def test_a_bar_behind_the_last_is_refused(piece, capsys):
    assert run(["explain", str(piece), "--bar", "99"]) == 2
    assert "no bar 99; the last with a note is 8" in capsys.readouterr().err
