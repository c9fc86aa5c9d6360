"""The optimiser, the schedule and the loop."""

import numpy as np
import pytest

from fastemlp.nn import MLP
from fastemlp.training import (
    Adam,
    FlatParameters,
    cosine_schedule,
    flatten,
    leaves,
    squared_error,
    train,
)


def linear_data(n=60, dtype=np.float64):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 4)).astype(dtype)
    return X, (X @ rng.standard_normal((4, 2))).astype(dtype)


def test_squared_error_and_its_gradient():
    rng = np.random.default_rng(0)
    prediction, target, direction = rng.standard_normal((3, 5, 2))
    value, gradient = squared_error(prediction, target)
    assert value == pytest.approx(np.mean((prediction - target) ** 2))
    h = 1e-6
    up, down = (squared_error(prediction + s * h * direction, target)[0] for s in (1, -1))
    assert np.vdot(gradient, direction) == pytest.approx((up - down) / (2 * h), rel=1e-7)


def test_adam_follows_the_paper():
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(7)
    expected, m, v = theta.copy(), np.zeros(7), np.zeros(7)
    adam = Adam(7, np.float64)
    for t in range(1, 6):
        g = rng.standard_normal(7)
        adam.step(theta, g, 0.01)
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        expected -= 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(theta, expected, rtol=1e-12)


def test_schedule_warms_up_and_ends_at_zero():
    values = [cosine_schedule(p) for p in np.linspace(0, 1, 201)]
    assert values[0] == 0
    assert max(values) == pytest.approx(1)
    assert values[-1] == pytest.approx(0, abs=1e-12)
    assert np.argmax(values) == 10


def test_flat_parameters_are_views():
    params = ((np.arange(3.0), ()), np.ones((2, 2)))
    flat = FlatParameters(params)
    flat.vector += 1
    np.testing.assert_array_equal(flatten(flat.params), [1, 2, 3, 2, 2, 2, 2])
    assert flat.params[1].shape == (2, 2)
    np.testing.assert_array_equal(params[1], 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_fits_and_keeps_precision(dtype):
    X, y = linear_data(dtype=dtype)
    network = MLP(4, 2, ch=16, num_layers=1, dtype=dtype)
    result = train(network, X, y, np.random.default_rng(0), max_iter=200, batch_size=20)
    assert result.loss_curve[-1] < 1e-2 * result.loss_curve[0]
    assert result.n_iter == len(result.loss_curve) == 200
    assert {a.dtype for a in leaves(result.params)} == {np.dtype(dtype)}


def test_training_is_reproducible():
    X, y = linear_data()
    network = MLP(4, 2, ch=8, num_layers=1, dtype=np.float64)
    runs = [train(network, X, y, np.random.default_rng(5), max_iter=20) for _ in range(2)]
    np.testing.assert_array_equal(flatten(runs[0].params), flatten(runs[1].params))
    assert runs[0].loss_curve == runs[1].loss_curve


def test_validation_stops_early_and_returns_the_best():
    X, y = linear_data()
    rng = np.random.default_rng(0)
    held_out = (X[:10], rng.standard_normal((10, 2)))  # nothing to learn there
    network = MLP(4, 2, ch=16, num_layers=1, dtype=np.float64)
    result = train(
        network,
        X,
        y,
        rng,
        validation=held_out,
        max_iter=300,
        n_iter_no_change=10,
        learning_rate=0.01,
    )
    assert result.n_iter < 300
    value, _ = squared_error(network(result.params, held_out[0]), held_out[1])
    assert value == pytest.approx(min(result.validation_curve))


def test_divergence_is_reported():
    X, y = linear_data()
    network = MLP(4, 2, ch=8, num_layers=1, dtype=np.float64)
    with (
        np.errstate(all="ignore"),
        pytest.raises(
            FloatingPointError, match=r"Training diverged in epoch .*Lower learning_rate"
        ),
    ):
        train(network, 1e200 * X, y, np.random.default_rng(0), max_iter=5)
