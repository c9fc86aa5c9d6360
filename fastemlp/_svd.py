"""Singular vectors that are found on every machine."""

import numpy as np
import scipy.linalg


def svd(A, full_matrices=True):
    """``numpy.linalg.svd`` of a matrix or of a stack of them, which does not give up.

    Divide and conquer is fast, but on some processors fails to converge for finite matrices with many singular values
    alike, which is what symmetry brings; QR iteration then does it.
    """
    try:
        return np.linalg.svd(A, full_matrices=full_matrices)
    except np.linalg.LinAlgError:
        if not np.all(np.isfinite(A)):
            raise
    if A.ndim == 2:
        return scipy.linalg.svd(A, full_matrices=full_matrices, lapack_driver="gesvd")
    found = [svd(a, full_matrices) for a in A.reshape(-1, *A.shape[-2:])]
    return tuple(
        np.reshape(part, A.shape[:-2] + part[0].shape) for part in zip(*found, strict=True)
    )
