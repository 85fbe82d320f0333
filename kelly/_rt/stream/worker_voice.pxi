# The reflex voice: one note per onset, struck by the worker at the moment of detection.  [worker]
#
# The conductor knows nothing of it; its events go straight to the performer, by a ring of their own.

cdef enum:
    REFLEX = -1                     # part of its events

cdef double STRIKE_S = 0.06         # length of its notes


cdef void voice_event(worker_t* w, int64_t frame, int status, int velocity) noexcept nogil:
    cdef event_t e
    memset(&e, 0, sizeof(e))
    e.frame, e.serial, e.part, e.size = frame, w.voice.serial, REFLEX, 3
    e.status, e.data1, e.data2 = status | w.voice.channel, w.voice.note, velocity
    w.voice.serial += 1
    hand_over(w, w.strikes, &e)


cdef void voice_release(worker_t* w, int64_t frame) noexcept nogil:
    w.voice.off_frame = -1
    voice_event(w, frame, 0x80, 64)


cdef void voice_strike(worker_t* w, int64_t frame, float strength) noexcept nogil:
    """One note for one onset; the one before gives way."""
    if w.voice.note < 0:
        return
    if w.voice.off_frame >= 0:
        voice_release(w, frame)
    voice_event(w, frame, 0x90, <int>(1.0 + 126.0 * strength / (strength + 0.35)))
    w.voice.off_frame = frame + <int64_t>(STRIKE_S * w.sample_rate_hz)


cdef void voice_turn(worker_t* w, int64_t frame) noexcept nogil:
    """End the sounding note where its time has come."""
    if w.voice.off_frame >= 0 and w.voice.off_frame <= frame:
        voice_release(w, w.voice.off_frame)
