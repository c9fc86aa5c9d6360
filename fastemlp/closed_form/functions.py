"""Functions of invariants: sums of functions of one or a few each, or monomials of all."""

from dataclasses import dataclass, replace
from itertools import groupby
from math import comb

import numpy as np

from fastemlp.closed_form.expansion import Expansion
from fastemlp.closed_form.kernels import PROFILES, VALUES, squares_of
from fastemlp.closed_form.polynomials import PolynomialFeatures
from fastemlp.reps import Scalar

#: Forms of functions of one invariant, their lengths in units of its spread, and the powers they are added to.
SHAPES = (("rbf", 0.7, 0), ("rbf", 0.7, 3), ("rbf", 2.0, 3), ("matern", 1.5, 1))
#: Points at which functions are pinned, and what is kept of their kernel.
POINTS, KEPT = 24, 1e-10
#: The same for functions of several invariants.
JOINT_POINTS = 150


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
