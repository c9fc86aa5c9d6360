"""The change of basis that takes a tensor word to copies of irreducibles, as small stages."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastemlp._arrays import read_only


@dataclass(frozen=True, eq=False)
class Fusion:
    """How an irreducible times a factor falls into irreducibles.

    Attributes
    ----------
    U : ndarray (d_λ, d_x, d_λ·d_x); unitary as a matrix, its columns grouped by piece
    targets : tuple of (μ, d_μ), one per piece
    """

    U: np.ndarray
    targets: tuple

    def pieces(self):
        """Yield (μ, the slice of its columns) for every piece."""
        start = 0
        for mu, d in self.targets:
            yield mu, slice(start, start + d)
            start += d


@dataclass(frozen=True, eq=False)
class Chain:
    """The unitary change of basis that takes a word ``x_1 ⊗ … ⊗ x_k`` to copies of irreducibles, factor by factor.

    A *state* after j factors is a dict {μ: ndarray (d_μ, n_μ, rest)}: n_μ copies of the irreducible μ, and what the
    factors yet to come and other columns contribute. Copies are ordered by (λ, piece of λ ⊗ x, copy of λ).

    Attributes
    ----------
    dims : tuple of int; sizes of the factors
    stages : tuple over factors of tuple of (λ, index of a Fusion); λ ascending, 0 is the trivial irreducible
    fusions : tuple of Fusion
    """

    dims: tuple
    stages: tuple
    fusions: tuple

    @property
    def size(self):
        """Dimension of the word."""
        return math.prod(self.dims)

    def columns(self):
        """The matrix itself by irreducible, {μ: ndarray (size, n_μ, d_μ)}: copies as in a state, then components."""
        state = {0: np.ones((1, 1, 1))}
        for stage in self.stages:
            after = {}
            for index, f in stage:
                for mu, columns in self.fusions[f].pieces():
                    piece = self.fusions[f].U[:, :, columns]
                    after.setdefault(mu, []).append(_times_factor(state[index], piece))
            state = {mu: np.concatenate(pieces, axis=1) for mu, pieces in after.items()}
        return state

    def first_copy(self, mu):
        """The columns of the first copy of an irreducible, ndarray (size, d_μ), without the others."""
        target, pieces = mu, []
        for stage in reversed(self.stages):
            target, piece = next(
                (index, self.fusions[f].U[:, :, columns])
                for index, f in stage
                for nu, columns in self.fusions[f].pieces()
                if nu == target
            )
            pieces.append(piece)
        E = np.ones((1, 1, 1))
        for piece in reversed(pieces):
            E = _times_factor(E, piece)
        return E[:, 0]

    def analyse(self, X):
        """Coordinates of the columns of X, (size, b), as a state with rest = b."""
        state = {0: X.reshape(1, 1, -1)}
        for dim, stage in zip(self.dims, self.stages, strict=True):
            after = {}
            for index, f in stage:
                if index not in state:
                    continue
                fusion = self.fusions[f]
                d, n, rest = state[index].shape
                shaped = state[index].reshape(d, n, dim, rest // dim)
                image = np.tensordot(fusion.U.conj(), shaped, axes=((0, 1), (0, 2)))
                for mu, columns in fusion.pieces():
                    after.setdefault(mu, []).append(image[columns])
            state = {mu: np.concatenate(pieces, axis=1) for mu, pieces in after.items()}
        return state

    def synthesise(self, state, b):
        """The columns (size, b) of a state with rest = b; irreducibles that are absent count as zero."""
        copies = self.multiplicities()
        rest = b
        for j in reversed(range(len(self.dims))):
            before, used = {}, {}
            dim = self.dims[j]
            for index, f in self.stages[j]:
                fusion, n = self.fusions[f], copies[j][index]
                total = None
                for mu, columns in fusion.pieces():
                    first = used.get(mu, 0)
                    used[mu] = first + n
                    if mu in state:
                        coordinates = state[mu][:, first : first + n]
                        part = np.tensordot(fusion.U[:, :, columns], coordinates, 1)
                        total = part if total is None else total + part
                if total is not None:
                    # (d_λ, d_x, n, rest) to (d_λ, n, d_x·rest)
                    before[index] = total.swapaxes(1, 2).reshape(total.shape[0], n, dim * rest)
            state, rest = before, dim * rest
        if 0 not in state:
            return None
        return state[0].reshape(self.size, b)

    def multiplicities(self):
        """How often each irreducible occurs after 0, 1, …, k factors: list of dicts."""
        found = [{0: 1}]
        for stage in self.stages:
            after = {}
            for index, f in stage:
                for mu, _ in self.fusions[f].targets:
                    after[mu] = after.get(mu, 0) + found[-1][index]
            found.append(after)
        return found

    def map(self, function):
        """The chain with ``function`` applied to every U."""
        fusions = tuple(Fusion(read_only(function(f.U)), f.targets) for f in self.fusions)
        return Chain(self.dims, self.stages, fusions)


def _times_factor(columns, piece):
    """Columns (size, n, d_λ) of copies of λ, times a factor, along a piece (d_λ, d_x, d_μ): (size · d_x, n, d_μ)."""
    product = np.tensordot(columns, piece, axes=1)
    return product.swapaxes(1, 2).reshape(-1, columns.shape[1], piece.shape[2])
