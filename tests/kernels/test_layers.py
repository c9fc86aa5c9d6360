"""The layer kernels against numpy."""

import numpy as np
import oracles
import pytest
from fastemlp._kernels.layers import adam_update, gate_backward, gate_forward

pytestmark = pytest.mark.kernel

DTYPES = [np.float32, np.float64]


def read_only(*arrays):
    for array in arrays:
        array.flags.writeable = False
    return arrays


def gate_problem(dtype, batch, n_in=9, n_gates=3, n_out=7):
    """Distinct sources, shared gates, an input channel and a gate that nobody reads."""
    rng = np.random.default_rng(0)
    x, sigma, dy = (
        rng.standard_normal((batch, n)).astype(dtype) for n in (n_in, n_gates + 1, n_out)
    )
    source = rng.permutation(n_in)[:n_out].astype(np.intp)
    gate = rng.integers(n_gates, size=n_out).astype(np.intp)
    return read_only(x, sigma, source, gate, dy)


def tolerance(dtype):
    return {"rtol": 20 * np.finfo(dtype).eps, "atol": 20 * np.finfo(dtype).eps}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [0, 1, 13])
def test_gate_forward(batch, dtype):
    x, sigma, source, gate, dy = gate_problem(dtype, batch)
    y = np.full_like(dy, np.nan)
    gate_forward(x, sigma, source, gate, y)
    np.testing.assert_array_equal(y, oracles.gate_forward(x, sigma, source, gate))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [0, 1, 13])
def test_gate_backward(batch, dtype):
    x, sigma, source, gate, dy = gate_problem(dtype, batch)
    dx, dsigma = np.zeros_like(x), np.zeros_like(sigma)
    gate_backward(x, sigma, source, gate, dy, dx, dsigma)
    expected = oracles.gate_backward(x, sigma, source, gate, dy)
    np.testing.assert_allclose(dx, expected[0], **tolerance(dtype))
    np.testing.assert_allclose(dsigma, expected[1], **tolerance(dtype))


def test_gate_backward_is_the_adjoint_of_the_derivative_of_gate_forward():
    x, sigma, source, gate, dy = gate_problem(np.float64, 5)
    rng = np.random.default_rng(1)
    x_dot, sigma_dot = rng.standard_normal(x.shape), rng.standard_normal(sigma.shape)
    # the gate is bilinear, so this is its derivative exactly
    y_dot, part = np.empty_like(dy), np.empty_like(dy)
    gate_forward(x_dot, sigma, source, gate, y_dot)
    gate_forward(x, sigma_dot, source, gate, part)
    dx, dsigma = np.zeros_like(x), np.zeros_like(sigma)
    gate_backward(x, sigma, source, gate, dy, dx, dsigma)
    backward = np.vdot(dx, x_dot) + np.vdot(dsigma, sigma_dot)
    assert np.vdot(dy, y_dot + part) == pytest.approx(backward, rel=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 37])
def test_adam_update(n, dtype):
    rng = np.random.default_rng(0)
    theta, m, gradient = rng.standard_normal((3, n)).astype(dtype)
    v = rng.random(n).astype(dtype)
    read_only(gradient)
    expected = oracles.adam_update(theta, gradient, m, v, 0.9, 0.999, 3e-3, 1e-8)
    adam_update(theta, gradient, m, v, 0.9, 0.999, 3e-3, 1e-8)
    for got, wanted in zip((theta, m, v), expected, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, wanted, **tolerance(dtype))


def test_adam_update_of_zero_gradient_and_moments_moves_nothing():
    theta, zero = np.ones(3), np.zeros(3)
    adam_update(theta, np.zeros(3), zero.copy(), zero.copy(), 0.9, 0.999, 1e-3, 1e-8)
    np.testing.assert_array_equal(theta, np.ones(3))


@pytest.mark.parametrize("kernel", [gate_forward, gate_backward, adam_update])
def test_other_dtypes_are_refused_rather_than_misread(kernel):
    x, index = np.ones((2, 2), int), np.zeros(2, np.intp)
    arguments = {
        gate_forward: (x, x, index, index, x),
        gate_backward: (x, x, index, index, x, x, x),
        adam_update: (x[0], x[0], x[0], x[0], 0.9, 0.999, 1e-3, 1e-8),
    }
    with pytest.raises((TypeError, ValueError)):
        kernel(*arguments[kernel])
