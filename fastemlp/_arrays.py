"""Small helpers on arrays."""

import numpy as np
import scipy.linalg


def read_only(array):
    """The array, contiguous and read-only; copied only if it must be."""
    array = np.ascontiguousarray(array)
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def chunks(n, width):
    """Slices that cover range(n), of at most this width."""
    return [slice(start, min(start + width, n)) for start in range(0, n, width)]


def unit_columns(n, index, dtype):
    """The columns of the identity of size n at an index: ndarray (n, len(index))."""
    index = np.arange(n)[index]
    E = np.zeros((n, len(index)), dtype)
    E[index, np.arange(len(index))] = 1
    return E


def unpermuted(Y, perm):
    """The array X with ``X[perm] = Y``; Y itself where perm is None."""
    if perm is None:
        return Y
    X = np.empty_like(Y)
    X[perm] = Y
    return X


def copies_beside(X, n):
    """From copies of a space one below another, (n·m, b), to columns side by side, (m, n·b)."""
    size, b = len(X) // max(n, 1), X.shape[1]
    return X.reshape(n, size, b).swapaxes(0, 1).reshape(size, n * b)


def copies_below(Y, n):
    """The inverse of ``copies_beside``."""
    size, b = len(Y), Y.shape[1] // max(n, 1)
    return Y.reshape(size, n, b).swapaxes(0, 1).reshape(n * size, b)


def orthonormal_rows(rows):
    """Orthonormal rows with the span of some unit rows: by pivoted QR, those that stand out most first.

    Rows that share no column are left as they are; others keep their sign.

    Parameters
    ----------
    rows : ndarray of shape (n, w), of norm 1

    Returns
    -------
    Q : ndarray of shape (min(n, w), w)
    sines : ndarray, descending; of the angle between each row and those before it
    """
    if (np.count_nonzero(rows, axis=0) <= 1).all():
        return rows, np.ones(len(rows))
    Q, R, _ = scipy.linalg.qr(rows.T, mode="economic", pivoting=True)
    pivots = np.diagonal(R)
    return np.ascontiguousarray((Q * np.sign(pivots)).T), np.abs(pivots)
