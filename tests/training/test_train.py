"""Training runs: they fit, stop, average, repeat, and weigh samples."""

import tracemalloc
from itertools import product

import numpy as np
import pytest
from scipy.stats import ortho_group

from fastemlp.groups import O
from fastemlp.nn import EMLP, MLP, Workspace
from fastemlp.reps import Scalar, V
from fastemlp.training import SCHEDULES, SOLVERS, Huber, descent, train
from fastemlp.training.batches import Batches
from fastemlp.training.losses import squared_error
from fastemlp.training.optimisers import Adam


def linear_data(n=60, dtype=np.float64):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 4)).astype(dtype)
    return X, (X @ rng.standard_normal((4, 2))).astype(dtype)


def small_network(dtype=np.float64):
    return MLP(4, 2, channels=16, n_layers=1, dtype=dtype)


def run(X, y, seed=0, dtype=np.float64, **options):
    return train(small_network(dtype), X, y, np.random.default_rng(seed), **options)


@pytest.mark.parametrize("batch_size", [1, 3, 4, 7, 10, 11, 100])
def test_an_epoch_holds_every_sample_once(batch_size):
    X = np.arange(30.0).reshape(10, 3)
    batches = Batches((X, X[:, :1], X[:, 0]), batch_size)
    for _ in range(2):
        found = [[a.copy() for a in batch] for batch in batches.epoch(np.random.default_rng(0))]
        sizes = [len(x) for x, _, _ in found]
        assert len(batches) == len(found) == -(-10 // batch_size)
        assert max(sizes) == batches.size <= batch_size
        assert max(sizes) - min(sizes) <= 1
        rows = np.concatenate([x for x, _, _ in found])
        np.testing.assert_array_equal(rows[np.argsort(rows[:, 0])], X)
        for x, y, w in found:
            np.testing.assert_array_equal(np.c_[y, w], x[:, [0, 0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("solver", "schedule"), [*product(SOLVERS[:2], SCHEDULES), ("lbfgs", "cosine")]
)
def test_training_fits_and_keeps_precision(solver, schedule, dtype):
    X, y = linear_data(dtype=dtype)
    result = run(X, y, dtype=dtype, solver=solver, schedule=schedule, batch_size=20)
    assert result.loss_curve[-1] < 1e-2 * result.loss_curve[0]
    assert result.n_iter == len(result.loss_curve) <= 200
    assert result.theta.dtype == dtype


@pytest.mark.parametrize("solver", SOLVERS)
def test_same_seed_same_bits(solver):
    X, y = linear_data()
    weight = np.linspace(0.1, 1, 60)
    options = {"solver": solver, "max_iter": 20, "batch_size": 7, "sample_weight": weight}
    a, b = (run(X, y, 5, ema_decay=0.9, **options) for _ in range(2))
    np.testing.assert_array_equal(a.theta, b.theta)
    assert a.loss_curve == b.loss_curve


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_validation_stops_early_and_returns_the_best(solver, ema_decay):
    X, y = linear_data()
    held_out = (X[:10], np.random.default_rng(0).standard_normal((10, 2)))  # nothing to learn there
    result = run(
        X,
        y,
        solver=solver,
        ema_decay=ema_decay,
        validation=held_out,
        max_iter=300,
        n_iter_no_change=10,
        learning_rate=0.01,
    )
    assert result.n_iter == len(result.validation_curve) < 300
    value, _ = squared_error(small_network()(result.theta, held_out[0]), held_out[1])
    assert value == pytest.approx(min(result.validation_curve), rel=1e-6)


def test_validation_weighs_samples():
    X, y = linear_data()
    weight = np.linspace(0, 1, 10)
    result = run(X, y, validation=(X[:10], y[:10], weight), max_iter=3)
    errors = (small_network()(result.theta, X[:10]) - y[:10]) ** 2
    assert result.validation_curve[-1] == pytest.approx(np.average(errors.mean(1), weights=weight))


def test_the_average_is_returned_in_place_of_the_parameters():
    X, y = linear_data()
    options = {"max_iter": 8, "batch_size": 60, "schedule": "constant"}
    # decay 0 averages over the last step alone
    last, same = (run(X, y, ema_decay=d, **options).theta for d in (None, 0.0))
    np.testing.assert_array_equal(last, same)
    # one step at a time, the schedule's progress apart: warm-up 0 makes all rates equal
    steps = [run(X, y, warmup=0.0, **{**options, "max_iter": n}).theta for n in range(1, 9)]
    averaged = run(X, y, warmup=0.0, ema_decay=0.5, **options).theta
    weights = 0.5 ** np.arange(8)[::-1]
    np.testing.assert_allclose(averaged, weights @ steps / weights.sum(), rtol=1e-10, atol=1e-12)


def _rise(curve):
    """The largest of a curve over its running minimum."""
    return np.max(curve / np.minimum.accumulate(curve))


@pytest.mark.parametrize("seed", [0, 3])
def test_the_loss_of_averaged_parameters_has_no_spikes(seed, monkeypatch):
    monkeypatch.setattr(descent, "STEPS_PER_MEASURED", 1)  # after every epoch
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((64, 6))
    y = np.sin(X[:, :3] * X[:, 3:]).sum(1, keepdims=True)
    last, averaged = (
        train(
            MLP(6, 1, channels=32, n_layers=2, dtype=np.float64),
            X,
            y,
            np.random.default_rng(seed),
            learning_rate=0.01,
            max_iter=1500,
            ema_decay=decay,
        ).loss_curve
        for decay in (None, "auto")
    )
    assert _rise(last) > 30
    assert _rise(averaged) < 3
    assert averaged[-1] < 1.1 * last[-1]


def test_the_loss_of_averaged_parameters_is_that_of_the_result():
    X, y = linear_data()
    result = run(X, y, ema_decay=0.9, max_iter=8, batch_size=20)
    value, _ = squared_error(small_network()(result.theta, X), y)
    assert result.loss_curve[-1] == pytest.approx(value, rel=1e-12)
    # the first epoch, the sixth and the last are measured
    assert len(result.loss_curve) == 8
    assert len(set(result.loss_curve)) == 3


def test_of_many_samples_some_are_measured_after_every_epoch(monkeypatch):
    monkeypatch.setattr(descent, "MOST_MEASURED", 10)
    X, y = linear_data()
    result = run(X, y, ema_decay=0.9, max_iter=8)
    value, _ = squared_error(small_network()(result.theta, X[::6]), y[::6])
    assert result.loss_curve[-1] == pytest.approx(value, rel=1e-12)
    assert len(set(result.loss_curve)) == 8


def test_an_average_does_not_put_off_the_end_of_training():
    X, y = linear_data()
    options = {"max_iter": 2000, "enough": 1e-3}
    last, averaged = (run(X, y, ema_decay=d, **options) for d in (None, "auto"))
    assert last.n_iter == averaged.n_iter < 2000
    np.testing.assert_array_equal(last.theta, averaged.theta)


def test_few_steps_are_not_averaged():
    X, y = linear_data()
    last, same = (run(X, y, max_iter=20, ema_decay=d).theta for d in (None, "auto"))
    np.testing.assert_array_equal(last, same)


@pytest.mark.parametrize("solver", SOLVERS)
def test_in_one_batch_a_weight_is_as_many_copies(solver):
    X, y = linear_data(20)
    times = np.random.default_rng(0).integers(1, 4, 20)
    options = {"solver": solver, "max_iter": 20}
    weighted = run(X, y, sample_weight=7.0 * times, **options)
    repeated = run(X.repeat(times, axis=0), y.repeat(times, axis=0), **options)
    np.testing.assert_allclose(weighted.loss_curve, repeated.loss_curve, rtol=1e-8)
    np.testing.assert_allclose(weighted.theta, repeated.theta, rtol=1e-6)


def test_clipping_leaves_short_gradients_alone():
    X, y = linear_data()
    a, b = (run(X, y, max_iter=5, max_grad_norm=c).theta for c in (None, 1e6))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("bound", [1e-3, 1.0])
def test_clipping_makes_the_norm_of_a_long_gradient_the_bound(bound, monkeypatch):
    norms = []
    step = Adam.step

    def watched(self, theta, gradient, rate, scale):
        norms.append((np.linalg.norm(gradient), scale))
        step(self, theta, gradient, rate, scale)

    monkeypatch.setattr(Adam, "step", watched)
    X, y = linear_data()
    run(X, y, max_iter=50, max_grad_norm=bound)
    norms, scales = np.array(norms).T
    np.testing.assert_allclose(norms * scales, np.minimum(norms, bound), rtol=1e-12)


def test_huber_forgives_an_outlier():
    X, y = linear_data()
    dirty = y.copy()
    dirty[7] = 100.0
    errors = []
    for loss in (squared_error, Huber(V(O(2)), 0.1)):
        result = run(X, dirty, loss=loss, max_iter=200, batch_size=20)
        prediction = small_network()(result.theta, X)
        errors.append(np.median(np.abs(prediction - y)))
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize("loss", [squared_error, Huber((Scalar + V)(O(3)), 0.3)])
def test_full_batch_training_does_not_see_the_frame(loss):
    # every copy of the data, seen from another frame, trains the same equivariant function
    rng = np.random.default_rng(0)
    rep_in, rep_out = (2 * V)(O(3)), (Scalar + V)(O(3))
    X = rng.standard_normal((30, 6))
    y = np.c_[(X[:, :3] * X[:, 3:]).sum(1), X[:, :3]]
    g = ortho_group.rvs(3, random_state=1)
    rho_in, rho_out = np.kron(np.eye(2), g), np.eye(4)
    rho_out[1:, 1:] = g
    network = EMLP(rep_in, rep_out, O(3), channels=20, n_layers=1, dtype=np.float64)
    curves = [
        train(
            network, X @ a.T, y @ b.T, np.random.default_rng(0), loss=loss, max_iter=15
        ).loss_curve
        for a, b in ((np.eye(6), np.eye(4)), (rho_in, rho_out))
    ]
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-8)


def test_a_step_allocates_nothing_that_grows_with_batch_or_parameters(monkeypatch):
    rng = np.random.default_rng(0)
    X, y, weight = rng.standard_normal((500, 30)), rng.standard_normal((500, 3)), np.ones(500)
    network = EMLP(10 * V, V, O(3), channels=200, n_layers=2, dtype=np.float64)
    peaks = []
    forward = Workspace.forward

    def watched(*arguments):
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.reset_peak()
        peaks[-1] -= tracemalloc.get_traced_memory()[0]
        return forward(*arguments)

    monkeypatch.setattr(Workspace, "forward", watched)
    tracemalloc.start()
    train(
        network,
        X,
        y,
        rng,
        sample_weight=weight,
        ema_decay=0.9,
        solver="adamw",
        max_iter=4,
        batch_size=100,
    )
    tracemalloc.stop()
    # the parameters are 100 kB, the activations megabytes; from the second epoch on everything is in place
    assert network.n_parameters > 10_000
    assert max(peaks[12:]) < 40_000


@pytest.mark.parametrize("solver", ["adamw", "lbfgs"])
def test_training_without_hope_is_given_up(solver):
    X, y = linear_data()
    seen = []

    def is_hopeless(epoch, theta):
        seen.append(epoch)
        return epoch == 3 and np.isfinite(theta).all()

    result = run(X, y, solver=solver, max_iter=9, is_hopeless=is_hopeless)
    assert result.n_iter == 3
    assert seen == [1, 2, 3]
