"""Orthonormal bases of real spans of matrices, kept sparse where the generators are."""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from fastemlp._arrays import orthonormal_rows
from fastemlp.groups.generators import canonical, from_csr_parts

_EPS = float(np.finfo(np.float64).eps)
#: Below this sine of an angle, Householder reflections would lose the structure of the matrices.
_NEARLY_DEPENDENT = 1e-2
_RANK_CUT = 1e-10
_ORTHOGONAL = 1e-14
_ROUNDOFF = 4 * np.finfo(np.float64).eps


def real_rows(matrices, d):
    """Rows ``vec(A_i)``, with the inner product Re tr(Aᴴ B), from canonical csr_arrays: a csr_array.

    Of shape (D, d²), or (D, 2d²) holding real then imaginary parts where they are complex.
    """
    k, i, j, data = _entries(matrices, d)
    stacked = sp.csr_array((data, (k, i * d + j)), shape=(len(matrices), d * d))
    if data.dtype.kind == "c":
        stacked = sp.csr_array(sp.hstack([stacked.real, stacked.imag]))
    return stacked


def skew_defect(matrices, d, conjugate):
    """The largest entry of ``A + Aᴴ`` (of ``A + Aᵀ`` unless ``conjugate``) over that of A, for all A.

    One pass over the entries of all: SO(100) has 4,950 generators.
    """
    matrices = [A for A in matrices if A.nnz]
    if not matrices:
        return 0.0
    k, i, j, data = _entries(matrices, d)
    data = data / np.array([np.abs(A.data).max() for A in matrices])[k]
    shape = (len(matrices), d * d)
    adjoint = (data.conj() if conjugate else data, (k, j * d + i))
    defect = sp.csr_array((data, (k, i * d + j)), shape) + sp.csr_array(adjoint, shape)
    return float(np.abs(defect.data).max(initial=0.0))


def orthonormal_span(matrices, d, accuracy=_EPS):
    """Frobenius-orthonormal basis of the real span of some matrices.

    Parameters
    ----------
    matrices : sequence of csr_array of shape (d, d), canonical, of one dtype
    d : int
    accuracy : float
        What each matrix is known to, relative to its norm; roundoff by default.

    Returns
    -------
    basis : tuple of csr_array of shape (d, d), read-only, same dtype
        Orthonormal in Re tr(Aᴴ B). Already orthogonal generators are only rescaled.
    accuracy : float
        How well the basis is known: the accuracy of the matrices over the sine of the smallest angle between one of
        them and the others; at least the sine of a direction that was taken for redundant.

    Notes
    -----
    Zeros are dropped, each matrix is brought to unit norm, and a direction that stands out of the
    others by less than 1e-10 is taken for redundant. Only generators that overlap, directly or
    through others, are mixed (one pivoted QR for each such cluster), which keeps sparsity.
    """
    units = [_unit_norm(A) for A in matrices if A.nnz]
    if not units:
        return (), accuracy
    B = real_rows(units, d)
    gram = sp.coo_array(B @ B.T)
    overlap = (gram.row != gram.col) & (np.abs(gram.data) > _ORTHOGONAL)
    if not overlap.any():
        return tuple(units), accuracy
    links = sp.coo_array((gram.data[overlap], (gram.row[overlap], gram.col[overlap])), gram.shape)
    clusters, label = connected_components(sp.csr_array(links), directed=False)
    basis, smallest, left_out = [], 1.0, 0.0
    cut = max(_RANK_CUT, 4 * accuracy)
    for c in range(clusters):
        members = np.flatnonzero(label == c)
        if members.size == 1:
            basis.append(units[members[0]])
        else:
            mixed, sine, dropped = _orthonormalise(B[members], d, units[0].dtype, cut)
            basis.extend(mixed)
            smallest, left_out = min(smallest, sine), max(left_out, dropped)
    return tuple(basis), max(accuracy / smallest, left_out)


def compact_coefficients(basis, d):
    """Orthonormal rows c, (K, D), whose ``Σ_i c_i A_i`` are the skew-Hermitian elements of a Lie algebra.

    They are the null vectors of the Gram matrix of the Hermitian parts of its orthonormal basis A: O(D³).
    """
    hermitian = [canonical((A + A.conj().T) / 2, A.dtype) for A in basis]
    rows = real_rows(hermitian, d)
    values, vectors = np.linalg.eigh((rows @ rows.T).toarray())
    return np.ascontiguousarray(vectors[:, values < 1e-12].T)


def _entries(matrices, d):
    """Matrix number, row, column and value of every entry of every matrix."""
    k = np.repeat(np.arange(len(matrices)), [A.nnz for A in matrices])
    i = np.concatenate([np.repeat(np.arange(d), np.diff(A.indptr)) for A in matrices])
    j = np.concatenate([A.indices for A in matrices]).astype(np.int64)
    return k, i, j, np.concatenate([A.data for A in matrices])


def _unit_norm(A):
    # Twice, so that entries of 1e±200 do not overflow when squared.
    data = A.data / np.abs(A.data).max()
    data = data / np.linalg.norm(data)
    return from_csr_parts(data, A.indices, A.indptr, A.shape[0])


def _orthonormalise(rows, d, dtype, cut):
    """An orthonormal basis; the sine of the smallest angle kept, and of the largest one dropped beyond roundoff."""
    support = np.unique(rows.indices)
    rows = rows[:, support].toarray()
    basis, sines = orthonormal_rows(rows)
    rank = int(np.sum(sines > cut))
    sine, dropped = float(sines[:rank].min()), float(sines[rank:].max(initial=0.0))
    dropped = dropped if dropped > _ORTHOGONAL else 0.0
    basis = _gram_schmidt(rows, rank) if sine < _NEARLY_DEPENDENT else basis[:rank]
    basis[np.abs(basis) < _ROUNDOFF] = 0.0
    return [_matrix_of(row, support, d, dtype) for row in basis], sine, dropped


def _gram_schmidt(rest, rank):
    """Orthonormal rows with the span of some rows, as combinations of whole rows: skew matrices stay skew exactly."""
    basis = np.empty((0, rest.shape[1]))
    for _ in range(rank):
        norms = np.linalg.norm(rest, axis=1)
        k = int(np.argmax(norms))
        row = rest[k] / norms[k]
        for q in basis:  # again: what a small rest has left of earlier ones
            row = row - (q @ row) * q
        row /= np.linalg.norm(row)
        basis = np.vstack([basis, row])
        rest = np.delete(rest, k, axis=0)
        rest = rest - (rest @ row)[:, None] * row
    return basis


def _matrix_of(values, support, d, dtype):
    imaginary, flat = np.divmod(support, d * d)
    values = np.where(imaginary == 1, 1j * values, values) if dtype.kind == "c" else values
    return canonical(sp.coo_array((values, np.divmod(flat, d)), shape=(d, d)), dtype)
