"""Derivatives of predictions, exact to rounding, and fits to derivatives."""

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV

import fastemlp.training.objective
from fastemlp import EquivariantRidge, FastEMLPRegressor
from fastemlp.groups import SO, Lorentz, O
from fastemlp.nn import EMLP, MLP
from fastemlp.nn.network import TILE
from fastemlp.reps import Scalar, V
from fastemlp.testing import equivariance_error
from fastemlp.training import DerivativeError, train
from fastemlp.training.losses import SquaredError
from fastemlp.training.objective import DerivativeObjective

pytestmark = pytest.mark.filterwarnings("ignore:.*hardly more than a constant:UserWarning")

SMALL = {
    "polynomial": None,
    "kernel": None,
    "channels": 32,
    "n_layers": 2,
    "max_iter": 20,
    "random_state": 0,
}
#: Group, inputs, outputs: one output, several, more outputs than inputs, a group that preserves no length, no group.
CASES = [
    (O(3), 3 * V + 2 * Scalar, Scalar),
    (SO(3), 2 * V + Scalar, V + 2 * Scalar),
    (O(3), V + Scalar, 2 * V),
    (Lorentz(), 3 * V, V + Scalar),
    (None, 5 * Scalar, 3 * Scalar),
]


def differences(function, x, h):
    """The derivative of a function of samples by central differences of order eight, (n, n_out, n_in)."""
    weights = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
    columns = []
    for j in range(x.shape[1]):
        step = np.zeros(x.shape[1])
        step[j] = h
        terms = (c * (function(x + k * step) - function(x - k * step)) for k, c in weights.items())
        columns.append(sum(terms) / h)
    return np.stack([c.reshape(len(x), -1) for c in columns], axis=-1)


def data(rep_in, rep_out, group, n=100, seed=0):
    rng = np.random.default_rng(seed)
    sizes = [rep(group).size() if group else rep.size() for rep in (rep_in, rep_out)]
    X = rng.standard_normal((n, sizes[0]))
    Y = np.sum(X * X, 1, keepdims=True) * rng.standard_normal((n, sizes[1]))
    return X, Y


def fitted(group, rep_in, rep_out, **options):
    X, Y = data(rep_in, rep_out, group)
    model = FastEMLPRegressor(group, rep_in=rep_in, rep_out=rep_out, **{**SMALL, **options})
    return model.fit(X, Y), X


def invariant(n, seed=0):
    """A function of two vectors, and its derivative: a·b + a·a b·b / 4 + sin(a·a)."""
    X = np.random.default_rng(seed).standard_normal((n, 6))
    a, b = X[:, :3], X[:, 3:]
    ab, aa, bb = ((u * v).sum(1, keepdims=True) for u, v in ((a, b), (a, a), (b, b)))
    y = ab + aa * bb / 4 + np.sin(aa)
    return X, y.ravel(), np.hstack([b + a * bb / 2 + 2 * np.cos(aa) * a, a + b * aa / 2])


def explained(expected, found):
    return 1 - np.sum((expected - found) ** 2) / np.sum((expected - expected.mean(0)) ** 2)


@pytest.mark.parametrize("case", CASES)
def test_a_jacobian_is_that_of_differences_of_predictions(case):
    model, X = fitted(*case)
    J = model.jacobian(X)
    assert J.shape == (len(X), model.rep_out_.size(), model.rep_in_.size())
    assert J.dtype == np.float64
    size = np.abs(J).max()
    np.testing.assert_allclose(J, differences(model.predict, X, 4e-3), rtol=0, atol=1e-10 * size)
    plain = [
        (model.predict(X + e) - model.predict(X - e)) / 2e-5 for e in 1e-5 * np.eye(X.shape[1])
    ]
    plain = np.stack([p.reshape(J.shape[:2]) for p in plain], axis=-1)
    np.testing.assert_allclose(J, plain, rtol=0, atol=1e-6 * size)


def narrowed(model):
    """The model with predictions limited to much less than the training targets."""
    model._training_range = replace(model._training_range, factor=1e-3)
    return model


@pytest.mark.parametrize("scale", [1.0, 3.0])
@pytest.mark.parametrize("case", CASES)
def test_so_it_is_where_predictions_are_limited(case, scale):
    model, X = fitted(*case)
    X = scale * X
    free = model.jacobian(X)
    J = narrowed(model).jacobian(X)
    touched = np.abs(J - free).max(axis=(1, 2)) > 0
    assert touched.mean() > 0.3
    error = np.abs(J - differences(model.predict, X, 2e-3)).max(axis=(1, 2)) / np.abs(J).max()
    # but where the steps cross a bound, as they do for a few samples
    assert np.mean(error < 1e-10) > 0.9
    np.testing.assert_allclose(model.jacobian(X[:1]), J[:1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("group", "rep_in", "rep_out"), CASES[:4])
def test_a_jacobian_of_a_network_is_that_of_its_passes(group, rep_in, rep_out):
    network = EMLP(rep_in, rep_out, group, channels=20, n_layers=2, dtype=np.float64)
    rng = np.random.default_rng(0)
    theta, x = network.init(rng), rng.standard_normal((TILE + 7, network.rep_in.size()))
    y, J = network.jacobian(theta, x)
    np.testing.assert_array_equal(y.shape, (len(x), network.rep_out.size()))
    z, backward = network.forward(theta, x)
    np.testing.assert_allclose(y, z, rtol=1e-12, atol=1e-12)
    v, u = rng.standard_normal(x.shape), rng.standard_normal(y.shape)
    along = network.tangent(theta, x, v)[1]
    np.testing.assert_allclose(np.einsum("nkj,nj->nk", J, v), along, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(
        np.einsum("nkj,nk->nj", J, u), backward(u)[0], rtol=1e-10, atol=1e-10
    )
    with pytest.raises(ValueError, match=r"Network.jacobian: x must be of shape \(batch, "):
        network.jacobian(theta, x[:, 1:])


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("case", CASES[:4])
def test_jacobians_are_equivariant(case, limited):
    model, X = fitted(*case)
    model = narrowed(model) if limited else model
    dual = model.rep_out_ * model.rep_in_.T

    def jacobian(x):
        return model.jacobian(x).reshape(len(x), -1)

    assert equivariance_error(jacobian, model.rep_in_, dual, 2 * X, random_state=0) < 1e-10


def test_the_gradient_of_an_invariant_transforms_as_the_dual():
    model, X = fitted(Lorentz(), 3 * V, Scalar)
    dual = model.rep_in_.T
    assert equivariance_error(model.gradient, model.rep_in_, dual, X, random_state=0) < 1e-10


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_bits_with_any_number_of_threads(monkeypatch, dtype):
    X, y, dy = (a.astype(dtype) for a in invariant(3 * TILE + 5))
    found = []
    for n in (1, 2, 3):
        monkeypatch.setattr(fastemlp.training.objective, "n_threads", lambda n=n: n)
        model = FastEMLPRegressor(O(3), **{**SMALL, "max_iter": 5, "batch_size": 200})
        model.fit(X, y, dy=dy)
        monkeypatch.setattr("fastemlp._threads.n_threads", lambda n=n: n)
        found.append((model.theta_, model.gradient(X), model.jacobian(X)))
        assert all(a.dtype == dtype for a in found[-1])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_single_precision_agrees_with_double():
    X, y, dy = invariant(100)
    model = FastEMLPRegressor(O(3), **SMALL).fit(X, y, dy=dy)
    twin = pickle.loads(pickle.dumps(model))
    twin.network_ = EMLP(
        model.rep_in_, Scalar, O(3), 32, 2, dtype=np.float32, random_state=_architecture(0)
    )
    twin.theta_ = model.theta_.astype(np.float32)
    twin.scaler_in_, twin.scaler_out_ = (
        type(s)(s.shift.astype(np.float32), s.scale.astype(np.float32))
        for s in (model.scaler_in_, model.scaler_out_)
    )
    expected, found = model.gradient(X), twin.gradient(X.astype(np.float32))
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def _architecture(seed):
    return np.random.default_rng(np.random.RandomState(seed).randint(2**31 - 1))


@pytest.mark.parametrize(
    ("rep_in", "rep_out", "degree"),
    [
        (3 * V + 2 * Scalar, 2 * V + Scalar, 3),
        (2 * V, V**2, 4),
        (V + V**2, Scalar, 3),
        (2 * Scalar, V, 2),
    ],
)
def test_derivatives_of_polynomials_are_exact(rep_in, rep_out, degree):
    X, Y = data(rep_in, rep_out, SO(3), 60)
    if rep_out == V:
        X, Y = np.hstack([X, Y]), Y
        rep_in = rep_in + V
    model = EquivariantRidge(SO(3), rep_in=rep_in, rep_out=rep_out, degree=degree, alphas=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, Y)
    J = model.jacobian(X)
    expected = differences(model.predict, X, 0.05)
    np.testing.assert_allclose(J, expected, rtol=0, atol=1e-11 * np.abs(J).max())
    assert model.jacobian(X.astype(np.float32)).dtype == np.float32
    if J.shape[1] == 1:
        np.testing.assert_array_equal(model.gradient(X), J[:, 0])


def test_inputs_are_checked_as_those_of_predict():
    X, y, dy = invariant(40)
    model = FastEMLPRegressor(O(3), **SMALL)
    for derivative in (model.jacobian, model.gradient):
        with pytest.raises(NotFittedError):
            derivative(X)
    model.fit(X, y, dy=dy)
    np.testing.assert_array_equal(model.gradient(X[:3].tolist()), model.gradient(X[:3]))
    assert model.gradient(X[:1]).shape == (1, 6)
    with pytest.raises(ValueError, match="X has 5 features, but FastEMLPRegressor is expecting 6"):
        model.jacobian(X[:, :5])
    with pytest.raises(ValueError, match="NaN"):
        model.gradient(np.full((2, 6), np.nan))
    with pytest.warns(
        UserWarning, match=r"FastEMLPRegressor.jacobian: 1 of 2 derivatives of predictions are not"
    ):
        model.gradient(np.vstack([X[:1], 1e200 * X[:1]]))
    several, X = fitted(O(3), 2 * V, V + Scalar)
    with pytest.raises(
        ValueError,
        match=r"FastEMLPRegressor.gradient: expected a model of one output, this one has 4\. "
        r"Use jacobian\(X\), of shape \(n_samples, 4, n_features\)",
    ):
        several.gradient(X)


@pytest.mark.parametrize(("group", "rep_in", "rep_out"), CASES)
@pytest.mark.parametrize("n", [1, 60, 150])
def test_the_gradient_of_the_loss_of_derivatives_is_exact(group, rep_in, rep_out, n):
    rng = np.random.default_rng(0)
    if group is None:
        network = MLP(rep_in.size(), rep_out.size(), 12, 2, dtype=np.float64)
        weights = None
    else:
        network = EMLP(rep_in, rep_out, group, 20, 2, dtype=np.float64)
        weights = {"V0": 3.0} if rep_out == V + Scalar else None
    n_in, n_out = network.rep_in.size(), network.rep_out.size()
    X, y, slope = (rng.standard_normal((n, *s)) for s in ((n_in,), (n_out,), (n_out, n_in)))
    if n > 1:
        slope[3], slope[5, 0, 1] = np.nan, np.nan
    weight = rng.uniform(0.5, 1.5, n)
    slope_loss = DerivativeError(slope, weight, 0.7, network.rep_out, weights)
    loss = SquaredError(network.rep_out, weights)
    with DerivativeObjective(network, loss, rng, n, slope_loss) as objective:
        batch = X, y, weight, slope
        value = objective.value_and_gradient(*batch)
        theta, gradient = objective.theta.copy(), objective.gradient.copy()
        assert value == pytest.approx(objective.value(theta, *batch), rel=1e-12)
        step = rng.standard_normal(len(theta))
        near, far = (
            objective.value(theta + t * step, *batch) - objective.value(theta - t * step, *batch)
            for t in (1e-4, 2e-4)
        )
        expected = (8 * near - far) / (12e-4)
        assert np.vdot(gradient, step) == pytest.approx(expected, rel=1e-6, abs=1e-7)


def test_derivatives_of_zero_cost_the_weight_of_each():
    rng = np.random.default_rng(0)
    slope, weight = rng.standard_normal((50, 4, 6)), rng.uniform(0.1, 2, 50)
    weight /= weight.mean()
    slope[::3, 1] = np.nan
    for rep, types in ((None, None), ((V + Scalar)(O(3)), {"V": 5})):
        loss = DerivativeError(slope, weight, 0.3, rep, types)
        parts = [loss(k, 0 * slope[:, 0], slope[:, k], weight)[0] for k in range(4)]
        assert sum(parts) == pytest.approx(6 * 0.3)
        assert loss.power == pytest.approx(6 * 0.3)
    nothing = DerivativeError(0 * slope, weight, 0.3)
    assert nothing.power == 0.0


@pytest.mark.parametrize("seed", range(2))
def test_derivatives_and_values_together_are_better_than_values(seed):
    X, y, dy = invariant(600, seed)
    few, test = slice(0, 40), slice(100, None)
    options = {**SMALL, "max_iter": 1000, "random_state": seed}
    scores = []
    for slopes in (None, dy[few]):
        model = FastEMLPRegressor(O(3), **options).fit(X[few], y[few], dy=slopes)
        scores.append(
            (
                explained(y[test], model.predict(X[test])),
                explained(dy[test], model.gradient(X[test])),
            )
        )
    (value, slope), (value_too, slope_too) = scores
    assert 1 - value_too < 0.7 * (1 - value)
    assert 1 - slope_too < 0.7 * (1 - slope)


def test_several_outputs_learn_from_their_jacobian():
    X = np.random.default_rng(0).standard_normal((400, 6))
    a, b = X[:, :3], X[:, 3:]
    Y = a * (b * b).sum(1, keepdims=True)
    J = np.zeros((400, 3, 6))
    J[:, range(3), range(3)] = (b * b).sum(1, keepdims=True)
    J[:, :, 3:] = 2 * a[:, :, None] * b[:, None, :]
    few, test = slice(0, 20), slice(100, None)
    scores = []
    for slopes in (None, J[few]):
        model = FastEMLPRegressor(O(3), rep_out=V, **{**SMALL, "max_iter": 600})
        model.fit(X[few], Y[few], dy=slopes)
        scores.append((model.score(X[test], Y[test]), explained(J[test], model.jacobian(X[test]))))
    assert scores[1][0] > scores[0][0]
    assert scores[1][1] > scores[0][1]
    assert min(scores[1]) > 0.9


def test_units_do_not_matter():
    X, y, dy = invariant(60)
    options = {**SMALL, "max_iter": 10}
    model = FastEMLPRegressor(O(3), **options).fit(X, y, dy=dy)
    # powers of two: the scaled data are the same to the last bit
    other = FastEMLPRegressor(O(3), **options).fit(X / 8, 32 * y, dy=256 * dy)
    np.testing.assert_array_equal(other.theta_, model.theta_)
    np.testing.assert_array_equal(other.gradient(X / 8), 256 * model.gradient(X))


def test_derivatives_may_be_known_for_some_samples_only():
    X, y, dy = invariant(60)
    partly = dy.copy()
    partly[20:] = np.nan
    model = FastEMLPRegressor(O(3), **SMALL).fit(X, y, dy=partly)
    assert np.isfinite(model.loss_curve_).all()
    with_them = explained(dy[20:], model.gradient(X[20:]))
    without = FastEMLPRegressor(O(3), **SMALL).fit(X, y)
    assert with_them > explained(dy[20:], without.gradient(X[20:]))


@pytest.mark.parametrize("solver", ["adamw", "lbfgs"])
def test_a_weight_of_two_counts_like_two_samples(solver):
    X, y, dy = invariant(30)
    options = {**SMALL, "solver": solver, "weight_decay": 0.01, "batch_size": 100}
    weight = np.where(np.arange(30) < 10, 2.0, 1.0)
    twice = np.r_[0:30, 0:10]
    a = FastEMLPRegressor(O(3), **options).fit(X, y, weight, dy=dy)
    b = FastEMLPRegressor(O(3), **options).fit(X[twice], y[twice], dy=dy[twice])
    np.testing.assert_allclose(a.loss_curve_[:5], b.loss_curve_[:5], rtol=1e-6)
    # a sample of weight 0 counts like none
    more = (np.vstack([X, X[:3] + 1]), np.r_[y, y[:3]], np.r_[weight, 0, 0, 0])
    c = FastEMLPRegressor(O(3), **options).fit(*more, dy=np.vstack([dy, dy[:3] + 1]))
    np.testing.assert_array_equal(c.theta_, a.theta_)


@pytest.mark.parametrize("options", [{}, {"ema_decay": 0.9}, {"solver": "lbfgs"}])
def test_validation_counts_derivatives(options):
    X, y, dy = invariant(120)
    network = EMLP(2 * V, Scalar, O(3), 16, 1, dtype=np.float64)
    y, dy = y[:, None] / y.std(), dy[:, None] / y.std()
    loss = DerivativeError(dy[:80], None, 2.0)
    result = train(
        network,
        X[:80],
        y[:80],
        np.random.default_rng(0),
        dy=dy[:80],
        dy_loss=loss,
        validation=(X[80:], y[80:], None, dy[80:]),
        max_iter=15,
        **options,
    )
    found, J = network.jacobian(result.theta, X[80:])
    expected = np.mean((found - y[80:]) ** 2) + loss(0, J[:, 0], dy[80:, 0])[0]
    assert min(result.validation_curve) == pytest.approx(expected, rel=1e-12)
    assert result.loss_curve[-1] < result.loss_curve[0]


def test_early_stopping_and_the_first_loss():
    X, y, dy = invariant(200)
    options = {**SMALL, "gradient_weight": 0.5, "early_stopping": True, "max_iter": 200}
    model = FastEMLPRegressor(O(3), **options).fit(X, y, dy=dy)
    assert len(model.validation_curve_) == model.n_iter_
    # the target and six derivatives of half its weight each begin at the order of one
    assert 1.0 < model.loss_curve_[0] < 12.0
    assert model.loss_curve_[-1] < 0.5 * model.loss_curve_[0]


class SpoiledError(DerivativeError):
    """Infinite at one step."""

    steps = 0

    def __call__(self, *args, **options):
        self.steps += 1
        value, gradient = super().__call__(*args, **options)
        return (np.inf if self.steps == 40 else value), gradient


def test_a_divergence_of_derivatives_is_undone():
    X, y, dy = invariant(60)
    y, dy = y[:, None] / y.std(), dy[:, None] / y.std()
    network = EMLP(2 * V, Scalar, O(3), 16, 1, dtype=np.float64)
    with pytest.warns(ConvergenceWarning, match="diverged in epoch 40"):
        result = train(
            network,
            X,
            y,
            np.random.default_rng(0),
            dy=dy,
            dy_loss=SpoiledError(dy),
            max_iter=60,
        )
    assert np.isfinite(result.theta).all()
    assert result.loss_curve[-1] < result.loss_curve[0]


def test_constant_targets_of_known_slope_are_trained():
    X, _, dy = invariant(40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = FastEMLPRegressor(O(3), **SMALL).fit(X, np.ones(40), dy=dy)
        flat = FastEMLPRegressor(O(3), **SMALL).fit(X, np.ones(40), dy=0 * dy)
    assert model.n_iter_ == 20
    assert model.gradient(X).any()
    assert flat.n_iter_ == 1
    assert not flat.gradient(X).any()


def test_a_single_sample_with_its_derivative():
    X, y, dy = invariant(1)
    model = FastEMLPRegressor(O(3), **{**SMALL, "max_iter": 2000}).fit(X, y, dy=dy)
    np.testing.assert_allclose(model.predict(X), y, rtol=0, atol=1e-2 * np.abs(dy).max())
    np.testing.assert_allclose(model.gradient(X), dy, rtol=0, atol=1e-2 * np.abs(dy).max())


def test_without_derivatives_their_weight_changes_nothing():
    X, y, _ = invariant(50)
    a, b = (FastEMLPRegressor(O(3), gradient_weight=w, **SMALL).fit(X, y) for w in (1.0, 7.0))
    np.testing.assert_array_equal(a.theta_, b.theta_)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda dy: dy[:-1],
            r"FastEMLPRegressor.fit: dy must be the derivative of y with respect to X, of shape "
            r"\(n_samples, n_features\) = \(30, 6\), got \(29, 6\)\. Pass one number",
        ),
        (lambda dy: dy[:, :5], r"= \(30, 6\), got \(30, 5\)"),
        (lambda dy: dy.ravel(), r"= \(30, 6\), got \(180,\)"),
        (lambda dy: dy[:, :, None], r"= \(30, 6\), got \(30, 6, 1\)"),
        (lambda dy: np.full_like(dy, np.inf), "Input dy contains infinity"),
        (lambda dy: dy * np.nan, "dy must be known somewhere, got NaN throughout. Leave dy out"),
        (lambda dy: dy * 1j, "Complex data not supported"),
        (lambda dy: np.full(dy.shape, "a"), "could not convert string"),
    ],
)
def test_a_bad_derivative_is_refused(change, match):
    X, y, dy = invariant(30)
    model = FastEMLPRegressor(O(3), **SMALL).fit(X, y)
    theta = model.theta_
    with pytest.raises(ValueError, match=match):
        model.fit(X, y, dy=change(dy))
    assert model.theta_ is theta


def test_derivatives_of_several_outputs_have_three_axes():
    X, Y = data(2 * V, V, O(3), 20)
    model = FastEMLPRegressor(O(3), rep_out=V, **SMALL)
    with pytest.raises(
        ValueError,
        match=r"of shape \(n_samples, n_outputs, n_features\) = \(20, 3, 6\), got \(20, 6\)",
    ):
        model.fit(X, Y, dy=X)
    with pytest.raises(ValueError, match="gradient_weight must be a number ≥ 0, got -1"):
        FastEMLPRegressor(O(3), gradient_weight=-1).fit(X, Y)


def test_pandas_clones_pickles_and_searches():
    pandas = pytest.importorskip("pandas")
    X, y, dy = invariant(40)
    model = FastEMLPRegressor(O(3), gradient_weight=2.0, **SMALL).fit(X, y, dy=dy)
    expected = model.gradient(X)
    names = [f"x{j}" for j in range(6)]
    frame = pandas.DataFrame(X, columns=names)
    again = clone(model).fit(frame, pandas.Series(y), dy=pandas.DataFrame(dy, columns=names))
    np.testing.assert_array_equal(again.gradient(frame), expected)
    again = clone(model).fit(X, y[:, None], dy=dy[:, None].tolist())
    np.testing.assert_array_equal(again.gradient(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).gradient(X), expected)
    search = GridSearchCV(clone(model), {"gradient_weight": [0.5, 2.0]}, cv=2)
    assert search.fit(X, y, dy=dy).best_estimator_.gradient(X).shape == dy.shape


def test_derivatives_are_learned_under_a_group_that_preserves_no_length():
    X = np.random.default_rng(0).standard_normal((60, 8))
    metric = np.diag([1.0, -1.0, -1.0, -1.0])
    a, b = X[:, :4], X[:, 4:]
    y = np.einsum("ni,ij,nj->n", a, metric, b)
    model = FastEMLPRegressor(Lorentz(), **{**SMALL, "max_iter": 200})
    model.fit(X, y, dy=np.hstack([b @ metric, a @ metric]))
    assert explained(np.hstack([b @ metric, a @ metric]), model.gradient(X)) > 0.9


def quick(group, rep_out=None):
    return FastEMLPRegressor(group, rep_out=rep_out, **{**SMALL, "max_iter": 2})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda X, dy: dy[:, ::-1],
        lambda X, dy: np.hstack([dy[:, 3:], dy[:, :3]]),
        lambda X, dy: np.random.default_rng(1).permutation(dy),
        lambda X, dy: dy @ np.kron(np.eye(2), np.diag([1.0, 1.0, -1.0])),
    ],
)
def test_derivatives_that_no_invariant_has_are_told(spoil):
    X, y, dy = invariant(60)
    with pytest.warns(
        UserWarning,
        match=r"FastEMLPRegressor.fit: dy contradicts the symmetry: as SO\(3\) moves X, y .* off by "
        r"\d+% of what unrelated derivatives give\. Pass the derivative of y with respect to the columns",
    ):
        quick(SO(3)).fit(X, y, dy=spoil(X, dy))


@pytest.mark.filterwarnings("error:.*contradicts:UserWarning")
def test_derivatives_that_fit_the_symmetry_are_not():
    X, y, dy = invariant(60)
    noise = np.random.default_rng(1).standard_normal(dy.shape)
    partly = dy + 0.2 * dy.std() * noise
    partly[7:, 3] = np.nan
    for good in (dy, 1e-3 * dy, partly, 0 * dy):
        quick(SO(3)).fit(X, y, dy=good)
    a, b = X[:, :3], X[:, 3:]
    J = np.zeros((60, 3, 6))
    J[:, range(3), range(3)] = (b * b).sum(1, keepdims=True)
    J[:, :, 3:] = 2 * a[:, :, None] * b[:, None, :]
    quick(O(3), V).fit(X, a * (b * b).sum(1, keepdims=True), dy=J)
    with pytest.warns(UserWarning, match="contradicts the symmetry: as O"):
        quick(O(3), V).fit(
            X, a * (b * b).sum(1, keepdims=True), dy=J.swapaxes(1, 2).reshape(J.shape)
        )
    # nothing to tell by: no Lie algebra, or no group
    quick("S(6)").fit(X, y, dy=dy)
    quick(None).fit(X, y, dy=dy[:, ::-1])
