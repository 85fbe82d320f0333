"""The strict JSON reader: the compiled one, or Python's where nothing was compiled."""

from __future__ import annotations

try:
    from kelly._rt.net.scan import BrokenArray, ScanError, Skipped, pointer_token, scan
except ImportError:
    from kelly._rt.net.scan_python import (  # type: ignore[assignment]
        BrokenArray,
        ScanError,
        Skipped,
        pointer_token,
        scan,
    )

__all__ = ["BrokenArray", "ScanError", "Skipped", "pointer_token", "scan"]
