"""The irreducibles that the features of a network are made of, and the maps between them."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastemlp._warnings import warn_user
from fastemlp.bases.basis import equivariant_basis
from fastemlp.bases.constraint import word_generators
from fastemlp.exceptions import CertificationError, NotReductive
from fastemlp.irreducibles.decompose import decompose_all
from fastemlp.irreducibles.symmetry import reductive_group
from fastemlp.nn.bilinear import LARGEST as LARGEST_PRODUCT
from fastemlp.nn.couplings import couplings
from fastemlp.nn.orbit_maps import OrbitMaps
from fastemlp.nn.routes import find_routes
from fastemlp.reps import Scalar, slots, terms

#: More maps than these are kept as orbits where they are that.
FEW = 64
#: Permutation types of more components than this are not taken apart, if sparse maps make all there are. Up to here
#: irreducibles may be small enough to be multiplied with each other: those of 24 components in V² under S(25).
LARGEST_DENSE = 650
#: Bytes of a basis that is written out.
LARGEST = 2**30
#: Bilinear maps with more coefficients than this are not looked for where types stand for themselves.
LARGEST_COUPLING = 2**13


@dataclass(frozen=True, eq=False)
class Split:
    """A tensor type as copies of irreducibles.

    Attributes
    ----------
    parts : tuple of (irreducible, d, m); m copies of an irreducible of size d, irreducibles ascending
    U : ndarray of shape (dim, dim), orthogonal, or None for the identity
        Row (irreducible, copy, component) of ``U x`` for x in the type.
    """

    parts: tuple
    U: np.ndarray | None


class Coordinates:
    """Coordinates of the types of some reps in which equivariant maps are sparse: by irreducible.

    For a group closed under the adjoint an equivariant map joins equal irreducibles only (Schur's lemma). For other
    groups each type stands for itself, in the place of an irreducible. So do permutation types that are large, or whose
    irreducibles are too large to be multiplied: pointwise functions need their own coordinates, and a dense change of
    them would take longer than all else.

    Parameters
    ----------
    reps : sequence of Rep, bound

    Notes
    -----
    Irreducible 0 is the scalar. Real reps only.
    """

    def __init__(self, reps):
        types = {term: None for rep in reps for term, _ in terms(rep.canonical()[0])}
        self._types = [Scalar, *(term for term in types if term != Scalar)]
        self._groups = list(dict.fromkeys(group for rep in reps for group in rep.groups))
        self._couplings = {}
        #: by (source, target); whether these are Routes
        self._maps, self._by_routes = {}, False
        #: by irreducible, ndarray (t, d, d); None where types stand for themselves
        self._commutants = None
        self._stand_alone()
        large = max(term.size() for term in self._types) > LARGEST_DENSE
        if large:
            self._take_routes()
        if not self._by_routes:
            with suppress(NotReductive, CertificationError):
                self._take_apart()
        if not large and self._are_never_multiplied():
            self._take_routes()

    def _stand_alone(self):
        self._splits = {
            term: Split(((irreducible, term.size(), 1),), None)
            for irreducible, term in enumerate(self._types)
        }

    def _take_routes(self):
        """Let permutation types stand for themselves, if all maps between them are found sparse."""
        if not all(term.is_permutation for term in self._types):
            return
        routes = find_routes(self._types)
        if routes is not None:
            self._stand_alone()
            self._maps, self._by_routes, self._commutants = routes, True, None

    def _are_never_multiplied(self):
        """Whether irreducibles are so large that there are no products of theirs but with scalars."""
        if self._commutants is None or len(self._commutants) == 1:
            return False
        return min(J.shape[1] for J in self._commutants[1:]) ** 2 > LARGEST_PRODUCT

    def _take_apart(self):
        """Put irreducibles in the place of types."""
        sides, commutants = (), [np.ones((1, 1, 1))]
        if len(self._types) > 1:
            _, catalogue, sides = self._decomposed
            commutants = [irreducible.commutant for irreducible in catalogue.irreducibles]
        for term, (chain, _) in zip(self._types[1:], sides, strict=True):
            self._splits[term] = _split(chain)
        self._commutants = commutants

    @cached_property
    def _decomposed(self):
        """All types taken apart, and checked: generators on their atoms, a catalogue, and (Chain, word) for each."""
        words = [slots(term) for term in self._types[1:]]
        atoms = list(dict.fromkeys(atom for word in words for atom in word))
        # maps from one to a product of two are maps between words of three
        C = word_generators(atoms, self._groups, [*words, *(2 * word for word in words)])
        catalogue, sides, _ = decompose_all(
            reductive_group(C),
            [[atoms.index(a) for a in word] for word in words],
            np.random.default_rng(0),
            tol=max(1e-11, 10 * C.accuracy),
            caller="network",
        )
        return C, catalogue, sides

    def split(self, term):
        """The Split of a tensor type."""
        return self._splits[term]

    def maps(self, source, target):
        """Basis of the equivariant maps between two irreducibles, ndarray (t, d_out, d_in), of squared norm d_out.

        Orthogonal to each other. The first of one to itself is the identity, unless types stand for themselves: maps
        between these may be OrbitMaps, and those between large permutation types are Routes.
        """
        if self._commutants is not None:
            return self._commutants[source] if source == target else np.zeros((0, 0, 0))
        if (source, target) not in self._maps and self._by_routes:
            self._maps = find_routes(self._types)
        if (source, target) not in self._maps:
            self._maps[source, target] = self._found_maps(self._types[source], self._types[target])
        return self._maps[source, target]

    def _found_maps(self, one, other):
        Q = equivariant_basis(one >> other)
        shape, norm = (other.size(), one.size()), np.sqrt(other.size())
        if Q.rank > FEW:
            orbits = OrbitMaps.of(Q.to_sparse() * norm, shape)
            if orbits is not None:
                return orbits
        _require_room(Q, f"the {Q.rank:,} equivariant maps from {one} to {other}")
        return (Q.to_dense() * norm).T.reshape(-1, *shape)

    def couplings(self, pairs, targets):
        """The equivariant bilinear maps of pairs of irreducibles to some others.

        Parameters
        ----------
        pairs : list of (int, int)
        targets : collection of int

        Returns
        -------
        dict {(i, j): {k: ndarray (t, d_k, d_i, d_j)}}; of squared norm d_k, orthogonal to each other

        Warns
        -----
        UserWarning
            Where products cannot be taken apart reliably; there are none then but those with scalars.
        """
        unknown = [pair for pair in pairs if pair not in self._couplings]
        if self._commutants is None:
            self._couplings |= {pair: self._solved_couplings(*pair) for pair in unknown}
        else:
            # a number times x is x
            for i, j in unknown:
                self._couplings[i, j] = {} if i else {j: self._commutants[j][:, :, None]}
            self._couplings |= self._found_couplings([pair for pair in unknown if pair[0]])
        # large, and done with
        self.__dict__.pop("_decomposed", None)
        return {
            pair: {k: T for k, T in self._couplings[pair].items() if k in targets} for pair in pairs
        }

    def _found_couplings(self, pairs):
        if not pairs:
            return {}
        C, _, sides = self._decomposed
        try:
            return couplings(C, sides, self._commutants, pairs, np.random.default_rng(0))
        except (NotReductive, CertificationError) as error:
            warn_user(
                "network: the products of its hidden types are left out, as they could not be taken apart reliably. "
                f"{error} Give the generators to more digits, or hidden types as channels."
            )
            return {}

    def _solved_couplings(self, i, j):
        """Those of types that stand for themselves, as long as they are small."""
        if self._by_routes and not i:
            # a number times x; linear maps make all others of it
            return {j: np.eye(self._types[j].size())[None, :, None]}
        found, one = {}, self._types[i] * self._types[j]
        for k, target in enumerate(self._types):
            if one.size() * target.size() > LARGEST_COUPLING:
                continue
            Q = equivariant_basis(one >> target)
            if Q.rank:
                shape = target.size(), self._types[i].size(), self._types[j].size()
                found[k] = (Q.to_dense() * np.sqrt(target.size())).T.reshape(-1, *shape)
        return found

    def invariants(self, irreducible):
        """An orthonormal basis of the invariants of an irreducible, ndarray (d, r)."""
        if irreducible == 0:
            return np.ones((1, 1))
        if self._commutants is not None:
            return np.zeros((self._commutants[irreducible].shape[1], 0))
        Q = equivariant_basis(self._types[irreducible])
        _require_room(Q, f"the {Q.rank:,} invariants of {self._types[irreducible]}")
        return Q.to_dense()

    def __getstate__(self):
        # pairs: formats that keep plain data alone have no keys but text and numbers
        kept = {name: x for name, x in self.__dict__.items() if name != "_decomposed"}
        return {**kept, "_splits": list(self._splits.items()), "_maps": None, "_couplings": None}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._splits, self._maps, self._couplings = dict(state["_splits"]), {}, {}


def _require_room(Q, what):
    """Refuse a basis that is too large to be written out, before it is."""
    n_bytes = 8 * Q.shape[0] * Q.shape[1]
    if n_bytes > LARGEST:
        raise MemoryError(
            f"network: {what} take {n_bytes / 2**30:,.1f} GiB written out, more than the {LARGEST / 2**30:.0f} GiB "
            "allowed. Take hidden layers without this type (channels='200' are scalars alone), a larger group, which "
            "has fewer maps, or smaller inputs."
        )


def _split(chain):
    parts, rows = [], []
    for irreducible, columns in sorted(chain.columns().items()):
        size, m, d = columns.shape
        parts.append((irreducible, d, m))
        # rows by copy, then component
        rows.append(columns.reshape(size, m * d).T)
    U = np.concatenate(rows)
    is_identity = np.count_nonzero(U) == len(U) and np.all(U.diagonal() == 1)
    return Split(tuple(parts), None if is_identity else U)
