"""216 shades, each of which can be reached; words that mean what they say."""

from __future__ import annotations

import itertools

import pytest

from kelly.errors import ConfigError
from kelly.music.emotion import ANCHORS, Mood, distance
from kelly.music.thesaurus import INTENSITIES, NODES, WORDS, Feeling, blend, names, nearest, shade, spacing
from kelly.music.words import POINTS, RELATIVES, read_words


def test_there_are_216_nodes_with_names_of_their_own():
    """Six emotions, six words, six intensities; all coordinates in range, no two in one place."""
    assert len(NODES) == len({node.name for node in NODES}) == 216
    assert all(abs(x) <= 1 for node in NODES for x in (node.mood.valence, node.mood.arousal, node.mood.tension))
    assert min(distance(a.mood, b.mood) for a, b in itertools.combinations(NODES, 2)) > 0.01


def test_the_six_words_lie_around_their_anchor():
    """The middle of the two inner words at full intensity is the anchor; intensities scale the radius."""
    for emotion, words in WORDS.items():
        inner = [shade(emotion, word, 1.0) for word in words[2:4]]
        middle = Mood(*(sum(getattr(m, axis) for m in inner) / 2 for axis in ("valence", "arousal", "tension")))
        assert distance(middle, Mood(*ANCHORS[emotion])) < 0.01
        radii = [distance(Mood(), shade(emotion, words[0], intensity)) for intensity in INTENSITIES]
        assert [r / radii[-1] for r in radii] == pytest.approx(INTENSITIES)


@pytest.mark.parametrize("target", NODES, ids=lambda node: node.name)
def test_every_node_is_reached_from_the_far_end_within_the_dwell(target):
    """From the node that lies farthest away, with hysteresis: after a second at its point the name is its own."""
    feeling = Feeling()
    start = max(NODES, key=lambda node: distance(node.mood, target.mood))
    assert feeling.update(start.mood, 0.0) is start
    for step in range(1, 40):
        now = feeling.update(target.mood, 0.04 * step)
    assert now is target
    assert blend(target.mood)[0] == (target, 1.0)


def test_every_node_is_reached_from_its_nearest_neighbour():
    """The smallest step there is still passes the hysteresis of half a spacing."""
    for target in NODES:
        feeling, neighbour = Feeling(), nearest(target.mood, 2)[1][0]
        feeling.update(neighbour.mood, 0.0)
        feeling.update(target.mood, 0.1)
        assert feeling.update(target.mood, 1.2) is target


def test_a_trembling_mood_keeps_its_name():
    """A wobble of less than half the spacing, or shorter than a second, renames nothing."""
    node = NODES[70]
    feeling, other = Feeling(), nearest(node.mood, 2)[1][0]
    feeling.update(node.mood, 0.0)
    for step in range(1, 200):
        share = 0.4 * (step % 2)
        between = Mood(*(a + share * (b - a) for a, b in zip(
            (node.mood.valence, node.mood.arousal, node.mood.tension),
            (other.mood.valence, other.mood.arousal, other.mood.tension), strict=True)))  # fmt: skip
        assert feeling.update(between, 0.04 * step) is node
    for step in range(200, 400):
        assert feeling.update(other.mood if step % 20 else node.mood, 0.04 * step) is node
    assert spacing(node) == pytest.approx(distance(node.mood, other.mood))


def test_three_nearest_are_blended_and_their_shares_sum_to_one():
    """Nearer weighs more."""
    rows = blend(Mood(0.5, 0.3, -0.2))
    assert len(rows) == 3
    assert sum(share for _, share in rows) == pytest.approx(1.0)
    assert rows[0][1] >= rows[1][1] >= rows[2][1] > 0
    assert names(node for node, _ in rows).count(",") == 2


def test_every_relative_is_a_word_of_one_place():
    """No word in two lists, and each leads to a word of the thesaurus."""
    own = [word for words in WORDS.values() for word in words]
    relatives = [word for words in RELATIVES.values() for word in words]
    assert set(RELATIVES) == set(own)
    assert len(own + relatives) == len(set(own + relatives)) == len(POINTS) - 1


@pytest.mark.parametrize(
    ("text", "sign_valence", "sign_arousal"),
    [
        ("happy", 1, 1), ("not happy", -1, -1), ("never joyful", -1, -1), ("without joy", -1, -1), ("unhappy", -1, -1),
        ("angry", -1, 1), ("not angry", 1, -1), ("I don't feel angry at all", 1, -1), ("isn't scared", 1, -1),
        ("calm", 1, -1), ("not calm", -1, 1), ("not sad but calm", 1, -1), ("HAPPY!", 1, 1), ("not-so-happy", -1, -1),
    ],
)  # fmt: skip
def test_words_point_where_they_should_and_not_turns_them_round(text, sign_valence, sign_arousal):
    """Valence and arousal change sign under negation; a prefix is a word of its own."""
    mood = read_words(text).mood
    assert mood.valence * sign_valence > 0
    assert mood.arousal * sign_arousal > 0


def test_at_all_counts_wherever_it_stands_and_less_is_less():
    assert read_words("not happy at all").mood == read_words("not at all happy").mood != read_words("not happy").mood
    assert read_words("not happy at all, but calm").heard[1] == ("calm", 1.0)
    less, plain = read_words("less sad"), read_words("sad")
    assert (less.unknown, abs(less.mood.arousal) < abs(plain.mood.arousal)) == ((), True)


def test_degrees_order_as_in_speech():
    """extremely > very > plain > somewhat > slightly > hardly > not very > not > not at all, on one axis."""
    texts = ("extremely happy", "very happy", "happy", "somewhat happy", "slightly happy", "barely happy", "not very happy", "not happy", "not at all happy")
    valences = [read_words(text).mood.valence for text in texts]
    assert valences == sorted(valences, reverse=True)
    assert len(set(valences)) == len(valences)
    assert read_words("a little sad").mood.arousal > read_words("sad").mood.arousal


def test_only_whole_words_count():
    """A gladiator is not glad, a madrigal not mad; the nearest word is named."""
    for text in ("gladiator", "madrigal", "downtown"):
        with pytest.raises(ConfigError, match="no mood in"):
            read_words(text)
    with pytest.raises(ConfigError, match="did you mean 'happy'"):
        read_words("hapy")
    assert read_words("happy gladiator").unknown == ("gladiator",)


def test_a_negator_holds_for_its_clause_and_both_sides_of_or():
    """"not sad or angry" turns both, "not sad, calm" only the first."""
    assert [weight < 0 for _, weight in read_words("not sad or angry").heard] == [True, True]
    assert [weight < 0 for _, weight in read_words("neither sad nor angry").heard] == [True, True]
    assert [weight < 0 for _, weight in read_words("not sad, calm").heard] == [True, False]
    assert [weight < 0 for _, weight in read_words("not sad and calm").heard] == [True, False]
