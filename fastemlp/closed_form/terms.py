"""Sums of terms: covariants times functions of one invariant, as pair potentials are, or monomials of several."""

from dataclasses import dataclass, replace
from math import comb

import numpy as np

from fastemlp.bases import equivariant_basis
from fastemlp.closed_form.covariants import Covariants
from fastemlp.closed_form.invariants import Invariants, families
from fastemlp.closed_form.kernels import PROFILES
from fastemlp.closed_form.polynomials import PolynomialFeatures, row_chunks
from fastemlp.closed_form.sparse import MOST_WORK, Reweighted, fit_sparse, refit, spread
from fastemlp.closed_form.views import views
from fastemlp.reps import Scalar

#: Forms of the functions, their lengths in units of the spread of an invariant, and the powers they are added to.
SHAPES = (("rbf", 0.7, 0), ("rbf", 0.7, 3), ("rbf", 2.0, 3), ("matern", 1.5, 1))
#: Degrees of monomials.
DEGREES = (2, 3)
#: Points at which functions are pinned, and what is kept of their kernel.
POINTS, KEPT = 24, 1e-10
#: Equations of the fits that choose, work of the decomposition in the last one, numbers of a design matrix.
CHOOSING, FITTING_WORK, MAX_NUMBERS = 400, 1e10, 5e7
#: Samples that choose, at least.
FEWEST = 10
#: Equations and columns of a design matrix with which terms are chosen, at most.
MOST = 4000
#: Rounds of reweighting by which sums are compared, one where a round takes long.
TRIED = 3


@dataclass(frozen=True)
class Curves:
    """Functions of one invariant, orthonormal as a kernel sees them, and some powers, summed over an orbit of these.

    The powers go on where data end, while the functions vanish there.

    Attributes
    ----------
    orbit : int ndarray
    points : ndarray of shape (q,)
    W : ndarray of shape (q, R)
    form, length : of the kernel
    powers : int ndarray
    """

    orbit: np.ndarray
    points: np.ndarray
    W: np.ndarray
    form: str
    length: float
    powers: np.ndarray

    @classmethod
    def through(cls, orbit, values, form, length, n_powers):
        """Curves that are pinned at quantiles of some values."""
        points = np.unique(np.quantile(values, np.linspace(0, 1, POINTS)))
        K = PROFILES[form](((points[:, None] - points) / length) ** 2)[0]
        size, vectors = np.linalg.eigh(K)
        kept = size > KEPT * size.max()
        W = vectors[:, kept] / np.sqrt(size[kept])
        return cls(orbit, points, W, form, length, np.arange(1, n_powers + 1))

    @property
    def rank(self):
        """R, the number of functions."""
        return self.W.shape[1] + len(self.powers)

    def __call__(self, u):
        """Of shape (n, R)."""
        u = u[:, self.orbit, None]
        local = PROFILES[self.form](((u - self.points) / self.length) ** 2)[0].sum(axis=1)
        return np.hstack([local @ self.W, np.sum(self._from_middle(u) ** self.powers, axis=1)])

    def slopes(self, u, C):
        """The derivatives of ``self(u) @ C``, C of shape (R, c), in the orbit: ndarray (n, c, orbit)."""
        u = u[:, self.orbit, None]
        apart = (u - self.points) / self.length
        local = PROFILES[self.form](apart**2)[1] * 2 * apart / self.length
        q = self.W.shape[1]
        slopes = self.powers * self._from_middle(u) ** (self.powers - 1)
        return (local @ (self.W @ C[:q]) + slopes @ C[q:]).swapaxes(1, 2)

    def _from_middle(self, u):
        return u - self.points[len(self.points) // 2]


@dataclass(frozen=True)
class Sum:
    """Functions of one invariant each, side by side."""

    curves: tuple

    @classmethod
    def of(cls, invariants, u, *shape):
        """Curves through the values u of invariants, for all orbits that vary."""
        orbits = (o for o in invariants.shared if np.isfinite(invariants.scale[o]).all())
        return cls(tuple(Curves.through(o, u[:, o], *shape) for o in orbits))

    @property
    def family(self):
        """Sums with powers and without are told apart: of each the best is kept."""
        return "powers" if len(self.curves[0].powers) else "local"

    @property
    def kinds(self):
        """Which function each column belongs to: int ndarray of shape (R,)."""
        return np.repeat(np.arange(len(self.curves)), [curve.rank for curve in self.curves])

    def __call__(self, u):
        """Of shape (n, R)."""
        return np.hstack([curve(u) for curve in self.curves])

    def slopes(self, u, C):
        """The derivatives of ``self(u) @ C``: ndarray (n, c, p)."""
        J, first = np.zeros((len(u), C.shape[1], u.shape[1])), 0
        for curve in self.curves:
            last = first + curve.rank
            J[..., curve.orbit] = curve.slopes(u, C[first:last])
            first = last
        return J


@dataclass(frozen=True)
class Monomials:
    """Products of invariants."""

    features: PolynomialFeatures
    family = "monomials"

    @classmethod
    def of(cls, invariants, degree, most):
        """All of those that vary, up to a degree; None if there are more."""
        (columns,) = np.nonzero(np.isfinite(invariants.scale))
        if comb(len(columns) + degree, degree) > most:
            return None
        return cls(PolynomialFeatures.build([(Scalar, columns[:, None])], Scalar, degree, 1))

    @property
    def kinds(self):
        """Which monomial each column is."""
        return np.arange(self.features.rank)

    def __call__(self, u):
        """Of shape (n, R)."""
        return self.features(u)[:, 0]

    def slopes(self, u, C):
        """The derivatives of ``self(u) @ C``: ndarray (n, c, p)."""
        return self.features.jacobian(u, C)[:, 0]


@dataclass(frozen=True)
class TermsFit:
    """``Σ_kt c_kt φ_k(x) f_t(u(x))``, plus a constant, for covariants φ, invariants u and functions f.

    Attributes
    ----------
    invariants : Invariants
    covariants : Covariants
    functions : Sum or Monomials
    coefficients : ndarray of shape (R, r, c)
    intercept : ndarray of shape (d, c)
    """

    invariants: Invariants
    covariants: Covariants
    functions: Sum | Monomials
    coefficients: np.ndarray | None = None
    intercept: np.ndarray | None = None

    @property
    def is_bounded(self):
        """Whether predictions stay bounded far from the data, but for the covariants."""
        return self.functions.family == "local"

    @property
    def name(self):
        """For people."""
        what = "functions" if isinstance(self.functions, Sum) else "monomials"
        return f"{what} of {self.invariants.name}"

    @property
    def n_coefficients(self):
        """The numbers that were fitted."""
        return self.coefficients.size + self.intercept.size

    def __call__(self, X):
        """Predictions of shape (n, d, c)."""
        y = np.empty((len(X), *self.intercept.shape))
        for rows in row_chunks(len(X), self._width):
            y[rows] = self.covariants(X[rows]) @ self._factors(self.invariants(X[rows]))
        return y + self.intercept

    def jacobian(self, X):
        """Their derivatives, (n, d, c, n_in)."""
        R, r, c = self.coefficients.shape
        J = np.empty((len(X), *self.intercept.shape, X.shape[1]))
        for rows in row_chunks(len(X), self._width * X.shape[1]):
            x = X[rows]
            u = self.invariants(x)
            slopes = self.functions.slopes(u, self.coefficients.reshape(R, -1))
            slopes = (slopes @ self.invariants.jacobian(x)).reshape(-1, r, c, X.shape[1])
            J[rows] = np.einsum("ndr,nrcj->ndcj", self.covariants(x), slopes)
            J[rows] += self.covariants.jacobian(x, self._factors(u))
        return J

    def values(self, X):
        """All functions times all covariants, ndarray (n, d, R·r)."""
        values, phi = self.functions(self.invariants(X)), self.covariants(X)
        return np.einsum("nR,ndr->ndRr", values, phi).reshape(*phi.shape[:2], -1)

    def slopes(self, X):
        """Their derivatives, ndarray (n, d, R·r, n_in)."""
        u, phi = self.invariants(X), self.covariants(X)
        values = self.functions(u)
        slopes = self.functions.slopes(u, np.eye(values.shape[1])) @ self.invariants.jacobian(X)
        J = np.einsum("nRj,ndr->ndRrj", slopes, phi)
        J += np.einsum("nR,ndrj->ndRrj", values, self.covariants.slopes(X))
        return J.reshape(*phi.shape[:2], -1, X.shape[1])

    @property
    def kinds(self):
        """The function and covariant of each column of the design: int ndarray (R·r,), counted from 0."""
        r = self.covariants.rank
        return (self.functions.kinds[:, None] * r + np.arange(r)).ravel()

    def solved(self, coefficients, intercept):
        """The same with its coefficients, (R·r, c)."""
        shape = -1, self.covariants.rank, coefficients.shape[1]
        return replace(self, coefficients=coefficients.reshape(shape), intercept=intercept)

    def _factors(self, u):
        """What multiplies the covariants, (n, r, c)."""
        R, r, c = self.coefficients.shape
        return (self.functions(u) @ self.coefficients.reshape(R, -1)).reshape(-1, r, c)

    @property
    def _width(self):
        R, r, c = self.coefficients.shape
        return POINTS * np.size(self.invariants.scale) + R + r * (c + len(self.intercept))


def fit_terms(rep_in, kind, data, rng):
    """The best sums of functions of single invariants, and of monomials, sparse where that predicts better.

    Parameters
    ----------
    rep_in, kind : Rep, bound; of inputs and of an output of one type
    data : Observations; scaled
    rng : numpy Generator; draws folds, and samples where there are too many

    Returns
    -------
    list of (TermsFit, left_out)
        ``left_out``, an ndarray of shape (n, equations, c), is the residual of fits without the sample.
    """
    n_some = min(len(data), max(FEWEST, CHOOSING // data.equations))
    if n_some * data.equations > MOST:
        return []
    covariants = Covariants.of(rep_in, kind, data.X)
    if covariants is None:
        return []
    order = rng.permutation(len(data))
    some = data.of(order[:n_some])
    constants = data.constants(equivariant_basis(kind, dtype=np.float64).to_dense())
    best = {}
    for fit in _candidates(rep_in, kind, covariants, some):
        A = some.design(fit)
        rounds = Reweighted(A, some.targets, some.weights, constants, fit.kinds)
        for _ in range(TRIED if A.size * len(A) < MOST_WORK / 8 else 1):
            rounds.round()
        family = fit.functions.family
        if family not in best or rounds.loo_error < best[family][0]:
            best[family] = rounds.loo_error, fit
    found = []
    for _, fit in best.values():
        solved = fit_sparse(some.design(fit), some.targets, some.weights, constants, fit.kinds, rng)
        found.append(_refitted(fit, solved, n_some, data, constants, order))
    return found


def _candidates(rep_in, kind, covariants, data):
    """Yield TermsFit without coefficients."""
    X, equations = data.X, len(data) * data.equations
    most = min(MOST, int(MOST_WORK / min(equations, 400) ** 2)) // covariants.rank
    for invariants, exchanges in _exchanged(rep_in, kind, X):
        u = invariants(X)
        some = [Sum.of(invariants, u, *shape) for shape in SHAPES]
        if not exchanges:
            some += [Monomials.of(invariants, degree, most) for degree in DEGREES]
        for functions in some:
            if functions is not None and 0 < len(functions.kinds) <= most:
                yield TermsFit(invariants, covariants, functions)


def _exchanged(rep_in, kind, X):
    """Yield scaled Invariants with the orbits that share a function, and whether a group exchanges coordinates."""
    for view in views(rep_in, kind):
        for invariants in families(view.sources, X):
            exchanged = None
            alone = [invariants]
            if view.generators:
                exchanged = invariants.exchanged(view.generators, X[:8])
                alone = [] if exchanged is None else exchanged.summarised()
                exchanged = exchanged and exchanged.scaled(X)
            if exchanged is not None:
                yield exchanged, True
            for each in alone:
                scaled = each.scaled(X)
                if scaled is not None:
                    yield scaled, False


def _refitted(fit, solved, n_some, data, constants, order):
    """On all samples, with the terms that a few have chosen."""
    c, b, left_out = solved
    if n_some < len(data):
        kept = np.count_nonzero(c.any(axis=1))
        n = min(FITTING_WORK / max(kept**2, 1), MAX_NUMBERS / len(c)) / data.equations
        n = max(n_some, min(len(data), int(n)))
        c, b, left_out = refit(data, order, n, fit, c, fit.kinds, constants)
    fit = fit.solved(c, b[: data.Y.shape[1]])
    return fit, spread(left_out, fit, data, order)
