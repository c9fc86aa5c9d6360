"""The whole nullspace of any constraint: balance it, project random vectors, and fall back where that is slow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from tqdm.auto import tqdm

from fastemlp.operators import KroneckerProduct, TensorConstraint

from .balance import balance, normalise
from .block_lanczos import block_lanczos
from .certify import certified, measured
from .conjugate import SlowError
from .counted import CountedOperator, estimate_norm
from .dense import dense
from .orthonormal import orthonormalise
from .polish import polish
from .projection import Projector, Search

#: Up to this size a singular value decomposition is as quick as anything.
SMALL = 48


def lanczos(C, *, tol=None, mixed=True, memory_budget=2**30, random_state=0, verbose=0):
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
        ``residual`` refers to C itself; ``gap`` to C in balanced coordinates where ``strategy`` says so.

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
        tol = 1e-11 if op.eps < 1e-10 else 1e-4
    norm = estimate_norm(op, rng, n_iter=8) if op.n_rows and op.m else 0.0
    if norm == 0.0:
        _require_memory(op, op.m, memory_budget)
        Q = np.eye(op.m, dtype=op.dtype)
        return certified(op, Q, norm=0.0, gap=np.inf, tol=tol, strategy="lanczos: C = 0, Q = I")
    if op.m <= SMALL:
        solution = dense(C, tol=tol)
        return replace(solution, strategy=f"lanczos (dense: m = {op.m} ≤ {SMALL})")
    found = _solve(C, op, tol, mixed, memory_budget, rng, verbose)
    solution = certified(
        op,
        found.Q,
        norm=norm,
        gap=found.gap,
        tol=tol,
        strategy="lanczos" + found.how,
        n_steps=found.n_steps,
        n_restarts=found.n_restarts,
    )
    return replace(
        solution,
        completeness=found.completeness,
        residual=max(solution.residual, found.residual),
        n_matvecs=op.n_matvecs + found.n_matvecs,
    )


@dataclass
class _Found:
    """A basis with what is known about it; ``how`` completes the name of the strategy."""

    Q: np.ndarray
    gap: float
    how: str
    completeness: float = 0.0
    residual: float = 0.0
    n_steps: int = 0
    n_restarts: int = 0
    n_matvecs: int = 0


def _solve(C, op, tol, mixed, memory_budget, rng, verbose):
    """Solve in balanced coordinates where there are any."""
    if not isinstance(C, TensorConstraint):
        return _project(op, tol, mixed, memory_budget, rng, verbose)
    unit = normalise(C)
    factors, balanced = balance(unit)
    inner = CountedOperator(balanced, op.caller)
    found = _project(inner, tol, mixed, memory_budget, rng, verbose)
    if balanced is C:
        return replace(found, n_matvecs=inner.n_matvecs + found.n_matvecs)
    outer = CountedOperator(unit, op.caller)
    if balanced is not unit:
        found = replace(found, Q=_moved(unit, factors, found.Q), how=", balanced" + found.how)
    norm = estimate_norm(outer, rng, n_iter=8)
    residual = measured(outer, found.Q, norm=norm, gap=0.0, strategy="").residual
    if residual > 0.1 * tol:
        Q = orthonormalise(polish(outer, found.Q, max(0.01 * tol, 4 * op.eps) * norm))
        found = replace(found, Q=Q)
        residual = measured(outer, Q, norm=norm, gap=0.0, strategy="").residual
    n_matvecs = inner.n_matvecs + outer.n_matvecs + found.n_matvecs
    return replace(found, residual=residual, n_matvecs=n_matvecs)


def _project(op, tol, mixed, memory_budget, rng, verbose):
    """By projection of random vectors, or by block Lanczos where that is slow or finds tiny singular values."""
    max_rank = memory_budget // (op.m * op.dtype.itemsize)
    projector = Projector(op, tol, mixed)
    try:
        with tqdm(disable=not verbose, delay=1, unit=" vectors", desc="lanczos") as bar:
            Q, completeness = Search(projector, rng, max_rank, bar).nullspace()
    except SlowError:
        return _fallback(op, tol, memory_budget, rng, verbose)
    spectrum = projector.spectrum
    if np.sqrt(_square_norm(op, Q)) > 0.1 * tol * np.sqrt(spectrum.highest):
        return _fallback(op, tol, memory_budget, rng, verbose)
    gap = np.sqrt(spectrum.lowest / spectrum.highest)
    return _Found(Q, gap, "", completeness, n_steps=projector.n_steps)


def _fallback(op, tol, memory_budget, rng, verbose):
    solution = block_lanczos(
        op.C, tol=tol, memory_budget=memory_budget, random_state=rng, verbose=verbose
    )
    return _Found(
        solution.Q.to_dense(),
        solution.gap,
        " (by blocks: small singular values)",
        n_steps=solution.n_steps,
        n_restarts=solution.n_restarts,
        n_matvecs=solution.n_matvecs,
    )


def _square_norm(op, Q):
    """``‖C Q‖²`` in the Frobenius norm: small only if every vector of the span is null."""
    total = 0.0
    for start in range(0, Q.shape[1], 64):
        total += float(np.linalg.norm(op.apply(Q[:, start : start + 64]))) ** 2
    return total


def _moved(C, factors, Q):
    """An orthonormal basis of ``(⊗S) Q``."""
    S = KroneckerProduct([factors[a] for a in C.slots], [C.dims[a] for a in C.slots])
    moved = np.empty_like(Q)
    for start in range(0, Q.shape[1], 64):
        moved[:, start : start + 64] = S.matmat(Q[:, start : start + 64])
    # long and short columns would spoil the Gram matrix
    moved /= np.linalg.norm(moved, axis=0)
    return orthonormalise(orthonormalise(moved))


def _require_memory(op, rank, memory_budget):
    n_bytes = op.m * rank * op.dtype.itemsize
    if n_bytes > memory_budget:
        raise ValueError(
            f"lanczos: every vector is null, and a basis of shape ({op.m}, {rank}) takes "
            f"{n_bytes / 2**20:.0f} MiB, more than memory_budget = {memory_budget / 2**20:.0f} MiB. Raise it."
        )
