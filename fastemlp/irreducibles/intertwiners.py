"""A basis of intertwiners between two tensor words, kept as the small stages that take each word apart."""

from __future__ import annotations

import math

import numpy as np

from fastemlp._arrays import read_only
from fastemlp.isometries import Isometry

from .chain import Chain, Fusion


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
    A product with Q or Qᴴ costs about 2·m·Σ (d_λ·d_x) flops a column, the sum over the factors of both words.
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
