"""One thing written into a kelly.toml; every other byte stays."""

import tomllib

import pytest

from kelly.errors import ConfigError
from kelly.live.keep import keep

CASES = {
    "nothing yet": ("", '[midi]\ncontrols = { freeze = "CC 21" }\n', 2),
    "other sections": ("# mine\n[music]\nkey = \"Am\"  # always\n", '# mine\n[music]\nkey = "Am"  # always\n\n[midi]\ncontrols = { freeze = "CC 21" }\n', 6),
    "the section": ('[midi] # ports\noutput = "auto"\n\n[music]\nseed = 3\n', '[midi] # ports\ncontrols = { freeze = "CC 21" }\noutput = "auto"\n\n[music]\nseed = 3\n', 2),
    "inline": ('[midi]\ncontrols = { tap = "note 36" } # feet\n', '[midi]\ncontrols = { tap = "note 36", freeze = "CC 21" } # feet\n', 2),
    "inline, changed": ('[midi]\n  controls = { freeze = "CC 1", tap = "note 36" }\n', '[midi]\n  controls = { freeze = "CC 21", tap = "note 36" }\n', 2),
    "a table": ('[midi.controls]\ntap = "note 36"\n[music]\nseed = 3\n', '[midi.controls]\nfreeze = "CC 21"\ntap = "note 36"\n[music]\nseed = 3\n', 2),
    "a table, changed": ('[midi.controls]\n# the left one\nfreeze = "CC 1"  # worn\n', '[midi.controls]\n# the left one\nfreeze = "CC 21"  # worn\n', 3),
    "dotted": ('[midi]\ncontrols.tap = "note 36"\n', '[midi]\ncontrols.freeze = "CC 21"\ncontrols.tap = "note 36"\n', 2),
}


@pytest.mark.parametrize("case", CASES)
def test_a_binding_is_written_and_the_rest_stays(tmp_path, case):
    before, after, line = CASES[case]
    path = tmp_path / "kelly.toml"
    path.write_text(before)
    assert keep(path, "midi", "controls", {"freeze": "CC 21"}) == line
    assert path.read_text() == after


@pytest.mark.parametrize("text", ['[midi]\ncontrols = { freeze = "CC 1", tap = "CC 9" }\n', '[midi.controls]\nfreeze = "CC 1"\ntap = "CC 9"\n'])
def test_what_lost_its_control_is_taken_out(tmp_path, text):
    path = tmp_path / "kelly.toml"
    path.write_text(text)
    keep(path, "midi", "controls", {"density": "CC 1", "freeze": None})
    assert tomllib.loads(path.read_text()) == {"midi": {"controls": {"density": "CC 1", "tap": "CC 9"}}}


@pytest.mark.parametrize(
    ("text", "words"),
    [("[midi\n", "not TOML"), ("midi = { output = \"auto\" }\n", "write there yourself"), ('midi.controls.tap = "CC 3"\n', "write there yourself")],
)
def test_a_file_that_cannot_be_changed_safely_stays_as_it_is(tmp_path, text, words):
    path = tmp_path / "kelly.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        keep(path, "midi", "controls", {"freeze": "CC 21"})
    assert path.read_text() == text
