"""Constraint operators with known nullspaces."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator

from fastemlp.operators import TensorConstraint


def tensor_power(k, lie=(), discrete=()):
    """The TensorConstraint of V^{⊗k}, V given by matrices."""
    d = [*lie, *discrete][0].shape[0]
    return TensorConstraint(
        [0] * k, [d], [[csr_array(A)] for A in lie], [[csr_array(h)] for h in discrete]
    )


def so(n):
    """Generators of so(n), one per plane."""
    generators = []
    for i, j in combinations(range(n), 2):
        A = np.zeros((n, n))
        A[i, j], A[j, i] = 1.0, -1.0
        generators.append(A)
    return generators


def reflection(n):
    h = np.eye(n)
    h[0, 0] = -1.0
    return h


def sp2():
    """Generators of sp(2, R), matrices 2 × 2, scaled unevenly on purpose."""
    return [np.diag([1.0, -1.0]), np.array([[0.0, 2.0], [0.0, 0.0]]), np.array([[0, 0], [1.0, 0]])]


def conjugated(generators, seed=1):
    """S A S⁻¹ for one random S: same ranks, spread spectrum."""
    n = generators[0].shape[0]
    S = np.random.default_rng(seed).standard_normal((n, n))
    return [S @ A @ np.linalg.inv(S) for A in generators]


def permutation(images):
    return np.eye(len(images))[:, list(images)]


def symmetric_group(n):
    """The transposition (0 1) and the n-cycle."""
    return [permutation([1, 0, *range(2, n)]), permutation([*range(1, n), 0])]


def planted(m, sigma, rank, seed=0, n_rows=None, dtype=np.float64):
    """Random operator with singular values ``sigma`` and a nullspace of dimension ``rank``.

    Returns
    -------
    C : LinearOperator of shape (n_rows, m)
    Q : ndarray of shape (m, rank), the true nullspace
    """
    if len(sigma) + rank != m:
        raise ValueError(f"planted: {len(sigma)} singular values and rank {rank} for m = {m}")
    rng = np.random.default_rng(seed)
    n_rows = n_rows or m

    def unitary(rows, columns):
        X = rng.standard_normal((rows, columns))
        if np.dtype(dtype).kind == "c":
            X = X + 1j * rng.standard_normal((rows, columns))
        return np.linalg.qr(X)[0]

    V = unitary(m, m)
    U = unitary(n_rows, len(sigma))
    matrix = (U * np.asarray(sigma)) @ V[:, : len(sigma)].conj().T
    return aslinearoperator(matrix.astype(dtype)), V[:, len(sigma) :]
