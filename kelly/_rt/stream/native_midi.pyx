"""MIDI ports that are played without the GIL: JACK directly, or the system's librtmidi.

Both libraries are looked for at run time; nothing here needs them to build or to import.  A real-time
thread hands messages over with ``kelly_port_send`` (midi_port.h), which never waits; the port's own
thread, JACK's or one around librtmidi, takes them at their time.
"""

import threading

from libc.stdint cimport int64_t, uint8_t

from kelly._rt.stream.ring cimport kelly_add, kelly_get, kelly_now_ns, kelly_ring, kelly_set

from kelly._rt.stream.leaving import leave
from kelly.errors import MidiPortError


cdef extern from "midi_port.h" nogil:
    ctypedef struct kelly_message:
        int64_t due_ns
        uint8_t size
        uint8_t bytes[7]
    const kelly_message* kelly_port_next(kelly_ring*) noexcept
    void kelly_port_sent(kelly_port*, kelly_ring*, const kelly_message*, int64_t left_ns) noexcept
    kelly_port* kelly_port_new() noexcept
    void kelly_port_free(kelly_port*) noexcept

cdef extern from "jack.h" nogil:
    const char* kelly_jack_list(char* names, size_t size, unsigned long flags) noexcept
    enum: KELLY_JACK_INPUT, KELLY_JACK_OUTPUT

cdef extern from "midi_jack.h" nogil:
    const char* kelly_jack_open(kelly_port*, const char* client, const char* port, const char* to) noexcept
    int kelly_jack_mend(kelly_port*) noexcept
    void kelly_jack_close(kelly_port*) noexcept

cdef extern from "midi_rtmidi.h" nogil:
    const char* kelly_rtmidi_open(kelly_port*, int api, const char* client, const char* port, int to) noexcept
    const char* kelly_rtmidi_list(int api, char* names, size_t size) noexcept
    void kelly_rtmidi_close(kelly_port*) noexcept

RTMIDI_APIS = {"CoreMIDI": 1, "ALSA": 2, "JACK": 3}
"""librtmidi's own numbers."""


cdef class NativePort:
    """An open output; made by ``open_jack``, ``open_rtmidi`` or ``open_idle``.

    kind         "jack", "rtmidi" or "idle"
    description  for people
    thread       [main] opens and closes; one thread sends
    """

    def __cinit__(self):
        self.busy = threading.Lock()        # a client is not closed while another thread asks it something
        self.port = kelly_port_new()
        if self.port == NULL:
            raise MemoryError("no memory for a MIDI port")

    def __init__(self):
        if not self.kind:
            raise TypeError("a NativePort comes from open_jack or open_rtmidi")

    def __dealloc__(self):
        # The library's thread may still hold the memory of a port that was not, or could not be, closed.
        if self.port != NULL and (self.closing or not self.kind):
            kelly_port_free(self.port)

    def send(self, message, delay_s=0.0, bint urgent=False):
        """Hand one message over, 1 to 7 bytes, to leave after ``delay_s``; False where nobody takes it.

        urgent  leaves as soon as possible, before what was handed over earlier for a later time
        thread  [performer], in its place
        """
        cdef bytes data = bytes(message)
        cdef const uint8_t* start = data
        if not 1 <= len(data) <= 7:
            raise ValueError(f"a MIDI message has 1 to 7 bytes, found {len(data)}")
        return bool(kelly_port_send(self.port, kelly_now_ns() + <int64_t>(delay_s * 1e9), start, <int>len(data), urgent))

    @property
    def alive(self):
        """False once the server has said goodbye, or the port is closed."""
        return not (self.closing or kelly_get(&self.port.gone))

    @property
    def server_gone(self):
        """Whether the server has said goodbye to a port that is still open."""
        return not self.closing and kelly_get(&self.port.gone) != 0

    @property
    def turns(self):
        """How often the port's thread has looked; stands still when its server does."""
        return kelly_get(&self.port.turns)

    @property
    def waiting(self):
        """Messages handed over and not yet gone."""
        return kelly_port_waiting(self.port)

    @property
    def ahead_s(self):
        """Handed over this early, a message leaves exactly on time."""
        return kelly_get(&self.port.ahead_ns) / 1e9

    def take(self):
        """What an idle port was given and did not take yet, urgent ones first: [(due_ns, bytes)].

        thread  [port], in its place
        """
        if self.kind != "idle":
            raise ValueError(f"a {self.kind} port takes its messages itself")
        taken = self._take(self.port.urgent) + self._take(self.port.planned)
        kelly_add(&self.port.turns, 1)
        return taken

    cdef list _take(self, kelly_ring* ring):
        cdef const kelly_message* m = kelly_port_next(ring)
        cdef list taken = []
        while m != NULL:
            taken.append((m.due_ns, bytes([m.bytes[i] for i in range(m.size)])))
            kelly_port_sent(self.port, ring, m, m.due_ns)
            m = kelly_port_next(ring)
        return taken

    def counters(self):
        """Messages that left, that were refused; planned strikes that left more than 1 ms late, and the latest of them.

        Not among these but counted by themselves: messages due in a cycle that the JACK server missed.
        """
        return {
            "sent_events": kelly_get(&self.port.sent),
            "unsent_events": kelly_port_refused(self.port),
            "late_sends": kelly_get(&self.port.late),
            "latest_send_us": kelly_get(&self.port.latest_ns) // 1000,
            "held_sends": kelly_get(&self.port.held),
        }

    def mend(self):
        """Connect again to the port it was opened for, where that had gone and is back (JACK only).

        returns  True when somebody listens who did not listen before, and knows no program or controller yet
        thread   [errand]; may ask the server, so no real-time thread
        """
        cdef int new = 0
        with self.busy:
            if self.kind == "jack" and self.alive:
                with nogil:
                    new = kelly_jack_mend(self.port)
        return bool(new)

    def close(self):
        """Let go of the port; True when the library did so within CLOSE_S.  Idempotent.  [main]"""
        if self.closing:
            return True
        leave(self._close)
        return bool(self.closing)

    def _close(self):
        cdef bint jack = self.kind == "jack", rtmidi = self.kind == "rtmidi"
        with self.busy:
            if self.closing:
                return
            with nogil:
                if jack:
                    kelly_jack_close(self.port)
                elif rtmidi:
                    kelly_rtmidi_close(self.port)
                kelly_set(&self.port.gone, 1)
            self.closing = True


cdef _failed(str what, const char* wrong):
    return MidiPortError(f"{what}: {(<bytes>wrong).decode()}")


def open_jack(client, port="out", to=None):
    """A MIDI output on the JACK server that the environment names; none is started.

    client   name of the client; the server appends a number where it exists already
    port     name of its port
    to       full name of a port to connect to, None for none
    raises   MidiPortError
    """
    cdef NativePort self = NativePort.__new__(NativePort)
    cdef bytes name = client.encode(), own = port.encode(), other = (to or "").encode()
    cdef const char* c_name = name
    cdef const char* c_own = own
    cdef const char* c_other = other
    cdef const char* wrong
    self.kind = "jack"
    self.description = f"{to or f'{client}:{port}'} (JACK)"
    with nogil:
        wrong = kelly_jack_open(self.port, c_name, c_own, c_other if c_other[0] else NULL)
    if wrong != NULL:
        error = _failed(f"JACK MIDI port {client}:{port}", wrong)
        self.close()
        raise error
    return self


def open_rtmidi(api, client, port="out", to=None):
    """A MIDI output through librtmidi: one of the system's ports by its number, or a virtual one.

    api      a key of RTMIDI_APIS
    to       index into ``rtmidi_outputs``, None for a virtual port
    raises   MidiPortError, KeyError
    """
    cdef NativePort self = NativePort.__new__(NativePort)
    cdef bytes name = client.encode(), own = port.encode()
    cdef const char* c_name = name
    cdef const char* c_own = own
    cdef const char* wrong
    cdef int number = RTMIDI_APIS[api], index = -1 if to is None else to
    self.kind = "rtmidi"
    self.description = f"{client}:{port} ({api})"
    with nogil:
        wrong = kelly_rtmidi_open(self.port, number, c_name, c_own, index)
    if wrong != NULL:
        error = _failed(f"{api} MIDI port {client}:{port}", wrong)
        self.close()
        raise error
    return self


def open_idle(double ahead_s=0.0):
    """A port behind which nobody stands: what is handed over waits for ``take``.  For tests.

    ahead_s  how early it wants its messages
    """
    cdef NativePort self = NativePort.__new__(NativePort)
    self.kind, self.description = "idle", "nobody"
    kelly_set(&self.port.ahead_ns, <int64_t>(ahead_s * 1e9))
    return self


cdef tuple _lines(const char* names):
    return tuple((<bytes>names).decode(errors="replace").splitlines())


cdef tuple _jack_ports(unsigned long flags):
    cdef char names[16384]
    cdef const char* wrong
    with nogil:
        wrong = kelly_jack_list(names, sizeof(names), flags)
    if wrong != NULL:
        raise _failed("JACK MIDI", wrong)
    return _lines(names)


def jack_outputs():
    """Names of the JACK MIDI ports that can be played to.  raises MidiPortError where no server answers"""
    return _jack_ports(KELLY_JACK_INPUT)


def jack_inputs():
    """Names of the JACK MIDI ports that can be listened to.  raises MidiPortError where no server answers"""
    return _jack_ports(KELLY_JACK_OUTPUT)


def rtmidi_outputs(api):
    """Names of the ports of one of RTMIDI_APIS, in librtmidi's order.  raises MidiPortError, KeyError"""
    cdef char names[16384]
    cdef const char* wrong
    cdef int number = RTMIDI_APIS[api]
    with nogil:
        wrong = kelly_rtmidi_list(number, names, sizeof(names))
    if wrong != NULL:
        raise _failed(f"{api} MIDI", wrong)
    return _lines(names)
