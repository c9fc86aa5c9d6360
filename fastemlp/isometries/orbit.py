"""A basis of signed orbit indicators."""

import numpy as np
from scipy.sparse import csc_array

from fastemlp.isometries.base import Isometry, read_only


class OrbitIsometry(Isometry):
    """Each coordinate belongs to one basis vector at most, with an entry ``ω^phase / √size``.

    Parameters
    ----------
    labels : int ndarray of shape (m,); the column of a coordinate, −1 where every basis vector is zero
    sizes : int ndarray of shape (r,); number of coordinates of each column
    phases : int8 or int16 ndarray of shape (m,), or None for all zero
    n_phases : int; ``ω = exp(2πi / n_phases)``, so 1 is a permutation and 2 a sign
    dtype : real unless n_phases > 2
    """

    def __init__(self, labels, sizes, phases=None, n_phases=1, dtype=None):
        self.labels = read_only(labels)
        self.sizes = read_only(sizes)
        self.phases = None if phases is None else read_only(phases)
        self.n_phases = int(n_phases)
        if dtype is None:
            dtype = np.float64 if n_phases <= 2 else np.complex128
        super().__init__(np.dtype(dtype), (len(labels), len(sizes)))

    def _entries(self):
        """The nonzero entries of Q by row: (row, column, value)."""
        row = np.flatnonzero(self.labels >= 0)
        column = self.labels[row]
        value = 1 / np.sqrt(self.sizes[column])
        if self.phases is not None:
            omega = np.exp(2j * np.pi * np.arange(self.n_phases) / self.n_phases)
            omega = omega.real if self.n_phases <= 2 else omega
            value = value * omega[self.phases[row]]
        return row, column, value.astype(self.dtype)

    def to_sparse(self):
        row, column, value = self._entries()
        return csc_array((value, (row, column)), shape=self.shape)

    def _matmat(self, X):
        return self.to_sparse() @ X

    def _rmatmat(self, X):
        return self.to_sparse().conj().T @ X

    def orthogonality(self):
        return float(np.finfo(np.float64).eps) if self.rank else 0.0

    def astype(self, dtype):
        return OrbitIsometry(self.labels, self.sizes, self.phases, self.n_phases, dtype)

    def state(self):
        arrays = {"labels": self.labels, "sizes": self.sizes}
        if self.phases is not None:
            arrays["phases"] = self.phases
        return {"n_phases": self.n_phases, "dtype": self.dtype.name}, arrays, ()

    @classmethod
    def from_state(cls, meta, arrays, children):
        return cls(
            arrays["labels"],
            arrays["sizes"],
            arrays.get("phases"),
            meta["n_phases"],
            np.dtype(meta["dtype"]),
        )
