/* Sums of products with small integers, the one place where kernels need intrinsics: no C expression says
 * "multiply unsigned by signed bytes and add four neighbours"; and from the plain loop over 16-bit weights gcc
 * makes wide loads that it takes apart again, half as fast.
 *
 * 8 bits: an activation is two digits of 7 bits each, 1..127: a pair's sum stays below 2^15, so AVX2's saturating
 * step never saturates and every variant gives the same integers.  Both digits meet a weight while it is in
 * a register: the second costs next to nothing where reading the weights is what takes time.
 * Layout: w [group of 4 inputs][output][4], q [digit][group][4].
 * 16 bits: w [input][output]; two sums per output, even and odd inputs, so that one need not wait for the other.
 */
#ifndef KELLY_QUANTISED_H
#define KELLY_QUANTISED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void kelly_dot8_portable(const int8_t *w, const uint8_t *q, ptrdiff_t groups, int width, int32_t *high, int32_t *low)
{
    const uint8_t *r = q + 4 * groups;
    for (int j = 0; j < width; j++)
        high[j] = low[j] = 0;
    for (ptrdiff_t g = 0; g < groups; g++, w += 4 * width, q += 4, r += 4)
        for (int j = 0; j < width; j++) {
            high[j] += q[0] * w[4 * j] + q[1] * w[4 * j + 1] + q[2] * w[4 * j + 2] + q[3] * w[4 * j + 3];
            low[j] += r[0] * w[4 * j] + r[1] * w[4 * j + 1] + r[2] * w[4 * j + 2] + r[3] * w[4 * j + 3];
        }
}

static inline int32_t kelly_four(const uint8_t *q)
{
    int32_t four;
    memcpy(&four, q, 4);
    return four;
}

#if defined(__SSE2__) && defined(__GNUC__)
#include <emmintrin.h>

/* four outputs: bytes widened to 16 bits, multiplied and added in pairs; the pairs' sums meet at the end */
static inline void kelly_dot8_four(const int8_t *w, const uint8_t *q, ptrdiff_t groups, ptrdiff_t stride, int32_t *high, int32_t *low)
{
    const __m128i zero = _mm_setzero_si128();
    const ptrdiff_t rest = 4 * groups;
    __m128i a[4];
    int32_t pairs[16];
    for (int v = 0; v < 4; v++)
        a[v] = zero;
    for (ptrdiff_t g = 0; g < groups; g++, w += stride, q += 4) {
        const __m128i row = _mm_loadu_si128((const __m128i *)w), sign = _mm_cmpgt_epi8(zero, row);
        const __m128i first = _mm_unpacklo_epi8(row, sign), second = _mm_unpackhi_epi8(row, sign);
        const __m128i digits = _mm_unpacklo_epi8(_mm_set_epi32(0, 0, kelly_four(q + rest), kelly_four(q)), zero);
        const __m128i x = _mm_unpacklo_epi64(digits, digits), y = _mm_unpackhi_epi64(digits, digits);
        a[0] = _mm_add_epi32(a[0], _mm_madd_epi16(first, x));
        a[1] = _mm_add_epi32(a[1], _mm_madd_epi16(second, x));
        a[2] = _mm_add_epi32(a[2], _mm_madd_epi16(first, y));
        a[3] = _mm_add_epi32(a[3], _mm_madd_epi16(second, y));
    }
    for (int v = 0; v < 4; v++)
        _mm_storeu_si128((__m128i *)(pairs + 4 * v), a[v]);
    for (int j = 0; j < 4; j++) {
        high[j] = pairs[2 * j] + pairs[2 * j + 1];
        low[j] = pairs[8 + 2 * j] + pairs[8 + 2 * j + 1];
    }
}

#endif

#if defined(__AVX2__) && defined(__GNUC__)
#include <immintrin.h>

#if defined(__AVX512BW__)

/* outputs 16 * n at once; n is a constant where it is called */
#define KELLY_EACH _Pragma("GCC unroll 4") for (int v = 0; v < n; v++)
#define KELLY_DOT8_BODY(STEP)                                                                   \
    const ptrdiff_t rest = 4 * groups;                                                          \
    __m512i a[4], b[4];                                                                         \
    KELLY_EACH                                                                                  \
        a[v] = b[v] = _mm512_setzero_si512();                                                   \
    for (ptrdiff_t g = 0; g < groups; g++, w += 64 * n, q += 4) {                               \
        const __m512i x = _mm512_set1_epi32(kelly_four(q)), y = _mm512_set1_epi32(kelly_four(q + rest)); \
        KELLY_EACH {                                                                            \
            const __m512i row = _mm512_loadu_si512((const void *)(w + 64 * v));                 \
            a[v] = STEP(a[v], x, row);                                                          \
            b[v] = STEP(b[v], y, row);                                                          \
        }                                                                                       \
    }                                                                                           \
    KELLY_EACH {                                                                                \
        _mm512_storeu_si512((void *)(high + 16 * v), a[v]);                                     \
        _mm512_storeu_si512((void *)(low + 16 * v), b[v]);                                      \
    }
#define KELLY_MULTIPLY_ADD(a, x, row) \
    _mm512_add_epi32(a, _mm512_madd_epi16(_mm512_maddubs_epi16(x, row), _mm512_set1_epi16(1)))

/* the intrinsic would do, but gcc 12 copies its sums from register to register and loads each row twice */
static inline __attribute__((always_inline, target("avx512vnni"))) __m512i kelly_dpbusd(__m512i sum, __m512i digits, __m512i row)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(digits), "v"(row));
    return sum;
}

static inline __attribute__((always_inline, target("avx512vnni"))) void
kelly_dot8_vnni_n(const int8_t *w, const uint8_t *q, ptrdiff_t groups, const int n, int32_t *high, int32_t *low)
{
    KELLY_DOT8_BODY(kelly_dpbusd)
}

static __attribute__((target("avx512vnni"))) void
kelly_dot8_vnni(const int8_t *w, const uint8_t *q, ptrdiff_t groups, int width, int32_t *high, int32_t *low)
{
    if (width == 64)
        kelly_dot8_vnni_n(w, q, groups, 4, high, low);
    else
        kelly_dot8_vnni_n(w, q, groups, 1, high, low);
}

static inline __attribute__((always_inline)) void
kelly_dot8_wide_n(const int8_t *w, const uint8_t *q, ptrdiff_t groups, const int n, int32_t *high, int32_t *low)
{
    KELLY_DOT8_BODY(KELLY_MULTIPLY_ADD)
}

static void kelly_dot8_wide(const int8_t *w, const uint8_t *q, ptrdiff_t groups, int width, int32_t *high, int32_t *low)
{
    if (width == 64)
        kelly_dot8_wide_n(w, q, groups, 4, high, low);
    else
        kelly_dot8_wide_n(w, q, groups, 1, high, low);
}

static inline __attribute__((always_inline)) void
kelly_dot16_n(const int16_t *w, const float *x, ptrdiff_t columns, const int n, float *acc)
{
    __m512 a[4], b[4];
    ptrdiff_t k;
    for (int v = 0; v < n; v++)
        a[v] = b[v] = _mm512_setzero_ps();
#define KELLY_ROW(p) _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)(p))))
    for (k = 0; k + 2 <= columns; k += 2, w += 32 * n) {
        const __m512 even = _mm512_set1_ps(x[k]), odd = _mm512_set1_ps(x[k + 1]);
        for (int v = 0; v < n; v++) {
            a[v] = _mm512_fmadd_ps(even, KELLY_ROW(w + 16 * v), a[v]);
            b[v] = _mm512_fmadd_ps(odd, KELLY_ROW(w + 16 * n + 16 * v), b[v]);
        }
    }
    for (int v = 0; v < n; v++) {
        if (k < columns)
            a[v] = _mm512_fmadd_ps(_mm512_set1_ps(x[k]), KELLY_ROW(w + 16 * v), a[v]);
        _mm512_storeu_ps(acc + 16 * v, _mm512_add_ps(a[v], b[v]));
    }
}

static void kelly_dot16_wide(const int16_t *w, const float *x, ptrdiff_t columns, int width, float *acc)
{
    if (width == 64)
        kelly_dot16_n(w, x, columns, 4, acc);
    else
        kelly_dot16_n(w, x, columns, 1, acc);
}

#else

static inline __attribute__((always_inline)) void
kelly_dot8_wide_n(const int8_t *w, const uint8_t *q, ptrdiff_t groups, ptrdiff_t stride, const int n, int32_t *high, int32_t *low)
{
    const __m256i ones = _mm256_set1_epi16(1);
    const ptrdiff_t rest = 4 * groups;
    __m256i a[4], b[4];
    for (int v = 0; v < n; v++)
        a[v] = b[v] = _mm256_setzero_si256();
    for (ptrdiff_t g = 0; g < groups; g++, w += stride, q += 4) {
        const __m256i x = _mm256_set1_epi32(kelly_four(q)), y = _mm256_set1_epi32(kelly_four(q + rest));
        for (int v = 0; v < n; v++) {
            const __m256i row = _mm256_loadu_si256((const __m256i *)(w + 32 * v));
            a[v] = _mm256_add_epi32(a[v], _mm256_madd_epi16(_mm256_maddubs_epi16(x, row), ones));
            b[v] = _mm256_add_epi32(b[v], _mm256_madd_epi16(_mm256_maddubs_epi16(y, row), ones));
        }
    }
    for (int v = 0; v < n; v++) {
        _mm256_storeu_si256((__m256i *)(high + 8 * v), a[v]);
        _mm256_storeu_si256((__m256i *)(low + 8 * v), b[v]);
    }
}

static void kelly_dot8_wide(const int8_t *w, const uint8_t *q, ptrdiff_t groups, int width, int32_t *high, int32_t *low)
{
    int j = 0;
    for (; j + 32 <= width; j += 32) /* eight sums and what they need fit into 16 registers */
        kelly_dot8_wide_n(w + 4 * j, q, groups, 4 * width, 4, high + j, low + j);
    if (j < width)
        kelly_dot8_wide_n(w + 4 * j, q, groups, 4 * width, 2, high + j, low + j);
}

static inline __attribute__((always_inline)) void
kelly_dot16_n(const int16_t *w, const float *x, ptrdiff_t columns, ptrdiff_t stride, const int n, float *acc)
{
    __m256 a[4], b[4];
    ptrdiff_t k;
    for (int v = 0; v < n; v++)
        a[v] = b[v] = _mm256_setzero_ps();
    for (k = 0; k + 2 <= columns; k += 2, w += 2 * stride) {
        const __m256 even = _mm256_set1_ps(x[k]), odd = _mm256_set1_ps(x[k + 1]);
        __builtin_prefetch(w + 16 * stride); /* 55 -> 48 us for the five nets; with AVX-512 it changes nothing */
        __builtin_prefetch(w + 17 * stride);
        for (int v = 0; v < n; v++) {
            const __m128i *row = (const __m128i *)(w + 8 * v), *next = (const __m128i *)(w + stride + 8 * v);
            a[v] = _mm256_fmadd_ps(even, _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128(row))), a[v]);
            b[v] = _mm256_fmadd_ps(odd, _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128(next))), b[v]);
        }
    }
    for (int v = 0; v < n; v++) {
        if (k < columns) {
            const __m128i *row = (const __m128i *)(w + 8 * v);
            a[v] = _mm256_fmadd_ps(_mm256_set1_ps(x[k]), _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128(row))), a[v]);
        }
        _mm256_storeu_ps(acc + 8 * v, _mm256_add_ps(a[v], b[v]));
    }
}

static void kelly_dot16_wide(const int16_t *w, const float *x, ptrdiff_t columns, int width, float *acc)
{
    int j = 0;
    for (; j + 32 <= width; j += 32)
        kelly_dot16_n(w + j, x, columns, width, 4, acc + j);
    if (j < width)
        kelly_dot16_n(w + j, x, columns, width, 2, acc + j);
}

#endif
#elif defined(__SSE2__) && defined(__GNUC__)

static void kelly_dot8_wide(const int8_t *w, const uint8_t *q, ptrdiff_t groups, int width, int32_t *high, int32_t *low)
{
    for (int j = 0; j < width; j += 4)
        kelly_dot8_four(w + 4 * j, q, groups, 4 * width, high + j, low + j);
}

#endif

/* which variant dot8 takes: 0 portable, 1 multiply and add, 2 VNNI; asked once, when the engine is loaded */
static int kelly_dot8_kind(void)
{
#if defined(__AVX512BW__) && defined(__GNUC__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512vnni") ? 2 : 1;
#elif (defined(__AVX2__) || defined(__SSE2__)) && defined(__GNUC__)
    return 1;
#else
    return 0;
#endif
}

/* high[width], low[width] = sums over 4 * groups inputs, one per digit; width 64 or 32, 16, 4 */
static inline void kelly_dot8(int kind, const int8_t *w, const uint8_t *q, ptrdiff_t groups, int width, int32_t *high, int32_t *low)
{
#if defined(__AVX512BW__) && defined(__GNUC__)
    if (kind == 2 && width >= 16) {
        kelly_dot8_vnni(w, q, groups, width, high, low);
        return;
    }
#endif
#if (defined(__AVX2__) || defined(__SSE2__)) && defined(__GNUC__)
    if (kind >= 1 && width >= 16) {
        kelly_dot8_wide(w, q, groups, width, high, low);
        return;
    }
#endif
#if defined(__SSE2__) && defined(__GNUC__)
    if (kind >= 1) {
        kelly_dot8_four(w, q, groups, 4 * width, high, low);
        return;
    }
#endif
    (void)kind;
    kelly_dot8_portable(w, q, groups, width, high, low);
}

/* acc[width] = sums over the inputs of x[k] * w[k][j]; width 64 or 32, 16, 4 */
static inline void kelly_dot16(const int16_t *w, const float *x, ptrdiff_t columns, int width, float *acc)
{
#if defined(__AVX2__) && defined(__FMA__) && defined(__GNUC__)
    if (width >= 16) {
        kelly_dot16_wide(w, x, columns, width, acc);
        return;
    }
#endif
    for (int j = 0; j < width; j++)
        acc[j] = 0;
    for (ptrdiff_t k = 0; k < columns; k++, w += width)
        for (int j = 0; j < width; j++)
            acc[j] += x[k] * (float)w[j];
}

#endif
