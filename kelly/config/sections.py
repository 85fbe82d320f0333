"""The sections of the settings: what can be said about each, its default and its range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass
from types import MappingProxyType

from kelly.controls import CONTROLS

DEFAULT_CHANNELS: Mapping[str, int] = MappingProxyType({"chords": 1, "melody": 2, "bass": 3, "drums": 10, "counter": 4, "pad": 5})


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """What kelly hears.

    input         "auto", "demo", "file:PATH", or an unambiguous part of a device's name
    keyboard      a MIDI keyboard as the player in the place of sound: "virtual[:NAME]", or part of a port's name; "" for none
    channel       1-based input channel; None mixes all of a file, the first two of a device
    gate_db       dBFS below which nobody plays, -119..-1
    block_frames  frames per callback; 0 lets the driver choose
    tail_s        silence after the last frame of a file, in which the music ends, 0..60; 0: it does not, it is cut off
    end_s         seconds into the stream at which the player has ended, 0..86400; None: where a file with a tail does
    patience_s    how long a device that went is waited for, 0..3600
    """

    input: str = "auto"
    keyboard: str = ""
    channel: int | None = None
    gate_db: float = -60.0
    block_frames: int = 0
    tail_s: float = 6.0
    end_s: float | None = None
    patience_s: float = 8.0


@dataclass(frozen=True, slots=True)
class MidiConfig:
    """Where the notes go.

    output    "auto", "virtual[:NAME]", "file:PATH", or an unambiguous part of a port's name
    input     clock, pedals and knobs: "virtual[:NAME]", or an unambiguous part of a port's name; "" listens to none
    controls  action -> control, such as {"freeze": "CC 21", "tap": "note 36"}; an action that is missing keeps its own
    channels  MIDI channel per part, 1..16, no two alike
    programs  General MIDI program per part, 0..127 as on the wire; a missing part keeps its own
    parts     whether a part plays from the start, such as {"bass": false}; a missing part does
    ranges    lowest and highest note of a part, such as {"melody": "60-84"}, an octave at least; a missing part keeps its own
    cc        feeling -> controller that tells it, such as {"valence": "20", "chord": "CC 24 on channel 5"}; else channel 16
    """

    output: str = "auto"
    input: str = ""
    controls: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    channels: Mapping[str, int] = field(default_factory=lambda: DEFAULT_CHANNELS)
    programs: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    parts: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))
    ranges: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    cc: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class MusicConfig:
    """What is known about the music in advance; "auto", None and "" leave it to the tracker.

    key        "auto", "C", "Am", "Eb", "F#m", "A minor"
    tempo_bpm  beats per minute, 30..300
    meter      "N/4" with N in 2..7, or "6/8", "9/8", "12/8", whose beats are dotted quarters
    chords     one chord per bar, repeated, such as "C Am F G"; with bar lines several: "C | Am F | G"
    feel       "straight", "swing", "shuffle", "laid back" or "pushed"; "" as the groove has it
    seed       of every random draw, 0..2**63-1
    mood       words that drive the nets in the recognizer's place, such as "calm, a little sad"; "" listens
    intent     a TOML file with a mood or a way from one to another; "" for none
    preset     a named file of settings (`kelly presets`), which stands just below the place that names it; "" for none
    """

    key: str = "auto"
    tempo_bpm: float | None = None
    meter: str = "4/4"
    chords: str = ""
    feel: str = ""
    seed: int = 0
    mood: str = ""
    intent: str = ""
    preset: str = ""

    @property
    def beats_per_bar(self) -> int:
        return int(self.meter.split("/")[0]) // (3 if self.ternary else 1)

    @property
    def ternary(self) -> bool:
        """Whether a beat has three eighths."""
        return self.meter.endswith("/8")


@dataclass(frozen=True, slots=True)
class ModelsConfig:
    """Which nets are asked.

    path      folder with the five nets, or several joined as in PATH; "" searches as usual
    strict    a missing or broken net is an error instead of a labelled fallback
    disabled  nets that are off
    enabled   nets that answer even where their file says that the rule is better
    """

    path: str = ""
    strict: bool = False
    disabled: tuple[str, ...] = ()
    enabled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """How it runs.

    arithmetic     "eigen" or "stl": whose rounding the nets follow
    look_ahead_ms  how far ahead notes are planned at least, 5..500
    latency_ms     how long sound takes to kelly and notes take to the ear, together, 0..500: planned notes leave
                   that much early; `kelly doctor --loop` measures it
    reflex_note    MIDI note struck at each onset without waiting for the musician, None for none
    """

    arithmetic: str = "eigen"
    look_ahead_ms: float = 20.0
    latency_ms: float = 0.0
    reflex_note: int | None = None


@dataclass(frozen=True, slots=True)
class OscConfig:
    """Who is told by OSC what is felt and heard.

    to  "HOST:PORT", or a port of this machine's own loopback; "" for nobody
    """

    to: str = ""


@dataclass(frozen=True, slots=True)
class RecordConfig:
    """What is kept.

    folder  where each session leaves a take (see kelly.live.take); "" for none
    """

    folder: str = ""


@dataclass(frozen=True, slots=True)
class PersonalConfig:
    """Valence, arousal and tension as a player means them; `kelly train personal` finds the numbers.

    valence  shares of the recognizer's valence, arousal and tension in the player's valence, and an offset; each -4..4
    arousal  the same for arousal
    tension  the same for tension
    """

    valence: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    arousal: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 0.0)
    tension: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 0.0)

    @property
    def rows(self) -> tuple[tuple[float, float, float, float], ...] | None:
        """The three, for the worker; None where they change nothing."""
        return None if self == PersonalConfig() else (self.valence, self.arousal, self.tension)


ControlsConfig = make_dataclass(
    "ControlsConfig", [(name, float, field(default=default)) for name, _, _, default, _, _ in CONTROLS], frozen=True, slots=True
)
ControlsConfig.__doc__ = "What the player may turn while the music goes on, as it stands at the start.\n\n" + "\n".join(
    f"    {name}  {meaning}; {low:g}..{high:g}{' ' + unit if unit else ''}" for name, low, high, _, unit, meaning in CONTROLS
)


SECTIONS = {
    "audio": AudioConfig, "midi": MidiConfig, "music": MusicConfig, "models": ModelsConfig, "engine": EngineConfig,
    "record": RecordConfig, "osc": OscConfig, "controls": ControlsConfig, "personal": PersonalConfig,
}  # fmt: skip
