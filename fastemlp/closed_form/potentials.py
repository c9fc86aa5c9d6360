"""Kernels of invariants, fitted to derivatives: energies with forces, and what is the gradient of a function."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from fastemlp.closed_form.families import families
from fastemlp.closed_form.kernel_ridge import FITTING
from fastemlp.closed_form.kernel_search import (
    CHOOSING,
    FEWEST,
    WORTH,
    around,
    best_kernels,
    better,
)
from fastemlp.closed_form.kernels import Kernel, design, penalties, scores, squares_of
from fastemlp.closed_form.leave_one_out import LeaveOneOutRidge
from fastemlp.closed_form.polynomials import row_chunks
from fastemlp.closed_form.sparse import spread
from fastemlp.reps import Scalar

#: Rounds of weighing invariants by what a fit makes of them.
ROUNDS = 4


@dataclass(frozen=True)
class Equations:
    """What is known of a function E of the invariants at some samples: its values, and derivatives along directions.

    Attributes
    ----------
    u : ndarray of shape (n, p); the invariants
    along : ndarray of shape (n, q, p); directions among them
    values : bool; whether E itself is known, too
    """

    u: np.ndarray
    along: np.ndarray
    values: bool

    @property
    def size(self):
        """Equations of one sample."""
        return self.values + self.along.shape[1]

    def kernel(self, other, kernel):
        """Covariances of these with others, ndarray (n·size, m·size)."""
        n, m, q, p = len(self.u), len(other.u), *self.along.shape[1:]
        f, f1, f2 = kernel.of(squares_of(self.u, other.u))
        two = 2 / kernel.unit
        # (u_i − u_j) along the directions of i and of j
        mine = np.einsum("iqp,ip->iq", self.along, self.u)[:, :, None] - self.along @ other.u.T
        theirs = np.einsum("jqp,jp->jq", other.along, other.u)[None]
        theirs = np.einsum("jqp,ip->ijq", other.along, self.u, optimize=True) - theirs
        K = np.empty((n, self.size, m, other.size))
        first = int(self.values)
        flat = self.along.reshape(n * q, p) @ other.along.reshape(-1, p).T
        K[:, first:, :, first:] = flat.reshape(n, q, m, -1) * (-two * f1)[:, None, :, None]
        mine = mine.reshape(n, q, m)
        curved = (-two * two * f2)[:, None] * mine
        K[:, first:, :, first:] += curved[..., None] * theirs[:, None]
        if self.values:
            K[:, 0, :, 0] = f
            K[:, 0, :, 1:] = -two * f1[..., None] * theirs
            K[:, 1:, :, 0] = two * f1[:, None] * mine
        return K.reshape(n * self.size, -1)


@dataclass(frozen=True)
class PotentialFit:
    """``E_c(x) = Σ_j k(u(x), u_j) a_jc + Σ_j ∇k(u(x), u_j) · g_jc``, plus a constant, of invariants u.

    Attributes
    ----------
    kernel : Kernel
    centres : ndarray of shape (m, p)
    a : ndarray of shape (m, c)
    g : ndarray of shape (m, p, c)
    intercept : ndarray of shape (1, c)
    """

    kernel: Kernel
    centres: np.ndarray
    a: np.ndarray
    g: np.ndarray
    intercept: np.ndarray

    is_bounded = True

    @property
    def name(self):
        """For people."""
        return f"kernel of {self.kernel.invariants.name}"

    @property
    def n_coefficients(self):
        """The numbers that were fitted."""
        return self.a.size + self.g.size + self.intercept.size

    def __call__(self, X):
        """Predictions of shape (n, 1, c)."""
        y = np.empty((len(X), *self.intercept.shape))
        m, p, c = self.g.shape
        from_centre = np.einsum("mp,mpc->mc", self.centres, self.g)
        for rows in row_chunks(len(X), 4 * m + p * c):
            u = self.kernel.invariants(X[rows])
            f, f1, _ = self.kernel.of(squares_of(u, self.centres))
            along = np.einsum("npc,np->nc", (f1 @ self.g.reshape(m, -1)).reshape(-1, p, c), u)
            y[rows, 0] = f @ self.a - 2 / self.kernel.unit * (along - f1 @ from_centre)
        return y + self.intercept

    def jacobian(self, X):
        """Their derivatives, (n, 1, c, n_in), at real or complex inputs."""
        m, p, c = self.g.shape
        J = np.empty((len(X), *self.intercept.shape, X.shape[1]), X.dtype)
        for rows in row_chunks(len(X), 4 * m + p * (c + X.shape[1])):
            slopes = self.slopes(X[rows]).swapaxes(1, 2)
            J[rows, 0] = slopes @ self.kernel.invariants.jacobian(X[rows])
        return J

    def slopes(self, X):
        """The derivatives in the invariants, (n, p, c)."""
        u = self.kernel.invariants(X)
        _, f1, f2 = self.kernel.of(squares_of(u, self.centres))
        two = 2 / self.kernel.unit
        m, p, c = self.g.shape
        slopes = -two * (f1 @ self.g.reshape(m, -1)).reshape(-1, p, c)
        for k in range(c):
            apart = u @ self.g[..., k].T - np.einsum("mp,mp->m", self.centres, self.g[..., k])
            w = two * f1 * self.a[:, k] - two * two * f2 * apart
            slopes[..., k] += w.sum(axis=1)[:, None] * u - w @ self.centres
        return slopes

    def solved(self, coefficients, intercept):
        """The same with other ``(a, g)`` and intercept."""
        return replace(self, a=coefficients[0], g=coefficients[1], intercept=intercept)

    def pruned(self):
        """The same without the invariants that do not count."""
        invariants = self.kernel.invariants
        invariants, kept = invariants.only(np.isfinite(invariants.scale))
        kernel = replace(self.kernel, invariants=invariants)
        return replace(self, kernel=kernel, centres=self.centres[:, kept], g=self.g[:, kept])

    def within(self, X):
        """Itself: it is bounded."""
        return self

    def refitted(self, data, order, constants):
        """Itself: the samples that choose a closed form are as many as a kernel is fitted to."""
        return self, None

    def weighed(self, X):
        """The kernel with invariants weighed by what this fit makes of them over samples X."""
        invariants = self.kernel.invariants
        weight = np.mean(self.slopes(X) ** 2, axis=(0, 2))
        if invariants.summary is None:
            for orbit in invariants.orbits:
                weight[orbit] = weight[orbit].mean()
        scale = _weighed_scale(invariants.scale, weight)
        return replace(self.kernel, invariants=replace(invariants, scale=scale))


def fit_potential(rep_in, data, rng, invariants_of=families):
    """The kernel of invariants that suits derivatives best.

    Parameters
    ----------
    rep_in : Rep, bound
    data : Observations of invariants, with derivatives, or GradientObservations
    rng : numpy Generator; draws samples where there are too many
    invariants_of : callable; ``families`` or ``derived``

    Returns
    -------
    PotentialFit, Gradient of one, or None
    left_out : ndarray of shape (n, equations, c); the residual of fits without the sample
    """
    n_some = min(len(data), max(FEWEST, CHOOSING // data.equations))
    if n_some * data.equations > FITTING:
        return None, None
    order = rng.permutation(len(data))
    some = data.of(order[:n_some])
    some_scores = partial(_scores, data=some)
    found = best_kernels(rep_in, Scalar, data.X[order[:CHOOSING]], some_scores, invariants_of)
    if not found:
        return None, None
    best = _weighed(found[0], some_scores, some)
    n_fit = max(1, min(len(data), FITTING // data.equations))
    _, fit, left_out = _fit(best[1], data.of(order[:n_fit]))
    fit = fit.pruned()
    return fit, spread(left_out, fit, data, order)


def _weighed(best, scores, data):
    """The best of one, (score, kernel), and of those weighed in rounds by what fits make of data."""
    for _ in range(ROUNDS):
        kernel = _fit(best[1], data)[0].weighed(data.X)
        weighed = better(best, around(kernel, [kernel.form]), scores, WORTH)
        if weighed is best:
            break
        best = weighed
    return best


def _equations(kernel, data):
    """For each element of the group that is averaged over, Equations."""
    for X, turn in [(data.X @ a.T, a) for a, _ in kernel.turns or ()] or [(data.X, None)]:
        J = kernel.invariants.jacobian(X)
        J = J if turn is None else J @ turn
        yield Equations(kernel.invariants(X), data.along(J), data.has_values)


def _ridge(kernel, data):
    equations = list(_equations(kernel, data))
    K = sum(equations[0].kernel(each, kernel) for each in equations) / len(equations)
    A, W = design(K, len(data))
    constants = data.constants(np.eye(1))
    ridge = LeaveOneOutRidge(A, data.targets, data.weights, constants, rough=True)
    return ridge, W, equations


def _scores(kernels, data):
    """Yield the scores of kernels, see ``kernels.scores``."""
    for kernel in kernels:
        yield float(np.min(scores(_ridge(kernel, data)[0])))


def _fit(kernel, data):
    """The function, the fit to data, and what it leaves of left-out samples."""
    ridge, W, equations = _ridge(kernel, data)
    alpha = float(penalties(ridge)[int(np.argmin(scores(ridge)))])
    coefficients, intercept = ridge.solve(alpha)
    beta = (W @ coefficients).reshape(len(data), data.equations, -1) / len(equations)
    first = int(data.has_values)
    a = np.tile(beta[:, 0] * first, (len(equations), 1))
    centres = np.concatenate([each.u for each in equations])
    g = np.concatenate(
        [np.einsum("mqp,mqc->mpc", each.along, beta[:, first:]) for each in equations]
    )
    function = PotentialFit(kernel, centres, a, g, np.zeros((1, g.shape[2])))
    return function, data.solved(function, (a, g), intercept), ridge.left_out(alpha)


def _weighed_scale(scale, weight):
    """A scale that makes of what weighs more more, by its root; what weighs nothing stays away."""
    used = np.isfinite(scale) & (weight > 0)
    root = np.sqrt(weight / np.mean(weight[used])) if used.any() else np.ones_like(weight)
    return np.where(used, np.broadcast_to(scale, weight.shape) / np.where(used, root, 1), np.inf)
