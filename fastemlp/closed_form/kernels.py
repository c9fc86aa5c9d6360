"""Equivariant kernel ridge regression: covariants times kernels of invariants."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fastemlp.bases import equivariant_basis
from fastemlp.closed_form.covariants import Covariants
from fastemlp.closed_form.invariants import Invariants, families
from fastemlp.closed_form.leave_one_out import LeaveOneOutRidge
from fastemlp.closed_form.polynomials import row_chunks
from fastemlp.closed_form.tiles import tiles
from fastemlp.closed_form.views import probe, views

#: Penalties that are tried, for kernels that are one on average at no distance; smaller ones would let the roundoff of
#: invariants grow in predictions. Beside them a rough decomposition is exact.
ALPHAS = 10.0 ** np.arange(-9, 3)
#: Lengths that are tried first, in units of the spread of all invariants together; half and double of the best follow.
LENGTHS = (1.0, 4.0, 16.0)
#: Equations of the fits that choose a kernel, and unknowns of the last one.
CHOOSING, FITTING = 300, 1500
#: Samples that a kernel is chosen by, at least, if there are so many.
FEWEST = 10
#: What the last fit may take: equations times squared unknowns, and values of a kernel.
MAX_WORK, MAX_VALUES = 2.5e10, 5e7
#: Rounds of weighing invariants and covariants by what a fit makes of them; each must leave less than this share.
ROUNDS, WORTH = 4, 0.95
#: Of up to so many samples some are held out in so many folds, to see whether weights are worth it.
FOLDED, FOLDS = 150, 5


def rbf(s):
    """exp(−s/2) of the squared distance s, and two derivatives."""
    k = np.exp(-s / 2)
    return k, -k / 2, k / 4


def matern(s):
    """The Matérn kernel that is differentiable twice (ν = 5/2), and two derivatives in s."""
    t = np.sqrt(5 * s)
    decay = np.exp(-t)
    return (1 + t + t * t / 3) * decay, -5 / 6 * (1 + t) * decay, 25 / 12 * decay


PROFILES = {"rbf": rbf, "matern": matern}


def rbf_values(s):
    """The values of ``rbf`` alone, in place."""
    s *= -0.5
    return np.exp(s, out=s)


def matern_values(s):
    """The values of ``matern`` alone, in place."""
    s *= 5
    t = np.sqrt(s)
    s /= 3
    s += t
    s += 1
    s *= np.exp(np.negative(t, out=t), out=t)
    return s


VALUES = {"rbf": rbf_values, "matern": matern_values}


@dataclass(frozen=True)
class Kernel:
    """Which kernel: covariants, invariants that it is a function of, its form and length.

    ``turns`` are the elements of a finite group that it is averaged over, pairs of ndarrays that act on inputs and
    outputs, or None.
    """

    covariants: Covariants
    invariants: Invariants
    turns: list | None
    form: str
    length: float

    def of(self, squares):
        """Its values, and two derivatives in scaled squares, from squared distances of invariants."""
        return PROFILES[self.form](squares / self.unit)

    @property
    def unit(self):
        """The squared length."""
        return self.length**2 * np.sum(np.isfinite(self.invariants.scale))

    def images(self, X):
        """Samples turned by every element, and how that acts on outputs."""
        return [(X @ a.T, b) for a, b in self.turns] if self.turns else [(X, None)]

    def squares(self, X, centres):
        """Squared distances of invariants, for each element: list of ndarrays (n, m)."""
        u = self.invariants(X)
        return [squares_of(u, self.invariants(x)) for x, _ in self.images(centres)]

    def blocks(self, squares, phi, phi_centres):
        """The equivariant kernel, ndarray (n·d, m·d), from squared distances and values of the covariants."""
        n, d = phi.shape[:2]
        if self.turns is None:
            blocks = np.einsum("ndr,mer->ndme", phi, phi_centres, optimize=True)
            blocks *= self.of(squares[0])[0][:, None, :, None]
        else:
            blocks = np.zeros((n, d, len(phi_centres), d))
            for s, (_, b) in zip(squares, self.turns, strict=True):
                blocks += (self.of(s)[0] / len(self.turns))[:, None, :, None] * b[:, None]
        return blocks.reshape(n * d, -1)


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

    def weighed(self, X):
        """The kernel with invariants and covariants weighed by what this fit makes of them over samples X."""
        S, slopes = self._coefficients(X)
        kernel, phi = self.kernel, self.kernel.covariants(X)
        along = np.einsum("ndr,nrcp->ndcp", phi, slopes)
        weight = np.mean(along**2, axis=(0, 1, 2))
        if kernel.invariants.summary is None:
            for orbit in kernel.invariants.orbits:
                weight[orbit] = weight[orbit].mean()
        covariants, invariants = kernel.covariants, kernel.invariants
        invariants = replace(invariants, scale=weighed_scale(invariants.scale, weight))
        if kernel.turns is None and covariants.rank > 1:
            share = np.mean(phi**2 * np.sum(S**2, axis=2)[:, None], axis=(0, 1))
            covariants = replace(covariants, scale=weighed_scale(covariants.scale, share))
        return replace(kernel, covariants=covariants, invariants=invariants)

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


def weighed_scale(scale, weight):
    """A scale that makes of what weighs more more, by its root; what weighs nothing stays away."""
    used = np.isfinite(scale) & (weight > 0)
    root = np.sqrt(weight / np.mean(weight[used])) if used.any() else np.ones_like(weight)
    return np.where(used, np.broadcast_to(scale, weight.shape) / np.where(used, root, 1), np.inf)


def fit_kernel(rep_in, kind, data, rng):
    """The kernel, of several, that leave-one-out errors and evidence favour.

    Parameters
    ----------
    rep_in, kind : Rep, bound; of inputs and of an output of one type
    data : Observations without derivatives; scaled
    rng : numpy Generator; draws samples where there are too many

    Returns
    -------
    KernelFit or None
    left_out : ndarray of shape (n, d, c); y minus the prediction without it
    """
    X, Y, weights = data.X, data.Y, data.weights
    n_some = min(len(X), CHOOSING // kind.size())
    if n_some < min(len(X), FEWEST):
        return None, None
    order = rng.permutation(len(X))
    some = order[:n_some]
    constants = equivariant_basis(kind, dtype=np.float64).to_dense()
    few = X[some], Y[some], weights[some], constants
    tried = []
    for covariants, invariants, turns in ingredients(rep_in, kind, X[order[:CHOOSING]]):
        kernels = [Kernel(covariants, invariants, turns, "rbf", length) for length in LENGTHS]
        tried += zip(scores_of(kernels, *few), kernels, strict=True)
    if not tried:
        return None, None
    best = np.inf, None
    for _, kernel in sorted(tried, key=lambda one: one[0])[:2]:
        best = _better(best, around(kernel), few)
    plain = best
    best, held_out = _weighed(plain, few), None
    if best is not plain and n_some == len(X) <= FOLDED:
        # weights that samples have chosen flatter them: others tell what these are worth
        held_out = _held_out(plain, few, rng)
        if _error(held_out, weights[some]) >= _error(_left_out(plain[1], few), weights[some]):
            best, held_out = plain, None
    kernel, n, d = best[1], len(X), kind.size()
    m = min(n, FITTING // d)
    values = m * (len(kernel.turns) if kernel.turns else 1)
    n_fit = max(1, min(n, int(MAX_WORK / (d * (m * d) ** 2)), int(MAX_VALUES / values)))
    fitted, rest = order[:n_fit], order[n_fit:]
    fit, ridge, alpha = _fit(
        kernel, X[fitted], Y[fitted], weights[fitted], constants, min(m, n_fit)
    )
    left_out = np.empty_like(Y)
    left_out[fitted] = held_out if held_out is not None and n_fit == n else ridge.left_out(alpha)
    if len(rest):
        left_out[rest] = Y[rest] - fit(X[rest])
    return fit.pruned(), left_out


def _weighed(best, few):
    """The best (score, kernel) of one and of those whose invariants and covariants are weighed in rounds."""
    for _ in range(ROUNDS):
        fit = _fit(best[1], *few, len(few[0]))[0]
        candidates = around(fit.weighed(few[0]), forms=False)
        weighed = _better((best[0] + np.log(WORTH), None), candidates, few)
        if weighed[1] is None:
            break
        best = weighed
    return best


def _held_out(plain, few, rng):
    """What is left of samples by kernels that are weighed without them."""
    X, Y, weights, constants = few
    fold = rng.permutation(np.arange(len(X)) % min(FOLDS, len(X)))
    left_out = np.empty_like(Y)
    for k in range(fold.max() + 1):
        rest, here = fold != k, fold == k
        data = X[rest], Y[rest], weights[rest], constants
        start = next(scores_of([plain[1]], *data)), plain[1]
        fit = _fit(_weighed(start, data)[1], *data, rest.sum())[0]
        left_out[here] = Y[here] - fit(X[here])
    return left_out


def _left_out(kernel, few):
    _, ridge, alpha = _fit(kernel, *few, len(few[0]))
    return ridge.left_out(alpha)


def _error(e, weights):
    return weights @ np.sum(e**2, axis=(1, 2))


def ingredients(rep_in, kind, X):
    """Yield covariants, invariants and turns that make a kernel equivariant."""
    covariants = Covariants.of(rep_in, kind, X)
    for view in views(rep_in, kind):
        for invariants in families(view.sources, X):
            if not view.generators:
                choices = [(covariants, invariants.scaled(X), None)]
            else:
                exchanged = invariants.exchanged(view.generators, probe(X.shape[1]))
                averaged = (invariants if exchanged is None else exchanged).scaled(X)
                choices = []
                if (
                    view.turns
                    and averaged is not None
                    and _is_exact(averaged, view.turns, probe(X.shape[1])[:2])
                ):
                    choices.append((Covariants(np.eye(kind.size())), averaged, view.turns))
                if exchanged is not None:
                    for summary in exchanged.summarised():
                        choices.append((covariants, summary.scaled(X), None))
            yield from (one for one in choices if one[0] is not None and one[1] is not None)


def _is_exact(invariants, turns, X):
    """Whether distances of invariants stay as they are when all samples are turned."""
    at = squares_of(invariants(X), invariants(X))
    for a, _ in turns:
        v = invariants(X @ a.T)
        if not np.allclose(squares_of(v, v), at, rtol=1e-9, atol=1e-9 * max(1.0, at.max())):
            return False
    return True


def around(kernel, forms=True):
    """Kernels like one, of about its length."""
    forms = PROFILES if forms else [kernel.form]
    lengths = [kernel.length * factor for factor in (0.5, 1.0, 2.0)]
    return [replace(kernel, form=form, length=length) for form in forms for length in lengths]


def _better(best, kernels, data):
    """The best (score, kernel) of those that share their distances and one before."""
    for kernel, score in zip(kernels, scores_of(kernels, *data), strict=True):
        if score < best[0]:
            best = score, kernel
    return best


def scores_of(kernels, X, Y, weights, constants):
    """The scores of kernels that differ in form and length alone: see ``_scores``."""
    squares, phi = kernels[0].squares(X, X), kernels[0].covariants(X)
    for kernel in kernels:
        A, *_ = design(kernel.blocks(squares, phi, phi), len(phi))
        ridge = LeaveOneOutRidge(A, Y, weights, constants, rough=True)
        yield float(np.min(scores(ridge)))


def scores(ridge):
    """What is least where a kernel suits, for each penalty: the leave-one-out error times that of the evidence.

    Either alone is led astray by few samples: the first by those at the edge, the second by a kernel that no member of
    the family matches. As logarithms, per equation.
    """
    n = ridge.Y.size
    alphas = penalties(ridge)
    with np.errstate(divide="ignore"):
        return (ridge.evidences(alphas) / n + np.log(ridge.loo_errors(alphas))) / 2


def penalties(ridge):
    return ALPHAS * ridge.Y[..., 0].size


def _fit(kernel, X, Y, weights, constants, m):
    """The fit of a kernel with the first m samples for centres, its ridge and penalty."""
    d, c = Y.shape[1:]
    centres, phi = X[:m], kernel.covariants(X)
    A, W = design(kernel.blocks(kernel.squares(X, centres), phi, phi[:m]), m)
    ridge = LeaveOneOutRidge(A, Y, weights, constants, rough=True)
    alpha = float(penalties(ridge)[int(np.argmin(scores(ridge)))])
    coefficients, intercept = ridge.solve(alpha)
    beta = (W @ coefficients).reshape(m, d, c)
    if kernel.turns:
        T = np.concatenate([b @ beta for _, b in kernel.turns]) / len(kernel.turns)
    else:
        T = np.einsum("mdr,mdc->mrc", phi[:m], beta)
    u = np.concatenate([kernel.invariants(x) for x, _ in kernel.images(centres)])
    return KernelFit(kernel, u, T, intercept), ridge, alpha


def design(blocks, m):
    """A design matrix (n, d, q) of mean square one by row whose ridge is that of a kernel, and W with A = blocks W."""
    size = blocks.shape[1]
    K = blocks[:size]
    values, vectors = np.linalg.eigh((K + K.T) / 2)
    kept = values > np.finfo(float).eps * size * values.max(initial=0)
    W = vectors[:, kept] / np.sqrt(values[kept])
    A = blocks @ W
    unit = np.sqrt(np.vdot(A, A) / len(A)) or 1.0
    return (A / unit).reshape(-1, size // m, A.shape[1]), W / unit


def squares_of(u, v):
    """Squared distances of rows."""
    centre = v.mean(axis=0)
    u, v = u - centre, v - centre
    s = np.sum(u * u, axis=1)[:, None] + np.sum(v * v, axis=1) - 2 * (u @ v.T)
    return np.maximum(s, 0, out=s)
