"""Divergence is noticed, undone, and reported."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastemlp.nn import MLP
from fastemlp.training import train
from fastemlp.training.divergence import MAX_RESTARTS, Guard
from fastemlp.training.optimisers import Adam, Average


def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    return X, X @ rng.standard_normal((4, 2))


def network():
    return MLP(4, 2, channels=8, n_layers=1, dtype=np.float64)


class SpoiledLoss:
    """The squared error, spoiled in some of the calls that train."""

    def __init__(self, calls, spoil):
        self.calls, self.spoil, self.count = calls, spoil, 0

    def __call__(self, prediction, target, weight=None, out=None):
        gradient = np.subtract(prediction, target, out=out)
        value = np.vdot(gradient, gradient) / gradient.size
        gradient *= 2 / gradient.size
        if out is None:
            return value, gradient
        self.count += 1
        if self.count in self.calls:
            value = self.spoil(value, gradient)
        return value, gradient


def infinite_loss(value, gradient):
    return np.inf


def nan_gradient(value, gradient):
    gradient[0, 0] = np.nan
    return value


def exploded(value, gradient):
    return 1e3 * value


@pytest.mark.parametrize("spoil", [infinite_loss, nan_gradient, exploded])
@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_training_goes_on_from_the_last_good_parameters(spoil, ema_decay):
    X, y = data()
    loss = SpoiledLoss({40, 90}, spoil)
    with pytest.warns(
        ConvergenceWarning, match=r"in epochs 14, 3\d and .* 0\.005 in the end"
    ) as record:
        result = train(
            network(),
            X,
            y,
            np.random.default_rng(0),
            loss=loss,
            batch_size=20,
            ema_decay=ema_decay,
            learning_rate=0.02,
        )
    assert len(record) == 1
    assert result.n_iter == 200
    assert result.loss_curve[-1] < 1e-2 * result.loss_curve[0]
    assert np.isfinite(result.theta).all()


def test_hopeless_training_ends_with_what_happened():
    X, y = data()
    with pytest.raises(
        FloatingPointError,
        match=r"Training diverged in epochs 1, 2, 3, 4, 5, 6 of 9: the loss is .* \(best before: none\) with "
        r"learning_rate=0.003, halved 5 times. Lower learning_rate",
    ):
        train(network(), 1e200 * X, y, np.random.default_rng(0), max_iter=9)


def test_a_much_too_large_learning_rate_is_survived():
    X, y = data()
    with pytest.warns(ConvergenceWarning, match="Training diverged in epoch"):
        result = train(network(), X, y, np.random.default_rng(0), learning_rate=3.0, warmup=0.0)
    assert result.loss_curve[-1] < result.loss_curve[0]


def test_lbfgs_says_when_the_loss_is_not_finite():
    X, y = data()
    with pytest.raises(
        FloatingPointError, match=r"L-BFGS diverged in iteration 1: .*solver='adam'"
    ):
        train(network(), 1e200 * X, y, np.random.default_rng(0), solver="lbfgs")


def test_the_guard_restores_everything_a_step_changes():
    theta, optimiser = np.zeros(3), Adam(3, np.float64)
    average = Average(np.zeros(3), 0.5)
    guard = Guard(theta, optimiser, average, 0.1)
    states = []
    for epoch in range(1, 4):
        optimiser.step(theta, np.arange(3.0), 0.1)
        average.update(theta)
        guard.check(epoch, 1.0, 10)
        states.append((theta.copy(), optimiser.moments.copy(), average.vector.copy()))
    for epoch in range(4, 4 + MAX_RESTARTS):
        optimiser.step(theta, np.full(3, np.nan), 0.1)
        average.update(theta)
        guard.check(epoch, np.nan, 10)
        # back to the epoch before the last: the last may have ended with the fatal step
        for now, then in zip((theta, optimiser.moments, average.vector), states[1], strict=True):
            np.testing.assert_array_equal(now, then)
        assert optimiser.t == 2
        assert average.weight == 1.5
        assert guard.factor == 0.5 ** (epoch - 3)
    with pytest.raises(
        FloatingPointError,
        match=r"in epochs 4, 5, 6, 7, 8, 9 of 10: the loss is nan \(best before: 1\)",
    ):
        guard.check(9, np.nan, 10)


@pytest.mark.parametrize("curve", [[1, 0.1, 0.9, 0.01], [1, 1e-12, 9e-3, 1e-9], [0.0, 0.0]])
def test_ordinary_ups_and_downs_are_let_pass(curve):
    guard = Guard(np.zeros(1), Adam(1, np.float64), None, 0.1)
    for epoch, loss in enumerate(curve, 1):
        guard.check(epoch, loss, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        guard.warn()
    assert guard.factor == 1
