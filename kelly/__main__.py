"""``kelly`` and ``python -m kelly``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    from kelly.cli.app import run

    code = run(sys.argv[1:])
    if "kelly.audio.sources" in sys.modules:
        from kelly.audio.sources import left_behind

        if left_behind():  # the library's own end would meet its thread; nothing of ours is left to be done
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
