"""``kelly salvage``: finish takes that a crash cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kelly.cli.options import JSON, VOICE, console, options
from kelly.errors import TakeError

SCHEMA = "kelly.salvage/1"


@click.command("salvage")
@click.argument("folder", metavar="FOLDER")
@options(JSON, VOICE)
def command(folder: str, **flags: Any) -> int:
    """Finish takes that a crash cut off.

    FOLDER is a take or holds some; each gets its take.mid.  The sound, the feeling and the settings of such a take are readable already.
    """
    from kelly.live.salvage import salvage, unfinished

    voice = console(flags)
    if not Path(folder).is_dir():
        raise TakeError(f"{folder}: no such folder")
    takes = unfinished(Path(folder))
    mended = [str(salvage(take)) for take in takes]
    if voice.json:
        voice.report(SCHEMA, {"midi_files": mended})
    elif mended:
        voice.data("\n".join(mended))
    if not takes:
        voice.narrate(f"{folder}: nothing to mend")
    return 0
