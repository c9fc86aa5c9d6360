"""A basis of orbit indicators, up to phases."""

import numpy as np
from scipy.sparse import csc_array

from fastemlp._arrays import chunks, read_only
from fastemlp._kernels.orbits import count_sizes, gather, scatter
from fastemlp.isometries.base import Isometry


class OrbitIsometry(Isometry):
    """Each coordinate belongs to one basis vector at most, with an entry ``ω^phase / √size``.

    Parameters
    ----------
    labels : int ndarray of shape (m,); the column of a coordinate, −1 where every basis vector is zero
    sizes : int ndarray of shape (r,); number of coordinates of each column
    phases : int8 or int16 ndarray of shape (m,), values in [0, n_phases), or None for all zero
    n_phases : int; ``ω = exp(2πi / n_phases)``, so 1 is a permutation and 2 a sign
    dtype : float32, float64, complex64 or complex128; complex if n_phases > 2

    Notes
    -----
    A product costs one pass over ``labels`` and allocates nothing of length m but its result. Sums over an orbit
    are accumulated in double precision.
    """

    def __init__(self, labels, sizes, phases=None, n_phases=1, dtype=None):
        self.labels = read_only(labels)
        self.sizes = read_only(sizes)
        self.phases = None if phases is None else read_only(phases)
        self.n_phases = int(n_phases)
        if dtype is None:
            dtype = np.float64 if n_phases <= 2 else np.complex128
        dtype = np.dtype(dtype)
        if n_phases > 2 and dtype.kind != "c":
            raise ValueError(
                f"OrbitIsometry: entries that are {n_phases}-th roots of unity need a complex dtype, "
                f"got {dtype}. Use complex64 or complex128."
            )
        super().__init__(dtype, (len(labels), len(sizes)))

    def _matmat(self, X):
        dtype = np.result_type(self.dtype, X.dtype)
        scaled = np.ascontiguousarray(self._scale()[:, None] * X, dtype)
        out = np.empty((self.shape[0], X.shape[1]), dtype)
        gather(self.labels, *self._phase_table(dtype), scaled, out)
        return out

    def _rmatmat(self, X):
        dtype = np.result_type(self.dtype, X.dtype)
        X = np.ascontiguousarray(X)
        out = np.zeros((self.rank, X.shape[1]), np.result_type(dtype, np.float64))
        phases, omega = self._phase_table(out.dtype)
        scatter(self.labels, phases, omega.conj(), X, out)
        out *= self._scale()[:, None]
        return out.astype(dtype, copy=False)

    def _scale(self):
        return (1 / np.sqrt(self.sizes)).astype(self.dtype.char.lower())

    def _phase_table(self, dtype):
        """Phases and the values they stand for; two empty arrays where all are 1."""
        if self.phases is None:
            return np.empty(0, np.int8), np.empty(0, dtype)
        omega = roots_of_unity(self.n_phases)
        return self.phases, (omega if dtype.kind == "c" else omega.real).astype(dtype)

    def to_sparse(self):
        row = np.flatnonzero(self.labels >= 0)
        column = self.labels[row]
        value = self._scale()[column].astype(self.dtype)
        if self.phases is not None:
            phases, omega = self._phase_table(self.dtype)
            value *= omega[phases[row]]
        return csc_array((value, (row, column)), shape=self.shape)

    def orthogonality(self):
        """How far ``sizes`` are from true: the largest ``|count/size − 1|``, at least eps; inf for stray labels."""
        counts = np.zeros(self.rank, self.sizes.dtype)
        if count_sizes(self.labels, counts):
            return float("inf")
        # in chunks, so that the ratios take little memory
        parts = chunks(self.rank, 2**16)
        defect = max(np.abs(counts[p] / self.sizes[p] - 1).max() for p in parts) if parts else 0.0
        return max(float(defect), float(np.finfo(np.float64).eps)) if self.rank else 0.0

    def astype(self, dtype):
        return OrbitIsometry(self.labels, self.sizes, self.phases, self.n_phases, dtype)

    def state(self):
        arrays = {"labels": self.labels, "sizes": self.sizes}
        if self.phases is not None:
            arrays["phases"] = self.phases
        return {"n_phases": self.n_phases, "dtype": self.dtype.name}, arrays, ()

    @classmethod
    def from_state(cls, meta, arrays, children):
        return cls(**arrays, **meta)


def roots_of_unity(n):
    """``exp(2πi e / n)`` for e < n, exact where the real or imaginary part is 0 or ±1; complex128 of shape (n,)."""
    angle = 2 * np.pi * np.arange(n) / n
    omega = np.exp(1j * angle)
    for part in (omega.real, omega.imag):
        part[np.abs(part) < 1e-15] = 0
    return omega
