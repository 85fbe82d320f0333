"""Why this note, in words: reasons as sentences, bar by bar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ..music.emotion import Mood
from ..music.scale import MAJOR, MINOR, Key
from ..music.thesaurus import nearest
from .settings import DRUMS, Part
from .why import FACTORS, RULES, Reason

DRUM_NAMES = {
    35: "kick", 36: "kick", 37: "side stick", 38: "snare", 39: "clap", 40: "snare", 41: "low tom", 42: "closed hat", 43: "low tom", 44: "pedal hat",
    45: "mid tom", 46: "open hat", 47: "mid tom", 48: "high tom", 49: "crash", 50: "high tom", 51: "ride", 53: "ride bell", 57: "crash", 59: "ride",
}  # fmt: skip
NETS = {"model": "the net", "fallback": "the rule in the net's place", "off": "the rule, for the net is off"}
WEIGHTY = 1.15  # a factor nearer to 1 than this, or its inverse, is not worth a word


def tell_piece(reasons: Sequence[Reason], parts: Sequence[Part]) -> list[str]:
    """What the whole is made of: a line per part, then the rules that were broken."""
    lines = []
    for row, part in enumerate(parts):
        own = [reason for reason in reasons if reason.part == row]
        if own:
            rules = ", ".join(f"{rule} {count}" for rule, count in Counter(reason.rule for reason in own).most_common(5) if rule)
            lines.append(f"{part.name:<8}{len(own):>5} notes: {rules}")
    broken = Counter(reason.broke for reason in reasons if reason.broke)
    if broken:
        lines.append("broken on purpose: " + ", ".join(f"{name} ({count} notes)" for name, count in broken.most_common()))
    return lines


def tell_bar(reasons: Iterable[Reason], bar: int, parts: Sequence[Part]) -> list[str]:
    """A bar in words: its harmony and mood, then each note with what spoke for it."""
    here = sorted((reason for reason in reasons if reason.bar == bar), key=lambda reason: (reason.frame, reason.part, reason.pitch))
    if not here:
        return ["nothing is played in this bar"]
    first = here[0]
    key = key_of(first)
    mood = Mood(*first.mood)
    feeling = nearest(mood)[0][0].name if mood != Mood() else "neutral"
    chords = list(dict.fromkeys(reason.chord.symbol(key) for reason in here if reason.chord is not None))
    head = [str(key) if key else "key unknown", " - ".join(chords) or "no chord"]
    lines = [f"{', '.join(head)}; {feeling} (V{mood.valence:+.2f} A{mood.arousal:+.2f} T{mood.tension:+.2f})"]
    lines += [f"given, not heard: {', '.join(first.override)}"] if first.override else []
    return lines + [_note(reason, parts) for reason in here]


def _note(reason: Reason, parts: Sequence[Part]) -> str:
    """``2+  melody  F#4  80  repeats ...; the net .12; third of D; for: motif x2.0; against: room x.6``"""
    said = [RULES.get(reason.rule, reason.rule)]
    if reason.prior is not None:
        said.append(f"{NETS.get(reason.net, 'the net')} expected it at {reason.prior:.2f}")
    if reason.role:
        said.append(_in_chord(reason))
    if reason.fit >= 0.2:
        said.append("the player has just sounded it")
    if reason.broke:
        said.append(f"a rule broken on purpose: {reason.broke}")
    elif not reason.in_key:
        said.append("outside the key, with its chord")
    odds: dict[str, float] = {}
    for name, weight in reason.factors:  # a factor that weighed twice, for the time and for the pitch, is told once
        odds[name] = odds.get(name, 1.0) * weight
    weights = [(name, weight) for name, weight in odds.items() if weight >= WEIGHTY or weight <= 1 / WEIGHTY]
    for word, chosen in (("for it", [w for w in weights if w[1] > 1]), ("against it", [w for w in weights if w[1] < 1])):
        if chosen:
            said.append(f"{word}: " + ", ".join(f"{FACTORS.get(name, name)} x{weight:.2g}" for name, weight in chosen))
    return f"  {place(reason):<5}{parts[reason.part].name:<8}{name_of(reason):<11}{reason.velocity:>4}  " + "; ".join(said)


def _in_chord(reason: Reason) -> str:
    """``the third of D``, ``the sixth added to D``, ``passing over D``"""
    if reason.chord is None:
        return reason.role
    name = reason.chord.symbol(key_of(reason))
    if reason.role == "passing":
        return f"passing over {name}"
    role, _, added = reason.role.partition(", ")
    return f"the {role} added to {name}" if added else f"the {role} of {name}"


def place(reason: Reason) -> str:
    """Where in its bar: 1, 1e, 1+, 1a, 2, ...; in 6/8, 9/8 and 12/8 its eighth: 1, 2, 3, 3+, 4, ..."""
    if reason.ternary:
        beat, sub = divmod(reason.step, 4)
        return f"{3 * beat + min(sub, 2) + 1}{'+' if sub == 3 else ''}"
    return f"{reason.step // 4 + 1}{('', 'e', '+', 'a')[reason.step % 4]}"


def key_of(reason: Reason) -> Key | None:
    """The key then believed."""
    return Key(reason.tonic, reason.mode) if reason.tonic >= 0 and reason.mode in (MAJOR, MINOR) else None


def name_of(reason: Reason) -> str:
    """A pitch as its key spells it, middle C being C4; a drum by its name."""
    if reason.part == DRUMS:
        return DRUM_NAMES.get(reason.pitch, f"drum {reason.pitch}")
    spelled = (key_of(reason) or Key(0)).spell(reason.pitch % 12)
    octave = reason.pitch // 12 - 1 + {("B#", 0): -1, ("Cb", 11): 1}.get((spelled, reason.pitch % 12), 0)
    return f"{spelled}{octave}"


def factors_of(reasons: Iterable[Reason], bar: int) -> list[str]:
    """The factors that had a say in a bar, in the table's order."""
    named = {name for reason in reasons if reason.bar == bar for name, weight in reason.factors if abs(weight - 1.0) > 1e-6}
    named |= {"breaks"} if any(reason.broke for reason in reasons if reason.bar == bar) else set()
    return [name for name in FACTORS if name in named]


def difference(before: Iterable[Reason], after: Iterable[Reason], bar: int, parts: Sequence[Part]) -> list[str]:
    """What changes in a bar: per part the notes that fall away and those that come."""
    lines = []
    old, new = ([reason for reason in reasons if reason.bar == bar] for reasons in (before, after))
    for row, part in enumerate(parts):
        gone, came = (
            [f"{name_of(reason)} on {place(reason)}" for reason in sorted(own, key=lambda reason: (reason.step, reason.pitch))]
            for own in (_only(old, new, row), _only(new, old, row))
        )
        if gone or came:
            lines.append(f"{part.name}: " + "; ".join(f"{word} {', '.join(names)}" for word, names in (("without", gone), ("instead", came)) if names))
    return lines


def _only(these: list[Reason], others: list[Reason], row: int) -> list[Reason]:
    there = Counter((reason.step, reason.pitch) for reason in others if reason.part == row)
    only = []
    for reason in these:
        if reason.part == row:
            if there[reason.step, reason.pitch] > 0:
                there[reason.step, reason.pitch] -= 1
            else:
                only.append(reason)
    return only
