"""Numbers that a group leaves alone, as coordinates for kernels: products, lengths, angles, distances."""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from fastemlp.closed_form.polynomials import Limits, PolynomialFeatures
from fastemlp.exceptions import CertificationError
from fastemlp.reps import Scalar, has_invariant_norm

#: Invariants of one kind, at most so many.
MOST = 1000
#: The same for products of three objects.
MOST_CUBIC = 300
#: Lengths are √(r² + TINY²), for scaled objects, so that they and directions have derivatives at the origin.
TINY = 1e-6
#: A basis of products may have so many numbers.
_LIMITS = Limits(2**26, 2e9, 3e5)

#: Powers of coordinates that a group exchanges.
MOMENTS = (1, 2, 3, 4)

LENGTHS = {
    "r": (lambda r: r, np.ones_like),
    "log r": (np.log, lambda r: 1 / r),
    "1/r": (lambda r: 1 / r, lambda r: -1 / r**2),
}


@dataclass(frozen=True)
class Columns:
    """Columns as they are: scalars, or all there is where finite groups are averaged over."""

    columns: np.ndarray

    def __call__(self, X):
        return X[:, self.columns]

    def jacobian(self, X):
        """Of shape (n, p, n_in), like those of the others."""
        J = np.eye(X.shape[1])[self.columns]
        return np.broadcast_to(J, (len(X), *J.shape))


@dataclass(frozen=True)
class Lengths:
    """A function of the lengths of objects, or of differences of two; ``minus`` is None or like ``columns``."""

    columns: np.ndarray  # (p, d)
    minus: np.ndarray | None
    of: str

    def __call__(self, X):
        return LENGTHS[self.of][0](self._vectors_and_lengths(X)[1])

    def jacobian(self, X):
        v, r = self._vectors_and_lengths(X)
        slope = (LENGTHS[self.of][1](r) / r)[..., None] * v
        J = np.zeros((*r.shape, X.shape[1]))
        each = np.arange(len(self.columns))[:, None]
        J[:, each, self.columns] = slope
        if self.minus is not None:
            J[:, each, self.minus] -= slope
        return J

    def _vectors_and_lengths(self, X):
        v = X[:, self.columns]
        if self.minus is not None:
            v = v - X[:, self.minus]
        return v, np.sqrt(np.sum(v * v, axis=2) + TINY**2)


@dataclass(frozen=True)
class Products:
    """Invariant polynomials of objects, some of which are first made as long as one."""

    features: PolynomialFeatures
    directions: tuple = ()  # of int arrays (copies, d)

    def __call__(self, X):
        return self.features(self._directed(X)[0])[:, 0]

    def jacobian(self, X):
        directed, lengths = self._directed(X)
        J = self.features.jacobian(directed, np.eye(self.features.rank))[:, 0]
        for columns, r in zip(self.directions, lengths, strict=True):
            unit = directed[:, columns]
            along = np.einsum("npkd,nkd->npk", J[:, :, columns], unit)
            across = J[:, :, columns] - along[..., None] * unit[:, None]
            J[:, :, columns] = across / r[:, None, :, None]
        return J

    def _directed(self, X):
        directed, lengths = X.copy() if self.directions else X, []
        for columns in self.directions:
            v = X[:, columns]
            r = np.sqrt(np.sum(v * v, axis=2) + TINY**2)
            directed[:, columns] = v / r[..., None]
            lengths.append(r)
        return directed, lengths


@dataclass(frozen=True)
class Roots:
    """Square roots of the sizes of invariants, with their signs, or the inverses of the roots."""

    of: Products
    inverse: bool = False

    def __call__(self, X):
        p = self.of(X)
        root = np.sqrt(np.abs(p) + TINY**2)
        return 1 / root if self.inverse else np.sign(p) * root

    def jacobian(self, X):
        p = self.of(X)
        root = np.sqrt(np.abs(p) + TINY**2)
        slope = np.sign(p) / (2 * root)
        slope *= -1 / root**2 if self.inverse else np.sign(p)
        return slope[..., None] * self.of.jacobian(X)


@dataclass(frozen=True)
class Invariants:
    """Invariants side by side, each divided by its scale.

    Attributes
    ----------
    name : str; what they are, for people
    pieces : tuple
    orbits : tuple of int arrays
        Coordinates that finite groups exchange, of those together that are invariant under the others alone.
    summary : {None, "sorted", "moments"}
        What makes invariants of those of an orbit: they are sorted, or their moments taken, up to ``MOMENTS``.
    scale : ndarray of shape (p,)
    """

    name: str
    pieces: tuple
    orbits: tuple = ()
    summary: str | None = None
    scale: np.ndarray | float = 1.0

    def __call__(self, X):
        """Their values: ndarray of shape (n, p)."""
        u = np.hstack([piece(X) for piece in self.pieces])
        if self.summary == "moments":
            u = np.stack(
                [np.mean(u[:, orbit] ** k, axis=1) for orbit in self.orbits for k in MOMENTS],
                axis=1,
            )
        elif self.summary == "sorted":
            for orbit in self.orbits:
                u[:, orbit] = np.sort(u[:, orbit], axis=1)
        return u / self.scale

    def jacobian(self, X):
        """Their derivatives in X: ndarray of shape (n, p, n_in)."""
        J = np.concatenate([piece.jacobian(X) for piece in self.pieces], axis=1)
        if self.summary:
            u = np.hstack([piece(X) for piece in self.pieces])
        if self.summary == "moments":
            slopes = [(k * u[:, orbit] ** (k - 1), orbit) for orbit in self.orbits for k in MOMENTS]
            J = np.stack([np.einsum("no,noj->nj", s, J[:, o]) / len(o) for s, o in slopes], axis=1)
        elif self.summary == "sorted":
            for orbit in self.orbits:
                order = orbit[np.argsort(u[:, orbit], axis=1)]
                J[:, orbit] = np.take_along_axis(J, order[..., None], axis=1)
        return J / np.reshape(self.scale, (-1, 1))

    def scaled(self, X):
        """The same with the scale that gives them variance one over samples X; None where none varies."""
        u = self(X)
        power, mean = np.var(u, axis=0), np.mean(u, axis=0)
        if self.summary is None:
            for orbit in self.orbits:
                # what is exchanged has one scale
                power[orbit] = np.mean(u[:, orbit] ** 2) - np.mean(u[:, orbit]) ** 2
        varies = power > 1e-16 * mean**2
        if not varies.any():
            return None
        # what is constant does not tell samples apart
        return replace(self, scale=np.where(varies, np.sqrt(np.maximum(power, 0)), np.inf))

    def summarised(self):
        """The same, sorted, and its moments."""
        yield replace(self, summary="sorted")
        yield replace(self, summary="moments", name=f"moments of {self.name}")

    @property
    def shared(self):
        """The coordinates that a function of one has to be summed over: the orbits, or each on its own."""
        if self.orbits and self.summary is None:
            return self.orbits
        return tuple(np.arange(len(self.scale))[:, None])

    def exchanged(self, generators, X):
        """The same with its orbits under matrices that act on X; None if these do not exchange coordinates."""
        u = self(X)
        p = u.shape[1]
        label = np.arange(p)
        for h in generators:
            v = self(X @ h.T)
            apart = np.max(np.abs(u[:, :, None] - v[:, None]), axis=0)
            image = np.argmin(apart, axis=1)
            if np.any(apart[np.arange(p), image] > 1e-9 * max(1.0, np.abs(u).max())):
                return None
            for i, j in enumerate(image):
                a, b = sorted((label[i], label[j]))
                label[label == b] = a
        orbits = tuple(np.flatnonzero(label == a) for a in np.unique(label))
        return replace(self, orbits=orbits)


def families(sources, X):
    """Yield Invariants of several kinds, not yet scaled.

    Parameters
    ----------
    sources : sequence of (type, columns of each copy), as of ``fastemlp.reps.objects``
    X : ndarray of shape (n, n_in); samples that tell which products vary
    """
    scalars = tuple(Columns(columns.ravel()) for kind, columns in sources if kind == Scalar)
    others = [(kind, columns) for kind, columns in sources if kind != Scalar]
    if not others:
        yield Invariants("columns", scalars)
        return
    products = _products(others, 2)
    if products is not None:
        yield Invariants("products", (*scalars, Products(products)))
    cubic = _products(others, 3, MOST_CUBIC)
    if cubic is not None and (products is None or cubic.rank > products.rank):
        yield Invariants("products of three", (*scalars, Products(cubic)))
    measured = [columns for kind, columns in others if has_invariant_norm(kind)]
    if len(measured) < len(others):
        roots, name = products, "products"
        if products is None or Invariants("", (Products(products),)).scaled(X) is None:
            # of points (x, 1) that are moved as well, the distances
            roots, name = _products(others, 4, MOST_CUBIC), "products of four"
            if roots is not None:
                yield Invariants(name, (*scalars, Products(roots)))
        if roots is not None:
            yield Invariants(f"roots of {name}", (*scalars, Roots(Products(roots))))
            yield Invariants(f"inverse roots of {name}", (*scalars, Roots(Products(roots), True)))
    if not measured:
        return
    if products is not None:
        angles = Products(products, tuple(measured))
        for of in ("r", "log r"):
            lengths = (Lengths(columns, None, of) for columns in measured)
            yield Invariants(f"angles and {of}", (*scalars, *lengths, angles))
    pairs = [np.array(list(combinations(range(len(c)), 2)), int).reshape(-1, 2) for c in measured]
    if not 0 < sum(map(len, pairs)) <= MOST:
        return
    for of in ("r", "1/r"):
        lengths = [Lengths(columns, None, of) for columns in measured]
        distances = [
            Lengths(columns[pair[:, 0]], columns[pair[:, 1]], of)
            for columns, pair in zip(measured, pairs, strict=True)
            if len(pair)
        ]
        yield Invariants(f"distances, {of}", (*scalars, *lengths, *distances))


def _products(sources, degree, most=MOST):
    """The invariant polynomials up to a degree, or None where there are none, too many, or they take too long."""
    try:
        found = PolynomialFeatures.build(sources, Scalar, degree, 1, _LIMITS)
    except (MemoryError, CertificationError):
        return None
    return found if 0 < found.rank <= most else None
