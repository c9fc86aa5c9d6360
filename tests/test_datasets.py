"""The synthetic tasks: exact symmetry, values worked out by hand, determinism, errors."""

import numpy as np
import pytest

from fastemlp.datasets import (
    ETA,
    TaskSpec,
    inertia_target,
    make_inertia,
    make_o5_synthetic,
    make_particle_interaction,
    o5_target,
    particle_target,
)

MAKERS = [make_o5_synthetic, make_inertia, make_particle_interaction]


def five_masses(X):
    return inertia_target(X, 5)


def published_particle_target(X):
    return particle_target(X, symmetrized=False)


TARGETS = {
    make_o5_synthetic: o5_target,
    make_inertia: five_masses,
    make_particle_interaction: particle_target,
}


def as_columns(y):
    return y.reshape(len(y), -1)


@pytest.mark.parametrize("make", MAKERS)
def test_sizes_and_dtypes_match_the_spec(make):
    X, y, spec = make(7, random_state=0, return_spec=True)
    assert isinstance(spec, TaskSpec)
    assert X.shape == (7, spec.rep_in(spec.group).size())
    assert as_columns(y).shape == (7, spec.rep_out(spec.group).size())
    assert X.dtype == y.dtype == np.float64


def test_scalar_targets_are_one_dimensional_and_the_inertia_matrix_is_flat():
    assert make_o5_synthetic(4)[1].shape == (4,)
    assert make_particle_interaction(4)[1].shape == (4,)
    assert make_inertia(4)[1].shape == (4, 9)


@pytest.mark.parametrize("n_masses", [1, 3])
def test_inertia_takes_any_number_of_masses(n_masses):
    X, y, spec = make_inertia(6, n_masses=n_masses, random_state=0, return_spec=True)
    assert X.shape == (6, 4 * n_masses)
    assert spec.rep_in(spec.group).size() == 4 * n_masses
    assert (X[:, :n_masses] > 0).all()
    assert y.shape == (6, 9)


@pytest.mark.parametrize(
    ("make", "target"),
    [
        (make_o5_synthetic, o5_target),
        (make_inertia, five_masses),
        (make_particle_interaction, particle_target),
        (make_particle_interaction, published_particle_target),
    ],
)
def test_target_is_exactly_equivariant(make, target):
    X, _, spec = make(20, random_state=1, return_spec=True)
    rep_in, rep_out = spec.rep_in(spec.group), spec.rep_out(spec.group)
    for g in spec.group.samples(5, random_state=0):
        moved = target(X @ rep_in.rho_dense(g).T)
        expected = as_columns(target(X)) @ rep_out.rho_dense(g).T
        # boosts stretch the momenta, so roundoff is measured against the values' own scale
        scale = np.abs(expected).max()
        np.testing.assert_allclose(as_columns(moved), expected, rtol=1e-10, atol=1e-10 * scale)


def test_o5_value_by_hand():
    # |x1| = 2, |x2| = 3, x1·x2 = 6 cos 60° = 3
    x1 = [2.0, 0, 0, 0, 0]
    x2 = [1.5, 0, 0, 0, 3 * np.sqrt(3) / 2]
    y = o5_target(np.array([x1 + x2]))
    np.testing.assert_allclose(y, [np.sin(2) - 27 / 2 + 1 / 2], rtol=1e-14)


def test_inertia_value_by_hand():
    # m=2 at (1,0,0) gives 2·diag(0,1,1); m=3 at (1,1,0) gives 3·[[1,−1,0],[−1,1,0],[0,0,2]]
    x = np.array([[2.0, 3.0, 1, 0, 0, 1, 1, 0]])
    np.testing.assert_allclose(inertia_target(x, 2), [[3, -3, 0, -3, 5, 0, 0, 0, 8]], rtol=1e-14)


def test_particle_value_by_hand():
    # p1=(2,0,0,1), p2=(1,0,0,0), p3=(1,0,1,0), p4=(3,1,0,0): p1·p2=2, p3·p4=3, p1·p4=6,
    # p2·p3=1, p1·p3=2, p2·p4=3, p1·p1=3, p2·p2=1, so a=−1 and b=2
    x = np.array([[2.0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1, 0, 3, 1, 0, 0]])
    np.testing.assert_allclose(particle_target(x, symmetrized=False), [4 * (6 - 4 + 3 - 8)])
    np.testing.assert_allclose(particle_target(x), [4 * (2 * (6 + 6) - 8 + 6 - 8)])


@pytest.mark.parametrize("symmetrized", [True, False])
def test_particle_target_is_the_contraction_of_the_two_tensors(symmetrized):
    X, y = make_particle_interaction(10, symmetrized=symmetrized, random_state=2)
    eta = np.diag(ETA)

    def product(a, b):
        return np.outer(a, b) + np.outer(b, a) if symmetrized else np.outer(a, b)

    for x, value in zip(X, y, strict=True):
        p1, p2, p3, p4 = x.reshape(4, 4)
        upper = product(p1, p3) - (p1 @ eta @ p3 - p1 @ eta @ p1) * eta
        lower = product(eta @ p2, eta @ p4) - (p2 @ eta @ p4 - p2 @ eta @ p2) * eta
        np.testing.assert_allclose(value, 4 * np.sum(upper * lower), rtol=1e-12, atol=1e-14)


def test_the_two_particle_variants_share_their_inputs_and_differ_in_value():
    X, y = make_particle_interaction(50, random_state=3)
    X_published, y_published = make_particle_interaction(50, symmetrized=False, random_state=3)
    np.testing.assert_array_equal(X, X_published)
    assert not np.allclose(y, y_published)


@pytest.mark.parametrize("make", MAKERS)
def test_same_seed_same_samples(make):
    X, y = make(10, random_state=5, noise=0.3)
    X_again, y_again = make(10, random_state=5, noise=0.3)
    X_other, _ = make(10, random_state=6, noise=0.3)
    np.testing.assert_array_equal(X, X_again)
    np.testing.assert_array_equal(y, y_again)
    assert not np.array_equal(X, X_other)


@pytest.mark.parametrize("make", MAKERS)
def test_noise_is_added_after_the_clean_draw(make):
    X, clean = make(4000, random_state=7)
    X_noisy, noisy = make(4000, random_state=7, noise=0.5)
    np.testing.assert_array_equal(X, X_noisy)
    np.testing.assert_array_equal(clean, TARGETS[make](X))
    residual = noisy - clean
    assert abs(residual.std() - 0.5) < 0.05
    assert abs(residual.mean()) < 0.05


def test_a_shared_random_state_advances():
    rng = np.random.RandomState(0)
    first, _ = make_o5_synthetic(5, random_state=rng)
    second, _ = make_o5_synthetic(5, random_state=rng)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("make", MAKERS)
def test_input_scales(make):
    X, _, spec = make(4000, random_state=8, return_spec=True)
    expected = {"o5_synthetic": 1.0, "inertia": 1.0, "particle_interaction": 0.25}[spec.name]
    columns = X[:, 5:] if spec.name == "inertia" else X
    np.testing.assert_allclose(columns.std(axis=0), expected, rtol=0.06)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"n_samples": 0}, ValueError, "n_samples must be at least 1, got 0"),
        ({"n_samples": 10.0}, TypeError, "n_samples must be an integer, got 10.0 of type float"),
        ({"n_samples": True}, TypeError, "n_samples must be an integer, got True of type bool"),
        ({"noise": -0.1}, ValueError, "finite standard deviation of at least 0, got -0.1"),
        ({"noise": np.nan}, ValueError, "finite standard deviation of at least 0, got nan"),
        ({"noise": "much"}, TypeError, "noise must be a number.*got 'much' of type str"),
    ],
)
def test_bad_arguments_are_named(make, keywords, error, message):
    with pytest.raises(error, match=f"{make.__name__}: .*{message}"):
        make(**keywords)


@pytest.mark.parametrize(("n_masses", "error"), [(0, ValueError), (2.5, TypeError)])
def test_bad_number_of_masses_is_named(n_masses, error):
    with pytest.raises(error, match=f"make_inertia: n_masses must be .*got {n_masses}"):
        make_inertia(n_masses=n_masses)


def test_spec_is_frozen():
    spec = make_o5_synthetic(2, return_spec=True)[2]
    with pytest.raises(AttributeError):
        spec.name = "another"
