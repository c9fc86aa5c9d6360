"""The whole nullspace of any constraint: balance it, project random vectors, and fall back where that is slow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastemlp._arrays import chunks
from fastemlp._budget import DEFAULT_BUDGET, mib
from fastemlp._progress import progress_bar
from fastemlp.exceptions import ConvergenceError
from fastemlp.irreducibles import balance, change_of_coordinates, normalise
from fastemlp.operators import PAIR_TERMS, TensorConstraint

from ..certify import (
    LARGEST_ANGLE,
    blur,
    bounded_angle,
    certified,
    require_angle,
    require_clear,
    require_known,
    require_sharp,
)
from ..counted_operator import CountedOperator, estimate_norm
from ..dense import solved_at_once
from ..orthonormal import orthonormalise
from ..polish import polish
from ..reductions.balance import carried
from ..strategy import Choice, Strategy, Unfit
from .block_lanczos import block_lanczos
from .conjugate import SlowError
from .projection import BLOCK, FIRST_BLOCK, Projector, Search

# Seconds of processor time, from below: see ``orbits``.
#: Per problem, and per multiply-add of a product with C.
BASE, PRODUCT_FLOP = 2e-2, 2.2e-10
#: Per product of entries in a Casimir operator, and its bytes.
PAIR_STEP, PAIR_BYTES = 1.5e-8, 16
#: Steps that a Casimir operator takes, and products without a clear gap.
FEWEST_STEPS, STEPS = 15, 40
#: Blocks of columns that are held beside two copies of the basis.
BLOCKS = 6.0

#: Up to this size a singular value decomposition is as quick as anything.
SMALL = 48
#: Singular values up to this share of ‖C‖ are zero, in double and in single precision.
DOUBLE, SINGLE = 1e-11, 1e-4
#: Residuals up to this share of the tolerance are left as they are.
SHARP = 0.01


def lanczos(C, *, tol=None, mixed=True, memory_budget=DEFAULT_BUDGET, random_state=0, verbose=0):
    """Orthonormal basis of ``{v : C v = 0}`` from products with C and Cᴴ alone.

    Parameters
    ----------
    C : operator of shape (n_rows, m)
        scipy LinearOperator protocol; ``C.normal_matmat(X)``, if it exists, gives ``CᴴC X``. A TensorConstraint is
        balanced first, see ``balance``.
    tol : float, optional
        Singular values up to ``tol·‖C‖`` are zero. Default 1e-11 in double, 1e-4 in single precision.
    mixed : bool
        Iterate in single precision, with residuals in double, where that saves time and C computes in the precision
        of what it is given. The accuracy is the same.
    memory_budget : int
        Bytes for the basis, m·r numbers. What is needed on top is at most the same again.
    random_state : int, numpy Generator or None
        Seeds the random vectors; the same seed gives the same bits.
    verbose : int
        1 shows a progress bar when it takes more than a second.

    Returns
    -------
    NullspaceSolution
        ``residual`` refers to C itself; ``gap`` to C in balanced coordinates where ``strategies`` begin with "balance".

    Raises
    ------
    ValueError
        If the basis exceeds the memory budget, as soon as a first estimate of its dimension shows it.
    ConvergenceError, CertificationError
        If the answer cannot be vouched for; see ``block_lanczos``.

    Notes
    -----
    The null component of a random vector is ``x − N⁺N x`` with ``N = CᴴC``, found by conjugate gradients: without
    reorthogonalisation, in as many steps as N has distinct eigenvalues, a dozen for a Casimir operator. Random blocks
    are projected until one has fewer independent columns than it has columns, and made orthonormal; at the end a
    fresh random block must have no null component outside the basis. Singular values that are tiny but not zero show
    in ``‖C Q‖``; those and slow convergence are left to ``block_lanczos``. Cost r·steps products with CᴴC and 4·m·r²
    flops.
    """
    op = CountedOperator(C, "lanczos")
    rng = np.random.default_rng(random_state)
    if memory_budget < 1:
        raise ValueError(f"lanczos: expected memory_budget ≥ 1, got {memory_budget}.")
    if tol is None:
        tol = max(DOUBLE if op.eps < 1e-10 else SINGLE, 10 * op.accuracy)
    norm = estimate_norm(op, rng, n_iter=8) if op.n_rows and op.m else 0.0
    solution = solved_at_once(op, norm, tol, SMALL, memory_budget)
    if solution is not None:
        return solution
    found = _solve(C, tol, mixed, memory_budget, rng, verbose)
    solution = certified(
        op,
        found.Q,
        norm=norm,
        gap=found.gap,
        tol=tol,
        strategies=found.strategies,
        n_steps=found.n_steps,
        n_restarts=found.n_restarts,
        angle=found.angle,
    )
    solution = replace(
        solution,
        completeness=found.completeness,
        angle=max(solution.angle, found.missed),
        n_matvecs=op.n_matvecs + found.n_matvecs,
    )
    require_angle(op, solution, tol)
    return solution


@dataclass
class _Found:
    """A basis with what is known about it.

    ``missed`` is the completeness where it was taken down to roundoff, and so shows the angle of the span; block
    Lanczos stops where it shows that no direction is missed. ``n_matvecs`` is what other operators spent.
    """

    Q: np.ndarray
    gap: float
    strategies: tuple
    n_steps: int
    n_restarts: int
    completeness: float
    missed: float = 0.0
    angle: float | None = None
    n_matvecs: int = 0


def _solve(C, tol, *options):
    """Solve in balanced coordinates where there are any, and as they are where those show less."""
    if not isinstance(C, TensorConstraint):
        return _as_given(CountedOperator(C, "lanczos"), tol, *options)
    factors, balanced = balance(C)
    inner = CountedOperator(balanced, "lanczos")
    if factors is None:
        return _as_given(inner, tol, *options)
    op = CountedOperator(normalise(C), "lanczos")
    try:
        return _balanced(inner, op, factors, tol, *options)
    except ConvergenceError as error:
        # coordinates that tame one generator may blow up another
        try:
            return _as_given(op, tol, *options)
        except ConvergenceError:
            raise error from None


def _as_given(op, tol, *options):
    found, _ = _project(op, tol, *options)
    return replace(found, n_matvecs=found.n_matvecs + op.n_matvecs)


def _balanced(inner, op, factors, tol, mixed, memory_budget, rng, verbose):
    """The nullspace of ``inner``, carried back to that of ``op``, and sharpened as far as it goes."""
    found, projector = _project(inner, tol, mixed, memory_budget, rng, verbose)
    rank, word = found.Q.shape[1], op.C.slots
    if inner.accuracy > op.C.accuracy:
        # also where nothing is found: errors may have made all of it nonzero
        require_clear(inner, found.gap)
        require_known(inner.caller, inner.accuracy, found.gap, rank, " in balanced coordinates")
    there = bounded_angle(_norms(inner, found.Q)[1] / estimate_norm(inner, rng, 8), found.gap)
    there += inner.accuracy / found.gap if rank else 0.0
    Q, angle = carried(factors, word, found.Q, there)
    # errors of the worst direction are far from those that happen: then what is known there stands for an estimate
    angle = angle if angle <= LARGEST_ANGLE else there
    norm = estimate_norm(op, rng, 8)
    residual = _norms(op, Q)[0] / norm
    if residual > SHARP * tol and projector is not None:
        # in balanced coordinates again, where a small error of these combinations shows
        shear, back = change_of_coordinates(factors, word)
        for part in chunks(rank, BLOCK):
            Y = back.matmat(Q[:, part])
            lengths = np.linalg.norm(Y, axis=0)
            Q[:, part] = shear.matmat(projector.refine(Y / lengths, strict=True) * lengths)
        Q = orthonormalise(Q)
        residual = _norms(op, Q)[0] / norm
    if residual > 5 * SHARP * tol:
        Q = _sharpened(op, Q, SHARP * tol * norm)
    n_matvecs = found.n_matvecs + inner.n_matvecs + op.n_matvecs
    strategies = ("balance", *found.strategies)
    return replace(found, Q=Q, strategies=strategies, angle=angle, n_matvecs=n_matvecs)


def _sharpened(op, Q, target):
    """Q with the columns of larger residual than target polished, a block at a time."""
    norms = np.concatenate([_column_norms(op, Q[:, part]) for part in chunks(Q.shape[1], BLOCK)])
    dull = np.flatnonzero(norms > target)
    for part in chunks(len(dull), BLOCK):
        Q[:, dull[part]] = polish(op, Q[:, dull[part]], 0.3 * target)
    return orthonormalise(Q)


def _project(op, tol, mixed, memory_budget, rng, verbose):
    """By projection of random vectors, or by block Lanczos where that is slow or finds tiny singular values.

    Returns
    -------
    found : _Found
    projector : Projector, or None after block Lanczos
    """
    projector = Projector(op, tol, mixed)
    try:
        return _projected(projector, tol, memory_budget, rng, verbose), projector
    except SlowError:
        pass
    found = block_lanczos(
        op.C, tol=tol, memory_budget=memory_budget, random_state=rng, verbose=verbose
    )
    return _Found(
        found.Q.to_dense().copy(),
        found.gap,
        ("lanczos", *found.strategies),
        found.n_steps,
        found.n_restarts,
        found.completeness,
        n_matvecs=found.n_matvecs,
    ), None


def _projected(projector, tol, memory_budget, rng, verbose):
    """By projection alone; SlowError where singular values are tiny."""
    op = projector.op
    max_rank = memory_budget // (op.m * op.dtype.itemsize)
    with progress_bar(shown=verbose, delay=1, unit=" vectors", desc="lanczos") as bar:
        Q, missed = Search(projector, rng, max_rank, bar).nullspace()
    spectrum = projector.spectrum
    norm, gap = np.sqrt(spectrum.highest), np.sqrt(spectrum.lowest / spectrum.highest)
    largest, frobenius = _norms(op, Q)
    # a small gap turns a residual into a larger angle
    sharp = SHARP * tol * norm * (1.0 if gap > 1e-2 else 0.2)
    if frobenius <= tol * norm and largest > sharp:
        Q = _sharpened(op, Q, sharp)
        _, frobenius = _norms(op, Q)
    # the whole span is to be null: no combination of these columns may hide a small singular value
    if frobenius > tol * norm:
        raise SlowError
    return _Found(Q, gap, ("lanczos",), projector.n_steps, 0, missed, missed)


def _norms(op, Q):
    """The largest ``‖C q‖`` over the columns, and ``‖C Q‖`` in the Frobenius norm."""
    norms = [_column_norms(op, Q[:, part]) for part in chunks(Q.shape[1], BLOCK)]
    norms = np.concatenate([np.zeros(1), *norms])
    return float(norms.max()), float(np.linalg.norm(norms))


def _column_norms(op, X):
    return np.linalg.norm(op.apply(X), axis=0)


def propose(problem):
    """What projecting random vectors would take; it always fits, if memory does."""
    C = problem.C
    n_rows, m = C.shape
    rank, gap, sure = problem.expected
    column = m * np.dtype(C.dtype).itemsize
    # a first block with its image; a basis that is clearly too large is not begun either
    needed = column * max(2.0 * min(FIRST_BLOCK, m), sure * rank)
    if needed > problem.memory_budget:
        return Unfit("lanczos", f"it would take at least {mib(needed)}")
    blurred = blur(C, DOUBLE)
    if blurred and problem.has_better:
        return Unfit("lanczos", blurred)
    steps = max(FEWEST_STEPS if problem.is_reductive else STEPS, min(2 / max(gap, 1e-12), m))
    columns = max(rank, min(FIRST_BLOCK, m))
    seconds = BASE + PRODUCT_FLOP * (
        columns * steps * max(20 * n_rows, _entries(C)) + 3.5 * rank**2 * m
    )
    n_bytes = max(needed, column * (2 * rank + BLOCKS * min(columns, BLOCK)))
    pairs = C.pair_terms if isinstance(C, TensorConstraint) else 0
    if pairs <= PAIR_TERMS:
        seconds += PAIR_STEP * pairs
        n_bytes = max(n_bytes, PAIR_BYTES * pairs)
    reason = "it needs products with C alone"
    return Choice(
        "lanczos", reason, seconds, n_bytes, lambda options: _run(C, options), stands_by=True
    )


def _entries(C):
    """Multiply-adds of one product with CᴴC, slot by slot; 0 where C does not show its generators."""
    if not isinstance(C, TensorConstraint):
        return 0.0
    matrices = [
        A[a].nnz / C.dims[a] for A in C.lie + C.discrete for a in C.slots if A[a] is not None
    ]
    return 2.0 * C.shape[1] * sum(matrices)


def _run(C, options):
    require_sharp("lanczos", C, DOUBLE if options.tol is None else options.tol)
    return lanczos(C, **vars(options))


LANCZOS = Strategy("lanczos", _run, propose)
