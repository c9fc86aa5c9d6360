"""Predictions stay within reach of the training data, and say so when they cannot be computed."""

import pickle
import warnings

import numpy as np
import pytest

from fastemlp import EquivariantRidge, FastEMLPRegressor
from fastemlp.estimators.training_range import (
    BEYOND,
    BEYOND_UNMEASURED,
    TrainingRange,
)
from fastemlp.groups import SL, SO, Group, Lorentz, O, S
from fastemlp.reps import Scalar, T, V, has_invariant_norm, objects
from fastemlp.testing import equivariance_error

SHEAR = Group(lie_algebra=[[[0.0, 1.0], [0.0, 0.0]]])


@pytest.mark.parametrize(
    ("rep", "expected"),
    [
        (Scalar, True),
        (V(O(3)), True),
        (T(2, 0, SO(4)), True),
        (V(S(5)), True),
        (V(SL(2)), False),
        (V(Lorentz()), False),
        (T(1, 1, SHEAR), False),
    ],
)
def test_which_types_have_an_invariant_norm(rep, expected):
    assert has_invariant_norm(rep) is expected


def fitted(rep_in, rep_out, rng, n=40):
    X, Y = rng.standard_normal((n, rep_in.size())), rng.standard_normal((n, rep_out.size()))
    return TrainingRange.fit(rep_in, X, rep_out, Y), X, Y


def test_what_is_in_reach_is_left_alone_and_the_rest_has_the_norm_of_the_bound():
    rep_in, rep_out = (2 * V + 3 * Scalar)(O(3)), (2 * V + 1 * V**2 + Scalar)(O(3))
    for seed in range(200):
        rng = np.random.default_rng(seed)
        found, X, Y = fitted(rep_in, rep_out, rng)
        assert found.factor == BEYOND
        x = X * rng.uniform(0.1, 3.0)
        y = rng.standard_normal((len(X), rep_out.size())) * 10.0 ** rng.uniform(-1, 4, (len(X), 1))
        short = found.shorten(x, y)
        reach = np.ones(len(x))
        for _, c in objects(rep_in):
            longest = np.linalg.norm(X[:, c], axis=2).max(0)
            reach = np.maximum(reach, (np.linalg.norm(x[:, c], axis=2) / longest).max(1))
        for _, c in objects(rep_out):
            bound = BEYOND * np.linalg.norm(Y[:, c], axis=2).max(0) * reach[:, None]
            before, after = (np.linalg.norm(z[:, c], axis=2) for z in (y, short))
            np.testing.assert_allclose(after, np.minimum(before, bound), rtol=1e-12)
            # the direction stays
            np.testing.assert_allclose(
                short[:, c] * before[..., None], y[:, c] * after[..., None], rtol=1e-9, atol=1e-12
            )
        assert found.shorten(X, Y) is Y
        one = found.shorten(x[:1], y[:1])
        np.testing.assert_allclose(one, short[:1], rtol=1e-13)


def test_types_without_an_invariant_norm_are_not_limited():
    rng = np.random.default_rng(0)
    found, X, Y = fitted((2 * V)(SL(2)), (V + Scalar)(SL(2)), rng)
    assert found.factor == BEYOND_UNMEASURED
    assert not found.inputs
    short = found.shorten(X, 1e6 * Y)
    scalar, vector = (
        next(c for kind, c in objects((V + Scalar)(SL(2))) if (kind == Scalar) is s)
        for s in (True, False)
    )
    np.testing.assert_array_equal(short[:, vector], 1e6 * Y[:, vector])
    assert np.abs(short[:, scalar]).max() <= BEYOND_UNMEASURED * np.abs(Y[:, scalar]).max() * (
        1 + 1e-12
    )


def angles(n, seed):
    X = np.random.default_rng(seed).standard_normal((n, 6))
    a, b = X[:, :3], X[:, 3:]
    cosine = np.sum(a * b, 1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return X, np.arccos(cosine)


@pytest.mark.parametrize("seed", range(5))
def test_predictions_of_an_angle_grow_linearly_at_most(seed):
    X, y = angles(300, seed)
    # steps large enough to overfit wildly
    model = FastEMLPRegressor(
        group=O(3),
        channels=32,
        max_iter=60,
        learning_rate=1e-2,
        weight_decay=0.0,
        random_state=seed,
    ).fit(X[:40], y[:40])
    bound = BEYOND * np.abs(y[:40] - y[:40].mean()).max() * (1 + 1e-9)
    longest = np.linalg.norm(X[:40].reshape(-1, 2, 3), axis=2).max(0)
    for scale in (1.0, 10.0, 1e3, 1e6):
        far = scale * X[40:]
        reach = np.maximum(1.0, (np.linalg.norm(far.reshape(-1, 2, 3), axis=2) / longest).max(1))
        assert np.all(np.abs(model.predict(far) - y[:40].mean()) <= bound * reach)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(10 * X), model.predict(10 * X))


def test_limited_predictions_are_equivariant():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 6))
    Y = X[:, :3] * np.sum(X[:, 3:] ** 2, 1, keepdims=True)
    model = FastEMLPRegressor(
        group=O(3),
        rep_out="V",
        polynomial=None,
        kernel=None,
        channels=32,
        max_iter=5,
        random_state=0,
    ).fit(X, Y)
    far = 500.0 * X
    raw = model.network_(model.theta_, model.scaler_in_.transform(far))
    assert np.abs(raw).max() > np.abs(model.scaler_out_.transform(model.predict(far))).max()
    assert equivariance_error(model.predict, model.rep_in_, model.rep_out_, far) < 1e-11


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predictions_that_overflow_are_told(dtype):
    X = np.random.default_rng(0).standard_normal((50, 6)).astype(dtype)
    y = np.sum(X * X, axis=1)
    huge = X.copy()
    huge[3] *= 1e30 if dtype == np.float32 else 1e250
    model = FastEMLPRegressor(group=O(3), channels=32, max_iter=2, random_state=0).fit(X, y)
    with pytest.warns(
        UserWarning,
        match=r"FastEMLPRegressor\.predict: 1 of 50 predictions are not finite.* sample 3",
    ):
        found = model.predict(huge)
    assert np.isfinite(np.delete(found, 3)).all()
    if dtype == np.float64:
        ridge = EquivariantRidge(O(3), degree=2).fit(X, y)
        with pytest.warns(
            UserWarning, match=r"EquivariantRidge\.predict: 1 of 50 predictions are not"
        ):
            ridge.predict(huge)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(100 * X)
