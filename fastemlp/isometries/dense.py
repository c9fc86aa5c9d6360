"""A basis held as one array."""

import numpy as np

from fastemlp._arrays import read_only
from fastemlp.isometries.base import Isometry


class DenseIsometry(Isometry):
    """Q itself, an ndarray of shape (m, r)."""

    def __init__(self, Q):
        self.Q = read_only(Q)
        super().__init__(self.Q.dtype, self.Q.shape)

    def _matmat(self, X):
        return self.Q @ X

    def _rmatmat(self, X):
        return self.Q.conj().T @ X

    def to_dense(self):
        return self.Q

    def orthogonality(self):
        if not self.rank:
            return 0.0
        return float(np.abs(self.Q.conj().T @ self.Q - np.eye(self.rank)).max())

    def astype(self, dtype):
        return DenseIsometry(self.Q.astype(dtype, copy=False))

    def state(self):
        return {}, {"Q": self.Q}, ()

    @classmethod
    def from_state(cls, meta, arrays, children):
        return cls(arrays["Q"])
