"""The nullspace from projected random vectors: its dimension shows when a block comes short."""

from __future__ import annotations

import numpy as np

from fastemlp._arrays import chunks
from fastemlp.exceptions import BudgetError

from ..counted_operator import random_block
from ..orthonormal import orthonormalise
from .conjugate import SlowError, Spectrum, least_norm_solution, preconditioned_solution

#: Steps of conjugate gradients before the spectrum counts as unkind.
MAX_STEPS = 5000
#: With fewer steps than this N has few distinct eigenvalues. Single precision cannot win then: it takes as many steps
#: for every seven digits as double precision needs in all.
FEW_STEPS = 60
#: The cost of a step in single precision, and what it has to save in all to be chosen.
SINGLE_COST, WORTH = 0.5, 0.75
#: Corrections in full precision before giving up.
MAX_REFINEMENTS = 8
#: Columns of the first random block; their norms tell how many are needed in all.
FIRST_BLOCK = 16
#: Columns projected at a time: wide enough for the kernels, small enough for the caches.
BLOCK = 128
#: Columns of the fresh random block that must have no null component left at the end.
CERTIFICATE_BLOCK = 4
#: The null component of a Gaussian vector is Gaussian; below this share of its deviation it is left to later rounds.
DROP = 0.1
#: The same at the end, where missing a direction means missing it in every column.
MISSED = 1e-2
#: What is missed by less is roundoff; what a refinement leaves more than this of is null.
NOTHING, SAME = 1e-12, 0.1
#: Times that the final check may send the search back.
MAX_RETURNS = 5


class Projector:
    """The orthogonal projection on the nullspace of C, in double precision or in two.

    Parameters
    ----------
    op : CountedOperator
    tol : float; singular values up to ``tol·‖C‖`` are zero
    mixed : bool; allow conjugate gradients in single precision, with residuals in that of op

    Attributes
    ----------
    inner : dtype of the conjugate gradients
    spectrum : Spectrum of CᴴC, filled as columns are projected
    n_steps : int
    """

    def __init__(self, op, tol, mixed):
        self.op = op
        self.tol = tol
        self.spectrum = Spectrum()
        self.n_steps = 0
        self.inner = op.dtype
        self.may_switch = mixed and op.eps < 1e-10 and op.keeps_single()

    def rough(self, X):
        """Project the columns of X, Gaussian with unit variance, to a small part of the null component.

        Returns
        -------
        ndarray of shape (m, b), of dtype ``inner``
        """
        before = self.n_steps
        Z = self._rough(X)
        steps = self.n_steps - before
        if self.may_switch and steps > FEW_STEPS and self._single_is_worth_it(X, steps):
            Z = Z.astype(self.inner)
        self.may_switch = False
        return Z

    def _rough(self, X):
        Z = X.astype(self.inner)
        for first in (True, False, False):
            R = self.op.normal(Z)
            allowed = 0.0 if first else self._roundoff * np.linalg.norm(Z, axis=0)
            norms = self._correct(Z, R, allowed, learn=first)
            # what may be left of the rest, against a null component of norm about 1
            if self._rtol * norms.max(initial=0.0) <= 0.01 * self.spectrum.lowest:
                break
        return Z

    def _single_is_worth_it(self, X, steps):
        """Try single precision on the columns that took double precision this many steps, and switch if it saves."""
        double, before = self.inner, self.n_steps
        self.inner = np.dtype({"f": np.float32, "c": np.complex64}[self.op.dtype.kind])
        try:
            Z = self._rough(X).astype(self.op.dtype)
            rounds = self._refined(Z / np.linalg.norm(Z, axis=0), self._target)
        except SlowError:
            rounds = None
        cost = SINGLE_COST * (self.n_steps - before)
        if rounds is None or cost + rounds > WORTH * steps:
            self.inner = double
        return self.inner != double

    def refine(self, Z, strict=False):
        """Take what is not null out of the columns of Z, of norm about 1 and the dtype of op; in place.

        To well below ``tol``, or if ``strict`` to roundoff.
        """
        self._refined(Z, 20 * self.op.eps if strict else self._target)
        return Z

    def _refined(self, Z, target):
        """The number of residuals computed."""
        best, n_residuals = np.inf, 0
        while n_residuals < MAX_REFINEMENTS:
            R = self.op.normal(Z)
            n_residuals += 1
            worst = np.linalg.norm(R, axis=0).max(initial=0.0)
            allowed = target * self.spectrum.highest
            if worst <= allowed or worst > 0.5 * best:
                break
            best = worst
            self._correct(Z, R, allowed)
        return n_residuals

    def _correct(self, Z, R, allowed, learn=False):
        """Subtract ``N⁺ R`` from Z, solved in the inner precision until residuals are ``allowed``; the norms of R."""
        norms = np.linalg.norm(R, axis=0)
        scale = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
        # the rounding of R is not in the range of N, and no solution takes it away
        rtol = np.maximum(self._rtol, 0.5 * allowed * scale)
        B = np.ascontiguousarray(R * scale, self.inner)
        Z -= self._inverse(B, rtol, learn) * norms
        return norms

    def _inverse(self, B, rtol, learn):
        """``N⁺ B``; the spectrum met on the way is noted if ``learn``."""
        max_steps = min(MAX_STEPS, 3 * self.op.m + 50)
        Y, steps, spectrum = least_norm_solution(self.op.normal, B, rtol, max_steps)
        if learn:
            self.spectrum = self.spectrum.union(spectrum)
        self.n_steps += steps
        return Y

    @property
    def _rtol(self):
        return 20 * float(np.finfo(self.inner).eps)

    @property
    def _roundoff(self):
        return 20 * float(np.finfo(self.inner).eps) * self.spectrum.highest

    @property
    def _target(self):
        """``‖N q‖/‖N‖`` at which ``‖C q‖ ≤ tol·‖C‖/100`` for certain, or roundoff."""
        gap = np.sqrt(self.spectrum.lowest / max(self.spectrum.highest, 1e-300))
        return max(0.01 * self.tol * min(gap, 1.0), 20 * self.op.eps)


class PreconditionedProjector(Projector):
    """A projection on the nullspace, not an orthogonal one, by preconditioned conjugate gradients.

    Parameters
    ----------
    op, tol : as for Projector
    precondition : callable (m, b) -> (m, b), about the inverse of N
    spectrum : Spectrum of N, which these iterations do not show
    """

    def __init__(self, op, tol, precondition, spectrum):
        super().__init__(op, tol, mixed=False)
        self.precondition = precondition
        self.spectrum = spectrum

    def _inverse(self, B, rtol, learn):
        # the preconditioner magnifies the null part of roundoff, so that a few rounds are better than one long one
        rtol = np.maximum(rtol, 1e-8)
        Y, steps = preconditioned_solution(self.op.normal, self.precondition, B, rtol, MAX_STEPS)
        self.n_steps += steps
        return Y

    @property
    def _rtol(self):
        return 1e-8


class Search:
    """The rounds of one solve.

    Parameters
    ----------
    projector : Projector
    rng : numpy Generator
    max_rank : int; more columns than this do not fit the memory
    bar : tqdm
    """

    def __init__(self, projector, rng, max_rank, bar):
        self.projector = projector
        self.op = projector.op
        self.rng = rng
        self.max_rank = max_rank
        self.bar = bar
        self.blocks = []

    def start_with(self, Z):
        """Take the null components of the unit columns of Z for granted."""
        if not Z.shape[1]:
            return
        Z = self._outside(self.projector.refine(Z))
        self.blocks.append(self._independent(Z)[0])
        self._require_memory(0)

    def nullspace(self):
        """An orthonormal basis (m, r) in the precision of op, and the completeness number.

        Raises
        ------
        SlowError
            If the spectrum reaches down to zero.
        ValueError
            If the basis does not fit the memory.
        """
        for _ in range(MAX_RETURNS):
            self._collect()
            Q = self._assembled()
            for columns in chunks(Q.shape[1], BLOCK):
                Q[:, columns] = self.projector.refine(np.ascontiguousarray(Q[:, columns]))
            Q = orthonormalise(Q)
            missed = self._missed(Q)
            if missed <= MISSED / np.sqrt(self.op.m):
                return Q, missed
            self.blocks = [Q]
        raise SlowError

    @property
    def found(self):
        return sum(block.shape[1] for block in self.blocks)

    def _collect(self):
        """Random blocks until one comes short."""
        width = min(FIRST_BLOCK, self.op.m)
        while self.found < self.op.m:
            X = random_block(self.rng, self.op.m, width, self.op.dtype)
            Z = self._outside(self.projector.rough(X))
            new, left = self._independent(Z)
            if not left <= 2 * self.op.m:
                # a projection makes nothing longer: this one is lost in roundoff
                raise SlowError
            self.blocks.append(new)
            self.bar.update(new.shape[1])
            if new.shape[1] < width:
                break
            self._require_memory(left - width)
            # two standard deviations above the estimate, so that the next round or the one after it is the last
            width = int(max(left - width, 0) + 2 * np.sqrt(2 * left / width)) + 4
            width = min(width, BLOCK, self.op.m - self.found)
        self._require_memory(0)

    def _outside(self, Z):
        """Z orthogonal to what was found, twice."""
        for _ in range(2):
            for block in self.blocks:
                block = block.astype(Z.dtype, copy=False)
                Z -= block @ (block.conj().T @ Z)
        return Z

    def _independent(self, Z):
        """Orthonormal columns spanning the clearly nonzero directions of Z, and the dimension that Z was drawn from."""
        gram = (Z.conj().T @ Z).astype(np.result_type(Z.dtype, np.float64))
        variance = 2 if np.iscomplexobj(Z) else 1
        left = float(np.trace(gram).real) / (variance * Z.shape[1])
        squares, V = np.linalg.eigh(gram)
        clear = squares > DROP**2 * variance
        new = Z @ (V[:, clear] / np.sqrt(squares[clear])).astype(Z.dtype)
        return orthonormalise(self._outside(new)), left

    def _assembled(self):
        """All blocks as one array, released one by one."""
        Q, start = np.empty((self.op.m, self.found), self.op.dtype), 0
        self.blocks.reverse()
        while self.blocks:
            block = self.blocks.pop()
            Q[:, start : start + block.shape[1]] = block
            start += block.shape[1]
        return Q

    def _missed(self, Q):
        """The null component outside Q of fresh random unit vectors, the largest norm among them."""
        X = random_block(self.rng, self.op.m, CERTIFICATE_BLOCK, self.op.dtype)
        Z = self.projector.rough(X).astype(self.op.dtype)
        lengths, left = np.linalg.norm(X, axis=0), np.ones(X.shape[1])
        # where singular values are small, what one refinement leaves is not all null: another one tells
        for _ in range(MAX_REFINEMENTS):
            Z = self.projector.refine(np.ascontiguousarray(Z / lengths))
            for _ in range(2):
                Z -= Q @ (Q.conj().T @ Z)
            lengths = np.maximum(np.linalg.norm(Z, axis=0), 1e-300)
            left *= lengths
            if left.max() <= NOTHING or lengths.max() > SAME:
                break
        return float(left.max())

    def _require_memory(self, more):
        # a random estimate counts only when it is clearly too much
        rank = self.found + max(0, int(0.8 * more))
        if rank > self.max_rank:
            n_bytes = self.op.m * self.op.dtype.itemsize
            raise BudgetError(
                f"{self.op.caller}: the nullspace has dimension {rank} or more. A basis of vectors of "
                f"length {self.op.m}, {self.op.dtype}, takes {n_bytes * rank / 2**20:.2f} MiB or more, "
                f"and memory_budget = {n_bytes * self.max_rank / 2**20:.2f} MiB holds {self.max_rank} "
                "of them. Raise memory_budget, or solve for a smaller type."
            )
