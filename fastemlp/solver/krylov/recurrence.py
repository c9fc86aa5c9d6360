"""One round of block Lanczos on N = CᴴC: grow, compress, and know when the round is over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from fastemlp._arrays import chunks


@dataclass(frozen=True, eq=False)
class RitzState:
    """The lowest Ritz pairs of a Krylov basis of size n, and what is left to find.

    Attributes
    ----------
    theta : ndarray of shape (k,), ascending Ritz values
    S : ndarray of shape (n, k), their coordinates in the basis
    error : ndarray of shape (k,), residual norms ``‖N z − θ z‖``
    null : ndarray of shape (k,), bool; which have converged to zero, to the resolution of N
    leak : float, bound on the null component of the start block outside those
    """

    theta: np.ndarray
    S: np.ndarray
    error: np.ndarray
    null: np.ndarray
    leak: float


class BlockKrylov:
    r"""A growing orthonormal basis V of the block Krylov space of N started at X.

    The recurrence ``N V = V H + B·tail`` holds throughout: B, the next block, is orthonormal and
    orthogonal to V, and ``tail`` couples it to the last columns of V only.

    **When is a round over?** Let S be Ritz vectors taken as null, ``F`` the coordinates of X in V,
    ``H₊`` and ``F₊`` the parts orthogonal to S. With ``Y = H₊⁻¹ F₊``,

        X = V S Sᴴ F + N V Y − B·leak,      leak = tail·Y,

    and N V Y has no null component. So whatever null component X has lies in ``span(V S)``, up to
    ``‖leak‖``: a small leak says that the Ritz vectors S are *all* the null vectors that X can
    reach, which no bound on the Ritz values alone can say.

    **Restart.** Discarding all but the lowest Ritz vectors S, the same identity shows that
    ``V S Sᴴ F − B·leak`` has the null component of X, so its coordinates replace F and
    nothing is lost. Converged Ritz vectors leave the basis then, to be locked by the caller: with
    rounding, null vectors beyond the reach of X keep turning up, and would fill it.

    Parameters
    ----------
    normal : callable (m, b) -> (m, b), the product with N
    X : ndarray of shape (m, b), orthonormal, orthogonal to ``locked``
    locked : ndarray of shape (m, r), orthonormal, eigenvectors kept out of the basis
    capacity : int, columns of V and B together
    scale : float, ``‖N‖``
    """

    def __init__(self, normal, X, locked, capacity, scale):
        m, b = X.shape
        self.normal = normal
        self.locked = locked
        self.scale = scale
        self.capacity = capacity
        self.eps = float(np.finfo(X.dtype).eps)
        # Fortran order: a block appends contiguously; pages are committed only when touched.
        self.V = np.empty((m, capacity), dtype=X.dtype, order="F")
        self.V[:, :b] = X
        self.n = 0
        self.width = b
        self.H = np.zeros((0, 0), dtype=X.dtype)
        self.tail = np.zeros((b, 0), dtype=X.dtype)
        self.F = np.eye(b, dtype=X.dtype)

    @property
    def full(self):
        """True when no further block is sure to fit."""
        return self.n + 2 * self.width > self.capacity

    def basis(self):
        """View of V, (m, n)."""
        return self.V[:, : self.n]

    def expand(self):
        """Absorb the next block into V: one product with N, one full reorthogonalisation."""
        n, w, coupled = self.n, self.width, self.tail.shape[1]
        B = self.V[:, n : n + w]
        W = self.normal(B)
        if coupled:
            W = W - self.V[:, n - coupled : n] @ self.tail.conj().T
        A = B.conj().T @ W
        A = (A + A.conj().T) / 2
        W = W - B @ A
        H = np.zeros((n + w, n + w), dtype=self.V.dtype)
        H[:n, :n] = self.H
        H[n:, n - coupled : n] = self.tail
        H[n - coupled : n, n:] = self.tail.conj().T
        H[n:, n:] = A
        self.H, self.n = H, n + w
        if len(self.F) < self.n:
            self.F = np.vstack([self.F, np.zeros((self.n - len(self.F), self.F.shape[1]), H.dtype)])
        self._append(W)

    def _append(self, W):
        """Orthonormalise W against everything; its factor is the new tail."""
        W = self._project_out(W)
        B, R = orthonormal_factor(W, 50 * self.eps * self.scale)
        if R.shape[0] and np.abs(R).max(axis=1).min() < 1e-2 * self.scale:
            # Dividing by a small R magnifies what the first pass left behind: once more.
            B, R2 = orthonormal_factor(self._project_out(B), 0.5)
            R = R2 @ R
        self.width = R.shape[0]
        self.V[:, self.n : self.n + self.width] = B
        self.tail = R

    def _project_out(self, W):
        for basis in (self.locked, self.basis()):
            if basis.shape[1]:
                W = W - basis @ (basis.conj().T @ W)
        return W

    def ritz(self, n_lowest, small, allowed):
        """Lowest Ritz pairs, ``n_lowest`` or more so as to have all below ``small``, and the leak.

        A pair is null when its value is at most ``small`` and its residual at most ``allowed``.
        Cost about 2n³ flops.
        """
        k = max(1, min(n_lowest, self.n))
        while True:
            subset = None if k == self.n else [0, k - 1]
            theta, S = scipy.linalg.eigh(self.H, subset_by_index=subset, check_finite=False)
            if k == self.n or theta[-1] > small:
                break
            k = min(2 * k, self.n)
        error = np.linalg.norm(self._coupling(S), axis=0)
        null = (theta <= small) & (error <= allowed)
        # Where θ is not yet known to be positive, Y stays out: that part of X is left as it is.
        open_ = ~null & (error >= theta)
        left = S[:, open_].conj().T @ self.F[: self.n]
        leak = np.hypot(np.linalg.norm(left), np.linalg.norm(self._leak(S[:, null | open_])))
        return RitzState(theta, S, error, null, float(leak))

    def restart(self, ritz, leaving, keep, locked):
        """Thick restart: replace V by its ``keep`` lowest Ritz vectors that are not ``leaving``.

        Parameters
        ----------
        ritz : RitzState of this basis
        leaving : ndarray of bool, the Ritz vectors that the caller has added to ``locked``
        keep : int
        locked : ndarray of shape (m, r)
        """
        staying = np.flatnonzero(~leaving)[:keep]
        S, theta = ritz.S[:, staying], ritz.theta[staying]
        leak = self._leak(np.hstack([S, ritz.S[:, leaving]]))
        keep, tail = len(staying), self._coupling(S)
        B = self.V[:, self.n : self.n + self.width].copy()
        for rows in row_chunks(len(self.V), keep):
            self.V[rows, :keep] = self.V[rows, : self.n] @ S
        self.V[:, keep : keep + self.width] = B
        self.F = np.vstack([S.conj().T @ self.F[: self.n], -leak])
        self.H = np.diag(theta).astype(self.V.dtype)
        self.tail, self.n, self.locked = tail, keep, locked

    def _coupling(self, S):
        """``tail·S``: the residuals of the Ritz vectors, in coordinates of B, (width, k)."""
        return self.tail @ S[self.n - self.tail.shape[1] :]

    def _leak(self, S):
        F = self.F[: self.n]
        F = F - S @ (S.conj().T @ F)
        # Lifting S to the top of the spectrum leaves H₊ alone and makes the matrix definite.
        lifted = self.H + self.scale * (S @ S.conj().T)
        Y = scipy.linalg.solve(lifted, F, assume_a="pos", check_finite=False)
        return self._coupling(Y - S @ (S.conj().T @ Y))


def orthonormal_factor(W, drop):
    """``W ≈ B R`` with B (m, w) orthonormal, R (w, b); directions of norm below ``drop`` are left out."""
    B, R, pivots = scipy.linalg.qr(W, mode="economic", pivoting=True, check_finite=False)
    w = int(np.count_nonzero(np.abs(np.diagonal(R)) > drop))
    unpivoted = np.empty_like(R[:w])
    unpivoted[:, pivots] = R[:w]
    return B[:, :w], unpivoted


def row_chunks(m, width):
    """Slices of about 2²⁰ entries, so that a product can overwrite its own operand."""
    return chunks(m, max(1, 2**20 // max(width, 1)))
