"""Orthonormal columns, in place and by matrix products alone where the columns are not too dependent."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from fastemlp._arrays import chunks

#: Rows handled at a time.
ROWS = 4096


def orthonormalise(Q):
    """An orthonormal basis of the span of the columns of Q, (m, r), which are independent; overwrites Q.

    Notes
    -----
    Cholesky QR, repeated until ``|QᴴQ − I|`` is at roundoff (Yamamoto et al. 2015); Householder QR when the Gram
    matrix is not numerically definite. Cost 2·m·r² flops each time.
    """
    eps = float(np.finfo(Q.dtype).eps)
    if Q.shape[1]:
        Q /= np.linalg.norm(Q, axis=0)
    for _ in range(4):
        gram = _gram(Q)
        try:
            L = scipy.linalg.cholesky(gram, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            return np.linalg.qr(Q)[0]
        defect = np.abs(gram - np.eye(len(gram))).max(initial=0.0)
        # dividing by L leaves the square of a small defect behind
        if defect <= 10 * eps:
            break
        inverse = (
            scipy.linalg.solve_triangular(L, np.eye(len(L), dtype=L.dtype), lower=True).conj().T
        )
        for rows in chunks(len(Q), ROWS):
            Q[rows] = Q[rows] @ inverse
        if defect <= np.sqrt(eps):
            break
    return Q


def _gram(Q):
    gram = np.zeros((Q.shape[1], Q.shape[1]), Q.dtype)
    for rows in chunks(len(Q), ROWS):
        gram += Q[rows].conj().T @ Q[rows]
    return gram
