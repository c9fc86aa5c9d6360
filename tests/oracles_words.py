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
    """Generators of the 10 crystallographic point groups of the plane and the 32 of space, in lattice coordinates."""
    one, inversion = np.eye(3, dtype=int), -np.eye(3, dtype=int)
    half, across = (
        np.diag([-1, -1, 1]),
        np.diag([-1, 1, -1]),
    )  # half turns about the axis, and about one at right angles
    level, upright = np.diag([1, 1, -1]), np.diag([1, -1, 1])  # mirrors
    four = _beside([[0, -1], [1, 0]], 1)
    three, six = _beside([[0, -1], [1, -1]], 1), _beside([[1, -1], [1, 0]], 1)
    swap, over = (
        _beside([[0, 1], [1, 0]], 1),
        _beside([[0, 1], [1, 0]], -1),
    )  # mirror and half turn, hexagonal
    cycle = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    space = {
        "1": [one], "-1": [inversion], "2": [half], "m": [level], "2/m": [half, inversion],
        "222": [half, across], "mm2": [half, upright], "mmm": [half, across, inversion],
        "4": [four], "-4": [-four], "4/m": [four, inversion], "422": [four, across],
        "4mm": [four, upright], "-42m": [-four, across], "4/mmm": [four, across, inversion],
        "3": [three], "-3": [three, inversion], "32": [three, over], "3m": [three, swap],
        "-3m": [three, over, inversion],
        "6": [six], "-6": [-six], "6/m": [six, inversion], "622": [six, over], "6mm": [six, swap],
        "-6m2": [-six, swap], "6/mmm": [six, over, inversion],
        "23": [cycle, half], "m-3": [cycle, half, inversion], "432": [cycle, four],
        "-43m": [cycle, -four], "m-3m": [cycle, four, inversion],
    }  # fmt: skip
    plane = ["1", "2", "3", "3m", "4", "4mm", "6", "6mm", "mm2"]
    groups = {f"{name} of the plane": [g[:2, :2] for g in space[name]] for name in plane}
    return {**space, **groups, "m of the plane": [swap[:2, :2]]}


def _beside(g, sign):
    out = np.zeros((3, 3), int)
    out[:2, :2], out[2, 2] = g, sign
    return out


def kron_power(g, k):
    return reduce(np.kron, [g] * k, np.eye(1))
