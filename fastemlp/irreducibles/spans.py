"""Lists of matrices as rows of real numbers, so that spans over the reals are linear algebra.

A list of n generators is a list over the atoms of arrays (n, d, d), all of one dtype.
"""

import numpy as np

from fastemlp._arrays import orthonormal_rows


def stacked(generators, dims, dtype):
    """Such a list, from one that is over the generators first."""
    return [
        np.array([g[a] for g in generators], dtype).reshape(len(generators), d, d)
        for a, d in enumerate(dims)
    ]


def dense_generators(C):
    """The Lie algebra and the discrete generators of a TensorConstraint: two lists."""

    def dense(generators, missing):
        blocks = [np.zeros((len(generators), d, d), C.dtype) for d in C.dims]
        for k, g in enumerate(generators):
            for block, B in zip(blocks, g, strict=True):
                block[k] = missing * np.eye(block.shape[1]) if B is None else B.toarray()
        return blocks

    return dense(C.lie, 0), dense(C.discrete, 1)


def adjoint(blocks):
    """``Aᴴ`` of every generator on every atom."""
    return [A.conj().swapaxes(1, 2) for A in blocks]


def real_rows(blocks):
    """One row of real numbers per generator, so that dot products are ``Re tr(Aᴴ B)`` summed over the atoms."""
    return np.concatenate([A.reshape(len(A), A.shape[1] ** 2) for A in blocks], axis=1).view(
        np.float64
    )


def from_rows(rows, dims, dtype):
    """The inverse of ``real_rows``."""
    rows, blocks, stop = np.ascontiguousarray(rows).view(dtype), [], 0
    for d in dims:
        start, stop = stop, stop + d * d
        blocks.append(rows[:, start:stop].reshape(len(rows), d, d))
    return blocks


def unit_rows(rows):
    """The rows that are not zero, over their length."""
    lengths = np.linalg.norm(rows, axis=1)
    if not lengths.all():
        rows, lengths = rows[lengths > 0], lengths[lengths > 0]
    return rows / lengths[:, None]


def orthonormal(rows, cut):
    """Orthonormal rows with the span of some rows, but for what stands out of the others by a sine of at most ``cut``.

    Returns
    -------
    basis : ndarray (k, w)
    sine : float; the smallest that is kept: errors of the rows stand out in the basis by as much as its inverse
    """
    basis, sines = orthonormal_rows(unit_rows(rows))
    k = int(np.count_nonzero(sines > cut))
    return basis[:k], float(sines[:k].min(initial=1.0))


def outside(rows, basis):
    """What of some rows lies outside the span of orthonormal ones."""
    return rows - (rows @ basis.T) @ basis
