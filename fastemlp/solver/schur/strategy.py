"""The ``schur`` strategy: a TensorConstraint as the intertwiners between its two halves."""

from __future__ import annotations

import math

import numpy as np

from fastemlp.isometries import SchurIsometry
from fastemlp.operators import KroneckerProduct

from ..balance import balance
from ..certify import certified
from ..counted import CountedOperator, estimate_norm
from ..solution import CertificationError, NullspaceSolution, Status
from .catalogue import Catalogue
from .symmetry import NotReductive, symmetry, with_duals
from .word import decompose

#: Random draws that are tried before giving up.
ATTEMPTS = 3


def schur(C, *, tol=None, memory_budget=2**30, random_state=0, verbose=0):
    """Basis of the symmetric vectors of a tensor type from the irreducibles of its two halves.

    Parameters
    ----------
    C : TensorConstraint
    tol : float, optional; largest residual and orthogonality defect allowed, default 1e-11
    memory_budget : int
        Bytes; the largest product ``λ ⊗ x`` has to be held a dozen times.
    random_state : int, seeds the random group elements
    verbose : int, unused

    Returns
    -------
    NullspaceSolution
        With Q a SchurIsometry. ``residual`` and ``orthogonality`` bound those of Q by the sum over the stages,
        and are found without a vector of length m.

    Raises
    ------
    NotReductive
        If the generators are not closed under the adjoint, in whatever coordinates.
    ValueError
        If a conjugated group's basis, which has to be written out, exceeds the budget.
    CertificationError
        If three random draws fail their check.

    Notes
    -----
    The vectors of ``L ⊗ R`` that a group fixes are its intertwiners ``R* → L``, and by Schur's lemma these pair
    equal irreducibles of L and R*. Both words are taken apart letter by letter, so that only an irreducible times a
    letter is ever diagonalised: cost O(Σ (d_λ·d_x)³) over the distinct irreducibles, whatever m is. A group that is
    a conjugate of one closed under the adjoint is solved in balanced coordinates and carried back as a dense array.
    """
    tol = 1e-11 if tol is None else tol
    factors, balanced = _reductive_form(C)
    if factors is not None:
        inner = schur(balanced, tol=tol, memory_budget=memory_budget, random_state=random_state)
        return _sheared(C, factors, inner, tol, memory_budget)
    best = None
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([random_state, attempt])
        try:
            solution = _solve(C, rng, memory_budget)
        except CertificationError as error:
            failure = error
            continue
        if best is None or _defect(solution) < _defect(best):
            best = solution
        if _defect(best) <= tol:
            return best
    if best is None:
        raise failure
    raise CertificationError(
        f"schur: expected residual and orthogonality ≤ {tol:.1e}, got {best.residual:.1e} and "
        f"{best.orthogonality:.1e} at best in {ATTEMPTS} random draws. Use lanczos.",
        status=Status.BAD_RESIDUAL,
        solution=best,
    )


def _solve(C, rng, memory_budget):
    lie, discrete, dual, dims = with_duals(C)
    group = symmetry(lie, discrete, dims, C.dtype.kind == "c", rng)
    catalogue = Catalogue(group, rng)
    cut = middle([C.dims[a] for a in C.slots])
    left, found = decompose(catalogue, C.slots[:cut])
    right, also = decompose(catalogue, [dual[a] for a in C.slots[cut:]])
    if C.dtype.kind == "c":
        # W = E_q E_pᴴ: its columns carry the conjugates of the copies
        right = right.map(np.conj)
    shared = sorted(set(left.multiplicities()[-1]) & set(right.multiplicities()[-1]))
    units = {mu: catalogue.irreducibles[mu].commutant for mu in shared}
    return NullspaceSolution(
        Q=SchurIsometry(left, right, units),
        residual=_accumulated(left, found, "residual") + _accumulated(right, also, "residual"),
        gap=catalogue.gap,
        orthogonality=_accumulated(left, found, "orthogonality")
        + _accumulated(right, also, "orthogonality"),
        norm=1.0,
        n_matvecs=0,
        strategy="schur",
    )


def reductive(C):
    """Tell whether ``schur`` fits a TensorConstraint: "" or, for a conjugated group, " in balanced coordinates".

    Raises
    ------
    NotReductive
        If it does not fit.
    """
    factors, _ = _reductive_form(C)
    return "" if factors is None else " in balanced coordinates"


def _reductive_form(C):
    """(None, C), or the factors and the constraint of balanced coordinates; NotReductive if neither fits."""
    lie, discrete, _, dims = with_duals(C)
    rng = np.random.default_rng(0)
    try:
        symmetry(lie, discrete, dims, C.dtype.kind == "c", rng)
        return None, C
    except NotReductive:
        factors, balanced = balance(C)
        lie, discrete, _, dims = with_duals(balanced)
        symmetry(lie, discrete, dims, C.dtype.kind == "c", rng)
        return factors, balanced


def _sheared(C, factors, inner, tol, memory_budget):
    """Carry a solution y in balanced coordinates back to ``x = (⊗S) y``, orthonormalised and certified against C."""
    m, rank = inner.Q.shape
    n_bytes = 3 * m * rank * C.dtype.itemsize
    if n_bytes > memory_budget:
        raise ValueError(
            f"schur: the basis of a conjugated group, of shape ({m}, {rank}), needs {n_bytes / 2**20:,.0f} MiB, more "
            f"than memory_budget = {memory_budget / 2**20:,.0f} MiB."
        )
    shear = KroneckerProduct([factors[a] for a in C.slots], [C.dims[a] for a in C.slots])
    op = CountedOperator(C, "schur")
    Q = np.linalg.qr(shear.matmat(inner.Q.to_dense()))[0]
    norm = estimate_norm(op, np.random.default_rng(0)) if op.n_rows else 0.0
    return certified(
        op, Q, norm=norm, gap=inner.gap, tol=tol, strategy="schur (in balanced coordinates)"
    )


def middle(sizes):
    """Where to cut a word so that the larger part is smallest."""
    return min(
        range(len(sizes) + 1),
        key=lambda s: max(math.prod(sizes[:s]), math.prod(sizes[s:])),
    )


def _accumulated(chain, splittings, name):
    """The sum over the letters of the worst splitting of each."""
    return float(sum(max(getattr(splittings[f], name) for _, f in stage) for stage in chain.stages))


def _defect(solution):
    return max(solution.residual, solution.orthogonality)
