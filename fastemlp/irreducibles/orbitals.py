"""Intertwiners of monomial representations: one per orbit of pairs, and an algebra known by counting.

The matrices that commute with a group of permutations are constant on its orbits of pairs (i, j), the orbitals, up to
signs or phases where the group has them. Their products are read off one entry per orbital, so the algebra is one of
r × r matrices, r the number of orbitals, whatever the size of the space: the coherent configuration of the group
(Higman 1975). Dimensions in it are traces that must come out whole.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.sparse import csr_array, eye_array, kron

from fastemlp._arrays import chunks
from fastemlp.isometries.orbit import roots_of_unity
from fastemlp.operators import TensorConstraint
from fastemlp.orbits import Monomial, fixed_space, readable

#: Random elements whose traces tell irreducibles apart.
ELEMENTS = 8
#: Rows of a matrix of orbitals that are written out at a time.
ROWS = 512


class Orbitals:
    """The intertwiners from one monomial representation to another, ``A = Σ_k c_k Q_k`` with orthonormal Q_k.

    Parameters
    ----------
    basis : OrbitIsometry of shape (n_rows · n_columns, r)
    n_columns : int

    Attributes
    ----------
    rank : int, r
    """

    def __init__(self, basis, n_columns):
        self.labels = basis.labels.reshape(-1, n_columns)
        self.phases = None if basis.phases is None else basis.phases.reshape(-1, n_columns)
        omega = roots_of_unity(basis.n_phases)
        self._omega = omega if basis.dtype.kind == "c" else omega.real
        self.dtype = basis.dtype
        self.rank = basis.rank
        self._root = np.sqrt(basis.sizes)
        flat = basis.labels
        first = np.full(self.rank + 1, -1)  # label −1, where all vanish, goes last
        first[flat[::-1]] = np.arange(len(flat) - 1, -1, -1)
        #: one entry of each orbital
        self.rows, self.columns = np.divmod(first[: self.rank], n_columns)

    def entries(self, c, index):
        """Entries of A at an index of the matrix: an ndarray."""
        labels = self.labels[index]
        values = np.append(c / self._root, 0)[labels]
        return values if self.phases is None else values * self._omega[self.phases[index]]

    def coefficients(self, values):
        """The coefficients of A, from its entries at ``rows, columns``."""
        values = values * self._root
        if self.phases is None:
            return values
        return values * self._omega[self.phases[self.rows, self.columns]].conj()

    def times(self, c, X):
        """``A X`` for X of shape (n_columns, b), some rows of A at a time."""
        out = np.empty((len(self.labels), X.shape[1]), np.result_type(self.dtype, X))
        for rows in chunks(len(out), ROWS):
            np.matmul(self.entries(c, rows), X, out=out[rows])
        return out


class Commutant(Orbitals):
    """The matrices that commute with one monomial representation, as an algebra with adjoint."""

    def left(self, c):
        """The matrix (r, r) of ``X ↦ A X``."""
        out = np.empty((self.rank, self.rank), np.result_type(self.dtype, c))
        for k, (row, column) in enumerate(zip(self.rows, self.columns, strict=True)):
            weights = self.entries(c, row)
            if self.phases is not None:
                weights = weights * self._omega[self.phases[:, column]]
            out[k] = _sums(self.labels[:, column], weights, self.rank) / self._root
        return self.coefficients(out.T).T

    @cached_property
    def _turned(self):
        """The matrix M of ``c ↦ coefficients of Aᴴ``, which is ``M conj(c)``."""
        flipped = np.zeros((self.rank, self.rank), self.dtype)
        labels = self.labels[self.columns, self.rows]
        values = 1 / self._root[labels]
        if self.phases is not None:
            values = values * self._omega[self.phases[self.columns, self.rows]].conj()
        flipped[np.arange(self.rank), labels] = values
        return self.coefficients(flipped.T).T

    def adjoint(self, c):
        """The coefficients of Aᴴ."""
        return self._turned @ c.conj()

    def right(self, left):
        """The matrix of ``X ↦ X Bᴴ``, from that of ``X ↦ B X``."""
        return self._turned @ left.conj() @ self._turned.conj()


def _sums(labels, weights, rank):
    """Sums of weights by label, those of label −1 left out."""
    labels = np.where(labels < 0, rank, labels)

    def sums(part):
        return np.bincount(labels, part, rank + 1)[:rank]

    if np.iscomplexobj(weights):
        return sums(weights.real) + 1j * sums(weights.imag)
    return sums(weights)


class MonomialGroup:
    """A group whose generators permute the coordinates of every atom, up to phases.

    Parameters
    ----------
    group : ReductiveGroup
    memory_budget : int, bytes for the labels of one pair of words
    """

    def __init__(self, group, memory_budget):
        self.dims, self.dtype = group.dims, group.dtype
        self.memory_budget = memory_budget
        # atoms, then their conjugates: an intertwiner is a fixed vector of one word times the conjugate of the other
        self._generators = [
            [csr_array(np.asarray(h, self.dtype)) for h in (*hs, *map(np.conj, hs))]
            for hs in group.discrete
        ]

    @classmethod
    def of(cls, group, atoms, memory_budget):
        """The MonomialGroup of a ReductiveGroup, None where it is none on the atoms that are used."""
        unitary = all(
            np.allclose(np.abs(hs[a][hs[a] != 0]), 1, 0, 1e-13)
            for hs in group.discrete
            for a in atoms
        )
        if group.lie or not group.discrete or not unitary:
            return None
        monomials = (
            Monomial.read([csr_array(hs[a]) for a in atoms], [group.dims[a] for a in atoms])
            for hs in group.discrete
        )
        return None if None in list(monomials) else cls(group, memory_budget)

    def elements(self, word, rng):
        """Random elements on a word: list of (rows, columns, values), the entries of each.

        Products of ten generators, the same for the same state of ``rng``.
        """
        found = []
        for choice in rng.integers(len(self._generators), size=(ELEMENTS, 10)):
            g = eye_array(1, format="csr")
            for a in word:
                factor = eye_array(self.dims[a], format="csr")
                for k in choice:
                    factor = factor @ self._generators[k][a]
                g = kron(g, factor, format="csr")
            g = g.tocoo()
            found.append((*g.coords, g.data))
        return found

    def between(self, source, target):
        """The Orbitals from one word, a tuple of atoms, to another; a Commutant where they are the same."""
        n = len(self.dims)
        slots = (*target, *(n + a for a in source))
        used = sorted(set(slots))
        C = TensorConstraint(
            [used.index(a) for a in slots],
            [self.dims[a % n] for a in used],
            [],
            [[hs[a] for a in used] for hs in self._generators],
        )
        basis = fixed_space(C, *readable(C), memory_budget=self.memory_budget).Q
        n_columns = int(np.prod([self.dims[a] for a in source]))
        return (Commutant if source == target else Orbitals)(basis, n_columns)
