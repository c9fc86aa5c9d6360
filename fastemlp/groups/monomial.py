"""Monomial matrices (one ±1 in each row and column) as permutations of the 2d points ±e_i."""

import numpy as np


def signed_permutations(matrices, d):
    """Monomial (d, d) csr_arrays as permutations of the signed unit vectors, int64 ndarray (M, 2d).

    Point j < d is ``e_j`` and point d + j is ``-e_j``; entry p is the image of point p.
    """
    images = np.empty((len(matrices), 2 * d), dtype=np.int64)
    for image, h in zip(images, matrices, strict=True):
        i, j, negative = np.arange(d), h.indices, h.data.real < 0
        image[j] = np.where(negative, i + d, i)
        image[j + d] = np.where(negative, i, i + d)
    return images


def monomial_matrices(images, dtype):
    """The matrices, ndarray (n, d, d), of signed permutations (n, 2d)."""
    n, d = images.shape[0], images.shape[1] // 2
    out = np.zeros((n, d, d), dtype=dtype)
    target = images[:, :d]
    out[np.arange(n)[:, None], target % d, np.arange(d)] = np.where(target < d, 1.0, -1.0)
    return out


def permutation_group_order(images):
    """The exact order of what M >= 1 permutations, int ndarray (M, points), generate: Schreier-Sims, by sympy."""
    try:
        from sympy.combinatorics import Permutation, PermutationGroup
    except ImportError as error:
        raise ImportError(
            "Group.order: counting the elements needs sympy, which is not installed. "
            "Run: pip install sympy"
        ) from error
    return int(PermutationGroup([Permutation(image.tolist()) for image in images]).order())
