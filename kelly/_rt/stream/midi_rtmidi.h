/* A MIDI output through the system's librtmidi, played by a thread of its own.
 *
 * Why C: the thread must not meet Python.  The library's C interface is found at run time.
 *
 * librtmidi's calls may wait (for the ALSA sequencer, for a server that is dying), so they are made
 * here and never on a thread of kelly's: the worst case is a queue that fills up.
 */
#ifndef KELLY_MIDI_RTMIDI_H
#define KELLY_MIDI_RTMIDI_H

#include "midi_port.h"

#ifndef _WIN32
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#define KELLY_RTMIDI_POLL_NS 500000

typedef struct kelly_rtmidi_device { /* RtMidiWrapper */
    void *object, *data;
    bool ok;
    const char *message;
} kelly_rtmidi_device;

/* name, result, parameters */
#define KELLY_RTMIDI_API(X)                                                                   \
    X(out_create, kelly_rtmidi_device *, (int api, const char *client))                       \
    X(out_free, void, (kelly_rtmidi_device * device))                                         \
    X(out_send_message, int, (kelly_rtmidi_device * device, const unsigned char *bytes, int n)) \
    X(open_port, void, (kelly_rtmidi_device * device, unsigned int number, const char *name)) \
    X(open_virtual_port, void, (kelly_rtmidi_device * device, const char *name))              \
    X(close_port, void, (kelly_rtmidi_device * device))                                       \
    X(get_port_count, unsigned int, (kelly_rtmidi_device * device))                           \
    X(get_port_name, int, (kelly_rtmidi_device * device, unsigned int number, char *name, int *size))

typedef struct kelly_rtmidi {
    void *library;
    kelly_rtmidi_device *device;
    pthread_t thread;
    int running;
#define X(name, result, parameters) result(*name) parameters;
    KELLY_RTMIDI_API(X)
#undef X
} kelly_rtmidi;

/* [port] everything that is due; returns how long until the next message, at most one poll. */
static int64_t kelly_rtmidi_turn(kelly_port *p, kelly_rtmidi *rtmidi) {
    for (int part = 0; part < 2; part++) {
        kelly_ring *ring = part == 0 ? p->urgent : p->planned;
        const kelly_message *m;
        while ((m = kelly_port_next(ring)) != NULL) {
            int64_t now = kelly_now_ns();
            if (part == 1 && m->due_ns > now && !kelly_get(&p->closing)) {
                int64_t left = m->due_ns - now;
                return left < KELLY_RTMIDI_POLL_NS ? left : KELLY_RTMIDI_POLL_NS;
            }
            rtmidi->out_send_message(rtmidi->device, m->bytes, m->size);
            if (!rtmidi->device->ok) { /* rtmidi's errors do not heal */
                kelly_set(&p->gone, 1);
                return KELLY_RTMIDI_POLL_NS;
            }
            kelly_port_sent(p, ring, m, now);
        }
    }
    return KELLY_RTMIDI_POLL_NS;
}

/* [port] */
static void *kelly_rtmidi_run(void *user) {
    kelly_port *p = (kelly_port *)user;
    kelly_rtmidi *rtmidi = (kelly_rtmidi *)p->backend;
    while (!kelly_get(&p->gone)) {
        int64_t closing = kelly_get(&p->closing); /* read before the rings: then nothing can follow */
        int64_t pause = kelly_rtmidi_turn(p, rtmidi);
        kelly_add(&p->turns, 1);
        if (closing && kelly_port_waiting(p) == 0) break;
        kelly_sleep_ns(pause);
    }
    return NULL;
}

/* [main] librtmidi's functions; NULL, or what is missing. */
static const char *kelly_rtmidi_load(kelly_rtmidi *rtmidi) {
#ifdef __APPLE__
    static const char *const names[] = {"librtmidi.7.dylib", "librtmidi.6.dylib", "/opt/homebrew/lib/librtmidi.dylib"};
#else
    static const char *const names[] = {"librtmidi.so.7", "librtmidi.so.6"};
#endif
    for (size_t i = 0; rtmidi->library == NULL && i < sizeof names / sizeof *names; i++)
        rtmidi->library = dlopen(names[i], RTLD_NOW);
    if (rtmidi->library == NULL) return "librtmidi is not installed";
#define X(name, result, parameters) \
    if ((*(void **)&rtmidi->name = dlsym(rtmidi->library, "rtmidi_" #name)) == NULL) return "this librtmidi has no rtmidi_" #name;
    KELLY_RTMIDI_API(X)
#undef X
    return NULL;
}

/* [main] a client; NULL, or what went wrong. */
static const char *kelly_rtmidi_client(kelly_rtmidi *rtmidi, int api, const char *client_name) {
    const char *missing = kelly_rtmidi_load(rtmidi);
    if (missing != NULL) return missing;
    rtmidi->device = rtmidi->out_create(api, client_name);
    if (rtmidi->device == NULL || !rtmidi->device->ok || rtmidi->device->object == NULL) return "no such MIDI system answers";
    return NULL;
}

/* [main] open port number `to`, or a virtual one where it is negative; NULL, or what went wrong. */
static const char *kelly_rtmidi_open(kelly_port *p, int api, const char *client_name, const char *port_name, int to) {
    kelly_rtmidi *rtmidi = (kelly_rtmidi *)calloc(1, sizeof(kelly_rtmidi));
    const char *wrong;
    if (rtmidi == NULL) return "no memory";
    p->backend = rtmidi;
    if ((wrong = kelly_rtmidi_client(rtmidi, api, client_name)) != NULL) return wrong;
    if (to < 0) rtmidi->open_virtual_port(rtmidi->device, port_name);
    else rtmidi->open_port(rtmidi->device, (unsigned int)to, port_name);
    if (!rtmidi->device->ok) return "the MIDI system refuses the port";
    kelly_set(&p->ahead_ns, 2 * KELLY_RTMIDI_POLL_NS);
    rtmidi->running = pthread_create(&rtmidi->thread, NULL, kelly_rtmidi_run, p) == 0;
    return rtmidi->running ? NULL : "no thread can be started";
}

/* [main] sends what waits, then lets go; a call of the library that hangs keeps this waiting. */
static void kelly_rtmidi_close(kelly_port *p) {
    kelly_rtmidi *rtmidi = (kelly_rtmidi *)p->backend;
    if (rtmidi == NULL) return;
    kelly_set(&p->closing, 1);
    if (rtmidi->running) pthread_join(rtmidi->thread, NULL);
    if (rtmidi->device != NULL && !kelly_get(&p->gone)) {
        if (rtmidi->running) rtmidi->close_port(rtmidi->device);
        rtmidi->out_free(rtmidi->device);
    }
    free(rtmidi);
    p->backend = NULL;
}

/* [main] names of the outputs of one MIDI system, one per line; NULL, or what went wrong. */
static const char *kelly_rtmidi_list(int api, char *names, size_t size) {
    kelly_rtmidi rtmidi;
    memset(&rtmidi, 0, sizeof rtmidi);
    const char *wrong = kelly_rtmidi_client(&rtmidi, api, "kelly-probe");
    size_t used = 0;
    names[0] = 0;
    for (unsigned int i = 0; wrong == NULL && i < rtmidi.get_port_count(rtmidi.device); i++) {
        char name[256] = "";
        int n = (int)sizeof name;
        rtmidi.get_port_name(rtmidi.device, i, name, &n);
        n = snprintf(names + used, size - used, "%s\n", name);
        if (n < 0 || (size_t)n >= size - used) break;
        used += (size_t)n;
    }
    names[used] = 0;
    if (rtmidi.device != NULL) rtmidi.out_free(rtmidi.device);
    return wrong;
}

#else
static const char *kelly_rtmidi_open(kelly_port *p, int api, const char *client_name, const char *port_name, int to) {
    (void)p, (void)api, (void)client_name, (void)port_name, (void)to;
    return "librtmidi is used directly on Linux and macOS only";
}
static const char *kelly_rtmidi_list(int api, char *names, size_t size) {
    (void)api, (void)names, (void)size;
    return "librtmidi is used directly on Linux and macOS only";
}
static void kelly_rtmidi_close(kelly_port *p) { (void)p; }
#endif
#endif
