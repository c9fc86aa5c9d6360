"""Many equivariant maps at once, where each is the indicator of an orbit."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class OrbitMaps:
    """A basis of maps of which each entry (q, p) is in one at most: two small arrays for all of them.

    Attributes
    ----------
    labels : ndarray of int (d_out, d_in); the map that an entry is in, −1 for none
    coefficients : ndarray of float64 (d_out, d_in); its value there
    n : int; number of maps
    """

    labels: np.ndarray
    coefficients: np.ndarray
    n: int

    @classmethod
    def of(cls, Q, shape):
        """The maps of a sparse basis (d_out·d_in, n), or None where one entry is in several."""
        rows = Q.tocsr()
        counts = np.diff(rows.indptr)
        if counts.max(initial=0) > 1:
            return None
        labels, coefficients = np.full(Q.shape[0], -1, np.intp), np.zeros(Q.shape[0])
        labels[counts == 1], coefficients[counts == 1] = rows.indices, rows.data
        return cls(labels.reshape(shape), coefficients.reshape(shape), Q.shape[1])

    @property
    def shape(self):
        """(n, d_out, d_in), as of an array of all maps."""
        return self.n, *self.labels.shape

    def __len__(self):
        return self.n

    def __getitem__(self, k):
        if not 0 <= k < self.n:
            raise IndexError(k)
        return np.where(self.labels == k, self.coefficients, 0.0)
