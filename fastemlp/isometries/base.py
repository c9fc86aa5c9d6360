"""What every factored orthonormal basis can do."""

import math

import numpy as np
from scipy.sparse import csc_array

from fastemlp._arrays import chunks, unit_columns
from fastemlp._operator import Operator

#: ``to_dense`` refuses to make an array of more bytes than this.
DENSE_BYTES = 2**33
PRODUCTS = "Q @ coef, Q.H @ v, project(v)"


def require_memory(caller, op, instead):
    """MemoryError if the matrix of an operator is larger than ``DENSE_BYTES``, with the products to take instead."""
    n_bytes = math.prod(op.shape) * op.dtype.itemsize
    if n_bytes > DENSE_BYTES:
        raise MemoryError(
            f"{caller}: shape {op.shape}, {op.dtype}, takes {n_bytes / 2**30:.1f} GiB, more than the "
            f"{DENSE_BYTES / 2**30:.0f} GiB allowed. Use it as an operator: {instead}."
        )


class Isometry(Operator):
    """An operator Q of shape (m, r) with ``Qᴴ Q = I``: an orthonormal basis of its range.

    Subclasses hold their factors in a few arrays, or in other isometries, and define ``_matmat``, ``_rmatmat``,
    ``orthogonality``, ``astype``, ``state`` and ``from_state``. Instances are immutable.

    Attributes
    ----------
    shape : (m, r)
    dtype : real or complex floating type
    """

    @property
    def rank(self):
        """Number of columns, r."""
        return self.shape[1]

    @property
    def nbytes(self):
        """Bytes held by the factors."""
        _, arrays, children = self.state()
        return sum(a.nbytes for a in arrays.values()) + sum(c.nbytes for c in children)

    def project(self, v):
        """``Q Qᴴ v`` for v of shape (m,) or (m, b)."""
        return self @ (self.H @ v)

    def to_dense(self):
        """Q as an ndarray of shape (m, r).

        Raises
        ------
        MemoryError
            If that takes more than 8 GiB; the message gives the numbers.
        """
        require_memory(f"{type(self).__name__}.to_dense", self, PRODUCTS)
        return self.matmat(np.eye(self.rank, dtype=self.dtype))

    def to_sparse(self):
        """Q as a csc_array of shape (m, r), entries below 1e-14 dropped."""
        require_memory(f"{type(self).__name__}.to_sparse", self, PRODUCTS)
        index, entries = [np.zeros((0, 2), np.int64)], [np.zeros(0, self.dtype)]
        width = max(1, 2**24 // max(self.shape[0], 1))
        for part in chunks(self.rank, width):
            columns = self.matmat(unit_columns(self.rank, part, self.dtype))
            i, j = np.nonzero(np.abs(columns) > 1e-14)
            index.append(np.stack([i, j + part.start], axis=1))
            entries.append(columns[i, j])
        return csc_array(
            (np.concatenate(entries), tuple(np.concatenate(index).T)), shape=self.shape
        )

    def orthogonality(self):
        """Largest entry of ``|QᴴQ − I|``, computed on the factors in double precision; a float."""
        raise NotImplementedError

    def astype(self, dtype):
        """The same basis in another precision."""
        raise NotImplementedError

    def state(self):
        """The factors as plain data, for storage.

        Returns
        -------
        meta : dict of JSON values
        arrays : dict of str to ndarray
        children : tuple of Isometry
        """
        raise NotImplementedError

    @classmethod
    def from_state(cls, meta, arrays, children):
        """The inverse of ``state``."""
        raise NotImplementedError

    def __repr__(self):
        return f"{type(self).__name__}(shape={self.shape}, {self.nbytes / 2**10:.0f} KiB)"
