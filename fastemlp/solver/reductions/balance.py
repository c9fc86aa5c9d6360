"""A solution in balanced coordinates, carried back to those that the generators were given in."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from fastemlp._arrays import chunks, unit_columns
from fastemlp._budget import mib
from fastemlp.exceptions import BudgetError, CertificationError, NotReductive
from fastemlp.irreducibles import change_of_coordinates, stretch
from fastemlp.irreducibles.reductive import ROUNDOFF, reductive_form
from fastemlp.operators import EPS, TensorConstraint

from ..certify import LARGEST_ANGLE, carried_angle, certified, require_clear
from ..counted_operator import CountedOperator, estimate_norm

#: Arrays of the size of a basis, and of that of its triangular factor, that are held once it is carried from balanced
#: coordinates; columns that are carried at a time, and arrays of so many.
CARRIED, TRIANGLES, COLUMNS, BLOCKS = 2.1, 3, 128, 5
#: Roundings of the generators that are solved for to see how they turn the nullspace, and the margin on what is seen.
PERTURBED, SAFETY = 2, 10.0


def lifted(C, form, inner, tol, memory_budget, solve):
    """Carry a solution y in balanced coordinates back to ``x = (⊗S) y``, orthonormalised and certified against C.

    Parameters
    ----------
    C : TensorConstraint
    form : ReductiveForm of C, with factors
    inner : NullspaceSolution in its coordinates
    tol : float; residuals allowed
    memory_budget : int, bytes
    solve : callable (ReductiveForm, Generator) -> NullspaceSolution in its coordinates
        As ``inner`` was found, for generators that are rounded anew.
    """
    m, rank = inner.Q.shape
    n_bytes = carried_bytes(m, rank, C.dtype)
    if n_bytes > memory_budget:
        raise BudgetError(
            f"balance: the basis of a conjugated group, of shape ({m}, {rank}), needs {mib(n_bytes)}, more than "
            f"memory_budget = {mib(memory_budget)}."
        )
    op = CountedOperator(C, "schur in balanced coordinates")
    require_clear(op, inner.gap, form.seen)
    # what balancing lost of the generators turns the span there, as its own errors do
    there = inner.angle + (form.seen / inner.gap if rank else 0.0)
    Q, angle = carried(form.factors, C.slots, inner.Q, there)
    norm = estimate_norm(op, np.random.default_rng(0)) if op.n_rows else 0.0
    if angle > LARGEST_ANGLE and C.accuracy <= ROUNDOFF:
        # errors of the worst direction are far from those of rounding: see what these do
        angle = SAFETY * max(_turn(C, Q, seed, solve) for seed in range(PERTURBED))
    return certified(
        op,
        Q,
        norm=norm,
        gap=inner.gap,
        tol=tol,
        strategies=("balance", *inner.strategies),
        angle=min(angle, 1.0),
    )


def carried_bytes(m, rank, dtype):
    """What it takes to carry a basis from balanced coordinates."""
    before = m * (rank + BLOCKS * min(rank, COLUMNS))
    after = (CARRIED * m + TRIANGLES * rank) * rank
    return max(before, after) * np.dtype(dtype).itemsize


def carried(factors, word, Q, angle):
    """An orthonormal basis of ``(⊗S) Q``, written out, and a bound on its angle to a nullspace carried along.

    Parameters
    ----------
    factors, word : as for ``change_of_coordinates``
    Q : Isometry or ndarray, of shape (m, r)
    angle : float; a bound on that of Q in the coordinates that it comes from
    """
    shear, _ = change_of_coordinates(factors, word)
    rank, dtype = Q.shape[1], np.result_type(shear.dtype, Q.dtype)
    # in the order of LAPACK, which then works in place
    Y = np.empty(Q.shape, dtype, order="F")
    for part in chunks(rank, COLUMNS):
        is_dense = isinstance(Q, np.ndarray)
        X = Q[:, part] if is_dense else Q.matmat(unit_columns(rank, part, np.float64))
        Y[:, part] = shear.matmat(X)
    Y, R = scipy.linalg.qr(Y, overwrite_a=True, mode="economic", check_finite=False)
    return Y, carried_angle(angle, stretch(factors, word), R)


def _turn(C, Q, seed, solve):
    """The sine of the angle by which the nullspace turns when every entry of the generators is rounded anew."""
    rng = np.random.default_rng(seed)

    def rounded(B):
        if B is not None:
            B = B.copy()
            B.data = B.data * (1 + EPS * rng.uniform(-1, 1, B.data.shape))
        return B

    lie, discrete = ([list(map(rounded, g)) for g in gs] for gs in (C.lie, C.discrete))
    try:
        form = reductive_form(TensorConstraint(C.slots, C.dims, lie, discrete, C.accuracy))
        inner = solve(form, rng)
    except (NotReductive, CertificationError):
        return 1.0
    if form.factors is None or inner.rank != Q.shape[1]:
        return 1.0
    turned, _ = carried(form.factors, C.slots, inner.Q, 0.0)
    return float(np.linalg.norm(turned - Q @ (Q.conj().T @ turned), 2))
