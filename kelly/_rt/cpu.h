/* What this processor runs; Cython has no word for the compiler's CPU check. */
#ifndef KELLY_CPU_H
#define KELLY_CPU_H

/* level of x86-64 that processor and system support: 1 SSE2, 3 AVX2 + FMA, 4 AVX-512; 1 elsewhere */
static inline int kelly_cpu_level(void)
{
#if defined(__GNUC__) && defined(__x86_64__)
    __builtin_cpu_init();
    if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi")
          && __builtin_cpu_supports("bmi2")))
        return 1;
    if (!(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd")
          && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")))
        return 3;
    return 4;
#else
    return 1;
#endif
}

#endif
