# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Runs a recorded network on a tile of samples: forward, backward and the derivative of both, without the GIL.

``fastemlp.nn.tape`` records and says what each operation means. Every intermediate is a run of rows of ``values``,
of shape (rows, batch); ``grads`` has the gradient of each, ``dots`` its derivative along a direction.
"""

import numpy as np

from cython cimport floating
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset


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
    void fastemlp_float_matrix_product(
        Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, float alpha, const float *A, Py_ssize_t next_i, Py_ssize_t next_k,
        const float *B, Py_ssize_t next_B, bint transposed, bint add, float *C, Py_ssize_t next_C,
    ) nogil
    void fastemlp_double_matrix_product(
        Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, double alpha, const double *A, Py_ssize_t next_i, Py_ssize_t next_k,
        const double *B, Py_ssize_t next_B, bint transposed, bint add, double *C, Py_ssize_t next_C,
    ) nogil
    int fastemlp_use(int target)


INSTRUCTIONS = ("any", "avx2", "avx512")


def use_instructions(name):
    """Run with an instruction set from now on, all over this process; False, and no change, if there is none such."""
    return bool(fastemlp_use(INSTRUCTIONS.index(name)))


# the best there is
next(filter(use_instructions, reversed(INSTRUCTIONS)))


cpdef enum Kind:
    ZERO
    COPY
    CHANGE
    MIX
    BIAS
    CONTRACT
    SIGMOID
    ONES


cdef packed struct Operation:
    Py_ssize_t kind
    # first rows of the result and of what is read
    Py_ssize_t out, a, b
    # where parameters, constants and indices begin
    Py_ssize_t parameters, constants, table
    # sizes
    Py_ssize_t m, k, d, p, q
    # CONTRACT: whether each map has a result, and vectors, of its own
    Py_ssize_t apart, own
    # MIX: whether its weights are composed, and counted from behind the parameters until the tape is finished
    Py_ssize_t composed
    # whether to add to what is there: forward, then in the gradients of a and b
    Py_ssize_t add, add_a, add_b
    double alpha


OPERATION = np.dtype(
    [
        (name, np.intp)
        for name in (
            "kind", "out", "a", "b", "parameters", "constants", "table", "m", "k", "d", "p", "q",
            "apart", "own", "composed", "add", "add_a", "add_b",
        )
    ]
    + [("alpha", np.float64)]
)


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


def forward(
    const Operation[::1] operations,
    const floating[::1] theta,
    const floating[::1] constants,
    const Py_ssize_t[::1] table,
    floating[:, ::1] values,
):
    """Fill ``values`` from the rows of the input."""
    cdef Py_ssize_t i, j, n = values.shape[1]
    cdef const Operation *op
    cdef floating *v = &values[0, 0]
    cdef floating **pointers = <floating **> allocate(operations)
    with nogil:
        for i in range(operations.shape[0]):
            op = &operations[i]
            if op.kind == SIGMOID:
                sigmoid(v + op.out * n, v + op.a * n, op.m * n)
            elif op.kind == ONES:
                for j in range(op.m * n):
                    v[op.out * n + j] = 1
            elif op.kind == BIAS:
                add_bias(op, start(theta), start(constants), v, n)
            elif op.kind == CONTRACT:
                contract(op, start(table), v + op.b * n, v + op.a * n, v + op.out * n, n, False, op.add, pointers)
            else:
                apply_linear(op, start(theta), start(constants), v, n)
    free(<void *> pointers)


def backward(
    const Operation[::1] operations,
    const Operation[::1] placed,
    const floating[::1] theta,
    const floating[::1] constants,
    const Py_ssize_t[::1] table,
    const floating[:, ::1] values,
    floating[:, ::1] grads,
    floating[::1] dtheta,
    bint add,
):
    """Fill ``grads`` from the rows of the output; the gradient of the parameters goes, or is added, to ``dtheta``.

    ``operations`` name rows of ``values``; ``placed``, the same otherwise, rows of ``grads``.
    """
    cdef Py_ssize_t i, n = values.shape[1]
    cdef const Operation *op
    cdef const Operation *to
    cdef const floating *v = &values[0, 0]
    cdef floating *g = &grads[0, 0]
    cdef floating *dt = NULL if dtheta.shape[0] == 0 else &dtheta[0]
    cdef floating **pointers = <floating **> allocate(operations)
    with nogil:
        for i in range(operations.shape[0]):
            op = &operations[i]
            to = &placed[i]
            if op.kind == SIGMOID:
                sigmoid_backward(v + op.out * n, g + to.out * n, g + to.a * n, op.m * n, op.add_a)
            elif op.kind == CONTRACT:
                contract(
                    op, start(table), v + op.b * n, g + to.out * n, g + to.a * n, n, True, op.add_a, pointers
                )
                contract_to_maps(
                    op, start(table), v + op.a * n, g + to.out * n, g + to.b * n, n, op.add_b, pointers
                )
            elif op.kind == BIAS:
                bias_gradient(to, start(constants), g, dt, n, add)
            else:
                pull_linear(to, start(theta), start(constants), g, n)
                if op.kind == MIX:
                    mix_gradient(op, g + to.out * n, v + op.a * n, dt + op.parameters, n, add)
    free(<void *> pointers)


def tangent(
    const Operation[::1] operations,
    const floating[::1] theta,
    const floating[::1] constants,
    const Py_ssize_t[::1] table,
    const floating[:, ::1] values,
    floating[:, ::1] dots,
):
    """Fill ``dots``, the derivative of ``values``, from the rows of the input."""
    cdef Py_ssize_t i, j, n = values.shape[1]
    cdef const Operation *op
    cdef const floating *v = &values[0, 0]
    cdef const floating *s
    cdef floating *w = &dots[0, 0]
    cdef floating **pointers = <floating **> allocate(operations)
    with nogil:
        for i in range(operations.shape[0]):
            op = &operations[i]
            if op.kind == SIGMOID:
                s = v + op.out * n
                for j in range(op.m * n):
                    w[op.out * n + j] = s[j] * (1 - s[j]) * w[op.a * n + j]
            elif op.kind == CONTRACT:
                # the product rule
                contract(op, start(table), v + op.b * n, w + op.a * n, w + op.out * n, n, False, op.add, pointers)
                contract(op, start(table), w + op.b * n, v + op.a * n, w + op.out * n, n, False, True, pointers)
            elif op.kind == ONES:
                memset(w + op.out * n, 0, op.m * n * sizeof(floating))
            elif op.kind != BIAS:
                apply_linear(op, start(theta), start(constants), w, n)
    free(<void *> pointers)


def tangent_backward(
    const Operation[::1] operations,
    const floating[::1] theta,
    const floating[::1] constants,
    const Py_ssize_t[::1] table,
    const floating[:, ::1] values,
    const floating[:, ::1] dots,
    const floating[:, ::1] grads,
    floating[:, ::1] grads_dot,
    floating[::1] dtheta_dot,
):
    """Fill ``grads_dot`` and ``dtheta_dot``, the derivatives of what ``backward`` gives, from the output's rows."""
    cdef Py_ssize_t i, j, n = values.shape[1]
    cdef const Operation *op
    cdef const floating *v = &values[0, 0]
    cdef const floating *w = &dots[0, 0]
    cdef const floating *g = &grads[0, 0]
    cdef const floating *s
    cdef floating *h = &grads_dot[0, 0]
    cdef floating *dt = NULL if dtheta_dot.shape[0] == 0 else &dtheta_dot[0]
    cdef floating **pointers = <floating **> allocate(operations)
    with nogil:
        for i in range(operations.shape[0]):
            op = &operations[i]
            if op.kind == SIGMOID:
                s = v + op.out * n
                sigmoid_backward(s, h + op.out * n, h + op.a * n, op.m * n, op.add_a)
                for j in range(op.m * n):
                    h[op.a * n + j] += g[op.out * n + j] * (1 - 2 * s[j]) * w[op.out * n + j]
            elif op.kind == CONTRACT:
                contract(
                    op, start(table), v + op.b * n, h + op.out * n, h + op.a * n, n, True, op.add_a, pointers
                )
                contract(
                    op, start(table), w + op.b * n, g + op.out * n, h + op.a * n, n, True, True, pointers
                )
                contract_to_maps(
                    op, start(table), v + op.a * n, h + op.out * n, h + op.b * n, n, op.add_b, pointers
                )
                contract_to_maps(
                    op, start(table), w + op.a * n, g + op.out * n, h + op.b * n, n, True, pointers
                )
            elif op.kind == BIAS:
                bias_gradient(op, start(constants), h, dt, n, False)
            else:
                pull_linear(op, start(theta), start(constants), h, n)
                if op.kind == MIX:
                    mix_gradient(op, h + op.out * n, v + op.a * n, dt + op.parameters, n, False)
                    mix_gradient(op, g + op.out * n, w + op.a * n, dt + op.parameters, n, True)
    free(<void *> pointers)


cdef packed struct Composition:
    # the first of the parameters w[j, a, i], rows `next_w` apart, and of the results v[j, a, x], rows `next_v` apart
    Py_ssize_t w, v, next_w, next_v
    # where the table of indices [x, i] begins
    Py_ssize_t table
    # sizes of j, a, i and x
    Py_ssize_t m, n, k, r


COMPOSITION = np.dtype(
    [(name, np.intp) for name in ("w", "v", "next_w", "next_v", "table", "m", "n", "k", "r")]
)


def compose(const Composition[::1] compositions, const Py_ssize_t[::1] table, floating[::1] weights):
    """v[j, a, x] = Σ_i w[j, a, i] B[i, x], where B[i, x] is the parameter that the table says."""
    cdef Py_ssize_t c, a
    cdef const Composition *op
    cdef floating *W = &weights[0]
    cdef floating *B = <floating *> allocate_entries(compositions)
    with nogil:
        for c in range(compositions.shape[0]):
            op = &compositions[c]
            gather(op, start(table), W, B)
            for a in range(op.n):
                matrix_product(
                    op.m, op.r, op.k, <floating> 1, W + op.w + a * op.k, op.next_w, 1, B, op.k, True, False,
                    W + op.v + a * op.r, op.next_v,
                )
    free(B)


def compose_backward(
    const Composition[::1] compositions, const Py_ssize_t[::1] table, const floating[::1] weights,
    floating[::1] dweights,
):
    """Add to the gradients of the parameters what comes through the composed weights."""
    cdef Py_ssize_t c, a, i
    cdef const Composition *op
    cdef const Py_ssize_t *at
    cdef const floating *W = &weights[0]
    cdef floating *dW = &dweights[0]
    cdef floating *B = <floating *> allocate_entries(compositions)
    cdef floating *dB
    with nogil:
        for c in range(compositions.shape[0]):
            op = &compositions[c]
            gather(op, start(table), W, B)
            dB = B + op.r * op.k
            for a in range(op.n):
                # dw[j, a, i] += Σ_x dv[j, a, x] B[i, x] and dB[i, x] += Σ_j w[j, a, i] dv[j, a, x]
                matrix_product(
                    op.m, op.k, op.r, <floating> 1, dW + op.v + a * op.r, op.next_v, 1, B, op.k, False, True,
                    dW + op.w + a * op.k, op.next_w,
                )
                matrix_product(
                    op.r, op.k, op.m, <floating> 1, dW + op.v + a * op.r, 1, op.next_v, W + op.w + a * op.k,
                    op.next_w, False, a > 0, dB, op.k,
                )
            at = start(table) + op.table
            for i in range(op.r * op.k):
                dW[at[i]] += dB[i]
    free(B)


cdef packed struct Collapse:
    # the first of the parameters w[j, t, c], of the results v[(j, q), (c, p)], rows `next_v` apart, and of the
    # constants J[t, q, p]
    Py_ssize_t w, v, next_v, constants
    # sizes of j and c, and of t, q and p
    Py_ssize_t m, k, t, q, p


COLLAPSE = np.dtype(
    [(name, np.intp) for name in ("w", "v", "next_v", "constants", "m", "k", "t", "q", "p")]
)


def collapse(const Collapse[::1] collapses, const floating[::1] constants, floating[::1] weights):
    """v[(j, q), (c, p)] = Σ_t w[j, t, c] J[t, q, p]"""
    cdef Py_ssize_t s, j, q
    cdef const Collapse *op
    cdef floating *W = &weights[0]
    with nogil:
        for s in range(collapses.shape[0]):
            op = &collapses[s]
            for j in range(op.m):
                for q in range(op.q):
                    matrix_product(
                        op.k, op.p, op.t, <floating> 1, W + op.w + j * op.t * op.k, 1, op.k,
                        start(constants) + op.constants + q * op.p, op.q * op.p, False, False,
                        W + op.v + (j * op.q + q) * op.next_v, op.p,
                    )


def collapse_backward(
    const Collapse[::1] collapses, const floating[::1] constants, floating[::1] dweights
):
    """Add to the gradients of the parameters what comes through the collapsed weights."""
    cdef Py_ssize_t s, j, q
    cdef const Collapse *op
    cdef floating *dW = &dweights[0]
    with nogil:
        for s in range(collapses.shape[0]):
            op = &collapses[s]
            for j in range(op.m):
                for q in range(op.q):
                    # dw[j, t, c] += Σ_p J[t, q, p] dv[(j, q), (c, p)]
                    matrix_product(
                        op.t, op.k, op.p, <floating> 1, start(constants) + op.constants + q * op.p, op.q * op.p, 1,
                        dW + op.v + (j * op.q + q) * op.next_v, op.p, True, True, dW + op.w + j * op.t * op.k, op.k,
                    )


cdef packed struct Expansion:
    # as for a collapse, of maps that are orbits: where the table of labels [q, p], −1 for none, and the coefficients
    # among the constants begin
    Py_ssize_t w, v, next_v, table, constants
    Py_ssize_t m, k, t, q, p


EXPANSION = np.dtype(
    [(name, np.intp) for name in ("w", "v", "next_v", "table", "constants", "m", "k", "t", "q", "p")]
)


def expand(
    const Expansion[::1] expansions, const Py_ssize_t[::1] table, const floating[::1] constants, floating[::1] weights
):
    """v[(j, q), (c, p)] = C[q, p] w[j, label[q, p], c], and 0 where there is no label"""
    cdef Py_ssize_t s, j, q, c, p, label
    cdef const Expansion *op
    cdef const Py_ssize_t *labels
    cdef const floating *C
    cdef floating *W = &weights[0]
    cdef floating *v
    with nogil:
        for s in range(expansions.shape[0]):
            op = &expansions[s]
            for j in range(op.m):
                for q in range(op.q):
                    labels = start(table) + op.table + q * op.p
                    C = start(constants) + op.constants + q * op.p
                    for c in range(op.k):
                        v = W + op.v + (j * op.q + q) * op.next_v + c * op.p
                        for p in range(op.p):
                            label = labels[p]
                            v[p] = 0 if label < 0 else C[p] * W[op.w + (j * op.t + label) * op.k + c]


def expand_backward(
    const Expansion[::1] expansions, const Py_ssize_t[::1] table, const floating[::1] constants, floating[::1] dweights
):
    """Add to the gradients of the parameters what comes through the expanded weights."""
    cdef Py_ssize_t s, j, q, c, p
    cdef const Expansion *op
    cdef const Py_ssize_t *labels
    cdef const floating *C
    cdef floating *dW = &dweights[0]
    cdef const floating *dv
    with nogil:
        for s in range(expansions.shape[0]):
            op = &expansions[s]
            for j in range(op.m):
                for q in range(op.q):
                    labels = start(table) + op.table + q * op.p
                    C = start(constants) + op.constants + q * op.p
                    for c in range(op.k):
                        dv = dW + op.v + (j * op.q + q) * op.next_v + c * op.p
                        for p in range(op.p):
                            if labels[p] >= 0:
                                dW[op.w + (j * op.t + labels[p]) * op.k + c] += C[p] * dv[p]


cdef void gather(
    const Composition *op, const Py_ssize_t *table, const floating *weights, floating *B
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(op.r * op.k):
        B[i] = weights[table[op.table + i]]


cdef void *allocate_entries(const Composition[::1] compositions) except NULL:
    """Room for the matrix B of the largest composition, transposed, and for its gradient."""
    cdef Py_ssize_t c, most = 1
    for c in range(compositions.shape[0]):
        most = max(most, compositions[c].r * compositions[c].k)
    cdef void *found = malloc(2 * most * sizeof(double))
    if found == NULL:
        raise MemoryError()
    return found


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
        if op.kind == CONTRACT:
            most = max(most, max(op.m, 1) * max(op.p, op.q) + op.k + op.q)
    cdef void *found = malloc(3 * most * sizeof(void *))
    if found == NULL:
        raise MemoryError()
    return found


# ---- linear operations -----------------------------------------------------------------------------------------------


cdef void apply_linear(
    const Operation *op, const floating *theta, const floating *constants, floating *v, Py_ssize_t n
) noexcept nogil:
    cdef floating *out = v + op.out * n
    cdef const floating *x = v + op.a * n
    cdef const floating *W = theta + op.parameters
    cdef const floating *C = constants + op.constants
    cdef Py_ssize_t c
    if op.kind == ZERO:
        memset(out, 0, op.m * n * sizeof(floating))
    elif op.kind == COPY:
        if op.add:
            for c in range(op.m * n):
                out[c] += x[c]
        else:
            memcpy(out, x, op.m * n * sizeof(floating))
    elif op.kind == MIX:
        if op.d * n == 1:
            mix_vector(op, W, x, out)
        else:
            gemm(False, False, op.m, op.d * n, op.k, <floating> op.alpha, W, x, op.add, out)
    elif op.kind == CHANGE:
        if n == 1:
            gemm(False, True, op.m, op.d, op.k, <floating> 1, x, C, op.add, out)
            return
        for c in range(op.m):
            gemm(False, False, op.d, n, op.k, <floating> 1, C, x + c * op.k * n, op.add, out + c * op.d * n)


cdef void pull_linear(
    const Operation *op, const floating *theta, const floating *constants, floating *g, Py_ssize_t n
) noexcept nogil:
    cdef const floating *dout = g + op.out * n
    cdef floating *dx = g + op.a * n
    cdef const floating *W = theta + op.parameters
    cdef const floating *C = constants + op.constants
    cdef Py_ssize_t c
    if op.kind == ZERO:
        memset(g + op.out * n, 0, op.m * n * sizeof(floating))
    elif op.kind == COPY:
        if op.add_a:
            for c in range(op.m * n):
                dx[c] += dout[c]
        else:
            memcpy(dx, dout, op.m * n * sizeof(floating))
    elif op.kind == MIX:
        gemm(True, False, op.k, op.d * n, op.m, <floating> op.alpha, W, dout, op.add_a, dx)
    elif op.kind == CHANGE:
        for c in range(op.m):
            gemm(True, False, op.k, n, op.d, <floating> 1, C, dout + c * op.d * n, op.add_a, dx + c * op.k * n)


cdef inline void mix_gradient(
    const Operation *op, const floating *dout, const floating *x, floating *dW, Py_ssize_t n, bint add
) noexcept nogil:
    gemm(False, True, op.m, op.k, op.d * n, <floating> op.alpha, dout, x, add, dW)


cdef inline void mix_vector(
    const Operation *op, const floating *W, const floating *x, floating *out
) noexcept nogil:
    """One sample, one component: the weights are read once, row by row."""
    cdef Py_ssize_t j
    cdef floating value
    for j in range(op.m):
        if floating is float:
            value = fastemlp_float_dot(W + j * op.k, x, op.k)
        else:
            value = fastemlp_double_dot(W + j * op.k, x, op.k)
        value *= <floating> op.alpha
        out[j] = out[j] + value if op.add else value


cdef inline void gemm(
    bint transposed_A, bint transposed_B, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K,
    floating alpha, const floating *A, const floating *B, bint add, floating *C,
) noexcept nogil:
    """C (M, N) (+)= alpha · A B, all contiguous and row-major."""
    cdef Py_ssize_t next_i = 1 if transposed_A else K, next_k = M if transposed_A else 1
    cdef Py_ssize_t next_B = K if transposed_B else N
    matrix_product(M, N, K, alpha, A, next_i, next_k, B, next_B, transposed_B, add, C, N)


cdef inline void matrix_product(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, floating alpha, const floating *A, Py_ssize_t next_i, Py_ssize_t next_k,
    const floating *B, Py_ssize_t next_B, bint transposed_B, bint add, floating *C, Py_ssize_t next_C,
) noexcept nogil:
    if floating is float:
        fastemlp_float_matrix_product(
            M, N, K, alpha, A, next_i, next_k, B, next_B, transposed_B, add, C, next_C
        )
    else:
        fastemlp_double_matrix_product(
            M, N, K, alpha, A, next_i, next_k, B, next_B, transposed_B, add, C, next_C
        )


cdef void add_bias(
    const Operation *op, const floating *theta, const floating *constants, floating *v, Py_ssize_t n
) noexcept nogil:
    cdef const floating *E = constants + op.constants
    cdef const floating *bias = theta + op.parameters
    cdef Py_ssize_t j, i, r, b
    cdef floating value
    cdef floating *out = v + op.out * n
    for j in range(op.m):
        for i in range(op.d):
            value = 0
            for r in range(op.k):
                value += E[i * op.k + r] * bias[r * op.m + j]
            for b in range(n):
                out[b] += value
            out += n


cdef void bias_gradient(
    const Operation *op, const floating *constants, const floating *g, floating *dtheta, Py_ssize_t n, bint add
) noexcept nogil:
    cdef const floating *E = constants + op.constants
    cdef const floating *dout = g + op.out * n
    cdef floating *dbias = dtheta + op.parameters
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


cdef void sigmoid_backward(
    const floating *s, const floating *ds, floating *dx, Py_ssize_t n, bint add
) noexcept nogil:
    cdef Py_ssize_t i
    if add:
        for i in range(n):
            dx[i] += s[i] * (1 - s[i]) * ds[i]
    else:
        for i in range(n):
            dx[i] = s[i] * (1 - s[i]) * ds[i]


# ---- contractions: rows of maps M[a, entry], of vectors v[a or 0, j, p] and of results out[a or 0, j, q] -------------


cdef void contract(
    const Operation *op, const Py_ssize_t *table, const floating *maps, const floating *v, floating *out,
    Py_ssize_t n, bint transposed, bint add, floating **pointers,
) noexcept nogil:
    """out[a or 0, j, q] (+)= Σ_p M[a, (q, p)] v[a or 0, j, p]; transposed, the gradient of v from that of out."""
    cdef const Py_ssize_t *copies = table + op.table
    cdef const Py_ssize_t *entry = copies + op.m
    cdef Py_ssize_t A = op.m, J = op.k, a, q, j, p, r, first, last
    cdef Py_ssize_t P = op.q if transposed else op.p, Q = op.p if transposed else op.q
    cdef Py_ssize_t step_q = 1 if transposed else op.p, step_p = op.p if transposed else 1
    cdef bint own = op.apart if transposed else op.own, apart = op.own if transposed else op.apart
    cdef floating **o = pointers
    cdef const floating **f = <const floating **> (o + J)
    cdef const floating **u = f + A * P
    # every map by itself, or all into one sum
    for first in range(A if apart else 1):
        last = first + 1 if apart else A
        for q in range(Q):
            r = 0
            for a in range(first, last):
                for p in range(P):
                    f[r] = maps + (copies[a] * op.d + entry[q * step_q + p * step_p]) * n
                    u[r] = v + ((a * J if own else 0) * P + p) * n
                    r += 1
            for j in range(J):
                o[j] = out + ((first * J + j) * Q + q) * n
            products(o, f, u, P * n, J, r, n, add)


cdef void contract_to_maps(
    const Operation *op, const Py_ssize_t *table, const floating *v, const floating *dout, floating *dmaps,
    Py_ssize_t n, bint add, floating **pointers,
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
                o[q] = dmaps + (copies[a] * op.d + entry[q * P + p]) * n
            products(o, f, u, n, Q, J, n, add)


cdef inline void products(
    floating **out, const floating **f, const floating **u,
    Py_ssize_t stride, Py_ssize_t X, Py_ssize_t R, Py_ssize_t n, bint add,
) noexcept nogil:
    if floating is float:
        fastemlp_float_products(out, f, u, stride, X, R, n, add)
    else:
        fastemlp_double_products(out, f, u, stride, X, R, n, add)
