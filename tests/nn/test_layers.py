"""Every layer: backward and tangent against central differences, equivariance, scale; and what each one promises."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nn.equivariance import assert_equivariant
from nn.gradients import backward_errors, tangent_errors

from fastemlp import equivariant_basis
from fastemlp.exceptions import CertificationError, Status
from fastemlp.groups import SL, SO, SU, C, Cube, Group, O, S, SO13p, Sp, Trivial, U, Z
from fastemlp.nn import (
    EMLP,
    MLP,
    BiLinear,
    Coordinates,
    EMLPBlock,
    Features,
    Gate,
    Linear,
    Network,
    gated_rep,
)
from fastemlp.nn.network import TILE
from fastemlp.nn.tape import Tape, fusion
from fastemlp.reps import Scalar, T, V

SHEARS = Group([[[0.0, 1.0], [0.0, 0.0]]], name="shears")
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
    # not closed under transpose: types stand for themselves
    (SHEARS, V + V.T, V + T(1, 1) + Scalar),
    (SHEARS, V + V**2, V**2 + V),
    (Trivial(2), V + Scalar, 2 * V),
]
IDS = [f"{group}" for group, *_ in CASES]


def features_of(*reps):
    """Features of some reps in the same Coordinates."""
    coordinates = Coordinates(reps)
    return [Features(rep, coordinates) for rep in reps]


def alone(layer, dtype=np.float64):
    """A network of one layer."""
    return Network([layer], layer.features_in, layer.features_out, dtype)


def assert_same_function(network, other):
    """Two networks with the same parameters agree, and so do their gradients."""
    rng = np.random.default_rng(1)
    theta = randomised(other.init(rng), rng)
    x = rng.standard_normal((7, other.rep_in.size()))
    dy = rng.standard_normal((7, other.rep_out.size()))
    (y, backward), (expected_y, expected_backward) = (n.forward(theta, x) for n in (network, other))
    np.testing.assert_allclose(y, expected_y, atol=1e-11 * abs(y).max())
    for found, expected in zip(backward(dy), expected_backward(dy), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-11 * abs(expected).max())


def assert_derivatives(network, theta, rng):
    """Backward and tangent pass against central differences, and against each other by the adjoint identity."""
    x = rng.standard_normal((5, network.rep_in.size()))
    assert max(backward_errors(network, theta, x, rng)) < 1e-7
    errors, adjoint = tangent_errors(network, theta, x, rng)
    assert max(errors) < 1e-7
    assert adjoint < 1e-12


def randomised(theta, rng):
    """Parameters with every entry nonzero: a zero bias would test nothing."""
    return theta + 0.1 * rng.standard_normal(theta.shape)


def assert_layer(layer, rng):
    network = alone(layer)
    theta = randomised(network.init(rng), rng)
    assert theta.shape == (network.n_parameters,)
    assert_derivatives(network, theta, rng)
    assert_equivariant(network, theta, rng)


@pytest.mark.parametrize(("group", "rep_in", "rep_out"), CASES, ids=IDS)
class TestLayers:
    def test_linear(self, group, rep_in, rep_out):
        rng = np.random.default_rng(0)
        a, b = features_of(rep_in(group), rep_out(group))
        layer = Linear(a, b)
        assert layer.n_coefficients == equivariant_basis(a.rep >> b.rep).rank
        assert layer.n_bias == equivariant_basis(b.rep).rank
        assert_layer(layer, rng)

    def test_bilinear(self, group, rep_in, rep_out):
        rng = np.random.default_rng(1)
        a, b = features_of((rep_in + rep_out)(group), rep_out(group))
        assert_layer(BiLinear(a, b, rng), rng)

    def test_gate(self, group, rep_in, rep_out):
        layer = Gate(features_of(rep_out(group), gated_rep(rep_out(group)))[0])
        assert layer.features_in.rep == gated_rep(rep_out(group))
        assert_layer(layer, np.random.default_rng(2))

    def test_block(self, group, rep_in, rep_out):
        rng = np.random.default_rng(3)
        a, b = features_of(rep_in(group), gated_rep(rep_out(group)))
        (b,) = (Features(rep_out(group), a.coordinates),)
        assert_layer(EMLPBlock(a, b, rng, 0.03), rng)

    def test_network(self, group, rep_in, rep_out):
        rng = np.random.default_rng(4)
        network = EMLP(rep_in, rep_out, group, channels=20, n_layers=2, dtype=np.float64)
        theta = network.init(rng)
        assert_derivatives(network, theta, rng)
        assert_equivariant(network, theta, rng)

    def test_features_keep_what_they_are_given(self, group, rep_in, rep_out):
        (features,) = features_of((rep_in + rep_out)(group))
        x = np.random.default_rng(5).standard_normal((3, features.size))
        nothing = Network([], features, features, np.float64)
        np.testing.assert_allclose(nothing(np.empty(0), x), x, atol=1e-13)


# reps of up to three terms T(p, q), with up to three copies each
TERMS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=3
)


@pytest.mark.parametrize(
    "group",
    [O(3), SO(2), SO13p(), Sp(1), S(3), SO(2) * S(2), SU(2).realified(), U(1).realified()],
    ids=repr,
)
@settings(max_examples=5, deadline=None, derandomize=True)
@given(terms_in=TERMS, terms_out=TERMS, seed=st.integers(0, 9))
def test_derivatives_and_equivariance_of_generated_reps(group, terms_in, terms_out, seed):
    rng = np.random.default_rng(seed)
    rep_in, rep_out = (
        sum((n * T(p, q) for n, p, q in terms), 0 * Scalar)(group)
        for terms in (terms_in, terms_out)
    )
    a, b = features_of(rep_in + Scalar, gated_rep(rep_out))[:2]
    out = Features(rep_out, b.coordinates)
    layers = Linear(a, b), BiLinear(a, a, rng), Gate(out), EMLPBlock(a, out, rng, 0.1)
    for layer in layers:
        assert_layer(layer, rng)


@pytest.mark.parametrize(("group", "rep_in", "rep_out"), CASES, ids=IDS)
def test_collapsing_a_mix_of_maps_changes_nothing(group, rep_in, rep_out, monkeypatch):
    a, z = features_of(rep_in(group), rep_out(group))
    networks = []
    for collapses in (True, False):
        monkeypatch.setattr(fusion, "_collapses", lambda *_, found=collapses: found)
        networks.append(alone(Linear(a, z)))
    collapsed, isotypic = networks
    assert collapsed.program.weights.n > isotypic.program.weights.n == isotypic.n_parameters
    assert_same_function(collapsed, isotypic)


def test_maps_are_collapsed_where_they_are_many():
    # two maps from R² to R², six from R⁴ to R⁴; one, the identity, where they are irreducible
    for rep, group, dense in ((V, SHEARS, 2), (V**2, SHEARS, 4), (V, SO(2), 2), (V, O(3), 0)):
        a, z = features_of((8 * rep)(group), (8 * rep)(group))
        layer = Linear(a, z, bias=False)
        assert alone(layer).program.weights.n == layer.n_coefficients + (8 * dense) ** 2
    # into one invariant from many copies, a mix is the cheaper form
    a, z = features_of((30 * V**2)(SHEARS), (200 * Scalar)(SHEARS))
    layer = Linear(a, z, bias=False)
    assert alone(layer).program.weights.n == layer.n_coefficients


@pytest.mark.parametrize("group", [O(5), O(3), SO13p(), S(4), SU(2).realified()], ids=repr)
def test_an_irreducible_maps_to_itself_by_the_identity_exactly(group):
    coordinates = Coordinates([(V + V**2)(group)])
    for block in Features((V + V**2)(group), coordinates).blocks:
        maps = coordinates.maps(block.irreducible, block.irreducible)
        np.testing.assert_array_equal(maps[0], np.eye(block.dim))


def test_the_first_block_has_a_gain_of_its_own():
    def gains(**options):
        network = EMLP(2 * V, Scalar, O(3), channels=10, n_layers=3, **options)
        return [block.bilinear.shortcut_gain for block in network.layers[:-1]]

    assert gains() == [0.05, 0.03, 0.03]
    assert gains(bilinear_gain=(1, 2)) == [1, 2, 2]
    assert gains(bilinear_gain=0.5) == [0.5] * 3


def test_linear_spans_every_equivariant_map():
    group = O(3)
    a, b = features_of((V + 2 * Scalar + V**2)(group), (Scalar + V**2 + V)(group))
    layer = Linear(a, b, bias=False)
    network = alone(layer)
    weights = np.array([network(c, np.eye(a.size)).T.ravel() for c in np.eye(layer.n_coefficients)])
    Q = equivariant_basis(a.rep >> b.rep)
    assert np.linalg.matrix_rank(weights) == Q.rank
    np.testing.assert_allclose(Q.project(weights.T), weights.T, atol=1e-12)


@pytest.mark.parametrize(
    "group", [O(3), SO13p(), S(4), C(5), SL(2), Sp(1), SU(2).realified()], ids=repr
)
def test_layers_keep_unit_scale_whatever_the_group(group):
    rng = np.random.default_rng(0)
    (a,) = features_of((40 * Scalar + 20 * V + 10 * V**2)(group))
    x = rng.standard_normal((500, a.size))
    linear = alone(Linear(a, a))
    y = linear(linear.init(rng), x)
    for kind in a.types:
        assert 0.6 < y[:, kind.index].std() < 1.5
    bilinear = BiLinear(a, a, rng)
    network = alone(bilinear)
    y = network(network.init(rng), x)
    for kind in a.types:
        assert 0.6 < y[:, kind.index].std() < 1.5


@pytest.mark.parametrize("group", [O(3), SO13p(), S(4), SL(2), SHEARS], ids=repr)
def test_bilinear_is_a_layer_among_others(group):
    rng = np.random.default_rng(0)
    a, z = features_of((V + Scalar)(group), (3 * Scalar + 2 * V + V**2)(group))
    layers = [Linear(a, z), BiLinear(z, z, rng, 1.0), BiLinear(z, z, rng, 1.0), Linear(z, a)]
    network = Network(layers, a, a, np.float64)
    theta = randomised(network.init(rng), rng)
    assert theta.shape == (sum(layer.n_parameters for layer in layers),)
    assert_derivatives(network, theta, rng)
    assert_equivariant(network, theta, rng)


def couplings_of(features):
    """{(i, j): {k: …}} for all pairs of irreducibles of some features."""
    numbers = [block.irreducible for block in features.blocks]
    pairs = list(combinations_with_replacement(numbers, 2))
    return features.coordinates.couplings(pairs, numbers)


@pytest.mark.parametrize(
    "group",
    [O(3), SO(2), SO13p(), S(4), C(5), SL(2), SU(2).realified(), O(2) * S(2), SHEARS],
    ids=repr,
)
def test_couplings_are_every_equivariant_bilinear_map(group):
    rep = (Scalar + V + V.T + V**2)(group)
    (features,) = features_of(rep)
    found = couplings_of(features)
    # what the whole rep has, from what its irreducibles have and how often it holds them
    mult = {block.irreducible: block.mult for block in features.blocks}
    n_maps = sum(
        len(some) * mult[i] * mult[j] * mult[k] * (1 if i == j else 2)
        for (i, j), maps in found.items()
        for k, some in maps.items()
    )
    assert n_maps == equivariant_basis(rep * rep >> rep).rank
    for maps in found.values():
        for some in maps.values():
            gram = np.tensordot(some, some, axes=((1, 2, 3), (1, 2, 3)))
            np.testing.assert_allclose(gram, some.shape[1] * np.eye(len(some)), atol=1e-10)


@pytest.mark.parametrize(
    "group", [O(3), SO13p(), S(4), C(5), SU(2).realified(), SHEARS, Cube()], ids=repr
)
def test_bilinear_is_the_sum_it_claims(group):
    rng = np.random.default_rng(0)
    (features,) = features_of((7 * Scalar + 4 * V + 2 * V**2 + V.T)(group))
    layer = BiLinear(features, features, rng)
    tape = Tape(np.float64)
    x = tape.rows(features.size)
    tape.feed(x)
    out = layer.record(tape, x)
    passes = tape.finish(np.arange(out.start, out.start + out.n))
    theta = passes.weights.initial(rng)
    rows = np.full((passes.n_rows, 3), np.nan)
    rows[: x.n] = given = rng.standard_normal((x.n, 3))
    passes.forward(theta, rows)
    copies = {
        b: given[b.start : b.start + b.mult * b.dim].reshape(b.mult, b.dim, 3)
        for b in features.blocks
    }
    products = {}
    for path in layer.paths:
        first = np.roll(copies[path.first], -path.start - path.shift, axis=0)
        second = copies[path.second][path.start :][: path.n]
        first = first[np.arange(path.n) % path.first.mult]
        maps = path.T.reshape(-1, path.target.dim, path.second.dim, path.first.dim)
        some = np.einsum("tkji,cib,cjb->ctkb", maps, first, second)
        products.setdefault(path.target, []).append(some.reshape(-1, path.target.dim, 3))
    start = 0
    for target, some in products.items():
        some = np.concatenate(some)
        W = theta[start : start + target.mult * len(some)].reshape(target.mult, -1)
        start += W.size
        expected = np.einsum("mc,ckb->mkb", W, some).reshape(-1, 3)
        found = rows[out.start :][target.start :][: len(expected)]
        np.testing.assert_allclose(found, expected, atol=1e-11 * max(1, abs(expected).max()))
    assert start == len(theta) == layer.n_parameters


def test_products_reach_every_irreducible_they_can_and_keep_to_the_budget():
    (features,) = features_of((50 * Scalar + 20 * V + 5 * V**2)(O(5)))
    layer = BiLinear(features, features, np.random.default_rng(0))
    assert layer.reached == {block.irreducible for block in features.blocks}
    linear = sum(block.mult**2 * block.dim for block in features.blocks)
    assert sum(path.n * path.cost for path in layer.paths) < 1.6 * linear
    # no product is made twice, and none is the square of a copy
    made = [(path.target, path.first, path.second, path.shift) for path in layer.paths]
    assert len(made) == len(set(made))
    assert all(path.shift for path in layer.paths if path.first is path.second)


def test_products_that_cannot_be_certified_are_left_out_with_a_warning(monkeypatch):
    def fail(*_):
        raise CertificationError("no draw told them apart.", status=Status.AMBIGUOUS_RANK)

    monkeypatch.setattr("fastemlp.nn.coordinates.couplings", fail)
    with pytest.warns(UserWarning, match=r"products of its hidden types are left out.*told them"):
        network = EMLP(2 * V, V, O(3), channels=40, n_layers=1, dtype=np.float64)
    paths = network.layers[0].bilinear.paths
    assert paths
    assert not any(path.first.irreducible for path in paths)
    assert_equivariant(network, network.init(np.random.default_rng(0)), np.random.default_rng(1))


def test_what_is_always_zero_is_not_multiplied():
    (features,) = features_of((5 * Scalar + 4 * V + 4 * V**2)(O(3)))
    two = next(block.irreducible for block in features.blocks if block.dim == 5)
    layer = BiLinear(features, features, np.random.default_rng(0), live={two})
    assert {(p.first.irreducible, p.second.irreducible) for p in layer.paths} == {(two, two)}


def test_gate_is_swish_on_scalars_and_permutation_types():
    (features,) = features_of((2 * Scalar + V)(S(3)))
    layer = Gate(features)
    assert layer.features_in.size == features.size
    x = np.linspace(-3, 3, 10).reshape(2, 5)
    np.testing.assert_allclose(alone(layer)(np.empty(0), x), x / (1 + np.exp(-x)), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_sigmoid_is_right_to_the_last_bits_and_saturates(dtype):
    (features,) = features_of(Scalar(SO(3)))
    network = alone(Gate(features), dtype)
    x = np.concatenate([np.linspace(-30, 30, 4001), [-1e4, 1e4, -88, 88, -709, 709, 0]])
    x = x.astype(dtype)[:, None]
    y, backward = network.forward(np.empty(0, dtype), x)
    wide = x.astype(np.float64)
    exact = wide / (1 + np.exp(-np.clip(wide, -700, 700)))
    error = np.abs(y - exact) / np.maximum(np.abs(exact), 1e-25)
    assert error.max() < 8 * np.finfo(dtype).eps
    assert np.isfinite(backward(np.ones_like(y))[0]).all()
    assert np.isnan(network(np.empty(0, dtype), np.full((40, 1), np.nan, dtype))).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(dtype):
    network = EMLP(2 * V, V + Scalar, O(3), channels=30, n_layers=2, dtype=dtype)
    theta = network.init(np.random.default_rng(0))
    y, backward = network.forward(theta, np.ones((2, 6), dtype))
    assert {a.dtype for a in (theta, y, *backward(y))} == {np.dtype(dtype)}


def test_same_seed_same_architecture_and_weights():
    networks = [EMLP(2 * V, V, SO(3), channels=60, random_state=3) for _ in range(2)]
    a, b = ([p.factors for p in n.layers[0].bilinear.paths] for n in networks)
    assert [f[2:] for f in a] == [f[2:] for f in b]
    a, b = (n.init(np.random.default_rng(1)) for n in networks)
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("batch", [1, 2, 15, 16, 17, 100, TILE, TILE + 1, 3 * TILE + 5])
def test_a_sample_does_not_depend_on_its_batch(batch):
    network = EMLP(2 * V, V + Scalar, O(3), channels=40, n_layers=2, dtype=np.float64)
    rng = np.random.default_rng(0)
    theta = network.init(rng)
    x = rng.standard_normal((batch, 6))
    y, backward = network.forward(theta, x)
    np.testing.assert_allclose(network(theta, x), y, rtol=1e-12, atol=1e-13)
    one_by_one = [network.forward(theta, row[None]) for row in x]
    np.testing.assert_allclose(np.concatenate([z for z, _ in one_by_one]), y, atol=1e-12)
    dx, dtheta = backward(np.ones_like(y))
    pulled = [pull(np.ones((1, 4))) for _, pull in one_by_one]
    np.testing.assert_allclose(np.concatenate([d for d, _ in pulled]), dx, atol=1e-11)
    np.testing.assert_allclose(sum(d for _, d in pulled), dtheta, atol=1e-9)


def test_mlp_is_the_emlp_of_scalars():
    network = MLP(3, 2, channels=(5, 7), n_layers=2, dtype=np.float64)
    rng = np.random.default_rng(0)
    theta = randomised(network.init(rng), rng)
    x = rng.standard_normal((4, 3))
    h, start = x, 0
    for width in (5, 7, 2):
        W = theta[start : start + width * h.shape[1]].reshape(width, -1)
        start += W.size + width
        h = h @ W.T + theta[start - width : start]
        if width != 2:
            h = h / (1 + np.exp(-h))
    np.testing.assert_allclose(network(theta, x), h, rtol=1e-10)
    assert max(backward_errors(network, theta, x, rng)) < 1e-7


def test_widths_must_match_layers():
    with pytest.raises(ValueError, match="EMLP: channels lists 2 layers, expected 3, one entry"):
        EMLP(V, V, SO(3), channels=[5, 6], n_layers=3)


def test_reps_must_say_which_of_several_groups_acts():
    with pytest.raises(
        ValueError, match=r"EMLP: V does not say which of the groups O\(3\), S\(4\)"
    ):
        EMLP(V(S(4)), V, (O(3), S(4)), channels=10)


def test_complex_groups_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"Use group.realified\(\)"):
        EMLP(V, V, SU(2), channels=10)
    group = SU(2).realified()
    network = EMLP(2 * V, V + Scalar, group, channels=20, n_layers=1, dtype=np.float64)
    params = network.init(np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((3, 8))
    g = group.sample(0)
    np.testing.assert_allclose(
        network(params, x @ network.rep_in.rho_dense(g).T),
        network(params, x) @ network.rep_out.rho_dense(g).T,
        atol=1e-12,
    )


def test_hidden_layers_may_be_given_as_reps():
    network = EMLP(V, Scalar, SO(3), channels=[6 * Scalar + 2 * V, 4 * V], n_layers=2)
    assert str(network.layers[0].gate.features_out.rep) == "6V0+2V"
    assert "EMLPBlock" in repr(network)
