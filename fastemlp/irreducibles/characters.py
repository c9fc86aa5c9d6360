"""The elements of a small finite group, from its generators, and its characters: what counts without solving."""

from __future__ import annotations

import numpy as np

#: A finite group is enumerated while its elements, as matrices, hold no more numbers than this.
ENUMERATED = 2 * 10**4
#: What a mean of characters may be off a whole number by, beside the largest.
WHOLE = 1e-12
#: A group with larger entries is taken to be infinite.
LARGEST_ENTRY = 1e3


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


def count_traces(elements):
    """How many characters differ between elements: at most the number of conjugacy classes, and of irreducibles."""
    traces = np.stack([np.trace(part, axis1=1, axis2=2) for part in elements], axis=1)
    return len(np.unique(np.round(traces, 6) + 0.0, axis=0))
