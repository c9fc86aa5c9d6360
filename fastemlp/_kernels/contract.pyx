# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Small tensors acting on each other sample by sample, the samples fastest; without the GIL."""

from cython cimport floating
from libc.stdlib cimport free, malloc


cdef extern from "contract.h":
    void fastemlp_float_sum_of_products(
        float *out, const float **m, const float **u,
        Py_ssize_t R, Py_ssize_t J, Py_ssize_t stride, Py_ssize_t n,
    ) nogil
    void fastemlp_double_sum_of_products(
        double *out, const double **m, const double **u,
        Py_ssize_t R, Py_ssize_t J, Py_ssize_t stride, Py_ssize_t n,
    ) nogil
    void fastemlp_float_inner_product(
        float *out, const float *u, const float *v,
        Py_ssize_t J, Py_ssize_t stride, Py_ssize_t n,
    ) nogil
    void fastemlp_double_inner_product(
        double *out, const double *u, const double *v,
        Py_ssize_t J, Py_ssize_t stride, Py_ssize_t n,
    ) nogil


# samples taken through all the loops at once: what they touch stays in the second-level cache
cdef enum:
    TILE = 64


cdef inline void sum_of_products(
    floating *out, const floating **m, const floating **u,
    Py_ssize_t R, Py_ssize_t J, Py_ssize_t stride, Py_ssize_t n,
) noexcept nogil:
    if floating is float:
        fastemlp_float_sum_of_products(out, m, u, R, J, stride, n)
    else:
        fastemlp_double_sum_of_products(out, m, u, R, J, stride, n)


cdef inline void inner_product(
    floating *out, const floating *u, const floating *v,
    Py_ssize_t J, Py_ssize_t stride, Py_ssize_t n,
) noexcept nogil:
    if floating is float:
        fastemlp_float_inner_product(out, u, v, J, stride, n)
    else:
        fastemlp_double_inner_product(out, u, v, J, stride, n)


def contract(
    const floating[:, :, ::1] maps,
    const Py_ssize_t[:, ::1] entry,
    const floating[:, :, :, ::1] v,
    floating[:, :, :, ::1] out,
):
    """out[q, a or 0, j, :] += Σ_p maps[entry[q, p], a, :] v[p, a or 0, j, :]

    Shapes: maps (·, A, batch), entry (Q, P), v (P, A or 1, J, batch), out (Q, A or 1, J, batch).
    An axis of length 1 is shared by all a, and an out that is shared sums over them.
    """
    cdef Py_ssize_t Q = entry.shape[0], P = entry.shape[1], A = maps.shape[1]
    cdef Py_ssize_t J = v.shape[2], batch = maps.shape[2]
    cdef Py_ssize_t q, p, a, b, n, r
    cdef bint apart = out.shape[1] > 1, own = v.shape[1] > 1
    if Q * P * A * J * batch == 0:
        return
    cdef const floating **m = <const floating **> malloc(P * A * sizeof(void *))
    cdef const floating **u = <const floating **> malloc(P * A * sizeof(void *))
    if m == NULL or u == NULL:
        free(m)
        free(u)
        raise MemoryError()
    with nogil:
        b = 0
        while b < batch:
            n = min(<Py_ssize_t> TILE, batch - b)
            for q in range(Q):
                r = 0
                for a in range(A):
                    for p in range(P):
                        m[r] = &maps[entry[q, p], a, b]
                        u[r] = &v[p, a if own else 0, 0, b]
                        r += 1
                    if apart:
                        sum_of_products(&out[q, a, 0, b], m, u, r, J, batch, n)
                        r = 0
                if not apart:
                    sum_of_products(&out[q, 0, 0, b], m, u, r, J, batch, n)
            b += n
    free(m)
    free(u)


def contract_backward(
    const floating[:, :, ::1] maps,
    const Py_ssize_t[:, ::1] entry,
    const floating[:, :, :, ::1] v,
    const floating[:, :, :, ::1] dout,
    floating[:, :, ::1] dmaps,
    floating[:, :, :, ::1] dv,
):
    """dmaps[entry[q, p], a, :] += Σ_j dout[q, a or 0, j, :] v[p, a or 0, j, :]
    dv[p, a or 0, j, :] += Σ_q maps[entry[q, p], a, :] dout[q, a or 0, j, :]
    """
    cdef Py_ssize_t Q = entry.shape[0], P = entry.shape[1], A = maps.shape[1]
    cdef Py_ssize_t J = v.shape[2], batch = maps.shape[2]
    cdef Py_ssize_t q, p, a, b, n, r
    cdef bint apart = dout.shape[1] > 1, own = v.shape[1] > 1
    if Q * P * A * J * batch == 0:
        return
    cdef const floating **m = <const floating **> malloc(Q * A * sizeof(void *))
    cdef const floating **u = <const floating **> malloc(Q * A * sizeof(void *))
    if m == NULL or u == NULL:
        free(m)
        free(u)
        raise MemoryError()
    with nogil:
        b = 0
        while b < batch:
            n = min(<Py_ssize_t> TILE, batch - b)
            for p in range(P):
                r = 0
                for a in range(A):
                    for q in range(Q):
                        m[r] = &maps[entry[q, p], a, b]
                        u[r] = &dout[q, a if apart else 0, 0, b]
                        inner_product(
                            &dmaps[entry[q, p], a, b],
                            u[r],
                            &v[p, a if own else 0, 0, b],
                            J, batch, n,
                        )
                        r += 1
                    if own:
                        sum_of_products(&dv[p, a, 0, b], m, u, r, J, batch, n)
                        r = 0
                if not own:
                    sum_of_products(&dv[p, 0, 0, b], m, u, r, J, batch, n)
            b += n
    free(m)
    free(u)
