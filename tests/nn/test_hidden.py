"""Hidden types that are derived: what is read, written and multiplied is there, what symmetry forbids is not."""

import numpy as np
import pytest

from fastemlp import FastEMLPRegressor, equivariant_basis, irreps
from fastemlp.groups import SL, SO, SU, C, Cube, Group, O, RubiksCube, S, SO13p, Trivial, Z
from fastemlp.nn import EMLP, derived_rep, expressiveness, universality
from fastemlp.nn.hidden import FEWEST, FEWEST_OF_SETS
from fastemlp.reps import P, Scalar, T, V, axial, det, regular_rep, terms

SHEARS = Group([[[0.0, 1.0], [0.0, 0.0]]], name="shears")


def types(rep):
    """{type: number of copies} of a rep."""
    return dict(terms(rep.canonical()[0]))


CASES = [
    (O(3), V**2, V**2),
    (O(3), 3 * V, V**3),
    (O(5), 2 * V, Scalar),
    (SO(3), V + V**2, V),
    (SO13p(), 4 * V, Scalar + V),
    (SL(2), V + V.T, T(1, 1)),
    (SU(2).realified(), 2 * V, V),
    (S(6), V, V**2),
    (Z(60), V, V),
    (RubiksCube(), V, V),
    (Cube(), 2 * V, V),
    (C(5), V, V),
    (SHEARS, V + V.T, V),
    (Trivial(3), V, V),
    (O(2) * S(2), V, V),
]


@pytest.mark.parametrize(("group", "rep_in", "rep_out"), CASES, ids=lambda x: str(x))
def test_inputs_are_read_and_outputs_written(group, rep_in, rep_out):
    rep_in, rep_out = rep_in(group), rep_out(group)
    hidden = derived_rep(200, rep_in, rep_out)
    for end in (rep_in, rep_out):
        # every direction of an end is the image of some hidden one
        for kind, _ in terms(end.canonical()[0]):
            maps = equivariant_basis(hidden >> kind)
            columns = maps.to_dense().reshape(kind.size(), -1)
            assert np.linalg.matrix_rank(columns) == kind.size()


@pytest.mark.parametrize("channels", [20, 100, 384])
@pytest.mark.parametrize(("group", "rep_in", "rep_out"), CASES[:9], ids=lambda x: str(x))
def test_about_as_many_channels_as_asked_for(channels, group, rep_in, rep_out):
    hidden = derived_rep(channels, rep_in(group), rep_out(group))
    copies = types(hidden)
    least = FEWEST_OF_SETS * sum(kind.size() for kind in copies)
    assert 0.8 * channels - 20 <= hidden.size() <= 1.2 * channels + least
    assert all(n >= FEWEST for kind, n in copies.items() if kind != Scalar)


@pytest.mark.parametrize("rep", [V**2, 2 * V**2 + Scalar, V**4], ids=str)
def test_what_a_reflection_of_everything_forbids_is_left_out(rep):
    group = O(3)
    for kind in types(derived_rep(384, rep(group), (V**2)(group))):
        np.testing.assert_allclose(kind.rho_dense(-np.eye(3)), np.eye(kind.size()), atol=1e-10)


def test_small_finite_groups_permute_their_elements():
    for group in (C(5), Cube(), S(3)):
        hidden = derived_rep(384, V(group), Scalar)
        assert types(hidden).keys() == {regular_rep(group)}


def test_permutations_stay_permutations():
    for group, rep in ((S(40), V), (RubiksCube(), V), (Z(200), V), (S(7), V**2 + V)):
        assert derived_rep(384, rep(group), Scalar).is_permutation


def test_pairs_of_points_are_there_beside_what_acts_on_each():
    for n in (3, 5, 12):
        atoms = V(S(n))
        found = types(derived_rep(384, atoms * V(O(3)) + atoms, Scalar))
        assert found[atoms**2] >= FEWEST
        # and what is no input only as far as there is room
        assert sum(kind.size() for kind in found) < 384 + n * (n + 3)
    # too many
    # with all that polynomials need
    atoms, plane = V(S(3)), V(O(2))
    for rep_out in (Scalar, plane, atoms * plane, plane**2):
        network = EMLP(atoms * plane + atoms, rep_out, S(3) * O(2), n_layers=2)
        assert all(rank.is_full for degree in (2, 3) for _, rank in universality(network, degree))
    # a volume takes an axial vector on the way
    network = EMLP(V(S(3)) * V(O(3)), P(O(3)) * P(S(3)), S(3) * O(3), n_layers=2)
    assert all(rank.is_full and rank.found for _, rank in universality(network, 3))
    assert V(S(40)) ** 2 not in types(derived_rep(384, V(S(40)) * V(O(3)), Scalar))


def test_an_irreducible_input_is_a_hidden_type_itself():
    one = next(irrep for irrep in irreps((V**4)(O(3))) if irrep.size() == 9)
    found = types(derived_rep(384, one, Scalar))
    assert sum(kind.size() == 9 for kind in found) == 1


POLYNOMIALS = {
    "A²": (V**2, V**2, lambda A: A @ A),
    "A Aᵀ": (V**2, V**2, lambda A: A @ A.swapaxes(1, 2)),
    "cross product": (3 * V, axial(O(3)), lambda A: np.cross(A[:, 0], A[:, 1])),
    "determinant": (3 * V, det(O(3)), lambda A: np.linalg.det(A)[:, None]),
    "x ⊗ x ⊗ x": (3 * V, V**3, lambda A: np.einsum("ni,nj,nk->nijk", *[A[:, 0]] * 3)),
}


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_a_network_spans_what_symmetry_allows(name):
    rep_in, rep_out, _ = POLYNOMIALS[name]
    found = expressiveness(EMLP(rep_in, rep_out, O(3), channels=100))
    assert found.outputs.is_full


@pytest.mark.slow
@pytest.mark.parametrize("name", POLYNOMIALS)
def test_default_types_learn_even_and_odd_tensors(name):
    rep_in, rep_out, target = POLYNOMIALS[name]
    A = np.random.default_rng(0).standard_normal((1500, 3, 3)).astype(np.float32)
    X, Y = A.reshape(1500, 9), target(A).reshape(1500, -1)
    model = FastEMLPRegressor(
        O(3), rep_in=rep_in, rep_out=rep_out, channels=96, n_layers=2, max_iter=200, random_state=0
    ).fit(X[:1000], Y[:1000])
    assert model.score(X[1000:], Y[1000:]) > 0.99


def test_large_types_are_taken_whole():
    hidden = derived_rep(384, (V**2)(SO(24)), Scalar)
    assert types(hidden) == {Scalar: hidden.size() - 4 * 576, (V**2)(SO(24)): 4}
