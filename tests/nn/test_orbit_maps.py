"""Maps that are orbits: labels in place of a dense basis, the same functions of the same parameters."""

import numpy as np
import pytest
from nn.gradients import backward_errors, tangent_errors

from fastemlp import equivariant_basis
from fastemlp.exceptions import NotReductive
from fastemlp.groups import Cube, Group, O, S, Z
from fastemlp.nn import EMLP, Coordinates, Features, Linear, Network
from fastemlp.nn.orbit_maps import OrbitMaps
from fastemlp.reps import Scalar, V

GROUPS = [S(4), Z(5), Cube(), O(1), Group(discrete_generators=[np.diag([1.0, -1, -1])], name="C2")]
REPS = [V, 2 * V + Scalar, V**2, 3 * Scalar + V]


def quarter_turn(n):
    """A quarter turn of an image of n by n pixels, as a matrix."""
    return np.eye(n * n)[np.rot90(np.arange(n * n).reshape(n, n)).ravel()]


@pytest.fixture
def types_stand_for_themselves(monkeypatch):
    def refuse(*args):
        raise NotReductive("too large")

    monkeypatch.setattr("fastemlp.nn.coordinates.reductive_group", refuse)


def both(build, monkeypatch):
    networks = []
    for few in (-1, np.inf):
        monkeypatch.setattr("fastemlp.nn.coordinates.FEW", few)
        networks.append(build())
    return networks


@pytest.mark.usefixtures("types_stand_for_themselves")
@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_the_same_function_and_gradient_as_a_dense_basis(group, monkeypatch):
    rng, n_expanded = np.random.default_rng(0), 0
    for rep_in in REPS:
        for rep_out in REPS:

            def layer(rep_in=rep_in, rep_out=rep_out):
                coordinates = Coordinates([rep_in(group), rep_out(group)])
                a, b = (Features(rep(group), coordinates) for rep in (rep_in, rep_out))
                return Network([Linear(a, b)], a, b, np.float64)

            def deep(rep_in=rep_in, rep_out=rep_out):
                return EMLP(rep_in, rep_out, group, 2 * V + 3 * Scalar, 1, dtype=np.float64)

            for build in (layer, deep):
                orbits, dense = both(build, monkeypatch)
                n_expanded += np.sum(orbits.program.weights._collapses["table"] >= 0)
                assert not np.any(dense.program.weights._collapses["table"] >= 0)
                theta = orbits.init(rng) + 0.1 * rng.standard_normal(orbits.n_parameters)
                x = rng.standard_normal((5, orbits.rep_in.size()))
                dy = rng.standard_normal((5, orbits.rep_out.size()))
                (y, pull), (z, dense_pull) = (n.forward(theta, x) for n in (orbits, dense))
                np.testing.assert_allclose(y, z, atol=1e-11)
                for one, other in zip(pull(dy), dense_pull(dy), strict=True):
                    np.testing.assert_allclose(one, other, atol=1e-10)
                assert max(backward_errors(orbits, theta, x, rng)) < 1e-6
                g = group.sample(1)
                moved = orbits(theta, x @ orbits.rep_in.rho_dense(g).T)
                np.testing.assert_allclose(moved, y @ orbits.rep_out.rho_dense(g).T, atol=1e-10)
    assert n_expanded > 20


@pytest.mark.usefixtures("types_stand_for_themselves")
def test_tangents_go_through_them(monkeypatch):
    monkeypatch.setattr("fastemlp.nn.coordinates.FEW", -1)
    rng = np.random.default_rng(0)
    network = EMLP(V, V + Scalar, S(4), 3 * V + 4 * Scalar, 2, dtype=np.float64)
    errors, adjoint = tangent_errors(network, network.init(rng), rng.standard_normal((4, 4)), rng)
    assert max(errors) < 1e-6
    assert adjoint < 1e-12


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_they_are_the_basis(group):
    rep = (V >> V)(group)
    Q = equivariant_basis(rep)
    maps = OrbitMaps.of(Q.to_sparse(), (group.d, group.d))
    assert maps.shape == (Q.rank, group.d, group.d)
    found = np.array([maps[k].ravel() for k in range(len(maps))]).reshape(len(maps), -1)
    np.testing.assert_array_equal(found, Q.to_dense().T)
    with pytest.raises(IndexError):
        maps[len(maps)]


def test_a_basis_in_which_entries_are_shared_is_none():
    Q = equivariant_basis((V**4)(O(3)))
    assert OrbitMaps.of(Q.to_sparse(), (9, 9)) is None


def test_hidden_images():
    group = Group(discrete_generators=[quarter_turn(28)], name="quarter turns of 28 x 28")
    network = EMLP(V, Scalar, group, 3 * V + 8 * Scalar, 1)
    assert network.n_parameters > 3 * 28**4 // 4
    assert network.program.weights.n < 10**7
    rng = np.random.default_rng(0)
    theta, x = network.init(rng), rng.standard_normal((2, 784)).astype(np.float32)
    y, backward = network.forward(theta, x)
    turned = np.rot90(x.reshape(2, 28, 28), axes=(1, 2)).reshape(2, 784)
    np.testing.assert_allclose(network(theta, turned), y, atol=1e-4)
    assert abs(y[0] - y[1]).max() > 1e-3
    assert np.isfinite(backward(np.ones_like(y))[1]).all()


def test_what_does_not_fit_is_refused_ahead_with_the_number(monkeypatch):
    group = Group(discrete_generators=[quarter_turn(28)], name="quarter turns")
    monkeypatch.setattr("fastemlp.nn.coordinates.FEW", np.inf)
    with pytest.raises(
        MemoryError,
        match=r"the 153,664 equivariant maps from V to V take 703\.7 GiB .* more than the 1 GiB .*scalars",
    ):
        EMLP(V, Scalar, group, 3 * V, 1)
