"""What can be said of a nullspace before it is solved: about how many vectors it has, and its gap."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from fastemlp.exceptions import ConvergenceError
from fastemlp.irreducibles import character, generated_elements
from fastemlp.operators import TensorConstraint

from .dense import dense

#: Words of the same factors that are solved to see how the rank grows are at most this large, twice that from LARGE on.
PROBE, LARGE = 64, 2048


def finite_group(C):
    """All elements of the group that the discrete generators of a TensorConstraint generate, if they are few.

    Returns
    -------
    list over atoms of ndarray (order, d, d), or None for a Lie group, an infinite one or one of too many elements
    """
    if C.lie:
        return None
    generators = [
        [np.eye(d) if B is None else B.toarray() for B, d in zip(h, C.dims, strict=True)]
        for h in C.discrete
    ]
    return generated_elements(generators, C.dims, C.dtype)


def burnside(C, elements):
    """The rank of a TensorConstraint of a finite group, about: the mean of its character, an int."""
    return max(0, round(float(character(elements, C.slots).mean().real)))


def forecast(C, elements=None):
    """About how many vectors the nullspace of C has, and its gap; (float, float).

    Parameters
    ----------
    C : operator of shape (n_rows, m)
    elements : of the finite group, whose characters give the number exactly; or None

    Notes
    -----
    From two smaller words in the same factors, of some dozens of coordinates, by the law ``rank ~ m·kᵖ`` for words of k
    factors; √m where there are none. A guess, never a proof.
    """
    m = C.shape[1]
    if elements is not None:
        return float(burnside(C, elements)), 1.0
    if not isinstance(C, TensorConstraint) or m <= PROBE:
        return math.sqrt(m), 1.0
    points, gap = [], 1.0
    for word in _smaller_words(C):
        if len(points) == 2:
            break
        part = TensorConstraint(word, C.dims, C.lie, C.discrete, C.accuracy)
        try:
            solution = dense(part)
        except ConvergenceError:
            continue
        gap = min(gap, solution.gap)
        if solution.rank:
            points.append((len(word), part.shape[1], solution.rank))
    if not points:
        return math.sqrt(m), gap
    (k, size, rank), *others = points
    if not others:
        return m ** (math.log(max(rank, 1.5)) / math.log(size)), gap
    k0, size0, rank0 = others[0]
    power = min(0.0, math.log(rank / size * size0 / rank0) / math.log(k / k0))
    return max(1.0, m * rank / size * (len(C.slots) / k) ** power), gap


def _smaller_words(C):
    """Words with the factors of C in its proportions: those of the same parity, the longest first, and another."""
    counts = Counter(C.slots)
    unit = math.gcd(*counts.values())
    step = {a: n // unit for a, n in counts.items()}
    largest = 2 * PROBE if C.shape[1] >= LARGE else PROBE
    words = {0: [], 1: []}
    for times in range(unit - 1, 0, -1):
        if math.prod(C.dims[a] ** (n * times) for a, n in step.items()) <= largest:
            # tensors of odd and of even order often have little to do with each other
            differs = (unit - times) * sum(step.values()) % 2
            words[differs].append([a for a, n in step.items() for _ in range(n * times)])
    return words[0][:2] + words[1][:1]
