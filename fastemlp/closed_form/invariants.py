"""Numbers that a group leaves alone, as coordinates for kernels: products, lengths, angles, distances."""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from fastemlp._svd import svd
from fastemlp.closed_form.polynomials import Limits, PolynomialFeatures
from fastemlp.exceptions import CertificationError
from fastemlp.reps import Scalar, has_invariant_norm, slots

#: Invariants of one kind, at most so many.
MOST = 1000
#: The same for products of three objects.
MOST_CUBIC = 300
#: Lengths are √(r² + TINY²), for scaled objects, so that they and directions have derivatives at the origin.
TINY = 1e-6
#: Scalars of one object that a function of pairs may have for arguments.
MOST_SCALARS = 3
#: A basis of products may have so many numbers.
_LIMITS = Limits(2**26, 2e9, 3e5)

#: Powers of coordinates that a group exchanges.
MOMENTS = (1, 2, 3, 4)
#: An invariant varies if its spread is more than this share of its mean; less may be roundoff of inputs.
VARIES = 1e-6

#: Eigenvalues that differ by less, in units of the largest, coincide.
ALIKE = 1e-9

LENGTHS = {
    "r": (lambda r: r, np.ones_like),
    "log r": (np.log, lambda r: 1 / r),
    "1/r": (lambda r: 1 / r, lambda r: -1 / r**2),
}


def _lengths(v):
    """Of vectors (p, d, n), never zero."""
    return np.sqrt(np.einsum("pdn,pdn->pn", v, v) + TINY**2)


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

    @property
    def kinds(self):
        """As of ``Columns``."""
        return np.zeros(len(self.columns), np.intp)

    def __call__(self, X):
        return LENGTHS[self.of][0](self._vectors_and_lengths(X)[1]).T

    @property
    def together(self):
        return np.arange(len(self.columns))

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
        return v, _lengths(v)


@dataclass(frozen=True)
class Spectra:
    """Eigenvalues of the symmetric part of square matrices, in order, and singular values if these are asked for.

    After logarithms of the latter comes that of the size of the determinant.
    """

    columns: np.ndarray  # (p, d·d)
    singular: bool
    of: str = "r"

    @property
    def kinds(self):
        """As of ``Columns``."""
        return np.tile(self._kinds, len(self.columns))

    @property
    def together(self):
        return np.repeat(np.arange(len(self.columns)), len(self._kinds))

    @property
    def _kinds(self):
        """Of one matrix."""
        times = _side(self.columns), _side(self.columns) * self.singular, self._has_determinant
        return np.repeat([0, 1, 2], times)

    @property
    def _has_determinant(self):
        return self.singular and self.of == "log r"

    def only(self, kept):
        return replace(self, columns=self.columns[kept])

    def __call__(self, X):
        A = self._matrices(X)
        values = _eigen(_symmetric(A))[0]
        if self.singular:
            sizes = LENGTHS[self.of][0](_singular(A)[0] + TINY)
            values = np.concatenate([values, sizes], axis=2)
        if self._has_determinant:
            values = np.concatenate([values, sizes.sum(axis=2, keepdims=True)], axis=2)
        return values.reshape(len(X), -1)

    def jacobian(self, X):
        A = self._matrices(X)
        _, v = _eigen(_symmetric(A))
        slopes = np.einsum("npik,npjk->npkij", v, v)
        if self.singular:
            sizes, u, v = _singular(A)
            steep = LENGTHS[self.of][1](sizes + TINY)
            more = np.einsum("npik,npk,npjk->npkij", u, steep, v)
            slopes = np.concatenate([slopes, more], axis=2)
        if self._has_determinant:
            slopes = np.concatenate([slopes, more.sum(axis=2, keepdims=True)], axis=2)
        n, p, k = slopes.shape[:3]
        J = np.zeros((n, p, k, X.shape[1]), X.dtype)
        J[:, np.arange(p)[:, None, None], np.arange(k)[:, None], self.columns[:, None]] = (
            slopes.reshape(n, p, k, -1)
        )
        return J.reshape(n, p * k, -1)

    def _matrices(self, X):
        d = _side(self.columns)
        return X[:, self.columns].reshape(len(X), -1, d, d)


def _symmetric(A):
    return (A + A.swapaxes(-1, -2)) / 2


def _eigen(A):
    """Eigenvalues and vectors of symmetric matrices (…, d, d).

    To first order in the imaginary part, if there is one: where eigenvalues coincide that tells vectors apart, and
    what a function that treats them alike makes of these is right.
    """
    values, V = np.linalg.eigh(A.real)
    if A.dtype.kind != "c":
        return values, V
    B = V.swapaxes(-1, -2) @ A.imag @ V
    d, size = A.shape[-1], np.abs(B).max(axis=(-2, -1), keepdims=True)
    steps = np.diff(values, axis=-1) > ALIKE * np.abs(values).max(axis=-1, keepdims=True)
    which = np.concatenate([np.zeros_like(values[..., :1]), np.cumsum(steps, axis=-1)], axis=-1)
    alike = which[..., None] == which[..., None, :]
    parts = np.where(alike, B / np.where(size, size, 1), 0)
    # eigenvalues of parts are at most d in size
    W = np.linalg.eigh(parts + 3 * d * which[..., None] * np.eye(d))[1]
    V, B = V @ W, W.swapaxes(-1, -2) @ B @ W
    apart = np.where(alike, 1, values[..., None, :] - values[..., None])
    turn = np.where(alike, 0, B / apart)
    return values + 1j * np.diagonal(B, axis1=-2, axis2=-1), V + 1j * V @ turn


def _singular(A):
    """Singular values of matrices (…, d, d), largest first, left and right vectors as columns; see ``_eigen``."""
    if A.dtype.kind != "c":
        U, s, Vh = svd(A)
        return s, U, Vh.swapaxes(-1, -2)
    d, none = A.shape[-1], np.zeros_like(A)
    # those of A are the eigenvalues of [[0, A], [Aᵀ, 0]] that are not negative
    values, vectors = _eigen(np.block([[none, A], [A.swapaxes(-1, -2), none]]))
    U, V = np.split(np.sqrt(2) * vectors[..., : d - 1 : -1], 2, axis=-2)
    return values[..., : d - 1 : -1], U, V


def _side(columns):
    return round(columns.shape[1] ** 0.5)


@dataclass(frozen=True)
class Products:
    """Invariant polynomials of objects, some of which are first made as long as one."""

    features: PolynomialFeatures
    directions: tuple = ()  # of int arrays (copies, d)

    @property
    def kinds(self):
        """As of ``Columns``."""
        return self.features.maps

    def __call__(self, X):
        return self.features.beside(self._directed(X)[0].T)[0].T

    @property
    def together(self):
        return self.features.products

    def only(self, kept):
        features = self.features.only(kept)
        used = [np.isin(columns, features.columns).any(axis=1) for columns in self.directions]
        directions = (c[some] for c, some in zip(self.directions, used, strict=True) if some.any())
        return Products(features, tuple(directions))

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
            r = _lengths(v)
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
    joint : tuple of int arrays (m, k)
        The arguments of functions of k coordinates that are summed over m terms.
    """

    name: str
    pieces: tuple
    orbits: tuple = ()
    summary: str | None = None
    scale: np.ndarray | float = 1.0
    joint: tuple = ()

    def __call__(self, X):
        """Their values: ndarray of shape (n, p)."""
        # samples side by side: loops over them are long, and a column is one run of memory
        X = np.asfortranarray(X)
        u = np.concatenate([piece(X).T for piece in self.pieces])
        if self.summary == "moments":
            moments = [np.mean(u[orbit] ** k, axis=0) for orbit in self.orbits for k in MOMENTS]
            u = np.stack(moments)
        elif self.summary == "sorted":
            for orbit in self.orbits:
                u[orbit] = np.sort(u[orbit], axis=0)
        u /= np.reshape(self.scale, (-1, 1))
        return u.T

    def only(self, kept):
        """Those that ``kept`` says, bool ndarray (p,), and what is computed with them; to be called when scaled.

        Returns
        -------
        Invariants
        kept : bool ndarray (p,); which these are
        """
        orbits, labels = self.orbits, [piece.together for piece in self.pieces]
        raw = kept
        if self.summary == "moments":
            kept = np.repeat(kept.reshape(len(orbits), -1).any(axis=1), len(MOMENTS))
            orbits = [o for o, some in zip(orbits, kept[:: len(MOMENTS)], strict=True) if some]
            raw = np.zeros(sum(map(len, labels)), bool)
            raw[np.concatenate(orbits)] = True
        elif self.summary == "sorted":
            raw = kept.copy()
            for orbit in orbits:
                raw[orbit] = kept[orbit].any()
        elif self.joint:
            raw = kept.copy()
            for terms in self.joint:
                raw[terms] = kept[terms].any()
        pieces, first, found = [], 0, []
        for piece, label in zip(self.pieces, labels, strict=True):
            some = np.bincount(label, raw[first : first + len(label)]) > 0
            if some.any():
                pieces.append(piece.only(some))
            found.append(some[label])
            first += len(label)
        raw = np.concatenate(found)
        place = np.cumsum(raw) - 1
        orbits = tuple(place[o[raw[o]]] for o in orbits if raw[o].any())
        joint = tuple(place[terms] for terms in self.joint if raw[terms].all())
        kept = kept if self.summary == "moments" else raw
        scale, pieces = self.scale[kept], tuple(pieces)
        return replace(self, pieces=pieces, orbits=orbits, scale=scale, joint=joint), kept

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
        varies = power > VARIES**2 * mean**2
        if not varies.any():
            return None
        # what is constant does not tell samples apart
        return replace(self, scale=np.where(varies, np.sqrt(np.maximum(power, 0)), np.inf))

    def summarised(self):
        """The same, sorted, and its moments."""
        yield replace(self, summary="sorted")
        yield replace(self, summary="moments", name=f"moments of {self.name}")

    def alike(self):
        """The same, as if copies of an object could be exchanged; None if all are different anyway."""
        orbits, first = [], 0
        for piece in self.pieces:
            kinds = piece.kinds
            orbits += [first + np.flatnonzero(kinds == k) for k in np.unique(kinds)]
            first += len(kinds)
        if len(orbits) == first:
            return None
        return replace(self, name=f"{self.name}, alike", orbits=tuple(orbits))

    @property
    def shared(self):
        """The coordinates that functions have to be summed over, (m, k): the orbits, or each on its own."""
        if self.joint:
            return self.joint
        if self.orbits and self.summary is None:
            return tuple(orbit[:, None] for orbit in self.orbits)
        return tuple(np.arange(len(self.scale))[:, None, None])

    def is_invariant(self, generators, X):
        """Whether matrices that act on X do no more than exchange the terms of each sum."""
        for h in generators:
            for terms in self.joint:
                u, v = self(X)[:, terms], self(X @ h.T)[:, terms]
                apart = np.abs(u[:, :, None] - v[:, None]).max(axis=(0, 3))
                if np.any(apart.min(axis=1) > 1e-9 * max(1.0, np.abs(u).max())):
                    return False
        return True

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
        for of in ("log r", "1/r"):
            if any(np.all(X[:, piece.columns] > 0) for piece in scalars):
                yield Invariants(f"columns, {of}", _measured(scalars, X, of))
        return
    products = _products(others, 2)
    if products is not None:
        yield Invariants("products", (*scalars, Products(products)))
    cubic = _products(others, 3, MOST_CUBIC)
    if cubic is not None and (products is None or cubic.rank > products.rank):
        yield Invariants("products of three", (*scalars, Products(cubic)))
    matrices = [columns for kind, columns in others if _is_matrix(kind)]
    if matrices:
        more = () if products is None else (Products(products),)
        general = [not _are_symmetric(X, columns) for columns in matrices]
        for of in ("r", "log r"):
            spectra = [
                Spectra(c, g or of == "log r", of) for c, g in zip(matrices, general, strict=True)
            ]
            name = "spectra" if of == "r" else "logarithms of spectra"
            yield Invariants(name, (*scalars, *spectra, *more))
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
            each = _measured(scalars, X, of)
            yield Invariants(f"angles and {of}", (*each, *lengths, angles))
    pairs = [np.array(list(combinations(range(len(c)), 2)), int).reshape(-1, 2) for c in measured]
    if not 0 < sum(map(len, pairs)) <= MOST:
        return
    for of in LENGTHS:
        lengths = [Lengths(columns, None, of) for columns in measured]
        distances = [
            Lengths(columns[pair[:, 0]], columns[pair[:, 1]], of)
            for columns, pair in zip(measured, pairs, strict=True)
            if len(pair)
        ]
        each = _measured(scalars, X, of)
        yield Invariants(f"distances, {of}", (*each, *lengths, *distances))


def pairs(sources):
    """Invariants that two objects have together: their distance, sums and products of their scalars; None without.

    Scalars belong to objects where there are as many, or several times as many: first one of each, then another.
    """
    scalars = [columns.ravel() for kind, columns in sources if kind == Scalar]
    scalars = np.concatenate(scalars) if scalars else np.empty(0, np.intp)
    for kind, columns in sources:
        n = len(columns)
        if kind == Scalar or n < 2 or len(scalars) % n or not has_invariant_norm(kind):
            continue
        n_each = len(scalars) // n
        if not 0 < n_each <= MOST_SCALARS or n * (n - 1) // 2 > MOST:
            continue
        i, j = np.triu_indices(n, 1)
        pieces = [Lengths(columns[i], columns[j], "r")]
        for each in scalars.reshape(n_each, n):
            pieces += [PairsOfScalars(each[i], each[j], product) for product in (False, True)]
        together = np.arange(len(i) * len(pieces)).reshape(len(pieces), -1).T
        alone = np.arange(len(scalars)).reshape(n_each, n) + together.size
        return Invariants(
            "pairs",
            (*pieces, Columns(scalars)),
            orbits=(*together.T, *alone),
            joint=(together, alone.T),
        )
    return None


def _is_matrix(kind):
    """Whether a type is that of matrices which a group of orthogonal matrices turns from both sides."""
    atoms = slots(kind)
    return len(atoms) == 2 and atoms[0] == atoms[1] and has_invariant_norm(atoms[0])


def _are_symmetric(X, columns):
    A = X[:, columns].reshape(len(X), -1, _side(columns), _side(columns))
    return np.allclose(A, A.swapaxes(2, 3), rtol=0, atol=1e-6 * np.abs(A).max(initial=0))


def _measured(scalars, X, of):
    """Scalars, those that are positive as lengths are: as their logarithms or inverses."""
    pieces = []
    for piece in scalars:
        positive = np.all(X[:, piece.columns] > 0, axis=0) & (of != "r")
        pieces.append(Columns(piece.columns[~positive]))
        pieces.append(Lengths(piece.columns[positive, None], None, of))
    return tuple(piece for piece in pieces if len(piece.columns))


def _products(sources, degree, most=MOST):
    """The invariant polynomials up to a degree, or None where there are none, too many, or they take too long."""
    try:
        found = PolynomialFeatures.build(sources, Scalar, degree, 1, _LIMITS)
    except (MemoryError, CertificationError):
        return None
    return found if 0 < found.rank <= most else None
