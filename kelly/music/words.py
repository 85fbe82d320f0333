"""Words to a mood: "calm, a little sad but not anxious".

Only whole words count, negation turns a feeling round, and words of degree strengthen or weaken it.
The list is kelly's own: the thesaurus's words, their relatives, and a few that name a corner of the space.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kelly.errors import ConfigError
from kelly.music.emotion import Mood
from kelly.music.thesaurus import WORDS, shade

PLAIN = 0.85
"""Intensity of a word without a word of degree: there is room above it."""

RELATIVES = {
    "content": ("contentment", "contented", "relief", "relieved", "satisfied", "pleased", "comfortable"),
    "cheerful": ("cheery", "merry", "jolly", "sunny", "playful", "lighthearted", "cheer", "fun", "funny"),
    "happy": ("happiness", "glad", "good", "positive"),
    "joyful": ("joy", "joyous", "jubilant", "gleeful"),
    "elated": ("elation", "euphoria", "triumph", "victory", "celebration", "euphoric", "ecstatic", "triumphant", "victorious", "celebratory"),
    "exuberant": ("exuberance", "excited", "exciting", "excitement", "energetic", "lively", "wild", "upbeat", "festive"),
    "serene": ("serenity", "tranquil", "meditative", "still", "sleepy", "drowsy"),
    "peaceful": ("peace", "restful", "relaxed", "relaxing", "quiet", "mellow", "chill"),
    "calm": ("calmness", "soothing", "gentle", "soft"),
    "tender": ("tenderness", "sweet", "delicate", "intimate"),
    "affectionate": ("affection", "loving", "love", "romance", "romantic", "caring"),
    "warm": ("warmth", "cosy", "cozy", "comfort", "friendly", "friendship", "grateful", "gratitude"),
    "despairing": ("despair", "hopeless", "desperate", "devastated", "heartbroken", "depressed"),
    "gloomy": ("gloom", "bleak", "dreary", "unhappy", "unhappiness", "miserable", "misery", "grieving", "grief", "mournful", "mourning", "loss"),
    "sad": ("sadness", "sorrowful", "sorrow", "down", "blue", "lonely", "loneliness", "bad"),
    "melancholic": ("melancholy", "pensive", "subdued"),
    "wistful": ("longing", "yearning", "bittersweet"),
    "nostalgic": ("nostalgia", "dreamy", "reflective"),
    "panicked": ("panic", "hysterical", "frantic"),
    "terrified": ("terror", "horror", "horrified", "scary"),
    "afraid": ("fear", "fearful", "scared", "frightened"),
    "anxious": ("anxiety", "nervous", "nervousness", "worry", "tension", "worried", "tense", "restless", "suspenseful"),
    "uneasy": ("unease", "eerie", "spooky", "mysterious", "ominous"),
    "dreading": ("dread", "sinister", "dark", "menacing"),
    "raging": ("rage", "violent"),
    "furious": ("fury", "aggressive", "fierce"),
    "angry": ("anger", "mad", "irritated"),
    "hostile": ("hostility", "hate", "hatred", "hateful", "harsh"),
    "bitter": ("bitterness", "spiteful"),
    "resentful": ("resentment", "brooding", "sullen"),
    "delighted": ("delight", "delightful", "charmed", "bright"),
    "enchanted": ("enchanting", "magical"),
    "inspired": ("inspiring", "hopeful", "hope", "uplifting", "wonder"),
    "amazed": ("amazement", "awe", "wonderful", "miracle"),
    "thrilled": ("thrilling", "epic", "heroic", "powerful"),
    "astonished": ("astonishment", "surprised", "astounded"),
}
"""Other words for the thesaurus's own."""

FACTORS = {
    "very": 1.2, "really": 1.2, "so": 1.2, "deeply": 1.25, "truly": 1.15, "too": 1.2, "highly": 1.2, "super": 1.3,
    "extremely": 1.4, "incredibly": 1.4, "utterly": 1.4, "completely": 1.35, "totally": 1.35, "absolutely": 1.35,
    "quite": 0.9, "pretty": 0.9, "rather": 0.85, "fairly": 0.8, "moderately": 0.7, "somewhat": 0.65, "mildly": 0.5,
    "slightly": 0.45, "little": 0.45, "bit": 0.45, "less": 0.5, "tiny": 0.6, "faintly": 0.3, "hint": 0.3, "touch": 0.4,
}  # fmt: skip
"""Words of degree."""

NEGATORS = frozenset(("not", "no", "never", "without", "neither", "nor", "cannot", "isn't", "aren't", "don't", "doesn't", "wasn't", "won't", "ain't"))
NEARLY_NOT = {"hardly": -0.3, "scarcely": -0.3, "barely": 0.15}
TURNED = -0.6
"""What "not" makes of a feeling: its opposite, milder; "not very" milder still, "not at all" stronger."""

ENDS_SCOPE = frozenset(("but", "and", "yet", "although", "though", "however", "only", "just"))
FILLERS = frozenset(
    ("a", "an", "the", "of", "at", "all", "with", "or", "as", "to", "in", "it", "is", "be", "i", "am", "feel", "feeling", "feels", "feelings",
     "music", "song", "mood", "please", "make", "me", "like", "something", "more", "that", "this", "any", "i'm", "it's", "that's", "let's", "we're", "you're", "then", "for", "my", "are")
)  # fmt: skip

POINTS = {
    **{word: shade(emotion, word, PLAIN) for emotion, words in WORDS.items() for word in words},
    "neutral": Mood(),
}
POINTS |= {relative: POINTS[word] for word, relatives in RELATIVES.items() for relative in relatives}


WAYS = re.compile(
    r"""\s*(?:->|\u2192|,?\s*\b(?:
        (?:slowly|gradually|suddenly|and|then)\s+)*
        (?:(?:(?:turn|chang|melt|grow|fad|ris|fall|mov|shift|develop|dissolv|go|eas|sink|break)(?:s|es|ing|n)?\s+)?(?:into|towards?)
          | (?:turn|chang|lead|ris|fad|mov|go|sink)(?:s|es|ing)?\s+to
          | (?:that\s+|which\s+)?becom(?:es|ing)
          | giv(?:es|ing)\s+way\s+to
          | (?:and\s+)?then)\b)\s*""",
    re.IGNORECASE | re.VERBOSE,
)
"""What stands between two feelings of which one becomes the other."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was understood.

    mood     the mean of the feelings named
    heard    the words that counted, each with its weight: negative when turned round
    unknown  words that are in no list
    """

    mood: Mood
    heard: tuple[tuple[str, float], ...]
    unknown: tuple[str, ...]


def read_words(text: str) -> Reading:
    """The mood that a sentence names.

    text     English; case and punctuation as you like
    raises   ConfigError when no word of feeling is in it, naming the nearest
    """
    heard: list[tuple[str, float]] = []
    unknown: list[str] = []
    for clause in re.split(r"[,;.:!?/]+", text.casefold().replace("\u2019", "'")):
        _read_clause(re.findall(r"[a-z]+(?:'[a-z]+)?", clause), heard, unknown)
    if not heard:
        raise ConfigError(f"no mood in {text!r}: {_hint(unknown)}")
    points = [(POINTS[word], weight) for word, weight in heard]
    values = [
        sum(getattr(point, axis) * weight for point, weight in points) / len(points) for axis in ("valence", "arousal", "tension")
    ]
    return Reading(Mood(*(max(-1.0, min(1.0, value)) for value in values)), tuple(heard), tuple(unknown))


def split_way(text: str) -> tuple[str, str] | None:
    """The two ends of "grief turning into hope", "from calm to joy" or "sad, then happy"; None where nothing becomes anything.

    raises   ConfigError for more than two stations
    """
    start, _, end = text.partition(" to ") if re.match(r"\s*from\b", text, re.IGNORECASE) and not WAYS.search(text) else (text, "", "")
    ends = [start.strip()[4:], end] if end else WAYS.split(re.sub(r"^\s*from\b", "", text, flags=re.IGNORECASE))
    if len(ends) < 2:
        return None
    if len(ends) > 2:
        raise ConfigError(f"{text!r} has {len(ends)} stations; a way has two, such as 'grief turning into hope': write several pieces")
    return ends[0].strip(" ,"), ends[1].strip(" ,")


def _read_clause(words: list[str], heard: list[tuple[str, float]], unknown: list[str]) -> None:
    """One clause: a negator holds until "but" or "and", a word of degree for the next feeling."""
    negated, nearly, degree, at_all, first = False, None, None, False, len(heard)
    for word, following in zip(words, [*words, ""][1:], strict=True):
        if word in NEGATORS:
            negated = True
        elif word in NEARLY_NOT:
            nearly = NEARLY_NOT[word]
        elif word == "at" and following == "all":
            if negated and len(heard) > first:  # "not happy at all"
                heard[-1] = heard[-1][0], _weight(negated, nearly, None, True)
            else:
                at_all = True
        elif word in FACTORS:
            degree = FACTORS[word] if degree is None else degree * FACTORS[word]
        elif word in ENDS_SCOPE:
            negated, nearly, degree, at_all = False, None, None, False
        elif word in POINTS:
            heard.append((word, _weight(negated, nearly, degree, at_all)))
            degree = None
        elif word not in FILLERS:
            unknown.append(word)


def _weight(negated: bool, nearly: float | None, degree: float | None, at_all: bool) -> float:
    factor = 1.0 if degree is None else degree
    if nearly is not None:
        return nearly
    if not negated:
        return factor
    if at_all:
        return 1.5 * TURNED
    return TURNED if degree is None else TURNED * (0.5 if factor > 1.0 else 0.8)


def _hint(unknown: list[str]) -> str:
    from difflib import get_close_matches

    near = [match[0] for word in unknown if (match := get_close_matches(word, POINTS, n=1, cutoff=0.6))]
    return f"did you mean {near[0]!r}?" if near else "try words such as calm, happy, sad, angry, afraid, amazed"
