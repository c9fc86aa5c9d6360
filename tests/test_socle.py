"""The irreducibles that sit in a rep without a complement, against groups whose invariant subspaces are known."""

import numpy as np
import pytest

from fastemlp import CertificationError
from fastemlp.bases.socle import socle_irreps
from fastemlp.groups import SO, Group, O, S
from fastemlp.nn import EMLP
from fastemlp.nn.universality import universality
from fastemlp.reps import Scalar, V, check_rep


def unit(d, i, j):
    E = np.zeros((d, d))
    E[i, j] = 1
    return E


def turns(n, d):
    return [unit(d, i, j) - unit(d, j, i) for i in range(n) for j in range(i)]


def euclidean(n):
    """SE(n) on (x, 1)."""
    return turns(n, n + 1) + [unit(n + 1, i, n) for i in range(n)]


def galilei(n):
    """Rotations, boosts and shifts in space and time on (x, t, 1)."""
    moves = [unit(n + 2, i, k) for i in range(n) for k in (n, n + 1)]
    return turns(n, n + 2) + moves + [unit(n + 2, n, n + 1)]


def conjugate(matrices, d, seed):
    rng = np.random.default_rng(seed)
    C = np.linalg.qr(rng.standard_normal((d, d)))[0] * rng.uniform(0.5, 2, d)
    return [C @ A @ np.linalg.inv(C) for A in matrices]


# generators, size, and sizes of the irreducibles in the socle
CASES = {
    "SE(2)": (euclidean(2), 3, [2]),
    "SE(3)": (euclidean(3), 4, [3]),
    "SE(5)": (euclidean(5), 6, [5]),
    "Galilei": (galilei(3), 5, [3]),
    "one shear": ([unit(2, 0, 1)], 2, [1]),
    "a nilpotent chain": ([np.eye(5, k=1)], 5, [1]),
    "nothing but shifts": ([unit(4, i, 3) for i in range(3)], 4, [1]),
    "rotations": (turns(3, 3), 3, [3]),
}


@pytest.mark.parametrize("seed", [None, 0, 1])
@pytest.mark.parametrize("name", CASES)
def test_what_is_known_is_found(name, seed):
    matrices, d, sizes = CASES[name]
    group = Group(lie_algebra=matrices if seed is None else conjugate(matrices, d, seed))
    found = socle_irreps(V(group))
    assert [irrep.size() for irrep in found if irrep.parent.size() == sum(sizes)] == sizes or (
        sizes[0] == 1 and len(found) == 1
    )
    for irrep in found:
        check_rep(irrep)


def test_discrete_generators_count():
    mirrored = Group(euclidean(3), [np.diag([-1.0, 1, 1, 1])])
    vector = socle_irreps(V(mirrored))[1]
    assert vector.size() == 3
    np.testing.assert_allclose(np.linalg.det(vector.rho(mirrored.discrete_generators[0])), -1)
    shear = Group(discrete_generators=[np.eye(2) + unit(2, 0, 1)])
    assert [irrep.size() for irrep in socle_irreps(V(shear))] == [1]


@pytest.mark.parametrize("group", [SO(3), O(4), S(5)], ids=str)
def test_all_of_a_reductive_rep_is_its_own_socle(group):
    found = socle_irreps(V(group))
    assert sum(irrep.size() for irrep in found if irrep.parent.size() == group.d) in (
        group.d,
        group.d - 1,  # the scalar is the first part of both, and listed once
    )


def test_large_reps_are_left_alone():
    for rep in ((V**3)(Group(euclidean(3))), V(Group(euclidean(14)))):
        assert socle_irreps(rep) == []


def test_roundoff_is_not_taken_for_an_irreducible():
    rng = np.random.default_rng(0)
    blurred = [A + 1e-7 * rng.standard_normal(A.shape) for A in euclidean(3)]
    try:
        found = socle_irreps(V(Group(lie_algebra=blurred)))
    except CertificationError:
        return
    for irrep in found:
        check_rep(irrep)


def test_a_network_of_points_has_their_distance():
    network = EMLP(2 * V, Scalar, Group(euclidean(2)), channels=60, dtype=np.float64)
    for degree in (2, 4):
        ((_, rank),) = universality(network, degree)
        assert rank.is_full
    # and is not a constant but for roundoff to begin with
    x = np.ones((50, 2, 3))
    x[:, :, :2] = np.random.default_rng(0).standard_normal((50, 2, 2))
    y = network(network.init(np.random.default_rng(0)), x.reshape(50, 6))
    assert np.std(y) > 1e-5 * np.abs(y).max()
