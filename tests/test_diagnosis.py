"""A fit that learned nothing says so, with reasons that the data show; a good fit is silent."""

import warnings

import numpy as np
import pytest

from fastemlp import EquivariantRidge, FastEMLPRegressor
from fastemlp.groups import SO, O, S
from fastemlp.reps import axial

NOTHING = r"hardly more than a constant does\. Likely reasons: "


def network(group, **options):
    return FastEMLPRegressor(group=group, channels=32, random_state=0, **options)


def vectors(n, seed, offset=0.0):
    return np.random.default_rng(seed).standard_normal((n, 6)) + offset


@pytest.mark.parametrize("seed", range(3))
def test_data_far_from_the_origin_are_told(seed):
    X = vectors(100, seed)
    y = np.sum((X[:, :3] - X[:, 3:]) ** 2, axis=1)
    with pytest.warns(
        UserWarning,
        match=NOTHING + r"columns \d to \d of X, an object of type V, have a mean .* centre",
    ):
        network(SO(3), max_iter=20).fit(X + 100.0, np.random.default_rng(seed).permutation(y))


def test_a_cross_product_read_as_a_vector_is_told():
    X = vectors(300, 0)
    Y = np.cross(X[:, :3], X[:, 3:])
    match = NOTHING + r"O\(3\) contains reflections, under which a cross product"
    with pytest.warns(UserWarning, match="FastEMLPRegressor.fit: .*" + match):
        network(O(3), rep_out="V", max_iter=30).fit(X, Y)
    with pytest.warns(UserWarning, match="EquivariantRidge.fit: .*" + match):
        EquivariantRidge(O(3), rep_out="V", degree=3).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert EquivariantRidge(O(3), rep_out=axial, degree=2).fit(X, Y).score(X, Y) > 1 - 1e-9


def test_noise_is_told_in_neutral_words():
    X = vectors(3000, 0)
    y = np.random.default_rng(1).standard_normal(3000)
    with pytest.warns(
        UserWarning, match=NOTHING + r"y may be noise, depend on what X does not hold"
    ):
        EquivariantRidge(SO(3), degree=2).fit(X, y)
    with pytest.warns(
        UserWarning, match=NOTHING + r"training was short, 24 steps; raise max_iter; y may be"
    ):
        network(SO(3), max_iter=1).fit(X, y)


@pytest.mark.parametrize("seed", range(70))
@pytest.mark.parametrize("group", [SO(3), O(3), S(3)])
def test_what_was_learned_is_not_warned_of(group, seed):
    """Polynomials with noise of up to half their variance: 210 fits."""
    rng = np.random.default_rng(seed)
    X = vectors(60, seed, offset=rng.uniform(-0.2, 0.2))
    y = np.sum(X[:, :3] * X[:, 3:], axis=1) + rng.uniform(-1, 1) * np.sum(X[:, :3] ** 2, axis=1)
    y += rng.uniform(0, 0.7) * np.std(y) * rng.standard_normal(len(y))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EquivariantRidge(group, degree=2).fit(X, y)


def test_few_samples_and_constant_targets_are_not_judged():
    X = vectors(50, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EquivariantRidge(SO(3), degree=2).fit(X, np.full(50, 3.0))
        EquivariantRidge(SO(3), degree=2, alphas=1e3).fit(X[:5], X[:5, 0])
