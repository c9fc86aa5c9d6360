"""Whether a basis from elsewhere, a file say, is that of a constraint: all of it, and nothing else."""

from __future__ import annotations

import numpy as np

from fastemlp.exceptions import BudgetError, ConvergenceError
from fastemlp.irreducibles import SchurIsometry
from fastemlp.isometries import OrbitIsometry
from fastemlp.solver.krylov.conjugate import SlowError
from fastemlp.solver.krylov.projection import CERTIFICATE_BLOCK, MISSED, Projector

from .counted_operator import CountedOperator, random_block
from .orbits import orbits

#: Products with C and Q are taken up to this many coordinates.
CHECKED_SIZE = 2**20
#: Random vectors are projected on the nullspace up to this many; orbits are counted up to ``CHECKED_SIZE``.
PROBED_SIZE = 2**16
#: The same where solving takes less than projecting: ``schur`` never works on the whole space.
PROBED_FACTORS = 2**12
#: What a residual may be, relative to the norm of C.
RESIDUAL = 1e-8


def defect(C, Q, size_of_C):
    """What keeps Q from being an orthonormal basis of ``{v : C v = 0}``, or "".

    Parameters
    ----------
    C : TensorConstraint of shape (n, m)
    Q : Isometry
    size_of_C : float; a bound on ``‖C‖``

    Returns
    -------
    str

    Notes
    -----
    On random combinations: ``QᴴQ x = x`` finds columns that are doubled, repeated or scaled; ``C Q x`` those that are
    not fixed; both cost a product. Columns that are missing show in the null components of fresh random vectors, by
    conjugate gradients on four columns, or for orbits by counting them anew. Beyond ``PROBED_FACTORS`` coordinates the
    factors of a SchurIsometry must take both words apart wholly and leave out no irreducible that these share; whether
    a commutant is whole is then not looked at. Beyond ``PROBED_SIZE`` coordinates completeness is not looked at, beyond
    ``CHECKED_SIZE`` nothing is. What is not shown within the steps allowed counts as a defect.
    """
    m, rank = Q.shape
    if m != C.shape[1]:
        return f"it has {m:,} rows, expected {C.shape[1]:,}"
    if m > CHECKED_SIZE:
        return ""
    rng = np.random.default_rng(0)
    if rank:
        x = rng.standard_normal(rank)
        v = Q @ x
        length = np.linalg.norm(x)
        limit = 1e4 * np.finfo(Q.dtype).eps + m * np.finfo(np.float64).eps
        # written so that a NaN fails
        off = np.linalg.norm(Q.H @ v - x) / length
        if not off <= limit:
            return f"‖QᴴQ x − x‖ / ‖x‖ is {off:.1e}, expected at most {limit:.1e}"
        residual = np.linalg.norm(C @ v) / length
        if not residual <= RESIDUAL * max(1.0, size_of_C):
            return f"‖C Q x‖ / ‖x‖ is {residual:.1e}, expected at most {RESIDUAL * max(1.0, size_of_C):.1e}"
    if rank == m:
        return ""
    if isinstance(Q, OrbitIsometry):
        try:
            expected = orbits(C).rank
        except BudgetError:
            return ""
        except (ValueError, ConvergenceError):
            expected = None
        if expected is not None:
            return "" if rank == expected else f"it has {rank:,} columns, expected {expected:,}"
    if isinstance(Q, SchurIsometry) and m > PROBED_FACTORS and _takes_all_apart(Q):
        return ""
    return _missing(C, Q, rng, size_of_C) if m <= PROBED_SIZE else ""


def _takes_all_apart(Q):
    """Whether the factors of a SchurIsometry lose nothing of either word, and pair all that the two share."""
    shared = set.intersection(*(set(side.multiplicities()[-1]) for side in (Q.left, Q.right)))
    return shared <= set(Q.units) and _is_whole(Q.left) and _is_whole(Q.right)


def _is_whole(chain):
    square = all(f.U.shape[0] * f.U.shape[1] == f.U.shape[2] for f in chain.fusions)
    tiled = all(f.U.shape[2] == sum(d for _, d in f.targets) for f in chain.fusions)
    copies = chain.multiplicities()
    led = all(
        {index for index, _ in stage} >= set(before)
        for stage, before in zip(chain.stages, copies, strict=False)
    )
    return square and tiled and led


def _missing(C, Q, rng, size_of_C):
    """Whether null components of random vectors lie outside the span of Q."""
    op = CountedOperator(C, "recheck")
    X = random_block(rng, op.m, CERTIFICATE_BLOCK, op.dtype)
    try:
        Z = Projector(op, RESIDUAL, mixed=False).rough(X - Q @ (Q.H @ X))
    except (SlowError, ConvergenceError):
        return "its completeness was not shown within the steps allowed"
    Z = Z - Q @ (Q.H @ Z)
    left = np.linalg.norm(Z, axis=0).max()
    if left <= MISSED:
        return ""
    found = np.linalg.norm(C @ Z) / np.linalg.norm(Z)
    if found <= RESIDUAL * max(1.0, size_of_C):
        return f"columns are missing: {left:.1e} of a random null vector lies outside its span"
    return f"its completeness is not shown: a part of norm {left:.1e} is left of a random vector"
