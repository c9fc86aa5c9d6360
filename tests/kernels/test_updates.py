"""The update kernels against numpy."""

import numpy as np
import oracles
import pytest

from fastemlp._kernels.updates import adam_update, average_update

pytestmark = pytest.mark.kernel

DTYPES = [np.float32, np.float64]


def tolerance(dtype):
    return {"rtol": 20 * np.finfo(dtype).eps, "atol": 20 * np.finfo(dtype).eps}


def read_only_gradient(rng, n, dtype):
    gradient = rng.standard_normal(n).astype(dtype)
    gradient.flags.writeable = False
    return gradient


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 37])
@pytest.mark.parametrize(("scale", "keep"), [(1.0, 1.0), (0.25, 0.99)])
def test_adam_update(n, dtype, scale, keep):
    rng = np.random.default_rng(0)
    theta, m = rng.standard_normal((2, n)).astype(dtype)
    v = rng.random(n).astype(dtype)
    gradient = read_only_gradient(rng, n, dtype)
    expected = oracles.adam_update(keep * theta, scale * gradient, m, v, 0.9, 0.999, 3e-3, 1e-8)
    adam_update(theta, gradient, m, v, 0.9, 0.999, 3e-3, 1e-8, scale, keep)
    for got, wanted in zip((theta, m, v), expected, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, wanted, **tolerance(dtype))


def test_adam_update_of_zero_gradient_and_moments_moves_nothing():
    theta, zero = np.ones(3), np.zeros(3)
    adam_update(theta, np.zeros(3), zero.copy(), zero.copy(), 0.9, 0.999, 1e-3, 1e-8)
    np.testing.assert_array_equal(theta, np.ones(3))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 37])
def test_average_update(n, dtype):
    rng = np.random.default_rng(0)
    average = rng.standard_normal(n).astype(dtype)
    theta = read_only_gradient(rng, n, dtype)
    expected = average + 0.1 * (theta - average)
    average_update(average, theta, 0.1)
    np.testing.assert_allclose(average, expected, **tolerance(dtype))


def test_other_dtypes_are_refused_rather_than_misread():
    x = np.ones(2, int)
    with pytest.raises((TypeError, ValueError)):
        adam_update(x, x, x, x, 0.9, 0.999, 1e-3, 1e-8)
    with pytest.raises((TypeError, ValueError)):
        average_update(x, x, 0.5)
