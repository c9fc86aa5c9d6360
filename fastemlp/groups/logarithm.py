"""Logarithms of group elements that are near the identity or unipotent, where they say the same with more digits."""

import numpy as np
import scipy.linalg
from scipy.sparse import csr_array, eye_array

#: How far from the identity, in the Frobenius norm, the power series is taken.
NEAR = 0.05
#: The sum over slots of the largest imaginary part of an eigenvalue, which has to stay below 2π.
TURN = 6.0
#: Atoms larger than this are left as they are.
LARGEST = 500
#: The highest power that is tried for a shear, and how near to the identity the power of what is left has to be.
HIGHEST_POWER, SHARP = 12, 1e-13


def logarithms(images, slots, is_orthogonal):
    """The logarithms of one group element on all atoms, over their joint length, where they fix the same tensors.

    Parameters
    ----------
    images : sequence of (d, d) csr_array, None for the identity; the element on every atom
    slots : sequence of int; which atom stands in each slot of the tensors
    is_orthogonal : bool; orthogonal images have skew logarithms, to the last bit

    Returns
    -------
    None, where the element is the identity, is neither near it nor unipotent, or its eigenvalues could add up to a full
    turn; or
    logs : list of csr_array, None for zero; of joint Frobenius norm 1
    length : float; of what was divided by
    magnified : float
        By how much relative errors of the element stand out in their direction. 1 where one entry alone, or one and its
        opposite, is not an integer, so that the error only makes it longer.

    Notes
    -----
    ``log(I + X) = X − X²/2 + …``, every term smaller by ‖X‖, so that small X lose nothing. Where powers of X vanish, to
    the last bit, the series ends and all eigenvalues are 1, on every tensor: a shear and its logarithm fix the same.
    """
    rest = [None if h is None else h - eye_array(h.shape[0], format="csr") for h in images]
    lengths = [0.0 if X is None else float(np.linalg.norm(X.data)) for X in rest]
    sizes = [0 if X is None else X.shape[0] for X in rest]
    if not max(lengths, default=0.0) > 0 or max(sizes) > LARGEST:
        return None
    rest = [None if X is None else X.toarray() for X in rest]
    if max(lengths) > NEAR and not all(X is None or _vanishes(X) for X in rest):
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
    largest = max(_reach(X) for X in rest if X is not None)
    return logs, length, 1.0 if free <= 1 else largest / length


def jordan_parts(images):
    """A group element with a shear in it as the two commuting elements that it is the product of.

    Parameters
    ----------
    images : sequence of (d, d) csr_array, None for the identity; the element h on every atom

    Returns
    -------
    None, where no power of h up to the twelfth is a shear, to the last bit, or h is one itself or of finite order; or
    turn : list of csr_array, None for the identity; of finite order
    power : list of csr_array, None for the identity; the shear ``h^k``

    Notes
    -----
    ``h = s u`` with s of finite order, u a shear and su = us: what ρ(h) fixes is what ρ(s) and ρ(u) fix, and ρ(u)
    fixes what ``ρ(u^k) = ρ(h^k)`` does. So do glide reflections and screws of a crystal, and negative shears.
    """
    dense = [None if h is None else h.toarray() for h in images]
    if max((0 if h is None else len(h) for h in dense), default=0) > LARGEST:
        return None
    k, powers = _first_shear(dense)
    rest = [None if p is None else p - np.eye(len(p)) for p in powers]
    if k == 1 or not any(X is not None and X.any() for X in rest):
        return None
    # exp(−log(hᵏ)/k), a finite series
    turns = [
        None if h is None else h @ scipy.linalg.expm(-_series(X) / k)
        for h, X in zip(dense, rest, strict=True)
    ]
    for s in turns:
        if s is not None and np.abs(np.linalg.matrix_power(s, k) - np.eye(len(s))).max() > SHARP:
            return None
    return tuple([None if B is None else csr_array(B) for B in part] for part in (turns, powers))


def _first_shear(matrices):
    """The smallest power k, up to the twelfth, that is a shear on every atom or the identity there; and itself.

    Where there is none, the identity for the zeroth.
    """
    powers = [None if h is None else np.eye(len(h)) for h in matrices]
    for k in range(1, HIGHEST_POWER + 1):
        with np.errstate(over="ignore", invalid="ignore"):
            powers = [None if h is None else h @ p for h, p in zip(matrices, powers, strict=True)]
        traces = [(abs(np.trace(p)), len(p)) for p in powers if p is not None]
        # of roots of unity; a NaN ends it too
        if not all(trace <= d * (1 + SHARP) for trace, d in traces):
            break
        if all(p is None or _vanishes(p - np.eye(len(p))) for p in powers):
            return k, powers
    return 0, [None] * len(matrices)


def _reach(X):
    """A bound on the error of the series by a relative one of ``I + X``; about 1 near the identity."""
    size = np.linalg.norm(X, 2)
    if size <= NEAR:
        return 1.0
    return float((1 + size) * np.sum(size ** np.arange(len(X))))


def _vanishes(X):
    """Whether ``X^d`` is zero as computed, X of size d."""
    if abs(np.trace(X)) > SHARP * len(X):
        return False
    power, order = X, 1
    while order < len(X) and power.any():
        # by powers of two, which lose no bit: what is small, as rounding is, must not vanish by underflow
        scale = np.frexp(np.abs(power).max())[1]
        power = power * np.ldexp(1.0, -int(scale))
        power, order = power @ power, 2 * order
    return not power.any()


def _series(X):
    total, power = X.copy(), X
    for k in range(2, max(40, len(X))):
        power = -power @ X
        total = total + power / k
        if np.abs(power).max() <= 1e-18 * np.abs(X).max():
            break
    return total
