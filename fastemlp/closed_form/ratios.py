"""Invariants under groups that stretch: products of powers whose units cancel, as dimensional analysis makes them."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import null_space
from scipy.sparse.csgraph import connected_components

from fastemlp.closed_form.invariants import Invariants
from fastemlp.closed_form.pieces import Columns, Products
from fastemlp.closed_form.polynomials import Limits, PolynomialFeatures
from fastemlp.exceptions import CertificationError
from fastemlp.groups import Group
from fastemlp.reps import Scalar, Vector, drho_operator, slots

#: Quantities that are stretched, at most, and degrees of those that are polynomials: the first that has any.
MOST, DEGREES = 60, (2, 3, 4)
#: Weights that differ by less are equal.
EQUAL = 1e-8
#: Quantities may be of any size, but have a logarithm.
NEVER_ZERO = 1e-100
_LIMITS = Limits(2**24, 2e9, 3e5)


@dataclass(frozen=True)
class Ratios:
    """Logarithms of products of powers of quantities.

    Attributes
    ----------
    of : Invariants; the quantities
    exponents : ndarray of shape (p, m)
    """

    of: Invariants
    exponents: np.ndarray

    @property
    def kinds(self):
        """As of ``Columns``: no two are alike."""
        return np.arange(len(self.exponents))

    @property
    def together(self):
        return np.arange(len(self.exponents))

    def is_roundoff(self, X):
        return np.std(self(X), axis=0) <= EQUAL

    def only(self, kept):
        return replace(self, exponents=self.exponents[kept])

    def __call__(self, X):
        return np.log(self._sizes(X)[1]) @ self.exponents.T

    def jacobian(self, X):
        sign, size = self._sizes(X)
        return self.exponents @ ((sign / size)[..., None] * self.of.jacobian(X))

    def _sizes(self, X):
        b = self.of(X)
        sign = np.sign(b.real)
        return sign, sign * b + NEVER_ZERO


@dataclass(frozen=True)
class Signs:
    """The signs of quantities that are stretched and not turned around."""

    of: Invariants
    which: np.ndarray

    @property
    def kinds(self):
        """As of ``Columns``."""
        return np.arange(len(self.which))

    @property
    def together(self):
        return np.arange(len(self.which))

    def is_roundoff(self, X):
        return np.zeros(len(self.which), bool)

    def only(self, kept):
        return replace(self, which=self.which[kept])

    def __call__(self, X):
        return np.sign(self.of(X).real)[:, self.which]

    def jacobian(self, X):
        return np.zeros((len(X), len(self.which), X.shape[1]), X.dtype)


def ratios(scalars, sources, X):
    """Yield Invariants of objects that a group stretches, not yet scaled; nothing without such a group.

    Parameters
    ----------
    scalars : tuple of pieces, beside which they are put
    sources : list of (type, columns of each copy); no scalars
    X : ndarray of shape (n, n_in); samples that tell what varies
    """
    groups = dict.fromkeys(group for kind, _ in sources for group in kind.groups)
    stretches = {group: found for group in groups if (found := _Stretch.of(group)) is not None}
    parts = _under({group: found.rest for group, found in stretches.items()}, sources)
    if not stretches or parts is None:
        return
    of = _quantities(parts)
    if of is None:
        return
    probe = np.random.default_rng(0).standard_normal((8, X.shape[1]))
    b, J = of(probe), of.jacobian(probe)
    weights = []
    for group, found in stretches.items():
        for A in found.generators:
            moved = np.zeros_like(probe)
            for kind, columns in sources:
                element = {group: A}
                action = drho_operator(kind, element).matmat(np.eye(kind.size()))
                moved[:, columns] = probe[:, columns] @ action.T
            weights.append(np.einsum("npj,nj->np", J, moved) / b)
    weights = np.array(weights)
    # what is not stretched as a whole is no quantity
    is_whole = np.all(np.ptp(weights, axis=1) <= EQUAL * (1 + np.abs(weights).max()), axis=0)
    weights = weights.mean(axis=1)
    used = np.flatnonzero(is_whole)
    if not 1 < len(used) <= MOST:
        return
    signs = np.sign(of(X))
    turned = used[np.any(signs != signs[0], axis=0)[used]]
    more = (Signs(of, turned),) if len(turned) else ()
    for order in (used, used[::-1]):
        exponents = _cancelling(weights[:, order])
        if len(exponents):
            whole = np.zeros((len(exponents), weights.shape[1]))
            whole[:, order] = exponents
            yield Invariants("logarithms of ratios", (*scalars, *more, Ratios(of, whole)))


@dataclass(frozen=True)
class _Stretch:
    """How a group stretches parts of its vectors, and the group of what it does beside that.

    Attributes
    ----------
    generators : list of ndarrays; a basis of the Lie algebra
    rest : Group, or None where nothing but the identity is left
    """

    generators: list
    rest: Group | None

    @classmethod
    def of(cls, group):
        """None where nothing is stretched."""
        A = [a.toarray() for a in group.orthonormal_lie_algebra]
        if not A or group.is_complex or group.is_orthogonal:
            return None
        _, part = connected_components(np.any(np.abs(A) > EQUAL, axis=0), directed=False)
        traces = np.array([np.bincount(part, np.diag(a)) for a in A]).T / np.bincount(part)[:, None]
        if np.abs(traces).max() <= EQUAL:
            return None
        left = null_space(traces, rcond=EQUAL)
        rest = [np.tensordot(c, A, 1) for c in left.T]
        if not rest and not len(group.discrete_generators):
            return cls(A, None)
        return cls(
            A, Group(lie_algebra=rest, discrete_generators=group.discrete_generators, d=group.d)
        )


def _under(rest, sources):
    """The same objects under smaller groups, None where their types are not made of vectors."""
    found = {}
    for kind, columns in sources:
        atoms, lost, part = slots(kind), [], Scalar
        for k, atom in enumerate(atoms):
            if not any(group in rest for group in atom.groups):
                part = part * atom
            elif not isinstance(atom, Vector):
                return None
            elif rest[atom.G] is None:
                lost.append(k)
            else:
                part = part * Vector(rest[atom.G], atom.dual, atom.conjugate)
        copies = columns.reshape(len(columns), *(atom.size() for atom in atoms))
        kept = [k for k in range(len(atoms)) if k not in lost]
        copies = copies.transpose(0, *(1 + k for k in lost), *(1 + k for k in kept))
        found.setdefault(part, []).append(copies.reshape(-1, part.size()))
    return [(part, np.concatenate(copies)) for part, copies in found.items()]


def _quantities(sources):
    """Invariants of the lowest degree that has any."""
    pieces = [Columns(columns.ravel()) for kind, columns in sources if kind == Scalar]
    others = [(kind, columns) for kind, columns in sources if kind != Scalar]
    for degree in DEGREES if others else ():
        try:
            found = PolynomialFeatures.build(others, Scalar, degree, 1, _LIMITS)
        except (MemoryError, CertificationError):
            break
        if found.rank > MOST:
            break
        if found.rank:
            pieces.append(Products(found))
            break
    return Invariants("", tuple(pieces)) if pieces else None


def _cancelling(weights):
    """Exponents (p, m) of products that are not stretched, from weights (k, m): each of one quantity and a few that
    come first.
    """
    first = []
    for j in range(weights.shape[1]):
        if np.linalg.matrix_rank(weights[:, [*first, j]], tol=EQUAL) > len(first):
            first.append(j)
    others = np.setdiff1d(np.arange(weights.shape[1]), first)
    exponents = np.zeros((len(others), weights.shape[1]))
    exponents[np.arange(len(others)), others] = 1.0
    if first:
        exponents[:, first] = -np.linalg.lstsq(weights[:, first], weights[:, others], rcond=None)[
            0
        ].T
    return np.where(np.abs(exponents) > EQUAL, exponents, 0.0)
