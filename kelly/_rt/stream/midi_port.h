/* A MIDI output that a real-time thread can play to: a bounded queue towards the port's own thread.
 *
 * Why C: the other end is a callback of libjack or a thread around librtmidi, neither of which Python
 * ever sees, and both are found at run time by dlopen.
 *
 * One producer (the performer), one consumer (the port's thread).  A server that stands still fills
 * the queue and what finds no room is counted; the producer never waits.
 */
#ifndef KELLY_MIDI_PORT_H
#define KELLY_MIDI_PORT_H

#include "clock.h"
#include "ring.h"

#define KELLY_MESSAGES 8192ull
#define KELLY_LATE_NS 1000000 /* a message that leaves more than 1 ms after its time is late */

typedef struct kelly_message {
    int64_t due_ns; /* kelly_now_ns at which it should leave */
    uint8_t size;   /* 1..7 */
    uint8_t bytes[7];
} kelly_message;

typedef struct kelly_port {
    kelly_ring *planned; /* kelly_message, in the order in which they leave; may lie in the future */
    kelly_ring *urgent;  /* kelly_message, due when handed over: they overtake the planned ones */
    kelly_cell ahead_ns; /* handed over this early, a message leaves on time */
    kelly_cell turns;    /* how often the port's thread has looked: stands still when the server does */
    kelly_cell sent, late, latest_ns;
    kelly_cell held; /* due in a cycle that the server missed, and late for that reason alone */
    kelly_cell closing, gone; /* gone: the server has said goodbye; nothing will be taken again */
    void *backend;            /* kelly_jack_out or kelly_rtmidi */
} kelly_port;

/* [main] */
static inline kelly_port *kelly_port_new(void) {
    kelly_port *p = (kelly_port *)calloc(1, sizeof(kelly_port));
    if (p == NULL) return NULL;
    p->planned = kelly_ring_new(sizeof(kelly_message), KELLY_MESSAGES);
    p->urgent = kelly_ring_new(sizeof(kelly_message), KELLY_MESSAGES / 8);
    if (p->planned != NULL && p->urgent != NULL) return p;
    kelly_ring_free(p->planned);
    kelly_ring_free(p->urgent);
    free(p);
    return NULL;
}

/* [main] after the port's thread has ended. */
static inline void kelly_port_free(kelly_port *p) {
    kelly_ring_free(p->planned);
    kelly_ring_free(p->urgent);
    free(p);
}

/* [performer] hand a message over; 1 taken, 0 refused (and counted) because nobody takes any. */
static inline int kelly_port_send(kelly_port *p, int64_t due_ns, const uint8_t *bytes, int n, int urgent) KELLY_REALTIME {
    kelly_message m;
    kelly_ring *ring = urgent ? p->urgent : p->planned;
    memset(&m, 0, sizeof m);
    if (n < 1 || n > (int)sizeof m.bytes) return 0;
    if (kelly_get(&p->gone)) {
        kelly_ring_refuse(ring, 1);
        return 0;
    }
    m.due_ns = due_ns;
    m.size = (uint8_t)n;
    memcpy(m.bytes, bytes, (size_t)n);
    return (int)kelly_ring_push(ring, &m, 1);
}

/* [port] the oldest message of a ring, or NULL. */
static inline const kelly_message *kelly_port_next(kelly_ring *ring) KELLY_REALTIME {
    uint64_t n;
    const kelly_message *m = (const kelly_message *)kelly_ring_peek(ring, 1, &n);
    return n == 1 ? m : NULL;
}

/* [port] the message at the head of a ring left at this time.  Planned strikes are judged: urgent ones and what a panic
 * or the end releases are late by nature, and the programs of the first moment are due before it. */
static inline void kelly_port_sent(kelly_port *p, kelly_ring *ring, const kelly_message *m, int64_t left_ns) KELLY_REALTIME {
    int64_t behind = left_ns - m->due_ns;
    if (ring == p->planned && (m->bytes[0] & 0xF0) == 0x90 && m->bytes[2] != 0) {
        if (behind > KELLY_LATE_NS) kelly_add(&p->late, 1);
        if (behind > kelly_get(&p->latest_ns)) kelly_set(&p->latest_ns, behind);
    }
    kelly_ring_skip(ring, 1);
    kelly_add(&p->sent, 1);
}

/* [port] the message at the head of a ring left as soon as the server went on; its lateness is the server's. */
static inline void kelly_port_held(kelly_port *p, kelly_ring *ring) KELLY_REALTIME {
    if (ring == p->planned) kelly_add(&p->held, 1);
    kelly_ring_skip(ring, 1);
    kelly_add(&p->sent, 1);
}

/* [any] messages that nobody took: where the queue was full or the server gone. */
static inline int64_t kelly_port_refused(kelly_port *p) KELLY_REALTIME {
    return (int64_t)(atomic_load_explicit(&p->planned->refused, memory_order_relaxed)
                     + atomic_load_explicit(&p->urgent->refused, memory_order_relaxed));
}

/* [any] messages handed over and not yet gone. */
static inline int64_t kelly_port_waiting(kelly_port *p) KELLY_REALTIME {
    return (int64_t)(kelly_ring_size(p->planned) + kelly_ring_size(p->urgent));
}

#endif
