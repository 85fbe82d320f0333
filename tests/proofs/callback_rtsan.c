/* The audio callback and both sides of a ring inside functions that may not block.
 *
 * usage: callback_rtsan [clean | malloc | lock | sleep | print]
 *   RealtimeSanitizer stops the program at the first call of the callback that could block; the other
 *   words plant one in front of the production callback, so that a proof that sees nothing fails.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "capture.h"

static kelly_capture capture;
static kelly_reader reader;

#ifdef PLANT
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
void *volatile kept; /* volatile and visible: the compiler may not remove the pair of malloc and free */

static void fault(char what) {
    if (what == 'm') {
        kept = malloc(64);
        free(kept);
    }
    if (what == 'l') {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
    if (what == 's') usleep(1);
    if (what == 'p') printf("one more block\n");
}
#endif

static int callback(const void *in, unsigned long n, unsigned long flags, char plant) KELLY_REALTIME {
    kelly_pa_time time = {(double)kelly_get(&capture.frames) / 48000.0, 0, 0};
#ifdef PLANT
    fault(plant);
#else
    (void)plant;
#endif
    return kelly_capture_callback(in, NULL, n, &time, flags, &capture);
}

static uint64_t work(float *out, uint64_t n) KELLY_REALTIME {
    uint64_t done = 0;
    while (done < n) {
        const float *samples;
        uint64_t here = kelly_capture_next(&capture, &reader, n - done, &samples);
        if (here == 0) break;
        if (samples != NULL) memcpy(out + done, samples, here * sizeof(float));
        kelly_capture_done(&capture, &reader, samples, here);
        done += here;
    }
    return done;
}

static int pass_on(kelly_ring *ring) KELLY_REALTIME {
    int64_t item[5] = {1, 2, 3, 4, 5};
    kelly_ring_push(ring, item, 3);
    kelly_ring_push(ring, item, 2);
    return kelly_ring_size(ring) == 5 && kelly_ring_room(ring) == 3 && kelly_ring_pop(ring, item, 5) == 5;
}

int main(int argc, char **argv) {
    static float block[2 * 2048], out[4096];
    const char plant = argc > 1 ? argv[1][0] : 'c';
    kelly_ring *ring = kelly_ring_new(sizeof(int64_t), 8);
    capture.audio = kelly_ring_new(sizeof(float), 8192);
    capture.gaps = kelly_ring_new(sizeof(kelly_gap), 64);
    capture.sample_rate_hz = 48000;
    capture.channels = 2;
    if (ring == NULL || capture.audio == NULL || capture.gaps == NULL) return 3;
    uint64_t sent = 0, received = 0;
    for (int i = 0; i < 2000; i++) {
        unsigned long n = 1 + (unsigned long)(i * 37) % 2048;
        callback(i % 97 ? block : NULL, n, i % 50 == 49 ? KELLY_PA_INPUT_OVERFLOW : 0, plant);
        sent = (uint64_t)kelly_get(&capture.frames);
        if (i % 7) received += work(out, 4096); /* now and then the ring runs full */
        if (!pass_on(ring)) return 2;
    }
    kelly_capture_end(&capture);
    for (uint64_t n; (n = work(out, 4096)) > 0;) received += n;
    printf("%llu %llu %lld\n", (unsigned long long)sent, (unsigned long long)received, (long long)kelly_get(&capture.dropped));
    return sent == received && kelly_get(&capture.dropped) > 0 ? 0 : 2;
}
