"""Equivariant kernel ridge regression: covariants times kernels of invariants."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fastemlp.bases import equivariant_basis
from fastemlp.closed_form.families import families
from fastemlp.closed_form.kernel_search import (
    CHOOSING,
    FEWEST,
    WORTH,
    around,
    best_kernels,
    better,
)
from fastemlp.closed_form.kernels import VALUES, Kernel, design, penalties, scores, squares_of
from fastemlp.closed_form.leave_one_out import LeaveOneOutRidge
from fastemlp.closed_form.polynomials import row_chunks
from fastemlp.closed_form.relevance import likeliest
from fastemlp.closed_form.sparse import spread
from fastemlp.closed_form.tiles import tiles

#: Unknowns of the last fit, and what it may take: equations times squared unknowns, and values of a kernel.
FITTING, MAX_WORK, MAX_VALUES = 1500, 2.5e10, 5e7
#: Kernels are not weighed where the best leaves so many times what other fits do.
FAR = 1e3
#: Of up to so many samples some are held out in so many folds, to see whether weights are worth it.
FOLDED, FOLDS = 150, 5


@dataclass(frozen=True)
class KernelFit:
    """``Σ_k φ_k(x) Σ_j k(u(x), u_j) t_jk``, plus a constant, for covariants φ and invariants u.

    Attributes
    ----------
    kernel : Kernel
    centres : ndarray of shape (m, p); the invariants of samples, and of their images where groups are averaged over
    T : ndarray of shape (m, r, c)
    intercept : ndarray of shape (d, c)
    """

    kernel: Kernel
    centres: np.ndarray
    T: np.ndarray
    intercept: np.ndarray

    is_bounded = True

    @property
    def name(self):
        """For people."""
        return f"kernel of {self.kernel.invariants.name}"

    @property
    def n_coefficients(self):
        """The numbers that were fitted."""
        return self.T.size + self.intercept.size

    def __call__(self, X):
        """Predictions of shape (n, d, c)."""
        y = np.empty((len(X), *self.intercept.shape))
        m, r, c = self.T.shape
        T, (middle, unit, factors) = self.T.reshape(m, -1), self._distances
        for rows in tiles(len(X), m + r * (c + len(self.intercept))):
            x = np.asfortranarray(X[rows])
            u = (self.kernel.invariants(x) - middle) / unit
            squares = np.column_stack([u, np.einsum("np,np->n", u, u), np.ones(len(u))]) @ factors
            values = VALUES[self.kernel.form](np.maximum(squares, 0, out=squares))
            S = (values @ T).reshape(-1, r, c)
            y[rows] = np.einsum("ndr,nrc->ndc", self.kernel.covariants(x), S)
        y += self.intercept
        return y

    @cached_property
    def _distances(self):
        """The middle and unit of invariants u, and what (u, |u|², 1) is multiplied with to give squared distances."""
        middle, unit = self.centres.mean(axis=0), np.sqrt(self.kernel.unit)
        v = (self.centres - middle) / unit
        return middle, unit, np.vstack([-2 * v.T, np.ones(len(v)), np.einsum("mp,mp->m", v, v)])

    def pruned(self):
        """The same without the covariants that have no coefficients, and invariants that do not count."""
        kernel = self.kernel
        invariants, kept = kernel.invariants.only(np.isfinite(kernel.invariants.scale))
        used = np.isfinite(np.broadcast_to(kernel.covariants.scale, self.T.shape[1]))
        covariants, columns = kernel.covariants.only(used & self.T.any(axis=(0, 2)))
        kernel = replace(kernel, invariants=invariants, covariants=covariants)
        return KernelFit(kernel, self.centres[:, kept], self.T[:, columns], self.intercept)

    def jacobian(self, X):
        """Their derivatives, (n, d, c, n_in)."""
        m, r, c = self.T.shape
        n_in, p = X.shape[1], self.centres.shape[1]
        J = np.empty((len(X), *self.intercept.shape, n_in))
        for rows in row_chunks(len(X), m + p * n_in + r * c * p):
            x = X[rows]
            S, slopes = self._coefficients(x)
            along = np.einsum("ndr,nrcp->ndcp", self.kernel.covariants(x), slopes)
            J[rows] = np.einsum("ndcp,npj->ndcj", along, self.kernel.invariants.jacobian(x))
            J[rows] += self.kernel.covariants.jacobian(x, S)
        return J

    def within(self, X):
        """Itself: it is bounded."""
        return self

    def refitted(self, data, order, constants):
        """Itself: the samples that choose a closed form are as many as a kernel is fitted to."""
        return self, None

    def _coefficients(self, X):
        """What multiplies the covariants, (n, r, c), and its derivatives in the invariants, (n, r, c, p)."""
        m, r, c = self.T.shape
        u, T = self.kernel.invariants(X), self.T.reshape(m, -1)
        values, slopes, _ = self.kernel.of(squares_of(u, self.centres))
        # Σ_j k'_j (u − u_j) t_j is a difference of two products
        TC = (self.T[..., None] * self.centres[:, None, None]).reshape(m, -1)
        along = (slopes @ T).reshape(-1, r, c, 1) * u[:, None, None]
        along = along - (slopes @ TC).reshape(*along.shape[:3], -1)
        return (values @ T).reshape(-1, r, c), 2 / self.kernel.unit * along


def fit_kernel(rep_in, kind, data, rng, invariants_of=families, least=np.inf):
    """The kernel, of several, that leave-one-out errors and evidence favour.

    Parameters
    ----------
    rep_in, kind : Rep, bound; of inputs and of an output of one type
    data : Observations without derivatives; scaled
    rng : numpy Generator; draws samples where there are too many
    invariants_of : callable; ``families`` or ``derived``
    least : float
        What other fits leave of a sample that is left out, on average over weighted samples.

    Returns
    -------
    KernelFit or None; None where it would not come near that
    left_out : ndarray of shape (n, d, c); y minus the prediction without it
    """
    n, d = len(data), kind.size()
    n_some = min(n, CHOOSING // d)
    if n_some < min(n, FEWEST):
        return None, None
    order = rng.permutation(n)
    constants = equivariant_basis(kind, dtype=np.float64).to_dense()
    whole = Problem(data.X, data.Y, data.weights, constants)
    some = whole.of(order[:n_some])
    plain = best_kernels(rep_in, kind, data.X[order[:CHOOSING]], some.scores, invariants_of)
    if not plain:
        return None, None
    unweighed = some.error(some.fit(plain[0][1])[1])
    if unweighed > FAR * least * some.weights.sum():
        return None, None
    weighed = [some.weighed(one) for one in plain]
    place = int(np.argmin([score for score, _ in weighed]))
    best, held_out = weighed[place], None
    if best is not plain[0] and n_some == n <= FOLDED:
        # weights that samples have chosen flatter them: others tell what these are worth
        held_out = _held_out(plain[place][1], some, rng)
        if some.error(held_out) >= unweighed:
            best, held_out = plain[0], None
    kernel = best[1]
    m = min(n, FITTING // d)
    values = m * (len(kernel.turns) if kernel.turns else 1)
    n_fit = max(1, min(n, int(MAX_WORK / (d * (m * d) ** 2)), int(MAX_VALUES / values)))
    fit, left_out = whole.of(order[:n_fit]).fit(kernel, m)
    if held_out is not None and n_fit == n:
        left_out = held_out
    fit = fit.pruned()
    return fit, spread(left_out, fit, data, order)


@dataclass(frozen=True)
class Problem:
    """Samples that kernels are fitted to.

    Attributes
    ----------
    X, Y, weights : ndarrays of shape (n, n_in), (n, d, c) and (n,)
    constants : ndarray of shape (d, r0); as ``invariants`` of LeaveOneOutRidge
    """

    X: np.ndarray
    Y: np.ndarray
    weights: np.ndarray
    constants: np.ndarray

    def of(self, rows):
        """Some of the samples."""
        return Problem(self.X[rows], self.Y[rows], self.weights[rows], self.constants)

    def error(self, e):
        """The weighted sum of squares of what is left."""
        return self.weights @ np.sum(e**2, axis=(1, 2))

    def scores(self, kernels):
        """Yield the scores of kernels that differ in form and length alone, see ``kernels.scores``."""
        squares, phi = kernels[0].squares(self.X, self.X), kernels[0].covariants(self.X)
        for kernel in kernels:
            A, _ = design(kernel.blocks(squares, phi, phi), len(phi))
            ridge = LeaveOneOutRidge(A, self.Y, self.weights, self.constants, rough=True)
            yield float(np.min(scores(ridge)))

    def fit(self, kernel, m=None):
        """The KernelFit with the first m samples for centres, and what is left of each sample without it."""
        X, (d, c) = self.X, self.Y.shape[1:]
        centres, phi = X[:m], kernel.covariants(X)
        A, W = design(kernel.blocks(kernel.squares(X, centres), phi, phi[:m]), len(centres))
        ridge = LeaveOneOutRidge(A, self.Y, self.weights, self.constants, rough=True)
        alpha = float(penalties(ridge)[int(np.argmin(scores(ridge)))])
        coefficients, intercept = ridge.solve(alpha)
        beta = (W @ coefficients).reshape(-1, d, c)
        if kernel.turns:
            T = np.concatenate([b @ beta for _, b in kernel.turns]) / len(kernel.turns)
        else:
            T = np.einsum("mdr,mdc->mrc", phi[:m], beta)
        u = np.concatenate([kernel.invariants(x) for x, _ in kernel.images(centres)])
        return KernelFit(kernel, u, T, intercept), ridge.left_out(alpha)

    def weighed(self, best):
        """The best (score, kernel) of one and of those with scales that make the data likeliest."""
        likely = likeliest(best[1], self.X, self.Y, self.weights, self.constants)
        if likely is None:
            return best
        return better(best, around(likely, [likely.form]), self.scores, WORTH)


def _held_out(kernel, problem, rng):
    """What is left of samples by kernels that are weighed without them."""
    X, Y = problem.X, problem.Y
    fold = rng.permutation(np.arange(len(X)) % min(FOLDS, len(X)))
    left_out = np.empty_like(Y)
    for k in range(fold.max() + 1):
        here, others = fold == k, problem.of(fold != k)
        best = others.weighed((next(others.scores([kernel])), kernel))
        left_out[here] = Y[here] - others.fit(best[1])[0](X[here])
    return left_out
