"""The whole nullspace of a matrix-free operator by block Lanczos, its dimension unknown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastemlp._budget import DEFAULT_BUDGET
from fastemlp._gap import split_rank
from fastemlp._progress import progress_bar
from fastemlp.exceptions import BudgetError, ConvergenceError, Status

from ..certify import certified, measured
from ..counted_operator import CountedOperator, estimate_norm, random_block
from ..dense import solved_at_once
from ..polish import polish, singular_basis
from .recurrence import BlockKrylov

#: Columns of the fresh random block that must show no null component at the end.
CERTIFICATE_BLOCK = 4
#: Converged eigenvalues below this share of ‖N‖ are deflated: later rounds need not find them again.
LOW = 1e-3
#: A Ritz pair has converged when its residual is at most this many eps·‖N‖; polish does the rest.
RITZ_ERROR = 100
#: A basis much larger than this spends its time in the small dense eigenproblem.
MAX_BASIS = 2000


def block_lanczos(
    C,
    *,
    tol=None,
    block_size=None,
    max_steps=5000,
    memory_budget=DEFAULT_BUDGET,
    random_state=0,
    verbose=0,
):
    """Orthonormal basis of ``{v : C v = 0}`` from products with C and Cᴴ alone.

    Parameters
    ----------
    C, memory_budget, random_state, verbose : as for ``lanczos``
        The budget is for the Krylov basis (the nullspace itself, m·r numbers, comes on top). A basis that outgrows it
        is compressed to its lowest Ritz vectors and the iteration goes on.
    tol : float, optional
        Singular values up to ``tol·‖C‖`` are zero. Default 1e-11 in double, 1e-4 in single
        precision, where Ritz vectors of CᴴC are good to about ``eps·(‖C‖/σ)²``.
    block_size : int, optional
        Width of the first block, default 16; it doubles while rounds are short, halves when they
        restart, and never exceeds 1/24 of the vectors that the budget holds.
    max_steps : int
        Lanczos steps allowed in each round.

    Returns
    -------
    NullspaceSolution

    Raises
    ------
    ConvergenceError
        If ``max_steps`` is exceeded, no gap of 1e3 separates zero from nonzero singular values,
        or one lies between ``tol·‖C‖`` and ``100·tol·‖C‖``: too close to call.
    CertificationError
        If ``‖C q‖ ≤ tol·‖C‖`` fails for the basis found.
    ValueError
        If the memory budget cannot hold the smallest useful Krylov basis.

    Notes
    -----
    A block of b random vectors reaches at most b null vectors, so rounds with fresh blocks, kept
    orthogonal to what is known, are run until one yields fewer than b; then a last fresh block
    must yield none. Eigenvalues of CᴴC resolve singular values only to ``√eps·‖C‖``:
    everything found below ``eps**0.35·‖C‖`` is locked as a candidate, and its true singular
    values are read off C itself (this takes n_rows numbers per candidate), after a few
    least-squares steps with C where they are close to tol. Cost about
    2·r products with C per Lanczos step. Following Kressner and Shao (2024) on small blocks, Wu
    and Simon (2000) on thick restarts.
    """
    op = CountedOperator(C, "block_lanczos")
    rng = np.random.default_rng(random_state)
    _require_positive(block_size=block_size, max_steps=max_steps, memory_budget=memory_budget)
    if tol is None:
        tol = max(1e-11 if op.eps < 1e-10 else 1e-4, 10 * op.accuracy)
    width = min(block_size or 16, max(op.m, 1))
    norm = estimate_norm(op, rng) if op.n_rows and op.m else 0.0
    solution = solved_at_once(op, norm, tol, 3 * width, memory_budget)
    if solution is not None:
        return solution
    with progress_bar(shown=verbose, unit=" steps", desc="block_lanczos") as bar:
        search = _Search(op, norm, rng, max_steps, memory_budget, bar)
        search.exhaust(width)
    return search.solution(tol)


class _Search:
    """State of one solve: the near-null vectors locked so far and the counters."""

    def __init__(self, op, norm, rng, max_steps, memory_budget, bar):
        self.op = op
        self.norm = norm
        self.rng = rng
        self.max_steps = max_steps
        self.columns = min(memory_budget // (op.m * op.dtype.itemsize), MAX_BASIS)
        if self.columns < 16:
            raise BudgetError(
                f"block_lanczos: memory_budget = {memory_budget} bytes holds {self.columns} vectors "
                f"of length {op.m} ({op.dtype}), expected at least 16. Pass memory_budget ≥ "
                f"{16 * op.m * op.dtype.itemsize}."
            )
        # Near-null candidates, and low positive eigenvectors that would slow later rounds.
        self.locked = np.zeros((op.m, 0), dtype=op.dtype, order="F")
        self.deflated = self.locked
        # C times a block of columns has to fit too.
        self.block_columns = max(1, memory_budget // (op.n_rows * op.dtype.itemsize))
        self.largest_locked = 0.0
        self.lowest_positive = np.inf
        self.leak = 0.0
        self.n_steps = 0
        self.n_restarts = 0
        self.bar = bar

    @property
    def left(self):
        """Dimension of the orthogonal complement of what is locked."""
        return self.op.m - self.locked.shape[1] - self.deflated.shape[1]

    def exhaust(self, width):
        """Lock every near-null vector: rounds until one comes short, then one that finds none."""
        certifying = False
        while self.left:
            # With fewer steps than this between restarts convergence stalls.
            width = min(width, self.left, max(2, self.columns // 24), self.block_columns)
            b = min(CERTIFICATE_BLOCK, width) if certifying else width
            restarts = self.n_restarts
            found, steps = self.round(b)
            # A round that came short found all there is, so the next one has to find nothing.
            if certifying and found == 0:
                return
            certifying = found < b
            if self.n_restarts > restarts:
                # Room for many steps between restarts is worth more than a wide block.
                width = max(width // 2, min(width, CERTIFICATE_BLOCK))
            elif b == width and 3 * steps * width <= self.columns:
                width *= 2

    def round(self, b):
        """Run block Lanczos from a fresh random block of b columns and lock what it reaches.

        Returns
        -------
        found, steps : int
        """
        before = self.locked.shape[1]
        krylov = self._start(b)
        keep = max(3 * b, krylov.capacity // 3)
        next_look = 0
        for step in range(1, self.max_steps + 1):
            krylov.expand()
            self.n_steps += 1
            self.bar.update(1)
            if krylov.width == 0 or krylov.full or krylov.n >= next_look:
                leak = self._ritz(krylov, b + 4).leak
                self.bar.set_postfix(null=self.locked.shape[1], leak=leak)
                # A null direction of a random block has norm about 1/√m; eps**¼ of it is a miss.
                over = leak <= self.op.eps**0.25 / np.sqrt(self.op.m)
                if over or krylov.full:
                    ritz = self._ritz(krylov, keep + b + max(self._room, 0))
                    leaving = self._lock(krylov, ritz)
                if over:
                    self.leak = float(leak)
                    return self.locked.shape[1] - before, step
                # Looking costs n³: at most a fixed share of the work.
                next_look = krylov.n + max(b, krylov.n // 4)
            if krylov.full:
                krylov.restart(ritz, leaving, keep, self._known)
                self.n_restarts += 1
                next_look = 0
        raise self._exceeded(ritz if krylov.full else self._ritz(krylov, b), b)

    def _start(self, b):
        X = random_block(self.rng, self.op.m, b, self.op.dtype)
        known = self._known
        for _ in range(2):
            X = np.linalg.qr(X - known @ (known.conj().T @ X))[0]
        # A full space needs no more columns than its dimension, plus the last (empty) block.
        capacity = min(self.columns, self.left + 2 * b)
        return BlockKrylov(self.op.normal, X, known, capacity, self.norm**2)

    def _ritz(self, krylov, n_lowest):
        return krylov.ritz(n_lowest, self.op.eps**0.7 * self.norm**2, self._error_allowed)

    @property
    def _error_allowed(self):
        return RITZ_ERROR * self.op.eps * self.norm**2

    @property
    def _known(self):
        return np.hstack([self.locked, self.deflated])

    @property
    def _room(self):
        """How many more vectors may be deflated."""
        return min(self.columns // 4, self.block_columns) - self.deflated.shape[1]

    def _lock(self, krylov, ritz):
        """Lock the null vectors, deflate the low eigenvectors, both sharpened with C itself.

        Returns
        -------
        leaving : ndarray of bool, the Ritz vectors taken
        """
        # An eigenvalue lies within the error of θ, so these are positive ones and not null vectors
        # still on their way to zero.
        settled = np.flatnonzero(~ritz.null & (ritz.error <= 0.25 * ritz.theta))
        if len(settled):
            self._note_positive(np.sqrt(ritz.theta[settled[0]]))
        low = (ritz.theta <= LOW * self.norm**2) & (ritz.error <= self._error_allowed) & ~ritz.null
        low[np.flatnonzero(low)[max(self._room, 0) :]] = False
        leaving = ritz.null | low
        k = int(ritz.null.sum())
        if leaving.any():
            sigma, Z = singular_basis(self.op, krylov.basis() @ ritz.S[:, leaving])
            self.largest_locked = max(self.largest_locked, float(sigma[-1]))
            known = self._known
            Z = np.linalg.qr(Z - known @ (known.conj().T @ Z))[0]
            self.locked = np.hstack([self.locked, Z[:, :k]])
            self.deflated = np.hstack([self.deflated, Z[:, k:]])
        return leaving

    def _note_positive(self, sigma):
        self.lowest_positive = min(self.lowest_positive, float(sigma))

    def solution(self, tol):
        """Decide the rank among all locked candidates at once, and certify."""
        op = self.op
        sigma, Z = np.full(self.locked.shape[1], self.largest_locked), self.locked
        # When nothing but clear zeros was met there is nothing to separate.
        if self.largest_locked > 0.1 * tol * self.norm:
            sigma, Z = self._separate(tol)
        # A zero is only known to a fraction of tol, so a value just above tol may be one.
        values = np.append(sigma, self.lowest_positive)
        rank = split_rank(values, self.norm, tol, max(0.1 * tol, op.eps), op.caller)
        if rank < len(sigma):
            self._note_positive(sigma[rank])
        solution = certified(op, np.ascontiguousarray(Z[:, :rank]), tol=tol, **self._numbers)
        return replace(solution, completeness=self.leak)

    @property
    def _numbers(self):
        return {
            "norm": self.norm,
            "gap": self.lowest_positive / self.norm,
            "strategies": ("block_lanczos",),
            "n_steps": self.n_steps,
            "n_restarts": self.n_restarts,
        }

    def _separate(self, tol):
        """Singular values of everything locked, ascending, and their vectors."""
        # What was deflated takes part: a later null vector is orthogonal to it, and so inherits
        # its error.
        sigma, Z = singular_basis(self.op, self._known)
        unclear = (sigma > 0.1 * tol * self.norm) & (sigma < 1e3 * tol * self.norm)
        if not unclear.any():
            return sigma, Z
        target = max(0.01 * tol, 4 * self.op.eps) * self.norm
        Z[:, unclear] = polish(self.op, Z[:, unclear], target)
        return singular_basis(self.op, np.linalg.qr(Z)[0])

    def _exceeded(self, ritz, b):
        locked = np.ascontiguousarray(self.locked)
        partial = measured(self.op, locked, status=Status.MAX_STEPS, **self._numbers)
        return ConvergenceError(
            f"block_lanczos: a round of block size {b} expected to end within max_steps = "
            f"{self.max_steps}; its random block still has a part of norm {ritz.leak:.1e} that may "
            f"or may not be null ({self.locked.shape[1]} candidates locked before, "
            f"{self.n_restarts} restarts). Raise max_steps or memory_budget; if neither helps, the "
            "spectrum of CᴴC reaches down to zero without a gap: check the generators.",
            status=Status.MAX_STEPS,
            solution=partial,
        )


def _require_positive(**values):
    for name, value in values.items():
        if value is not None and value < 1:
            raise ValueError(f"block_lanczos: expected {name} ≥ 1, got {value}.")
