/* Sound from a JACK server, without PortAudio between: a server that dies says so, lets go of its
 * clients, and a new one is joined by the same process.  PortAudio never returns from a dead server.
 *
 * Why C: JACK's process callback must not meet Python.  It feeds the same callback that PortAudio calls
 * (capture.h), with JACK's cycle times as time stamps and its xruns as overflow flags.
 */
#ifndef KELLY_CAPTURE_JACK_H
#define KELLY_CAPTURE_JACK_H

#include "capture.h"
#include "jack.h"

#define KELLY_JACK_CHANNELS 64
#define KELLY_JACK_PIECE 256u /* frames interleaved at a time */

typedef struct kelly_jack_in {
    kelly_capture *capture;
    void *ports[KELLY_JACK_CHANNELS];
    int32_t channels;
    uint32_t rate_hz;  /* found when opened */
    kelly_cell gone;   /* the server has said goodbye */
    kelly_cell xruns;  /* told by the server, not yet passed on */
    kelly_cell period; /* frames of the newest cycle */
    float piece[KELLY_JACK_PIECE * KELLY_JACK_CHANNELS];
#ifndef _WIN32
    kelly_jack jack;
#endif
} kelly_jack_in;

#ifndef _WIN32
typedef int kelly_jack_xrun_fn(void *user);

/* [jack] one cycle. */
static int kelly_jack_hear(uint32_t frames, void *user) {
    kelly_jack_in *in = (kelly_jack_in *)user;
    kelly_jack *jack = &in->jack;
    const float *from[KELLY_JACK_CHANNELS];
    kelly_pa_time time = {0.0, 0.0, 0.0};
    uint64_t start_us, next_us;
    uint32_t frame;
    float period_us;
    int stamped = jack->get_cycle_times(in->jack.client, &frame, &start_us, &next_us, &period_us) == 0;
    unsigned long flags = kelly_take(&in->xruns) ? KELLY_PA_INPUT_OVERFLOW : 0ul;
    for (int32_t k = 0; k < in->channels; k++) {
        from[k] = (const float *)jack->port_get_buffer(in->ports[k], frames);
        if (from[k] == NULL) return 0;
    }
    kelly_set(&in->period, (int64_t)frames);
    for (uint32_t done = 0; done < frames;) {
        uint32_t n = frames - done < KELLY_JACK_PIECE ? frames - done : KELLY_JACK_PIECE;
        for (uint32_t i = 0; i < n; i++)
            for (int32_t k = 0; k < in->channels; k++) in->piece[i * in->channels + k] = from[k][done + i];
        time.input_adc_s = (double)start_us * 1e-6 + (double)done / in->capture->sample_rate_hz;
        kelly_capture_callback(in->piece, NULL, n, stamped ? &time : NULL, flags, in->capture);
        flags = 0;
        done += n;
    }
    return 0;
}

/* [jack] a cycle was missed. */
static int kelly_jack_in_xrun(void *user) {
    kelly_set(&((kelly_jack_in *)user)->xruns, 1);
    return 0;
}

/* [main] Does a port "CLIENT:..." belong to a client? */
static int kelly_jack_owns(const char *port, const char *client) {
    size_t n = strlen(client);
    return strncmp(port, client, n) == 0 && port[n] == ':';
}

/* [main] join the server: rate_hz is known afterwards.  NULL, or what went wrong. */
static const char *kelly_jack_in_open(kelly_jack_in *in, const char *name) {
    const char *wrong = kelly_jack_load(&in->jack);
    if (wrong != NULL) return wrong;
    kelly_jack_hush(&in->jack);
    if ((wrong = kelly_jack_client(&in->jack, name)) != NULL) return wrong;
    in->rate_hz = in->jack.get_sample_rate(in->jack.client);
    return NULL;
}

/* [main] how many ports of a client can be listened to. */
static int kelly_jack_in_count(kelly_jack_in *in, const char *source) {
    const char **found = in->jack.get_ports(in->jack.client, NULL, KELLY_JACK_SOUND, KELLY_JACK_OUTPUT);
    int n = 0;
    for (int i = 0; found != NULL && found[i] != NULL; i++) n += kelly_jack_owns(found[i], source);
    if (found != NULL) in->jack.free(found);
    return n;
}

/* [main] feed a capture; connecting comes afterwards.  NULL, or what went wrong. */
static const char *kelly_jack_in_start(kelly_jack_in *in, kelly_capture *capture, int32_t channels) {
    char port[16];
    int (*set_xrun)(void *, kelly_jack_xrun_fn *, void *);
    *(void **)&set_xrun = dlsym(in->jack.library, "jack_set_xrun_callback");
    in->capture = capture;
    in->channels = channels;
    for (int32_t k = 0; k < channels; k++) {
        snprintf(port, sizeof port, "in_%d", (int)k + 1);
        in->ports[k] = in->jack.port_register(in->jack.client, port, KELLY_JACK_SOUND, KELLY_JACK_INPUT, 0);
        if (in->ports[k] == NULL) return "the JACK server has no room for a port";
    }
    if (set_xrun != NULL) set_xrun(in->jack.client, kelly_jack_in_xrun, in);
    return kelly_jack_begin(&in->jack, kelly_jack_hear, in, &in->gone);
}

/* [main] connect what is not connected yet; 1 once everything is.  A busy server may refuse at first. */
static int kelly_jack_in_connect(kelly_jack_in *in, const char *source) {
    const char **found = in->jack.get_ports(in->jack.client, NULL, KELLY_JACK_SOUND, KELLY_JACK_OUTPUT);
    int32_t k = 0, i;
    for (i = 0; found != NULL && found[i] != NULL && k < in->channels; i++)
        if (kelly_jack_owns(found[i], source)) {
            if (in->jack.port_connected(in->ports[k]) == 0) in->jack.connect(in->jack.client, found[i], in->jack.port_name(in->ports[k]));
            k++;
        }
    if (found != NULL) in->jack.free(found);
    for (i = 0; i < in->channels; i++)
        if (in->jack.port_connected(in->ports[i]) == 0) return 0;
    return 1;
}

/* [main] Is anybody connected to the first port?  1, or 0 when the player has gone. */
static int kelly_jack_in_connected(kelly_jack_in *in) {
    return in->channels > 0 && in->jack.port_connected(in->ports[0]) > 0;
}

/* [main] a server that has died may keep this waiting. */
static void kelly_jack_in_close(kelly_jack_in *in) { kelly_jack_end(&in->jack); }

#else
static const char *kelly_jack_in_open(kelly_jack_in *in, const char *name) {
    (void)in, (void)name;
    return KELLY_NO_JACK;
}
static int kelly_jack_in_count(kelly_jack_in *in, const char *source) { (void)in, (void)source; return 0; }
static int kelly_jack_in_connect(kelly_jack_in *in, const char *source) { (void)in, (void)source; return 0; }
static const char *kelly_jack_in_start(kelly_jack_in *in, kelly_capture *capture, int32_t channels) {
    (void)in, (void)capture, (void)channels;
    return KELLY_NO_JACK;
}
static int kelly_jack_in_connected(kelly_jack_in *in) { (void)in; return 0; }
static void kelly_jack_in_close(kelly_jack_in *in) { (void)in; }
#endif
#endif
