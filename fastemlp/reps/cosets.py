"""Permutation reps of finite groups: on themselves, and on the cosets of a subgroup."""

from functools import cached_property

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from fastemlp.groups import Group
from fastemlp.groups.enumeration import enumerate_elements
from fastemlp.reps.named import Named

#: Larger groups are not enumerated.
MAX_ORDER = 20_000


class CosetRep(Named):
    """A finite group permuting the cosets ``gH`` of a subgroup H; for the trivial subgroup, its own elements.

    Made by ``regular_rep`` and ``coset_rep``. Pointwise functions are equivariant on it, so a network needs no gates.

    Attributes
    ----------
    subgroup : tuple of ndarray of shape (d, d), read-only; generators of H
    """

    is_permutation = True

    def __init__(self, subgroup=()):
        self.subgroup = tuple(subgroup)

    @property
    def symbol(self):
        """``regular``, where the subgroup is trivial."""
        return None if self.subgroup else "regular"

    @cached_property
    def _action(self):
        """The elements of the group, and where each generator sends the cosets, an int array (M, n_cosets)."""
        elements = enumerate_elements(self.G, MAX_ORDER)
        if elements is None:
            raise ValueError(
                f"{self._name()}: {self.G} has more than {MAX_ORDER:,} elements, or infinitely many. Regular and coset "
                "reps are for small finite groups; use tensors (V, V2), or a smaller group."
            )
        n = len(elements)
        label = np.arange(n)
        for h in self.subgroup:
            moved = elements.index(elements.elements @ h)
            if (moved < 0).any():
                raise ValueError(
                    f"{self._name()}: a generator of the subgroup is not an element of {self.G}. Pass matrices of that "
                    "group, products of its discrete_generators."
                )
            links = coo_array((np.ones(n), (label, label[moved])), shape=(n, n))
            label = connected_components(links, directed=False)[1][label]
        # cosets in order of their first elements, that of the identity first
        _, first, label = np.unique(label, return_index=True, return_inverse=True)
        order = np.argsort(np.argsort(first))
        label, first = order[label], np.sort(first)
        return elements, label[elements.table[:, first]]

    def size(self):
        self._require_group()
        return self._action[1].shape[1] if len(self._action[1]) else 1

    def rho(self, g):
        """A permutation matrix, csr_array of shape (size, size); ValueError if g is not an element."""
        elements, images = self._action
        i = elements.index(g)
        if i < 0:
            raise ValueError(f"{self._name()}: rho of a matrix that is not an element of {self.G}.")
        n = self.size()
        moved = np.arange(n)
        word = []
        while i:
            k, i = elements.parent[i]
            word.append(k)
        for k in reversed(word):
            moved = images[k][moved]
        return csr_array((np.ones(n), (moved, np.arange(n))), shape=(n, n))

    def drho(self, A):
        return np.zeros((self.size(), self.size()))

    @property
    def T(self):
        return self

    def conj(self):
        return self

    def _require_group(self):
        if self.G is None:
            raise ValueError(f"{self._name()} is not bound to a group. Bind it: regular(S(3)).")

    def _name(self):
        return "coset_rep" if self.subgroup else "regular_rep"

    def __repr__(self):
        if not self.subgroup:
            return super().__repr__()
        return f"coset_rep({self.G!r}, {len(self.subgroup)} generators)"


regular = CosetRep()


def regular_rep(G):
    """A finite group acting on itself: ``rho(g)`` sends the coordinate of x to that of gx.

    Parameters
    ----------
    G : Group; finite, of at most 20,000 elements

    Returns
    -------
    Rep
        Of size ``|G|``; contains every irreducible as often as its dimension; ``is_permutation``. Its coordinates are
        the elements, the identity first, then by the length of their words in the generators. As text ``"regular"``.

    Raises
    ------
    ValueError
        If the group is infinite or too large.

    Examples
    --------
    >>> from fastemlp import equivariant_basis
    >>> from fastemlp.groups import D
    >>> from fastemlp.reps import V, regular_rep
    >>> rep = regular_rep(D(3))
    >>> rep.size(), equivariant_basis(rep >> rep).rank, equivariant_basis(rep >> V(D(3))).rank
    (6, 6, 2)
    """
    return _listed(regular, G, "regular_rep")


def coset_rep(G, H):
    """A finite group permuting the cosets of a subgroup: ``rho(g)`` sends the coordinate of xH to that of gxH.

    Parameters
    ----------
    G : Group; finite, of at most 20,000 elements
    H : sequence of (d, d) matrices, elements of G that generate the subgroup; or a Group of the same dimension

    Returns
    -------
    Rep
        Of size ``|G| / |H|``, the coset H first; ``is_permutation``. Equivariant maps between two of these have a
        basis with one map per double coset.

    Raises
    ------
    ValueError
        If the group is infinite or too large, or H has a generator that is not in it.

    Examples
    --------
    The six faces of a cube, from its 24 rotations and the four that fix a face:

    >>> from fastemlp.groups import Cube
    >>> from fastemlp.reps import coset_rep
    >>> coset_rep(Cube(), [Cube().discrete_generators[0]]).size()
    6
    """
    if isinstance(H, Group):
        if H.orthonormal_lie_algebra:
            raise ValueError(f"coset_rep: the subgroup must be finite, got {H}.")
        H = H.discrete_generators
    matrices = []
    for k, h in enumerate(H):
        h = h.toarray() if hasattr(h, "toarray") else h
        h = np.array(h, dtype=complex if G.is_complex else float)
        if h.shape != (G.d, G.d):
            raise ValueError(
                f"coset_rep: generator {k} of the subgroup has shape {h.shape}, expected ({G.d}, {G.d}) for {G}."
            )
        h.flags.writeable = False
        if not np.array_equal(h, np.eye(G.d)):
            matrices.append(h)
    return _listed(CosetRep(matrices), G, "coset_rep")


def _listed(rep, G, where):
    if not isinstance(G, Group):
        raise TypeError(f"{where}: expected a Group, got {G!r}. Write S(3).")
    rep = rep(G)
    rep.size()
    return rep
