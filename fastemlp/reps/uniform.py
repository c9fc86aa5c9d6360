"""Hidden features: a number of channels spread evenly over tensor ranks."""

from math import comb
from numbers import Integral

import numpy as np

from fastemlp.groups import Group
from fastemlp.reps.algebra import Scalar, T


def uniform_rep(channels, group):
    """A rep of size ``channels`` with about as many channels in every tensor rank that fits.

    Parameters
    ----------
    channels : int ≥ 1
    group : Group

    Returns
    -------
    Rep
        Of exactly this size, bound to ``group``; tensors of rank r are shared out over ``T(p, r − p)`` in
        binomial proportion (one type where the group is orthogonal).

    Notes
    -----
    The heuristic of Finzi et al. 2021, §6; for 256 channels and SO(3): 70 T0 + 23 T1 + 7 T2 + 2 T3. Where they
    draw the share of leftover (p, q) at random we round by largest remainder, so no seed is involved.

    Examples
    --------
    >>> from fastemlp.groups import SO
    >>> print(uniform_rep(256, SO(3)))
    70V0+23V+7V2+2V3
    """
    if not isinstance(channels, Integral) or isinstance(channels, bool) or channels < 1:
        raise ValueError(f"uniform_rep: channels must be an int ≥ 1, got {channels!r}.")
    if not isinstance(group, Group):
        raise TypeError(f"uniform_rep: expected a Group, got {group!r}. Write SO(3).")
    d = group.d
    counts = {}
    left = int(channels)
    while left:
        rank = _highest_rank(left, d)
        for r in range(rank + 1):
            counts[r] = counts.get(r, 0) + d ** (rank - r)
        left -= (rank + 1) * d**rank
    rep = 0 * Scalar
    for r, n in sorted(counts.items()):
        for p, share in enumerate(_binomial_shares(n, r)):
            rep = rep + share * T(p, r - p, group)
    return rep


def _highest_rank(channels, d):
    """The largest r such that every rank up to r fits with equal channels: (r + 1)·d^r ≤ channels."""
    most = 2 if d == 1 else channels  # for d = 1 ranks cost nothing and soon repeat themselves
    rank = 0
    while rank < most and (rank + 2) * d ** (rank + 1) <= channels:
        rank += 1
    return rank


def _binomial_shares(n, r):
    """N things shared over p = 0..r in proportion to C(r, p), rounded by largest remainder."""
    quota = n * np.array([comb(r, p) for p in range(r + 1)]) / 2**r
    shares = np.floor(quota).astype(int)
    # ties go to the most mixed types first
    priority = np.lexsort((np.abs(np.arange(r + 1) - r / 2), -(quota - shares)))
    shares[priority[: n - shares.sum()]] += 1
    return shares.tolist()
