"""A constraint operator seen by the solvers: C, CᴴC, the norm, and how often each was used."""

from __future__ import annotations

import numpy as np

from fastemlp.exceptions import ConvergenceError, Status


class CountedOperator:
    """Wrap an operator of the scipy LinearOperator protocol; count products, refuse NaN.

    Parameters
    ----------
    C : object with ``shape`` (n_rows, m), ``dtype``, ``matmat``, ``rmatmat``
        May also have ``normal_matmat(X)``, which returns ``CᴴC X`` without forming ``C X``.
    caller : str
        Name used in error messages.
    """

    def __init__(self, C, caller):
        if len(C.shape) != 2:
            raise ValueError(
                f"{caller}: expected an operator of shape (n_rows, m), got shape {tuple(C.shape)}."
            )
        self.C = C
        self.caller = caller
        self.n_rows, self.m = (int(n) for n in C.shape)
        self.dtype = _supported(C.dtype, caller)
        self.eps = float(np.finfo(self.dtype).eps)
        # what C is known to, where it says so
        self.accuracy = max(self.eps, getattr(C, "accuracy", 0.0))
        self.scale = getattr(C, "scale", 0.0)
        self.n_matvecs = 0
        self._normal = getattr(C, "normal_matmat", None)

    def apply(self, X):
        """``C X`` of shape (n_rows, b) for X of shape (m, b)."""
        self.n_matvecs += X.shape[1]
        return self._checked(self.C.matmat(np.ascontiguousarray(X)), "C.matmat(X)", X)

    def normal(self, X):
        """``CᴴC X`` of shape (m, b) for X of shape (m, b), in the precision of X."""
        X = np.ascontiguousarray(X)
        if self._normal is not None:
            self.n_matvecs += 2 * X.shape[1]
            return self._checked(self._normal(X), "C.normal_matmat(X)", X)
        return self.adjoint(self.apply(X))

    def adjoint(self, Y):
        """``Cᴴ Y`` of shape (m, b) for Y of shape (n_rows, b)."""
        self.n_matvecs += Y.shape[1]
        return self._checked(self.C.rmatmat(np.ascontiguousarray(Y)), "C.rmatmat(Y)", Y)

    def keeps_single(self):
        """Whether C computes in single precision when given single precision."""
        single = np.dtype({"f": np.float32, "c": np.complex64}[self.dtype.kind])
        X = np.zeros((self.m, 1), single)
        if self._normal is not None:
            return self._normal(X).dtype == single
        Y = self.C.matmat(X)
        return Y.dtype == single and self.C.rmatmat(Y).dtype == single

    def _checked(self, Y, what, X):
        Y = np.asarray(Y)
        if np.iscomplexobj(Y) and self.dtype.kind == "f":
            raise TypeError(
                f"{self.caller}: {what} returned {Y.dtype} though C.dtype is {self.dtype}. "
                "Declare the operator complex128."
            )
        # a sum is quick to take and shows any NaN or infinity
        if not np.isfinite(Y.sum()) and not np.isfinite(Y).all():
            raise ConvergenceError(
                f"{self.caller}: {what} returned NaN or infinity for a finite input, with C of "
                f"shape ({self.n_rows}, {self.m}). Check the generators.",
                status=Status.NOT_FINITE,
            )
        return Y.astype(X.dtype, copy=False)


def random_block(rng, m, b, dtype):
    """Gaussian block of shape (m, b), complex when dtype is; the same numbers in any precision."""
    X = rng.standard_normal((m, b))
    if np.dtype(dtype).kind == "c":
        X = X + 1j * rng.standard_normal((m, b))
    return X.astype(dtype)


def estimate_norm(op, rng, n_iter=12):
    """``‖C‖₂`` from below, usually within a few per cent: block power iteration on ``CᴴC``.

    Every tolerance of the solvers is relative to it, so its last digits do not matter.
    Cost n_iter products of ``CᴴC`` with at most 3 vectors.
    """
    X = random_block(rng, op.m, min(3, op.m), op.dtype)
    square = 0.0
    for _ in range(n_iter):
        X, _ = np.linalg.qr(X)
        X = op.normal(X)
        square = max(square, float(np.linalg.norm(X, 2)))
        if square == 0.0:
            break
    return float(np.sqrt(square))


def _supported(dtype, caller):
    dtype = np.dtype(dtype)
    if dtype.kind not in "fc" or dtype.itemsize // (2 if dtype.kind == "c" else 1) not in (4, 8):
        raise TypeError(
            f"{caller}: expected dtype float32, float64, complex64 or complex128, got {dtype}. "
            "Cast the generators to float64."
        )
    return dtype
