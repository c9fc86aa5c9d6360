"""A basis of a subspace of a subspace."""

import numpy as np

from fastemlp.isometries.base import Isometry


class Composition(Isometry):
    """``outer @ inner``: outer of shape (m, k) shrinks the space, inner of shape (k, r) solves what is left."""

    def __init__(self, outer, inner):
        self.outer, self.inner = outer, inner
        dtype = np.result_type(outer.dtype, inner.dtype)
        super().__init__(dtype, (outer.shape[0], inner.shape[1]))

    def _matmat(self, X):
        return self.outer.matmat(self.inner.matmat(X))

    def _rmatmat(self, X):
        return self.inner.rmatmat(self.outer.rmatmat(X))

    def to_sparse(self):
        return (self.outer.to_sparse() @ self.inner.to_sparse()).tocsc()

    def orthogonality(self):
        return self.outer.orthogonality() + self.inner.orthogonality()

    def astype(self, dtype):
        return Composition(self.outer.astype(dtype), self.inner.astype(dtype))

    def state(self):
        return {}, {}, (self.outer, self.inner)

    @classmethod
    def from_state(cls, meta, arrays, children):
        return cls(*children)
