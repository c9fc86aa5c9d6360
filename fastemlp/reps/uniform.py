"""Hidden features: a number of channels spread evenly over tensor ranks."""

from heapq import heappop, heappush
from math import comb, prod
from numbers import Integral

import numpy as np

from fastemlp.groups import Group
from fastemlp.reps.algebra import Scalar, T, V

#: The most factors in products of the reps of several groups; more would leave few channels to each.
HIGHEST_ORDER = 4


def uniform_rep(channels, *groups):
    """A rep of size ``channels`` with about as many channels in every tensor type that fits.

    Parameters
    ----------
    channels : int ≥ 1
    *groups : Group, one or more

    Returns
    -------
    Rep
        Of exactly this size, bound. For one group, every tensor rank that fits gets about equally many channels; those
        of rank r are split over ``T(p, r − p)`` in binomial proportion (one type where the group is orthogonal). For
        several, the types are products of the V of all groups (and their duals where these differ), smallest first,
        as many as fit with equally many channels.

    Notes
    -----
    The heuristic of Finzi et al. 2021, §6; for 256 channels and SO(3): 70 T0 + 23 T1 + 7 T2 + 2 T3. They share out the
    leftover (p, q) at random; we round by largest remainder, so no seed is involved.

    Examples
    --------
    >>> from fastemlp.groups import SO, O, S
    >>> print(uniform_rep(256, SO(3)))
    70V0+23V+7V2+2V3
    >>> print(uniform_rep(100, S(6), O(3)))
    25V0+7V(O(3))+3V(S(6))+2V2(O(3))+V(S(6))*V(O(3))
    """
    if not isinstance(channels, Integral) or isinstance(channels, bool) or channels < 1:
        raise ValueError(f"uniform_rep: channels must be an int ≥ 1, got {channels!r}.")
    for group in groups or (None,):
        if not isinstance(group, Group):
            raise TypeError(f"uniform_rep: expected a Group, got {group!r}. Write SO(3).")
    groups = tuple(dict.fromkeys(groups))
    return (_of_one if len(groups) == 1 else _of_several)(int(channels), *groups)


def _of_one(channels, group):
    d = group.d
    counts = {}
    left = channels
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


def _of_several(channels, *groups):
    atoms = list(dict.fromkeys(atom for group in groups for atom in (V(group), V(group).T)))
    types = _smallest_products(atoms, channels)
    counts, left = dict.fromkeys(types, 0), channels
    while left:
        # as many of the first types as fit with equally many channels each
        n = max(k for k in range(1, len(types) + 1) if k * types[k - 1].size() <= left)
        share = left // n
        for rep in types[:n]:
            counts[rep] += share // rep.size()
            left -= share // rep.size() * rep.size()
    return sum((n * rep for rep, n in counts.items() if n), 0 * Scalar)


def _smallest_products(atoms, channels):
    """Products of some atoms by size, then order; number k is of size at most channels/k."""
    found, heap, seen = [], [(1, 0, ())], {()}
    while heap:
        size, order, powers = heappop(heap)
        # if all atoms are of size 1 the list would be endless
        if (len(found) + 1) * size > channels or order > HIGHEST_ORDER:
            break
        found.append(prod((atoms[k] for k in powers), start=Scalar))
        for k in range(powers[-1] if powers else 0, len(atoms)):
            longer = (*powers, k)
            if longer not in seen:
                seen.add(longer)
                heappush(heap, (size * atoms[k].size(), order + 1, longer))
    return found


def _highest_rank(channels, d):
    """The largest r such that every rank up to r fits with equal channels: (r + 1)·d^r ≤ channels."""
    most = 2 if d == 1 else channels  # for d = 1 all ranks have the same size
    rank = 0
    while rank < most and (rank + 2) * d ** (rank + 1) <= channels:
        rank += 1
    return rank


def _binomial_shares(n, r):
    """Shares of n over p = 0..r in proportion to C(r, p), rounded by largest remainder."""
    quota = n * np.array([comb(r, p) for p in range(r + 1)]) / 2**r
    shares = np.floor(quota).astype(int)
    # ties go to the most mixed types first
    priority = np.lexsort((np.abs(np.arange(r + 1) - r / 2), -(quota - shares)))
    shares[priority[: n - shares.sum()]] += 1
    return shares.tolist()
