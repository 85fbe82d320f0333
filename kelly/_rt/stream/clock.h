/* Monotonic time and a short sleep.
 *
 * Why C: the two calls differ between systems, and Cython has no #ifdef.  On Linux and macOS
 * reading the clock enters no kernel (vDSO, comm page).
 */
#ifndef KELLY_CLOCK_H
#define KELLY_CLOCK_H

#include <stdint.h>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

static inline int64_t kelly_now_ns(void) {
    LARGE_INTEGER count, rate;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&rate);
    return (int64_t)((double)count.QuadPart * 1e9 / (double)rate.QuadPart);
}

static inline void kelly_sleep_ns(int64_t ns) { Sleep((DWORD)((ns + 999999) / 1000000)); }

#else
#include <time.h>

static inline int64_t kelly_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void kelly_sleep_ns(int64_t ns) {
    struct timespec pause = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    nanosleep(&pause, 0); /* an interrupted sleep is simply a short one */
}
#endif

#endif
