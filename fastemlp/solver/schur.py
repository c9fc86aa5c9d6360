"""The ``schur`` strategy: a TensorConstraint as the intertwiners between its two halves."""

from __future__ import annotations

import math
from numbers import Integral

import numpy as np

from fastemlp._budget import DEFAULT_BUDGET
from fastemlp.exceptions import CertificationError, NotReductive, Status
from fastemlp.irreducibles import (
    Catalogue,
    Postponed,
    SchurIsometry,
    count_traces,
    decompose,
)
from fastemlp.irreducibles.check import given_residual, pairing_residual
from fastemlp.irreducibles.gap import probed_gap, spectral_gap
from fastemlp.irreducibles.reductive import reductive_form
from fastemlp.operators import TensorConstraint

from .certify import (
    bounded_angle,
    require_angle,
    require_clear,
)
from .counted_operator import CountedOperator
from .forecast import forecast
from .reductions.balance import carried_bytes, lifted
from .solution import NullspaceSolution
from .strategy import Choice, Strategy, Unfit

# Seconds of processor time, from below: see ``orbits``.
#: Per problem, per Lie algebra generator, and per irreducible times factor.
BASE, LIE_STEP, SPLIT_STEP = 3.5e-3, 1e-4, 3.5e-4
#: Per entry of a product λ ⊗ x of size n and Lie algebra generator, up to so many and five more; per n³.
SPLIT_ENTRY, MOST, SPLIT_FLOP = 8e-9, 20, 1.5e-10
#: Without a Lie algebra, where random elements have to split products: per irreducible, and per n³.
FINITE_SPLIT_STEP, FINITE_SPLIT_FLOP = 3e-4, 2.5e-8
#: Per multiply-add of a QR, and of closing a Lie algebra.
FACTOR_FLOP, CLOSE_FLOP = 2.5e-10, 1e-10
#: Of balancing: per problem and per entry of a generator. Times that schur solves in balanced coordinates.
BALANCE_BASE, BALANCE_STEP, REPEATED = 5e-3, 3e-5, 1.7

#: Multiply-adds that a proposal may spend on a look at the generators; what takes more belongs to the solve.
PLANNED_WORK = 10**7
#: The size of the largest irreducible in few factors over that of the word.
SHARES = (1.0, 0.55, 0.45, 0.3)
#: Matrices of the size of a product λ ⊗ x that are held at a time, at most.
AT_MOST = 13
#: Dense copies of a Lie algebra.
LIE_COPIES = 7
#: Random draws that are tried before giving up.
ATTEMPTS = 6


def schur(C, *, tol=None, memory_budget=DEFAULT_BUDGET, random_state=0, form=None):
    """Basis of the symmetric vectors of a tensor type from the irreducibles of its two halves.

    Parameters
    ----------
    C : TensorConstraint
    tol : float, optional; largest residual and orthogonality defect allowed, default 1e-11
    memory_budget : int
        Bytes; the largest product ``λ ⊗ x`` has to be held a dozen times.
    random_state : int, seeds the random group elements
    form : ReductiveForm, optional; ``reductive_form(C)`` where it is known already

    Returns
    -------
    NullspaceSolution
        With Q a SchurIsometry. ``residual`` and ``orthogonality`` bound those of Q by the sum over the stages,
        and are found without a vector of length m: for the generators as given, and for the probes that stood in
        for them.

    Raises
    ------
    NotReductive
        If the generators are not closed under the adjoint, in whatever coordinates.
    CertificationError
        If six random draws fail their check.
    ValueError
        If C is not a TensorConstraint, or the budget is too small.

    Notes
    -----
    The vectors of ``L ⊗ R`` that a group fixes are its intertwiners ``R* → L``, and by Schur's lemma these pair
    equal irreducibles of L and R*. Both words are taken apart factor by factor, so that only an irreducible times a
    factor is ever diagonalised: cost O(Σ (d_λ·d_x)³) over the distinct irreducibles, whatever m is. A group that is
    a conjugate of one closed under the adjoint is solved in balanced coordinates and carried back as a dense array.
    """
    if not isinstance(C, TensorConstraint):
        raise ValueError(
            f"schur: expected the TensorConstraint of one tensor type, got {type(C).__name__}. Use lanczos."
        )
    tol = max(1e-11, 10 * C.accuracy) if tol is None else tol
    form = reductive_form(C) if form is None else form
    best = failure = None
    for attempt in range(ATTEMPTS):
        rng = _generator(random_state, attempt)
        try:
            solution = _solve(form, rng, memory_budget)
        except CertificationError as error:
            failure = error
            continue
        if best is None or _defect(solution) < _defect(best):
            best = solution
        # another draw is cheap beside what a result that just passes may cost later
        if _defect(best) <= (tol if attempt else 0.1 * tol):
            break
    if best is None:
        raise failure
    # written so that a NaN fails
    if not _defect(best) <= tol:
        raise CertificationError(
            f"schur: expected residual and orthogonality ≤ {tol:.1e}, got {best.residual:.1e} and "
            f"{best.orthogonality:.1e} at best in {ATTEMPTS} random draws. Use lanczos.",
            status=Status.BAD_RESIDUAL,
            solution=best,
        )
    if form.factors is None:
        op = CountedOperator(C, "schur")
        require_clear(op, best.gap)
        require_angle(op, best, tol)
        return best
    return lifted(
        C, form, best, tol, memory_budget, lambda form, rng: _solve(form, rng, memory_budget)
    )


def _generator(random_state, attempt):
    """Another numpy Generator for every attempt: the same for the same int, fresh for None."""
    if isinstance(random_state, Integral):
        return np.random.default_rng([random_state, attempt])
    return np.random.default_rng(random_state)


def _solve(form, rng, memory_budget):
    """The solution in the coordinates of the form."""
    C, group = form.C, form.group
    symmetry = group.draw(rng)
    catalogue = Catalogue(symmetry, rng, memory_budget)
    cut = middle([C.dims[a] for a in C.slots])
    left, found = decompose(catalogue, C.slots[:cut])
    duals = [group.dual[a] for a in C.slots[cut:]]
    right, also = decompose(catalogue, duals)
    given, images = given_residual(
        group.lie, group.discrete, [(left, C.slots[:cut]), (right, duals)]
    )
    if symmetry.is_complex:
        # W = E_q E_pᴴ: its columns carry the conjugates of the copies
        right = right.map(np.conj)
    shared = sorted(set(left.multiplicities()[-1]) & set(right.multiplicities()[-1]))
    units = {mu: catalogue.irreducibles[mu].commutant for mu in shared}
    given += pairing_residual(images, units)
    both = ((left, found), (right, also))
    residual = max(sum(_accumulated(*side, "residual") for side in both), given)
    discrete = images[len(images) - len(group.discrete) :]
    present = (chain.multiplicities()[-1] for chain in (left, right))
    present = [list(p) for p in present]
    gap = known = spectral_gap(C.bound, group, symmetry, catalogue, *present, discrete)
    if any(
        np.abs(h @ h.conj().T - np.eye(len(h))).max() > 1e-6 for hs in group.discrete for h in hs
    ):
        # residuals are relative to what stands in for the generators, and those may be very large
        known = probed_gap(symmetry, catalogue, *present)
    return NullspaceSolution(
        Q=SchurIsometry(left, right, units),
        residual=residual,
        gap=gap,
        orthogonality=sum(_accumulated(*side, "orthogonality") for side in both),
        norm=1.0,
        strategies=("schur",),
        angle=bounded_angle(residual, known) if shared else 0.0,
        accuracy=C.accuracy,
        separation=catalogue.gap,
    )


def middle(sizes):
    """Where to cut a word so that the larger part is smallest."""
    return min(
        range(len(sizes) + 1),
        key=lambda s: max(math.prod(sizes[:s]), math.prod(sizes[s:])),
    )


def _accumulated(chain, splittings, name):
    """The sum over the factors of the worst splitting of each."""
    return float(sum(max(getattr(splittings[f], name) for _, f in stage) for stage in chain.stages))


def _defect(solution):
    return max(solution.residual, solution.orthogonality)


def propose(problem):
    """Whether the generators are closed under the adjoint in some coordinates, and what taking words apart takes."""
    C, form, work = problem.C, None, 0.0
    if not problem.is_tensor:
        return Unfit("schur", "this is not one tensor type")
    reason = "the generators are closed under the adjoint"
    try:
        form = reductive_form(C, PLANNED_WORK)
    except NotReductive as error:
        return Unfit("schur", str(error))
    except Postponed as error:
        work = error.work
        reason = "the generators may be closed under the adjoint, which takes long to see"
    problem.is_reductive = form is not None
    seconds, n_bytes = _cost(C, form, problem.elements)
    is_balanced = form is not None and form.factors is not None
    if is_balanced:
        reason += " in balanced coordinates"
        m = C.shape[1]
        rank, _ = forecast(C, problem.elements)
        # other roundings of a Lie algebra are often solved for as well
        seconds *= REPEATED if C.lie else 1
        # carried back as a dense array, and made orthonormal
        entries = (len(C.lie) + len(C.discrete)) * sum(d * d for d in C.dims)
        seconds += BALANCE_BASE + BALANCE_STEP * entries + m * rank**2 * FACTOR_FLOP
        n_bytes += carried_bytes(m, rank, C.dtype)
    return Choice(
        "schur",
        reason,
        seconds + work * CLOSE_FLOP,
        n_bytes,
        lambda options: _run(C, options, form),
        # far from balanced coordinates singular values are tiny; only the balanced ones show the rank
        leads=is_balanced,
        is_sure=form is not None,
        # its doubts are about eigenvalues of group elements that it drew
        is_random=True,
    )


def _cost(C, form, elements):
    """Seconds and bytes of a solve in the coordinates of the form."""
    D = len(C.lie)
    seconds = BASE + LIE_STEP * D
    held = largest_product = 0.0
    for j, word, d in _splittings(C, form):
        # close to the largest irreducible of a classical group in j factors
        share = SHARES[j] if j < len(SHARES) else 0.55 / math.sqrt(math.factorial(j))
        largest = max(1.0, share * math.prod(word))
        kinds = _partitions(j, max(word, default=1))
        if elements is None:
            n = largest * d
            entries, flop = (
                ((min(D, MOST) + 5) * n**2, SPLIT_FLOP) if D else (0.0, FINITE_SPLIT_FLOP)
            )
            seconds += kinds * (SPLIT_STEP + SPLIT_ENTRY * entries + flop * n**3)
        else:
            # the squares of the sizes of all irreducibles add up to the order, twice that over the reals
            order = len(elements[0])
            n, kinds = min(largest, math.sqrt(2 * order)) * d, min(kinds, order)
        held += kinds * 8 * n**2
        largest_product = max(largest_product, 8 * n**2)
    if elements is not None:
        # every irreducible is split once, however long the word
        seconds += FINITE_SPLIT_STEP * count_traces(elements)
    n_bytes = held + AT_MOST * largest_product + LIE_COPIES * 8 * D * sum(d * d for d in C.dims)
    return seconds, n_bytes


def _splittings(C, form):
    """What schur takes apart, each once: (number of factors before, their sizes, size of the factor)."""
    cut = middle([C.dims[a] for a in C.slots])
    right = C.slots[cut:] if form is None else [form.group.dual[a] for a in C.slots[cut:]]
    dims, seen = (C.dims if form is None else form.group.dims), set()
    for word in (C.slots[:cut], right):
        for j, a in enumerate(word):
            key = tuple(sorted(word[:j])), a
            if key not in seen:
                seen.add(key)
                yield j, [dims[b] for b in word[:j]], dims[a]


def _partitions(n, d):
    """How many partitions of n have at most d parts: the irreducibles in n factors of size d, at most about."""
    counts = [1] + [0] * n
    for part in range(1, min(n, d) + 1):
        for total in range(part, n + 1):
            counts[total] += counts[total - part]
    return counts[n]


def _run(C, options, form=None):
    return schur(
        C,
        tol=options.tol,
        memory_budget=options.memory_budget,
        random_state=options.random_state,
        form=form,
    )


SCHUR = Strategy("schur", _run, propose)
