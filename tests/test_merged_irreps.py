"""Irreducibles whose eigenvalues nearly coincide are told apart, and no two are ever taken for one."""

import importlib

import numpy as np
import pytest

from fastemlp import equivariant_basis, irreps, isotypic_decomposition, nn
from fastemlp.bases.constraint import atom_generators
from fastemlp.exceptions import CertificationError
from fastemlp.groups import SO, A, Group, S
from fastemlp.irreducibles.catalogue import Catalogue
from fastemlp.irreducibles.split import Recipe
from fastemlp.irreducibles.symmetry import reductive_group
from fastemlp.reps import V


def sizes(n):
    return sorted(s for s in (1, n - 1, n * (n - 3) // 2, (n - 1) * (n - 2) // 2) if s)


@pytest.mark.parametrize("n", [*range(4, 31), 35, 40, 45, 50, 60])
def test_pairs_under_permutations(n):
    found = isotypic_decomposition((V**2)(S(n)))
    assert sorted(irrep.size() for irrep in found.irreps) == sizes(n)
    # Bell number of 4: as many as there are orbits of pairs of pairs
    assert sum(m * m for m in found.multiplicities) == (15 if n > 3 else 14)
    assert found.residual < 1e-11


@pytest.mark.parametrize("seed", range(60))
def test_random_draws_agree(seed):
    n = 5 + seed % 12
    assert sorted(i.size() for i in irreps((V**2)(S(n)), random_state=seed)) == sizes(n)


def rotated(n, seed):
    """S(n) in coordinates in which it is no group of permutations."""
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]
    return Group(discrete_generators=[Q @ h @ Q.T for h in S(n).discrete_generators])


@pytest.mark.parametrize("seed", range(20))
def test_pairs_in_other_coordinates(seed):
    found = irreps((V**2)(rotated(5 + seed % 10, seed)), random_state=seed)
    assert sorted(i.size() for i in found) == sizes(5 + seed % 10)


@pytest.mark.parametrize("seed", range(30))
def test_eigenvalues_that_coincide_in_one_draw_are_told_apart_by_another(monkeypatch, seed):
    # so coarse that every draw joins some, and one large enough joins too many
    monkeypatch.setattr(importlib.import_module("fastemlp.irreducibles.split"), "SAME", 1e-3)
    n = 5 + seed % 6
    try:
        found = irreps((V**2)(rotated(n, seed)), random_state=seed)
    except CertificationError:
        assert n > 8
        return
    assert sorted(i.size() for i in found) == sizes(n)


@pytest.mark.parametrize("n", [5, 6, 9, 14])
def test_alternating_groups(n):
    # as under S(n), where no two pieces become equal or split (n > 4)
    found = isotypic_decomposition((V**2)(A(n)))
    expected = equivariant_basis((V**2 >> V**2)(A(n)), method="orbits").rank
    assert sum(m * m for m in found.multiplicities) == expected
    assert np.dot([i.size() for i in found.irreps], found.multiplicities) == n * n


def test_what_falls_apart_is_not_taken_for_irreducible():
    rep = V(S(5))
    rng = np.random.default_rng(0)
    catalogue = Catalogue(reductive_group(atom_generators([rep], rep.groups)).draw(rng), rng)
    (probes,) = catalogue.symmetry.probes  # 1 + 4
    with pytest.raises(
        CertificationError,
        match=r"no other random elements .* size 5 to be irred.* dimension 1\.",
    ):
        catalogue._require_irreducible(probes, Recipe((), (), 1))


def test_a_network_of_matrices_holds_the_transpose():
    network = nn.EMLP(V**2, V**2, S(40), n_layers=0)
    assert network.n_parameters == 15 + 2


def test_towers_of_irreducibles_under_rotations():
    # each built on the one before: ℓ ⊗ 1 = (ℓ − 1) + ℓ + (ℓ + 1)
    G = SO(3)
    g = G.samples(3, random_state=0)
    angles = np.arccos((np.trace(g, axis1=1, axis2=2) - 1) / 2)
    irrep = V(G)
    for ell in range(1, 13):
        found = irreps(irrep * V(G))
        assert sorted(i.size() for i in found) == [2 * ell - 1, 2 * ell + 1, 2 * ell + 3]
        assert {i.type for i in found} == {"real"}
        irrep = max(found, key=lambda i: i.size())
        characters = 1 + 2 * np.cos(np.multiply.outer(np.arange(1, ell + 2), angles)).sum(axis=0)
        np.testing.assert_allclose([np.trace(irrep.rho(x)) for x in g], characters, atol=1e-8)
