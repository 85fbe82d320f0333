"""A recording through a network that runs at audio rate, block by block.

thread  [main]
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from kelly.audio.sources import open_sound
from kelly.errors import AudioFileError, ModelShapeError
from kelly.whole import whole

READ_FRAMES = 16384


@dataclass(frozen=True, slots=True)
class Streamed:
    """What ``run_file`` did.

    compute_s    time inside the network, without reading and writing
    x_real_time  seconds of sound per second of computing, all channels together
    peak         largest absolute output; above 1 it was clipped where the format clips
    """

    frames: int
    channels: int
    sample_rate_hz: int
    seconds: float
    compute_s: float
    x_real_time: float
    peak: float


def run_file(
    network: Any, audio: str | os.PathLike[str], out: str | os.PathLike[str], *, block: int = 128, controls: Sequence[float] = (),
    add_input: bool = False, in_gain_db: float = 0.0, out_gain_db: float = 0.0, subtype: str = "FLOAT", progress: Callable[[int], None] | None = None,
) -> Streamed:
    """Every channel through a clone of its own, from reset.

    network    one output; one input for the sound and one per control
    block      frames per call of ``process``
    controls   constant values of the inputs behind the first
    add_input  the output is the sound plus what the network answers, as some amplifier models are trained
    in_gain_db, out_gain_db   of the sound before the network, and of the output
    subtype    of the WAV file, as libsndfile names it; FLOAT is not clipped
    progress   called with the frames done since it was called last
    raises     ModelShapeError for a network of other sizes, AudioFileError
    """  # fmt: skip
    if network.in_size != 1 + len(controls) or network.out_size != 1:
        raise ModelShapeError(
            expected=f"{1 + len(controls)} inputs and 1 output for one sound and {len(controls)} controls",
            found=f"{network.in_size} and {network.out_size}",
            hint="give one --control for each input behind the first" if network.out_size == 1 else "",
        )
    source, target = Path(audio), Path(out)
    gain, out_gain = (np.float32(10.0 ** (db / 20.0)) for db in (in_gain_db, out_gain_db))
    compute_ns = frames = 0
    peak = 0.0
    with open_sound(source) as file:
        nets = [network.clone() for _ in range(file.channels)]
        for net in nets:
            net.reset()
        rows = np.empty((block, network.in_size), np.float32)
        rows[:, 1:] = np.asarray(controls, np.float32)
        answers = np.empty((block, 1), np.float32)
        try:
            with (
                whole(target) as place,
                soundfile.SoundFile(place, "w", file.samplerate, file.channels, subtype=subtype, format="WAV") as result,
            ):
                while len(sound := file.read(READ_FRAMES - READ_FRAMES % block or block, dtype="float32", always_2d=True)):
                    sound *= gain
                    made = np.empty_like(sound)
                    for channel, net in enumerate(nets):
                        for at in range(0, len(sound), block):
                            n = min(block, len(sound) - at)
                            rows[:n, 0] = sound[at : at + n, channel]
                            start = time.perf_counter_ns()
                            net.process(rows[:n], answers[:n])
                            compute_ns += time.perf_counter_ns() - start
                            made[at : at + n, channel] = answers[:n, 0]
                    if add_input:
                        made += sound
                    made *= out_gain
                    peak = max(peak, float(np.abs(made).max()))
                    result.write(made)
                    frames += len(sound)
                    if progress is not None:
                        progress(len(sound))
        except (soundfile.LibsndfileError, ValueError) as error:
            raise AudioFileError(f"{target}: {error}") from None
        except OSError as error:
            raise AudioFileError(f"{target}: {error.strerror or error}") from error
        seconds, compute_s = frames / file.samplerate, compute_ns / 1e9
        return Streamed(frames, file.channels, file.samplerate, seconds, compute_s, seconds / max(compute_s, 1e-9), float(peak))
