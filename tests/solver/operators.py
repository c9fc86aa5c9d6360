"""Constraint operators built from numpy alone, with known nullspaces."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.sparse.linalg import LinearOperator, aslinearoperator


class TensorConstraint(LinearOperator):
    """Rows ``drho(A_i)`` and ``rho(h_k) − I`` on ``T_k = V^{⊗k}``, applied slot by slot."""

    def __init__(self, k, lie=(), discrete=()):
        self.k, self.lie, self.discrete = k, list(lie), list(discrete)
        self.d = (self.lie + self.discrete)[0].shape[0]
        m = self.d**k
        n_generators = len(self.lie) + len(self.discrete)
        super().__init__(np.result_type(*self.lie, *self.discrete), (n_generators * m, m))

    def _slot(self, A, X, slot):
        """A on one slot of the columns of X."""
        shaped = X.reshape(self.d**slot, self.d, -1)
        return np.matmul(A, shaped).reshape(X.shape)

    def _generators(self, adjoint):
        """Functions X -> (generator) X, one per block of rows."""

        def kron_sum(A):
            return lambda X: sum(
                (self._slot(A, X, s) for s in range(self.k)), start=np.zeros_like(X)
            )

        def kron_power(h):
            def apply(X):
                Y = X
                for s in range(self.k):
                    Y = self._slot(h, Y, s)
                return Y - X

            return apply

        def maybe(A):
            return A.conj().T if adjoint else A

        return [kron_sum(maybe(A)) for A in self.lie] + [
            kron_power(maybe(h)) for h in self.discrete
        ]

    def _matmat(self, X):
        return np.concatenate([f(X) for f in self._generators(False)])

    def _matvec(self, x):
        return self._matmat(x.reshape(-1, 1))

    def _rmatmat(self, Y):
        parts = np.split(np.ascontiguousarray(Y), len(self.lie) + len(self.discrete))
        return sum(f(y) for f, y in zip(self._generators(True), parts, strict=True))

    def _rmatvec(self, y):
        return self._rmatmat(y.reshape(-1, 1))


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
