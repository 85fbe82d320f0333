"""The records that travel between threads: one table for C, Cython and NumPy.

Each record is a C struct (``setup.py`` writes ``_layout.pxd`` from this table) and, on the Python
side, a NumPy dtype with the same bytes (``dtype("tick")``).  Frames are samples of the input stream
since its start; they are the only clock.

This module imports NumPy only when a dtype is asked for, so that the build can run it alone.
"""

from __future__ import annotations

from typing import Any

from kelly.controls import CONTROLS

SCHEMA = 2

# (field, C type, count, meaning).  Wider types first, so that no compiler inserts padding.
ANALYSIS = (
    ("frame", "int64_t", 1, "end of this 10 ms analysis hop"),
    ("onset_frame", "int64_t", 1, "attack of the newest onset, corrected for the window; -1 before the first"),
    ("level_db", "float", 1, "RMS of the hop, dBFS, floor -120"),
    ("level_rel_db", "float", 1, "level relative to the player's own mezzo-forte"),
    ("flux", "float", 1, "half-wave rectified log-mel flux, the onset envelope"),
    ("onset", "float", 1, "strength of an onset declared in this hop, else 0"),
    ("centroid_hz", "float", 1, "spectral centroid; 0 in silence"),
    ("tuning_cents", "float", 1, "tracked tuning offset, -50..50"),
    ("chroma", "float", 12, "energy per pitch class in mezzo-fortes, harmonics removed, C first, tuning-corrected"),
    ("bass_chroma", "float", 12, "the same below middle C"),
)

TICK = (
    ("frame", "int64_t", 1, "end of this 40 ms network hop"),
    ("index", "int64_t", 1, "number of this network hop, from 0"),
    ("beat_frame", "int64_t", 1, "frame of the newest beat of the grid; -1 while there is none"),
    ("beat_count", "int64_t", 1, "number of that beat since the grid began; -1 while there is none"),
    ("chord_beat", "int64_t", 1, "beat from which the chord below holds; may lie ahead of beat_count"),
    ("beat_frames", "double", 1, "frames per beat; 0 while there is no grid"),
    ("beat_confidence", "float", 1, "0..1"),
    ("tempo_bpm", "float", 1, "beats per minute; 0 while there is no grid"),
    ("level_db", "float", 1, "dBFS, loudest hop of the four"),
    ("level_fast", "float", 1, "player's level, 0..1 around .5 = mezzo-forte, 100 ms"),
    ("level_slow", "float", 1, "the same over 3 s"),
    ("level_trend", "float", 1, "fast minus slow, -1..1"),
    ("level_peak", "float", 1, "highest fast level of the last bar or 2 s"),
    ("onset", "float", 1, "strongest onset within the hop, else 0"),
    ("notes_per_s", "float", 1, "player's onset rate over 4 s"),
    ("silence_s", "float", 1, "time since the gate closed; 0 while it is open"),
    ("key_confidence", "float", 1, "0..1"),
    ("chord_confidence", "float", 1, "0..1"),
    ("phrase_position", "float", 1, "0..1 within the phrase"),
    ("beats_per_bar", "int32_t", 1, "4 unless told otherwise; in 6/8 two"),
    ("ternary", "int32_t", 1, "1 where a beat has three eighths: 6/8, 9/8, 12/8"),
    ("beat_in_bar", "int32_t", 1, "0 is the downbeat; of beat_count"),
    ("phrase_bars", "int32_t", 1, "length of a phrase in bars"),
    ("playing", "int32_t", 1, "1 while the gate is open"),
    ("locked", "int32_t", 1, "1 while the beat is trusted (tracked or given)"),
    ("key_tonic", "int32_t", 1, "pitch class 0..11, C first; -1 unknown"),
    ("key_mode", "int32_t", 1, "1 major, -1 minor, 0 unknown"),
    ("chord_root", "int32_t", 1, "pitch class 0..11; -1 no chord"),
    ("chord_quality", "int32_t", 1, "index of CHORD_QUALITIES; 5 sus4, 6 power"),
    ("end", "int32_t", 1, "1 on the last tick of a stream"),
    ("source", "int32_t", 5, "per net, in NETS order: 0 off, 1 fallback, 2 model"),
    ("chroma", "float", 12, "2 s chroma, C first, sum 1 (0 in silence)"),
    ("features", "float", 128, "contract FEATURES"),
    ("embedding", "float", 64, "contract EMBEDDING"),
    ("harmony", "float", 64, "contract HARMONY_OUT, newest answer"),
    ("groove", "float", 32, "contract GROOVE_OUT, newest answer"),
    ("controls", "float", len(CONTROLS), "of CONTROLS, each less its default, so that 0 is neutral"),
)

EVENT = (
    ("frame", "int64_t", 1, "when it is due"),
    ("serial", "int64_t", 1, "order of planning; breaks ties within a frame"),
    ("status", "uint8_t", 1, "MIDI status byte with channel"),
    ("data1", "uint8_t", 1, "0..127"),
    ("data2", "uint8_t", 1, "0..127"),
    ("size", "uint8_t", 1, "bytes of the message, 1..3"),
    ("part", "int32_t", 1, "row of the parts table; -1 reflex"),
)

COMMAND = (
    ("frame", "int64_t", 1, "of a beat, where it matters; -1 for none"),
    ("kind", "int32_t", 1, "a COMMAND_KINDS row"),
    ("index", "int32_t", 1, "which net, which part, or the number of a beat since the transport's start (-1 unknown), where it matters"),
    ("value", "double", 1, "its argument"),
    ("vector", "float", 64, "an embedding, where it matters"),
)

COMMAND_KINDS = (
    "enable", "disable", "reset", "embedding", "release_embedding", "panic", "reload",
    "clock", "no_clock", "tap", "hold_chord", "part", "rest", "end", "freeze", "control", "lock", "reroll", "level",
)  # fmt: skip
"""enable/disable a net by index; reset state; drive the nets from Python; give the recognizer back; all notes off;
take the network that lies in the mailbox of net ``index``.  Tempo (value, bpm) and phase (a beat at ``frame``) from a
clock, which leads until no_clock; a tap, which the player may leave again; the chord stays while value is 1.  For the
conductor, at the tick that consumed it: a part plays (value 1) or not, all rest (value 1), the phrase ends and the music with it.
The mood stays as it is while value is 1; a row of CONTROLS is turned to value.  For the conductor again: a part repeats what
it has played (value 1), a part draws anew (value is added to its seed).  Half (value .5) or twice (2) the tempo from the
next beat on."""

HEARD = (
    ("time_s", "end of this network hop since the stream began"),
    ("beat", "position on the grid in beats; 0 while there is none"),
    ("tempo_bpm", "beats per minute; 0 while there is no grid"),
    ("level_db", "of the player, dBFS"),
    ("onset", "strength of the strongest onset within the hop, else 0"),
    ("beat_in_bar", "0 is the downbeat"),
    ("chord_root", "pitch class 0..11, C first; -1 no chord"),
    ("chord_quality", "index of CHORD_QUALITIES"),
    ("playing", "1 while the player is above the gate; a hook that writes 0 makes kelly hear a rest"),
    ("key_tonic", "pitch class 0..11; -1 unknown; a hook may write another"),
    ("key_mode", "1 major, -1 minor, 0 unknown; a hook may write another"),
    *((f"chroma_{pitch}", f"share of pitch class {pitch} in the last 2 s, C first; sum 1, 0 in silence") for pitch in range(12)),
)
"""What a hook finds in its third argument before each call; playing and key are obeyed when it has written them."""

SLOTS_OWN, SLOTS_CONTROLS, N_SLOTS, MAX_HOOKS = 32, 48, 96, 8
"""A hook's third argument, float32: HEARD from 0, the hook's own memory from SLOTS_OWN, zero at first, CONTROLS from
SLOTS_CONTROLS, obeyed for this hop when it has written them; its size; hooks per session."""

SLOTS = {name: i for i, (name, _) in enumerate(HEARD)} | {row[0]: SLOTS_CONTROLS + i for i, row in enumerate(CONTROLS)}
"""Name -> place in a hook's third argument."""

RECORDS = {"analysis": ANALYSIS, "tick": TICK, "event": EVENT, "command": COMMAND}
SOURCES = ("off", "fallback", "model")

_NUMPY = {"int64_t": "i8", "double": "f8", "float": "f4", "int32_t": "i4", "uint8_t": "u1"}


def dtype(name: str) -> Any:
    """NumPy dtype of a record, aligned as the C compiler aligns it."""
    import numpy as np

    return np.dtype(
        [(field, _NUMPY[ctype], (count,)) if count > 1 else (field, _NUMPY[ctype]) for field, ctype, count, _ in RECORDS[name]],
        align=True,
    )
