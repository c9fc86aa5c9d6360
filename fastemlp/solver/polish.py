"""Sharpen approximate null vectors with C itself, past what CᴴC can resolve."""

from __future__ import annotations

import numpy as np

from fastemlp._svd import svd

#: A null vector that Lanczos has converged needs far less; a positive one would be wiped out.
LARGEST_CORRECTION = 0.1
#: Restarts from the true residual.
ROUNDS = 4
#: How far below its largest size the gradient ``Cᴴ r`` is known.
KNOWN = 1e-7


def singular_basis(op, Z):
    """Singular values of C on span(Z), ascending, and the basis of Z that has them.

    The QR of ``C Z`` keeps them right to ``eps·‖C‖``, which ``ZᴴCᴴC Z`` would not. It needs
    n_rows numbers per column of Z.
    """
    if Z.shape[1] == 0:
        return np.zeros(0, Z.real.dtype), Z
    R = np.linalg.qr(op.apply(Z), mode="r")
    _, s, Wh = svd(R, full_matrices=True)
    sigma = np.zeros(Z.shape[1], s.dtype)
    sigma[: len(s)] = s
    return sigma[::-1], Z @ Wh.conj().T[:, ::-1]


def polish(op, Z, target, max_iter=500):
    """Subtract from each column z the least-squares solution y of ``C y = C z``.

    A null vector whose error is small is left with ``‖C z‖ ≈ eps·‖C‖``: the residual ``C z`` is
    known to that accuracy, where a Lanczos process on CᴴC stops at ``eps·‖C‖²/σ_min``. A column
    that would change by more than ``LARGEST_CORRECTION`` was not a null vector and stays as it is.

    Parameters
    ----------
    op : CountedOperator
    Z : ndarray of shape (m, b), columns of norm about 1
    target : float, stop when every ``‖C z‖`` is at most this
    max_iter : int, iterations in each of at most ``ROUNDS`` rounds

    Returns
    -------
    ndarray of shape (m, b), not orthonormal

    Notes
    -----
    Conjugate gradients on the normal equations (CGLS, Björck 1996, algorithm 7.4.1), one product with
    C and one with Cᴴ per column and iteration; each round starts from the true residual.
    """
    R = op.apply(Z)
    worst = np.linalg.norm(R, axis=0)
    for _ in range(ROUNDS):
        if worst.max(initial=0.0) <= target:
            break
        correction = _least_squares(op, R, target, max_iter)
        small = np.linalg.norm(correction, axis=0) <= LARGEST_CORRECTION
        trial = np.where(small, Z - correction, Z)
        R = op.apply(trial)
        norms = np.linalg.norm(R, axis=0)
        better = norms < worst
        Z = np.where(better, trial, Z)
        if not np.any(norms < 0.5 * worst):
            break
        worst = np.where(better, norms, worst)
    return Z


def _least_squares(op, R, target, max_iter):
    """The least-squares solution of ``C Y = R`` as far as it is known."""
    correction = np.zeros((op.m, R.shape[1]), R.dtype)
    S = op.adjoint(R)
    P, gamma = S, _squares(S)
    largest = gamma
    for _ in range(max_iter):
        U = op.apply(P)
        step = _ratio(gamma, _squares(U))
        correction += step * P
        R = R - step * U
        S = op.adjoint(R)
        gamma, previous = _squares(S), gamma
        largest = np.maximum(largest, gamma)
        # further down S is roundoff, and following it leads into the nullspace
        gamma = np.where(gamma > KNOWN**2 * largest, gamma, 0)
        P = S + _ratio(gamma, previous) * P
        if not gamma.any() or np.linalg.norm(R, axis=0).max() <= target:
            break
    return correction


def _squares(X):
    return np.sum(X.real**2 + X.imag**2, axis=0) if np.iscomplexobj(X) else np.sum(X * X, axis=0)


def _ratio(a, b):
    """``a / b`` per column, 0 where a column is finished."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)
