"""Multiplicities in tensor powers by counting weights and by averaging characters; numpy alone."""

import itertools
from collections import Counter
from functools import reduce

import numpy as np


def rotation_multiplicities(n, k):
    """Sorted (size, multiplicity) of the real irreducibles of the k-th power of the plane under 2π/n turns."""
    weights = Counter(sum(signs) % n for signs in itertools.product((1, -1), repeat=k))
    # a weight and its opposite make one real plane
    return sorted(
        (1 if 2 * w % n == 0 else 2, count)
        for w, count in weights.items()
        if w <= (n - w) % n or w == 0
    )


def charge_multiplicities(charges, n, k):
    """How often each charge (a, b mod n) occurs in the k-th power of a sum of charges: Counter."""
    words = itertools.product(charges, repeat=k)
    return Counter((sum(a for a, _ in word), sum(b for _, b in word) % n) for word in words)


def integer_group(generators, limit=200):
    """All elements of a finite group of integer matrices, by closure."""
    generators = [np.array(g, int) for g in generators]
    identity = np.eye(len(generators[0]), dtype=int)
    found = {identity.tobytes(): identity}
    fresh = [identity]
    while fresh:
        products = [g @ h for g in fresh for h in generators]
        fresh = []
        for g in products:
            if g.tobytes() not in found:
                found[g.tobytes()] = g
                fresh.append(g)
        assert len(found) <= limit
    return list(found.values())


def unimodular(d, rng, steps=4):
    """A random integer matrix of determinant 1, and its inverse."""
    P = inverse = np.eye(d, dtype=int)
    for _ in range(steps):
        i, j = rng.choice(d, 2, replace=False)
        shear = np.eye(d, dtype=int)
        shear[i, j] = rng.choice([-1, 1])
        back = 2 * np.eye(d, dtype=int) - shear
        P, inverse = P @ shear, back @ inverse
    return P, inverse


def point_groups():
    """Generators of crystallographic point groups in two and three dimensions, in lattice coordinates: dict."""
    three, six, four = [[0, -1], [1, -1]], [[1, -1], [1, 0]], [[0, -1], [1, 0]]
    swap, inversion = [[0, 1], [1, 0]], [[-1, 0], [0, -1]]
    plane = {
        "2": [inversion], "3": [three], "4": [four], "6": [six],
        "2mm": [inversion, swap], "3m": [three, swap], "4mm": [four, swap], "6mm": [six, swap],
    }  # fmt: skip
    groups = dict(plane)
    for name, generators in plane.items():
        lifted = [_beside(g, 1) for g in generators]
        groups[f"{name} in space"] = lifted
        groups[f"{name} with a mirror"] = [*lifted, _beside(np.eye(2, dtype=int), -1)]
        groups[f"{name} turned over"] = [_beside(g, -1) for g in generators]
    cycle = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    half, quarter = np.diag([-1, -1, 1]), [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    groups |= {
        "23": [cycle, half], "m-3": [cycle, half, -np.eye(3, dtype=int)], "432": [cycle, quarter],
        "-43m": [cycle, -np.array(quarter)], "m-3m": [cycle, quarter, -np.eye(3, dtype=int)],
    }  # fmt: skip
    return groups


def _beside(g, sign):
    out = np.zeros((3, 3), int)
    out[:2, :2], out[2, 2] = g, sign
    return out


def kron_power(g, k):
    return reduce(np.kron, [g] * k, np.eye(1))
