/* Sums of products of rows of samples; compiled once for each instruction set, the best one chosen when loaded. */
#ifndef FASTEMLP_CONTRACT_H
#define FASTEMLP_CONTRACT_H

#include <stddef.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__)
#define FASTEMLP_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FASTEMLP_CLONES
#endif

/* A register of samples, read from anywhere; plain loops do where a compiler knows no such type. */
#if defined(__GNUC__)
#define FASTEMLP_VECTOR(T, V) typedef T V __attribute__((vector_size(64), aligned(sizeof(T)), may_alias))
#else
#define FASTEMLP_VECTOR(T, V) typedef T V
#endif

#define FASTEMLP_DEFINE(T, NAME)                                                                   \
    FASTEMLP_VECTOR(T, NAME##_vector);                                                             \
    /* out[j, :] += Σ_r m_r[:] u_r[j, :] for J rows of n samples, a stride apart */                \
    FASTEMLP_CLONES static void NAME##_sum_of_products(                                            \
        T *restrict out, const T *const *m, const T *const *u, ptrdiff_t R, ptrdiff_t J,           \
        ptrdiff_t stride, ptrdiff_t n)                                                             \
    {                                                                                              \
        const ptrdiff_t lanes = sizeof(NAME##_vector) / sizeof(T);                                 \
        for (ptrdiff_t j = 0; j < J; j++) {                                                        \
            T *restrict row = out + j * stride;                                                    \
            ptrdiff_t b = 0;                                                                       \
            for (; b + 4 * lanes <= n; b += 4 * lanes) {                                           \
                NAME##_vector *to = (NAME##_vector *)(row + b);                                    \
                NAME##_vector s0 = to[0], s1 = to[1], s2 = to[2], s3 = to[3];                      \
                for (ptrdiff_t r = 0; r < R; r++) {                                                \
                    const NAME##_vector *x = (const NAME##_vector *)(m[r] + b);                    \
                    const NAME##_vector *y = (const NAME##_vector *)(u[r] + j * stride + b);       \
                    s0 += x[0] * y[0];                                                             \
                    s1 += x[1] * y[1];                                                             \
                    s2 += x[2] * y[2];                                                             \
                    s3 += x[3] * y[3];                                                             \
                }                                                                                  \
                to[0] = s0, to[1] = s1, to[2] = s2, to[3] = s3;                                    \
            }                                                                                      \
            for (; b < n; b++)                                                                     \
                for (ptrdiff_t r = 0; r < R; r++)                                                  \
                    row[b] += m[r][b] * u[r][j * stride + b];                                      \
        }                                                                                          \
    }                                                                                              \
    /* out[:] += Σ_j u[j, :] v[j, :] */                                                            \
    FASTEMLP_CLONES static void NAME##_inner_product(                                              \
        T *restrict out, const T *restrict u, const T *restrict v, ptrdiff_t J, ptrdiff_t stride,  \
        ptrdiff_t n)                                                                               \
    {                                                                                              \
        const ptrdiff_t lanes = sizeof(NAME##_vector) / sizeof(T);                                 \
        ptrdiff_t b = 0;                                                                           \
        for (; b + 4 * lanes <= n; b += 4 * lanes) {                                               \
            NAME##_vector *to = (NAME##_vector *)(out + b);                                        \
            NAME##_vector s0 = to[0], s1 = to[1], s2 = to[2], s3 = to[3];                          \
            for (ptrdiff_t j = 0; j < J; j++) {                                                    \
                const NAME##_vector *x = (const NAME##_vector *)(u + j * stride + b);              \
                const NAME##_vector *y = (const NAME##_vector *)(v + j * stride + b);              \
                s0 += x[0] * y[0];                                                                 \
                s1 += x[1] * y[1];                                                                 \
                s2 += x[2] * y[2];                                                                 \
                s3 += x[3] * y[3];                                                                 \
            }                                                                                      \
            to[0] = s0, to[1] = s1, to[2] = s2, to[3] = s3;                                        \
        }                                                                                          \
        for (; b < n; b++)                                                                         \
            for (ptrdiff_t j = 0; j < J; j++)                                                      \
                out[b] += u[j * stride + b] * v[j * stride + b];                                   \
    }

FASTEMLP_DEFINE(float, fastemlp_float)
FASTEMLP_DEFINE(double, fastemlp_double)

#endif
