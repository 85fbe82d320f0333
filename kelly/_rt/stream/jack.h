/* libjack, found at run time, and how a client of its begins and ends.
 *
 * Why C: JACK's callbacks must not meet Python.  Nothing here needs JACK's headers or the library to
 * build; the few prototypes are JACK's public API.
 */
#ifndef KELLY_JACK_H
#define KELLY_JACK_H

#include "clock.h"
#include "ring.h"

enum { KELLY_JACK_INPUT = 1, KELLY_JACK_OUTPUT = 2 }; /* JackPortFlags */
#define KELLY_NO_JACK "JACK is used directly on Linux and macOS only"

#ifndef _WIN32
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum { KELLY_JACK_NO_START = 1 }; /* jack_options_t */
#define KELLY_JACK_MIDI "8 bit raw midi"
#define KELLY_JACK_SOUND "32 bit float mono audio"

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
    void *library, *client;
    int64_t clock_ns; /* kelly_now_ns minus JACK's own time */
    double ns_per_frame;
#define X(name, result, parameters) result(*name) parameters;
    KELLY_JACK_API(X)
#undef X
} kelly_jack;

/* [main] libjack's functions; NULL, or what is missing. */
static inline const char *kelly_jack_load(kelly_jack *jack) {
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
static inline const char *kelly_jack_client(kelly_jack *jack, const char *client_name) {
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

/* [jack] the server has gone. */
static inline void kelly_jack_gone(void *cell) { kelly_set((kelly_cell *)cell, 1); }

/* [main] call ``process`` each cycle from now on, and set ``gone`` when the server goes; NULL, or what went wrong. */
static inline const char *kelly_jack_begin(kelly_jack *jack, kelly_jack_process_fn *process, void *user, kelly_cell *gone) {
    jack->on_shutdown(jack->client, kelly_jack_gone, gone);
    if (jack->set_process_callback(jack->client, process, user) != 0) return "JACK refuses the callback";
    return jack->activate(jack->client) == 0 ? NULL : "JACK does not start the client";
}

/* [main] a server that has died may keep this waiting.  The library stays loaded: others may hold pointers into it. */
static inline void kelly_jack_end(kelly_jack *jack) {
    if (jack->client != NULL) jack->client_close(jack->client);
    jack->client = NULL;
}

/* [jack, main] libjack would tell the terminal what kelly tells better, ten times a second while a server is away. */
static inline void kelly_jack_quiet(const char *words) { (void)words; }

static inline void kelly_jack_hush(kelly_jack *jack) {
    void (*set)(void (*)(const char *));
    if ((*(void **)&set = dlsym(jack->library, "jack_set_error_function")) != NULL) set(kelly_jack_quiet);
    if ((*(void **)&set = dlsym(jack->library, "jack_set_info_function")) != NULL) set(kelly_jack_quiet);
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
    kelly_jack_end(&jack);
    return NULL;
}

#else
static inline const char *kelly_jack_list(char *names, size_t size, unsigned long flags) {
    (void)names, (void)size, (void)flags;
    return KELLY_NO_JACK;
}
#endif
#endif
