"""Kelly's reading of scores beside that of people who analysed them."""

from pathlib import Path

import pytest

from training.data.music21 import place
from training.data.music21.analyses import analysed, compare, folded


@pytest.mark.parametrize(("root", "tones", "named"), [
    (7, {7, 11, 2}, (7, 0)), (2, {2, 5, 9}, (2, 1)), (7, {7, 11, 2, 5}, (7, 2)), (2, {2, 5, 9, 0}, (2, 3)), (11, {11, 2, 5, 9}, (11, 4)),
    (0, {0, 4, 8}, (0, 0)), (0, {0, 4, 7, 11}, (0, 0)), (0, {0, 7}, None),
])  # fmt: skip
def test_numerals_are_folded_onto_five_qualities(root, tones, named):
    assert folded(root, tones) == named


def test_the_chords_of_chorales_are_those_that_people_named(tmp_path):
    """Three of the fifteen; of all beats .91, and .82 when passing notes counted half as much as what stands on the beat."""
    pairs = {analysis.stem[-3:]: (analysis, score) for analysis, score in analysed(place(Path("installed")))}
    found = [compare(*pairs[number], tmp_path) for number in ("001", "006", "020")]
    beats = sum(one.beats for one in found)
    assert beats > 120
    assert sum(one.roots for one in found) >= 0.86 * beats
    assert sum(one.chords for one in found) >= 0.84 * beats
    assert sum(one.ours_change for one in found) == pytest.approx(sum(one.theirs_change for one in found), rel=0.15)
