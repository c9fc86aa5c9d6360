"""The helpers users check their own models with."""

import numpy as np
import pytest

from fastemlp.groups import SO, O, S
from fastemlp.reps import Scalar, V
from fastemlp.testing import assert_equivariant, equivariance_error

X = np.random.default_rng(0).standard_normal((20, 6))


def test_equivariant_functions_pass():
    def cross(x):
        return np.cross(x[:, :3], x[:, 3:])

    assert_equivariant(cross, 2 * V(SO(3)), V(SO(3)), X, random_state=0)
    assert equivariance_error(cross, 2 * V(SO(3)), V(SO(3)), X, random_state=0) < 1e-14


def test_a_pseudovector_is_caught_under_reflections():
    def cross(x):
        return np.cross(x[:, :3], x[:, 3:])

    with pytest.raises(AssertionError, match="Not equivariant from 2V to V: relative error"):
        assert_equivariant(cross, 2 * V(O(3)), V(O(3)), X, random_state=0)


def test_one_dimensional_outputs_and_several_groups():
    rep = V(S(3)) * V(SO(2))
    assert_equivariant(lambda x: (x**2).sum(1), rep, Scalar, X, random_state=0)


def test_nan_is_not_equivariant():
    with pytest.raises(AssertionError):
        assert_equivariant(lambda x: np.nan * x, 2 * V(O(3)), 2 * V(O(3)), X)


def test_unbound_reps_are_refused():
    with pytest.raises(TypeError, match="rep_in must be a bound Rep"):
        equivariance_error(lambda x: x, 2 * V, V(O(3)), X)
