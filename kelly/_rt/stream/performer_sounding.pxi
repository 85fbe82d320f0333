# What sounds: events on their way out, the table of open notes and settings, and silence.  [performer]

cdef enum:
    REFLEX = -1                 # part of the worker's own events, which nobody planned
    SAFETY = -2                 # part of the messages that a panic or the end sends by itself


cdef bint emit(performer_t* p, const event_t* e) noexcept nogil:
    """Hand one event to the sink and keep the table of sounding notes; False while there is no room.

    A native port is played from here and never waited for; the out ring is then the record only.
    """
    cdef uint8_t kind = e.status & 0xF0, channel = e.status & 0x0F
    cdef uint8_t* note
    cdef event_t written = e[0]
    if e.part != REFLEX and e.part != SAFETY:
        written.frame += p.early_frames                     # a file is written as it is meant to sound
    if kelly_ring_write(p.out, &written, 1) != 1:
        if p.playing == NULL:
            return False
        kelly_ring_refuse(p.out, 1)
    if p.playing != NULL:
        # A safety message follows, in the port's queue, whatever was handed over ahead of its time.
        kelly_port_send(p.playing, p.now_ns if e.part == SAFETY else time_of(p, e.frame), &e.status, e.size, e.part == REFLEX)
    if kind < 0xF0:
        p.used_channels |= 1 << channel
    if kind == 0xB0:
        p.control[channel][e.data1 & 0x7F] = (e.data2 & 0x7F) + 1
    elif kind == 0xC0:
        p.program[channel] = (e.data1 & 0x7F) + 1
    if kind == 0x90 or kind == 0x80:
        note = &p.open[channel][e.data1 & 0x7F]
        if kind == 0x90 and e.data2 > 0:
            if note[0] == 0:
                kelly_add(&p.open_notes, 1)
            note[0] = 1
        else:
            if note[0]:
                kelly_add(&p.open_notes, -1)
            note[0] = 0
    return True


cdef bint emit_bytes(performer_t* p, int64_t frame, int status, int data1, int data2) noexcept nogil:
    cdef event_t e
    memset(&e, 0, sizeof(event_t))
    e.frame = frame
    e.serial = <int64_t>1 << 61             # after whatever was planned for that frame
    e.status, e.data1, e.data2, e.part = <uint8_t>status, <uint8_t>data1, <uint8_t>data2, SAFETY
    e.size = 2 if status & 0xF0 == 0xC0 else 3
    return emit(p, &e)


cdef void repeat_settings(performer_t* p, int64_t frame) noexcept nogil:
    """Every controller that was ever set, and each channel's program: banks, the first of them, come before it."""
    cdef int channel, number
    for channel in range(16):
        for number in range(120):                           # from 120 on they are commands, not settings
            if p.control[channel][number]:
                emit_bytes(p, frame, 0xB0 | channel, number, p.control[channel][number] - 1)
        if p.program[channel]:
            emit_bytes(p, frame, 0xC0 | channel, p.program[channel] - 1, 0)


cdef bint silence(performer_t* p, int64_t frame) noexcept nogil:
    """Release every sounding note, lift the pedal, all notes off; False while the sink has no room for it all."""
    cdef int channel, note
    if kelly_ring_room(p.out) < 16 * 130 and p.playing == NULL:
        return False
    for channel in range(16):
        if not p.used_channels >> channel & 1:
            continue
        for note in range(128):
            if p.open[channel][note]:
                emit_bytes(p, frame, 0x80 | channel, note, 64)
        emit_bytes(p, frame, 0xB0 | channel, 64, 0)
        emit_bytes(p, frame, 0xB0 | channel, 123, 0)
    return True


cdef bint silence_again(performer_t* p, int64_t now) noexcept nogil:
    """The next panic of a recording, where everything before it has been performed; False while it is not due."""
    if p.script_left == 0 or now < p.script.at or (p.size and p.heap[0].frame <= p.script.before):
        return False
    if kelly_ring_room(p.out) < 16 * 130:
        return False
    forget_planned(p, p.script)
    silence(p, p.script.at)
    p.script += 1
    p.script_left -= 1
    return True
