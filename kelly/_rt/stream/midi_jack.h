/* A MIDI output on a JACK server, with real frame offsets inside the period.
 *
 * Why C: JACK's process callback must not meet Python.
 *
 * A message's time becomes a frame of the cycle that contains it.  Messages must therefore arrive one
 * period (ahead_ns) early to leave exactly on time; late and urgent ones leave at the cycle's start.
 */
#ifndef KELLY_MIDI_JACK_H
#define KELLY_MIDI_JACK_H

#include "jack.h"
#include "midi_port.h"

#ifndef _WIN32
typedef struct kelly_jack_out {
    kelly_jack jack;
    void *output;
    uint32_t period_frames;
    int64_t next_ns; /* when the cycle after the newest one was to begin */
    int listeners;   /* connections when last looked at */
    char to[320];    /* full name of the port to stay connected to, or "" */
} kelly_jack_out;

/* [jack, main] how early a message must come: one period, one poll of the performer, and one millisecond. */
static inline void kelly_jack_period(kelly_port *p, kelly_jack_out *out, uint32_t frames) {
    out->period_frames = frames;
    kelly_set(&p->ahead_ns, (int64_t)((double)frames * out->jack.ns_per_frame) + 1500000);
}

/* [jack] one cycle. */
static int kelly_jack_process(uint32_t frames, void *user) {
    kelly_port *p = (kelly_port *)user;
    kelly_jack_out *out = (kelly_jack_out *)p->backend;
    kelly_jack *jack = &out->jack;
    void *buffer = jack->port_get_buffer(out->output, frames);
    uint32_t frame, last = 0;
    uint64_t start_us, next_us;
    float period_us;
    kelly_add(&p->turns, 1);
    if (frames != out->period_frames) kelly_jack_period(p, out, frames);
    if (buffer == NULL) return 0;
    jack->midi_clear_buffer(buffer);
    if (jack->get_cycle_times(jack->client, &frame, &start_us, &next_us, &period_us) != 0) start_us = jack->get_time();
    const int64_t start_ns = (int64_t)start_us * 1000 + jack->clock_ns;
    const int64_t period_ns = (int64_t)((double)frames * jack->ns_per_frame), wanted_ns = out->next_ns;
    const int missed = wanted_ns != 0 && start_ns - wanted_ns > period_ns / 2; /* the server left cycles out */
    out->next_ns = start_ns + period_ns;
    for (int part = 0; part < 2; part++) {
        kelly_ring *ring = part == 0 ? p->urgent : p->planned;
        const kelly_message *m;
        while ((m = kelly_port_next(ring)) != NULL) {
            double at = (double)(m->due_ns - start_ns) / jack->ns_per_frame;
            if (part == 1 && at >= (double)frames) break; /* a later cycle's */
            uint32_t offset = part == 1 && at > (double)last ? (uint32_t)at : last;
            unsigned char *to = jack->midi_event_reserve(buffer, offset, m->size);
            if (to == NULL) return 0; /* the buffer is full; the rest follows in the next cycle */
            memcpy(to, m->bytes, m->size);
            last = offset;
            if (missed && m->due_ns >= wanted_ns && m->due_ns < start_ns) {
                kelly_port_held(p, ring);
                continue;
            }
            kelly_port_sent(p, ring, m, start_ns + (int64_t)((double)offset * jack->ns_per_frame));
        }
    }
    return 0;
}

/* [main, errand] until a connection that was just made carries messages: JACK takes it up between two cycles, and what was
 * written before is lost, programs first of all. */
static inline void kelly_jack_settle(kelly_port *p) {
    kelly_jack_out *out = (kelly_jack_out *)p->backend;
    kelly_jack *jack = &out->jack;
    const int64_t until_ns = kelly_now_ns() + 500000000;
    int64_t since = kelly_get(&p->turns);
    while (kelly_get(&p->turns) < since + 3 && !kelly_get(&p->gone) && kelly_now_ns() < until_ns) {
        if (jack->port_connected(out->output) == 0) since = kelly_get(&p->turns);
        kelly_sleep_ns(1000000);
    }
}

/* [main] make the output and start; NULL, or what went wrong. */
static inline const char *kelly_jack_open(kelly_port *p, const char *client_name, const char *port_name, const char *to) {
    kelly_jack_out *out = (kelly_jack_out *)calloc(1, sizeof(kelly_jack_out));
    const char *wrong;
    if (out == NULL) return "no memory";
    p->backend = out;
    kelly_jack *jack = &out->jack;
    if ((wrong = kelly_jack_client(jack, client_name)) != NULL) return wrong;
    out->output = jack->port_register(jack->client, port_name, KELLY_JACK_MIDI, KELLY_JACK_OUTPUT, 0);
    if (out->output == NULL) return "the JACK server has no room for a port";
    kelly_jack_clock(jack);
    kelly_jack_period(p, out, jack->get_buffer_size(jack->client));
    if ((wrong = kelly_jack_begin(jack, kelly_jack_process, p, &p->gone)) != NULL || to == NULL) return wrong;
    snprintf(out->to, sizeof out->to, "%s", to);
    if (jack->connect(jack->client, jack->port_name(out->output), to) != 0) return "JACK refuses the connection";
    kelly_jack_settle(p);
    out->listeners = jack->port_connected(out->output);
    return NULL;
}

/* [watch] connect again to a port that had gone and is back; 1 when there is a listener that was not there before. */
static inline int kelly_jack_mend(kelly_port *p) {
    kelly_jack_out *out = (kelly_jack_out *)p->backend;
    if (out == NULL || kelly_get(&p->gone)) return 0;
    kelly_jack *jack = &out->jack;
    int before = out->listeners;
    if (out->to[0] && jack->port_connected(out->output) == 0 && jack->port_by_name(jack->client, out->to) != NULL)
        jack->connect(jack->client, jack->port_name(out->output), out->to);
    out->listeners = jack->port_connected(out->output);
    if (out->listeners > before) kelly_jack_settle(p);
    return out->listeners > before;
}

/* [main] a server that has died may keep this waiting. */
static inline void kelly_jack_close(kelly_port *p) {
    kelly_jack_out *out = (kelly_jack_out *)p->backend;
    if (out == NULL) return;
    kelly_jack_end(&out->jack);
    free(out);
    p->backend = NULL;
}

#else
static inline const char *kelly_jack_open(kelly_port *p, const char *client_name, const char *port_name, const char *to) {
    (void)p, (void)client_name, (void)port_name, (void)to;
    return KELLY_NO_JACK;
}
static inline int kelly_jack_mend(kelly_port *p) { return (void)p, 0; }
static inline void kelly_jack_close(kelly_port *p) { (void)p; }
#endif
#endif
