"""Ridge regression whose leave-one-out errors are exact and cheap."""

import numpy as np

from fastemlp._svd import svd
from fastemlp.closed_form.polynomials import row_chunks

#: The leverage of a sample is a matrix of its rows; of more rows than this it is taken for a multiple of the identity.
LARGE = 100
#: Up to so many, those of all penalties are one product of matrices.
FEW_ROWS = 9
#: Singular values that a rough decomposition keeps, over the largest.
ROUGH = 1e-7


class LeaveOneOutRidge:
    """Ridge regression with an unpenalised intercept, and its leave-one-out errors for any penalty.

    Parameters
    ----------
    A : ndarray of shape (n, d, r); rows of the design matrix, d for each sample. Overwritten.
    Y : ndarray of shape (n, d, c); c right-hand sides
    weights : ndarray of shape (n,), > 0
    invariants : ndarray of shape (d, r0); orthonormal columns, whose span the intercept is in
    rough : bool
        Whether singular values below 1e-7 of the largest may be lost: several times faster.

    Notes
    -----
    Weighting multiplies the rows of sample i by √w_i. The intercept is eliminated by subtracting the invariant part of
    the weighted means; what is left is orthogonal to its columns √w_i Q0, so the hat matrix is
    ``H = U s²/(s²+α) Uᵀ + √w (Q0 Q0ᵀ) √wᵀ / Σw`` with the thin SVD U s Vᵀ of the centred rows. Errors are exact up to
    d = 100; beyond, the leverage of a sample is its mean over the d rows.
    """

    def __init__(self, A, Y, weights, invariants, rough=False):
        n, self.d, r = A.shape
        self.weights, self.share = weights, weights / weights.sum()
        self.P = invariants @ invariants.T
        self.A_mean = self.P @ np.tensordot(self.share, A, 1)
        self.Y_mean = self.P @ np.tensordot(self.share, Y, 1)
        root = np.sqrt(weights)[:, None, None]
        A -= self.A_mean
        A *= root
        self.Y = root * (Y - self.Y_mean)
        A = A.reshape(n * self.d, r)
        if rough:
            U, self.s, self._to_coefficients = _rough_svd(A)
        else:
            U, s, Vt = svd(A, full_matrices=False)
            # centring leaves directions that hold nothing but roundoff
            kept = s > np.finfo(float).eps * max(n * self.d, r) * s.max(initial=0)
            U, self.s, self._to_coefficients = U[:, kept], s[kept], Vt[kept].T.__matmul__
        self.U = U.reshape(n, self.d, -1)
        self.UtY = np.tensordot(self.U, self.Y, axes=((0, 1), (0, 1)))
        # without penalty every sample would be fitted exactly
        self.interpolates = len(self.s) + invariants.shape[1] == n * self.d

    def solve(self, alpha):
        """Coefficients (r, c) and intercepts (d, c)."""
        coefficients = self._to_coefficients((self.s / (self.s**2 + alpha))[:, None] * self.UtY)
        return coefficients, self.Y_mean - self.A_mean @ coefficients

    def squared_error(self, alpha):
        """``Σ_i w_i ‖y_i − prediction of y_i‖²`` over the training data."""
        held_back = (alpha / (self.s**2 + alpha))[:, None] * self.UtY
        outside = np.vdot(self.Y, self.Y) - np.vdot(self.UtY, self.UtY)
        return max(0.0, float(outside + np.vdot(held_back, held_back)))

    def loo_errors(self, alphas):
        """``Σ_i w_i ‖y_i − prediction of y_i by the fit to all others‖²`` for each penalty; inf where leverage is 1."""
        total = np.zeros(len(alphas))
        for _, errors in self._left_out(alphas):
            total += [np.inf if e is None else np.vdot(e, e) for e in errors]
        return total

    def evidences(self, alphas):
        """Twice the negative logarithm of the evidence for each penalty, up to a constant, inf where roundoff decides.

        The targets are a Gaussian process of covariance ``σ² (A Aᵀ + α)``, with σ² at its most likely value.
        """
        n = self.Y.size
        square = np.sum(self.UtY**2, axis=1)
        outside = max(0.0, float(np.vdot(self.Y, self.Y) - square.sum()))
        c = self.Y.shape[2]
        rest = n // c - len(self.s)
        values = []
        for alpha in alphas:
            fit = np.sum(square / (self.s**2 + alpha)) + outside / alpha
            size = np.sum(np.log(self.s**2 + alpha)) + rest * np.log(alpha)
            values.append(n * np.log(fit / n) + c * size if fit > 0 else np.inf)
        return np.array(values)

    def left_out(self, alpha):
        """``y_i − prediction of y_i by the fit to all others``, of shape (n, d, c); NaN where leverage is 1."""
        found = np.full(self.Y.shape, np.nan)
        for rows, (errors,) in self._left_out([alpha]):
            if errors is not None:
                found[rows] = errors / np.sqrt(self.weights[rows])[:, None, None]
        return found

    def _left_out(self, alphas):
        """Yield rows and, for each penalty, their weighted leave-one-out residuals, or None."""
        n, d, q = self.U.shape
        held_back = np.reshape(alphas, (-1, 1)) / (self.s**2 + np.reshape(alphas, (-1, 1)))
        shrunk = held_back[..., None] * self.UtY
        is_large = d > LARGE
        for rows in row_chunks(n, d * q * (1 if is_large else max(len(alphas), FEW_ROWS))):
            U, Y = self.U[rows], self.Y[rows]
            residual = Y - U @ self.UtY
            # I − H and the residual: the part outside the span, plus what α shrinks inside it
            outside = self._outside(U, rows)
            if self.interpolates:
                outside, residual = 0.0, 0.0
            e = residual + np.tensordot(U, shrunk, axes=(2, 1)).transpose(2, 0, 1, 3)
            if is_large:
                inside = np.sum(np.square(U) @ held_back.T, axis=1).T
                yield rows, e / ((outside + inside) / d)[..., None, None]
                continue
            if d <= FEW_ROWS:
                products = (U[:, :, None] * U[:, None]).reshape(len(Y) * d * d, q)
                inside = (products @ held_back.T).T.reshape(-1, len(Y), d, d)
            else:
                inside = (U * held_back[:, None, None]) @ U.swapaxes(1, 2)
            yield rows, _solved(outside + inside, e)

    def _outside(self, U, rows):
        """What of each sample lies outside the span: a matrix, or where it is large its trace."""
        if self.d > LARGE:
            share = self.share[rows] * np.trace(self.P)
            return self.d - np.sum(np.square(U), axis=(1, 2)) - share
        return np.eye(self.d) - U @ U.swapaxes(1, 2) - self.share[rows, None, None] * self.P


def _solved(A, b):
    """For each penalty the solutions of its systems, or None where one has none."""
    if A.shape[-1] == 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            return [e if here.all() else None for here, e in zip(A, b / A, strict=True)]
    try:
        return list(np.linalg.solve(A, b))
    except np.linalg.LinAlgError:
        return (
            [None]
            if len(A) == 1
            else [_solved(*one)[0] for one in zip(A[:, None], b[:, None], strict=True)]
        )


def _rough_svd(A):
    """Left vectors and singular values down to ROUGH, and what multiplies a matrix with the right vectors.

    By the eigenvalues of A Aᵀ or Aᵀ A, whichever is smaller.
    """
    is_wide = len(A) <= A.shape[1]
    squares, vectors = np.linalg.eigh(A @ A.T if is_wide else A.T @ A)
    kept = squares > ROUGH**2 * squares.max(initial=0)
    s, vectors = np.sqrt(squares[kept]), vectors[:, kept]
    if is_wide:
        return vectors, s, lambda c: A.T @ (vectors @ (c / s[:, None]))
    return A @ vectors / s, s, vectors.__matmul__
