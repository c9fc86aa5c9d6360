# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""One-pass loops of the network layers; float32 and float64, without the GIL, nothing allocated."""

from cython cimport floating
from libc.math cimport sqrt


def gate_forward(
    const floating[:, ::1] x,
    const floating[:, ::1] sigma,
    const Py_ssize_t[::1] source,
    const Py_ssize_t[::1] gate,
    floating[:, ::1] y,
):
    """y[b, i] = x[b, source[i]] * sigma[b, gate[i]]"""
    cdef Py_ssize_t b, i
    with nogil:
        for b in range(y.shape[0]):
            for i in range(y.shape[1]):
                y[b, i] = x[b, source[i]] * sigma[b, gate[i]]


def gate_backward(
    const floating[:, ::1] x,
    const floating[:, ::1] sigma,
    const Py_ssize_t[::1] source,
    const Py_ssize_t[::1] gate,
    const floating[:, ::1] dy,
    floating[:, ::1] dx,
    floating[:, ::1] dsigma,
):
    """dx[b, source[i]] = dy[b, i] * sigma[b, gate[i]]
    dsigma[b, gate[i]] += dy[b, i] * x[b, source[i]]

    dx and dsigma must come in zeroed.
    """
    cdef Py_ssize_t b, i
    with nogil:
        for b in range(dy.shape[0]):
            for i in range(dy.shape[1]):
                dx[b, source[i]] = dy[b, i] * sigma[b, gate[i]]
                dsigma[b, gate[i]] += dy[b, i] * x[b, source[i]]


def adam_update(
    floating[::1] theta,
    const floating[::1] gradient,
    floating[::1] m,
    floating[::1] v,
    double beta1,
    double beta2,
    double step,
    double epsilon,
):
    """m <- β1 m + (1-β1) g;  v <- β2 v + (1-β2) g²;  θ <- θ - step · m / (√v + ε)

    ``step`` and ``epsilon`` carry the bias corrections of Kingma & Ba 2015, §2.
    """
    cdef Py_ssize_t i
    cdef floating b1 = <floating> beta1, b2 = <floating> beta2
    cdef floating c1 = <floating> (1 - beta1), c2 = <floating> (1 - beta2)
    cdef floating s = <floating> step, eps = <floating> epsilon
    with nogil:
        for i in range(theta.shape[0]):
            m[i] = b1 * m[i] + c1 * gradient[i]
            v[i] = b2 * v[i] + c2 * gradient[i] * gradient[i]
            theta[i] = theta[i] - s * m[i] / (<floating> sqrt(v[i]) + eps)
