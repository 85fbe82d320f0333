/* The audio side of a session: what the PortAudio callback does, and the stream's frame clock.
 *
 * Why C: the callback is handed to PortAudio as a bare function pointer and runs on a thread that
 * Python never sees; as a plain header it runs under RealtimeSanitizer by itself.
 *
 * One producer (the callback, or the thread of a file source), one consumer (the worker).  Every
 * frame of the stream is either in the audio ring or inside a gap record, so the worker's count of
 * frames and the clock always agree.  No lock, no allocation, no system call.
 */
#ifndef KELLY_CAPTURE_H
#define KELLY_CAPTURE_H

#include "ring.h"

typedef struct kelly_gap {
    int64_t at;     /* samples of the audio ring that come before it */
    int64_t frames; /* silence to insert there */
} kelly_gap;

/* The worker's place in the stream. */
typedef struct kelly_reader {
    int64_t read;     /* samples taken from the audio ring */
    int64_t gap_used; /* frames taken from the gap at hand */
} kelly_reader;

/* PortAudio's PaStreamCallbackTimeInfo. */
typedef struct kelly_pa_time {
    double input_adc_s, current_s, output_dac_s;
} kelly_pa_time;

#define KELLY_PA_INPUT_OVERFLOW 2ul /* paInputOverflow */
#define KELLY_WINDOW 16             /* callbacks */
#define KELLY_LOUDEST 64.0f         /* +36 dBFS; anything beyond is not sound */

typedef struct kelly_capture {
    kelly_ring *audio; /* float, mono */
    kelly_ring *gaps;  /* kelly_gap */
    double sample_rate_hz;
    int64_t written;     /* samples put into the audio ring so far; producer only, like the next three */
    int64_t pending_gap; /* frames lost since, not yet told to the worker */
    double lead, least;  /* frames by which the driver's time stamps lead our count; of this window so far */
    int32_t stamped, window, suspect, again;
    int32_t channels;    /* interleaved channels that arrive */
    int32_t channel;     /* the one to take, or -1 for the mean of all */
    kelly_cell frames;   /* the clock: frames of the stream so far, lost ones included */
    kelly_cell blocks;   /* callbacks so far */
    kelly_cell dropped;  /* frames that found no room */
    kelly_cell gap;      /* frames that the device says, or seems, to have lost */
    kelly_cell overflows;
    kelly_cell repaired; /* samples that were NaN, infinite or absurd, and became 0 */
    kelly_cell ended;    /* 1: nothing will follow */
    kelly_cell stopping; /* 1: whoever waits for room gives up */
} kelly_capture;

/* Mix n frames down to mono; returns how many samples were not sound. */
static inline int64_t kelly_capture_mix(const kelly_capture *c, const float *in, float *out, uint64_t n) KELLY_REALTIME {
    const int32_t channels = c->channels;
    const float scale = 1.0f / (float)channels;
    int64_t repaired = 0;
    for (uint64_t i = 0; i < n; i++) {
        float x = 0.0f;
        if (c->channel >= 0) {
            x = in[i * channels + c->channel];
        } else {
            for (int32_t k = 0; k < channels; k++) x += in[i * channels + k];
            x *= scale;
        }
        if (!(x >= -KELLY_LOUDEST && x <= KELLY_LOUDEST)) { /* true for NaN too */
            x = 0.0f;
            repaired++;
        }
        out[i] = x;
    }
    return repaired;
}

/* [producer] tell the worker about lost frames before the samples that follow them. */
static inline void kelly_capture_flush_gap(kelly_capture *c) KELLY_REALTIME {
    if (c->pending_gap == 0) return;
    kelly_gap gap = {c->written, c->pending_gap};
    if (kelly_ring_write(c->gaps, &gap, 1) == 1) c->pending_gap = 0; /* else it joins the next one */
}

/* [producer] put as many of n frames into the ring as fit; returns how many. */
static inline uint64_t kelly_capture_write(kelly_capture *c, const float *in, uint64_t n) KELLY_REALTIME {
    uint64_t done = 0;
    int64_t repaired = 0;
    kelly_capture_flush_gap(c);
    if (c->pending_gap != 0) return 0; /* samples may not overtake the hole before them */
    for (int part = 0; part < 2 && done < n; part++) { /* before and after the wrap */
        uint64_t here;
        float *to = (float *)kelly_ring_span(c->audio, n - done, &here);
        if (here == 0) break;
        repaired += kelly_capture_mix(c, in + done * c->channels, to, here);
        kelly_ring_commit(c->audio, here);
        c->written += (int64_t)here;
        done += here;
    }
    if (repaired) kelly_add(&c->repaired, repaired);
    kelly_add(&c->frames, (int64_t)done);
    return done;
}

/* [producer] n frames of the stream are missing. */
static inline void kelly_capture_lose(kelly_capture *c, int64_t n) KELLY_REALTIME {
    c->pending_gap += n;
    kelly_add(&c->frames, n);
}

/* [audio] Frames that the driver lost, told up to KELLY_WINDOW callbacks later.  A flag says that something
 * went wrong, not what: PortAudio's JACK side raises it on every xrun, also where no frame of ours was lost,
 * and a late callback has a late time stamp.  But lateness passes and a loss stays: what counts is the least
 * lead of the time stamps over our count in the callbacks after the flag, against what it used to be.
 * Without time stamps, or where they leap by more than a second, one block is assumed. */
static inline int64_t kelly_capture_lost(
    kelly_capture *c, int64_t frames, const kelly_pa_time *time, int flagged
) KELLY_REALTIME {
    if (time == NULL) return flagged ? frames : 0;
    double lead = time->input_adc_s * c->sample_rate_hz - (double)kelly_get(&c->frames);
    if (flagged && c->suspect)
        c->again = 1;
    else if (flagged) {
        c->suspect = 1;
        c->window = 0;
    }
    if (c->window == 0 || lead < c->least) c->least = lead;
    if (++c->window < KELLY_WINDOW) return 0;
    double jump = c->least - c->lead;
    int known = c->stamped, suspect = c->suspect;
    c->window = 0;
    c->stamped = 1;
    c->suspect = c->again;
    c->again = 0;
    if (!known || jump > c->sample_rate_hz || jump < -c->sample_rate_hz) {
        c->lead = c->least;
        return known && suspect ? frames : 0;
    }
    if (!suspect)
        c->lead += jump / 4; /* the two clocks drift */
    else if (jump >= (double)frames / 2)
        return (int64_t)(jump + 0.5);
    else if (jump < 0)
        c->lead = c->least; /* JACK's clock runs backwards after an xrun */
    return 0;
}

/* [audio] PortAudio's callback: copy, count, never wait. */
static inline int kelly_capture_callback(
    const void *input, void *output, unsigned long frames, const kelly_pa_time *time, unsigned long flags, void *user
) KELLY_REALTIME {
    kelly_capture *c = (kelly_capture *)user;
    (void)output;
    int flagged = (flags & KELLY_PA_INPUT_OVERFLOW) != 0;
    int64_t lost = kelly_capture_lost(c, (int64_t)frames, time, flagged);
    if (flagged) kelly_add(&c->overflows, 1);
    if (lost) {
        kelly_capture_lose(c, lost);
        kelly_add(&c->gap, lost);
    }
    uint64_t done = input != NULL ? kelly_capture_write(c, (const float *)input, frames) : 0;
    if (done < frames) {
        kelly_capture_lose(c, (int64_t)(frames - done));
        kelly_add(&c->dropped, (int64_t)(frames - done));
    }
    kelly_add(&c->blocks, 1);
    return 0; /* paContinue */
}

/* [producer] nothing will follow; what was lost last is told now if there is room. */
static inline void kelly_capture_end(kelly_capture *c) KELLY_REALTIME {
    kelly_capture_flush_gap(c);
    kelly_set(&c->ended, 1);
}

/* [worker] the next piece of the stream, at most n frames.  Returns its length; *samples is NULL where
 * it is a gap.  Give it back with kelly_capture_done. */
static inline uint64_t kelly_capture_next(
    kelly_capture *c, const kelly_reader *reader, uint64_t n, const float **samples
) KELLY_REALTIME {
    uint64_t ready, told;
    /* Samples first: a gap is told before the samples behind it, so none can be overlooked. */
    *samples = (const float *)kelly_ring_peek(c->audio, n, &ready);
    const kelly_gap *gap = (const kelly_gap *)kelly_ring_peek(c->gaps, 1, &told);
    if (told) {
        uint64_t before = (uint64_t)(gap->at - reader->read);
        if (before == 0) {
            uint64_t left = (uint64_t)(gap->frames - reader->gap_used);
            *samples = NULL;
            return left < n ? left : n;
        }
        if (before < ready) ready = before;
    }
    return ready;
}

/* [worker] n frames from kelly_capture_next are used up. */
static inline void kelly_capture_done(
    kelly_capture *c, kelly_reader *reader, const float *samples, uint64_t n
) KELLY_REALTIME {
    if (samples != NULL) {
        kelly_ring_skip(c->audio, n);
        reader->read += (int64_t)n;
        return;
    }
    uint64_t told;
    const kelly_gap *gap = (const kelly_gap *)kelly_ring_peek(c->gaps, 1, &told);
    reader->gap_used += (int64_t)n;
    if (told && reader->gap_used >= gap->frames) {
        kelly_ring_skip(c->gaps, 1);
        reader->gap_used = 0;
    }
}

#endif
