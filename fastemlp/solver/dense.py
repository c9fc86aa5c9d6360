"""The nullspace by a dense singular value decomposition: the reference, for small problems."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.linalg

from fastemlp._arrays import chunks, unit_columns
from fastemlp._budget import DEFAULT_BUDGET, mib
from fastemlp._gap import split_rank
from fastemlp._svd import svd
from fastemlp.exceptions import BudgetError
from fastemlp.operators import TensorConstraint

from .certify import blur, certified, require_known, require_sharp
from .counted_operator import CountedOperator
from .strategy import Choice, Strategy, Unfit

# Seconds of processor time, from below: see ``orbits``.
#: Per problem, per multiply-add, and of solving in the coordinates that orbits leave.
BASE, FLOP, SHRINK_BASE = 7e-4, 1.4e-10, 8e-3


def dense(C, *, tol=None, memory_budget=DEFAULT_BUDGET):
    """Orthonormal basis of ``{v : C v = 0}`` through an SVD of the matrix of C.

    Parameters
    ----------
    C : operator of shape (n_rows, m)
        scipy LinearOperator protocol; real or complex, single or double precision.
    tol : float, optional
        Singular values up to ``tol·σ_max`` are zero. Default ``10·√m·eps``, or twice what
        C is known to.
    memory_budget : int
        Bytes allowed for the matrix of C (the decomposition takes about three times as much).

    Returns
    -------
    NullspaceSolution

    Raises
    ------
    ValueError
        If the matrix of C would exceed the budget.
    ConvergenceError
        If no gap of 1e3 separates zero from nonzero singular values.

    Notes
    -----
    The matrix is reduced by a QR of its rows when it is tall; CᴴC is never formed, so singular
    values are right to ``eps·σ_max``. Cost O(n_rows·m² + m³).
    """
    op = CountedOperator(C, "dense")
    n_bytes = op.n_rows * op.m * op.dtype.itemsize
    if n_bytes > memory_budget:
        raise BudgetError(
            f"dense: C of shape ({op.n_rows}, {op.m}), {op.dtype}, needs {mib(n_bytes)} as a matrix, "
            f"more than memory_budget = {mib(memory_budget)}. Use lanczos, or raise memory_budget."
        )
    if tol is None:
        tol = max(10 * max(op.m, 100) ** 0.5 * op.eps, 2 * op.accuracy)
    matrix = _materialise(op)
    if op.n_rows > op.m:
        # Same singular values and right vectors, at most m rows.
        matrix = scipy.linalg.qr(matrix, mode="r", overwrite_a=True, check_finite=False)[0]
        matrix = matrix[: op.m]
    sigma, V = _right_singular(matrix)
    norm = max(float(sigma[-1]), op.scale) if len(sigma) else 0.0
    rank = split_rank(sigma, norm, tol, op.accuracy, "dense") if norm else op.m
    gap = sigma[rank] / norm if rank < op.m else np.inf
    if op.accuracy > op.eps:
        require_known("dense", op.accuracy, gap, rank)
    Q = np.ascontiguousarray(V[:, :rank])
    return certified(op, Q, norm=norm, gap=gap, tol=tol, strategies=("dense",))


def solved_at_once(op, norm, tol, small, memory_budget):
    """The solution where nothing but rounding is left of C, or where C is small enough for an SVD; else None.

    Parameters
    ----------
    op : CountedOperator
    norm : float; of C
    tol : float; singular values up to ``tol·‖C‖`` are zero
    small : int; coordinates up to which C is decomposed
    memory_budget : int, bytes for a basis of the whole space
    """
    if norm <= tol * op.scale:
        n_bytes = op.m**2 * op.dtype.itemsize
        if n_bytes > memory_budget:
            raise BudgetError(
                f"{op.caller}: every vector is null, and a basis of shape ({op.m}, {op.m}) takes {mib(n_bytes)}, more "
                f"than memory_budget = {mib(memory_budget)}. Raise it."
            )
        Q = np.eye(op.m, dtype=op.dtype)
        return certified(op, Q, norm=op.scale, gap=np.inf, tol=tol, strategies=(op.caller,))
    if op.m > small:
        return None
    found = dense(op.C, tol=tol)
    n_matvecs = op.n_matvecs + found.n_matvecs
    return replace(found, strategies=(op.caller, *found.strategies), n_matvecs=n_matvecs)


def _right_singular(matrix):
    """Ascending singular values, padded with zeros to m, and right vectors as columns (m, m)."""
    m = matrix.shape[1]
    if not matrix.any():
        return np.zeros(m, matrix.real.dtype), np.eye(m, dtype=matrix.dtype)
    _, s, Vh = svd(matrix)
    sigma = np.zeros(m, s.dtype)
    sigma[: len(s)] = s
    return sigma[::-1], Vh.conj().T[:, ::-1]


def _materialise(op, width=256):
    """The matrix of C, (n_rows, m), from its action on blocks of the identity."""
    matrix = np.zeros((op.n_rows, op.m), dtype=op.dtype, order="F")
    if op.n_rows == 0:
        return matrix
    for part in chunks(op.m, width):
        matrix[:, part] = op.apply(unit_columns(op.m, part, op.dtype))
    return matrix


def propose(problem):
    """Whether the matrix of C fits the memory, and what decomposing it would take."""
    C = problem.C
    n_rows, m = C.shape
    n_bytes = float(np.dtype(C.dtype).itemsize) * (2 * n_rows * m + m**2)
    if n_bytes > problem.memory_budget:
        return Unfit("dense", f"it would take {mib(n_bytes)}")
    blurred = blur(C, _blurring(C))
    if blurred and problem.has_better:
        return Unfit("dense", blurred)
    base = BASE if isinstance(C, TensorConstraint) else SHRINK_BASE
    return Choice(
        "dense",
        "it is small enough for a singular value decomposition",
        base + FLOP * (2 * n_rows * m**2 + 12 * m**3),
        n_bytes,
        lambda options: _solve(C, options),
    )


def _blurring(C):
    """The share of ‖C‖ below which singular values may be rounding."""
    return 10 * max(C.shape) * np.finfo(np.float64).eps


def _solve(C, options):
    require_sharp("dense", C, _blurring(C) if options.tol is None else options.tol)
    return dense(C, tol=options.tol, memory_budget=options.memory_budget)


DENSE = Strategy("dense", _solve, propose)
