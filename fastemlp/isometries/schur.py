"""A basis of intertwiners between two tensor words, kept as the small stages that take each word apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastemlp.isometries.base import Isometry, read_only


@dataclass(frozen=True, eq=False)
class Fusion:
    """How an irreducible times a letter falls into irreducibles.

    Attributes
    ----------
    U : ndarray (d_λ, d_x, d_λ·d_x); unitary as a matrix, its columns grouped by piece
    targets : tuple of (μ, d_μ), one per piece
    """

    U: np.ndarray
    targets: tuple

    def piece(self, mu):
        """The columns of the first piece that is μ, ndarray (d_λ, d_x, d_μ)."""
        start = 0
        for nu, d in self.targets:
            if nu == mu:
                return self.U[:, :, start : start + d]
            start += d
        raise KeyError(mu)


@dataclass(frozen=True, eq=False)
class Chain:
    """The unitary change of basis that takes a word ``x_1 ⊗ … ⊗ x_k`` to copies of irreducibles, letter by letter.

    A *state* after j letters is a dict {μ: ndarray (d_μ, n_μ, rest)}: n_μ copies of the irreducible μ, and what the
    letters yet to come and other columns contribute. Copies are ordered by (λ, piece of λ ⊗ x, copy of λ).

    Attributes
    ----------
    dims : tuple of int; sizes of the letters
    stages : tuple over letters of tuple of (λ, index of a Fusion); λ ascending, 0 is the trivial irreducible
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
                start = 0
                for mu, d_mu in self.fusions[f].targets:
                    piece = self.fusions[f].U[:, :, start : start + d_mu]
                    after.setdefault(mu, []).append(_times_letter(state[index], piece))
                    start += d_mu
            state = {mu: np.concatenate(pieces, axis=1) for mu, pieces in after.items()}
        return state

    def first_copy(self, mu):
        """The columns of the first copy of an irreducible, ndarray (size, d_μ), without the others."""
        target, pieces = mu, []
        for stage in reversed(self.stages):
            target, piece = next(
                (index, self.fusions[f].piece(target))
                for index, f in stage
                if any(nu == target for nu, _ in self.fusions[f].targets)
            )
            pieces.append(piece)
        E = np.ones((1, 1, 1))
        for piece in reversed(pieces):
            E = _times_letter(E, piece)
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
                start = 0
                for mu, d_mu in fusion.targets:
                    after.setdefault(mu, []).append(image[start : start + d_mu])
                    start += d_mu
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
                total, start = None, 0
                for mu, d_mu in fusion.targets:
                    first = used.get(mu, 0)
                    used[mu] = first + n
                    if mu in state:
                        part = np.tensordot(
                            fusion.U[:, :, start : start + d_mu], state[mu][:, first : first + n], 1
                        )
                        total = part if total is None else total + part
                    start += d_mu
                if total is not None:
                    # (d_λ, d_x, n, rest) to (d_λ, n, d_x·rest)
                    before[index] = total.swapaxes(1, 2).reshape(total.shape[0], n, dim * rest)
            state, rest = before, dim * rest
        if 0 not in state:
            return None
        return state[0].reshape(self.size, b)

    def multiplicities(self):
        """How often each irreducible occurs after 0, 1, …, k letters: list of dicts."""
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


class SchurIsometry(Isometry):
    """The orthonormal basis ``E_q J_a E_pᴴ / √d`` of the intertwiners W from one word to another, flattened row-major.

    Here E_q runs over the copies of an irreducible in the word of the rows, E_p over its copies in the word of the
    columns, and J_a over a basis of its commutant (1, 2 or 4 elements). Nothing of the size of a word squared is
    held: the copies stay products of the stages of two chains.

    Parameters
    ----------
    left, right : Chain; rows and columns of W
    units : dict {irreducible: ndarray (t, d, d)}; orthogonal matrices J_a, for every irreducible the words share

    Notes
    -----
    A product with Q or Qᴴ costs about 2·m·Σ (d_λ·d_x) flops a column, the sum over the letters of both words.
    """

    def __init__(self, left, right, units):
        self.left, self.right = left, right
        self.units = {mu: read_only(J) for mu, J in units.items()}
        n_left, n_right = left.multiplicities()[-1], right.multiplicities()[-1]
        self._shapes = {
            mu: (n_left[mu], n_right[mu], len(J)) for mu, J in sorted(self.units.items())
        }
        rank = sum(math.prod(shape) for shape in self._shapes.values())
        dtype = np.result_type(
            np.float32, *(f.U for f in left.fusions + right.fusions), *self.units.values()
        )
        super().__init__(dtype, (left.size * right.size, rank))

    def _blocks(self):
        """Yield (irreducible, its J / √d, the shape and the slice of its coefficients)."""
        start = 0
        for mu, shape in self._shapes.items():
            J = self.units[mu] / np.sqrt(self.units[mu].shape[1]).astype(self.dtype)
            stop = start + math.prod(shape)
            yield mu, J, shape, slice(start, stop)
            start = stop

    def _matmat(self, X):
        b = X.shape[1]
        state = {}
        for mu, J, (n_left, n_right, t), part in self._blocks():
            d = J.shape[1]
            # W[j, p, i, q, ·] = Σ_a J_a[i, j] c[q, p, a, ·]
            W = np.tensordot(J, X[part].reshape(n_left, n_right, t, b), axes=(0, 2))
            W = W.transpose(1, 3, 0, 2, 4).reshape(d, n_right, d * n_left * b)
            columns = self.right.synthesise({mu: W}, d * n_left * b)
            columns = columns.reshape(self.right.size, d, n_left, b).transpose(1, 2, 0, 3)
            state[mu] = columns.reshape(d, n_left, self.right.size * b)
        v = self.left.synthesise(state, self.right.size * b)
        if v is None:
            v = np.zeros(self.shape[0] * b, np.result_type(self.dtype, X))
        return v.reshape(self.shape[0], b)

    def _rmatmat(self, X):
        b = X.shape[1]
        coef = np.zeros((self.rank, b), np.result_type(self.dtype, X))
        state = self.left.analyse(X.reshape(self.left.size, -1))
        for mu, J, (n_left, n_right, t), part in self._blocks():
            d = J.shape[1]
            rows = state[mu].reshape(d, n_left, self.right.size, b).transpose(2, 0, 1, 3)
            W = self.right.analyse(rows.reshape(self.right.size, -1))[mu]
            W = W.reshape(d, n_right, d, n_left, b)
            # c[q, p, a, ·] = Σ_ij conj(J_a[i, j]) W[j, p, i, q, ·]
            c = np.tensordot(J.conj(), W, axes=((1, 2), (2, 0)))
            coef[part] = c.transpose(2, 1, 0, 3).reshape(n_left * n_right * t, b)
        return coef

    def orthogonality(self):
        # a product of unitaries is off by the sum of their defects, at most
        defect = 0.0
        for chain in (self.left, self.right):
            worst = [_defect(f.U.reshape(-1, f.U.shape[2])) for f in chain.fusions]
            defect += len(chain.dims) * max(worst, default=0.0)
        units = [J.reshape(len(J), -1) / np.sqrt(J.shape[1]) for J in self.units.values()]
        return defect + max((_defect(J.conj().T) for J in units), default=0.0)

    def astype(self, dtype):
        cast = {}

        def once(U):
            # what both words use stays one array
            if id(U) not in cast:
                cast[id(U)] = read_only(U.astype(dtype, copy=False))
            return cast[id(U)]

        return SchurIsometry(
            self.left.map(once),
            self.right.map(once),
            {mu: J.astype(dtype, copy=False) for mu, J in self.units.items()},
        )

    def state(self):
        arrays = {f"J{mu}": J for mu, J in self.units.items()}
        meta = {"units": sorted(self.units)}
        held = {}
        for side in ("left", "right"):
            chain = getattr(self, side)
            for f in chain.fusions:
                # a fusion that both words use is stored once
                held.setdefault(id(f.U), f"U{len(held)}")
                arrays[held[id(f.U)]] = f.U
            meta[side] = {
                "dims": list(chain.dims),
                "stages": [[list(step) for step in stage] for stage in chain.stages],
                "fusions": [[held[id(f.U)], [list(t) for t in f.targets]] for f in chain.fusions],
            }
        return meta, arrays, ()

    @classmethod
    def from_state(cls, meta, arrays, children):
        arrays = {name: read_only(array) for name, array in arrays.items()}

        def chain(data):
            return Chain(
                tuple(data["dims"]),
                tuple(tuple(tuple(step) for step in stage) for stage in data["stages"]),
                tuple(
                    Fusion(arrays[name], tuple(tuple(t) for t in targets))
                    for name, targets in data["fusions"]
                ),
            )

        units = {mu: arrays[f"J{mu}"] for mu in meta["units"]}
        return cls(chain(meta["left"]), chain(meta["right"]), units)


def _defect(U):
    return float(np.abs(U.conj().T @ U - np.eye(U.shape[1])).max(initial=0.0))


def _times_letter(columns, piece):
    """Columns (size, n, d_λ) of copies of λ, times a letter, along a piece (d_λ, d_x, d_μ): (size · d_x, n, d_μ)."""
    product = np.tensordot(columns, piece, axes=1)
    return product.swapaxes(1, 2).reshape(-1, columns.shape[1], piece.shape[2])
