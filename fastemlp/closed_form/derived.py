"""Invariants of what is derived from objects first: their sum, products that are objects again, all side by side."""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from fastemlp.bases import equivariant_basis
from fastemlp.closed_form.families import measured_scalars, products_of
from fastemlp.closed_form.invariants import Invariants
from fastemlp.closed_form.pieces import LENGTHS, Angles, Columns, Lengths, Products, Roots
from fastemlp.closed_form.points import Affine, Differences
from fastemlp.closed_form.polynomials import ROUNDOFF, Limits, PolynomialFeatures
from fastemlp.closed_form.spectra import SingularValues
from fastemlp.exceptions import CertificationError
from fastemlp.reps import P, Scalar, has_invariant_norm, slots

#: Objects of one type that are derived, and pairs of them that have angles, at most.
MOST_OBJECTS, MOST_PAIRS = 20, 300
#: Derived objects that are shorter than this have no direction: it may be roundoff of inputs in single precision, as
#: of the product of vectors that are parallel.
LEAST = 1e-4
_LIMITS = Limits(2**24, 2e9, 3e5)


@dataclass(frozen=True)
class Total:
    """The sum of all copies of an object; like ``PolynomialFeatures`` of rank one."""

    columns: np.ndarray  # (copies, d)

    rank = 1

    def is_roundoff(self, X):
        """Whether copies cancel at all samples X: bool ndarray (1,)."""
        of_all = np.sum(X[:, self.columns] ** 2)
        return np.array([np.sum(X[:, self.columns].sum(axis=1) ** 2) <= ROUNDOFF**2 * of_all])

    def beside(self, x):
        """As of ``PolynomialFeatures``."""
        return x[self.columns].sum(axis=0)[:, None]

    def slopes(self, X):
        """As of ``PolynomialFeatures``."""
        J = np.zeros((self.columns.shape[1], 1, X.shape[1]))
        J[np.arange(len(J)), 0, self.columns] = 1.0
        return np.broadcast_to(J, (len(X), *J.shape))


@dataclass(frozen=True)
class Derived:
    """Invariants of objects that are equivariant functions of the inputs.

    Attributes
    ----------
    of : a piece of invariants; of the objects' columns
    objects : tuple of PolynomialFeatures or Total; one column after the other, for each one object after the other
    """

    of: object
    objects: tuple

    @property
    def kinds(self):
        """As of ``Columns``."""
        return self.of.kinds

    @property
    def together(self):
        return self.of.together

    def is_roundoff(self, X):
        return self.of.is_roundoff(objects_of(self.objects, X))

    def only(self, kept):
        return replace(self, of=self.of.only(kept))

    def __call__(self, X):
        return self.of(objects_of(self.objects, X))

    def jacobian(self, X):
        slopes = [each.slopes(X).swapaxes(1, 2) for each in self.objects]
        slopes = np.concatenate([s.reshape(len(X), -1, X.shape[1]) for s in slopes], axis=1)
        return self.of.jacobian(objects_of(self.objects, X)) @ slopes


def objects_of(derived, X):
    """The columns of derived objects: ndarray of shape (n, Σ rank·d)."""
    values = [each.beside(X.T).swapaxes(0, 1) for each in derived]
    return np.concatenate([v.reshape(-1, len(X)) for v in values]).T


def derived(sources, X):
    """Yield Invariants, as ``families`` does, of objects that are derived first."""
    scalars = tuple(Columns(columns.ravel()) for kind, columns in sources if kind == Scalar)
    others = [(kind, columns) for kind, columns in sources if kind != Scalar]
    if not others:
        yield from _sizes(scalars, X)
        return
    together = [c for kind, c in others if has_invariant_norm(kind) and min(c.shape) > 1]
    alone = [c for kind, c in others if has_invariant_norm(kind) and len(c) == 1]
    for of in ("r", "log r") if together else ():
        values = (SingularValues(columns, of, LEAST) for columns in together)
        lengths = (Lengths(columns, None, of) for columns in alone)
        each = measured_scalars(scalars, X, of)
        yield Invariants(f"singular values, {of}", (*each, *values, *lengths))
    yield from _of_points(scalars, others, X)
    objects, made = _made(others, X)
    if not made:
        return
    for name, pieces in _of_objects(made):
        yield Invariants(name, (*scalars, *(Derived(piece, objects) for piece in pieces)))


def _of_points(scalars, sources, X):
    """Distances of points that are moved, and angles between the lines through them."""
    objects, made, first = [], [], 0
    for kind, columns in sources:
        affine = Affine.of(kind)
        found = affine and Differences.between(affine, columns, X)
        if found:
            objects.append(found)
            m = len(affine.frame)
            place = first + np.arange(found.rank * m).reshape(-1, m)
            made.append(place[~found.is_roundoff(X)])
            first += place.size
    objects = tuple(objects)
    pairs = [np.array(list(combinations(c, 2))) for c in made if len(c) > 1]
    angles = [Angles(pair[:, 0], pair[:, 1], LEAST) for pair in pairs]
    for of in LENGTHS if first else ():
        each = measured_scalars(scalars, X, of)
        lengths = [Derived(Lengths(c, None, of, LEAST), objects) for c in made]
        yield Invariants(f"distances of points, {of}", (*each, *lengths))
        if 0 < sum(map(len, pairs)) <= MOST_PAIRS:
            more = (Derived(angle, objects) for angle in angles)
            yield Invariants(f"angles of points and {of}", (*each, *lengths, *more))


def _of_objects(made):
    """Yield names and pieces for derived objects: their products, or lengths and angles where they have such."""
    measured = [columns for kind, columns in made if has_invariant_norm(kind)]
    products = products_of(made, 2)
    if len(measured) < len(made):
        if products is not None:
            yield "products of sums", [Products(products)]
            yield "roots of products of sums", [Roots(Products(products))]
        return
    pairs = [np.array(list(combinations(c, 2))) for c in measured if len(c) > 1]
    if not 0 < sum(map(len, pairs)) <= MOST_PAIRS:
        return
    angles = [Angles(pair[:, 0], pair[:, 1], LEAST) for pair in pairs]
    cosines = products and Products(_of_different(products), tuple(measured), LEAST)
    for of in ("r", "log r"):
        lengths = [Lengths(columns, None, of, LEAST) for columns in measured]
        yield f"derived angles and {of}", [*lengths, *angles]
        if cosines is not None:
            yield f"derived cosines and {of}", [*lengths, cosines]


def _of_different(products):
    """Those of two objects: a direction times itself is one."""
    pairs = [path.columns for path in products.paths]
    return products.only(np.concatenate([np.any(c[0] != c[-1], axis=1) for c in pairs]))


def _sizes(scalars, X):
    """Of columns that finite groups exchange, maybe with signs."""
    columns = np.concatenate([piece.columns for piece in scalars])
    if np.all(X[:, columns] >= 0):
        return
    for of in ("r", "log r"):
        yield Invariants(f"sizes, {of}", (Lengths(columns[:, None], None, of),))


def _made(sources, X):
    """Objects that are derived, and where these lie in ``objects_of``, as ``sources``: only those that vary."""
    objects, made, first = [], [], 0
    for kind in _vector_types(sources):
        found = [Total(c) for k, c in sources if k == kind and len(c) > 1]
        for degree in (2, 1):
            try:
                features = PolynomialFeatures.build(sources, kind, degree, 1, _LIMITS)
            except (MemoryError, CertificationError):
                continue
            if features.rank <= MOST_OBJECTS or degree == 1:
                found.append(features)
                break
        columns = []
        for each in found:
            place = first + np.arange(each.rank * kind.size()).reshape(-1, kind.size())
            columns.append(place[~each.is_roundoff(X)])
            first += place.size
            objects.append(each)
        if columns and len(columns := np.concatenate(columns)):
            made.append((kind, columns))
    return tuple(objects), made


def _vector_types(sources):
    """The types of vectors that a continuous group acts on, and of pseudovectors where these are others."""
    found = {}
    for kind, _ in sources:
        for atom in slots(kind):
            groups = list(atom.groups)
            if atom.size() == 1 or len(groups) != 1 or not groups[0].orthonormal_lie_algebra:
                continue
            found[atom] = None
            pseudo = P(groups[0])
            if not equivariant_basis(pseudo).rank:
                found[pseudo * atom] = None
    return list(found)
