"""Events -> a type-1 Standard MIDI File, 480 ticks to the quarter note.

Time 0 is the first audio frame.  The first track holds tempo, meter, key and a marker per phrase; each part has a
track with its name and program.  The file holds no date, path or version: same events, same bytes.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from ..errors import MidiFileError
from ..whole import whole
from .encode import event_bytes, is_note_off
from .messages import message_of
from .tempo import PPQ, Ruler, TempoMap

REFLEX = -1  # the part number of notes that the worker strikes by itself
UNPLAYED = {REFLEX: "reflex", -3: "feeling"}  # tracks of their own for what no part plays, where there is any
_MAJOR = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MINOR = ("Cm", "C#m", "Dm", "Ebm", "Em", "Fm", "F#m", "Gm", "G#m", "Am", "Bbm", "Bm")
_MAX_NAME = 120  # bytes of a track name; some hardware players stop at 127


class Track(Protocol):
    """What a part must tell about itself; ``kelly.generate.settings.Part`` does."""

    @property
    def name(self) -> str: ...
    @property
    def channel(self) -> int: ...
    @property
    def program(self) -> int: ...


def write_smf(
    path: str | os.PathLike[str],
    events: Iterable[Any],
    tempo_map: TempoMap,
    parts: Sequence[Track],
    sample_rate_hz: float,
    *,
    key: tuple[int, int] | None = None,
    title: str = "Kelly",
    later_keys: Sequence[tuple[int, tuple[int, int]]] = (),
) -> None:
    """Write the file; it appears whole or not at all.

    events     records of ``layout.dtype("event")`` in any order; ``part`` indexes ``parts``, -1 = reflex
    tempo_map  the player's beats; each falls on a whole beat of the file
    parts      tracks with name, channel (1..16) and program (0..127), in file order
    key        (tonic pitch class, 1 major | -1 minor), or None
    title      name of the conductor's track; any text, control characters are dropped
    later_keys (frame, key) of each change of key after the first
    raises     MidiFileError when the file cannot be written
    """
    data = smf_bytes(events, tempo_map, parts, sample_rate_hz, key=key, title=title, later_keys=later_keys)
    try:
        with whole(path) as place:
            place.write_bytes(data)
    except OSError as error:
        raise MidiFileError(f"{os.fspath(path)}: cannot write the MIDI file: {error.strerror or error}") from error


def smf_bytes(
    events: Iterable[Any],
    tempo_map: TempoMap,
    parts: Sequence[Track],
    sample_rate_hz: float,
    *,
    key: tuple[int, int] | None = None,
    title: str = "Kelly",
    later_keys: Sequence[tuple[int, tuple[int, int]]] = (),
) -> bytes:
    """The bytes that ``write_smf`` writes."""
    import mido  # here, because only a session that saves MIDI pays for it

    ruler = Ruler(tempo_map, sample_rate_hz)
    rows = sorted(_rows(events, ruler))
    end = rows[-1][0] if rows else 0

    file = mido.MidiFile(type=1, ticks_per_beat=PPQ, charset="utf-8")
    conductor = [
        (0, mido.MetaMessage("track_name", name=_safe(title))),
        (0, mido.MetaMessage("time_signature", **_meter(tempo_map))),
    ]
    for frame, (tonic, mode) in [(0, key), *later_keys] if key is not None else ():
        conductor.append((ruler.tick(frame), mido.MetaMessage("key_signature", key=(_MAJOR if mode >= 0 else _MINOR)[tonic % 12])))
    marks = [(ruler.tick(frame), mido.MetaMessage("marker", text=f"phrase {n}")) for n, frame in enumerate(tempo_map.phrases(), 1)]
    previous = 0
    for _, tick, us in ruler.segments:
        if us != previous and tick <= max(end, 0):
            conductor.append((tick, mido.MetaMessage("set_tempo", tempo=us)))
            previous = us
    conductor += [(tick, mark) for tick, mark in marks if tick <= end]
    file.tracks.append(_track(sorted(conductor, key=lambda row: row[0])))

    tracks: list[tuple[int, Track | None]] = list(enumerate(parts))
    tracks += [(number, None) for number in UNPLAYED if any(part == number for _, _, part, _ in rows)]
    for index, part in tracks:
        body = [(0, mido.MetaMessage("track_name", name=_safe(part.name if part else UNPLAYED[index])))]
        if part is not None:
            body.append((0, mido.Message("program_change", channel=part.channel - 1, program=part.program)))
        for tick, _, owner, data in rows:
            # The program stands at the head of its track; the same change inside the stream says nothing new.
            if owner == index and not (part and data == bytes((0xC0 | part.channel - 1, part.program))):
                body.append((tick, mido.Message.from_bytes(data)))
        file.tracks.append(_track(body))
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def _meter(tempo: TempoMap) -> dict[str, int]:
    """The time signature; the metronome clicks once per beat, 24 MIDI clocks to the quarter."""
    beats = max(1, tempo.beats_per_bar)
    return {"numerator": 3 * beats, "denominator": 8, "clocks_per_click": 36} if tempo.ternary else {"numerator": beats, "denominator": 4}


def _rows(events: Iterable[Any], ruler: Ruler) -> Iterable[tuple[int, tuple[int, int], int, bytes]]:
    """(tick, tie-break, part, bytes): within a tick note-offs stand first, then the order of planning.

    A note too short for one tick keeps one: its off moves, and a re-strike waits for it.
    """
    struck: dict[tuple[int, int], int] = {}
    freed: dict[tuple[int, int], int] = {}
    for event in sorted(events, key=lambda event: (int(event["frame"]), int(event["serial"]))):
        data = event_bytes(event)
        message = message_of(data[0])
        if message is None or not message.on_channel:
            continue  # clock and its kin belong to the wire, not into a file
        tick, off = ruler.tick(int(event["frame"])), is_note_off(data)
        if message.name in ("note_on", "note_off"):
            pitch = (data[0] & 0x0F, data[1])
            if off:
                tick = freed[pitch] = max(tick, struck.get(pitch, tick - 1) + 1)
            else:
                tick = struck[pitch] = max(tick, freed.get(pitch, tick))
        yield tick, (0 if off else 1, int(event["serial"])), int(event["part"]), data


def _track(messages: list[tuple[int, Any]]) -> Any:
    """Absolute ticks -> the deltas of a file, closed by its end mark."""
    import mido

    track, now = mido.MidiTrack(), 0
    for tick, message in messages:
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=0))
    return track


def _safe(name: str) -> str:
    """Printable, at most 120 bytes of UTF-8, cut between characters."""
    text = "".join(c if c.isprintable() else " " for c in name).strip() or "untitled"
    return text.encode("utf-8", "replace")[:_MAX_NAME].decode("utf-8", "ignore")
