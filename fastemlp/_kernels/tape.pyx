# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Runs a program on a tile of samples, without the GIL: a network forward, backward, or the derivative of either.

``fastemlp.nn.tape.operations`` says what each operation means. Every intermediate is a run of rows of one array, of
shape (rows, batch).
"""

import numpy as np

from cython cimport floating
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from scipy.linalg.cython_blas cimport dgemm, sgemm


cdef extern from "rows.h":
    void fastemlp_float_products(
        float **out, const float **f, const float **u,
        Py_ssize_t stride, Py_ssize_t X, Py_ssize_t R, Py_ssize_t n, bint add,
    ) nogil
    void fastemlp_double_products(
        double **out, const double **f, const double **u,
        Py_ssize_t stride, Py_ssize_t X, Py_ssize_t R, Py_ssize_t n, bint add,
    ) nogil
    float fastemlp_float_dot(const float *u, const float *v, Py_ssize_t n) nogil
    double fastemlp_double_dot(const double *u, const double *v, Py_ssize_t n) nogil
    void fastemlp_float_sigmoid(float *out, const float *x, Py_ssize_t n) nogil
    void fastemlp_double_sigmoid(double *out, const double *x, Py_ssize_t n) nogil
    int fastemlp_use(int target)


INSTRUCTIONS = ("any", "avx2", "avx512")


def use_instructions(name):
    """Run with an instruction set from now on, all over this process; False, and no change, if there is none such."""
    return bool(fastemlp_use(INSTRUCTIONS.index(name)))


# the best there is
next(filter(use_instructions, reversed(INSTRUCTIONS)))


cpdef enum Kind:
    ZERO
    ONES
    COPY
    CHANGE
    SPARSE
    MIX
    BIAS
    CONTRACT
    MAPS
    SIGMOID
    SLOPE
    BEND
    MIX_WEIGHTS
    BIAS_WEIGHTS


# fastemlp.nn.tape.operations.Operation, field by field
cdef packed struct Operation:
    Py_ssize_t kind
    Py_ssize_t out, a, b, c
    Py_ssize_t weights, constants, table
    Py_ssize_t m, k, d, p, q
    Py_ssize_t apart, own, transposed, add
    double alpha


def load(
    const floating[:, ::1] x,
    const Py_ssize_t[::1] rows,
    const Py_ssize_t[::1] columns,
    floating[:, ::1] values,
):
    """values[rows[i], b] = x[b, columns[i]], and 0 for every b that x has not."""
    cdef Py_ssize_t i, b, n = x.shape[0]
    with nogil:
        for i in range(rows.shape[0]):
            for b in range(n):
                values[rows[i], b] = x[b, columns[i]]
            for b in range(n, values.shape[1]):
                values[rows[i], b] = 0


def store(
    const floating[:, ::1] values,
    const Py_ssize_t[::1] rows,
    const Py_ssize_t[::1] columns,
    floating[:, ::1] x,
):
    """x[b, columns[i]] = values[rows[i], b]"""
    cdef Py_ssize_t i, b
    with nogil:
        for i in range(rows.shape[0]):
            for b in range(x.shape[0]):
                x[b, columns[i]] = values[rows[i], b]


def run(
    const Operation[::1] operations,
    const floating[::1] weights,
    const floating[::1] constants,
    const Py_ssize_t[::1] table,
    floating[:, ::1] rows,
    floating[::1] gradient,
    bint add,
):
    """Do what the operations say; gradients of weights go, or are added, to ``gradient``, if it is not None."""
    cdef Py_ssize_t i, j, n = rows.shape[1]
    cdef const Operation *op
    cdef const floating *w = start(weights)
    cdef const floating *C = start(constants)
    cdef floating *x = &rows[0, 0]
    cdef floating *dw = NULL if gradient is None or gradient.shape[0] == 0 else &gradient[0]
    cdef floating *out
    cdef const floating *a
    cdef const floating *b
    cdef bint more
    cdef floating **pointers = <floating **> allocate(operations)
    with nogil:
        for i in range(operations.shape[0]):
            op = &operations[i]
            out = x + op.out * n
            a = x + op.a * n
            b = x + op.b * n
            if op.kind == ZERO:
                memset(out, 0, op.m * n * sizeof(floating))
            elif op.kind == ONES:
                for j in range(op.m * n):
                    out[j] = 1
            elif op.kind == COPY:
                copy(a, out, op.m * n, op.add)
            elif op.kind == CHANGE:
                change(op, C + op.constants, a, out, n)
            elif op.kind == SPARSE:
                sparse_change(op, start(table), C + op.constants, a, out, n)
            elif op.kind == MIX:
                mix(op, w + op.weights, a, out, n)
            elif op.kind == BIAS:
                add_bias(op, w + op.weights, C + op.constants, out, n)
            elif op.kind == CONTRACT:
                contract(op, start(table), b, a, out, n, pointers)
            elif op.kind == MAPS:
                contract_to_maps(op, start(table), b, a, out, n, pointers)
            elif op.kind == SIGMOID:
                sigmoid(out, a, op.m * n)
            elif op.kind == SLOPE:
                slope(a, b, out, op.m * n, op.add)
            elif op.kind == BEND:
                bend(a, b, x + op.c * n, out, op.m * n, op.add)
            elif dw == NULL:
                continue
            elif op.kind == MIX_WEIGHTS:
                # dW[j, c] (+)= alpha Σ_i a[j, i] b[c, i]
                more = add or op.add != 0
                gemm(False, True, op.m, op.k, op.d * n, <floating> op.alpha, a, b, more, dw + op.weights)
            elif op.kind == BIAS_WEIGHTS:
                more = add or op.add != 0
                bias_gradient(op, C + op.constants, a, dw + op.weights, n, more)
    free(<void *> pointers)


cdef packed struct Collapse:
    # the first of the parameters w[j, t, c] and of the results v[(j, q), (c, p)], rows `next_v` apart
    Py_ssize_t w, v, next_v
    # where the constants J[t, q, p] begin; or, of maps that are orbits, the coefficients C[q, p] and in the table the
    # labels [q, p], −1 for none. Otherwise `table` is −1.
    Py_ssize_t constants, table
    # sizes of j and c, and of t, q and p
    Py_ssize_t m, k, t, q, p


COLLAPSE = np.dtype(
    [(name, np.intp) for name in ("w", "v", "next_v", "constants", "table", "m", "k", "t", "q", "p")]
)


def collapse(
    const Collapse[::1] collapses, const Py_ssize_t[::1] table, const floating[::1] constants, floating[::1] weights
):
    """v[(j, q), (c, p)] = Σ_t w[j, t, c] J[t, q, p]; of orbits, C[q, p] w[j, label[q, p], c], 0 where is no label"""
    cdef Py_ssize_t s, j, q, c, p
    cdef const Collapse *op
    cdef const Py_ssize_t *labels
    cdef const floating *C
    cdef floating *w
    cdef floating *v
    with nogil:
        for s in range(collapses.shape[0]):
            op = &collapses[s]
            for j in range(op.m):
                w = &weights[op.w + j * op.t * op.k]
                for q in range(op.q):
                    v = &weights[op.v + (j * op.q + q) * op.next_v]
                    C = start(constants) + op.constants + q * op.p
                    if op.table < 0:
                        matrix_product(
                            True, False, op.k, op.p, op.t, <floating> 1, w, op.k, C, op.q * op.p, False, v, op.p
                        )
                        continue
                    labels = start(table) + op.table + q * op.p
                    for c in range(op.k):
                        for p in range(op.p):
                            v[c * op.p + p] = 0 if labels[p] < 0 else C[p] * w[labels[p] * op.k + c]


def collapse_backward(
    const Collapse[::1] collapses, const Py_ssize_t[::1] table, const floating[::1] constants, floating[::1] dweights
):
    """Add to the gradients of the parameters what comes through the collapsed weights."""
    cdef Py_ssize_t s, j, q, c, p
    cdef const Collapse *op
    cdef const Py_ssize_t *labels
    cdef const floating *C
    cdef floating *dw
    cdef floating *dv
    with nogil:
        for s in range(collapses.shape[0]):
            op = &collapses[s]
            for j in range(op.m):
                dw = &dweights[op.w + j * op.t * op.k]
                for q in range(op.q):
                    dv = &dweights[op.v + (j * op.q + q) * op.next_v]
                    C = start(constants) + op.constants + q * op.p
                    if op.table < 0:
                        # dw[j, t, c] += Σ_p J[t, q, p] dv[(j, q), (c, p)]
                        matrix_product(
                            False, True, op.t, op.k, op.p, <floating> 1, C, op.q * op.p, dv, op.p, True, dw, op.k
                        )
                        continue
                    labels = start(table) + op.table + q * op.p
                    for c in range(op.k):
                        for p in range(op.p):
                            if labels[p] >= 0:
                                dw[labels[p] * op.k + c] += C[p] * dv[c * op.p + p]


ctypedef fused number:
    float
    double
    Py_ssize_t


cdef inline const number *start(const number[::1] x) noexcept nogil:
    return NULL if x.shape[0] == 0 else &x[0]


cdef void *allocate(const Operation[::1] operations) except NULL:
    """Room for the pointers of the largest contraction."""
    cdef Py_ssize_t i, most = 1
    cdef const Operation *op
    for i in range(operations.shape[0]):
        op = &operations[i]
        if op.kind == CONTRACT or op.kind == MAPS:
            most = max(most, max(op.m, 1) * max(op.p, op.q) + op.k + op.q)
    cdef void *found = malloc(3 * most * sizeof(void *))
    if found == NULL:
        raise MemoryError()
    return found


# ---- linear operations -----------------------------------------------------------------------------------------------


cdef inline void copy(const floating *x, floating *out, Py_ssize_t n, bint add) noexcept nogil:
    cdef Py_ssize_t i
    if add:
        for i in range(n):
            out[i] += x[i]
    else:
        memcpy(out, x, n * sizeof(floating))


cdef inline void mix(
    const Operation *op, const floating *W, const floating *x, floating *out, Py_ssize_t n
) noexcept nogil:
    """out[j, i] (+)= alpha Σ_c W[j, c] x[c, i]"""
    if op.d * n == 1 and not op.transposed:
        mix_vector(op, W, x, out)
    else:
        gemm(op.transposed, False, op.m, op.d * n, op.k, <floating> op.alpha, W, x, op.add, out)


cdef inline void change(
    const Operation *op, const floating *C, const floating *x, floating *out, Py_ssize_t n
) noexcept nogil:
    """out[j] (+)= C x[j]"""
    cdef Py_ssize_t j
    if n == 1:
        gemm(False, not op.transposed, op.m, op.d, op.k, <floating> 1, x, C, op.add, out)
        return
    for j in range(op.m):
        gemm(op.transposed, False, op.d, n, op.k, <floating> 1, C, x + j * op.k * n, op.add, out + j * op.d * n)


cdef void sparse_change(
    const Operation *op, const Py_ssize_t *table, const floating *C, const floating *x, floating *out, Py_ssize_t n
) noexcept nogil:
    """out[j] (+)= C x[j], row i of C its entries first[i] to first[i + 1]; transposed, row i is column i instead"""
    cdef Py_ssize_t n_lines = op.k if op.transposed else op.d
    cdef const Py_ssize_t *first = table + op.table
    cdef const Py_ssize_t *other = first + n_lines + 1
    cdef Py_ssize_t j, i, e
    cdef bint add
    if op.transposed and not op.add:
        memset(out, 0, op.m * op.d * n * sizeof(floating))
    for j in range(op.m):
        for i in range(n_lines):
            if op.transposed:
                for e in range(first[i], first[i + 1]):
                    add_multiple(C[e], x + (j * op.k + i) * n, out + (j * op.d + other[e]) * n, n, True)
                continue
            add = op.add
            for e in range(first[i], first[i + 1]):
                add_multiple(C[e], x + (j * op.k + other[e]) * n, out + (j * op.d + i) * n, n, add)
                add = True
            if not add:
                memset(out + (j * op.d + i) * n, 0, n * sizeof(floating))


cdef inline void add_multiple(
    floating factor, const floating *x, floating *out, Py_ssize_t n, bint add
) noexcept nogil:
    cdef Py_ssize_t b
    if add:
        for b in range(n):
            out[b] += factor * x[b]
    else:
        for b in range(n):
            out[b] = factor * x[b]


cdef inline void mix_vector(
    const Operation *op, const floating *W, const floating *x, floating *out
) noexcept nogil:
    """One sample, one component. BLAS would do it on several threads, which takes longer and may change the bits."""
    cdef Py_ssize_t j
    cdef floating value
    for j in range(op.m):
        if floating is float:
            value = fastemlp_float_dot(W + j * op.k, x, op.k)
        else:
            value = fastemlp_double_dot(W + j * op.k, x, op.k)
        value *= <floating> op.alpha
        out[j] = out[j] + value if op.add else value


cdef enum:
    # with AVX-512, OpenBLAS makes products of so many multiply-adds at most from their factors where they lie; those of
    # larger ones it copies first, which takes as long again where the columns are a tile of samples
    NOT_COPIED = 1000000
    # of fewer rows at a time the product takes longer than of all from a copy
    FEWEST_ROWS = 16


cdef inline void gemm(
    bint transposed_A, bint transposed_B, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K,
    floating alpha, const floating *A, const floating *B, bint add, floating *C,
) noexcept nogil:
    """C (M, N) (+)= alpha A B, all contiguous and row-major; some rows at a time where BLAS is faster then."""
    cdef Py_ssize_t next_A = M if transposed_A else K, next_B = K if transposed_B else N
    cdef Py_ssize_t most = NOT_COPIED // max(N * K, 1), parts = 1, part, i
    if most >= FEWEST_ROWS and not transposed_B:
        parts = M // most + 1
    for part in range(parts):
        i = part * M // parts
        matrix_product(
            transposed_A, transposed_B, (part + 1) * M // parts - i, N, K, alpha,
            A + i * (1 if transposed_A else K), next_A, B, next_B, add, C + i * N, N,
        )


cdef void matrix_product(
    bint transposed_A, bint transposed_B, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha,
    const floating *A, Py_ssize_t next_A, const floating *B, Py_ssize_t next_B, bint add,
    floating *C, Py_ssize_t next_C,
) noexcept nogil:
    """The same with rows next_A, next_B and next_C apart; BLAS counts columns first, so it is given the transposes."""
    cdef int m = <int> M, n = <int> N, k = <int> K
    cdef int lda = <int> max(next_A, 1), ldb = <int> max(next_B, 1), ldc = <int> max(next_C, 1)
    cdef char *a = b"T" if transposed_A else b"N"
    cdef char *b = b"T" if transposed_B else b"N"
    cdef floating beta = add
    if floating is float:
        sgemm(b, a, &n, &m, &k, &alpha, <float *> B, &ldb, <float *> A, &lda, &beta, C, &ldc)
    else:
        dgemm(b, a, &n, &m, &k, &alpha, <double *> B, &ldb, <double *> A, &lda, &beta, C, &ldc)


cdef void add_bias(
    const Operation *op, const floating *bias, const floating *E, floating *out, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t j, i, r, b
    cdef floating value
    for j in range(op.m):
        for i in range(op.d):
            value = 0
            for r in range(op.k):
                value += E[i * op.k + r] * bias[r * op.m + j]
            for b in range(n):
                out[b] += value
            out += n


cdef void bias_gradient(
    const Operation *op, const floating *E, const floating *dout, floating *dbias, Py_ssize_t n, bint add
) noexcept nogil:
    cdef Py_ssize_t j, i, r, b
    cdef floating total
    if not add:
        memset(dbias, 0, op.k * op.m * sizeof(floating))
    for j in range(op.m):
        for i in range(op.d):
            total = 0
            for b in range(n):
                total += dout[b]
            for r in range(op.k):
                dbias[r * op.m + j] += E[i * op.k + r] * total
            dout += n


# ---- the sigmoid -----------------------------------------------------------------------------------------------------


cdef inline void sigmoid(floating *out, const floating *x, Py_ssize_t n) noexcept nogil:
    if floating is float:
        fastemlp_float_sigmoid(out, x, n)
    else:
        fastemlp_double_sigmoid(out, x, n)


cdef void slope(
    const floating *a, const floating *s, floating *out, Py_ssize_t n, bint add
) noexcept nogil:
    cdef Py_ssize_t i
    if add:
        for i in range(n):
            out[i] += s[i] * (1 - s[i]) * a[i]
    else:
        for i in range(n):
            out[i] = s[i] * (1 - s[i]) * a[i]


cdef void bend(
    const floating *a, const floating *s, const floating *c, floating *out, Py_ssize_t n, bint add
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (out[i] if add else 0) + a[i] * (1 - 2 * s[i]) * c[i]


# ---- contractions: rows of maps M[a, entry], of vectors v[a or 0, j, p] and of results out[a or 0, j, q] -------------


cdef void contract(
    const Operation *op, const Py_ssize_t *table, const floating *maps, const floating *v, floating *out,
    Py_ssize_t n, floating **pointers,
) noexcept nogil:
    """out[a or 0, j, q] (+)= Σ_p M[a, (q, p)] v[a or 0, j, p]"""
    cdef const Py_ssize_t *copies = table + op.table
    cdef const Py_ssize_t *entry = copies + op.m
    cdef Py_ssize_t A = op.m, J = op.k, P = op.p, Q = op.q, a, q, j, p, r, first, last
    cdef Py_ssize_t step_q = 1 if op.transposed else P, step_p = Q if op.transposed else 1
    cdef floating **o = pointers
    cdef const floating **f = <const floating **> (o + J)
    cdef const floating **u = f + A * P
    if n == 1:
        contract_vectors(op, copies, entry, step_q, step_p, maps, v, out)
        return
    # every map by itself, or all into one sum
    for first in range(A if op.apart else 1):
        last = first + 1 if op.apart else A
        for q in range(Q):
            r = 0
            for a in range(first, last):
                for p in range(P):
                    f[r] = maps + (copies[a] * P * Q + entry[q * step_q + p * step_p]) * n
                    u[r] = v + ((a * J if op.own else 0) * P + p) * n
                    r += 1
            for j in range(J):
                o[j] = out + ((first * J + j) * Q + q) * n
            products(o, f, u, P * n, J, r, n, op.add)


cdef inline void contract_vectors(
    const Operation *op, const Py_ssize_t *copies, const Py_ssize_t *entry, Py_ssize_t step_q, Py_ssize_t step_p,
    const floating *maps, const floating *v, floating *out,
) noexcept nogil:
    """The same for one sample, for which pointers to all rows would take longer than the arithmetic."""
    cdef Py_ssize_t J = op.k, P = op.p, Q = op.q, a, q, p, _
    cdef const floating *M
    cdef const floating *x
    cdef floating *y
    cdef floating value
    for a in range(op.m):
        M = maps + copies[a] * P * Q
        x = v + (a * J * P if op.own else 0)
        y = out + (a * J * Q if op.apart else 0)
        for _ in range(J):
            for q in range(Q):
                value = y[q] if op.add or a and not op.apart else 0
                for p in range(P):
                    value += M[entry[q * step_q + p * step_p]] * x[p]
                y[q] = value
            x += P
            y += Q


cdef void contract_to_maps(
    const Operation *op, const Py_ssize_t *table, const floating *v, const floating *dout, floating *dmaps,
    Py_ssize_t n, floating **pointers,
) noexcept nogil:
    """dM[a, (q, p)] (+)= Σ_j dout[a or 0, j, q] v[a or 0, j, p]"""
    cdef const Py_ssize_t *copies = table + op.table
    cdef const Py_ssize_t *entry = copies + op.m
    cdef Py_ssize_t J = op.k, P = op.p, Q = op.q, a, q, j, p
    cdef floating **o = pointers
    cdef const floating **f = <const floating **> (o + Q)
    cdef const floating **u = f + J
    for a in range(op.m):
        for p in range(P):
            for j in range(J):
                f[j] = v + (((a * J if op.own else 0) + j) * P + p) * n
                u[j] = dout + ((a * J if op.apart else 0) + j) * Q * n
            for q in range(Q):
                o[q] = dmaps + (copies[a] * P * Q + entry[q * P + p]) * n
            products(o, f, u, n, Q, J, n, op.add)


cdef inline void products(
    floating **out, const floating **f, const floating **u,
    Py_ssize_t stride, Py_ssize_t X, Py_ssize_t R, Py_ssize_t n, bint add,
) noexcept nogil:
    if floating is float:
        fastemlp_float_products(out, f, u, stride, X, R, n, add)
    else:
        fastemlp_double_products(out, f, u, stride, X, R, n, add)
