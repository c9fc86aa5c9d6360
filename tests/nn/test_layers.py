"""Every layer: backward and tangent against central differences, equivariance, scale; and what each one promises."""

import numpy as np
import pytest
from nn.gradients import relative_gradient_errors, tangent_errors

from fastemlp import equivariant_basis
from fastemlp.groups import SL, SO, SU, C, Cube, Group, O, S, SO13p, Sp, Trivial, Z
from fastemlp.nn import (
    EMLP,
    MLP,
    Alphabet,
    BiLinear,
    EMLPBlock,
    Features,
    Gate,
    Linear,
    gated_rep,
)
from fastemlp.reps import Scalar, T, V

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
    (C(5), V + Scalar, 2 * V),
    (SU(2).realified(), V + Scalar, 2 * V),
    # not closed under transpose: types are letters of their own
    (Group([[[0.0, 1.0], [0.0, 0.0]]], name="shears"), V + V.T, V + T(1, 1) + Scalar),
    (Trivial(2), V + Scalar, 2 * V),
]
IDS = [f"{group}" for group, *_ in CASES]


def features_of(*reps):
    """Features of some reps in one alphabet, double precision."""
    alphabet = Alphabet(reps)
    return [Features(rep, alphabet, np.float64) for rep in reps]


def assert_layer_equivariant(layer, params, features_in, features_out, group, rng):
    x = rng.standard_normal((6, features_in.size))
    natural = lambda v: features_out.unpack(layer.forward(params, features_in.pack(v))[0])  # noqa: E731
    for g in group.samples(3, 0):
        moved = natural(x @ features_in.rep.rho_dense(g).T)
        expected = natural(x) @ features_out.rep.rho_dense(g).T
        np.testing.assert_allclose(moved, expected, atol=1e-11 * max(1, abs(expected).max()))


def assert_derivatives(layer, params, x, rng):
    """Backward and tangent pass against central differences, and against each other by the adjoint identity."""
    assert max(relative_gradient_errors(layer.forward, params, x, rng)) < 1e-7
    errors, adjoint = tangent_errors(layer, params, x, rng)
    assert max(errors) < 1e-7
    assert adjoint < 1e-12


def randomised(params, rng):
    """Parameters with every entry nonzero: a zero bias would test nothing."""
    return tuple(p + 0.1 * rng.standard_normal(p.shape) for p in params)


@pytest.mark.parametrize(("group", "rep_in", "rep_out"), CASES, ids=IDS)
class TestLayers:
    def test_linear(self, group, rep_in, rep_out):
        rng = np.random.default_rng(0)
        a, b = features_of(rep_in(group), rep_out(group))
        layer = Linear(a, b, np.float64)
        assert layer.n_coefficients == equivariant_basis(a.rep >> b.rep).rank
        assert layer.n_bias == equivariant_basis(b.rep).rank
        params = randomised(layer.init(rng), rng)
        assert_derivatives(layer, params, rng.standard_normal((a.size, 5)), rng)
        assert_layer_equivariant(layer, params, a, b, group, rng)

    def test_bilinear(self, group, rep_in, rep_out):
        rng = np.random.default_rng(1)
        a, b = features_of((rep_in + rep_out)(group), rep_out(group))
        layer = BiLinear(a, b, rng, np.float64)
        params = layer.init(rng)
        if layer.paths:
            assert_derivatives(layer, params, rng.standard_normal((a.size, 5)), rng)
        assert_layer_equivariant(layer, params, a, b, group, rng)

    def test_gate(self, group, rep_in, rep_out):
        rng = np.random.default_rng(2)
        layer = Gate(features_of(rep_out(group), gated_rep(rep_out(group)))[0])
        assert layer.features_in.rep == gated_rep(rep_out(group))
        assert_derivatives(layer, (), rng.standard_normal((layer.features_in.size, 5)), rng)
        assert_layer_equivariant(layer, (), layer.features_in, layer.features_out, group, rng)

    def test_block(self, group, rep_in, rep_out):
        rng = np.random.default_rng(3)
        a, b = features_of(rep_in(group), rep_out(group))
        layer = EMLPBlock(a, b, rng, np.float64)
        params = layer.init(rng)
        assert_derivatives(layer, params, rng.standard_normal((a.size, 5)), rng)
        assert_layer_equivariant(layer, params, a, b, group, rng)

    def test_network(self, group, rep_in, rep_out):
        rng = np.random.default_rng(4)
        network = EMLP(rep_in, rep_out, group, ch=20, num_layers=2, dtype=np.float64)
        params = network.init(rng)
        x = rng.standard_normal((4, network.rep_in.size()))
        assert_derivatives(network, params, x, rng)
        y = network(params, x)
        for g in group.samples(3, 0):
            moved = network(params, x @ network.rep_in.rho_dense(g).T)
            expected = y @ network.rep_out.rho_dense(g).T
            np.testing.assert_allclose(moved, expected, atol=1e-11 * max(1, abs(expected).max()))

    def test_features_pack_and_unpack(self, group, rep_in, rep_out):
        (features,) = features_of((rep_in + rep_out)(group))
        x = np.random.default_rng(5).standard_normal((3, features.size))
        packed = features.pack(x)
        np.testing.assert_allclose(features.unpack(packed), x, atol=1e-13)
        # an orthogonal change of coordinates
        np.testing.assert_allclose(np.sum(packed**2, axis=0), np.sum(x**2, axis=1), rtol=1e-12)


def test_linear_spans_every_equivariant_map():
    group = O(3)
    a, b = features_of((V + 2 * Scalar + V**2)(group), (Scalar + V**2 + V)(group))
    layer = Linear(a, b, np.float64)
    no_bias = np.zeros(layer.n_bias)
    eye = a.pack(np.eye(a.size))
    weights = []
    for coefficients in np.eye(layer.n_coefficients):
        W = b.unpack(layer.forward((coefficients, no_bias), eye)[0]).T
        weights.append(W.ravel())
    Q = equivariant_basis(a.rep >> b.rep)
    weights = np.array(weights).T
    assert np.linalg.matrix_rank(weights) == Q.rank
    np.testing.assert_allclose(Q.project(weights), weights, atol=1e-12)


def test_linear_keeps_unit_scale_whatever_the_group():
    for group in (O(3), SO13p(), S(4), C(5)):
        rng = np.random.default_rng(0)
        (a,) = features_of((40 * Scalar + 20 * V + 10 * V**2)(group))
        layer = Linear(a, a, np.float64)
        y, _ = layer.forward(layer.init(rng), rng.standard_normal((a.size, 500)))
        for kind in a.types:
            assert 0.6 < kind.natural(y).std() < 1.5


def test_bilinear_reads_at_most_dim_copies_and_no_scalars():
    (features,) = features_of((50 * Scalar + 20 * V + V**2)(SO(3)))
    layer = BiLinear(features, features, np.random.default_rng(0))
    for path in layer.paths:
        assert len(path.copies) <= 9
        assert path.actor.rep != Scalar
    acting_vectors = next(p for p in layer.paths if p.source.rep == V(SO(3)))
    assert len(acting_vectors.copies) == 3


def test_bilinear_orders_of_contraction_agree(monkeypatch):
    from fastemlp.nn import bilinear

    rng = np.random.default_rng(0)
    (features,) = features_of((7 * Scalar + 4 * V + 2 * V**2)(SL(2)))
    x = rng.standard_normal((features.size, 6))
    dy = rng.standard_normal((features.size, 6))
    layer = BiLinear(features, features, rng, np.float64)
    found = []
    for contracts_first in (True, False):
        monkeypatch.setattr(bilinear._Path, "contracts_first", contracts_first)
        weights = np.concatenate([_in_order(p, contracts_first) for p in layer.paths])
        y, backward = layer.forward((weights,), x)
        found.append((y, backward(dy)[0]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def _in_order(path, contracts_first):
    """Some weights w[a, i, j] of a path, laid out as its order of contraction wants them."""
    shape = (len(path.copies), path.source.mult, path.target.mult)
    w = np.random.default_rng(path.weights.start).standard_normal(shape)
    return (w.transpose(2, 0, 1) if contracts_first else w.transpose(0, 2, 1)).ravel()


def test_gate_is_swish_on_scalars_and_permutation_types():
    (features,) = features_of((2 * Scalar + V)(S(3)))
    layer = Gate(features)
    assert layer.features_in.size == features.size
    x = np.linspace(-3, 3, 10).reshape(2, 5)
    y, _ = layer.forward((), features.pack(x))
    np.testing.assert_allclose(features.unpack(y), x / (1 + np.exp(-x)), rtol=1e-12)


def test_gate_survives_extreme_inputs():
    layer = Gate(features_of((Scalar + V)(SO(3)))[0])
    x = np.array([[-1e4, 1e4, 1, 1, 1], [1e4, -1e4, 1, 1, 1.0]]).T.copy()
    y, backward = layer.forward((), x)
    dx, _ = backward(np.ones_like(y))
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


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
        np.testing.assert_array_equal(a.copies, b.copies)
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
        h = h @ coefficients.reshape(-1, h.shape[1]).T + bias
        if i < 4:
            h = h / (1 + np.exp(-h))
    np.testing.assert_allclose(network(params, x), h, rtol=1e-10)
    assert max(relative_gradient_errors(network.forward, params, x, rng)) < 1e-7


def test_widths_must_match_layers():
    with pytest.raises(ValueError, match="lists 2 widths, expected num_layers=3"):
        EMLP(V, V, SO(3), ch=[5, 6], num_layers=3)


def test_complex_groups_are_refused_with_the_way_out():
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
