"""What can be said of a nullspace before it is solved: the order of a finite group, and about how many vectors."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from fastemlp.operators import TensorConstraint

from .dense import dense
from .solution import ConvergenceError

#: A finite group is enumerated while its elements, as matrices, hold no more numbers than this.
ENUMERATED = 2 * 10**4
#: What a mean of characters may be off a whole number by, beside the largest.
WHOLE = 1e-12
#: A group with larger entries is taken to be infinite.
LARGEST_ENTRY = 1e3
#: Words of the same letters that are solved to see how the rank grows are at most this large, twice that from LARGE on.
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


def generated_elements(generators, dims, dtype):
    """All elements of the group that some lists of one matrix per atom generate, as ``finite_group`` returns them."""
    width = sum(d * d for d in dims)
    # of large matrices not even a small group is worth it
    if 24 * width > ENUMERATED:
        return None
    elements = frontier = [np.eye(d, dtype=dtype)[None] for d in dims]
    seen = set(_names(frontier))
    while len(frontier[0]):
        if len(elements[0]) * width > ENUMERATED:
            return None
        images = [
            np.concatenate([frontier[a][:0], *(h[a] @ frontier[a] for h in generators)])
            for a in range(len(dims))
        ]
        if max(np.abs(part).max(initial=0.0) for part in images) > LARGEST_ENTRY:
            return None
        names = dict(zip(reversed(_names(images)), reversed(range(len(images[0]))), strict=True))
        new = sorted(index for name, index in names.items() if name not in seen)
        seen.update(names)
        frontier = [part[new] for part in images]
        elements = [np.concatenate(pair) for pair in zip(elements, frontier, strict=True)]
    return elements


def _names(elements):
    """One hashable name per element, the same for matrices that differ by rounding."""
    flat = np.concatenate([p.reshape(len(p), p.shape[1] ** 2) for p in elements], axis=1)
    # no entry of a finite group in sight lies on the edge between two of these
    flat = np.rint(np.stack([flat.real, flat.imag]) * 1e5 + 0.1234) + 0.0
    return [row.tobytes() for row in flat.transpose(1, 0, 2)]


def character(elements, word):
    """The character of a tensor word in some atoms, at every element; (order,) complex."""
    traces = [np.trace(part, axis1=1, axis2=2) for part in elements]
    found = np.ones(len(elements[0]), np.complex128)
    for a in word:
        found *= traces[a]
    return found


def whole_mean(values):
    """The mean of values whose mean is a whole number, or None where it is not: then these are not of a group."""
    mean = complex(values.mean())
    whole = max(0, round(mean.real))
    return whole if abs(mean - whole) <= WHOLE * max(1.0, np.abs(values).max()) else None


def burnside(C, elements):
    """The rank of a TensorConstraint of a finite group, about: the mean of its character, an int."""
    return max(0, round(float(character(elements, C.slots).mean().real)))


def count_traces(elements):
    """How many characters differ between elements: at most the number of conjugacy classes, and of irreducibles."""
    traces = np.stack([np.trace(part, axis1=1, axis2=2) for part in elements], axis=1)
    return len(np.unique(np.round(traces, 6) + 0.0, axis=0))


def forecast(C, elements=None):
    """About how many vectors the nullspace of C has, and its gap; (float, float).

    Parameters
    ----------
    C : operator of shape (n_rows, m)
    elements : of the finite group, whose characters give the number exactly; or None

    Notes
    -----
    From two smaller words in the same letters, of some dozens of coordinates, by the law ``rank ~ m·kᵖ`` for words of k
    letters; √m where there are none. A guess, never a proof.
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
    """Words with the letters of C in its proportions: those of the same parity, the longest first, and another."""
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
