"""Maps between large permutation types by way of smaller ones: all that there are, and networks made of them."""

import pickle

import numpy as np
import pytest
from nn.equivariance import assert_equivariant
from nn.gradients import backward_errors, tangent_errors

from fastemlp import FastEMLPRegressor, equivariant_basis, explain_model
from fastemlp.groups import Cube, Group, S, WreathProduct, Z
from fastemlp.nn import EMLP, Coordinates, Features, Linear, Network, expressiveness, universality
from fastemlp.nn.routes import find_routes
from fastemlp.reps import Scalar, V

#: With orbits of one, two and three points.
SEVERAL = Group.from_permutations([[0, 2, 1, 3, 4, 5], [0, 1, 2, 4, 5, 3], [0, 1, 2, 4, 3, 5]])
PAIR = V(S(4)) * V(S(5))
CASES = {
    "sets": [V(S(5))],
    "matrices alone": [V(S(5)) ** 2],
    "matrices of two": [V(S(2)), V(S(2)) ** 2],
    "tensors": [V(S(4)), V(S(4)) ** 2, V(S(4)) ** 3],
    "tensors alone": [V(S(6)) ** 3],
    "two sets": [PAIR, V(S(4)), V(S(5))],
    "two sets, by themselves": [PAIR],
    "more of one": [V(S(4)) * V(S(3)) ** 2, V(S(3))],
    "blocks": [V(WreathProduct(S(3), S(4)))],
    "pairs of blocks": [V(WreathProduct(S(2), S(3))), V(WreathProduct(S(2), S(3))) ** 2],
    "several orbits": [V(SEVERAL), V(SEVERAL) ** 2],
    "cyclic": [V(Z(7)), V(Z(7)) ** 2],
}


@pytest.fixture
def all_are_large(monkeypatch):
    monkeypatch.setattr("fastemlp.nn.coordinates.LARGEST_DENSE", 0)


def dense(routes):
    """Its maps, flattened, as columns."""
    n, q, p = routes.shape
    found = [np.zeros((0, q, p))]
    for route in routes.routes:
        R = np.eye(p) if route.R is None else route.R.toarray()
        W = np.eye(q) if route.W is None else route.W.toarray()
        R, W = R.reshape(-1, route.d, p), W.reshape(q, -1, route.d)
        found.append(np.einsum("qbi,aip->abqp", W, R).reshape(-1, q, p))
    found = np.concatenate(found)
    assert len(found) == n == len(routes)
    return found.reshape(n, -1).T


@pytest.mark.parametrize("name", CASES)
def test_they_are_a_basis_of_the_equivariant_maps(name):
    types = [Scalar, *CASES[name]]
    found = find_routes(types)
    assert set(found) == {(i, j) for i in range(len(types)) for j in range(len(types))}
    for (i, j), routes in found.items():
        Q = equivariant_basis(types[i] >> types[j])
        maps = dense(routes)
        assert routes.shape == (Q.rank, types[j].size(), types[i].size())
        assert np.linalg.matrix_rank(maps) == Q.rank
        np.testing.assert_allclose(Q.project(maps), maps, atol=1e-12)
        np.testing.assert_array_equal(dense(routes.T).shape, (maps.shape[0], Q.rank))


def test_large_types_have_few_entries():
    n = 30
    found = find_routes([Scalar, V(S(n)), V(S(n)) ** 2])
    for (i, j), routes in found.items():
        for route in routes.routes:
            for matrix in (route.R, route.W):
                assert matrix is None or matrix.nnz <= 3 * n ** max(i, j)
    assert len(found[2, 2]) == 15


def test_maps_that_no_sparse_ones_make_are_left_to_others():
    assert find_routes([Scalar, V(Z(100))]) is None  # a hundred maps, by nothing smaller
    assert find_routes([Scalar, V(WreathProduct(S(60), S(2)))]) is None  # few, with many entries
    network = EMLP(V, Scalar, Z(700), 8 * Scalar, 1)
    assert not network.features_in.coordinates._by_routes


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize("name", CASES)
def test_layers_span_all_maps_and_are_equivariant(name):
    rng = np.random.default_rng(0)
    rep = 2 * Scalar + sum(2 * term if term.size() < 20 else term for term in CASES[name])
    coordinates = Coordinates([rep])
    assert coordinates._by_routes
    features = Features(rep, coordinates)
    layer = Linear(features, features)
    assert layer.n_coefficients == equivariant_basis(rep >> rep).rank
    assert layer.n_bias == equivariant_basis(rep).rank
    network = Network([layer], features, features, np.float64)
    assert network.n_parameters == layer.n_parameters
    theta = network.init(rng) + 0.1 * rng.standard_normal(network.n_parameters)
    assert_equivariant(network, theta, rng)


def test_matrices_are_kept_at_unit_scale():
    rng = np.random.default_rng(0)
    rep = 20 * Scalar + 8 * V(S(30)) + 4 * V(S(30)) ** 2
    features = Features(rep, Coordinates([rep]))
    network = Network([Linear(features, features)], features, features, np.float64)
    assert features.coordinates._by_routes
    y = network(network.init(rng), rng.standard_normal((100, rep.size())))
    for kind in features.types:
        assert 0.6 < y[:, kind.index].std() < 1.5
    # and so is what all components have in common
    y = network(network.init(rng), np.ones((1, rep.size())))
    assert y[:, features.types[-1].index].std() < 3


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize(
    ("group", "rep_in", "rep_out"),
    [
        (S(4), V**2 + Scalar, V**2 + V),
        (S(3), V + V**3, V**2),
        (Cube(), V, V),
        (SEVERAL, V, V**2),
        (WreathProduct(S(2), S(3)), V**2, 2 * V),
        (S(3) * S(4), V(S(3)) * V(S(4)) + Scalar, V(S(4)) + Scalar),
    ],
    ids=repr,
)
def test_networks_are_equivariant_with_exact_derivatives(group, rep_in, rep_out):
    rng = np.random.default_rng(0)
    network = EMLP(rep_in, rep_out, group, 40, 2, dtype=np.float64)
    theta = network.init(rng) + 0.1 * rng.standard_normal(network.n_parameters)
    x = rng.standard_normal((4, network.rep_in.size()))
    assert max(backward_errors(network, theta, x, rng)) < 1e-7
    errors, adjoint = tangent_errors(network, theta, x, rng)
    assert max(errors) < 1e-7
    assert adjoint < 1e-12
    assert_equivariant(network, theta, rng)
    again = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(again(theta, x), network(theta, x))


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize(
    ("group", "rep_in", "rep_out"), [(S(3), V, V), (S(3), V**2, Scalar)], ids=repr
)
def test_networks_hold_every_polynomial(group, rep_in, rep_out):
    ((_, rank),) = universality(EMLP(rep_in, rep_out, group, 150, 2), 3)
    assert rank.is_full or not rank.clear
    assert rank.found > 1


def test_matrices_on_forty_points(capsys):
    network = EMLP(V**2, V**2, S(40))
    explain_model(network)
    assert "layer 1: 128 × 1, 4 × 1600\n  linear maps reach 1, 1600;" in capsys.readouterr().out
    # no matrix of 1600 rows and columns, forward or back
    assert len(network.program.forward.constants) < 10**5
    rng = np.random.default_rng(0)
    theta, p = network.init(rng), rng.permutation(40)
    x = rng.standard_normal((200, 40, 40)).astype(np.float32)
    y = network(theta, x.reshape(200, -1)).reshape(x.shape)
    moved = network(theta, x[:, p][:, :, p].reshape(200, -1)).reshape(x.shape)
    np.testing.assert_allclose(moved, y[:, p][:, :, p], atol=1e-5)
    one = network(theta, x[:1].reshape(1, -1)).reshape(40, 40)
    np.testing.assert_allclose(one, y[0], atol=1e-5)


@pytest.mark.usefixtures("all_are_large")
def test_fitted_models_are_kept_by_pickle_and_skops():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 16))
    y = X.reshape(40, 4, 4).swapaxes(1, 2).reshape(40, 16)
    model = FastEMLPRegressor(S(4), rep_in=V**2, rep_out=V**2, channels=8, max_iter=2).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    # maps are found again where they are needed
    assert expressiveness(again.network_).rank > 1
    sio = pytest.importorskip("skops.io", reason="skops is not installed")
    data = sio.dumps(model)
    types = sio.get_untrusted_types(data=data)
    assert all(name.startswith("fastemlp.") for name in types)
    np.testing.assert_array_equal(sio.loads(data, trusted=types).predict(X), model.predict(X))
