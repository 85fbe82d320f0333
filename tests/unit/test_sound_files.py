"""Sound files of every kind, and of no kind: each plays, or is a typed error that names it."""

import struct
import time

import numpy as np
import pytest
import soundfile

import kelly
from kelly.audio.sources import FileSource
from kelly.errors import AudioFileError
from tests.unit.test_sources import drained

RATES = (100, 8000, 11025, 22050, 44100, 88200, 176400, 384000, 768000)
KINDS = (
    # format, subtype, ending
    ("WAV", "PCM_U8", "wav"), ("WAV", "PCM_24", "wav"), ("WAV", "DOUBLE", "wav"), ("WAV", "ULAW", "wav"), ("WAV", "IMA_ADPCM", "wav"),
    ("WAV", "MS_ADPCM", "wav"), ("WAVEX", "PCM_16", "wav"), ("RF64", "PCM_16", "wav"), ("W64", "PCM_16", "w64"), ("AIFF", "PCM_16", "aiff"),
    ("AU", "PCM_16", "au"), ("CAF", "PCM_16", "caf"), ("FLAC", "PCM_16", "flac"), ("OGG", "VORBIS", "ogg"), ("RAW", "PCM_16", "raw"),
)  # fmt: skip
HEADERS = {
    # what is wrong: (offset in a plain WAV, format, value)
    "riff of 0": (4, "<I", 0), "riff of 4 GB": (4, "<I", 0xFFFFFFFF), "big-endian": (0, "4s", b"RIFX"), "format 0x1234": (20, "<H", 0x1234),
    "format chunk of 0": (16, "<I", 0), "format chunk of 4 GB": (16, "<I", 0xFFFFFFFF), "no channels": (22, "<H", 0), "65535 channels": (22, "<H", 65535),
    "rate 0": (24, "<I", 0), "rate 4 GHz": (24, "<I", 0xFFFFFFFF), "frames of 0 bytes": (32, "<H", 0), "0 bits": (34, "<H", 0), "7 bits": (34, "<H", 7),
    "64 bits": (34, "<H", 64), "no data chunk": (36, "4s", b"xxxx"), "data of 0": (40, "<I", 0), "data of 3 GB": (40, "<I", 3_000_000_000),
    "data of 4 GB": (40, "<I", 0xFFFFFFFF),
}  # fmt: skip
VALUES = {"not numbers": np.nan, "infinite": np.inf, "huge": 1e30, "subnormal": 1e-40}


def tone(rate, seconds=0.3, channels=1):
    t = np.arange(max(1, int(rate * seconds))) / rate
    return np.repeat(0.3 * np.sin(2 * np.pi * 220 * t)[:, None], channels, 1)


def corpus(folder):
    """(what it is, path) of each."""
    for rate in RATES:
        yield f"{rate} Hz", lambda path, rate=rate: soundfile.write(path, tone(rate), rate), "wav"
    for kind, subtype, ending in KINDS:
        yield f"{kind} {subtype}", lambda path, kind=kind, subtype=subtype: soundfile.write(path, tone(44100), 44100, subtype=subtype, format=kind), ending
    for channels in (2, 64, 1024):
        yield f"{channels} channels", lambda path, n=channels: soundfile.write(path, tone(8000, 0.1, n), 8000), "wav"
    for frames in (1, 127):
        yield f"{frames} frames", lambda path, n=frames: soundfile.write(path, tone(44100)[:n], 44100), "wav"
    for name, value in VALUES.items():
        yield name, lambda path, value=value: soundfile.write(path, np.full(9000, value), 44100, subtype="DOUBLE"), "wav"
    for name, patch in HEADERS.items():
        yield name, lambda path, patch=patch: patched(path, *patch), "wav"
    yield "3 GB, of which nothing is there", three_gigabytes, "wav"
    yield "words", lambda path: path.write_text("hello, world" * 50), "wav"


def patched(path, offset, code, value):
    soundfile.write(path, tone(44100), 44100, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[offset : offset + struct.calcsize(code)] = struct.pack(code, value)
    path.write_bytes(data)


def three_gigabytes(path):
    """A header that is right and a hole behind it, which takes no room on the disk."""
    patched(path, 40, "<I", 3_100_000_000 - 44)
    with path.open("r+b") as file:
        file.truncate(3_100_000_000)


def opened(path):
    """True when it can be played, False for a typed error that names it; anything else is raised."""
    try:
        source = FileSource(path, realtime=False)
    except AudioFileError as error:
        return named(error, path)
    source.stop()
    return True


def named(error, path):
    """False, as a file that was refused."""
    assert str(path) in str(error)
    return False


def test_every_file_of_the_corpus_is_rendered_or_refused(tmp_path, reliability):
    """The notes of each are written, or nothing is; none costs much."""
    played, refused, slowest_s, fate = 0, 0, 0.0, {}
    for number, (name, make, ending) in enumerate(corpus(tmp_path)):
        path, notes = tmp_path / f"{number}.{ending}", tmp_path / f"{number}.mid"
        make(path)
        started = time.process_time()
        if name.startswith("3 GB"):  # five hours of silence: opened, not waited for
            fate[name] = opened(path)
        else:
            try:
                kelly.render(path, notes)
                fate[name] = True
            except AudioFileError as error:
                fate[name] = named(error, path)
            assert notes.exists() == fate[name]
        slowest_s = max(slowest_s, time.process_time() - started)
        path.unlink()
    played, refused = sum(fate.values()), len(fate) - sum(fate.values())
    reliability("WAV files of every kind", f"{len(fate)} files: {played} play, {refused} are typed errors", True)
    assert all(fate[name] for name in ("8000 Hz", "384000 Hz", "WAV PCM_U8", "64 channels", "1 frames", "not numbers", "3 GB, of which nothing is there"))
    assert not any(fate[name] for name in ("100 Hz", "768000 Hz", "no channels", "rate 0", "0 bits", "data of 0", "words"))
    assert slowest_s < 10


def test_a_file_cut_anywhere_plays_or_is_refused(tmp_path):
    """A WAV at each of its first 160 bytes, and the packed formats at a hundred places each."""
    for kind, ending in (("WAV", "wav"), ("FLAC", "flac"), ("OGG", "ogg")):
        whole, path = tmp_path / f"whole.{ending}", tmp_path / f"cut.{ending}"
        soundfile.write(whole, tone(8000, 8.0), 8000, format=kind)
        data = whole.read_bytes()
        ends = range(160) if kind == "WAV" else np.linspace(0, len(data) - 1, 100).astype(int)
        fates = []
        for end in ends:
            path.write_bytes(data[:end])
            fates.append(opened(path))
        assert not fates[0]
        assert any(fates), kind  # a packed format without its last page has no length


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG"])
def test_spoilt_files_are_played_to_where_they_can_be(tmp_path, kind):
    """Two hundred files with a few bytes changed: silence or sound, finite, or a typed error before or after it."""
    whole, path = tmp_path / f"whole.{kind.lower()}", tmp_path / f"spoilt.{kind.lower()}"
    soundfile.write(whole, tone(8000, 0.2), 8000, format=kind)
    data, random = whole.read_bytes(), np.random.default_rng(7)
    for _ in range(200):
        spoilt = bytearray(data)
        for place in random.integers(0, len(data), random.integers(1, 6)):
            spoilt[place] = random.integers(0, 256)
        path.write_bytes(spoilt)
        try:
            source = FileSource(path, realtime=False, tail_s=0.0)
        except AudioFileError:
            continue
        if source.total_frames > 100_000:  # a length that is not there; drained would wait for it
            source.stop()
            continue
        assert np.isfinite(drained(source)).all()
        assert source.error is None or isinstance(source.error, AudioFileError)
