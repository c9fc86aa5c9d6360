"""Numbers that a group leaves alone, made in one way each: products, lengths, angles, distances."""

from dataclasses import dataclass, replace

import numpy as np

from fastemlp.closed_form.polynomials import ROUNDOFF, PolynomialFeatures

#: Lengths are √(r² + TINY²), for scaled objects, so that they and directions have derivatives at the origin.
TINY = 1e-6

LENGTHS = {
    "r": (lambda r: r, np.ones_like),
    "log r": (np.log, lambda r: 1 / r),
    "1/r": (lambda r: 1 / r, lambda r: -1 / r**2),
}


def _lengths(v, least=TINY):
    """Of vectors (p, d, n), never zero."""
    return np.sqrt(np.einsum("pdn,pdn->pn", v, v) + least**2)


@dataclass(frozen=True)
class Columns:
    """Columns as they are: scalars, or all there is where finite groups are averaged over."""

    columns: np.ndarray

    @property
    def kinds(self):
        """Which of a piece's values are alike: those of equal objects, made in one way."""
        return np.zeros(len(self.columns), np.intp)

    def __call__(self, X):
        return X.T[self.columns].T

    @property
    def together(self):
        """Which of them are computed together: int ndarray (p,), counted from 0."""
        return np.arange(len(self.columns))

    def is_roundoff(self, X):
        """Which of them are nothing but roundoff of samples X: bool ndarray (p,)."""
        return np.zeros(len(self.columns), bool)

    def only(self, kept):
        """Those that ``kept`` says, a bool for each that are computed together."""
        return Columns(self.columns[kept])

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
    least: float = TINY

    @property
    def kinds(self):
        """As of ``Columns``."""
        return np.zeros(len(self.columns), np.intp)

    def __call__(self, X):
        return LENGTHS[self.of][0](self._vectors_and_lengths(X)[1]).T

    @property
    def together(self):
        return np.arange(len(self.columns))

    def is_roundoff(self, X):
        r = self._vectors_and_lengths(X)[1]
        size = np.einsum("npd,npd->p", X[:, self.columns], X[:, self.columns])
        if self.minus is not None:
            size += np.einsum("npd,npd->p", X[:, self.minus], X[:, self.minus])
        return np.var(r, axis=1) <= ROUNDOFF**2 * size / len(X)

    def only(self, kept):
        minus = None if self.minus is None else self.minus[kept]
        return replace(self, columns=self.columns[kept], minus=minus)

    def jacobian(self, X):
        v, r = self._vectors_and_lengths(X)
        v, r = v.transpose(2, 0, 1), r.T
        slope = (LENGTHS[self.of][1](r) / r)[..., None] * v
        J = np.zeros((*r.shape, X.shape[1]), X.dtype)
        each = np.arange(len(self.columns))[:, None]
        J[:, each, self.columns] = slope
        if self.minus is not None:
            J[:, each, self.minus] -= slope
        return J

    def _vectors_and_lengths(self, X):
        """For samples side by side, (p, d, n) and (p, n)."""
        v = X.T[self.columns]
        if self.minus is not None:
            v -= X.T[self.minus]
        return v, _lengths(v, self.least)


@dataclass(frozen=True)
class Angles:
    """The angles between objects of one type, in radians; ``first`` and ``second`` are columns of these, (p, d)."""

    first: np.ndarray
    second: np.ndarray
    least: float = TINY

    @property
    def kinds(self):
        """As of ``Columns``."""
        return np.zeros(len(self.first), np.intp)

    @property
    def together(self):
        return np.arange(len(self.first))

    def is_roundoff(self, X):
        return np.std(self(X), axis=0) <= ROUNDOFF

    def only(self, kept):
        return replace(self, first=self.first[kept], second=self.second[kept])

    def __call__(self, X):
        _, cosine, sine = self._directions(X)
        angle = np.arctan2(sine.real, cosine.real)
        return (angle - 1j * cosine.imag / sine.real if X.dtype.kind == "c" else angle).T

    def jacobian(self, X):
        (a, b), cosine, sine = self._directions(X)
        J = np.zeros((len(X), len(self.first), X.shape[1]), X.dtype)
        each = np.arange(len(self.first))[:, None]
        for columns, (u, r), (v, _) in ((self.first, a, b), (self.second, b, a)):
            J[:, each, columns] += ((cosine[:, None] * u - v) / (r * sine)[:, None]).transpose(
                2, 0, 1
            )
        return J

    def _directions(self, X):
        """Directions (p, d, n) and lengths (p, n) of both, the cosine, and the sine, which is never zero."""
        directed = []
        for columns in (self.first, self.second):
            v = X.T[columns]
            r = _lengths(v, self.least)
            directed.append((v / r[:, None], r))
        cosine = np.einsum("pdn,pdn->pn", directed[0][0], directed[1][0])
        # 1 − c² may be less than zero by roundoff
        square = 1 - cosine**2
        return directed, cosine, np.sqrt(np.where(square.real > 0, square, 0) + TINY**2)


@dataclass(frozen=True)
class Products:
    """Invariant polynomials of objects, some of which are first made as long as one."""

    features: PolynomialFeatures
    directions: tuple = ()  # of int arrays (copies, d)
    least: float = TINY

    @property
    def kinds(self):
        """As of ``Columns``."""
        return self.features.maps

    def __call__(self, X):
        return self.features.beside(self._directed(X)[0].T)[0].T

    @property
    def together(self):
        return self.features.products

    def is_roundoff(self, X):
        return self.features.is_roundoff(self._directed(X)[0])

    def only(self, kept):
        features = self.features.only(kept)
        used = [np.isin(columns, features.columns).any(axis=1) for columns in self.directions]
        directions = (c[some] for c, some in zip(self.directions, used, strict=True) if some.any())
        return replace(self, features=features, directions=tuple(directions))

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
        directed, lengths = np.array(X.T, order="C") if self.directions else X.T, []
        for columns in self.directions:
            v = directed[columns]
            r = _lengths(v, self.least)
            directed[columns] = v / r[:, None]
            lengths.append(r.T)
        return directed.T, lengths


@dataclass(frozen=True)
class Roots:
    """Square roots of the sizes of invariants, with their signs, or the inverses of the roots."""

    of: Products
    inverse: bool = False

    @property
    def kinds(self):
        """As of ``Columns``."""
        return self.of.kinds

    def __call__(self, X):
        sign, root = self._roots(X)
        return 1 / root if self.inverse else sign * root

    @property
    def together(self):
        return self.of.together

    def is_roundoff(self, X):
        return self.of.is_roundoff(X)

    def only(self, kept):
        return replace(self, of=self.of.only(kept))

    def jacobian(self, X):
        sign, root = self._roots(X)
        slope = sign / (2 * root)
        slope *= -1 / root**2 if self.inverse else sign
        return slope[..., None] * self.of.jacobian(X)

    def _roots(self, X):
        p = self.of(X)
        sign = np.sign(p.real)
        return sign, np.sqrt(sign * p + TINY**2)


@dataclass(frozen=True)
class PairsOfScalars:
    """Sums and products of scalars that two objects have."""

    first: np.ndarray  # (pairs,)
    second: np.ndarray
    product: bool

    @property
    def kinds(self):
        """As of ``Columns``."""
        return np.zeros(len(self.first), np.intp)

    @property
    def together(self):
        return np.arange(len(self.first))

    def is_roundoff(self, X):
        size = np.mean(X[:, self.first] ** 2 + X[:, self.second] ** 2, axis=0)
        return (
            np.zeros(len(size), bool) if self.product else np.var(self(X), 0) <= ROUNDOFF**2 * size
        )

    def only(self, kept):
        return replace(self, first=self.first[kept], second=self.second[kept])

    def __call__(self, X):
        a, b = X.T[self.first], X.T[self.second]
        return (a * b if self.product else a + b).T

    def jacobian(self, X):
        J = np.zeros((len(X), len(self.first), X.shape[1]), X.dtype)
        each = np.arange(len(self.first))
        J[:, each, self.first] = X[:, self.second] if self.product else 1.0
        J[:, each, self.second] = X[:, self.first] if self.product else 1.0
        return J
