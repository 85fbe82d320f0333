"""A MIDI input on a JACK server, joined directly: messages with their frames, and a port that can go and come back.

libjack is looked for at run time; nothing here needs it to build or to import.  The callback is C
(midi_in_jack.h); Python opens, takes and closes.
"""

import threading

from libc.stdint cimport int64_t, uint8_t, uint64_t

from kelly._rt.stream.ring cimport kelly_cell, kelly_get, kelly_ring, kelly_ring_peek, kelly_ring_skip

from kelly._rt.stream.leaving import leave
from kelly.errors import MidiPortError


cdef extern from "midi_in_jack.h" nogil:
    ctypedef struct kelly_message:
        int64_t due_ns
        uint8_t size
        uint8_t bytes[7]
    ctypedef struct kelly_midi_in:
        kelly_ring* came
        kelly_cell long_ones
        kelly_cell gone
    kelly_midi_in* kelly_midi_in_new() noexcept
    void kelly_midi_in_free(kelly_midi_in*) noexcept
    const char* kelly_midi_in_open(kelly_midi_in*, const char* client, const char* port, const char* source) noexcept
    int kelly_midi_in_mend(kelly_midi_in*) noexcept
    void kelly_midi_in_close(kelly_midi_in*) noexcept

_ABANDONED = []


cdef class JackMidiInput:
    """An input of our own on the JACK server that the environment names; none is started.

    client   name of the client; the server appends a number where it exists already
    port     name of its port
    source   full name of the port to listen to, once it is there (``mend``); "" waits for others to connect
    raises   MidiPortError
    thread   [main] opens and closes; one thread takes
    """

    cdef kelly_midi_in* state
    cdef readonly str source
    cdef bint closed
    cdef object busy

    def __cinit__(self, client, port="in", source=""):
        cdef bytes name = client.encode(), own = port.encode(), of = source.encode()
        cdef const char* c_name = name
        cdef const char* c_own = own
        cdef const char* c_of = of
        cdef const char* wrong
        self.source, self.closed = source, True
        self.busy = threading.Lock()        # a client is not closed while another thread asks it something
        self.state = kelly_midi_in_new()
        if self.state == NULL:
            raise MemoryError("no memory for a MIDI input")
        with nogil:
            wrong = kelly_midi_in_open(self.state, c_name, c_own, c_of)
        self.closed = False
        if wrong != NULL:
            self.close()
            raise MidiPortError(f"JACK MIDI input {source or f'{client}:{port}'}: {(<bytes>wrong).decode()}")

    def __dealloc__(self):
        # The server's thread that was not, or could not be, ended still holds this memory.
        if self.state != NULL and self.closed:
            kelly_midi_in_free(self.state)

    def take(self, int most=4096):
        """What came since the last question, in order: [(bytes, seconds of the monotonic clock)].  [one thread]"""
        cdef const kelly_message* m
        cdef uint64_t n
        cdef list taken = []
        while len(taken) < most:
            m = <const kelly_message*>kelly_ring_peek(self.state.came, 1, &n)
            if n == 0:
                break
            taken.append((<bytes>(<const char*>m.bytes)[:m.size], m.due_ns / 1e9))
            kelly_ring_skip(self.state.came, 1)
        return taken

    @property
    def alive(self):
        """False once the server has said goodbye, or the input is closed."""
        return not (self.closed or kelly_get(&self.state.gone))

    @property
    def server_gone(self):
        """Whether the server has said goodbye to a client that is still open."""
        return not self.closed and kelly_get(&self.state.gone) != 0

    def counters(self):
        """Messages that found no room, and those too long for an item (system exclusive)."""
        return {"lost": <int64_t>self.state.came.refused, "long": kelly_get(&self.state.long_ones)}

    def mend(self):
        """Connect to the port it was opened for, where that is there and not connected; False while it is away.  [errand]"""
        cdef int there = 0
        with self.busy:
            if self.alive:
                with nogil:
                    there = kelly_midi_in_mend(self.state)
        return there != 0

    def close(self):
        """Leave the server; True when the library did so within CLOSE_S.  Idempotent.  [main]"""
        if self.closed:
            return True
        leave(self._close)
        if not self.closed:
            _ABANDONED.append(self)         # the library may still write into it
        return bool(self.closed)

    def _close(self):
        with self.busy:
            with nogil:
                kelly_midi_in_close(self.state)
            self.closed = True
