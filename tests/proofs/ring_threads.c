/* Two threads and one ring: every item arrives once, in order, or is counted as refused.
 *
 * usage: ring_threads MODE ITEMS CAPACITY
 *   single   the producer waits for room, one item at a time
 *   blocks   the producer waits for room, 1 to 200 items at a time
 *   drop     the producer never waits; what finds no room is counted
 *   stream   the audio callback on one side, the worker's reader on the other
 *
 * Prints "sent received refused" and exits 0 when the books balance, 2 when they do not.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "capture.h"

static kelly_ring *ring;
static kelly_capture capture;
static uint64_t items;
static int single;
static _Atomic int finished;

static uint32_t draw(uint32_t *state) { /* xorshift32, enough to vary block sizes */
    *state ^= *state << 13;
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

static void *produce_waiting(void *unused) {
    uint32_t seed = 1;
    uint64_t block[200];
    for (uint64_t at = 0; at < items;) {
        uint64_t n = single ? 1 : 1 + draw(&seed) % 200;
        if (n > items - at) n = items - at;
        for (uint64_t i = 0; i < n; i++) block[i] = at + i;
        uint64_t done = kelly_ring_write(ring, block, n);
        if (done == 0) sched_yield();
        at += done;
    }
    return unused;
}

static void *produce_dropping(void *unused) {
    uint32_t seed = 1;
    uint64_t block[200];
    for (uint64_t at = 0; at < items;) {
        uint64_t n = 1 + draw(&seed) % 200;
        if (n > items - at) n = items - at;
        for (uint64_t i = 0; i < n; i++) block[i] = at + i;
        kelly_ring_push(ring, block, n);
        at += n;
        if (draw(&seed) % 16 == 0) sched_yield();
    }
    atomic_store(&finished, 1);
    return unused;
}

static void *produce_audio(void *unused) {
    float block[512];
    for (uint64_t at = 0; at < items;) {
        uint64_t n = items - at < 128 ? items - at : 128;
        for (uint64_t i = 0; i < n; i++) block[i] = (float)((at + i) % 1000 + 1) / 1024.0f;
        kelly_capture_callback(block, NULL, n, NULL, 0, &capture);
        at += n;
        if (at % 1024 == 0) sched_yield();
    }
    kelly_capture_end(&capture);
    return unused;
}

static int consume_ring(int every) {
    uint32_t seed = 2;
    uint64_t block[200], received = 0, next = 0;
    for (;;) {
        int last = atomic_load(&finished); /* read before the ring: nothing follows what is then in it */
        uint64_t n = kelly_ring_pop(ring, block, single ? 1 : 1 + draw(&seed) % 200);
        for (uint64_t i = 0; i < n; i++) {
            if (block[i] < next || (every && block[i] != next)) return 2;
            next = block[i] + 1;
        }
        received += n;
        if (every ? received == items : (n == 0 && last)) break;
        if (n == 0) sched_yield();
    }
    uint64_t refused = atomic_load(&ring->refused), peak = atomic_load(&ring->peak);
    printf("%llu %llu %llu\n", (unsigned long long)items, (unsigned long long)received, (unsigned long long)refused);
    return received + refused == items && peak <= ring->capacity ? 0 : 2;
}

static int consume_stream(pthread_t producer) {
    kelly_reader reader = {0, 0};
    uint64_t at = 0, silent = 0;
    for (;;) {
        const float *samples;
        int64_t last = kelly_get(&capture.ended);
        uint64_t n = kelly_capture_next(&capture, &reader, 480, &samples);
        for (uint64_t i = 0; samples != NULL && i < n; i++)
            if (samples[i] != (float)((at + i) % 1000 + 1) / 1024.0f) return 2; /* a gap of the wrong length shows here */
        if (samples == NULL) silent += n;
        kelly_capture_done(&capture, &reader, samples, n);
        at += n;
        if (n == 0 && last) break;
        if (n == 0) sched_yield();
    }
    pthread_join(producer, NULL);
    uint64_t dropped = (uint64_t)kelly_get(&capture.dropped), frames = (uint64_t)kelly_get(&capture.frames);
    uint64_t untold = (uint64_t)capture.pending_gap; /* the end of the stream, where even the gap ring was full */
    printf("%llu %llu %llu\n", (unsigned long long)items, (unsigned long long)(at - silent), (unsigned long long)dropped);
    return silent + untold == dropped && at + untold == items && frames == items ? 0 : 2;
}

int main(int argc, char **argv) {
    if (argc != 4) return 3;
    const char mode = argv[1][0] == 's' && argv[1][1] == 't' ? 'a' : argv[1][0];
    uint64_t capacity = strtoull(argv[3], NULL, 10);
    items = strtoull(argv[2], NULL, 10);
    single = mode == 's';
    ring = kelly_ring_new(sizeof(uint64_t), capacity);
    capture.audio = kelly_ring_new(sizeof(float), capacity);
    capture.gaps = kelly_ring_new(sizeof(kelly_gap), 1024);
    capture.sample_rate_hz = 48000;
    capture.channels = 1;
    if (ring == NULL || capture.audio == NULL || capture.gaps == NULL) return 3;
    pthread_t producer;
    void *(*produce)(void *) = mode == 'a' ? produce_audio : mode == 'd' ? produce_dropping : produce_waiting;
    if (pthread_create(&producer, NULL, produce, NULL) != 0) return 3;
    if (mode == 'a') return consume_stream(producer);
    int status = consume_ring(mode != 'd');
    if (status == 0) pthread_join(producer, NULL);
    return status;
}
