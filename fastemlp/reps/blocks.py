"""Parts of V: the blocks of a group of block-diagonal (or block-triangular) matrices."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from fastemlp.reps.base import Rep

_SMALL = 1e-12


@dataclass(frozen=True, repr=False)
class Block(Rep):
    """The action of a group on some coordinates of V: ``rho(g) = g[index][:, index]``.

    It is a rep if no generator mixes the other coordinates into these, or none mixes these into the others (for affine
    groups on homogeneous coordinates: the space of translations, or its quotient).

    Parameters
    ----------
    index : sequence of int or slice (with a stop)

    Raises
    ------
    ValueError
        When it is bound to a group that mixes the coordinates both ways.

    Examples
    --------
    >>> from fastemlp.groups import SO, Embed, SemiDirectProduct
    >>> from fastemlp.reps import Block
    >>> G = SemiDirectProduct(Embed(SO(3), 5, slice(0, 3)), Embed(SO(2), 5, slice(3, 5)))
    >>> Block(slice(3, 5))(G).size()
    2
    """

    index: tuple

    def __post_init__(self):
        index = self.index
        if isinstance(index, slice):
            if index.stop is None or (index.start or 0) < 0 or index.stop < 0:
                raise ValueError(f"Block: a slice needs a start and stop ≥ 0, got {index!r}.")
            index = range(index.stop)[index]
        index = tuple(int(i) for i in index)
        if len(set(index)) != len(index) or not index or min(index) < 0:
            raise ValueError(f"Block: expected distinct coordinates ≥ 0, got {self.index!r}.")
        object.__setattr__(self, "index", index)

    def __call__(self, G):
        bound = super().__call__(G)
        if bound is not self:
            _require_block(G, self.index)
        return bound

    def _verify(self):
        """Nothing to check: binding did."""

    def size(self):
        return len(self.index)

    def rho(self, g):
        return self._cut(g)

    def drho(self, A):
        return self._cut(A)

    def _cut(self, matrix):
        return np.asarray(matrix)[np.ix_(self.index, self.index)]

    @property
    def is_permutation(self):
        """Whether all generators permute these coordinates."""
        if self.G is None or self.G.orthonormal_lie_algebra:
            return False
        blocks = [self._cut(h) for h in self.G.discrete_generators]
        return all(
            np.isin(b, (0, 1)).all() and (b.sum(0) == 1).all() and (b.sum(1) == 1).all()
            for b in blocks
        )

    def conj(self):
        """The rep itself under a real group; under a complex one the conjugate is not a Block."""
        return self if self.G is not None and not self.G.is_complex else super().conj()

    def __repr__(self):
        first, stop = self.index[0], self.index[-1] + 1
        plain = self.index == tuple(range(first, stop))
        text = f"Block(slice({first}, {stop}))" if plain else f"Block({list(self.index)})"
        return text if self.G is None else f"{text}({self.G!r})"


def blocks(G):
    """The finest blocks that no generator of a group mixes, as reps: V is their sum, up to order.

    Parameters
    ----------
    G : Group

    Returns
    -------
    tuple of Rep, by their first coordinates

    Examples
    --------
    >>> from fastemlp.groups import SO, Embed
    >>> from fastemlp.reps import blocks
    >>> [block.index for block in blocks(Embed(SO(2), 4, slice(1, 3)))]
    [(0,), (1, 2), (3,)]
    """
    links = sp.csr_array((G.d, G.d))
    for matrix in (*G.sparse_lie_algebra, *G.sparse_discrete_generators):
        links = links + abs(matrix)
    n, label = connected_components(links, directed=False)
    return tuple(Block(np.flatnonzero(label == k).tolist())(G) for k in range(n))


def _require_block(G, index):
    if max(index) >= G.d:
        raise ValueError(f"Block: {list(index)} are not coordinates of {G}, which has {G.d}.")
    inside = np.isin(np.arange(G.d), index)
    into, out_of = 0.0, 0.0
    for matrix in (*G.sparse_lie_algebra, *G.sparse_discrete_generators):
        dense = matrix.toarray() / max(np.abs(matrix.data).max(initial=0.0), 1e-300)
        into = max(into, np.abs(dense[inside][:, ~inside]).max(initial=0.0))
        out_of = max(out_of, np.abs(dense[~inside][:, inside]).max(initial=0.0))
    if min(into, out_of) > _SMALL:
        raise ValueError(
            f"Block: {G} mixes the coordinates {list(index)} with others both ways (entries {into:.1e} into them, "
            f"{out_of:.1e} out of them), so they carry no rep. blocks(G) lists those that do."
        )
