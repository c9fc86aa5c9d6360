"""A fit that fails or is interrupted, wherever that happens, leaves the last model as it was."""

import contextvars
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import fastemlp
from fastemlp import EquivariantRidge, FastEMLPRegressor
from fastemlp.groups import SO, O
from fastemlp.reps import Scalar, V

PACKAGE = str(Path(fastemlp.__file__).parent)
SMALL = {
    "polynomial": None,
    "kernel": None,
    "channels": 8,
    "n_layers": 1,
    "max_iter": 3,
    "batch_size": 8,
    "random_state": 0,
}
MODELS = {
    "network": FastEMLPRegressor(O(3), **SMALL),
    "stopping early": FastEMLPRegressor(O(3), early_stopping=True, ema_decay=0.9, **SMALL),
    "lbfgs": FastEMLPRegressor(O(3), solver="lbfgs", **SMALL),
    "ridge": EquivariantRidge(O(3), degree=2),
    "ridge of two types": EquivariantRidge(SO(3), rep_out=Scalar + V, degree=2),
}


class Injected(BaseException):
    """Not an Exception, as KeyboardInterrupt is not: nothing may catch it."""


def data(name, seed, n_in=6, n=20):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, n_in))
    n_out = 4 if "types" in name else 1
    return X, np.squeeze(rng.standard_normal((n, n_out)) + np.sum(X**2, 1, keepdims=True))


def interrupted_at(model, step, X, y):
    """Fit, and raise at the given call of a function of the package; the number of calls, and whether it was raised."""
    calls = 0

    def count(frame, event, _):
        nonlocal calls
        # not in numpy or sklearn, whose own context managers it would leave half closed
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            calls += 1
            if calls == step:
                raise Injected

    sys.setprofile(count)
    try:
        # what is interrupted may leave numpy's error state as it was inside: that of a copy
        contextvars.copy_context().run(model.fit, X, y)
    except Injected:
        return calls, True
    finally:
        sys.setprofile(None)
    return calls, False


def picture(model):
    """Every attribute, byte by byte."""
    return {name: pickle.dumps(value) for name, value in vars(model).items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_wherever_a_refit_is_interrupted_the_last_model_stays(name):
    model = MODELS[name]
    X, y = data(name, 0)
    model.fit(X, y)
    expected = model.predict(X)  # which may keep something for the next time
    attributes, held = picture(model), dict(vars(model))
    # other data, of another width, of a table with named columns: whatever was taken over would show
    other, target = data(name, 1, n_in=9)
    n_calls, _ = interrupted_at(type(model)(**model.get_params()), -1, other, target)
    rng = np.random.default_rng(0)
    steps = {1, 2, 3, n_calls - 1, n_calls, *map(int, rng.integers(1, n_calls + 1, 30))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in sorted(steps):
            _, was_raised = interrupted_at(model, step, other, target)
            if (
                not was_raised
            ):  # the cache of bases made this fit shorter than the one that was counted
                model.fit(X, y).predict(X)
                held = dict(vars(model))
                continue
            assert list(vars(model)) == list(held)
            assert all(value is held[key] for key, value in vars(model).items())
            assert picture(model) == attributes
    np.testing.assert_array_equal(model.predict(X), expected)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("step", range(1, 9))
def test_a_first_fit_that_is_interrupted_leaves_nothing(name, step):
    model = type(MODELS[name])(**MODELS[name].get_params())
    _, was_raised = interrupted_at(model, 2**step, *data(name, 0))
    # what is raised while an object is thrown away, Python swallows
    if was_raised:
        assert vars(model).keys() == model.get_params().keys()


@pytest.mark.parametrize("name", MODELS)
def test_refused_data_leave_the_last_model(name):
    model = MODELS[name]
    X, y = data(name, 0)
    before = picture(model.fit(X, y))
    bad = X.copy()
    bad[0, 0] = np.nan
    for wrong, target in ((bad, y), (X[:, :5], y), (X[:3], y), (X, np.ones((20, 7)))):
        with pytest.raises(ValueError, match=r"\w"):
            model.fit(wrong, target)
        assert picture(model) == before


def test_names_of_columns_come_and_go_with_a_fit_that_succeeds():
    pandas = pytest.importorskip("pandas")
    X, y = data("ridge", 0)
    table = pandas.DataFrame(X, columns=list("abcdef"))
    for name in ("network", "ridge"):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="X does not have valid feature names")
            model = MODELS[name].fit(table, y)
        assert list(model.feature_names_in_) == list("abcdef")
        with pytest.raises(ValueError, match="NaN"):
            model.fit(np.full_like(X, np.nan), y)
        assert list(model.feature_names_in_) == list("abcdef")
        assert not hasattr(model.fit(X, y), "feature_names_in_")
