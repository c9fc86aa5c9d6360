"""Logarithms of group elements near the identity, where they say the same with more digits."""

import numpy as np
from scipy.sparse import csr_array

#: How far from the identity, in the Frobenius norm, the power series is taken.
NEAR = 0.05
#: The sum over slots of the largest imaginary part of an eigenvalue, which has to stay below 2π.
TURN = 6.0
#: Atoms larger than this are left as they are.
LARGEST = 500


def logarithms(images, slots, is_orthogonal):
    """The logarithms of one group element on all atoms, over their joint length, where they fix the same tensors.

    Parameters
    ----------
    images : sequence of (d, d) csr_array, None for the identity; the element on every atom
    slots : sequence of int; which atom stands in each slot of the tensors
    is_orthogonal : bool; orthogonal images have skew logarithms, to the last bit

    Returns
    -------
    None, where the element is the identity, is not near it, or its eigenvalues could add up to a full turn; or
    logs : list of csr_array, None for zero; of joint Frobenius norm 1
    length : float; of what was divided by
    is_exact : bool
        Whether their direction is free of the error of the element: one entry alone, or one and its opposite, is not
        an integer, so that the error only makes it longer.

    Notes
    -----
    ``log(I + X) = X − X²/2 + …``, every term smaller by ‖X‖, so that small X lose nothing.
    """
    rest = [None if h is None else (h - csr_array(np.eye(h.shape[0]))).toarray() for h in images]
    lengths = [0.0 if X is None else float(np.linalg.norm(X)) for X in rest]
    sizes = [0 if X is None else len(X) for X in rest]
    if not 0 < max(lengths, default=0.0) <= NEAR or max(sizes) > LARGEST:
        return None
    logs = [None if X is None else _series(X) for X in rest]
    free = 0
    for a, (X, L) in enumerate(zip(rest, logs, strict=True)):
        if X is None:
            continue
        if is_orthogonal and np.abs(L + L.T).max() <= 1e-10 * np.abs(L).max() + 1e-14:
            logs[a] = L = (L - L.T) / 2
            X = np.triu(L, 1)
        free = max(free, int(np.count_nonzero(X.real) + np.count_nonzero(X.imag)))
    turns = [0.0 if L is None else np.abs(np.linalg.eigvals(L).imag).max() for L in logs]
    # not: > would let a NaN through
    if not sum(turns[a] for a in slots) <= TURN:
        return None
    length = float(np.linalg.norm([0.0 if L is None else np.linalg.norm(L) for L in logs]))
    if length == 0:
        return None
    logs = [None if L is None else csr_array(L / length) for L in logs]
    return logs, length, free <= 1


def _series(X):
    total, power = X.copy(), X
    for k in range(2, 40):
        power = -power @ X
        total = total + power / k
        if np.abs(power).max() <= 1e-18 * np.abs(X).max():
            break
    return total
