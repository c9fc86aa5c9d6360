"""What a network can express at a point, against stabilisers that are known otherwise and spans of many draws."""

from itertools import cycle, product

import numpy as np
import pytest
from oracles_stabilisers import (
    fixed_dimension,
    fixed_dimension_by_counting,
    rotations_about,
    shears_along,
    signs_in_the_eigenbasis,
)

from fastemlp import irreps
from fastemlp.groups import SL, SO, Cube, O, S, Z
from fastemlp.nn import (
    EMLP,
    BiLinear,
    Expressiveness,
    Features,
    Gate,
    Linear,
    Network,
    expressiveness,
)
from fastemlp.reps import Scalar, V


@pytest.mark.parametrize(
    ("rep_in", "rep_out", "group", "outputs", "gradients"),
    [
        (irreps((V**2)(O(5)))[0] + irreps((V**2)(O(5)))[2], V**2, O(5), (5, 5), None),
        (V**2, Scalar, O(5), (1, 1), (15, 15)),
        (2 * V, V**2, O(5), (5, 5), None),
        (3 * V, V**3, O(3), (27, 27), None),
        (V(S(6)) * V(O(3)), Scalar, (S(6), O(3)), (1, 1), (15, 15)),
        (2 * V, Scalar, O(5), (1, 1), (3, 3)),
        (2 * V, V, O(3), (2, 2), None),
    ],
)
def test_cases_that_hard_use_found(rep_in, rep_out, group, outputs, gradients):
    found = expressiveness(EMLP(rep_in, rep_out, group))
    assert (found.rank, found.allowed) == outputs
    if gradients is None:
        assert found.gradients is None
    else:
        assert (found.gradients.found, found.gradients.allowed) == gradients
        assert found.gradients.clear


def test_gradients_of_a_cloud_of_points_with_scalars_and_few_vectors():
    cloud = V(S(6)) * V(O(3))
    hidden = 40 * Scalar + 4 * V(S(6))
    found = expressiveness(EMLP(cloud, Scalar, (S(6), O(3)), hidden))
    assert found.gradients.allowed == 15
    assert found.gradients.found == 0


def test_it_says_so_in_words():
    found = expressiveness(EMLP(V, Scalar + V, S(193), 384 * Scalar, dtype=np.float64))
    assert isinstance(found, Expressiveness)
    assert not found.is_full
    assert str(found) == (
        "outputs 2 of 194 (V0: 1 of 1, V: 1 of 193), gradients of scalars 1 of 193 dimensions at a generic input"
    )
    unclear = expressiveness(EMLP(V, V, S(60), 140 * Scalar + V, 1))
    assert not unclear.outputs.clear
    assert str(unclear).startswith("outputs at least ")
    assert unclear.allowed == 60


# -- a family, against stabilisers found apart and spans of many draws of the network itself ------------------------

FINITE = [S(3), S(4), Z(4), O(1), Cube(), Z(6)]
FINITE_IN = [V, 2 * V, V + Scalar, V**2, 2 * Scalar]
FINITE_OUT = [V, Scalar, V**2, V + Scalar]
SIZES = [(12, 1), (30, 2)]


def finite_cases():
    # every group with every pair of reps, in one size or the other
    for k, (group, rep_in, rep_out) in enumerate(product(FINITE, FINITE_IN, FINITE_OUT)):
        size = SIZES[0] if group == Cube() and rep_in == V**2 else SIZES[(k + k // 4) % 2]
        yield group, rep_in, rep_out, *size


def continuous_cases():
    few_or_many = cycle((0, 1))
    for n, proper, k, rep_out in product((2, 3), (0, 1), (1, 2, 3), (V, V**2, V**3)):
        yield (SO if proper else O)(n), k * V, rep_out, (12, 50)[next(few_or_many)], 2
    for k, rep_out in product((1, 2), (V, V**2, V.T * V)):
        yield SL(2), k * V, rep_out, (12, 40)[next(few_or_many)], 2
    for n, rep_out in product((2, 3), (V**2, Scalar, V)):
        yield O(n), "symmetric", rep_out, (20, 60)[next(few_or_many)], 2


def rank_of_many_draws(network, x):
    """The dimension of a network's outputs at x, parameters drawn at several scales; and whether that is clear."""
    rng = np.random.default_rng(5)
    rows = []
    for k in range(3 * network.rep_out.size() + 24):
        theta = (1, 3, 5)[k % 3] * (
            network.init(rng) + 0.3 * rng.standard_normal(network.n_parameters)
        )
        y = network(theta, x[None])[0]
        rows.append(y / max(np.linalg.norm(y), 1e-4))  # below 1e-13 it is roundoff
    s = np.linalg.svd(np.array(rows), compute_uv=False)
    return np.count_nonzero(s > 1e-9 * max(s[0], 1)), not np.any((s > 1e-13) & (s < 1e-8))


def check(group, rep_in, rep_out, ch, layers, allowed_at):
    network = EMLP(rep_in, rep_out, group, ch, layers, dtype=np.float64)
    x = np.random.default_rng(3).standard_normal(network.rep_in.size())
    found = expressiveness(network)
    assert found.allowed == allowed_at(network, x), (network.rep_in, network.rep_out)
    assert found.rank <= found.allowed
    rank, clear = rank_of_many_draws(network, x)
    if clear and found.outputs.clear:
        assert found.rank == rank, (network.rep_in, network.rep_out, ch, str(found))
    return found.outputs.clear


def test_finite_groups_against_all_their_elements():
    clear = []
    for group, rep_in, rep_out, ch, layers in finite_cases():
        clear.append(
            check(
                group,
                rep_in(group),
                rep_out(group),
                ch,
                layers,
                lambda network, x, group=group: fixed_dimension_by_counting(
                    network.rep_in, network.rep_out, x, group
                ),
            )
        )
    assert len(clear) >= 100
    assert np.mean(clear) > 0.95


def test_continuous_groups_against_stabilisers_in_closed_form():
    clear = []
    for group, rep_in, rep_out, ch, layers in continuous_cases():
        if rep_in == "symmetric":
            parts = irreps((V**2)(group))
            given = parts[0] + max(parts[1:], key=lambda part: part.size())
        else:
            given = rep_in(group)

        def allowed(network, x, group=group, rep_in=rep_in):
            rng = np.random.default_rng(1)
            if rep_in == "symmetric":
                S = rng.standard_normal((group.d, group.d))
                kept = signs_in_the_eigenbasis(S + S.T)
            elif group == SL(2):
                kept = shears_along(x) if len(x) == 2 else [np.eye(2)]
            else:
                proper = not len(group.discrete_generators)
                kept = rotations_about(x.reshape(-1, group.d), rng, proper)
            return fixed_dimension(network.rep_out, kept)

        clear.append(check(group, given, rep_out(group), ch, layers, allowed))
    assert len(clear) >= 45
    assert np.mean(clear) > 0.95


def test_networks_that_end_in_another_layer():
    rng = np.random.default_rng(0)
    network = EMLP(2 * V, V, O(3), 40, 1, dtype=np.float64)
    a, hidden = network.layers[0].features_in, network.layers[0].features_out
    gate = Gate(Features((V + Scalar)(O(3)), a.coordinates))
    for layers in (
        [network.layers[0], Linear(hidden, gate.features_in), gate],
        [network.layers[0], BiLinear(hidden, gate.features_out, rng)],
    ):
        other = Network(layers, a, gate.features_out, np.float64)
        found = expressiveness(other)
        assert (found.rank, found.allowed) == (3, 3)
        assert (found.gradients.found, found.gradients.allowed) == (3, 3)
