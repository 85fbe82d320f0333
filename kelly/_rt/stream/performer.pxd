from libc.stdint cimport int32_t, int64_t, uint8_t

from kelly._rt._layout cimport event_t
from kelly._rt.stream.capture cimport kelly_capture
from kelly._rt.stream.histogram cimport histogram_t
from kelly._rt.stream.native_midi cimport kelly_port
from kelly._rt.stream.ring cimport kelly_cell, kelly_ring


cdef enum:
    N_SILENCES = 64


cdef struct silence_t:
    int64_t before                  # planned events up to this frame had been performed
    int64_t at                      # where every note was released
    int64_t serial                  # planned events up to this serial were dropped


cdef struct performer_t:
    kelly_ring* inputs[2]           # planned events, reflex events
    kelly_ring* out                 # what goes to the sink
    kelly_cell port                 # kelly_port*: a native port that is played at once, 0 for none
    kelly_port* playing             # the same, as this turn of the loop took it
    kelly_capture* capture          # the live clock; NULL where the conductor's progress is the clock
    event_t* heap
    int32_t size
    int32_t capacity
    double frames_per_ns
    double offset                   # live clock: frame = now * frames_per_ns + offset
    double window_best, before_best # earliest arrival, as an offset: of this window and of the one before
    int64_t window_ns               # when this window began
    int32_t arrivals                # in this window
    int64_t last_frames
    int64_t largest_step            # frames by which the source's counter jumps
    int64_t ended_at_ns
    int64_t now_ns                  # when `now` was read
    int64_t last_event_frame
    int64_t early_frames            # planned events leave so much before their frame; their heap times are those
    int64_t performed_to            # planned events up to this frame, as the conductor counts, have been performed
    int64_t newest_serial           # of the planned events that came in
    silence_t silences[N_SILENCES]  # the newest panics
    const silence_t* script         # panics of a recording that have still to come; offline
    int64_t script_left
    int64_t slack_frames            # an event is late beyond this
    int64_t stale_frames            # a strike is dropped beyond this; 0: never
    kelly_cell progress             # every event before this frame has been handed over [conductor]
    kelly_cell now                  # the performer's clock, for others to read
    kelly_cell panic                # request: all notes off
    kelly_cell stop                 # request: drop what is planned, all notes off, return
    kelly_cell repeat               # request: tell a new listener every program and controller again
    kelly_cell finish               # request: play what is planned, all notes off, return
    kelly_cell done
    kelly_cell performed
    kelly_cell late
    kelly_cell stale                # strikes that came too late to be played
    kelly_cell panics
    kelly_cell silenced             # rows of silences ever written
    kelly_cell open_notes
    histogram_t lateness            # ns behind the event's frame when handed to the sink; planned events
    histogram_t reflex              # the same for the reflex voice
    int32_t used_channels           # bit per channel
    uint8_t open[16][128]
    uint8_t program[16]             # newest value + 1; 0 for never set
    uint8_t control[16][128]        # the same


cdef class Performer:
    cdef performer_t* state
    cdef readonly object inputs     # kept alive: the loop holds their C pointers
    cdef readonly object out
    cdef readonly object capture
    cdef readonly object script     # kept alive, as the rings
    cdef list ports                 # every native port ever given: the loop may still hold the newest but one
