/* Ring between one producer thread and one consumer thread.
 *
 * Why C: the order in which two threads see each other's writes is said with C11 atomics, which
 * Cython cannot express; and as a plain header the same text runs under ThreadSanitizer and
 * RealtimeSanitizer without Python.
 *
 * Items have a fixed size, the capacity is a power of two, positions only ever grow (64 bits), and
 * each side's position has a cache line of its own.  Nothing here locks, allocates or calls the
 * system, except kelly_ring_new and kelly_ring_free.
 */
#ifndef KELLY_RING_H
#define KELLY_RING_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if ATOMIC_LLONG_LOCK_FREE != 2
#error "64-bit atomics must be lock-free: the audio callback may not wait"
#endif

#if defined(__clang__) && defined(KELLY_RTSAN)
#define KELLY_REALTIME __attribute__((nonblocking))
#else
#define KELLY_REALTIME
#endif

/* A number that one thread publishes and others read. */
typedef struct kelly_cell {
    _Atomic int64_t value;
} kelly_cell;

static inline int64_t kelly_get(const kelly_cell *cell) KELLY_REALTIME {
    return atomic_load_explicit(&((kelly_cell *)cell)->value, memory_order_acquire);
}

static inline void kelly_set(kelly_cell *cell, int64_t value) KELLY_REALTIME {
    atomic_store_explicit(&cell->value, value, memory_order_release);
}

/* Only the owning thread adds, so a load and a store are enough. */
static inline void kelly_add(kelly_cell *cell, int64_t amount) KELLY_REALTIME {
    int64_t value = atomic_load_explicit(&cell->value, memory_order_relaxed);
    atomic_store_explicit(&cell->value, value + amount, memory_order_release);
}

/* Take the value and leave zero behind; for requests that either side may touch. */
static inline int64_t kelly_take(kelly_cell *cell) KELLY_REALTIME {
    return atomic_exchange_explicit(&cell->value, 0, memory_order_acq_rel);
}

typedef struct kelly_ring {
    unsigned char *data; /* constants after kelly_ring_new */
    uint64_t item_bytes, capacity, mask;
    void *block;
    char pad0[64];
    _Atomic uint64_t head; /* items ever written; the producer's line */
    uint64_t tail_seen;
    _Atomic uint64_t refused; /* items that found no room */
    _Atomic uint64_t peak;    /* most items ever waiting */
    char pad1[64];
    _Atomic uint64_t tail; /* items ever read; the consumer's line */
    uint64_t head_seen;
    char pad2[64];
} kelly_ring;

/* [main] capacity must be a power of two; NULL where memory is short or the sizes are wrong. */
static inline kelly_ring *kelly_ring_new(uint64_t item_bytes, uint64_t capacity) {
    if (item_bytes == 0 || capacity == 0 || (capacity & (capacity - 1)) != 0) return NULL;
    if (capacity > (UINT64_MAX / 4) / item_bytes) return NULL;
    void *block = calloc(1, sizeof(kelly_ring) + 128 + item_bytes * capacity);
    if (block == NULL) return NULL;
    uintptr_t start = ((uintptr_t)block + 63) & ~(uintptr_t)63;
    kelly_ring *r = (kelly_ring *)start;
    r->block = block;
    r->data = (unsigned char *)((start + sizeof(kelly_ring) + 63) & ~(uintptr_t)63);
    r->item_bytes = item_bytes;
    r->capacity = capacity;
    r->mask = capacity - 1;
    return r;
}

/* [main] when both threads have let go of it. */
static inline void kelly_ring_free(kelly_ring *r) {
    if (r != NULL) free(r->block);
}

/* [any] items waiting; for the consumer never more than there are, for the producer never fewer. */
static inline uint64_t kelly_ring_size(const kelly_ring *ring) KELLY_REALTIME {
    kelly_ring *r = (kelly_ring *)ring;
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    return head - tail;
}

/* [producer] room for at least this many. */
static inline uint64_t kelly_ring_room(kelly_ring *r) KELLY_REALTIME {
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
    return r->capacity - (head - r->tail_seen);
}

/* [producer] address of the next free item and how many lie there in one piece, at most n. */
static inline void *kelly_ring_span(kelly_ring *r, uint64_t n, uint64_t *contiguous) KELLY_REALTIME {
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    if (r->capacity - (head - r->tail_seen) < n) r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
    uint64_t room = r->capacity - (head - r->tail_seen);
    uint64_t at = head & r->mask;
    uint64_t here = r->capacity - at;
    if (here > room) here = room;
    if (here > n) here = n;
    *contiguous = here;
    return r->data + at * r->item_bytes;
}

/* [producer] publish n items written at kelly_ring_span. */
static inline void kelly_ring_commit(kelly_ring *r, uint64_t n) KELLY_REALTIME {
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed) + n;
    atomic_store_explicit(&r->head, head, memory_order_release);
    uint64_t waiting = head - atomic_load_explicit(&r->tail, memory_order_relaxed);
    if (waiting > atomic_load_explicit(&r->peak, memory_order_relaxed))
        atomic_store_explicit(&r->peak, waiting, memory_order_relaxed);
}

/* [producer] write as many as fit; returns how many.  For producers that wait for room. */
static inline uint64_t kelly_ring_write(kelly_ring *r, const void *items, uint64_t n) KELLY_REALTIME {
    const unsigned char *from = (const unsigned char *)items;
    uint64_t done = 0;
    for (int part = 0; part < 2 && done < n; part++) { /* before and after the wrap */
        uint64_t here;
        void *to = kelly_ring_span(r, n - done, &here);
        if (here == 0) break;
        memcpy(to, from + done * r->item_bytes, here * r->item_bytes);
        kelly_ring_commit(r, here);
        done += here;
    }
    return done;
}

/* [producer] items that were thrown away because there was no room. */
static inline void kelly_ring_refuse(kelly_ring *r, uint64_t n) KELLY_REALTIME {
    uint64_t refused = atomic_load_explicit(&r->refused, memory_order_relaxed);
    atomic_store_explicit(&r->refused, refused + n, memory_order_relaxed);
}

/* [producer] write as many as fit, drop the newest, count what was dropped. */
static inline uint64_t kelly_ring_push(kelly_ring *r, const void *items, uint64_t n) KELLY_REALTIME {
    uint64_t done = kelly_ring_write(r, items, n);
    if (done < n) kelly_ring_refuse(r, n - done);
    return done;
}

/* [consumer] address of the oldest item and how many lie there in one piece, at most n. */
static inline const void *kelly_ring_peek(kelly_ring *r, uint64_t n, uint64_t *contiguous) KELLY_REALTIME {
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    if (r->head_seen - tail < n) r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
    uint64_t ready = r->head_seen - tail;
    uint64_t at = tail & r->mask;
    uint64_t here = r->capacity - at;
    if (here > ready) here = ready;
    if (here > n) here = n;
    *contiguous = here;
    return r->data + at * r->item_bytes;
}

/* [consumer] give n items back to the producer. */
static inline void kelly_ring_skip(kelly_ring *r, uint64_t n) KELLY_REALTIME {
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    atomic_store_explicit(&r->tail, tail + n, memory_order_release);
}

/* [consumer] copy up to n items out, oldest first; returns how many. */
static inline uint64_t kelly_ring_pop(kelly_ring *r, void *items, uint64_t n) KELLY_REALTIME {
    unsigned char *to = (unsigned char *)items;
    uint64_t done = 0;
    for (int part = 0; part < 2 && done < n; part++) {
        uint64_t here;
        const void *from = kelly_ring_peek(r, n - done, &here);
        if (here == 0) break;
        memcpy(to + done * r->item_bytes, from, here * r->item_bytes);
        kelly_ring_skip(r, here);
        done += here;
    }
    return done;
}

#endif
