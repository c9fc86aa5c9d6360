"""Equivariant maps between large permutation types, by way of smaller ones: sparse, however many entries they have."""

from dataclasses import dataclass
from itertools import combinations
from math import prod
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, vstack

from fastemlp.bases.basis import equivariant_basis
from fastemlp.reps import Scalar, slots

#: Entries of all maps between two types that go by no other, for each component of the larger type. V³ → V² under S(n)
#: has so many. Where there are more, as under Z(n), irreducibles are small.
MOST_ENTRIES = 12
#: More maps than these between two types are not looked at.
MOST_MAPS = 1000
#: Bytes of the labels of all pairs of components.
LARGEST = 2**30
#: A map of unit norm that is closer than this to the span of others is in it.
DEPENDENT = 1e-6


class Route(NamedTuple):
    """Maps from one type to another by way of a third: all that are read, then all that are written.

    Attributes
    ----------
    via : int; the third type
    d : int; its size
    read, write : tuple of int; which maps between it and either, the same for all routes of one ``find_routes``
    R : csr_array (a·d, p), or None for the identity; a maps from the one, stacked
    W : csr_array (q, b·d), or None for the identity; b maps to the other, side by side
    """

    via: int
    d: int
    read: tuple
    write: tuple
    R: csr_array | None
    W: csr_array | None

    @property
    def T(self):
        """The transposed maps."""
        R, W = (None if M is None else M.T.tocsr() for M in (self.W, self.R))
        return Route(self.via, self.d, self.write, self.read, R, W)


@dataclass(frozen=True, eq=False)
class Routes:
    """A basis of the equivariant maps from one permutation type to another.

    Attributes
    ----------
    shape : (n, q, p); number of maps, sizes of the types
    routes : tuple of Route, those by way of the scalar first; the n maps are those of all routes
    """

    shape: tuple
    routes: tuple

    def __len__(self):
        return self.shape[0]

    @property
    def T(self):
        """The transposed maps, which are the equivariant maps the other way."""
        n, q, p = self.shape
        return Routes((n, p, q), tuple(route.T for route in self.routes))


def find_routes(types):
    """Routes between all pairs of some types.

    Parameters
    ----------
    types : sequence of Rep, bound; permutation types, one tensor type each

    Returns
    -------
    dict {(source, target): Routes}, by numbers of types; or None where sparse maps do not make all there are

    Notes
    -----
    Networks read all but the invariants from features less these, which leaves the span as it is.

    The equivariant maps are spanned by the indicators of the orbits of pairs of components. Those of ``V² → V²`` under
    S(n) have up to n⁴ entries; but modulo the identity and the transpose, which have n², all go by the three maps
    ``V² → V`` and the two ``V² → Scalar``, which have no more. From small types to large ones every map that is not in
    the span by smaller types is itself read, if it has few entries. Rows of a map have unit norm, so that it keeps
    features at unit variance; what it writes is its transpose, so that reading and writing is close to a projection,
    and scales no features up that have something in common.
    """
    found = _Search(types)
    for target in range(len(found.stops)):
        for source in range(target, len(found.stops)):
            if not found.add(source, target):
                return None
    return found.between_types()


class _Search:
    """Routes between pairs of types and what their slots make, ascending by size."""

    def __init__(self, types):
        words = {slots(term): term for term in types}
        for word in list(words):
            for n in range(len(word)):
                for part in combinations(word, n):
                    words.setdefault(part, prod(part, start=Scalar))
        self.stops = sorted(words.values(), key=lambda rep: rep.size())
        self._sizes = [rep.size() for rep in self.stops]
        self._types = [self.stops.index(term) for term in types]
        self._maps = {}  # by (source, via): csr_arrays (d, p), independent modulo what goes by smaller ones
        self._stacks, self._found = {}, {}

    def add(self, source, target):
        """Find the maps to a type that is no larger; False if both are wanted and some are not found."""
        wanted = source in self._types and target in self._types
        self._maps[source, target] = new = []
        orbitals = _Orbitals.of(self.stops[source], self.stops[target])
        if orbitals is None:
            return not wanted
        span, ends = _Span(len(orbitals.root)), []
        for via in range(target):
            ends += self._by(via, source, target, orbitals, span)
        if source == target and span.takes(orbitals.root * (orbitals.rows == orbitals.columns)):
            ends.append((target, (), ()))
        for k in orbitals.sparse():
            if not span.is_full and span.takes(np.eye(1, span.size, k)[0]):
                new.append(orbitals.indicator(k))
        if sum(C.nnz for C in new) > MOST_ENTRIES * self._sizes[source]:
            new.clear()
            return not wanted
        if new:
            ends.append((target, tuple(range(len(new))), ()))
        shape = span.rank, self._sizes[target], self._sizes[source]
        routes = tuple(self._route(source, target, *end) for end in ends)
        self._found[source, target] = Routes(shape, routes)
        return span.is_full or not wanted

    def _by(self, via, source, target, orbitals, span):
        """(via, read, written) of maps by way of a smaller type that are independent of those in the span."""
        reads = [R.tocsc()[:, orbitals.columns] for R in self._maps[source, via]]
        writes = [W.tocsc()[:, orbitals.rows] for W in self._maps[target, via]]
        written = {}
        for k, W in enumerate(writes):
            # of entry (q, p): Σ_i W[i, q] R[i, p]
            read = tuple(
                j for j, R in enumerate(reads) if span.takes(orbitals.root * (W * R).sum(axis=0))
            )
            if read:
                written.setdefault(read, []).append(k)
        return [(via, read, tuple(some)) for read, some in written.items()]

    def _route(self, source, target, via, read, write):
        W = self._stack(target, via, write)
        R = self._stack(source, via, read)
        return Route(via, self._sizes[via], read, write, R, None if W is None else W.T.tocsr())

    def _stack(self, source, via, which):
        """Some of the maps of a type to a smaller one below each other; none of them is the identity."""
        key = source, via, which
        if key not in self._stacks:
            maps = [self._maps[source, via][k] for k in which]
            self._stacks[key] = vstack(maps, format="csr") if maps else None
        return self._stacks[key]

    def between_types(self):
        """What was found, by numbers of the types that were asked for, in both directions."""
        found = {}
        for i, one in enumerate(self._types):
            for j, other in enumerate(self._types):
                if one >= other:
                    found[i, j] = self._found[one, other]
                    if i != j:
                        found[j, i] = found[i, j].T
        return found


class _Orbitals:
    """The orbits of pairs of components (q, p) of two types.

    Attributes
    ----------
    root : ndarray (r,); roots of their sizes
    rows, columns : ndarrays of int (r,); a pair of each
    """

    def __init__(self, labels, sizes):
        self._labels, self._sizes = labels, sizes
        self.root = np.sqrt(sizes)
        flat = labels.ravel()
        first = np.empty(len(sizes), int)
        first[flat[::-1]] = np.arange(len(flat) - 1, -1, -1)
        self.rows, self.columns = np.divmod(first, labels.shape[1])

    @classmethod
    def of(cls, source, target):
        """The orbits, or None where there are too many or too much is to be labelled."""
        shape = target.size(), source.size()
        if 8 * shape[0] * shape[1] > LARGEST:
            return None
        Q = equivariant_basis(source >> target)
        if Q.rank > MOST_MAPS:
            return None
        # entries of Q are 1 / root of a size
        root = Q.T @ np.ones(Q.shape[0])
        labels = Q @ (root * np.arange(Q.rank))
        return cls(np.rint(labels).astype(np.int16).reshape(shape), np.rint(root**2).astype(int))

    def sparse(self):
        """The numbers of those with few entries, ascending by these."""
        order = np.argsort(self._sizes, kind="stable")
        return order[self._sizes[order] <= MOST_ENTRIES * max(self._labels.shape)]

    def indicator(self, k):
        """The map with entries in one orbit, of rows of unit norm where they are not zero: csr_array."""
        C = csr_array(self._labels == k, dtype=float)
        return C / np.sqrt(np.diff(C.indptr).max())


class _Span:
    """A growing space of vectors of some size."""

    def __init__(self, size):
        self.size = size
        self._basis = np.empty((0, size))

    @property
    def rank(self):
        """Its dimension."""
        return len(self._basis)

    @property
    def is_full(self):
        """Whether it holds all vectors."""
        return self.rank == self.size

    def takes(self, vector):
        """Whether a vector is not in it, which then grows by it."""
        norm = np.linalg.norm(vector)
        if self.is_full or norm == 0:
            return False
        rest = vector / norm
        for _ in range(2):  # once more for what rounding leaves
            rest = rest - self._basis.T @ (self._basis @ rest)
        norm = np.linalg.norm(rest)
        if norm > DEPENDENT:
            self._basis = np.vstack([self._basis, rest / norm])
        return norm > DEPENDENT
