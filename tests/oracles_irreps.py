"""What a decomposition into irreducibles must satisfy, by characters over all elements of a finite group."""

import numpy as np
from oracles import finite_group_elements

from fastemlp.groups import Group

#: The real ones, complex numbers, quaternions.
DIMENSION = {"real": 1, "complex": 2, "quaternionic": 4}


def elements(generators, limit=400):
    """All elements of a finite group of matrices with its generators: ndarray (order, d, d)."""
    return np.array(finite_group_elements(generators, limit))


def rounded(group, decimals, sheared, rng):
    """A group in other coordinates, orthogonal or sheared ones, to some decimals, which it declares as its accuracy."""
    P = np.linalg.qr(rng.standard_normal((group.d, group.d)))[0]
    if sheared:
        P = P * (1 + 2.0 * np.arange(group.d)) @ P.T
    lie, discrete = (
        [np.round(P @ np.asarray(g) @ np.linalg.inv(P), decimals) for g in generators]
        for generators in (group.lie_algebra, group.discrete_generators)
    )
    return Group(lie_algebra=lie, discrete_generators=discrete, accuracy=10.0**-decimals)


def require_irreducible(found, group, character, atol=1e-8):
    """The pieces of an IsotypicDecomposition are irreducible, inequivalent, of their type, and make up the rep.

    ``group`` holds all elements, ``character`` that of the rep on them. Real representations: the squared norm of a
    character is the dimension t of its division algebra, and the mean of χ(g²) is 2 − t (Frobenius and Schur).
    """
    t = np.array([DIMENSION[i.type] for i in found.irreps])
    rho = [np.array([i.rho(g) for g in group]) for i in found.irreps]
    chi = np.array([np.trace(r, axis1=1, axis2=2) for r in rho])
    np.testing.assert_allclose(chi @ chi.T / len(group), np.diag(t), atol=atol)
    squares = np.array([np.einsum("gij,gji->g", r, r) for r in rho])
    np.testing.assert_allclose(squares.mean(axis=1), 2 - t, atol=atol)
    np.testing.assert_allclose(np.array(found.multiplicities) @ chi, character, atol=atol)


def pauli(k):
    """Generators of the extraspecial group of order 2^(1+2k), plus type, real matrices of size 2^k."""
    X, Z = np.array([[0.0, 1], [1, 0]]), np.diag([1.0, -1])
    return [
        np.kron(np.kron(np.eye(2**i), m), np.eye(2 ** (k - 1 - i)))
        for i in range(k)
        for m in (X, Z)
    ]


def quaternions():
    """Left multiplication by i and j on R⁴: the quaternion group, one irreducible of quaternionic type."""
    i = np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, -1], [0, 0, 1, 0]], float)
    j = np.array([[0, 0, -1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, -1, 0, 0]], float)
    return [i, j]


def binary_tetrahedral():
    """The same with (1 + i + j + k)/2 beside them: 24 elements."""
    i, j = quaternions()
    return [i, (np.eye(4) + i + j + i @ j) / 2]


def wreath(base, n):
    """The wreath product of a matrix group with S(n), generators on n copies of its space."""
    d = len(base[0])
    first = []
    for h in base:
        g = np.eye(n * d)
        g[:d, :d] = h
        first.append(g)
    swap, cycle = np.eye(n)[[1, 0, *range(2, n)]], np.roll(np.eye(n), 1, axis=0)
    return first + [np.kron(p, np.eye(d)) for p in ((swap, cycle) if n > 1 else ())]
