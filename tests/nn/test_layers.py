"""Every layer: backward against central differences, equivariance, scale; and what each one promises."""

import numpy as np
import pytest
from nn.gradients import relative_gradient_errors

from fastemlp import equivariant_basis
from fastemlp.groups import SL, SO, Cube, O, S, SO13p, Sp, Z
from fastemlp.nn import EMLP, MLP, BiLinear, EMLPBlock, Features, Gate, Linear, gated_rep
from fastemlp.reps import Scalar, T, V, terms

CASES = [
    (O(3), 2 * V + 3 * Scalar, V + Scalar + 2 * V**2),
    (SO(3), V**2 + V, 2 * V + Scalar),
    (SO13p(), 3 * V + Scalar, Scalar + V.T + T(1, 1)),
    (SL(2), V + V.T + T(1, 1), 2 * Scalar + T(2, 0)),
    (Sp(1), 2 * V + Scalar, V + Scalar),
    (S(4), V + 2 * Scalar, V**2 + Scalar),
    (Z(3), 2 * V, V + Scalar),
    (O(2) * S(2), 2 * V + Scalar, V + Scalar),
    (Cube(), V + Scalar, 2 * V),
]
IDS = [f"{group}" for group, *_ in CASES]


def packed_rho(features, group, g):
    """ρ(g) in packed order."""
    rho = features.rep.rho_dense(g)
    return rho[np.ix_(features.order, features.order)]


def assert_layer_equivariant(layer, params, features_in, features_out, group, rng):
    x = rng.standard_normal((6, features_in.size))
    for g in group.samples(3, 0):
        moved, _ = layer.forward(params, x @ packed_rho(features_in, group, g).T)
        expected = layer.forward(params, x)[0] @ packed_rho(features_out, group, g).T
        np.testing.assert_allclose(moved, expected, atol=1e-11 * max(1, abs(expected).max()))


def randomised(params, rng):
    """Parameters with every entry nonzero: a zero bias would test nothing."""
    return tuple(p + 0.1 * rng.standard_normal(p.shape) for p in params)


@pytest.mark.parametrize(("group", "rep_in", "rep_out"), CASES, ids=IDS)
class TestLayers:
    def test_linear(self, group, rep_in, rep_out):
        rng = np.random.default_rng(0)
        a, b = Features(rep_in(group)), Features(rep_out(group))
        layer = Linear(a, b, np.float64)
        assert layer.n_coefficients == equivariant_basis(a.rep >> b.rep).rank
        params = randomised(layer.init(rng), rng)
        x = rng.standard_normal((5, a.size))
        assert max(relative_gradient_errors(layer.forward, params, x, rng)) < 1e-7
        assert_layer_equivariant(layer, params, a, b, group, rng)

    def test_bilinear(self, group, rep_in, rep_out):
        rng = np.random.default_rng(1)
        a, b = Features((rep_in + rep_out)(group)), Features(rep_out(group))
        layer = BiLinear(a, b, rng, np.float64)
        params = layer.init(rng)
        x = rng.standard_normal((5, a.size))
        if layer.paths:
            assert max(relative_gradient_errors(layer.forward, params, x, rng)) < 1e-7
        assert_layer_equivariant(layer, params, a, b, group, rng)

    def test_gate(self, group, rep_in, rep_out):
        rng = np.random.default_rng(2)
        layer = Gate(Features(rep_out(group)))
        assert layer.features_in.rep == gated_rep(rep_out(group))
        x = rng.standard_normal((5, layer.features_in.size))
        assert max(relative_gradient_errors(layer.forward, (), x, rng)) < 1e-7
        assert_layer_equivariant(layer, (), layer.features_in, layer.features_out, group, rng)

    def test_block(self, group, rep_in, rep_out):
        rng = np.random.default_rng(3)
        a, b = Features(rep_in(group)), Features(rep_out(group))
        layer = EMLPBlock(a, b, rng, np.float64)
        params = layer.init(rng)
        x = rng.standard_normal((5, a.size))
        assert max(relative_gradient_errors(layer.forward, params, x, rng)) < 1e-7
        assert_layer_equivariant(layer, params, a, b, group, rng)

    def test_network(self, group, rep_in, rep_out):
        rng = np.random.default_rng(4)
        network = EMLP(rep_in, rep_out, group, ch=20, num_layers=2, dtype=np.float64)
        params = network.init(rng)
        x = rng.standard_normal((4, network.rep_in.size()))
        assert max(relative_gradient_errors(network.forward, params, x, rng)) < 1e-7
        y = network(params, x)
        for g in group.samples(3, 0):
            moved = network(params, x @ network.rep_in.rho_dense(g).T)
            expected = y @ network.rep_out.rho_dense(g).T
            np.testing.assert_allclose(moved, expected, atol=1e-11 * max(1, abs(expected).max()))


def test_linear_spans_every_equivariant_map():
    # the assembled weight is a general element of the space, in natural order
    group = O(3)
    a, b = Features((V + 2 * Scalar + V**2)(group)), Features((Scalar + V**2 + V)(group))
    layer = Linear(a, b, np.float64)
    weights = []
    for k in range(layer.n_coefficients):
        W = layer.weight(np.eye(layer.n_coefficients)[k])
        natural = np.empty_like(W.T)
        natural[np.ix_(b.order, a.order)] = W.T
        weights.append(natural.ravel())
    Q = equivariant_basis(a.rep >> b.rep)
    weights = np.array(weights).T
    np.testing.assert_allclose(weights.T @ weights, np.eye(Q.rank), atol=1e-12)
    np.testing.assert_allclose(Q.project(weights), weights, atol=1e-12)


def test_linear_keeps_unit_scale_whatever_the_group():
    for group in (O(3), SO13p(), S(4)):
        rng = np.random.default_rng(0)
        a = Features((40 * Scalar + 20 * V + 10 * V**2)(group))
        layer = Linear(a, a, np.float64)
        y, _ = layer.forward(layer.init(rng), rng.standard_normal((500, a.size)))
        for kind in a.types:
            assert 0.6 < kind.view(y).std() < 1.5


def test_bilinear_reads_at_most_dim_copies_and_no_scalars():
    features = Features((50 * Scalar + 20 * V + V**2)(SO(3)))
    layer = BiLinear(features, features, np.random.default_rng(0))
    scalar_columns = features.find(Scalar).columns
    for path in layer.paths:
        assert path.n_actors <= 9
        assert path.columns.min() >= scalar_columns.stop
    acting_vectors = next(p for p in layer.paths if p.source.rep == V(SO(3)))
    assert acting_vectors.n_actors == 3


def test_bilinear_orders_of_contraction_agree():
    from fastemlp.nn import bilinear

    rng = np.random.default_rng(0)
    features = Features((7 * Scalar + 4 * V + 2 * V**2)(SL(2)))
    x = rng.standard_normal((6, features.size))
    for path in BiLinear(features, features, rng, np.float64).paths:
        w = rng.standard_normal((path.n_actors, path.source.mult, path.target.mult))
        one, back_one = bilinear._contract_then_mix(path, w.ravel(), x)
        two, back_two = bilinear._mix_then_contract(path, w.swapaxes(0, 1).ravel(), x)
        np.testing.assert_allclose(one, two, atol=1e-12)
        dy = rng.standard_normal(one.shape)
        for a, b in zip(back_one(dy)[:2], back_two(dy)[:2], strict=True):
            np.testing.assert_allclose(a.ravel(), b.ravel(), atol=1e-12)


def test_gate_is_swish_on_scalars_and_permutation_types():
    features = Features((2 * Scalar + V)(S(3)))
    layer = Gate(features)
    assert layer.features_in.size == features.size
    x = np.linspace(-3, 3, 10).reshape(2, 5)
    y, _ = layer.forward((), x)
    np.testing.assert_allclose(y, x / (1 + np.exp(-x)), rtol=1e-12)


def test_gate_survives_extreme_inputs():
    layer = Gate(Features((Scalar + V)(SO(3))))
    x = np.array([[-1e4, 1e4, 1, 1, 1], [1e4, -1e4, 1, 1, 1.0]])
    y, backward = layer.forward((), x)
    dx, _ = backward(np.ones_like(y))
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


def test_features_pack_and_unpack():
    features = Features((V + 2 * Scalar + 2 * V)(SO(3)))
    x = np.arange(11.0)[None]
    packed = features.pack(x)
    vectors = features.find(V(SO(3)))
    np.testing.assert_array_equal(vectors.view(packed)[0].T, [[0, 1, 2], [5, 6, 7], [8, 9, 10]])
    np.testing.assert_array_equal(features.unpack(packed), x)
    assert [kind.mult for kind in features.types] == [2, 3]
    assert sum(n for _, n in terms(features.rep.canonical()[0])) == 5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(dtype):
    network = EMLP(2 * V, V + Scalar, O(3), ch=30, num_layers=2, dtype=dtype)
    params = network.init(np.random.default_rng(0))
    y, backward = network.forward(params, np.ones((2, 6), dtype))
    dx, grads = backward(y)
    arrays = [y, dx]

    def collect(nested):
        for part in nested:
            if isinstance(part, tuple):
                collect(part)
            else:
                arrays.append(part)

    collect(params)
    collect(grads)
    assert {a.dtype for a in arrays} == {np.dtype(dtype)}


def test_same_seed_same_architecture_and_weights():
    networks = [EMLP(2 * V, V, SO(3), ch=60, random_state=3) for _ in range(2)]
    for a, b in zip(*(n.layers[0].bilinear.paths for n in networks), strict=True):
        np.testing.assert_array_equal(a.columns, b.columns)
    params = [n.init(np.random.default_rng(1)) for n in networks]
    np.testing.assert_array_equal(params[0][0][0][0], params[1][0][0][0])


def test_mlp_is_the_emlp_of_scalars():
    network = MLP(3, 2, ch=(5, 7), num_layers=2, dtype=np.float64)
    rng = np.random.default_rng(0)
    params = network.init(rng)
    x = rng.standard_normal((4, 3))
    h = x
    for i in (0, 2, 4):
        coefficients, bias = params[i]
        h = h @ coefficients.reshape(h.shape[1], -1) + bias
        if i < 4:
            h = h / (1 + np.exp(-h))
    np.testing.assert_allclose(network(params, x), h, rtol=1e-10)
    assert max(relative_gradient_errors(network.forward, params, x, rng)) < 1e-7


def test_widths_must_match_layers():
    with pytest.raises(ValueError, match="lists 2 widths, expected num_layers=3"):
        EMLP(V, V, SO(3), ch=[5, 6], num_layers=3)


def test_complex_groups_are_refused_with_the_way_out():
    from fastemlp.groups import SU

    with pytest.raises(ValueError, match=r"Use group.realified\(\)"):
        EMLP(V, V, SU(2), ch=10)
    group = SU(2).realified()
    network = EMLP(2 * V, V + Scalar, group, ch=20, num_layers=1, dtype=np.float64)
    params = network.init(np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((3, 8))
    g = group.sample(0)
    np.testing.assert_allclose(
        network(params, x @ network.rep_in.rho_dense(g).T),
        network(params, x) @ network.rep_out.rho_dense(g).T,
        atol=1e-12,
    )


def test_hidden_layers_may_be_given_as_reps():
    network = EMLP(V, Scalar, SO(3), ch=[6 * Scalar + 2 * V, 4 * V], num_layers=2)
    assert str(network.layers[0].gate.features_out.rep) == "6V0+2V"
    assert "EMLPBlock" in repr(network)
