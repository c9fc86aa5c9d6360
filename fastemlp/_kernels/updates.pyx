# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""One-pass updates of the parameter vector; without the GIL, nothing allocated."""

from cython cimport floating
from libc.math cimport sqrt, sqrtf


def adam_update(
    floating[::1] theta,
    const floating[::1] gradient,
    floating[::1] m,
    floating[::1] v,
    double beta1,
    double beta2,
    double step,
    double epsilon,
    double scale=1.0,
    double keep=1.0,
):
    """g = scale · gradient;  m <- β1 m + (1-β1) g;  v <- β2 v + (1-β2) g²;
    θ <- keep · θ - step · m / (√v + ε)

    ``step`` and ``epsilon`` carry the bias corrections of Kingma & Ba 2015, §2; ``scale`` clips the
    gradient; ``keep`` below one is the decoupled weight decay of Loshchilov & Hutter 2019.
    """
    cdef Py_ssize_t i
    cdef floating b1 = <floating> beta1, b2 = <floating> beta2
    cdef floating c1 = <floating> (1 - beta1), c2 = <floating> (1 - beta2)
    cdef floating s = <floating> step, eps = <floating> epsilon
    cdef floating a = <floating> scale, k = <floating> keep
    cdef floating g, root
    with nogil:
        for i in range(theta.shape[0]):
            g = a * gradient[i]
            m[i] = b1 * m[i] + c1 * g
            v[i] = b2 * v[i] + c2 * g * g
            root = sqrtf(v[i]) if floating is float else sqrt(v[i])
            theta[i] = k * theta[i] - s * m[i] / (root + eps)


def average_update(floating[::1] average, const floating[::1] theta, double rate):
    """a <- a + rate · (θ - a)"""
    cdef Py_ssize_t i
    cdef floating r = <floating> rate
    with nogil:
        for i in range(average.shape[0]):
            average[i] += r * (theta[i] - average[i])
