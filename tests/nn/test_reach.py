"""What passes through a network: named cases, linear networks against dense algebra, others against differences."""

import warnings
from itertools import cycle, product

import numpy as np
import pytest

from fastemlp import equivariant_basis, irreps
from fastemlp.groups import SL, SO, Cube, Group, O, S, Scaling, Z
from fastemlp.nn import EMLP, MLP, reach, require_reach
from fastemlp.nn.reach import helpful_types
from fastemlp.reps import Scalar, T, V, objects


def rigid_motions():
    """SE(3) on homogeneous coordinates."""
    A = np.zeros((6, 4, 4))
    for k, (i, j) in enumerate(((0, 1), (0, 2), (1, 2))):
        A[k, i, j], A[k, j, i] = -1, 1
        A[3 + k, k, 3] = 1
    return Group(A, name="SE(3)")


def found(network):
    result = reach(network)
    assert all(rank.clear for _, rank in (*result.inputs, *result.outputs))
    return [[rank.found for _, rank in ranks] for ranks in (result.inputs, result.outputs)]


def complaints(network, x=None):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        require_reach(network, "here", x)
    return [str(warning.message) for warning in caught]


def test_a_type_that_hidden_layers_do_not_read_nor_make():
    parts = {part.size(): part for part in irreps((V**4)(SO(3)))}
    network = EMLP(V(SO(3)) + parts[9], parts[7], SO(3), "20+8V+2V2", 2)
    assert found(network) == [[0, 0], [0]]
    with pytest.raises(ValueError, match=r"here: under SO\(3\) .*is zero.*lack the types for it"):
        require_reach(network, "here")
    helpful = helpful_types(network)
    assert parts[7] in helpful
    hidden = 20 * Scalar + sum((2 * kind for kind in helpful), 2 * V(SO(3)))
    inputs, outputs = found(EMLP(V(SO(3)) + parts[9], parts[7], SO(3), hidden, 2))
    assert outputs == [7]
    assert max(inputs) > 0


def test_sets_too_large_for_a_hidden_vector_are_read_by_their_sum():
    assert found(EMLP(V, V, S(193), 384 * Scalar)) == [[1], [1]]
    network = EMLP(V, Scalar, S(193), 384 * Scalar)
    assert found(network) == [[1], [1]]
    (message,) = complaints(network)
    assert message.startswith(
        "Of V in the input, only 1 of the 193 components can reach the output"
    )
    assert "channels='384V0+V'" in message
    assert found(EMLP(V, Scalar, S(193), 384 * Scalar + V)) == [[193], [1]]
    assert not complaints(EMLP(V, Scalar, S(150)))


def test_rigid_motions_read_the_last_coordinate_alone():
    network = EMLP(2 * V, Scalar, rigid_motions(), 40, 1)
    assert found(network) == [[1], [1]]
    (message,) = complaints(network)
    assert "only 1 of the 4 components" in message
    points = np.random.default_rng(0).standard_normal((10, 2, 4))
    points[:, :, 3] = 1
    (_, message) = complaints(network, points.reshape(10, 8).astype(np.float32))
    assert message.startswith(
        "Whatever the parameters, V0 in the output is the same for all samples"
    )
    assert len(complaints(network, points.reshape(10, 8)[:1])) == 1


def test_what_symmetry_forbids_is_told_from_what_the_network_lacks():
    with pytest.raises(
        ValueError, match=r"That is all the symmetry allows\. V3 has no symmetric .*smaller"
    ):
        require_reach(EMLP(V**2, V, O(3), 20), "here")
    axial = irreps((V**2)(O(3)))[1]
    network = EMLP(2 * V, axial, O(3), "40+8V", 1)  # a cross product
    with pytest.raises(
        ValueError, match=r"lack the types for it: some copies of .* let more"
    ) as error:
        require_reach(network, "here")
    assert "smaller group" not in str(error.value)
    hidden = 20 * Scalar + 4 * V(O(3)) + sum((2 * kind for kind in helpful_types(network)), Scalar)
    assert found(EMLP(2 * V, axial, O(3), hidden, 1)) == [[3], [3]]


def test_components_that_symmetry_forbids_are_no_loss():
    # the antisymmetric part of a function of one vector is zero
    network = EMLP(V, V**2, O(3), 384, 2)
    assert found(network) == [[3], [6]]
    assert not complaints(network)


def test_directions_that_no_parameters_give_at_one_input_are_counted():
    # products of two vectors: aaᵀ, abᵀ, baᵀ, bbᵀ and 1
    (message,) = complaints(EMLP(2 * V, V**2, O(5), "139+25V"))
    assert message.startswith("Of the 25 components of V2 in the output only 1 can move in this")
    assert "O(5) allows 25" in message
    assert "let more through" in message
    (message,) = complaints(EMLP(3 * V, V**3, O(3), "60+20V", 2))
    assert message.startswith("Of the 27 components of V3 in the output only 9 can move in this")
    # every component of a symmetric matrix moves, but x² is out of reach of a linear map: it would take 1, x and x²
    one, _, symmetric = irreps((V**2)(O(3)))
    (message,) = complaints(EMLP(one + symmetric, V**2, O(3), n_layers=0))
    assert not complaints(EMLP(one + symmetric, V**2, O(3), 60, 2))
    assert message.startswith(
        "At a generic input this network gives V2 in the output 2 of the 3 dimensions that O(3)"
    )
    assert not complaints(EMLP(5 * Scalar + 5 * V, V**2, O(3), 120))
    assert not complaints(EMLP(2 * V, V, O(5)))


def test_each_type_that_is_lost_is_named():
    network = EMLP(V + Scalar, V + Scalar, SL(2), 4 * Scalar, 1)
    assert found(network) == [[1, 0], [1, 0]]
    with pytest.raises(ValueError, match=r"under SL\(2\) .* from V\+V0 to V that .* is zero"):
        require_reach(network, "here")
    constants = EMLP(V, Scalar, Scaling(3), 10, 1)
    with pytest.raises(
        ValueError, match=r"under Scaling\(3\) .*functions from V to V0 .* are constant"
    ):
        require_reach(constants, "here")
    (message,) = complaints(EMLP(V + Scalar, Scalar, Scaling(3), 10, 1))
    assert message.startswith(
        "Of V in the input, no component can reach the output of this network"
    )
    # a vector that permutations keep moves along one line, which is all that is allowed
    network = EMLP(2 * Scalar, Scalar + V, S(3), 10, 1)
    assert found(network) == [[1], [1, 1]]
    assert not complaints(network)


def test_a_plain_network_passes_everything():
    assert found(MLP(3, 2, 8, 2)) == [[1], [1]]
    assert not complaints(MLP(3, 2, 8, 2))


# -- linear networks pass what intertwiners pass -------------------------------------------------------------------

GROUPS = [O(3), SO(3), SO(2), S(4), Z(4), SL(2), Cube(), Scaling(2), O(1), rigid_motions()]
REPS = [V, Scalar, V.T, V**2, T(1, 1), V + Scalar, 2 * V]


def rank(M):
    return int(np.linalg.matrix_rank(M, tol=1e-8)) if M.size else 0


def passed(rep_in, rep_out):
    """By type, what all intertwiners together read of each input and move of each output, from dense bases."""
    kinds_in, kinds_out = objects(rep_in), objects(rep_out)
    read, moved = {}, {}
    for (a, _), (b, _) in product(kinds_in, kinds_out):
        W = equivariant_basis(a >> b, method="dense").to_dense().T.reshape(-1, b.size(), a.size())
        read.setdefault(a, []).append(W.reshape(-1, a.size()))
        moved.setdefault(b, []).append(W.swapaxes(1, 2).reshape(-1, b.size()))
    return [[rank(np.concatenate(some)) for some in group.values()] for group in (read, moved)]


def test_linear_networks_against_dense_intertwiners():
    n_cases = 0
    for group in GROUPS:
        # V.T is V where all elements are orthogonal
        reps = dict.fromkeys(rep(group) for rep in REPS)
        for a, b in product(reps, reps):
            if a.size() * b.size() <= 260:
                assert found(EMLP(a, b, group, n_layers=0)) == passed(a, b), (group, a, b)
                n_cases += 1
    assert n_cases >= 200


def test_deep_networks_against_differences():
    rng = np.random.default_rng(0)
    cases = product(GROUPS, (V, V**2, V + Scalar), (V, Scalar, V**2))
    for (group, rep_in, rep_out), ch in zip(cases, cycle((3, 25)), strict=False):
        network = EMLP(rep_in, rep_out, group, ch, 1, dtype=np.float64)
        inputs, outputs = found(network)
        theta = network.init(rng) + 0.3 * rng.standard_normal(network.n_parameters)
        x = rng.standard_normal((40, network.rep_in.size()))
        y = network(theta, x)
        change = abs(network(theta, x + rng.standard_normal(x.shape)) - y)
        # 1e-9: products of small weights are small, but not as small as roundoff
        assert (change.max() > 1e-9) == (max(outputs) > 0) == (max(inputs) > 0), (
            group,
            rep_in,
            rep_out,
        )
        for (kind, columns), ranks in zip(objects(network.rep_out), outputs, strict=True):
            assert (change[:, columns].max() > 1e-9) == (ranks > 0), (group, kind)
