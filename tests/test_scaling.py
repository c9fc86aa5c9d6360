"""Scaling must commute with the group."""

import numpy as np
import pytest

from fastemlp.estimators.scaling import EquivariantScaler
from fastemlp.groups import SO13, O, S
from fastemlp.reps import Scalar, V


@pytest.mark.parametrize(
    ("group", "rep"),
    [
        (O(3), V + 2 * Scalar + V**2),
        (SO13(), 2 * V + V.T + V * V.T),
        (S(4), V + Scalar + 2 * V),
    ],
)
def test_commutes_with_the_group(group, rep):
    rep = rep(group)
    rng = np.random.default_rng(0)
    X = 3 * rng.standard_normal((50, rep.size())) + 2
    scaler = EquivariantScaler.fit(rep, X)
    for g in group.samples(3, 0):
        rho = rep.rho_dense(g)
        np.testing.assert_allclose(
            scaler.transform(X @ rho.T), scaler.transform(X) @ rho.T, atol=1e-11
        )


def test_scalars_are_standardised():
    rep = 3 * Scalar
    X = np.random.default_rng(0).standard_normal((200, 3)) * [1, 10, 100] + [5, 0, -7]
    Z = EquivariantScaler.fit(rep, X).transform(X)
    np.testing.assert_allclose(Z.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(Z.std(0), 1)
    half = EquivariantScaler.fit(rep, X, rms=0.5)
    np.testing.assert_allclose(half.transform(X), Z / 2)
    np.testing.assert_allclose(half.inverse_transform(half.transform(X)), X)
    each = EquivariantScaler.fit(rep, X, rms=np.array([0.5, 1.0, 2.0]))
    np.testing.assert_allclose(each.transform(X), Z * [0.5, 1.0, 2.0])


def test_each_copy_has_one_scale_and_vectors_no_shift():
    rep = (V + Scalar + V)(O(3))
    X = np.random.default_rng(0).standard_normal((200, 7)) * np.repeat([2, 1, 9], [3, 1, 3]) + 4
    scaler = EquivariantScaler.fit(rep, X)
    assert len(set(scaler.scale[:3])) == len(set(scaler.scale[4:])) == 1
    assert scaler.scale[0] < scaler.scale[4]
    np.testing.assert_allclose(scaler.shift[[0, 1, 2, 4, 5, 6]], 0, atol=1e-12)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(X)), X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_columns_keep_their_scale(dtype):
    X = np.full((10, 2), 1e6 / 3, dtype)
    scaler = EquivariantScaler.fit(2 * Scalar, X)
    np.testing.assert_array_equal(scaler.scale, 1)
    assert scaler.shift.dtype == scaler.scale.dtype == dtype
