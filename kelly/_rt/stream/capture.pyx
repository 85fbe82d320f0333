"""The way in: state of the audio callback, or of a file source, and the stream's frame clock.

The callback itself is C (capture.h).  This file owns its state, tells PortAudio where to find it,
lets a file source write through the same code, and reads the counters.
"""

from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free

import numpy as np

from kelly._rt.stream.ring cimport (
    kelly_add, kelly_get, kelly_now_ns, kelly_ring_free, kelly_ring_new, kelly_ring_size, kelly_set, kelly_sleep_ns,
)

GAPS = 1024
"""Gap records that may wait; more than that join up."""


cdef class Capture:
    """Audio ring, gap ring and frame clock of one stream.

    sample_rate_hz  of the stream
    channels        interleaved channels that will arrive
    channel         the one to listen to, from 0; None for the mean of all
    lossless        True for files: whoever writes waits for room; devices drop the newest
    seconds         of audio that may wait
    raises          ValueError, MemoryError
    thread          [main]; the only allocator of this side
    """

    def __cinit__(self, double sample_rate_hz, int channels=1, channel=None, bint lossless=False, double seconds=2.0):
        if channels < 1 or not sample_rate_hz > 0:
            raise ValueError(f"no stream has {channels} channels at {sample_rate_hz:g} Hz")
        if channel is not None and not 0 <= channel < channels:
            raise ValueError(f"channel {channel + 1} of {channels} does not exist")
        cdef uint64_t capacity = 1024
        while capacity < seconds * sample_rate_hz:
            capacity *= 2
        self.lossless = lossless
        self.capture = <kelly_capture*>calloc(1, sizeof(kelly_capture))
        if self.capture == NULL:
            raise MemoryError("no memory for the capture state")
        self.capture.audio = kelly_ring_new(sizeof(float), capacity)
        self.capture.gaps = kelly_ring_new(2 * sizeof(int64_t), GAPS)
        if self.capture.audio == NULL or self.capture.gaps == NULL:
            raise MemoryError(f"no memory for {capacity} frames of audio")
        self.capture.sample_rate_hz = sample_rate_hz
        self.capture.channels = channels
        self.capture.channel = -1 if channel is None else channel

    def __dealloc__(self):
        if self.capture != NULL:
            kelly_ring_free(self.capture.audio)
            kelly_ring_free(self.capture.gaps)
            free(self.capture)

    @property
    def callback_address(self):
        """PortAudio's stream callback, as a number for ``ffi.cast("void*", ...)``."""
        return <uintptr_t>&kelly_capture_callback

    @property
    def state_address(self):
        """The callback's user data; valid as long as this object lives."""
        return <uintptr_t>self.capture

    @property
    def sample_rate_hz(self):
        return self.capture.sample_rate_hz

    @property
    def channels(self):
        return self.capture.channels

    @property
    def frames(self):
        """The clock: frames of the stream so far, lost ones included."""
        return kelly_get(&self.capture.frames)

    @property
    def blocks(self):
        """Callbacks so far."""
        return kelly_get(&self.capture.blocks)

    @property
    def waiting(self):
        """Samples that the worker has not taken yet."""
        return kelly_ring_size(self.capture.audio)

    @property
    def ended(self):
        return kelly_get(&self.capture.ended) != 0

    def counters(self):
        """What went wrong so far, and how full the ring got: frames, except where the name says otherwise."""
        return {
            "frames": self.frames,
            "blocks": self.blocks,
            "dropped_frames": kelly_get(&self.capture.dropped),
            "gap_frames": kelly_get(&self.capture.gap),
            "input_overflows": kelly_get(&self.capture.overflows),
            "repaired_samples": kelly_get(&self.capture.repaired),
            "ring_peak_frames": self.capture.audio.peak,
            "ring_frames": self.capture.audio.capacity,
        }

    def feed(self, block):
        """Append a block, waiting for room as long as it takes.

        block    float32 (n, channels), C-contiguous
        returns  frames accepted; fewer than n only after ``stop``
        thread   [source]
        """
        cdef const float[:, ::1] view = block
        if view.shape[1] != self.capture.channels:
            raise ValueError(f"expected {self.capture.channels} channels, found {view.shape[1]}")
        cdef uint64_t n = view.shape[0], done = 0
        cdef Py_ssize_t width = view.shape[1]
        if n == 0:
            return 0
        cdef const float* start = &view[0, 0]
        with nogil:
            done = kelly_capture_write(self.capture, start, n)
            while done < n and kelly_get(&self.capture.stopping) == 0:
                kelly_sleep_ns(500_000)
                done += kelly_capture_write(self.capture, start + <Py_ssize_t>done * width, n - done)
        return done

    def play(self, block, int64_t start_ns, int64_t played):
        """Append a block in real time, 10 ms at a time, each when its last frame has sounded.

        block     float32 (n, channels), C-contiguous
        start_ns  when frame 0 of the stream sounded, see ``now_ns``
        played    frames of the stream before this block
        returns   frames accepted; fewer than n only after ``stop`` or ``hush``
        thread    [source]; without the GIL
        """
        cdef const float[:, ::1] view = block
        if view.shape[1] != self.capture.channels:
            raise ValueError(f"expected {self.capture.channels} channels, found {view.shape[1]}")
        cdef int64_t n = view.shape[0], done = 0, piece, wait_ns
        cdef int64_t slice_frames = max(1, <int64_t>(self.capture.sample_rate_hz / 100))
        cdef double ns_per_frame = 1e9 / self.capture.sample_rate_hz
        cdef Py_ssize_t width = view.shape[1]
        if n == 0:
            return 0
        cdef const float* start = &view[0, 0]
        with nogil:
            while done < n:
                piece = min(slice_frames, n - done)
                wait_ns = start_ns + <int64_t>((played + done + piece) * ns_per_frame) - kelly_now_ns()
                if wait_ns > 0:
                    kelly_sleep_ns(wait_ns)
                if kelly_get(&self.capture.stopping) or kelly_get(&self.hushed):
                    break
                piece = <int64_t>kelly_capture_write(self.capture, start + <Py_ssize_t>done * width, <uint64_t>piece)
                if piece == 0:
                    kelly_sleep_ns(500_000)             # no room: a file waits
                done += piece
        return done

    def hush(self):
        """``play`` returns within 10 ms; what it has accepted stays.  [any]"""
        kelly_set(&self.hushed, 1)

    @staticmethod
    def now_ns():
        """The clock that ``play`` follows."""
        return kelly_now_ns()

    def deliver(self, block, bint overflow=False, adc_s=None):
        """Call the audio callback once, as PortAudio would: for tests and for hosts other than PortAudio.

        block     float32 (n, channels), C-contiguous
        overflow  PortAudio's input-overflow flag
        adc_s     time stamp of the first frame, None for no time stamps at all
        """
        cdef const float[:, ::1] view = block
        if view.shape[1] != self.capture.channels:
            raise ValueError(f"expected {self.capture.channels} channels, found {view.shape[1]}")
        cdef kelly_pa_time time
        cdef kelly_pa_time* stamps = NULL
        if adc_s is not None:
            time.input_adc_s = time.current_s = adc_s
            time.output_dac_s = 0.0
            stamps = &time
        cdef const void* start = &view[0, 0] if view.shape[0] else NULL
        kelly_capture_callback(start, NULL, view.shape[0], stamps, 2 if overflow else 0, self.capture)

    def lose(self, int64_t n):
        """n frames of the stream never came: the clock goes on and the worker hears silence.

        thread  [producer], in the place of a device that is away
        """
        if n > 0:
            kelly_capture_lose(self.capture, n)
            kelly_add(&self.capture.gap, n)

    def drain(self, Py_ssize_t most=1 << 20):
        """Take what waits, gaps as zeros, as the worker would: for tests.

        returns  float32 (n,)
        thread   [worker], in the worker's place
        """
        cdef kelly_reader reader
        cdef const float* samples = NULL
        cdef uint64_t n
        cdef Py_ssize_t done = 0
        out = np.zeros(most, np.float32)
        cdef float[::1] view = out
        reader.read = <int64_t>(self.capture.audio.head - kelly_ring_size(self.capture.audio))
        reader.gap_used = 0
        while done < most:
            n = kelly_capture_next(self.capture, &reader, most - done, &samples)
            if n == 0:
                break
            if samples != NULL:
                for i in range(n):
                    view[done + <Py_ssize_t>i] = samples[i]
            kelly_capture_done(self.capture, &reader, samples, n)
            done += <Py_ssize_t>n
        return out[:done]

    def end(self):
        """Nothing will follow.  [source]"""
        kelly_capture_end(self.capture)

    def stop(self):
        """Whoever waits for room gives up, and the stream ends where it is.  [main]"""
        kelly_set(&self.capture.stopping, 1)

    @property
    def stopping(self):
        return kelly_get(&self.capture.stopping) != 0

