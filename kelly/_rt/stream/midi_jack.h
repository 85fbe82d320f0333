/* A MIDI output on a JACK server, with real frame offsets inside the period.
 *
 * Why C: JACK's process callback must not meet Python.  libjack is found at run time, so nothing here
 * needs its headers or the library to build; the few prototypes are JACK's public API.
 *
 * A message's time becomes a frame of the cycle that contains it.  Messages must therefore arrive one
 * period (ahead_ns) early to leave exactly on time; late and urgent ones leave at the cycle's start.
 */
#ifndef KELLY_MIDI_JACK_H
#define KELLY_MIDI_JACK_H

#include "midi_port.h"

#ifndef _WIN32
#include <dlfcn.h>
#include <stdio.h>

enum { KELLY_JACK_NO_START = 1 }; /* jack_options_t */
enum { KELLY_JACK_INPUT = 1, KELLY_JACK_OUTPUT = 2 };         /* JackPortFlags */
#define KELLY_JACK_MIDI "8 bit raw midi"

typedef int kelly_jack_process_fn(uint32_t frames, void *port);
typedef void kelly_jack_shutdown_fn(void *port);

/* name, result, parameters */
#define KELLY_JACK_API(X)                                                                          \
    X(client_open, void *, (const char *name, int options, int *status, ...))                      \
    X(client_close, int, (void *client))                                                           \
    X(activate, int, (void *client))                                                               \
    X(get_client_name, char *, (void *client))                                                     \
    X(get_sample_rate, uint32_t, (void *client))                                                   \
    X(get_buffer_size, uint32_t, (void *client))                                                   \
    X(set_process_callback, int, (void *client, kelly_jack_process_fn *process, void *port))       \
    X(on_shutdown, void, (void *client, kelly_jack_shutdown_fn *shutdown, void *port))             \
    X(port_register, void *, (void *client, const char *name, const char *type, unsigned long flags, unsigned long size)) \
    X(port_name, const char *, (const void *port))                                                 \
    X(port_connected, int, (const void *port))                                                     \
    X(port_by_name, void *, (void *client, const char *name))                                      \
    X(port_get_buffer, void *, (void *port, uint32_t frames))                                      \
    X(get_ports, const char **, (void *client, const char *name, const char *type, unsigned long flags)) \
    X(connect, int, (void *client, const char *from, const char *to))                              \
    X(free, void, (void *memory))                                                                  \
    X(get_time, uint64_t, (void))                                                                  \
    X(get_cycle_times, int, (const void *client, uint32_t *frame, uint64_t *start_us, uint64_t *next_us, float *period_us)) \
    X(midi_clear_buffer, void, (void *buffer))                                                     \
    X(midi_event_reserve, unsigned char *, (void *buffer, uint32_t offset, size_t size))                  \
    X(midi_get_event_count, uint32_t, (void *buffer))                                              \
    X(midi_event_get, int, (void *event, void *buffer, uint32_t index))

typedef struct kelly_jack {
    void *library, *client, *output;
    int64_t clock_ns; /* kelly_now_ns minus JACK's own time */
    double ns_per_frame;
    uint32_t period_frames;
    int64_t next_ns; /* when the cycle after the newest one was to begin */
    int listeners; /* connections when last looked at */
    char to[320];  /* full name of the port to stay connected to, or "" */
#define X(name, result, parameters) result(*name) parameters;
    KELLY_JACK_API(X)
#undef X
} kelly_jack;

/* [jack, main] how early a message must come: one period, one poll of the performer, and one millisecond. */
static inline void kelly_jack_period(kelly_port *p, kelly_jack *jack, uint32_t frames) {
    jack->period_frames = frames;
    kelly_set(&p->ahead_ns, (int64_t)((double)frames * jack->ns_per_frame) + 1500000);
}

/* [jack] one cycle. */
static int kelly_jack_process(uint32_t frames, void *user) {
    kelly_port *p = (kelly_port *)user;
    kelly_jack *jack = (kelly_jack *)p->backend;
    void *buffer = jack->port_get_buffer(jack->output, frames);
    uint32_t frame, last = 0;
    uint64_t start_us, next_us;
    float period_us;
    kelly_add(&p->turns, 1);
    if (frames != jack->period_frames) kelly_jack_period(p, jack, frames);
    if (buffer == NULL) return 0;
    jack->midi_clear_buffer(buffer);
    if (jack->get_cycle_times(jack->client, &frame, &start_us, &next_us, &period_us) != 0) start_us = jack->get_time();
    const int64_t start_ns = (int64_t)start_us * 1000 + jack->clock_ns;
    const int64_t period_ns = (int64_t)((double)frames * jack->ns_per_frame), wanted_ns = jack->next_ns;
    const int missed = wanted_ns != 0 && start_ns - wanted_ns > period_ns / 2; /* the server left cycles out */
    jack->next_ns = start_ns + period_ns;
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

/* [jack] the server has gone. */
static void kelly_jack_gone(void *user) { kelly_set(&((kelly_port *)user)->gone, 1); }

/* [main] libjack's functions; NULL, or what is missing. */
static const char *kelly_jack_load(kelly_jack *jack) {
#ifdef __APPLE__
    static const char *const names[] = {"libjack.0.dylib", "/usr/local/lib/libjack.0.dylib", "/opt/homebrew/lib/libjack.0.dylib"};
#else
    static const char *const names[] = {"libjack.so.0"};
#endif
    for (size_t i = 0; jack->library == NULL && i < sizeof names / sizeof *names; i++) jack->library = dlopen(names[i], RTLD_NOW);
    if (jack->library == NULL) return "libjack is not installed";
#define X(name, result, parameters) \
    if ((*(void **)&jack->name = dlsym(jack->library, "jack_" #name)) == NULL) return "this libjack has no jack_" #name;
    KELLY_JACK_API(X)
#undef X
    return NULL;
}

/* [main] a client; NULL, or what went wrong. */
static const char *kelly_jack_client(kelly_jack *jack, const char *client_name) {
    int status = 0;
    const char *missing = kelly_jack_load(jack);
    if (missing != NULL) return missing;
    jack->client = jack->client_open(client_name, KELLY_JACK_NO_START, &status);
    return jack->client == NULL ? "no JACK server answers" : NULL;
}

/* [main] JACK's frames and times as ours. */
static inline void kelly_jack_clock(kelly_jack *jack) {
    jack->ns_per_frame = 1e9 / (double)jack->get_sample_rate(jack->client);
    jack->clock_ns = INT64_MAX;
    for (int i = 0; i < 8; i++) { /* the smallest difference is the one nobody interrupted */
        int64_t jack_ns = (int64_t)jack->get_time() * 1000, difference = kelly_now_ns() - jack_ns;
        if (difference < jack->clock_ns) jack->clock_ns = difference;
    }
}

/* [main, errand] until a connection that was just made carries messages: JACK takes it up between two cycles, and what was
 * written before is lost, programs first of all. */
static inline void kelly_jack_settle(kelly_port *p) {
    kelly_jack *jack = (kelly_jack *)p->backend;
    const int64_t until_ns = kelly_now_ns() + 500000000;
    int64_t since = kelly_get(&p->turns);
    while (kelly_get(&p->turns) < since + 3 && !kelly_get(&p->gone) && kelly_now_ns() < until_ns) {
        if (jack->port_connected(jack->output) == 0) since = kelly_get(&p->turns);
        kelly_sleep_ns(1000000);
    }
}

/* [main] make the output and start; NULL, or what went wrong. */
static inline const char *kelly_jack_open(kelly_port *p, const char *client_name, const char *port_name, const char *to) {
    kelly_jack *jack = (kelly_jack *)calloc(1, sizeof(kelly_jack));
    const char *wrong;
    if (jack == NULL) return "no memory";
    p->backend = jack;
    if ((wrong = kelly_jack_client(jack, client_name)) != NULL) return wrong;
    jack->output = jack->port_register(jack->client, port_name, KELLY_JACK_MIDI, KELLY_JACK_OUTPUT, 0);
    if (jack->output == NULL) return "the JACK server has no room for a port";
    kelly_jack_clock(jack);
    kelly_jack_period(p, jack, jack->get_buffer_size(jack->client));
    jack->on_shutdown(jack->client, kelly_jack_gone, p);
    if (jack->set_process_callback(jack->client, kelly_jack_process, p) != 0) return "JACK refuses the callback";
    if (jack->activate(jack->client) != 0) return "JACK does not start the client";
    if (to == NULL) return NULL;
    snprintf(jack->to, sizeof jack->to, "%s", to);
    if (jack->connect(jack->client, jack->port_name(jack->output), to) != 0) return "JACK refuses the connection";
    kelly_jack_settle(p);
    jack->listeners = jack->port_connected(jack->output);
    return NULL;
}

/* [watch] connect again to a port that had gone and is back; 1 when there is a listener that was not there before. */
static inline int kelly_jack_mend(kelly_port *p) {
    kelly_jack *jack = (kelly_jack *)p->backend;
    if (jack == NULL || kelly_get(&p->gone)) return 0;
    int before = jack->listeners;
    if (jack->to[0] && jack->port_connected(jack->output) == 0 && jack->port_by_name(jack->client, jack->to) != NULL)
        jack->connect(jack->client, jack->port_name(jack->output), jack->to);
    jack->listeners = jack->port_connected(jack->output);
    if (jack->listeners > before) kelly_jack_settle(p);
    return jack->listeners > before;
}

/* [main] a server that has died may keep this waiting. */
static inline void kelly_jack_close(kelly_port *p) {
    kelly_jack *jack = (kelly_jack *)p->backend;
    if (jack == NULL) return;
    if (jack->client != NULL) jack->client_close(jack->client);
    free(jack); /* the library stays loaded: others may hold pointers into it */
    p->backend = NULL;
}

/* [main] names of the MIDI ports of a direction, one per line; KELLY_JACK_INPUT are those that can be played to; NULL, or what went wrong. */
static inline const char *kelly_jack_list(char *names, size_t size, unsigned long flags) {
    kelly_jack jack;
    memset(&jack, 0, sizeof jack);
    const char *wrong = kelly_jack_client(&jack, "kelly-probe");
    size_t used = 0;
    names[0] = 0;
    if (wrong != NULL) return wrong;
    const char **found = jack.get_ports(jack.client, NULL, KELLY_JACK_MIDI, flags);
    for (int i = 0; found != NULL && found[i] != NULL; i++) {
        int n = snprintf(names + used, size - used, "%s\n", found[i]);
        if (n < 0 || (size_t)n >= size - used) break;
        used += (size_t)n;
    }
    names[used] = 0;
    if (found != NULL) jack.free(found);
    jack.client_close(jack.client);
    return NULL;
}

#else
static inline const char *kelly_jack_open(kelly_port *p, const char *client_name, const char *port_name, const char *to) {
    (void)p, (void)client_name, (void)port_name, (void)to;
    return "JACK is used directly on Linux and macOS only";
}
static inline const char *kelly_jack_list(char *names, size_t size, unsigned long flags) {
    (void)names, (void)size, (void)flags;
    return "JACK is used directly on Linux and macOS only";
}
static inline int kelly_jack_mend(kelly_port *p) { return (void)p, 0; }
static inline void kelly_jack_close(kelly_port *p) { (void)p; }
#endif
#endif
