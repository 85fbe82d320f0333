"""What the settings say about the players and what they tell, as the conductor takes it."""

from __future__ import annotations

from collections.abc import Mapping

from kelly.midi.inputs import Control


def ranges(texts: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """{"melody": "60-84"} -> {"melody": (60, 84)}."""
    pairs = {name: text.split("-") for name, text in texts.items()}
    return {name: (int(low), int(high)) for name, (low, high) in pairs.items()}


def feelings(texts: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """{"valence": "CC 20 on channel 16"} -> {"valence": (16, 20)}, channel and controller."""
    controls = {name: Control.read(text) for name, text in texts.items()}
    return {name: (control.channel or 16, control.number) for name, control in controls.items()}
