"""Threads: the same bits whatever their number, and no more of them than there is room for."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from joblib import Parallel, delayed
from threadpoolctl import threadpool_info, threadpool_limits

import fastemlp.training.objective
from fastemlp import FastEMLPRegressor
from fastemlp._threads import in_threads, n_cpus, n_threads, single_threaded_blas
from fastemlp.datasets import make_o5_synthetic
from fastemlp.groups import O
from fastemlp.nn import EMLP
from fastemlp.nn.network import TILE
from fastemlp.reps import Scalar, V
from fastemlp.training import train


def fitted(X, y):
    return FastEMLPRegressor(
        group=O(5), channels=48, batch_size=200, max_iter=8, random_state=0
    ).fit(X, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_bits_with_any_number_of_threads(monkeypatch, dtype):
    X, y = make_o5_synthetic(3 * TILE + 50, random_state=0)
    X, y = X.astype(dtype), y.astype(dtype)
    models = []
    for n in (1, 2, 3, 7):
        monkeypatch.setattr(fastemlp.training.objective, "n_threads", lambda n=n: n)
        models.append(fitted(X, y))
        monkeypatch.setattr("fastemlp._threads.n_threads", lambda n=n: n)
        models[-1].prediction = models[-1].predict(X)
    for other in models[1:]:
        np.testing.assert_array_equal(other.theta_, models[0].theta_)
        np.testing.assert_array_equal(other.prediction, models[0].prediction)


@pytest.mark.parametrize("batch", [1, 3, 200])
def test_the_same_bits_with_any_number_of_threads_for_blas(batch):
    network = EMLP(2 * V, Scalar, O(5), channels=2000, n_layers=2)
    rng = np.random.default_rng(0)
    theta = network.init(rng)
    x = rng.standard_normal((batch, 10)).astype(np.float32)
    found = []
    for n in (1, 2):
        with threadpool_limits(n, user_api="blas"):
            y, backward = network.forward(theta, x)
            found.append((y, *backward(np.ones_like(y)), network(theta, x)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_closed_forms_are_the_same_bits_with_any_number_of_threads_for_blas():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 10))
    a, b = X.reshape(-1, 2, 5).swapaxes(0, 1)
    y = np.sin(np.linalg.norm(a, axis=1) * np.sum(a * b, axis=1)) + 0.1 * rng.standard_normal(60)
    found = []
    for n in (1, 2):
        with threadpool_limits(n, user_api="blas"):
            model = FastEMLPRegressor(O(5), rep_in=2 * V, rep_out=Scalar, random_state=0)
            model.fit(X, y)
            assert model.closed_form_
            found.append((model.predict(X), str(model.closed_form_)))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize("batch_size", [47, 96, 192, 383])
def test_a_gradient_does_not_depend_on_how_a_batch_is_cut(monkeypatch, batch_size):
    # 383 samples make batches of 191 and 192, which are cut into 3 and 4 shares
    X, y = make_o5_synthetic(383, random_state=0)
    thetas = []
    for shares in (1, 4):
        monkeypatch.setattr(fastemlp.training.objective, "MAX_SHARES", shares)
        model = FastEMLPRegressor(
            group=O(5), channels=24, batch_size=batch_size, max_iter=2, random_state=0
        )
        thetas.append(model.fit(X, y).theta_)
    np.testing.assert_allclose(*thetas, rtol=1e-6, atol=1e-9)


def test_an_error_in_a_share_is_raised(monkeypatch):
    X, y = make_o5_synthetic(200, random_state=0)
    monkeypatch.setattr(fastemlp.training.objective, "n_threads", lambda: 2)
    network = EMLP(2 * V, Scalar, O(5), channels=12)

    def broken(prediction, target, weight=None, out=None):
        raise ArithmeticError("no loss")

    X, y = X.astype(np.float32), y.astype(np.float32)[:, None]
    with pytest.raises(ArithmeticError, match="no loss"):
        train(network, X, y, np.random.default_rng(0), loss=broken, max_iter=1, batch_size=200)


def test_fit_and_predict_leave_blas_as_they_found_it():
    X, y = make_o5_synthetic(100, random_state=0)
    before = [info["num_threads"] for info in threadpool_info()]
    fitted(X, y).predict(X)
    assert [info["num_threads"] for info in threadpool_info()] == before


def test_threads_are_those_that_blas_was_given():
    assert 1 <= n_threads() <= n_cpus()
    with threadpool_limits(1, user_api="blas"):
        assert n_threads() == 1
    with single_threaded_blas():
        blas = [info for info in threadpool_info() if info["user_api"] == "blas"]
        assert blas
        assert all(info["num_threads"] == 1 for info in blas)


def test_joblib_workers_do_not_oversubscribe():
    n_jobs = max(2, n_cpus())
    for backend in ("loky", "threading"):
        used = Parallel(n_jobs=n_jobs, backend=backend)(delayed(n_threads)() for _ in range(4))
        assert used == [1, 1, 1, 1]


@pytest.mark.parametrize("n", [1, 2, 5, None])
@pytest.mark.parametrize("n_items", [0, 1, 3, 10])
def test_every_item_is_worked_on_once(n, n_items):
    seen = []
    in_threads(seen.extend, list(range(n_items)), n)
    assert sorted(seen) == list(range(n_items))


def test_an_error_in_a_thread_is_raised():
    def fail(items):
        raise ValueError(f"no {items[0]}")

    with pytest.raises(ValueError, match="no 0"):
        in_threads(fail, [0, 1], 2)


def orders(n, rng):
    """A random order in which n holders enter and leave, each once: (holder, whether it enters)."""
    waiting, inside, found = list(range(n)), [], []
    while waiting or inside:
        enters = bool(waiting) and (not inside or rng.random() < 0.5)
        found.append(
            (
                (waiting if enters else inside).pop(
                    rng.integers(len(waiting if enters else inside))
                ),
                enters,
            )
        )
        if enters:
            inside.append(found[-1][0])
    return found


def blas_threads():
    return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]


def test_threads_that_enter_and_leave_in_any_order_leave_blas_as_it_was():
    """The main thread and three others take and leave the limit one at a time, in 200 orders."""
    rng = np.random.default_rng(0)
    before = blas_threads()
    for _ in range(200):
        steps = orders(4, rng)
        turns = [threading.Semaphore(0) for _ in range(4)]
        done = threading.Semaphore(0)

        def hold(k, turns=turns, done=done):
            turns[k].acquire()
            with single_threaded_blas():
                done.release()
                turns[k].acquire()
            done.release()

        threads = [threading.Thread(target=hold, args=(k,), daemon=True) for k in (1, 2, 3)]
        for thread in threads:
            thread.start()
        mine = single_threaded_blas()
        for k, enters in steps:
            if k == 0:
                mine.__enter__() if enters else mine.__exit__()
            else:
                turns[k].release()
                done.acquire()
        for thread in threads:
            thread.join()
        assert blas_threads() == before


def test_predictions_at_the_same_time_leave_blas_as_it_was():
    X, y = make_o5_synthetic(2 * TILE, random_state=0)
    model = fitted(X, y)
    expected = model.predict(X)
    before = blas_threads()
    with ThreadPoolExecutor(4) as pool:
        barrier = threading.Barrier(4)

        def predict(_):
            barrier.wait()
            return [model.predict(X) for _ in range(5)]

        for found in pool.map(predict, range(4)):
            for y in found:
                np.testing.assert_array_equal(y, expected)
    assert blas_threads() == before


def test_the_limit_is_lifted_when_what_holds_it_fails():
    before = blas_threads()
    with pytest.raises(ArithmeticError), single_threaded_blas(), single_threaded_blas():
        raise ArithmeticError
    assert blas_threads() == before
