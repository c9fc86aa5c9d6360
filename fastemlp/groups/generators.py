"""Generators: from whatever the user has at hand to canonical, read-only sparse matrices."""

import numbers

import numpy as np
import scipy.sparse as sp

TOLERANCE = 1e-12


def check_int(where, name, value, minimum):
    """``value`` as an int; TypeError unless it is an integer (a bool is not one), ValueError below ``minimum``."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{where}: {name} must be an integer >= {minimum}, got {value!r}.")
    if value < minimum:
        raise ValueError(f"{where}: {name} must be an integer >= {minimum}, got {value}.")
    return int(value)


def from_csr_parts(data, indices, indptr, d):
    """Assemble a read-only (d, d) csr_array from the parts of a canonical one."""
    indices, indptr = (np.asarray(part, dtype=np.int32) for part in (indices, indptr))
    out = sp.csr_array((data, indices, indptr), shape=(d, d))
    out.has_canonical_format = True
    for array in (out.data, out.indices, out.indptr):
        array.flags.writeable = False
    return out


def canonical(matrix, dtype):
    """A square matrix, dense or sparse, as a new read-only csr_array: summed, sorted, no zeros, no ``-0.0``."""
    out = sp.csr_array(matrix, dtype=dtype, copy=True)
    out.sum_duplicates()
    out.eliminate_zeros()
    # -0.0 + 0.0 is 0.0: groups compare by bytes, so equal numbers must have equal bytes.
    return from_csr_parts(out.data + 0.0, out.indices, out.indptr, out.shape[0])


def read_generators(kind, generators):
    """What was given as the argument ``kind`` of Group, as a list of finite ndarrays or sparse arrays of shape (d, d).

    A matrix may be an array, scipy sparse, or any operator with ``shape`` and ``matmat`` or ``matvec``, which is
    applied to the d unit vectors. Also d, None where neither a generator nor a (0, d, d) array tells it; and whether
    they are complex. TypeError for what is no matrix of numbers; ValueError for matrices that are not square, not
    finite, or of several sizes.
    """
    if generators is None:
        return [], None, False
    if getattr(generators, "ndim", None) == 2 or _is_operator(generators):
        raise ValueError(
            f"Group: {kind} must be a sequence of (d, d) matrices, got one matrix of shape "
            f"{tuple(generators.shape)}. Pass [matrix]."
        )
    if isinstance(generators, np.ndarray) and generators.ndim == 3 and len(generators) == 0:
        _check_square(f"Group: {kind}", generators.shape[1:])
        return [], generators.shape[1] or None, generators.dtype.kind == "c"
    try:
        items = list(generators)
    except TypeError:
        raise TypeError(
            f"Group: {kind} must be a sequence of (d, d) matrices, got {generators!r}."
        ) from None
    matrices = [_read_matrix(f"Group: {kind}[{k}]", item) for k, item in enumerate(items)]
    for k, matrix in enumerate(matrices):
        if matrix.shape != matrices[0].shape:
            raise ValueError(
                f"Group: {kind}[{k}] has shape {matrix.shape}, but {kind}[0] has shape "
                f"{matrices[0].shape}. All generators must have the same size (d, d)."
            )
    is_complex = any(matrix.dtype.kind == "c" for matrix in matrices)
    return matrices, matrices[0].shape[0] if matrices else None, is_complex


def check_invertible(where, h):
    """ValueError, beginning with ``where``, if the smallest singular value of h is below d·eps times the largest.

    O(nnz) for permutations and sparse unitary matrices, a dense O(d³) SVD otherwise.
    """
    if is_generalised_permutation(h) or is_inverse_of_adjoint(h, conjugate=True):
        return
    values = np.linalg.svd(h.toarray(), compute_uv=False)
    if values[-1] <= h.shape[0] * np.finfo(np.float64).eps * values[0]:
        raise ValueError(
            f"{where} must be invertible, got a matrix whose singular values go from "
            f"{values[0]:.3g} down to {values[-1]:.3g}. A symmetry can always be undone; did you "
            "mean lie_algebra?"
        )


def is_generalised_permutation(h):
    """Tell whether a canonical csr_array has exactly one entry in each row and each column."""
    d = h.shape[0]
    return h.nnz == d and bool(np.all(np.diff(h.indptr) == 1)) and np.unique(h.indices).size == d


def is_inverse_of_adjoint(h, conjugate):
    """Tell whether ``hᴴ h = I`` (or ``hᵀ h = I``) to about 1e-12·d."""
    return adjoint_defect(h, conjugate) <= TOLERANCE * h.shape[0]


def adjoint_defect(h, conjugate):
    """The largest entry of ``|hᴴ h − I|`` (or of ``|hᵀ h − I|``)."""
    product = (h.conj() if conjugate else h).T @ h
    return _largest(sp.csr_array(product) - sp.csr_array(sp.eye(h.shape[0])))


def rounding_of(matrices):
    """Half a unit of the last decimal, where all entries are written to some number of decimals; else 0.

    Parameters
    ----------
    matrices : sequence of csr_array, float64 or complex128

    Notes
    -----
    Looks at 4 to 15 decimals. Integers are written to none.
    """
    parts = [part for matrix in matrices for part in (matrix.data.real, matrix.data.imag)]
    values = np.unique(np.concatenate([np.zeros(1), *parts]))
    for decimals in range(4, 16):
        error = np.abs(values - np.round(values, decimals))
        if np.all(error <= 4 * np.finfo(np.float64).eps * np.maximum(np.abs(values), 1e-3)):
            return 0.5 * 10.0**-decimals
    return 0.0


def _largest(matrix):
    return np.abs(matrix.data).max(initial=0.0)


def _is_operator(item):
    has_product = hasattr(item, "matmat") or hasattr(item, "matvec")
    return hasattr(item, "shape") and has_product and not sp.issparse(item)


def _read_matrix(where, item):
    if _is_operator(item):
        _check_square(where, tuple(item.shape))
        item = _probe(item)
    if not sp.issparse(item):
        try:
            item = np.asarray(item)
        except ValueError:
            raise ValueError(
                f"{where} must be a (d, d) matrix, got rows of different lengths."
            ) from None
    if item.dtype.kind not in "biufc":
        raise TypeError(f"{where} must hold real or complex numbers, got dtype {item.dtype}.")
    _check_square(where, item.shape)
    values = sp.coo_array(item).data if sp.issparse(item) else item
    if not np.all(np.isfinite(values)):
        raise ValueError(f"{where} holds NaN or infinite entries. Generators must be finite.")
    return item


def _check_square(where, shape):
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"{where} must be a square matrix of shape (d, d), got shape {shape}.")


def _probe(operator):
    identity = np.eye(operator.shape[1])
    if hasattr(operator, "matmat"):
        return np.asarray(operator.matmat(identity))
    return np.stack([np.asarray(operator.matvec(e)).reshape(-1) for e in identity], axis=1)
