"""The table of settings: where each is said, and who reads it."""

from __future__ import annotations

from dataclasses import dataclass

from kelly.config.readers import Reader, controller, controls, four, names, note_range, number, parts, switch, text
from kelly.controls import CONTROLS

FEELINGS = ("valence", "arousal", "tension", "emotion", "chord")
ARITHMETICS = ("eigen", "stl", "xsimd", "fast", "int16", "int8")
FEELS = ("straight", "swing", "shuffle", "laid back", "pushed")
METER = "[2-7]/4|(6|9|12)/8"
METERS = "a meter from 2/4 to 7/4, or 6/8, 9/8 or 12/8"
NAMED = r"(?!\s*$|file:\s*$)(?s:.+)"  # an empty name would be part of every name


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: ``key`` in the file, ``name`` as keyword and flag, ``env`` in the environment; ``option`` is the flag where it is called otherwise."""

    key: str
    name: str
    read: Reader
    env: str = ""
    option: str = ""

    @property
    def section(self) -> str:
        return self.key.partition(".")[0]

    @property
    def field(self) -> str:
        return self.key.partition(".")[2]

    @property
    def variable(self) -> str:
        return self.env or f"KELLY_{self.name.upper()}"

    @property
    def flag(self) -> str:
        return self.option or "--set" if self.option or self.section == "controls" else "--" + self.name.replace("_", "-")


SETTINGS = (
    Setting("audio.input", "audio_in", text(pattern=NAMED, meaning="a device, file:PATH, demo or auto")),
    Setting("audio.keyboard", "listen_midi", text()),
    Setting("audio.channel", "audio_channel", number(1, 64, whole=True)),
    Setting("audio.gate_db", "gate", number(-119, -1)),  # -120 dBFS is what silence measures
    Setting("audio.block_frames", "block", number(0, 8192, whole=True)),
    Setting("audio.tail_s", "tail", number(0, 60)),
    Setting("audio.end_s", "end", number(0, 86400, optional="auto")),
    Setting("audio.patience_s", "patience", number(0, 3600)),
    Setting("midi.output", "midi_out", text(pattern=NAMED, meaning="a port, virtual, file:PATH or auto")),
    Setting("midi.input", "midi_in", text()),
    Setting("midi.controls", "control", controls),
    Setting("midi.channels", "midi_channel", parts(number(1, 16, whole=True))),
    Setting("midi.programs", "program", parts(number(0, 127, whole=True))),
    Setting("midi.parts", "part", parts(switch, form="PART=on or PART=off")),
    Setting("midi.ranges", "range", parts(note_range, form="PART=LOWEST-HIGHEST")),
    Setting("midi.cc", "midi_cc", parts(controller, "feeling", FEELINGS, "FEELING=CONTROLLER")),
    Setting("music.key", "key", text()),
    Setting("music.tempo_bpm", "tempo", number(30, 300, optional="auto")),
    Setting("music.meter", "meter", text(pattern=METER, meaning=METERS)),
    Setting("music.chords", "chords", text()),
    Setting("music.feel", "band_feel", text(choices=("", *FEELS)), option="--feel"),
    Setting("music.seed", "seed", number(0, 2**63 - 1, whole=True)),
    Setting("music.mood", "mood", text()),
    Setting("music.intent", "intent", text()),
    Setting("music.preset", "preset", text()),
    Setting("models.path", "models", text(), env="KELLY_MODELS_PATH"),
    Setting("models.strict", "strict_models", switch),
    Setting("models.disabled", "disable", names),
    Setting("models.enabled", "enable", names),
    Setting("engine.arithmetic", "arithmetic", text(choices=ARITHMETICS)),
    Setting("engine.look_ahead_ms", "look_ahead", number(5, 500)),
    Setting("engine.latency_ms", "latency_ms", number(0, 500)),
    Setting("engine.reflex_note", "reflex", number(0, 127, whole=True, optional="off")),
    Setting("record.folder", "record", text()),
    Setting("osc.to", "osc", text()),
    *(Setting(f"controls.{name}", name, number(low, high)) for name, low, high, _, _, _ in CONTROLS),
    *(Setting(f"personal.{name}", f"personal_{name}", four) for name in ("valence", "arousal", "tension")),
)
OTHER_VARIABLES = ("KELLY_CACHE", "KELLY_CONFIG", "KELLY_DEBUG", "KELLY_MODEL_CACHE", "KELLY_RT_BACKEND", "KELLY_RT_ISA")
