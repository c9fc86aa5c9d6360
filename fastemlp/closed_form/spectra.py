"""Eigenvalues and singular values of matrices, and their derivatives, also where some coincide."""

from dataclasses import dataclass, replace

import numpy as np

from fastemlp._svd import svd
from fastemlp.closed_form.pieces import LENGTHS, TINY
from fastemlp.closed_form.polynomials import ROUNDOFF

#: Eigenvalues that differ by less, in units of the largest, coincide.
ALIKE = 1e-9


@dataclass(frozen=True)
class Spectra:
    """Eigenvalues of the symmetric part of square matrices, in order, and singular values if these are asked for.

    After logarithms of the latter comes that of the size of the determinant.
    """

    columns: np.ndarray  # (p, d·d)
    singular: bool
    of: str = "r"

    @property
    def kinds(self):
        """As of ``Columns``."""
        return np.tile(self._kinds, len(self.columns))

    @property
    def together(self):
        return np.repeat(np.arange(len(self.columns)), len(self._kinds))

    @property
    def _kinds(self):
        """Of one matrix."""
        times = side(self.columns), side(self.columns) * self.singular, self._has_determinant
        return np.repeat([0, 1, 2], times)

    @property
    def _has_determinant(self):
        return self.singular and self.of == "log r"

    def is_roundoff(self, X):
        """As of ``Columns``; of the determinant where any singular value is none, or none varies."""
        A = self._matrices(X)
        least = ROUNDOFF * np.sqrt(np.mean(np.sum(A**2, axis=(2, 3)), axis=0))[:, None]
        found = np.std(_eigenvalues(_symmetric(A)), axis=0) <= least
        if self.singular:
            sizes = _singular_values(A)
            constant = np.std(sizes, axis=0) <= least
            found = np.hstack([found, constant])
        if self._has_determinant:
            none = np.sqrt(np.mean(sizes**2, axis=0)) <= least
            of_all = none.any(axis=1) | constant.all(axis=1)
            found = np.hstack([found, of_all[:, None]])
        return found.ravel()

    def only(self, kept):
        return replace(self, columns=self.columns[kept])

    def __call__(self, X):
        A = self._matrices(X)
        values = _eigenvalues(_symmetric(A))
        if self.singular:
            sizes = LENGTHS[self.of][0](_singular_values(A) + TINY)
            values = np.concatenate([values, sizes], axis=2)
        if self._has_determinant:
            values = np.concatenate([values, sizes.sum(axis=2, keepdims=True)], axis=2)
        return values.reshape(len(X), -1)

    def jacobian(self, X):
        A = self._matrices(X)
        _, v = _eigen(_symmetric(A))
        slopes = np.einsum("npik,npjk->npkij", v, v)
        if self.singular:
            sizes, u, v = _singular(A)
            steep = LENGTHS[self.of][1](sizes + TINY)
            more = np.einsum("npik,npk,npjk->npkij", u, steep, v)
            slopes = np.concatenate([slopes, more], axis=2)
        if self._has_determinant:
            slopes = np.concatenate([slopes, more.sum(axis=2, keepdims=True)], axis=2)
        n, p, k = slopes.shape[:3]
        J = np.zeros((n, p, k, X.shape[1]), X.dtype)
        J[:, np.arange(p)[:, None, None], np.arange(k)[:, None], self.columns[:, None]] = (
            slopes.reshape(n, p, k, -1)
        )
        return J.reshape(n, p * k, -1)

    def _matrices(self, X):
        d = side(self.columns)
        return X[:, self.columns].reshape(len(X), -1, d, d)


@dataclass(frozen=True)
class SingularValues:
    """Singular values of objects of one type side by side as a matrix, such as the roots of moments of many points."""

    columns: np.ndarray  # (copies, d)
    of: str = "r"
    least: float = TINY

    @property
    def kinds(self):
        """As of ``Columns``."""
        return self.together

    @property
    def together(self):
        return np.zeros(min(self.columns.shape), np.intp)

    def is_roundoff(self, X):
        A = X[:, self.columns]
        least = ROUNDOFF * np.sqrt(np.mean(np.sum(A**2, axis=(1, 2))))
        return np.std(_singular_values(A), axis=0) <= least

    def only(self, kept):
        return self

    def __call__(self, X):
        return LENGTHS[self.of][0](_singular_values(X[:, self.columns]) + self.least)

    def jacobian(self, X):
        sizes, u, v = _singular(X[:, self.columns])
        steep = LENGTHS[self.of][1](sizes + self.least)
        J = np.zeros((*sizes.shape, X.shape[1]), X.dtype)
        J[:, :, self.columns] = np.einsum("nik,nk,njk->nkij", u, steep, v)
        return J


def _symmetric(A):
    return (A + A.swapaxes(-1, -2)) / 2


def _eigenvalues(A):
    """Those of ``_eigen``, faster where matrices are real."""
    return _eigen(A)[0] if A.dtype.kind == "c" else np.linalg.eigvalsh(A)


def _singular_values(A):
    """Those of ``_singular``, faster where matrices are real."""
    return _singular(A)[0] if A.dtype.kind == "c" else np.linalg.svd(A, compute_uv=False)


def _eigen(A):
    """Eigenvalues and vectors of symmetric matrices (…, d, d).

    To first order in the imaginary part, if there is one: where eigenvalues coincide that tells vectors apart, and
    what a function that treats them alike makes of these is right.
    """
    values, V = np.linalg.eigh(A.real)
    if A.dtype.kind != "c":
        return values, V
    B = V.swapaxes(-1, -2) @ A.imag @ V
    d, size = A.shape[-1], np.abs(B).max(axis=(-2, -1), keepdims=True)
    steps = np.diff(values, axis=-1) > ALIKE * np.abs(values).max(axis=-1, keepdims=True)
    which = np.concatenate([np.zeros_like(values[..., :1]), np.cumsum(steps, axis=-1)], axis=-1)
    alike = which[..., None] == which[..., None, :]
    parts = np.where(alike, B / np.where(size, size, 1), 0)
    # eigenvalues of parts are at most d in size
    W = np.linalg.eigh(parts + 3 * d * which[..., None] * np.eye(d))[1]
    V, B = V @ W, W.swapaxes(-1, -2) @ B @ W
    apart = np.where(alike, 1, values[..., None, :] - values[..., None])
    turn = np.where(alike, 0, B / apart)
    return values + 1j * np.diagonal(B, axis1=-2, axis2=-1), V + 1j * V @ turn


def _singular(A):
    """Singular values of matrices (…, m, d), largest first, left and right vectors as columns; see ``_eigen``."""
    if A.dtype.kind != "c":
        U, s, Vh = svd(A, full_matrices=False)
        return s, U, Vh.swapaxes(-1, -2)
    m, d = A.shape[-2:]
    # those of A are the largest eigenvalues of [[0, A], [Aᵀ, 0]], which are not negative
    whole = np.zeros((*A.shape[:-2], m + d, m + d), A.dtype)
    whole[..., :m, m:], whole[..., m:, :m] = A, A.swapaxes(-1, -2)
    values, vectors = _eigen(whole)
    values, vectors = (found[..., ::-1][..., : min(m, d)] for found in (values, vectors))
    U, V = np.split(np.sqrt(2) * vectors, [m], axis=-2)
    return values, U, V


def side(columns):
    return round(columns.shape[1] ** 0.5)
