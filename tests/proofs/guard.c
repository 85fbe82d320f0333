/* Preloaded by test_interposer.py: counts what a real-time thread does that it may not do.
 *
 * Two kinds of zone, each only on the thread that is in it:
 *   callback  from the entry of guard_callback to its return; it calls the production callback between
 *   loop      a thread that guard_loop marked; counted from one of its timed sleeps to the next, so
 *             that what Python does before and after the loop is not taken for the loop's work
 * In a loop the one nanosleep is its turn; in a callback even that is a fault.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { ALLOC, FREE, LOCK, WAIT, SLEEP, IO, GIL, KINDS };
enum { NOWHERE, CALLBACK, WORKER, PERFORMER, ZONES };

typedef struct {
    int64_t turns;    /* callbacks, or timed sleeps of a loop */
    int64_t dirty;    /* of these, how many did something that they may not */
    int64_t kinds[KINDS];
} report_t;

static report_t reports[ZONES]; /* each written by the one thread of its zone */
static _Atomic int planted;
void *volatile guard_kept; /* volatile and visible: the compiler may not remove malloc and free as a pair */

static __thread int zone __attribute__((tls_model("initial-exec")));
static __thread int64_t pending[KINDS] __attribute__((tls_model("initial-exec")));

static void note(int kind) {
    if (zone != NOWHERE) pending[kind]++;
}

static void turn(int where) {
    int dirty = 0;
    for (int kind = 0; kind < KINDS; kind++) {
        reports[where].kinds[kind] += pending[kind];
        dirty |= pending[kind] != 0;
        pending[kind] = 0;
    }
    reports[where].turns++;
    reports[where].dirty += dirty;
}

/* The test's side. */

void guard_loop(int where) { /* WORKER or PERFORMER: from the next timed sleep on; NOWHERE ends it */
    memset(pending, 0, sizeof pending);
    zone = where == NOWHERE ? NOWHERE : -where; /* negative until the first sleep */
}

void guard_plant(int on) { planted = on; }

void guard_report(int where, int64_t *out) { memcpy(out, &reports[where], sizeof(report_t)); }

typedef int callback_t(const void *, void *, unsigned long, const void *, unsigned long, void *);
typedef struct {
    callback_t *real;
    void *user;
} behind_t;

int guard_callback(const void *in, void *out, unsigned long n, const void *at, unsigned long flags, void *user) {
    behind_t *behind = user;
    zone = CALLBACK;
    if (planted) {
        guard_kept = malloc(48);
        free(guard_kept);
    }
    int answer = behind->real(in, out, n, at, flags, behind->user);
    zone = NOWHERE;
    turn(CALLBACK);
    return answer;
}

typedef struct {
    behind_t *behind;
    const float *samples;
    int64_t blocks, frames, channels;
    double rate;
} pump_t;

static void *pump(void *argument) { /* the audio thread of a device that is not there */
    pump_t *p = argument;
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    for (int64_t block = 0; block < p->blocks; block++) {
        guard_callback(p->samples + block * p->frames * p->channels, NULL, (unsigned long)p->frames, NULL, 0, p->behind);
        at.tv_nsec += (long)(1e9 * (double)p->frames / p->rate);
        if (at.tv_nsec >= 1000000000) at.tv_sec++, at.tv_nsec -= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    }
    return NULL;
}

int guard_pump(behind_t *behind, const float *samples, int64_t blocks, int64_t frames, int64_t channels, double rate) {
    pump_t p = {behind, samples, blocks, frames, channels, rate};
    pthread_t thread;
    return pthread_create(&thread, NULL, pump, &p) || pthread_join(thread, NULL);
}

/* The functions that are watched.  The real ones are looked up before any zone exists. */

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

void *malloc(size_t n) { return note(ALLOC), __libc_malloc(n); }
void *calloc(size_t n, size_t size) { return note(ALLOC), __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { return note(ALLOC), __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { return note(ALLOC), __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { return note(ALLOC), __libc_memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n) { return note(ALLOC), (*p = __libc_memalign(a, n)) == NULL ? 12 : 0; }
void free(void *p) { note(FREE), __libc_free(p); }

#define WATCH(kind, type, name, parameters, arguments)                                        \
    static type(*real_##name) parameters;                                                     \
    type name parameters {                                                                    \
        if (real_##name == NULL) real_##name = (type(*) parameters)dlsym(RTLD_NEXT, #name);    \
        note(kind);                                                                           \
        return real_##name arguments;                                                         \
    }

WATCH(ALLOC, void *, mmap, (void *a, size_t n, int p, int f, int fd, off_t o), (a, n, p, f, fd, o))
WATCH(ALLOC, int, munmap, (void *a, size_t n), (a, n))
WATCH(LOCK, int, pthread_mutex_lock, (pthread_mutex_t * m), (m))
WATCH(LOCK, int, pthread_mutex_trylock, (pthread_mutex_t * m), (m))
WATCH(LOCK, int, pthread_rwlock_rdlock, (pthread_rwlock_t * m), (m))
WATCH(LOCK, int, pthread_rwlock_wrlock, (pthread_rwlock_t * m), (m))
WATCH(WAIT, int, sem_wait, (sem_t * s), (s))
WATCH(WAIT, int, sem_trywait, (sem_t * s), (s))
WATCH(WAIT, int, sem_timedwait, (sem_t * s, const struct timespec *t), (s, t))
WATCH(WAIT, int, sem_clockwait, (sem_t * s, clockid_t c, const struct timespec *t), (s, c, t))
WATCH(WAIT, int, sem_post, (sem_t * s), (s))
WATCH(WAIT, int, poll, (struct pollfd * f, nfds_t n, int t), (f, n, t))
WATCH(SLEEP, int, usleep, (useconds_t u), (u))
WATCH(SLEEP, int, sched_yield, (void), ())
WATCH(SLEEP, int, clock_nanosleep, (clockid_t c, int f, const struct timespec *t, struct timespec *r), (c, f, t, r))
WATCH(IO, ssize_t, read, (int fd, void *p, size_t n), (fd, p, n))
WATCH(IO, ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
WATCH(IO, size_t, fwrite, (const void *p, size_t s, size_t n, FILE *f), (p, s, n, f))
WATCH(IO, int, puts, (const char *s), (s))
WATCH(IO, int, vfprintf, (FILE * f, const char *s, va_list a), (f, s, a))
WATCH(GIL, int, PyGILState_Ensure, (void), ())
WATCH(GIL, void *, PyEval_SaveThread, (void), ())

static void (*real_restore)(void *);
void PyEval_RestoreThread(void *state) {
    if (real_restore == NULL) real_restore = (void (*)(void *))dlsym(RTLD_NEXT, "PyEval_RestoreThread");
    note(GIL);
    real_restore(state);
}

/* Two generations of these live in glibc; dlsym alone could find the old one. */
static int (*real_wait)(pthread_cond_t *, pthread_mutex_t *);
int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m) {
    if (real_wait == NULL) *(void **)&real_wait = dlvsym(RTLD_NEXT, "pthread_cond_wait", "GLIBC_2.3.2");
    note(WAIT);
    return real_wait(c, m);
}

static int (*real_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t) {
    if (real_timedwait == NULL) *(void **)&real_timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    note(WAIT);
    return real_timedwait(c, m, t);
}

static int (*real_nanosleep)(const struct timespec *, struct timespec *);
int nanosleep(const struct timespec *pause, struct timespec *left) { /* kelly's loops sleep with this, Python does not */
    if (zone > CALLBACK) turn(zone);
    if (zone == CALLBACK) note(SLEEP);
    if (zone < NOWHERE) {
        memset(pending, 0, sizeof pending);
        zone = -zone;
    }
    return real_nanosleep(pause, left);
}

static int (*real_clock)(clockid_t, struct timespec *);
int clock_gettime(clockid_t clock, struct timespec *now) { /* allowed; and the place where a fault is planted in a loop */
    if (zone > CALLBACK && planted) {
        guard_kept = malloc(48);
        free(guard_kept);
    }
    return real_clock(clock, now);
}

__attribute__((constructor)) static void look_up(void) {
    *(void **)&real_nanosleep = dlsym(RTLD_NEXT, "nanosleep");
    *(void **)&real_clock = dlsym(RTLD_NEXT, "clock_gettime");
    *(void **)&real_pthread_mutex_lock = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    *(void **)&real_write = dlsym(RTLD_NEXT, "write");
}
