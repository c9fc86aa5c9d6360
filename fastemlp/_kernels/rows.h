/* Arithmetic on rows of samples that BLAS does not have: each loop is compiled for several instruction sets, and the
   best one that the processor knows is called. Products of matrices are BLAS's, see tape.pyx. */
#ifndef FASTEMLP_ROWS_H
#define FASTEMLP_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && defined(__x86_64__)
#define FASTEMLP_X86

#define TARGET __attribute__((target("avx512f")))
#define WIDTH 64
#define FOR_TARGET(x) fastemlp_avx512_##x
#include "rows_types.h"

#define TARGET __attribute__((target("avx2,fma")))
#define WIDTH 32
#define FOR_TARGET(x) fastemlp_avx2_##x
#include "rows_types.h"
#endif

#define TARGET
#define WIDTH 16
#define FOR_TARGET(x) fastemlp_any_##x
#include "rows_types.h"

/* What is called. */
#define FASTEMLP_CALLED(T)                                                                                             \
    static void (*fastemlp_##T##_products)(                                                                            \
        T *const *, const T *const *, const T *const *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, int);              \
    static T (*fastemlp_##T##_dot)(const T *, const T *, ptrdiff_t);                                                   \
    static void (*fastemlp_##T##_sigmoid)(T *, const T *, ptrdiff_t);
FASTEMLP_CALLED(float)
FASTEMLP_CALLED(double)

#define FASTEMLP_USE_FOR(T, TARGET)                                                                                    \
    fastemlp_##T##_products = fastemlp_##TARGET##_##T##_products;                                                      \
    fastemlp_##T##_dot = fastemlp_##TARGET##_##T##_dot;                                                                \
    fastemlp_##T##_sigmoid = fastemlp_##TARGET##_##T##_sigmoid;
#define FASTEMLP_USE(TARGET)                                                                                           \
    {                                                                                                                  \
        FASTEMLP_USE_FOR(float, TARGET)                                                                                \
        FASTEMLP_USE_FOR(double, TARGET)                                                                               \
    }

/* Call the loops of an instruction set from now on, if the processor knows it: 2 AVX-512, 1 AVX2, 0 what any has. */
static int fastemlp_use(int target)
{
#ifdef FASTEMLP_X86
    __builtin_cpu_init();
    if (target == 2 && __builtin_cpu_supports("avx512f")) {
        FASTEMLP_USE(avx512)
        return 1;
    }
    if (target == 1 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        FASTEMLP_USE(avx2)
        return 1;
    }
#endif
    if (target != 0)
        return 0;
    FASTEMLP_USE(any)
    return 1;
}

#endif
