"""Finite groups: cyclic, dihedral, permutations, and the symmetries of cubes and grids."""

import math

import numpy as np
import scipy.sparse as sp

from fastemlp.groups.generators import check_int
from fastemlp.groups.group import Group


def C(k):
    """Cyclic group of k rotations of the plane, by multiples of 2π/k."""
    k = check_int("C", "k", k, 1)
    return Group(discrete_generators=_rotation(k), d=2, name=f"C({k})")


def D(k):
    """Dihedral group of the plane, 2k elements: C(k) and the reflection of the x axis."""
    k = check_int("D", "k", k, 1)
    return Group(discrete_generators=[*_rotation(k), np.diag([-1.0, 1.0])], name=f"D({k})")


def DkeR3(k):
    """Rotations of R^3 about the z axis by multiples of 2π/k, and the reflection of the x axis."""
    k = check_int("DkeR3", "k", k, 1)
    generators = [*_rotation(k), np.diag([-1.0, 1.0])]
    embedded = [sp.block_diag([sp.coo_array(h), sp.coo_array(np.eye(1))]) for h in generators]
    return Group(discrete_generators=embedded, name=f"DkeR3({k})")


def Z(n):
    """Cyclic shifts of n points; the generator sends point i to i + 1."""
    n = check_int("Z", "n", n, 1)
    return _permutation_group([_cycle(n, range(n))], n, f"Z({n})")


def S(n):
    """All n! permutations of n points."""
    n = check_int("S", "n", n, 1)
    cycles = [_cycle(n, range(2)), _cycle(n, range(n))] if n > 2 else [_cycle(n, range(n))]
    return _permutation_group(cycles, n, f"S({n})")


def A(n):
    """Even permutations of n points; A(1) and A(2) are trivial."""
    n = check_int("A", "n", n, 1)
    cycles = []
    if n >= 3:
        cycles.append(_cycle(n, range(3)))
    if n >= 4:
        # An even permutation is a cycle of odd length.
        cycles.append(_cycle(n, range((n + 1) % 2, n)))
    return _permutation_group(cycles, n, f"A({n})")


def Cube():
    """The 24 rotations of a cube, permuting its 6 faces in the order +x, -x, +y, -y, +z, -z."""
    return _cube([_quarter_turn(axis) for axis in (0, 2)], "Cube()")


def InvertedCube():
    """All 48 symmetries of a cube: its rotations and their products with the inversion, which swaps opposite faces."""
    turns = [_quarter_turn(axis) for axis in (0, 2)]
    return _cube([*turns, -np.eye(3, dtype=int)], "InvertedCube()")


def _cube(symmetries, name):
    faces = [sign * axis for axis in np.eye(3, dtype=int) for sign in (1, -1)]
    images = [_permutation(faces, [h @ face for face in faces]) for h in symmetries]
    return _permutation_group(images, 6, name)


def RubiksCube():
    """Rubik's cube group on the 48 stickers that move; 43,252,003,274,489,856,000 elements.

    Notes
    -----
    A sticker is a position in {-1, 0, 1}³ and an outward normal. Turning a face rotates the
    8 stickers on it as well as the 12 around it. Generators: the six quarter turns.
    """
    normals = [sign * axis for axis in np.eye(3, dtype=int) for sign in (1, -1)]
    cells = [np.array(p) - 1 for p in np.ndindex(3, 3, 3)]
    stickers = [
        (cell, normal)
        for normal in normals
        for cell in cells
        if cell @ normal == 1 and np.count_nonzero(cell) > 1
    ]
    before = [np.concatenate(sticker) for sticker in stickers]
    images = []
    for face in normals:
        turn = np.linalg.matrix_power(_quarter_turn(np.argmax(np.abs(face))), 2 + face.sum())
        after = [
            np.concatenate([turn @ cell, turn @ normal] if cell @ face == 1 else [cell, normal])
            for cell, normal in stickers
        ]
        images.append(_permutation(before, after))
    return _permutation_group(images, 48, "RubiksCube()")


def ZksZnxZn(k, n):
    """Translations and rotations of a periodic n×n grid with k orientation channels.

    The group ℤk ⋉ (ℤn × ℤn), of order k·n², on functions of itself: d = k·n².

    Parameters
    ----------
    k : {2, 4}
        Rotations by multiples of 360°/k.
    n : int >= 1
        Side of the grid.

    Notes
    -----
    Coordinates are (orientation, x, y), row-major. A rotation by 90° sends (x, y) to (-y, x) and
    adds one to the orientation; translations leave the orientation alone. This is the regular
    representation, so V⊗V* has exactly k·n² invariants.
    """
    k, n = check_int("ZksZnxZn", "k", k, 2), check_int("ZksZnxZn", "n", n, 1)
    if k not in (2, 4):
        raise ValueError(f"ZksZnxZn: k must be 2 or 4, the rotations of a square grid, got {k}.")
    t, x, y = np.indices((k, n, n))
    rotated = (-x, -y) if k == 2 else (-y, x)
    moves = [(t, x + 1, y), (t, x, y + 1), (t + 1, *rotated)]
    images = [np.ravel_multi_index(m, (k, n, n), mode="wrap").ravel() for m in moves]
    return _permutation_group(images, k * n * n, f"ZksZnxZn({k}, {n})")


def _permutation_group(images, n, name):
    """Group of the permutations ``i -> image[i]`` of n points; identities are left out."""
    points = np.arange(n)
    generators = [
        sp.coo_array((np.ones(n), (image, points)), shape=(n, n))
        for image in images
        if not np.array_equal(image, points)
    ]
    return Group(discrete_generators=generators, d=n, name=name)


def _cycle(n, points):
    image = np.arange(n)
    image[list(points)] = np.roll(list(points), -1)
    return image


def _permutation(before, after):
    """Index of each vector of ``after`` in the list ``before``."""
    index = {tuple(int(c) for c in vector): i for i, vector in enumerate(before)}
    return np.array([index[tuple(int(c) for c in vector)] for vector in after])


def _quarter_turn(axis):
    """Rotation of R^3 by 90° about a coordinate axis, an integer matrix."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn = np.zeros((3, 3), dtype=int)
    turn[axis, axis] = turn[j, i] = 1
    turn[i, j] = -1
    return turn


def _rotation(k):
    """The rotation of the plane by 2π/k in a list, which is empty for k = 1."""
    if k == 1:
        return []
    # The sine and cosine of π/2 and π come out as 6e-17: multiples of 90° are set exactly.
    exact = {2: (-1.0, 0.0), 4: (0.0, 1.0)}
    c, s = exact.get(k, (math.cos(2 * math.pi / k), math.sin(2 * math.pi / k)))
    return [np.array([[c, -s], [s, c]])]
