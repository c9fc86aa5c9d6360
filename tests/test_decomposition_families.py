"""Families of groups taken apart: sizes, types and multiplicities against characters and known tables."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from oracles_irreps import (
    binary_tetrahedral,
    elements,
    pauli,
    quaternions,
    require_irreducible,
    wreath,
)
from oracles_words import point_groups, unimodular

from fastemlp import isotypic_decomposition
from fastemlp.groups import SO, SU, A, C, Cube, D, Group, O, S, Sp, U, Z, ZksZnxZn
from fastemlp.reps import V


def kinds(found):
    return sorted(
        (i.size(), i.type, n) for i, n in zip(found.irreps, found.multiplicities, strict=True)
    )


def matrices(group):
    return [np.asarray(h) for h in group.discrete_generators]


FINITE = {
    **{f"C({n})": matrices(C(n)) for n in (2, 3, 4, 5, 8, 12, 30)},
    **{f"D({n})": matrices(D(n)) for n in (3, 4, 5, 6, 9)},
    **{f"Z({n})": matrices(Z(n)) for n in (2, 3, 4, 5, 6, 8)},
    **{f"S({n})": matrices(S(n)) for n in (2, 3, 4, 5)},
    **{f"A({n})": matrices(A(n)) for n in (3, 4, 5)},
    **{f"ZksZnxZn({k}, {n})": matrices(ZksZnxZn(k, n)) for k, n in ((2, 2), (2, 3), (4, 2))},
    **{f"2^(1+{2 * k})": pauli(k) for k in (1, 2)},
    "Q8": quaternions(),
    "binary tetrahedral": binary_tetrahedral(),
    "Q8 and signs": [np.kron(np.eye(2), h) for h in quaternions()]
    + [np.diag([1.0] * 4 + [-1] * 4)],
    **{f"B({n})": wreath([-np.eye(1)], n) for n in (2, 3)},
    "Z(3) wr S(2)": wreath(matrices(Z(3)), 2),
    "C(3) wr S(2)": wreath(matrices(C(3)), 2),
    "C(4) wr S(3)": wreath(matrices(C(4)), 3),
    "S(3) wr S(2)": wreath(matrices(S(3)), 2),
    "Cube": matrices(Cube()),
    **{
        f"point group {name}": [np.array(g, float) for g in g] for name, g in point_groups().items()
    },
}


def turned(generators, how):
    """The group in other coordinates: as it is, orthogonal, or a skew integer basis where it is integer."""
    d = len(generators[0])
    rng = np.random.default_rng(d)
    if how == "orthogonal":
        Q = np.linalg.qr(rng.standard_normal((d, d)))[0]
        return [Q @ h @ Q.T for h in generators]
    if how == "skew":
        P, inverse = unimodular(d, rng)
        return [P @ h @ inverse for h in generators]
    return generators


@pytest.mark.parametrize(
    ("name", "how"),
    # point groups in skew bases: test_decomposition_certificates.py
    [
        (name, how)
        for name, how in product(FINITE, ("as given", "orthogonal", "skew"))
        if how != "skew" or "point group" not in name
    ],
)
def test_finite_groups_agree_with_their_characters(name, how):
    generators = turned(FINITE[name], how)
    group = Group(discrete_generators=generators)
    every = elements(generators, 1200)
    trace = np.trace(every, axis1=1, axis2=2)
    for k in (1, 2):
        if len(generators[0]) ** k <= 64:
            require_irreducible(isotypic_decomposition((V**k)(group)), every, trace**k)


@pytest.mark.parametrize("n", [6, 7, 12, 13, 24])
def test_cyclic_permutations(n):
    # trivial, the sign where n is even, and planes
    found = kinds(isotypic_decomposition(V(Z(n))))
    planes = [(2, "complex", 1)] * ((n - 1) // 2)
    assert found == sorted([(1, "real", 1)] * (2 - n % 2) + planes)
    found = kinds(isotypic_decomposition((V**2)(Z(n))))
    assert found == sorted([(s, t, n) for s, t, _ in [(1, "real", 1)] * (2 - n % 2) + planes])


@pytest.mark.parametrize("n", [6, 9, 15, 21])
def test_pairs_under_alternating_groups(n):
    expected = [(1, 2), (n - 1, 3), (n * (n - 3) // 2, 1), ((n - 1) * (n - 2) // 2, 1)]
    found = kinds(isotypic_decomposition((V**2)(A(n))))
    assert found == sorted((s, "real", m) for s, m in expected)


@pytest.mark.parametrize("n", [3, 5, 8, 12])
def test_pairs_under_signed_permutations(n):
    group = Group(discrete_generators=wreath([-np.eye(1)], n))
    sizes = [1, n - 1, n * (n - 1) // 2, n * (n - 1) // 2]
    found = kinds(isotypic_decomposition((V**2)(group)))
    assert found == sorted((s, "real", 1) for s in sizes)


@pytest.mark.parametrize("n", [3, 4, 5, 7])
def test_triples_under_permutations(n):
    # Kostka numbers: a partition occurs in V**3 as Σ over set partitions of three things into j blocks of K(λ, j)
    found = isotypic_decomposition((V**3)(S(n)))
    assert sum(m * m for m in found.multiplicities) == {3: 122, 4: 187, 5: 202, 7: 203}[n]
    assert np.dot(found.multiplicities, [i.size() for i in found.irreps]) == n**3


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_extraspecial_pairs_are_characters(k):
    found = kinds(isotypic_decomposition((V**2)(Group(discrete_generators=pauli(k)))))
    assert found == [(1, "real", 1)] * 4**k


@pytest.mark.parametrize("n", [3, 4, 5, 6])
def test_pairs_under_classical_groups(n):
    symmetric, skew = n * (n + 1) // 2 - 1, n * (n - 1) // 2
    found = kinds(isotypic_decomposition((V**2)(O(n))))
    assert found == sorted((s, "real", 1) for s in (1, skew, symmetric))
    # the self-dual and the anti-self-dual planes of four dimensions
    skew = [3, 3] if n == 4 else [skew]
    found = kinds(isotypic_decomposition((V**2)(SO(n))))
    expected = [(1, "real", 1), (symmetric, "real", 1), *((s, "real", 1) for s in skew)]
    if n == 3:
        expected = [(1, "real", 1), (3, "real", 1), (5, "real", 1)]
    assert found == sorted(expected)


@pytest.mark.parametrize("m", [1, 2])
def test_pairs_under_symplectic_groups(m):
    n = 2 * m
    expected = [s for s in (1, n * (n - 1) // 2 - 1, n * (n + 1) // 2) if s]
    found = kinds(isotypic_decomposition((V**2)(Sp(m))))
    assert found == sorted((s, "real", 1) for s in expected)


@pytest.mark.parametrize("n", [2, 3])
def test_unitary_groups_as_real_ones(n):
    # V is complex, V* its dual: as real matrices, R^2n ⊗ R^2n = V⊗V + V⊗V̄ and conjugates
    assert kinds(isotypic_decomposition(V(U(n).realified()))) == [(2 * n, "complex", 1)]
    kind = "quaternionic" if n == 2 else "complex"
    assert kinds(isotypic_decomposition(V(SU(n).realified()))) == [(2 * n, kind, 1)]
    found = kinds(isotypic_decomposition((V**2)(U(n).realified())))
    square = [(n * (n + 1), "complex", 1), (n * (n - 1), "complex", 1)]
    assert found == sorted([(1, "real", 2), (n * n - 1, "real", 2), *square])


@pytest.mark.parametrize("k", range(2, 9))
def test_powers_under_rotations(k):
    # spin j times spin 1: j − 1, j, j + 1, but for j = 0
    walks = {0: 1}
    for _ in range(k):
        after = Counter()
        for j, count in walks.items():
            after.update(dict.fromkeys(range(abs(j - 1), j + 2), count))
        walks = after
    found = kinds(isotypic_decomposition((V**k)(SO(3))))
    assert found == sorted((2 * j + 1, "real", n) for j, n in walks.items())
