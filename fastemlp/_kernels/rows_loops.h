/* Arithmetic on rows of samples for one type and one instruction set; rows.h includes this once for each.

   Expects the instruction set TARGET, the bytes WIDTH of its registers and the TILE_ROWS of a matrix product that they
   hold; T and NAME(x); and for the sigmoid the integers (U)BITS of T's size, MAGIC, SHIFT, LIMIT, LN2_HIGH, LN2_LOW and
   TAYLOR(r). What belongs to T is undefined at the end. */

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

/* ---- matrix products ---- */

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline)) TARGET
/* a register that straddles two lines of the cache takes twice as long to read */
#define ALIGNED __attribute__((aligned(64)))
#else
#define INLINE static inline
#define ALIGNED
#endif
#define PANEL (2 * LANES)
#define DEPTH (8192 / WIDTH) /* rows of a panel: 16 KiB of it, which have to stay in the nearest cache */

/* C (rows, columns · LANES) (+)= alpha A B, B in a panel of its own; `rows` and `columns` are known where this is
   compiled. */
INLINE void NAME(tile)(
    const int rows, const int columns, ptrdiff_t K, T alpha, const T *A, ptrdiff_t next_i, ptrdiff_t next_k,
    const T *panel, int add, T *C, ptrdiff_t next_C)
{
    V sums[TILE_ROWS][2];
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            sums[i][j] = (V){0};
    for (ptrdiff_t k = 0; k < K; k++, panel += columns * LANES, A += next_k) {
        V b[2];
        for (int j = 0; j < columns; j++)
            b[j] = *(const V *)(panel + j * LANES);
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++)
                sums[i][j] += A[i * next_i] * b[j];
    }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            V *c = (V *)(C + i * next_C + j * LANES);
            *c = add ? *c + alpha * sums[i][j] : alpha * sums[i][j];
        }
}

/* All M rows of a panel, in tiles. */
INLINE void NAME(tiles)(
    const int columns, ptrdiff_t M, ptrdiff_t K, T alpha, const T *A, ptrdiff_t next_i, ptrdiff_t next_k,
    const T *panel, int add, T *C, ptrdiff_t next_C)
{
    ptrdiff_t i = 0;
#define TILES(rows)                                                                                                    \
    for (; i + rows <= M; i += rows)                                                                                   \
        NAME(tile)(rows, columns, K, alpha, A + i * next_i, next_i, next_k, panel, add, C + i * next_C, next_C);
    TILES(TILE_ROWS)
    TILES(4)
    TILES(2)
    TILES(1)
#undef TILES
}

TARGET static void NAME(tiles_1)(
    ptrdiff_t M, ptrdiff_t K, T alpha, const T *A, ptrdiff_t next_i, ptrdiff_t next_k, const T *panel, int add,
    T *C, ptrdiff_t next_C)
{
    NAME(tiles)(1, M, K, alpha, A, next_i, next_k, panel, add, C, next_C);
}

TARGET static void NAME(tiles_2)(
    ptrdiff_t M, ptrdiff_t K, T alpha, const T *A, ptrdiff_t next_i, ptrdiff_t next_k, const T *panel, int add,
    T *C, ptrdiff_t next_C)
{
    NAME(tiles)(2, M, K, alpha, A, next_i, next_k, panel, add, C, next_C);
}

/* C (M, N) (+)= alpha A B; entry (i, k) of A is A[i·next_i + k·next_k]. B is (K, N), or (N, K) if transposed. Rows of B
   and C are contiguous, next_B and next_C apart. A panel of a few columns of B at a time goes to one place in memory. */
TARGET static void NAME(matrix_product)(
    ptrdiff_t M, ptrdiff_t N, ptrdiff_t K, T alpha, const T *A, ptrdiff_t next_i, ptrdiff_t next_k, const T *B,
    ptrdiff_t next_B, int transposed, int add, T *C, ptrdiff_t next_C)
{
    ALIGNED T panel[DEPTH * 2 * WIDTH / sizeof(T)];
    for (ptrdiff_t j = 0; j < N; j += PANEL) {
        const ptrdiff_t width = N - j < PANEL ? N - j : PANEL;
        const ptrdiff_t padded = width <= LANES ? LANES : PANEL;
        for (ptrdiff_t k0 = 0; k0 == 0 || k0 < K; k0 += DEPTH) {
            const ptrdiff_t depth = K - k0 < DEPTH ? K - k0 : DEPTH;
            const T *from = A + k0 * next_k;
            const int more = add || k0;
            if (transposed) {
                for (ptrdiff_t k = 0; k < depth; k++)
                    for (ptrdiff_t x = 0; x < width; x++)
                        panel[k * padded + x] = B[(j + x) * next_B + k0 + k];
            } else if (width == PANEL) {
                for (ptrdiff_t k = 0; k < depth; k++) {
                    const V *row = (const V *)(B + (k0 + k) * next_B + j);
                    V *packed = (V *)(panel + k * PANEL);
                    packed[0] = row[0], packed[1] = row[1];
                }
            } else {
                for (ptrdiff_t k = 0; k < depth; k++)
                    memcpy(panel + k * padded, B + (k0 + k) * next_B + j, width * sizeof(T));
            }
            if (width == PANEL)
                NAME(tiles_2)(M, depth, alpha, from, next_i, next_k, panel, more, C + j, next_C);
            else if (width == LANES)
                NAME(tiles_1)(M, depth, alpha, from, next_i, next_k, panel, more, C + j, next_C);
            else {
                /* the last columns by way of rows that are wide enough */
                T rows[TILE_ROWS * 2 * WIDTH / sizeof(T)];
                for (ptrdiff_t k = 0; k < depth; k++)
                    memset(panel + k * padded + width, 0, (padded - width) * sizeof(T));
                for (ptrdiff_t i = 0; i < M; i += TILE_ROWS) {
                    const ptrdiff_t m = M - i < TILE_ROWS ? M - i : TILE_ROWS;
                    const T *a = from + i * next_i;
                    if (padded == PANEL)
                        NAME(tiles_2)(m, depth, alpha, a, next_i, next_k, panel, 0, rows, padded);
                    else
                        NAME(tiles_1)(m, depth, alpha, a, next_i, next_k, panel, 0, rows, padded);
                    for (ptrdiff_t y = 0; y < m; y++) {
                        T *c = C + (i + y) * next_C + j;
                        const T *found = rows + y * padded;
                        for (ptrdiff_t x = 0; x < width; x++)
                            c[x] = more ? c[x] + found[x] : found[x];
                    }
                }
            }
        }
    }
}

#undef V
#undef LANES
#undef INLINE
#undef ALIGNED
#undef PANEL
#undef DEPTH
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
