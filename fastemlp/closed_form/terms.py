"""Sums of terms: covariants times functions of one invariant, as pair potentials are, or monomials of several."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, groupby
from math import comb

import numpy as np

from fastemlp.bases import equivariant_basis
from fastemlp.closed_form.covariants import Covariants
from fastemlp.closed_form.expansion import Expansion
from fastemlp.closed_form.invariants import Invariants, families, pairs
from fastemlp.closed_form.kernels import PROFILES, VALUES, squares_of
from fastemlp.closed_form.polynomials import PolynomialFeatures, row_chunks
from fastemlp.closed_form.sparse import MOST_WORK, Reweighted, fit_sparse, refit, spread
from fastemlp.closed_form.tiles import tiles
from fastemlp.closed_form.views import probe, views
from fastemlp.reps import Scalar

#: Forms of the functions, their lengths in units of the spread of an invariant, and the powers they are added to.
SHAPES = (("rbf", 0.7, 0), ("rbf", 0.7, 3), ("rbf", 2.0, 3), ("matern", 1.5, 1))
#: Degrees of monomials.
DEGREES = (1, 2, 3)
#: Points at which functions are pinned, and what is kept of their kernel.
POINTS, KEPT = 24, 1e-10
#: The same for functions of several invariants.
JOINT_POINTS = 150
#: Equations of the fits that choose, work of the decomposition in the last one, numbers of a design matrix.
CHOOSING, FITTING_WORK, MAX_NUMBERS = 400, 1e10, 5e7
#: Samples that choose, at least.
FEWEST = 10
#: Equations and columns of a design matrix with which terms are chosen, at most.
MOST = 4000
#: Rounds of reweighting by which sums are compared, one where a round takes more work than is cheap.
TRIED, CHEAP = 3, 5e7
#: Sums that are compared by more than one round.
FINALISTS = 4


@dataclass(frozen=True)
class Curves:
    """Functions of one invariant or of a few, orthonormal as a kernel sees them, summed over an orbit of these.

    To functions of one invariant some powers are added, which go on where data end, while the others vanish there.

    Attributes
    ----------
    orbit : int ndarray of shape (m, k); the arguments of each of m terms
    points : ndarray of shape (q, k)
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
    def through(cls, orbit, points, squares, form, length, n_powers):
        """Curves that are pinned at points of these squared distances."""
        size, vectors = np.linalg.eigh(PROFILES[form](squares / length**2)[0])
        kept = size > KEPT * size.max()
        W = vectors[:, kept] / np.sqrt(size[kept])
        return cls(orbit, points, W, form, length, np.arange(1, n_powers + 1))

    @property
    def rank(self):
        """R, the number of functions."""
        return self.W.shape[1] + len(self.powers)

    def __call__(self, u):
        """Of shape (n, R)."""
        local = self._at_points(u)[0].sum(axis=1) @ self.W
        if not len(self.powers):
            return local
        return np.hstack([local, np.sum(self._from_middle(u) ** self.powers, axis=1)])

    def renumbered(self, place):
        """The same of invariants whose column ``place[j]`` is the j-th of before."""
        return replace(self, orbit=place[self.orbit])

    def slopes(self, u, C):
        """The derivatives of ``self(u) @ C``, C of shape (R, c), in the orbit: ndarray (n, c, m, k)."""
        q = self.W.shape[1]
        W = self.W @ C[:q]
        # Σ_q k'(s_q) 2 (u − z_q) W_q is a difference of two products
        slope = self._at_points(u)[1] * (2 / self.length**2)
        J = (slope @ W)[:, :, :, None] * u[:, self.orbit][:, :, None]
        J -= np.einsum("nmq,qck->nmck", slope, W[:, :, None] * self.points[:, None], optimize=True)
        if len(self.powers):
            powers = self.powers * self._from_middle(u) ** (self.powers - 1)
            J[..., 0] += powers @ C[q:]
        return J.swapaxes(1, 2)

    def _at_points(self, u):
        """The kernel and its derivatives, (n, m, q)."""
        n, (m, k) = len(u), self.orbit.shape
        squares = squares_of(u[:, self.orbit].reshape(-1, k), self.points)
        return [f.reshape(n, m, -1) for f in PROFILES[self.form](squares / self.length**2)]

    @property
    def middle(self):
        """What powers are of the distance from."""
        return self.points[len(self.points) // 2]

    def _from_middle(self, u):
        return u[:, self.orbit] - self.middle


def pins(orbit, u):
    """Points at quantiles of the invariants u, (n, p), or evenly among these, and their squared distances."""
    values = u[:, orbit].reshape(-1, orbit.shape[1])
    if values.shape[1] == 1:
        points = np.unique(np.quantile(values, np.linspace(0, 1, POINTS)))[:, None]
    else:
        values = np.unique(values, axis=0)
        points = values[np.linspace(0, len(values) - 1, JOINT_POINTS).round().astype(int)]
    return points, squares_of(points, points)


@dataclass(frozen=True)
class Combination:
    """Curves of one form times coefficients: the kernel at all points, and all powers, go into one product.

    Attributes
    ----------
    local : tuple of (columns, points), ndarrays of shape (k, q)
        For functions of k invariants, those that they are of, and the points that the kernel is taken at.
    powered, middles : ndarrays of shape (p,); invariants, and what they are taken from before they are raised
    form, length, n_powers : of all curves
    weights : ndarray of shape (Σ q + n_powers·p, c)
    """

    local: tuple
    powered: np.ndarray
    middles: np.ndarray
    form: str
    length: float
    n_powers: int
    weights: np.ndarray

    @classmethod
    def of(cls, curves, C):
        """Of curves side by side, with coefficients C of shape (R, c)."""
        ends = np.cumsum([curve.rank for curve in curves])[:-1]
        ones = sorted(zip(curves, np.split(C, ends), strict=True), key=_n_arguments)
        local, weights = [], []
        for _, some in groupby(ones, key=_n_arguments):
            columns, points = [], []
            for curve, c in some:
                m, q = len(curve.orbit), len(curve.points)
                columns.append(np.repeat(curve.orbit.T, q, axis=1))
                points.append(np.tile(curve.points.T, m))
                weights.append(np.tile(curve.W @ c[: curve.W.shape[1]], (m, 1)))
            local.append((np.concatenate(columns, axis=1), np.concatenate(points, axis=1)))
        powered, middles, n_powers = np.zeros(0, np.intp), np.zeros(0), len(curves[0].powers)
        if n_powers:
            sizes = [len(curve.orbit) for curve in curves]
            powered = np.concatenate([curve.orbit[:, 0] for curve in curves])
            middles = np.repeat([curve.middle[0] for curve in curves], sizes)
            of_powers = np.stack([c[-n_powers:] for _, c in ones], axis=1)
            weights.append(np.repeat(of_powers, sizes, axis=1).reshape(-1, C.shape[1]))
        form, length = curves[0].form, curves[0].length
        weights = np.concatenate(weights)
        return cls(tuple(local), powered, middles, form, length, n_powers, weights)

    @property
    def width(self):
        """The numbers that one sample takes."""
        return len(self.weights)

    def __call__(self, u):
        """Of shape (n, c)."""
        u, values = u.T, np.empty((len(self.weights), len(u)))
        squares, powers = np.split(values, [len(values) - self.n_powers * len(self.middles)])
        first = 0
        for columns, points in self.local:
            these = squares[first : first + columns.shape[1]]
            np.take(u, columns[0], axis=0, out=these, mode="clip")
            these -= points[0][:, None]
            np.square(these, out=these)
            for column, point in zip(columns[1:], points[1:], strict=True):
                apart = u[column] - point[:, None]
                these += np.square(apart, out=apart)
            first += len(these)
        squares /= self.length**2
        VALUES[self.form](squares)
        if self.n_powers:
            powers = powers.reshape(self.n_powers, len(self.middles), -1)
            np.subtract(u[self.powered], self.middles[:, None], out=powers[0])
            for k in range(1, self.n_powers):
                np.multiply(powers[k - 1], powers[0], out=powers[k])
        return (self.weights.T @ values).T


def _n_arguments(one):
    return one[0].orbit.shape[1]


@dataclass(frozen=True)
class Sum:
    """Functions of one invariant each, side by side."""

    curves: tuple

    @classmethod
    def of(cls, invariants, u, shapes=SHAPES):
        """Yield those of each shape through values u of invariants, for all orbits that vary; no powers of several."""
        orbits = [o for o in invariants.shared if np.isfinite(invariants.scale[o]).all()]
        pinned = [(orbit, *pins(orbit, u)) for orbit in orbits]
        for *form, n_powers in shapes:
            if not n_powers or all(o.shape[1] == 1 for o in orbits):
                yield cls(tuple(Curves.through(*each, *form, n_powers) for each in pinned))

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

    @property
    def columns(self):
        """The invariants that matter."""
        return np.concatenate([curve.orbit.ravel() for curve in self.curves])

    def only(self, kept):
        """The functions of which ``kept`` says any, bool ndarray (R,); and which columns these are."""
        some = np.bincount(self.kinds, kept) > 0
        curves = tuple(
            curve for curve, any_of_it in zip(self.curves, some, strict=True) if any_of_it
        )
        return Sum(curves), some[self.kinds]

    def renumbered(self, place):
        """The same of invariants whose column ``place[j]`` is the j-th of before."""
        return Sum(tuple(curve.renumbered(place) for curve in self.curves))

    def times(self, C):
        """``self(u) @ C``, to be called with u."""
        return Combination.of(self.curves, C)

    def slopes(self, u, C):
        """The derivatives of ``self(u) @ C``: ndarray (n, c, p)."""
        J, first = np.zeros((len(u), C.shape[1], u.shape[1]), u.dtype), 0
        for curve in self.curves:
            last = first + curve.rank
            np.add.at(J, (slice(None), slice(None), curve.orbit), curve.slopes(u, C[first:last]))
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

    @property
    def columns(self):
        """The invariants that matter."""
        return self.features.columns

    def only(self, kept):
        """Those that ``kept`` says, bool ndarray (R,), and the same again."""
        return Monomials(self.features.only(kept)), kept

    def renumbered(self, place):
        """The same of invariants whose column ``place[j]`` is the j-th of before."""
        return Monomials(self.features.renumbered(place))

    def times(self, C):
        """``self(u) @ C``, to be called with u."""
        return Expansion.of(self.features, C)

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
        r, c = self.coefficients.shape[1:]
        for rows in tiles(len(X), self._combination.width + r * (c + len(self.intercept))):
            x = np.asfortranarray(X[rows])
            S = self._factors(self.invariants(x))
            y[rows] = np.einsum("ndr,nrc->ndc", self.covariants(x), S)
        y += self.intercept
        return y

    def pruned(self):
        """The same without the functions, covariants and invariants that have no coefficients."""
        if not self.coefficients.any():
            return self
        functions, rows = self.functions.only(self.coefficients.any(axis=(1, 2)))
        covariants, columns = self.covariants.only(self.coefficients.any(axis=(0, 2)))
        used = np.zeros(len(self.invariants.scale), bool)
        used[functions.columns] = True
        invariants, kept = self.invariants.only(used)
        functions = functions.renumbered(np.cumsum(kept) - 1)
        coefficients = self.coefficients[rows][:, columns]
        return TermsFit(invariants, covariants, functions, coefficients, self.intercept)

    def jacobian(self, X):
        """Their derivatives, (n, d, c, n_in), at real inputs, or complex ones where covariants are constant."""
        R, r, c = self.coefficients.shape
        J = np.empty((len(X), *self.intercept.shape, X.shape[1]), X.dtype)
        for rows in row_chunks(len(X), self._width * X.shape[1]):
            x = X[rows]
            u = self.invariants(x)
            slopes = self.functions.slopes(u, self.coefficients.reshape(R, -1))
            slopes = (slopes @ self.invariants.jacobian(x)).reshape(-1, r, c, X.shape[1])
            J[rows] = np.einsum("ndr,nrcj->ndcj", self.covariants(x), slopes)
            if self.covariants.features is not None:
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

    def refitted(self, data, order, constants):
        """The same terms fitted to as many of ``data[order]`` as can be afforded, and what is left of these."""
        c = self.coefficients.reshape(len(self.kinds), -1)
        kept = np.count_nonzero(c.any(axis=1))
        n = min(FITTING_WORK / max(kept**2, 1), MAX_NUMBERS / len(c)) / data.equations
        n = min(len(data), max(FEWEST, CHOOSING // data.equations, int(n)))
        c, b, left_out = refit(data, order, n, self, c, self.kinds, constants)
        return data.solved(self, c, b), left_out

    def _factors(self, u):
        """What multiplies the covariants, (n, r, c)."""
        r, c = self.coefficients.shape[1:]
        return self._combination(u).reshape(-1, r, c)

    @cached_property
    def _combination(self):
        return self.functions.times(self.coefficients.reshape(len(self.coefficients), -1))

    @property
    def _width(self):
        R, r, c = self.coefficients.shape
        return JOINT_POINTS * np.size(self.invariants.scale) + R + r * (c + len(self.intercept))


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
    tried = {}
    for fit in _candidates(rep_in, kind, covariants, some):
        A, family = some.design(fit), fit.functions.family
        rounds = Reweighted(A, some.targets, some.weights, constants, fit.kinds, rough=True)
        rounds.round()
        ones = tried.setdefault(family, [])
        ones.append((rounds, fit, A.size * len(A) < CHEAP))
        ones.sort(key=lambda one: one[0].loo_error)
        if family != "monomials":
            del ones[FINALISTS:]
    for rounds, _, is_cheap in chain(*tried.values()):
        for _ in range(TRIED - 1 if is_cheap else 0):
            rounds.round()
    found = []
    for one in tried.values():
        _, fit, _ = min(one, key=lambda each: each[0].loo_error)
        solved = fit_sparse(some.design(fit), some.targets, some.weights, constants, fit.kinds, rng)
        found.append(_refitted(fit, solved, n_some, data, constants, order))
    return found


def _candidates(rep_in, kind, covariants, data):
    """Yield TermsFit without coefficients."""
    X, equations = data.X, len(data) * data.equations
    choices = covariants, covariants.generators(rep_in)
    most = min(MOST, int(MOST_WORK / min(equations, CHOOSING) ** 2))
    for invariants, exchanges in _exchanged(rep_in, kind, X):
        u = invariants(X)
        some = list(Sum.of(invariants, u))
        if not exchanges:
            fewest = choices[1].rank
            some += [Monomials.of(invariants, degree, most // fewest) for degree in DEGREES]
        for functions in some:
            if functions is None or not len(functions.kinds):
                continue
            # all covariants where that is affordable
            for each in choices:
                if len(functions.kinds) * each.rank <= most:
                    yield TermsFit(invariants, each, functions)
                    break


def _exchanged(rep_in, kind, X):
    """Yield scaled Invariants with the orbits that share a function, and whether there are any."""
    for view in views(rep_in, kind):
        for invariants in families(view.sources, X):
            if view.generators:
                shared = [invariants.exchanged(view.generators, probe(X.shape[1]))]
                alone = [] if shared[0] is None else shared[0].summarised()
            else:
                # copies of an object may do alike, such as all pairs of atoms
                shared, alone = [invariants.alike()], [invariants]
            for each in shared:
                yield from _scaled(each, X, True)
            for each in alone:
                yield from _scaled(each, X, False)
        joint = pairs(view.sources)
        if joint is not None and joint.is_invariant(view.generators, probe(X.shape[1])):
            yield from _scaled(joint, X, True)


def _scaled(invariants, X, are_shared):
    scaled = invariants and invariants.scaled(X)
    if scaled:
        yield scaled, are_shared


def _refitted(fit, solved, n_some, data, constants, order):
    """On all samples, with the terms that a few have chosen."""
    c, b, left_out = solved
    if n_some < len(data):
        fit, left_out = fit.solved(c, None).refitted(data, order, constants)
    else:
        fit = data.solved(fit, c, b)
    fit = fit.pruned()
    return fit, spread(left_out, fit, data, order)
