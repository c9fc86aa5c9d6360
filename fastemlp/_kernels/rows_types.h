/* The loops of rows_loops.h in both precisions, for one instruction set. */

#define T float
#define BITS int32_t
#define UBITS uint32_t
#define MAGIC 12582912.0f
#define SHIFT 23
#define LIMIT 87.0f
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f
#define TAYLOR(r)                                                                                                      \
    (1 + r * (1 + r * (0.5f + r * (0x1.555556p-3f + r * (0x1.555556p-5f + r * (0x1.111112p-7f +                        \
     r * 0x1.6c16c2p-10f))))))
#define NAME(x) FOR_TARGET(float_##x)
#include "rows_loops.h"

#define T double
#define BITS int64_t
#define UBITS uint64_t
#define MAGIC 6755399441055744.0
#define SHIFT 52
#define LIMIT 708.0
#define LN2_HIGH 0.693145751953125
#define LN2_LOW 1.42860682030941723212e-6
#define TAYLOR(r)                                                                                                      \
    (1 + r * (1 + r * (1 / 2. + r * (1 / 6. + r * (1 / 24. + r * (1 / 120. + r * (1 / 720. +                           \
     r * (1 / 5040. + r * (1 / 40320. + r * (1 / 362880. + r * (1 / 3628800. +                                         \
     r * (1 / 39916800. + r * (1 / 479001600. + r / 6227020800.)))))))))))))
#define NAME(x) FOR_TARGET(double_##x)
#include "rows_loops.h"

#undef TARGET
#undef WIDTH
#undef FOR_TARGET
