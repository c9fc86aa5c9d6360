"""Nullspaces of sparse constraints with tiny gaps: preconditioned eigenvectors of CᴴC."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import scipy.sparse.linalg

from fastemlp._budget import DEFAULT_BUDGET, mib
from fastemlp._progress import progress_bar
from fastemlp.exceptions import BudgetError, ConvergenceError, Status
from fastemlp.operators import TensorConstraint

from ..certify import certified, require_angle, require_sharp
from ..counted_operator import CountedOperator, random_block
from ..dense import solved_at_once
from ..orthonormal import orthonormalise
from ..strategy import Choice, Strategy, Unfit, Unsuited
from .assembly import assemble, assembled_bytes, banded_inverse, banded_order, multigrid
from .conjugate import SlowError, Spectrum, least_norm_solution
from .projection import PreconditionedProjector, Search

# Seconds of processor time, from below: see ``orbits``.
#: Per problem and per coordinate.
BASE, STEP = 1e-2, 3e-5
#: Bytes of matrices that are probed in a proposal; larger ones are at the start of the solve, up to the second.
PLANNED_BYTES, ASSEMBLED_BYTES = 2**20, 2**28
#: Seconds from which an alternative to an exact strategy is looked for; coordinates up to which an SVD takes less time.
LONG, FEW = 0.1, 200

#: Up to this size C is decomposed as a dense matrix.
SMALL = 64
#: Singular values up to this share of ‖C‖ are zero.
TOL = 1e-11
#: Columns of the first block; it doubles while every Ritz value in it is zero.
FIRST_BLOCK, LARGEST_BLOCK = 8, 64
MAX_ITERATIONS = 40
#: Ritz values up to this share of ‖N‖ are zero, and residuals that end the search: the rest is for refinement.
ZERO, RESIDUAL = 1e-11, 1e-9
#: A banded factorisation takes width²·m flops and is worth it up to this many.
BANDED_FLOPS = 2e11
#: Conjugate gradients that take longer than this on CᴴC show a tiny gap.
PROBE_STEPS = 60


def lobpcg(C, *, tol=None, memory_budget=DEFAULT_BUDGET, random_state=0, verbose=0):
    """Orthonormal basis of ``{v : C v = 0}`` for a sparse C, through an approximate inverse of CᴴC.

    Parameters
    ----------
    C : TensorConstraint, or ``aslinearoperator`` of a sparse matrix
    tol : float, optional
        Singular values up to ``tol·‖C‖`` are zero; default 1e-11.
    memory_budget : int
        Bytes for the matrix and its preconditioner, and for the basis.
    random_state : int, numpy Generator or None
    verbose : int; 1 shows a progress bar when it takes more than a second

    Returns
    -------
    NullspaceSolution

    Raises
    ------
    ValueError
        If C is not sparse, or the matrix or the basis exceed the memory budget.
    ConvergenceError, CertificationError
        If the answer cannot be vouched for.

    Notes
    -----
    For long cyclic and screw symmetries, whose smallest singular values come down to a thousandth and less, where
    every strategy that works with products alone takes thousands of steps; ``suits`` tells. The preconditioner is a
    banded Cholesky factorisation of ``N + 1e-11 ‖N‖`` in reverse Cuthill-McKee order where it fits (the orbits of
    a few generators are long and narrow, so it nearly always does), or else a V-cycle of smoothed aggregation
    (pyamg) built on relaxed random vectors. Locally optimal block conjugate gradients (Knyazev 2001) find the lowest
    eigenvectors in growing blocks until one is clearly not null; preconditioned conjugate gradients sharpen them, and
    add what random vectors still have of null components until a fresh one has none.
    """
    op = CountedOperator(C, "lobpcg")
    rng = np.random.default_rng(random_state)
    tol = max(TOL, 10 * op.accuracy) if tol is None else tol
    A = assemble(C, memory_budget)
    if A is None or op.eps > 1e-10:
        raise BudgetError(
            f"lobpcg: expected a TensorConstraint or a sparse matrix in double precision that fits into memory_budget "
            f"= {mib(memory_budget)}, got {type(C).__name__} of shape {op.C.shape}, {op.dtype}. Use lanczos."
        )
    N = A.conj().T @ A
    square = float(scipy.sparse.linalg.norm(N, 1)) if N.nnz else 0.0
    if not np.isfinite(square):
        raise ConvergenceError(
            "lobpcg: C has NaN or infinite entries. Check the generators.", status=Status.NOT_FINITE
        )
    # in a small space blocks of vectors leave no room for the rest of the spectrum to be seen
    solution = solved_at_once(op, np.sqrt(square), tol, SMALL, memory_budget)
    if solution is not None:
        return solution
    inverse, how = _preconditioner(N, square, memory_budget, rng)
    max_rank = memory_budget // (op.m * op.dtype.itemsize)
    with progress_bar(shown=verbose, delay=1, unit=" vectors", desc="lobpcg") as bar:
        Z, spectrum, is_seen = _lowest(N, inverse, square, max_rank, rng, bar)
        projector = PreconditionedProjector(op, tol, inverse.matmat, spectrum)
        search = Search(projector, rng, max_rank, bar)
        try:
            search.start_with(Z)
            Q, completeness = search.nullspace()
        except SlowError:
            raise ConvergenceError(
                f"lobpcg: conjugate gradients with {how} did not converge; the smallest eigenvalue of CᴴC met is "
                f"{spectrum.lowest / square:.1e} of its norm. Use lanczos.",
                status=Status.MAX_STEPS,
            ) from None
    norm = float(np.sqrt(spectrum.highest))
    lowest = spectrum.lowest if is_seen else _lowest_outside(N, Q, inverse, square, rng)
    gap = np.sqrt(lowest) / norm
    solution = certified(
        op,
        Q,
        norm=norm,
        gap=gap,
        tol=tol,
        strategies=("lobpcg", how),
        n_steps=projector.n_steps,
    )
    solution = replace(solution, completeness=completeness, angle=max(solution.angle, completeness))
    require_angle(op, solution, tol)
    return solution


def suits(C, memory_budget=2**28):
    """Whether ``lobpcg`` is likely to beat ``lanczos`` on C; a bool.

    True if C can be assembled, a narrow banded factorisation of CᴴC exists, and conjugate gradients on two random
    vectors do not converge in 60 steps: the spectrum is then dense near zero. Cost at most 60 products with CᴴC.
    """
    n_rows, m = C.shape
    if not n_rows or not m or np.dtype(C.dtype).itemsize < 8:
        return False
    A = assemble(C, memory_budget)
    if A is None or not A.nnz or not np.isfinite(A.data).all():
        return False
    N = A.conj().T @ A
    _, width = banded_order(N)
    if not _fits(N, width, memory_budget):
        return False
    B = N @ random_block(np.random.default_rng(0), m, 2, N.dtype)
    try:
        least_norm_solution(lambda X: N @ X, B, 1e-8, PROBE_STEPS)
    except SlowError:
        return True
    return False


def _fits(N, width, memory_budget):
    m = N.shape[0]
    n_bytes = (width + 1) * m * N.dtype.itemsize
    return n_bytes <= memory_budget // 2 and float(width) ** 2 * m <= BANDED_FLOPS


def _preconditioner(N, square, memory_budget, rng):
    """An approximate inverse of N, and its name."""
    order, width = banded_order(N)
    if _fits(N, width, memory_budget):
        return banded_inverse(N, order, width, square), "banded Cholesky"
    return multigrid(N, rng), "smoothed aggregation"


def _lowest(N, inverse, square, max_rank, rng, bar):
    """Approximate null vectors, unit columns (m, k), and the Spectrum from the first Ritz value that is not zero.

    Also whether there was one: not where nearly everything is null.
    """
    m = N.shape[0]
    found = np.zeros((m, 0), N.dtype)
    lowest, width, is_seen = square, FIRST_BLOCK, False
    while found.shape[1] < min(max_rank, m // 5 - width):
        # one step of inverse iteration, so that nothing but the lowest eigenvectors is left to improve
        X = orthonormalise(inverse.matmat(random_block(rng, m, width, N.dtype)))
        theta, X = _ritz_vectors(N, X, inverse, found, square)
        null = theta <= ZERO * square
        bar.update(int(null.sum()))
        found = orthonormalise(np.hstack([found, X[:, null]]))
        if not null.all():
            lowest, is_seen = float(theta[~null].min()), True
            break
        width = min(2 * width, LARGEST_BLOCK)
    highest = scipy.sparse.linalg.eigsh(
        N, 1, tol=1e-2, v0=rng.standard_normal(m), return_eigenvectors=False
    )
    return found, Spectrum(lowest, float(highest[0])), is_seen


def _lowest_outside(N, Q, inverse, square, rng):
    """The lowest Ritz value outside a nullspace; inf where there is nothing outside."""
    if Q.shape[1] == len(Q):
        return np.inf
    X = random_block(rng, len(Q), 1, N.dtype)
    theta, _ = _ritz_vectors(N, orthonormalise(X - Q @ (Q.conj().T @ X)), inverse, Q, square)
    return max(float(theta.min()), 0.0)


def _ritz_vectors(N, X, inverse, found, square):
    """Ritz values and vectors of a block after a few steps of LOBPCG."""
    try:
        with warnings.catch_warnings():
            # it warns of accuracy not reached, which does not matter here
            warnings.simplefilter("ignore")
            return scipy.sparse.linalg.lobpcg(
                N,
                X,
                M=inverse,
                Y=found if found.shape[1] else None,
                tol=RESIDUAL * square,
                maxiter=MAX_ITERATIONS,
                largest=False,
            )
    except (ValueError, np.linalg.LinAlgError):
        # a block that has converged already breaks its Gram matrices: the Ritz vectors of X itself will do
        X = X - found @ (found.conj().T @ X)
        X = orthonormalise(X)
        theta, S = np.linalg.eigh(X.conj().T @ (N @ X))
        return theta, X @ S


def propose(problem):
    """Whether C may be sparse with tiny singular values, which a probe shows here if it is quick, else in the solve."""
    C, m = problem.C, problem.C.shape[1]
    if getattr(problem.whole, "lie", ()) or not isinstance(C, TensorConstraint):
        return Unfit("lobpcg", "it is for discrete generators alone, on all of the space")
    if problem.seconds <= LONG or m <= FEW:
        return Unfit("lobpcg", "others are quick")
    n_bytes = max(assembled_bytes(C), 800.0 * m)
    limit = min(ASSEMBLED_BYTES, problem.memory_budget)
    if n_bytes > limit:
        return Unfit("lobpcg", f"it would take {mib(n_bytes)}, of {mib(limit)} at most")
    is_sure = n_bytes <= PLANNED_BYTES
    if is_sure and not suits(C):
        return Unfit("lobpcg", "the singular values do not come down to zero")
    reason = "a sparse constraint, if a probe shows that its singular values come down to zero"
    if is_sure:
        reason = "a sparse constraint whose singular values come down to zero without a clear gap"

    def solve(options):
        if not is_sure and not suits(C):
            raise Unsuited
        return _run(C, options)

    # where nothing is exact, tiny gaps are for it
    leads = not problem.has_better
    return Choice("lobpcg", reason, BASE + STEP * m, n_bytes, solve, leads=leads, is_sure=is_sure)


def _run(C, options):
    require_sharp("lobpcg", C, TOL if options.tol is None else options.tol)
    return lobpcg(C, **vars(options))


LOBPCG = Strategy("lobpcg", _run, propose)
