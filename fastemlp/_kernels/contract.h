/* Sums of products of rows of samples; compiled once for each instruction set, the best one chosen when loaded. */
#ifndef FASTEMLP_CONTRACT_H
#define FASTEMLP_CONTRACT_H

#include <stddef.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__)
#define FASTEMLP_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FASTEMLP_CLONES
#endif

/* samples that are summed in registers */
enum { FASTEMLP_LANES = 32 };

#define FASTEMLP_DEFINE(T, NAME)                                                                   \
    /* out[j, :] += Σ_r m_r[:] u_r[j, :] for J rows of n samples, a stride apart */                \
    FASTEMLP_CLONES static void NAME##_sum_of_products(                                            \
        T *restrict out, const T *const *m, const T *const *u, ptrdiff_t R, ptrdiff_t J,           \
        ptrdiff_t stride, ptrdiff_t n)                                                             \
    {                                                                                              \
        for (ptrdiff_t j = 0; j < J; j++) {                                                        \
            T *restrict row = out + j * stride;                                                    \
            ptrdiff_t b = 0;                                                                       \
            for (; b + FASTEMLP_LANES <= n; b += FASTEMLP_LANES) {                                 \
                T sum[FASTEMLP_LANES];                                                             \
                for (int l = 0; l < FASTEMLP_LANES; l++)                                           \
                    sum[l] = row[b + l];                                                           \
                for (ptrdiff_t r = 0; r < R; r++) {                                                \
                    const T *x = m[r] + b, *y = u[r] + j * stride + b;                             \
                    for (int l = 0; l < FASTEMLP_LANES; l++)                                       \
                        sum[l] += x[l] * y[l];                                                     \
                }                                                                                  \
                for (int l = 0; l < FASTEMLP_LANES; l++)                                           \
                    row[b + l] = sum[l];                                                           \
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
        ptrdiff_t b = 0;                                                                           \
        for (; b + FASTEMLP_LANES <= n; b += FASTEMLP_LANES) {                                     \
            T sum[FASTEMLP_LANES];                                                                 \
            for (int l = 0; l < FASTEMLP_LANES; l++)                                               \
                sum[l] = out[b + l];                                                               \
            for (ptrdiff_t j = 0; j < J; j++)                                                      \
                for (int l = 0; l < FASTEMLP_LANES; l++)                                           \
                    sum[l] += u[j * stride + b + l] * v[j * stride + b + l];                       \
            for (int l = 0; l < FASTEMLP_LANES; l++)                                               \
                out[b + l] = sum[l];                                                               \
        }                                                                                          \
        for (; b < n; b++)                                                                         \
            for (ptrdiff_t j = 0; j < J; j++)                                                      \
                out[b] += u[j * stride + b] * v[j * stride + b];                                   \
    }

FASTEMLP_DEFINE(float, fastemlp_float)
FASTEMLP_DEFINE(double, fastemlp_double)

#endif
