"""An audio input on a JACK server, joined directly: it can go and come back under the same Capture.

libjack is looked for at run time; nothing here needs it to build or to import.  The callback is C
(capture_jack.h); Python opens, asks and closes.
"""

import threading
import time

from libc.stdint cimport int32_t, uint32_t
from libc.stdlib cimport calloc, free

from kelly._rt.stream.capture cimport Capture, kelly_capture
from kelly._rt.stream.ring cimport kelly_cell, kelly_get

from kelly._rt.stream.leaving import leave
from kelly.errors import AudioDeviceError


cdef extern from "capture_jack.h" nogil:
    ctypedef struct kelly_jack_in:
        int32_t channels
        uint32_t rate_hz
        kelly_cell gone
        kelly_cell period
    const char* kelly_jack_in_open(kelly_jack_in*, const char* name) noexcept
    int kelly_jack_in_count(kelly_jack_in*, const char* source) noexcept
    const char* kelly_jack_in_start(kelly_jack_in*, kelly_capture*, int32_t channels) noexcept
    int kelly_jack_in_connect(kelly_jack_in*, const char* source) noexcept
    int kelly_jack_in_connected(kelly_jack_in*) noexcept
    void kelly_jack_in_close(kelly_jack_in*) noexcept

CONNECTS = 10
"""How often, a tenth of a second apart."""

_ABANDONED = []


cdef class JackInput:
    """A client on the JACK server that the environment names; none is started.

    source   name of the client to listen to, such as "system"
    client   name of its own; the server appends a number where it exists already
    raises   AudioDeviceError where no server answers or the source has no output
    thread   [main]; after ``start`` the server's own thread feeds the capture

    sample_rate_hz  the server's
    outputs         how many of the source's ports can be listened to
    """

    cdef kelly_jack_in* state
    cdef readonly object source
    cdef readonly object capture
    cdef readonly double sample_rate_hz
    cdef readonly int outputs
    cdef bint closed
    cdef object busy

    def __cinit__(self, source, client="Kelly-in"):
        cdef bytes name = client.encode(), of = source.encode()
        cdef const char* c_name = name
        cdef const char* c_of = of
        cdef const char* wrong
        self.closed = True
        self.busy = threading.Lock()        # a client is not closed while another thread asks it something
        self.state = <kelly_jack_in*>calloc(1, sizeof(kelly_jack_in))
        if self.state == NULL:
            raise MemoryError("no memory for a JACK input")
        with nogil:
            wrong = kelly_jack_in_open(self.state, c_name)
        if wrong != NULL:
            raise AudioDeviceError(f"JACK: {(<bytes>wrong).decode()}")
        self.closed = False
        self.source, self.sample_rate_hz = source, self.state.rate_hz
        with nogil:
            self.outputs = kelly_jack_in_count(self.state, c_of)
        if self.outputs == 0:
            self.close()
            raise AudioDeviceError(f"JACK: {source!r} has no output to listen to")

    def __dealloc__(self):
        # A server's thread that was not, or could not be, ended still holds this memory.
        if self.state != NULL and self.closed:
            free(self.state)

    def start(self, Capture capture not None):
        """Feed a capture from the next cycle on.

        raises  AudioDeviceError, ValueError for more channels than the source has
        """
        if capture.channels > self.outputs or capture.channels > 64:
            raise ValueError(f"{self.source} has {self.outputs} channels, not {capture.channels}")
        self.capture = capture
        with self.busy:
            wrong = self._start(capture)
        if wrong:
            self.close()
            raise AudioDeviceError(f"JACK: {self.source}: {wrong}")

    cdef str _start(self, Capture capture):
        """What went wrong, "" for nothing."""
        cdef bytes of = self.source.encode()
        cdef const char* c_of = of
        cdef const char* wrong
        cdef kelly_capture* c = capture.capture
        cdef int32_t channels = capture.channels
        cdef int connected = 0
        if self.closed:
            return "it was closed"
        with nogil:
            wrong = kelly_jack_in_start(self.state, c, channels)
        if wrong != NULL:
            return (<bytes>wrong).decode()
        for attempt in range(CONNECTS):
            if attempt:
                time.sleep(0.1)
            with nogil:
                connected = kelly_jack_in_connect(self.state, c_of)
            if connected:
                return ""
        return "it cannot be connected to"

    @property
    def alive(self):
        """False once the server has said goodbye, or the input is closed."""
        return not (self.closed or self.server_gone)

    @property
    def server_gone(self):
        """Whether the server has said goodbye, also after ``close``."""
        return kelly_get(&self.state.gone) != 0

    @property
    def connected(self):
        """Whether the source's sound still arrives.  [errand]"""
        cdef int connected = 0
        with self.busy:
            if self.alive:
                with nogil:
                    connected = kelly_jack_in_connected(self.state)
        return connected != 0

    @property
    def present(self):
        """False when the source has left a server that goes on; one that was merely unplugged in a patchbay is still there.  [errand]"""
        cdef bytes of = self.source.encode()
        cdef const char* c_of = of
        cdef int outputs = 0
        with self.busy:
            if self.alive:
                with nogil:
                    outputs = kelly_jack_in_count(self.state, c_of)
        return outputs > 0

    @property
    def period_frames(self):
        """Frames of the newest cycle."""
        return kelly_get(&self.state.period)

    def close(self):
        """Leave the server; True when the library did so within CLOSE_S.  Idempotent.  [main]"""
        if self.closed:
            return True
        leave(self._close)
        if not self.closed:
            _ABANDONED.append(self.capture)      # the library may still write into it
        return bool(self.closed)

    def _close(self):
        with self.busy:
            with nogil:
                kelly_jack_in_close(self.state)
            self.closed = True
