"""``kelly models``: the five nets and the files that would answer for them."""

from __future__ import annotations

from typing import Any

import click

from kelly.cli.console import table
from kelly.cli.options import JSON, MODELS, VOICE, console, options

SCHEMA = "kelly.models/1"
RULED = {"dynamicsengine": "velocity and accent stay the rule's"}
"""What a net says and kelly does not play."""


@click.command("models")
@click.argument("action", metavar="[list]", type=click.Choice(("list",)), default="list")
@options(MODELS, JSON, VOICE)
def command(action: str, **flags: Any) -> int:
    """List the five nets and the files that would answer for them.

    A net without a usable file, or one that does not beat its baseline, is answered by its rule, and the reason is given;
    one that misses a gate of the project says which.
    """
    import logging

    voice = console(flags)
    logging.getLogger("kelly").setLevel(logging.ERROR)  # the table says it all
    from kelly._rt.contract import NET_NAMES
    from kelly.cli.options import settings
    from kelly.nets.processor import MultiModelProcessor
    from kelly.nets.store import search_path

    config = settings(flags)
    enabled = [name for name in NET_NAMES if name not in config.models.disabled]
    processor = MultiModelProcessor(config.models.path or None, enabled, config.models.strict, config.engine.arithmetic, config.models.enabled)
    slots = [processor.slot(name) for name in NET_NAMES]
    if voice.json:
        fields = ("name", "source", "reason", "nbytes", "sha256", "latency_us", "vector_error", "taught_by", "missed", "enabled", "beaten")
        found = [{"path": str(slot.path) if slot.path else None} | {name: getattr(slot, name) for name in fields} for slot in slots]
        folders = [str(folder) for folder in search_path(config.models.path or None).folders]
        voice.report(SCHEMA, {"folders": folders, "nets": found})
        return 0
    rows = [
        (slot.name, slot.source, round(slot.nbytes / 1024), round(slot.latency_us, 1), why(slot), slot.path or "-")
        for slot in slots
    ]
    voice.data(table(("net", "answers", "KB", "us a step", "taught by, or why not", "file"), rows))
    return 0


def why(slot: Any) -> str:
    """What it learned from, and where its rule answers for it the reason."""
    if slot.spare is not None:
        return f"{slot.taught_by}; does not beat its baseline"
    said = [RULED[slot.name]] if slot.source == "model" and slot.name in RULED else []
    if slot.source == "model" and slot.missed:
        said.append(f"misses: {', '.join(slot.missed)}")
    return "; ".join([slot.taught_by or slot.reason, *said])
