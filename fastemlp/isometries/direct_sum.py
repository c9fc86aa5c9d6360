"""The basis of a direct sum of types, each used for every copy of its type."""

import numpy as np
from scipy.sparse import block_diag, csc_array, eye_array, kron

from fastemlp._arrays import copies_below, copies_beside, unpermuted
from fastemlp.isometries.base import Isometry


class DirectSumIsometry(Isometry):
    """Block-diagonal: coefficients run over types, then copies, then the basis of the type.

    Parameters
    ----------
    parts : sequence of (Isometry of a type, number of consecutive copies)
    perm : ndarray of int of shape (m,) or None; row i of the blocks is coordinate ``perm[i]``
    """

    def __init__(self, parts, perm=None):
        self.parts = tuple((part, int(n)) for part, n in parts if n)
        self.perm = perm
        m = sum(n * part.shape[0] for part, n in self.parts)
        rank = sum(n * part.rank for part, n in self.parts)
        dtype = np.result_type(np.float32, *(part.dtype for part, _ in self.parts))
        super().__init__(dtype, (m, rank))

    def _matmat(self, X):
        return unpermuted(self._map_parts(X, lambda part, x: part.matmat(x), 1), self.perm)

    def _rmatmat(self, X):
        X = X if self.perm is None else X[self.perm]
        return self._map_parts(X, lambda part, x: part.rmatmat(x), 0)

    def _map_parts(self, X, function, axis_in):
        """Apply ``function`` type by type; the copies of a type are columns of one product."""
        pieces, start = [np.zeros((0, X.shape[1]), X.dtype)], 0
        for part, n in self.parts:
            stop = start + n * part.shape[axis_in]
            pieces.append(copies_below(function(part, copies_beside(X[start:stop], n)), n))
            start = stop
        return np.concatenate(pieces)

    def to_sparse(self):
        blocks = [kron(eye_array(n), part.to_sparse()) for part, n in self.parts]
        if not blocks:
            return csc_array(self.shape, dtype=self.dtype)
        stacked = block_diag(blocks, format="coo")
        row = stacked.row if self.perm is None else self.perm[stacked.row]
        return csc_array((stacked.data, (row, stacked.col)), shape=self.shape, dtype=self.dtype)

    def orthogonality(self):
        return max((part.orthogonality() for part, _ in self.parts), default=0.0)

    def astype(self, dtype):
        return DirectSumIsometry([(part.astype(dtype), n) for part, n in self.parts], self.perm)

    def state(self):
        arrays = {} if self.perm is None else {"perm": self.perm}
        return {"copies": [n for _, n in self.parts]}, arrays, tuple(part for part, _ in self.parts)

    @classmethod
    def from_state(cls, meta, arrays, children):
        return cls(list(zip(children, meta["copies"], strict=True)), arrays.get("perm"))
