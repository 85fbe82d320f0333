"""``kelly explain``: why every note is there."""

from __future__ import annotations

import json
from typing import Any

import click

from kelly.cli.options import CONFIG, CONTROLS, JSON, MODELS, MUSIC, VOICE, console, options, settings
from kelly.errors import ConfigError

SCHEMA = "kelly.explain/1"


@click.command("explain")
@click.argument("file", metavar="FILE")
@click.option("--bar", metavar="N", type=click.IntRange(min=1), help="Tell this bar note by note, and what each factor did to it.")
@click.option("--only", metavar="PART", help="Tell this part only.")
@click.option("--without", metavar="FACTOR", multiple=True, help="Leave this factor out and show what changes in the bar. Repeatable; default: each in turn.")
@options(MUSIC, CONTROLS, MODELS, CONFIG, JSON, VOICE)
def command(file: str, bar: int | None, only: str | None, without: tuple[str, ...], **flags: Any) -> int:
    """Tell why each note is there.

    FILE is a MIDI file by `kelly compose` (with its .toml beside it), the folder of a take, or a recording
    (with the settings it was rendered with). It is played again, so the reasons are the notes' own;
    with --bar the bar is played again with one factor left out at a time.
    """
    voice = console(flags)
    config = settings(flags)
    from kelly.generate.explain import difference, factors_of, tell_bar, tell_piece
    from kelly.generate.why import FACTORS
    from kelly.live.explain import explained

    for name in without:
        if name not in FACTORS:
            raise ConfigError(f"no factor is called {name!r}; there are {', '.join(FACTORS)}")
    if without and bar is None:
        raise ConfigError("--without shows what changes in one bar: which, --bar N?")
    found = explained(file, config)
    rows = {row.name: number for number, row in enumerate(found.parts)}
    if only is not None and only not in rows:
        raise ConfigError(f"no part is called {only!r}; there are {', '.join(rows)}")
    if found.same is False:
        voice.warn(f"{file}: playing again gives other notes; it was edited, or made by another version, machine or other nets")
    reasons = [reason for reason in found.reasons if only is None or reason.part == rows[only]]
    bars = max((reason.bar for reason in reasons), default=-1) + 1
    if bar is not None and bar > bars:
        raise ConfigError(f"{file}: there is no bar {bar}; the last with a note is {bars}")
    if bar is None:
        if voice.json:
            voice.report(SCHEMA, {"file": file, "kind": found.kind, "same": found.same, "notes": _rows(reasons, found.parts)})
        else:
            voice.data("\n".join([f"{file}: a {found.kind} of {bars} bars, {len(reasons)} notes", *tell_piece(reasons, found.parts), "note by note: --bar N"]))
        return 0
    changes: dict[str, list[str]] = {}
    asked = list(without) or factors_of(reasons, bar - 1)
    with voice.progress("leaving out one factor at a time", len(asked)) as advance:
        for name in asked:
            others = [reason for reason in found.again(frozenset((name,))) if only is None or reason.part == rows[only]]
            changes[name] = difference(reasons, others, bar - 1, found.parts)
            advance(1)
    if voice.json:
        here = [reason for reason in reasons if reason.bar == bar - 1]
        voice.report(SCHEMA, {"file": file, "kind": found.kind, "same": found.same, "bar": bar, "notes": _rows(here, found.parts), "without": changes})
        return 0
    lines = [f"bar {bar}: {line}" if not number else line for number, line in enumerate(tell_bar(reasons, bar - 1, found.parts))]
    for name, changed in changes.items():
        lines.append(f"without {name} ({FACTORS[name]}): " + ("the bar stays as it is" if not changed else ""))
        lines += [f"  {line}" for line in changed]
    voice.data("\n".join(line.rstrip() for line in lines))
    return 0


def _rows(reasons: Any, parts: Any) -> list[dict[str, Any]]:
    """Reasons as JSON has them, bars from 1, parts by name."""
    return [json.loads(reason.line()) | {"bar": reason.bar + 1, "part": parts[reason.part].name} for reason in reasons]
