/* A MIDI input on a JACK server: each message with the frame at which it came.
 *
 * Why C: JACK's process callback must not meet Python.  What comes is put, with its time, into a bounded
 * queue; a Python thread takes it from there a hundred times a second.  A full queue drops the newest,
 * counted, and so are system exclusive messages that do not fit into one item.
 */
#ifndef KELLY_MIDI_IN_JACK_H
#define KELLY_MIDI_IN_JACK_H

#include "jack.h"
#include "midi_port.h"

typedef struct kelly_midi_in {
    kelly_ring *came;       /* kelly_message: due_ns is when it came */
    kelly_cell long_ones;   /* messages longer than an item, passed over */
    kelly_cell gone;        /* the server has said goodbye */
    void *input;
    char from[320]; /* full name of the port to stay connected to, or "" */
#ifndef _WIN32
    kelly_jack jack;
#endif
} kelly_midi_in;

/* [main] */
static kelly_midi_in *kelly_midi_in_new(void) {
    kelly_midi_in *in = (kelly_midi_in *)calloc(1, sizeof(kelly_midi_in));
    if (in == NULL) return NULL;
    in->came = kelly_ring_new(sizeof(kelly_message), KELLY_MESSAGES);
    if (in->came != NULL) return in;
    free(in);
    return NULL;
}

/* [main] after the server's thread has ended. */
static void kelly_midi_in_free(kelly_midi_in *in) {
    kelly_ring_free(in->came);
    free(in);
}

#ifndef _WIN32
typedef struct kelly_jack_event {
    uint32_t frame; /* within the cycle */
    size_t size;
    unsigned char *bytes;
} kelly_jack_event; /* jack_midi_event_t */

/* [jack] one cycle. */
static int kelly_midi_in_process(uint32_t frames, void *user) {
    kelly_midi_in *in = (kelly_midi_in *)user;
    kelly_jack *jack = &in->jack;
    void *buffer = jack->port_get_buffer(in->input, frames);
    kelly_jack_event event;
    kelly_message m;
    uint32_t frame, n;
    uint64_t start_us, next_us;
    float period_us;
    if (buffer == NULL) return 0;
    if ((n = jack->midi_get_event_count(buffer)) == 0) return 0;
    if (jack->get_cycle_times(jack->client, &frame, &start_us, &next_us, &period_us) != 0) start_us = jack->get_time();
    for (uint32_t i = 0; i < n; i++) {
        if (jack->midi_event_get(&event, buffer, i) != 0) continue;
        if (event.size < 1 || event.size > sizeof m.bytes) {
            kelly_add(&in->long_ones, 1);
            continue;
        }
        memset(&m, 0, sizeof m);
        m.due_ns = (int64_t)start_us * 1000 + jack->clock_ns + (int64_t)((double)event.frame * jack->ns_per_frame);
        m.size = (uint8_t)event.size;
        memcpy(m.bytes, event.bytes, event.size);
        kelly_ring_push(in->came, &m, 1);
    }
    return 0;
}

/* [errand] 1 connected to where it belongs, 0 that port has gone; connects again to one that is back.
 * A port that waits to be connected by others belongs nowhere and is always connected. */
static int kelly_midi_in_mend(kelly_midi_in *in) {
    kelly_jack *jack = &in->jack;
    if (!in->from[0] || jack->port_connected(in->input) > 0) return 1;
    if (jack->port_by_name(jack->client, in->from) == NULL) return 0;
    return jack->connect(jack->client, in->from, jack->port_name(in->input)) == 0;
}

/* [main] join the server, make the port, listen; ``kelly_midi_in_mend`` connects it to ``from``.  NULL, or what went wrong. */
static const char *kelly_midi_in_open(kelly_midi_in *in, const char *client_name, const char *port_name, const char *from) {
    kelly_jack *jack = &in->jack;
    const char *wrong = kelly_jack_client(jack, client_name);
    if (wrong != NULL) return wrong;
    in->input = jack->port_register(jack->client, port_name, KELLY_JACK_MIDI, KELLY_JACK_INPUT, 0);
    if (in->input == NULL) return "the JACK server has no room for a port";
    kelly_jack_clock(jack);
    if ((wrong = kelly_jack_begin(jack, kelly_midi_in_process, in, &in->gone)) != NULL) return wrong;
    snprintf(in->from, sizeof in->from, "%s", from);
    kelly_midi_in_mend(in);
    return NULL;
}

/* [main] a server that has died may keep this waiting. */
static void kelly_midi_in_close(kelly_midi_in *in) { kelly_jack_end(&in->jack); }

#else
static const char *kelly_midi_in_open(kelly_midi_in *in, const char *client_name, const char *port_name, const char *from) {
    (void)in, (void)client_name, (void)port_name, (void)from;
    return KELLY_NO_JACK;
}
static int kelly_midi_in_mend(kelly_midi_in *in) { return (void)in, 0; }
static void kelly_midi_in_close(kelly_midi_in *in) { (void)in; }
#endif
#endif
