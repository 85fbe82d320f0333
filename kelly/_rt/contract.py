"""What every number in the five vectors means: the one contract.

Training, the engine, the generator, viewers, docs and tests all read this table; nobody writes a
bare ``embedding[17]``.  ``setup.py`` turns it into Cython constants (``_contract.pxd``), so the
real-time code uses the same names.

A *vector* is a row of *fields*; a field is one or more neighbouring indices with one meaning and one
**teacher**: the data or formula that supervises it in training.  The teacher ``rule`` means: excluded
from the loss, filled by the rule, never advertised as learned.

source  MUSIC.md of the project's design notes, sections 1 and 2.  This module imports nothing, so
        that the build can run it before anything is compiled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CONTRACT_VERSION = 1

PITCH_CLASSES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
DEGREES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")
CHORD_QUALITIES = ("maj", "min", "7", "m7", "dim")
EMOTIONS = ("joy", "tenderness", "sadness", "fear", "anger", "wonder")
QUADRANTS = ("excited", "tense", "depressed", "calm")
GM_FAMILIES = (
    "piano", "chromatic_percussion", "organ", "guitar", "bass", "strings", "ensemble", "brass",
    "reed", "pipe", "synth_lead", "synth_pad", "synth_effects", "ethnic", "percussive", "sound_effects",
)  # fmt: skip
TEXTURES = (
    "monophonic", "octaves", "thirds", "block_chords", "arpeggio", "alberti", "strummed", "drone",
    "ostinato", "chorale", "two_part", "polyphonic", "melody_chords", "melody_arpeggio", "percussive", "full",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """Neighbouring indices of a vector that share a meaning."""

    name: str
    size: int
    teacher: str
    labels: tuple[str, ...] = ()
    start: int = 0

    @property
    def stop(self) -> int:
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class Vector:
    """A named vector: its fields in index order cover every index exactly once."""

    name: str
    size: int
    activation: str
    fields: tuple[Field, ...]

    def __getitem__(self, name: str) -> Field:
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name} has no field {name!r}")

    def slice(self, name: str) -> slice:
        field = self[name]
        return slice(field.start, field.stop)

    def index_names(self) -> tuple[str, ...]:
        """One name per index, such as ``valence`` or ``previous_root:b3``."""
        return tuple(
            field.name if field.size == 1 else f"{field.name}:{field.labels[i] if field.labels else i}"
            for field in self.fields
            for i in range(field.size)
        )

    def rule_indices(self) -> tuple[int, ...]:
        """Indices that are filled by a rule and never learned."""
        return tuple(i for field in self.fields if field.teacher == "rule" for i in range(field.start, field.stop))


def _vector(name: str, size: int, activation: str, *rows: tuple[Any, ...]) -> Vector:
    """Place the rows ``(name, size, teacher[, labels])`` one after the other."""
    fields, start = [], 0
    for row in rows:
        field = Field(row[0], row[1], row[2], row[3] if len(row) > 3 else (), start)
        assert not field.labels or len(field.labels) == field.size, (name, field)
        fields.append(field)
        start = field.stop
    assert start == size, (name, start, size)
    return Vector(name, size, activation, tuple(fields))


N_MEL = 108

FEATURES = _vector(
    "features", 128, "none",
    ("mel", N_MEL, "front end"),  # log-mel bands, 30 Hz to 10 kHz
    ("slow_level", 1, "front end"),
    ("centroid", 1, "front end"),
    ("flux", 1, "front end"),
    ("onset_fraction", 1, "front end"),
    ("log2_notes_per_second", 1, "front end"),
    ("decay", 1, "front end"),
    ("major_minus_minor", 1, "front end"),  # best major key correlation minus best minor
    ("major_maximum", 1, "front end"),
    ("minor_maximum", 1, "front end"),
    ("high_energy", 1, "front end"),
    ("low_energy", 1, "front end"),
    ("high_minus_low", 1, "front end"),
    ("third_balance", 1, "front end"),  # chroma of the major third minus the minor third above the tonic
    ("mode_sign", 1, "front end"),
    ("key_confidence", 1, "front end"),
    ("inter_onset_interval", 1, "front end"),
    ("spare", 4, "rule"),  # zero
)  # fmt: skip

EMBEDDING = _vector(
    "embedding", 64, "tanh",
    ("valence", 1, "cues, DEAM"),
    ("arousal", 1, "cues, DEAM"),
    ("tension", 1, "cues"),
    ("dominance", 1, "rule"),
    *((emotion, 1, "thesaurus of valence, arousal, tension") for emotion in EMOTIONS),
    ("quadrants", 4, "sign of valence and arousal", QUADRANTS),
    ("intensity", 1, "radius in the valence-arousal plane"),
    ("confidence", 1, "predicted error"),  # 0..1, how far to trust valence and arousal; falls first in silence
    ("mode", 1, "cues"),  # -1 minor, 1 major
    ("density", 1, "cues"),  # (log2 notes/s - 1.5) / 2
    ("level", 1, "cues"),  # dB around mezzo-forte / 12
    ("register", 1, "cues"),  # (mean pitch - 66) / 24
    ("articulation", 1, "cues"),  # -1 legato, 1 staccato
    ("brightness", 1, "cues"),  # -1 dark, 1 bright
    ("dissonance", 1, "cues"),  # 0..1
    ("pulse_clarity", 1, "cues"),  # 0..1
    ("harmonic_rhythm", 1, "cues"),  # -1..1, 0 = one change a bar or unknown
    ("key_clarity", 1, "cues"),  # 0..1
    ("valence_slope", 1, "cues"),  # change per second
    ("arousal_slope", 1, "cues"),
    ("swing", 1, "cues"),  # -1 even (or unknown)..1 triplet; 0 is halfway
    ("ternary", 1, "cues"),  # -1..1, 0 unknown
    ("log_sigma_valence", 1, "heteroscedastic loss"),
    ("log_sigma_arousal", 1, "heteroscedastic loss"),
    ("family", 16, "cues", GM_FAMILIES),
    ("texture", 16, "cues", TEXTURES),
)  # fmt: skip

N_MOOD = 32  # the part of the embedding that the melody net is given

MELODY_IN = _vector(
    "melody_in", 64, "none",
    ("mood", N_MOOD, "recognizer"),
    ("previous_degree", 12, "context", DEGREES),  # one-hot, of kelly's newest melody note; all 0 at a phrase start
    ("chord_tones", 12, "context", DEGREES),  # 1 per tone of the chord then sounding; all 0 without one
    ("interval", 1, "context"),  # newest minus the note before, semitones / 12, -1..1
    ("since_onset", 1, "context"),  # beats since the newest note began / 4, 0..1
    ("beat_sin", 1, "context"),  # angle 0 on the beat, pi on the off-eighth
    ("beat_cos", 1, "context"),
    ("bar_sin", 1, "context"),  # angle 0 on the downbeat
    ("bar_cos", 1, "context"),
    ("phrase_position", 1, "context"),  # 0..1 of the eighth asked for
    ("phrase_end", 1, "context"),  # 1 in the last half bar of a phrase
)  # fmt: skip

MELODY_OUT = _vector(
    "melody", 128, "softmax",
    ("hold", 1, "scores"),
    ("rest", 1, "scores"),
    ("pitch", 126, "scores"),  # MIDI notes 2 to 127 with the tonic rotated to C
)  # fmt: skip

HARMONY_IN = _vector(
    "harmony_in", 128, "none",
    ("embedding", 64, "recognizer"),
    ("chroma_2s", 12, "context", DEGREES),  # sum 1, or 0 in silence
    ("chroma_8s", 12, "context", DEGREES),  # the same
    ("previous_root", 12, "context", DEGREES),  # one-hot; all 0 = no chord
    ("previous_quality", 5, "context", CHORD_QUALITIES),  # one-hot; sus4 and power count as maj
    ("chord_age", 1, "context"),  # beats since it began / 8, 0..1
    ("root_before", 12, "context", DEGREES),
    ("mode", 1, "context"),  # 1 major, -1 minor, 0 unknown
    ("key_confidence", 1, "context"),
    ("beat_in_bar", 4, "context", ("1", "2", "3", "4")),  # one-hot, of the beat that is being decided
    ("phrase_sin", 1, "context"),  # angle 0 at the phrase start, of that beat
    ("phrase_cos", 1, "context"),
    ("harmonic_rhythm", 1, "context"),  # chord changes per beat over the last 8 beats, 0..1
    ("density", 1, "context"),  # notes per second / 8, 0..1
)  # fmt: skip

HARMONY_OUT = _vector(
    "harmony", 64, "softmax",
    *((f"{quality}_chord", 12, "scores", DEGREES) for quality in CHORD_QUALITIES),
    ("no_chord", 1, "scores"),
    ("hold", 1, "scores"),
    ("dominant_sus4", 1, "scores"),
    ("tonic_power", 1, "scores"),
)  # fmt: skip

DYNAMICS_IN = _vector(
    "dynamics_in", 32, "none",
    ("valence", 1, "recognizer"),
    ("arousal", 1, "recognizer"),
    ("tension", 1, "recognizer"),
    ("intensity", 1, "recognizer"),
    ("level_fast", 1, "context"),  # tick's level_fast; .5 = mezzo-forte
    ("level_slow", 1, "context"),
    ("level_trend", 1, "context"),
    ("level_peak", 1, "context"),
    ("onset_strength", 1, "context"),  # 0..1
    ("density", 1, "context"),  # notes per second / 8, 0..1
    ("player_gate", 1, "context"),  # 0 staccato..1 legato
    ("brightness", 1, "context"),  # as in the embedding
    ("beat_in_bar", 4, "context", ("1", "2", "3", "4")),
    ("bar_sin", 1, "context"),  # angle 0 on the downbeat, of the note's onset
    ("bar_cos", 1, "context"),
    ("phrase_sin", 1, "context"),
    ("phrase_cos", 1, "context"),
    ("log2_tempo", 1, "context"),  # log2(bpm / 120)
    ("beat_confidence", 1, "context"),
    ("relative_pitch", 1, "context"),  # (pitch - 60) / 24, -1..1
    ("interval", 1, "context"),  # semitones / 12 from the voice's note before, -1..1
    ("metrical_weight", 1, "context"),  # 1 downbeat, .75 half bar, .5 beat, .25 off-eighth, 0 between
    ("chord_tone", 1, "context"),  # 1 or 0
    ("voice", 3, "context", ("melody", "bass", "inner")),
    ("previous_velocity", 1, "context"),  # / 127; 0 = none
    ("since_note", 1, "context"),  # beats since the voice's note before / 4, 0..1
    ("silence", 1, "context"),  # seconds of the player's silence / 4, 0..1
)  # fmt: skip

DYNAMICS_OUT = _vector(
    "dynamics", 16, "sigmoid",
    ("velocity", 1, "MAESTRO"),  # x 127
    ("velocity_range", 1, "MAESTRO"),  # spread of kelly's velocities around the mean, / 127
    ("accent", 1, "MAESTRO, Groove"),  # added to a strong beat's velocity, x 32
    ("phrase_arch", 1, "MAESTRO"),  # added in mid-phrase, x 24
    ("crescendo", 1, "MAESTRO"),  # 0..1 -> -24..+24 velocity over the phrase
    ("push", 1, "Groove"),  # 0..1 -> -40..+40 ms
    ("jitter", 1, "Groove"),  # 0..1 -> 0..20 ms
    ("rubato", 1, "rule"),  # 0..1 of 5 % tempo freedom
    ("gate", 1, "MAESTRO"),  # 0..1 -> .2..1.1 of the note's length
    ("melody_lead", 1, "rule"),  # 0..1 -> 0..30 ms
    ("roll", 1, "MAESTRO"),  # 0..1 -> 0..60 ms over a chord
    ("pedal", 1, "MAESTRO"),  # > .5 = CC64 down
    ("velocity_jitter", 1, "MAESTRO, Groove"),  # 0..1 -> 0..12 velocity
    ("melody_balance", 1, "rule"),  # velocity x (.75 + .5 y)
    ("bass_balance", 1, "rule"),  # the same
    ("expression", 1, "rule"),  # CC11 / 127
)  # fmt: skip

GROOVE_OUT = _vector(
    "groove", 32, "tanh",
    ("low", 16, "Groove"),  # (kick, bass) per 16th of a bar; probability (y + 1) / 2
    ("high", 8, "Groove"),  # (snare, accent) per 8th; probability (y + 1) / 2
    ("swing", 1, "Groove"),  # -1..1 -> .5...75
    ("mean_offset", 1, "Groove"),  # -1..1 -> -40..+40 ms, + is late
    ("offset_spread", 1, "Groove"),  # -1..1 -> 0..20 ms
    ("density", 1, "Groove"),  # -1..1 of hats and fillings per 8th
    ("syncopation", 1, "Groove"),  # -1..1
    ("ghost_rate", 1, "Groove"),  # -1..1 -> 0..1
    ("fill_probability", 1, "Groove"),  # -1..1 -> 0..1, at the end of a phrase
    ("half_double", 1, "Groove"),  # -1 half time, 1 double time
)  # fmt: skip

VECTORS = (
    FEATURES, EMBEDDING, MELODY_IN, MELODY_OUT, HARMONY_IN, HARMONY_OUT, DYNAMICS_IN, DYNAMICS_OUT, GROOVE_OUT,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NetSpec:
    """One of the five nets: what goes in, what comes out, and its exact layers.

    layers      rows of (type, output size, activation)
    parameters  counting both LSTM biases, as PyTorch does
    """

    name: str
    title: str
    input: Vector
    output: Vector
    layers: tuple[tuple[str, int, str], ...]
    parameters: int


NETS = (
    NetSpec("emotionrecognizer", "EmotionRecognizer", FEATURES, EMBEDDING,
            (("dense", 512, "tanh"), ("dense", 256, "tanh"), ("lstm", 128, ""), ("dense", 64, "tanh")), 403_264),
    NetSpec("melodytransformer", "MelodyTransformer", MELODY_IN, MELODY_OUT,
            (("dense", 256, "relu"), ("lstm", 256, ""), ("dense", 256, "relu"), ("dense", 128, "softmax")), 641_664),
    NetSpec("harmonypredictor", "HarmonyPredictor", HARMONY_IN, HARMONY_OUT,
            (("dense", 256, "tanh"), ("dense", 128, "tanh"), ("dense", 64, "softmax")), 74_176),
    NetSpec("dynamicsengine", "DynamicsEngine", DYNAMICS_IN, DYNAMICS_OUT,
            (("dense", 128, "relu"), ("dense", 64, "relu"), ("dense", 16, "sigmoid")), 13_520),
    NetSpec("groovepredictor", "GroovePredictor", EMBEDDING, GROOVE_OUT,
            (("dense", 128, "tanh"), ("dense", 64, "tanh"), ("dense", 32, "tanh")), 18_656),
)  # fmt: skip
NET_NAMES = tuple(net.name for net in NETS)


def net_spec(name: str) -> NetSpec:
    """The row of NETS called ``name``; KeyError names the five when there is none."""
    for net in NETS:
        if net.name == name:
            return net
    raise KeyError(f"no net is called {name!r}; the five are {', '.join(NET_NAMES)}")
