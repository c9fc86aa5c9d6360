/* Arithmetic on rows of samples for one type and one instruction set; rows.h includes this once for each.

   Expects the instruction set TARGET and the bytes WIDTH of its registers; T and NAME(x); and for the sigmoid the
   integers (U)BITS of T's size, MAGIC, SHIFT, LIMIT, LN2_HIGH, LN2_LOW and TAYLOR(r). What belongs to T is undefined at
   the end. */

/* A register of samples, read from anywhere; plain numbers do where a compiler knows no such type. */
#if defined(__GNUC__)
typedef T NAME(vector) __attribute__((vector_size(WIDTH), aligned(sizeof(T)), may_alias));
#else
typedef T NAME(vector);
#endif
#define V NAME(vector)
#define LANES ((ptrdiff_t)(sizeof(V) / sizeof(T)))

/* out[x][b] (+)= Σ_r f_r[b] · u_r[x, b], rows of u `stride` numbers apart. Four x at once share what is read of f. */
TARGET static void NAME(products)(
    T *const *out, const T *const *f, const T *const *u, ptrdiff_t stride, ptrdiff_t X, ptrdiff_t R, ptrdiff_t n,
    int add)
{
    const V zero = {0};
    ptrdiff_t x = 0;
    for (; x + 4 <= X; x += 4) {
        T *o0 = out[x], *o1 = out[x + 1], *o2 = out[x + 2], *o3 = out[x + 3];
        const ptrdiff_t x0 = x * stride;
        ptrdiff_t b = 0;
        for (; b + 2 * LANES <= n; b += 2 * LANES) {
            V s00 = zero, s01 = zero, s10 = zero, s11 = zero;
            V s20 = zero, s21 = zero, s30 = zero, s31 = zero;
            for (ptrdiff_t r = 0; r < R; r++) {
                const V *y = (const V *)(f[r] + b);
                const T *at = u[r] + x0 + b;
                const V y0 = y[0], y1 = y[1];
                const V *z = (const V *)at;
                s00 += y0 * z[0], s01 += y1 * z[1];
                z = (const V *)(at + stride);
                s10 += y0 * z[0], s11 += y1 * z[1];
                z = (const V *)(at + 2 * stride);
                s20 += y0 * z[0], s21 += y1 * z[1];
                z = (const V *)(at + 3 * stride);
                s30 += y0 * z[0], s31 += y1 * z[1];
            }
            V *t0 = (V *)(o0 + b), *t1 = (V *)(o1 + b), *t2 = (V *)(o2 + b), *t3 = (V *)(o3 + b);
            if (add) {
                s00 += t0[0], s01 += t0[1], s10 += t1[0], s11 += t1[1];
                s20 += t2[0], s21 += t2[1], s30 += t3[0], s31 += t3[1];
            }
            t0[0] = s00, t0[1] = s01, t1[0] = s10, t1[1] = s11;
            t2[0] = s20, t2[1] = s21, t3[0] = s30, t3[1] = s31;
        }
        for (; b + LANES <= n; b += LANES) {
            V s0 = zero, s1 = zero, s2 = zero, s3 = zero;
            for (ptrdiff_t r = 0; r < R; r++) {
                const V y = *(const V *)(f[r] + b);
                const T *at = u[r] + x0 + b;
                s0 += y * *(const V *)at;
                s1 += y * *(const V *)(at + stride);
                s2 += y * *(const V *)(at + 2 * stride);
                s3 += y * *(const V *)(at + 3 * stride);
            }
            V *t0 = (V *)(o0 + b), *t1 = (V *)(o1 + b), *t2 = (V *)(o2 + b), *t3 = (V *)(o3 + b);
            if (add)
                s0 += *t0, s1 += *t1, s2 += *t2, s3 += *t3;
            *t0 = s0, *t1 = s1, *t2 = s2, *t3 = s3;
        }
        for (; b < n; b++) {
            T s0 = 0, s1 = 0, s2 = 0, s3 = 0;
            for (ptrdiff_t r = 0; r < R; r++) {
                const T y = f[r][b], *at = u[r] + x0 + b;
                s0 += y * at[0], s1 += y * at[stride];
                s2 += y * at[2 * stride], s3 += y * at[3 * stride];
            }
            if (add)
                s0 += o0[b], s1 += o1[b], s2 += o2[b], s3 += o3[b];
            o0[b] = s0, o1[b] = s1, o2[b] = s2, o3[b] = s3;
        }
    }
    for (; x < X; x++) {
        T *o0 = out[x];
        const ptrdiff_t x0 = x * stride;
        ptrdiff_t b = 0;
        for (; b + 2 * LANES <= n; b += 2 * LANES) {
            V s00 = zero, s01 = zero, *t0 = (V *)(o0 + b);
            for (ptrdiff_t r = 0; r < R; r++) {
                const V *y = (const V *)(f[r] + b), *z = (const V *)(u[r] + x0 + b);
                s00 += y[0] * z[0], s01 += y[1] * z[1];
            }
            if (add)
                s00 += t0[0], s01 += t0[1];
            t0[0] = s00, t0[1] = s01;
        }
        for (; b + LANES <= n; b += LANES) {
            V s0 = zero, *t0 = (V *)(o0 + b);
            for (ptrdiff_t r = 0; r < R; r++)
                s0 += *(const V *)(f[r] + b) * *(const V *)(u[r] + x0 + b);
            if (add)
                s0 += *t0;
            *t0 = s0;
        }
        for (; b < n; b++) {
            T s0 = add ? o0[b] : 0;
            for (ptrdiff_t r = 0; r < R; r++)
                s0 += f[r][b] * u[r][x0 + b];
            o0[b] = s0;
        }
    }
}

/* Σ_i u[i] v[i] */
TARGET static T NAME(dot)(const T *u, const T *v, ptrdiff_t n)
{
    V s0 = {0}, s1 = {0};
    ptrdiff_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        const V *x = (const V *)(u + i), *y = (const V *)(v + i);
        s0 += x[0] * y[0], s1 += x[1] * y[1];
    }
    s0 += s1;
    T total = 0, parts[sizeof(V) / sizeof(T)];
    memcpy(parts, &s0, sizeof(V));
    for (ptrdiff_t k = 0; k < LANES; k++)
        total += parts[k];
    for (; i < n; i++)
        total += u[i] * v[i];
    return total;
}

/* out = 1 / (1 + exp(-x)): exp(-x) = 2^k e^r with |r| ≤ log(2)/2, e^r by its Taylor series to the last bit.
   Adding 1.5·2^(mantissa bits) rounds to a whole number k and leaves k in the lowest bits. Saturates without
   overflow; NaN stays NaN. */
TARGET static void NAME(sigmoid)(T *out, const T *x, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        T y = x[i] < -(LIMIT) ? (LIMIT) : -x[i];
        y = y < -(LIMIT) ? -(LIMIT) : y;
        union { T value; BITS bits; } k, power;
        k.value = y * (T)1.44269504088896340736 + (MAGIC);
        const T whole = k.value - (MAGIC);
        const T r = (y - whole * (LN2_HIGH)) - whole * (LN2_LOW);
        power.value = TAYLOR(r);
        power.bits += (BITS)((UBITS)k.bits << (SHIFT));
        out[i] = x[i] != x[i] ? x[i] : 1 / (1 + power.value);
    }
}

#undef V
#undef LANES
#undef T
#undef BITS
#undef UBITS
#undef MAGIC
#undef SHIFT
#undef LIMIT
#undef LN2_HIGH
#undef LN2_LOW
#undef TAYLOR
#undef NAME
