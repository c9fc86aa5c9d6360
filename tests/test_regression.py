"""What the estimators share: docstrings, scores, ends of training where nothing is to be learned, refusals."""

import inspect
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import r2_score

from fastemlp import EquivariantRidge, FastEMLPRegressor
from fastemlp.groups import SO, O, S, Trivial
from fastemlp.reps import Scalar, V
from fastemlp.training.divergence import Guard
from fastemlp.training.optimisers import Adam

SMALL = {"polynomial": None, "kernel": None, "channels": 16, "n_layers": 2, "random_state": 0}


@pytest.mark.parametrize("estimator", [EquivariantRidge, FastEMLPRegressor])
def test_the_docstring_describes_every_parameter_in_the_order_of_the_signature(estimator):
    parameters = estimator.__doc__.split("Attributes\n----------")[0]
    described = re.findall(r"^(\w+) : .", parameters, flags=re.MULTILINE)
    assert described == list(inspect.signature(estimator).parameters)


@pytest.mark.parametrize("model", [EquivariantRidge(O(3)), FastEMLPRegressor(O(3), max_iter=1)])
def test_a_number_weighs_all_samples_alike(model):
    X = np.random.default_rng(0).standard_normal((8, 3))
    y = np.sum(X * X, axis=1)
    model.set_params(**{k: v for k, v in SMALL.items() if hasattr(model, k)})
    weighted = clone(model).fit(X, y, 2.0).predict(X)
    np.testing.assert_array_equal(weighted, clone(model).fit(X, y, np.full(8, 2.0)).predict(X))
    with pytest.raises(ValueError, match=r"fit: sample_weight must be ≥ 0 .* values from -1 to -1"):
        model.fit(X, y, -1)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("make", [EquivariantRidge, FastEMLPRegressor])
def test_the_score_is_the_share_of_all_variance_explained(make, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((12, 3))
    y = rng.standard_normal((12, 3)) * 10.0 ** rng.uniform(-2, 2, 3)
    y[:, rng.random(3) < 0.3] = 3.0
    y[0, 0] += 1e-3
    options = SMALL | {"max_iter": 1} if make is FastEMLPRegressor else {}
    model = make(rep_in="3V0", rep_out="3V0", **options).fit(X, y)
    w = rng.uniform(0, 2, 12) if seed % 2 else None
    errors = (y - model.predict(X)) ** 2
    spread = (y - np.average(y, 0, w)) ** 2
    varies = np.ptp(y, axis=0) > 0
    expected = 1 - np.average(errors, 0, w)[varies].sum() / np.average(spread, 0, w).sum()
    assert model.score(X, y, w) == pytest.approx(expected, abs=1e-9)


def test_outputs_that_symmetry_forces_to_zero_do_not_count():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 6))
    a, b = X[:, :3], X[:, 3:]
    y = np.einsum("bi,bj->bij", a, b)
    y = (y - y.swapaxes(1, 2)).reshape(60, 9)  # the diagonal is zero
    model = EquivariantRidge(SO(3), rep_out=V**2, degree=2, alphas=1e-9).fit(X, y)
    # the mean over outputs counts a roundoff as a failure
    prediction = model.predict(X) + 1e-14
    assert r2_score(y, prediction) == pytest.approx(2 / 3, abs=1e-6)
    assert model.score(X, y) == pytest.approx(1, abs=1e-9)


def test_the_score_does_not_depend_on_the_frame():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    Y = X * np.sum(X * X, 1, keepdims=True)
    model = EquivariantRidge(O(3), rep_out=V).fit(X, Y)
    g = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    assert model.score(X @ g.T, Y @ g.T) == pytest.approx(model.score(X, Y), abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 3.3, -1e6, 1e-9])
@pytest.mark.parametrize("solver", ["adamw", "lbfgs"])
@pytest.mark.parametrize("n", [1, 7])
def test_constant_targets_are_learned_at_once(dtype, value, solver, n):
    X = np.random.default_rng(0).standard_normal((n, 6)).astype(dtype)
    y = np.full(n, value, dtype)
    model = FastEMLPRegressor(O(3), solver=solver, **SMALL).fit(X, y)
    assert model.n_iter_ == 1
    np.testing.assert_allclose(model.predict(5 * X), y, rtol=10 * np.finfo(dtype).eps)
    if n > 1:
        assert model.score(X, y) == 1
        assert model.score(X, 1.1 * y + 1) == 0


GROUPS = [O(1), SO(2), S(3), Trivial(2), O(3)]


@pytest.mark.parametrize("group", GROUPS, ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_one_good_sample_never_diverges_and_ends_early(group, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((1, 2 * group.d))
    y = X[:, : group.d]
    options = SMALL | {"n_layers": 1, "random_state": seed}
    model = FastEMLPRegressor(group, rep_in=2 * V, rep_out=V, **options).fit(X, y)
    assert model.n_iter_ < 6000
    np.testing.assert_allclose(model.predict(X), y, atol=3e-3 * np.abs(y).max())


@pytest.mark.parametrize("seed", range(10))
def test_a_fit_to_the_last_digits_is_not_taken_for_divergence(seed):
    guard = Guard(np.zeros(2), Adam(2, np.float64), None, 1e-3, power=1.0)
    rng = np.random.default_rng(seed)
    # from a loss of 1e-4, what good fits do: down to roundoff with jumps below a tenth of the targets' square
    for epoch, loss in enumerate([1e-4, *10.0 ** rng.uniform(-16, -1.01, 200)]):
        guard.check(epoch + 1, loss, 201)
    assert not guard.restarts
    guard.check(202, 0.5, 300)
    assert guard.restarts == [202]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("dtype", "no such", "None, 'float32' or 'float64'"),
        ("dtype", "int32", "None, 'float32' or 'float64'"),
        ("dtype", [1, 2], "None, 'float32' or 'float64'"),
        ("verbose", "loud", "an int ≥ 0"),
        ("verbose", -1, "an int ≥ 0"),
        ("verbose", None, "an int ≥ 0"),
        ("verbose", 0.5, "an int ≥ 0"),
        ("solver", ["adam"], "'auto' or 'adam' or 'adamw'"),
        ("max_iter", np.ones(2), "an int ≥ 1 or 'auto'"),
        ("type_weights", [1.0], "a dict such as"),
    ],
)
def test_bad_parameters_are_refused_by_name(name, value, expected):
    model = FastEMLPRegressor(O(3), **(SMALL | {name: value}))
    with pytest.raises(ValueError, match=f"FastEMLPRegressor: {name} must be {expected}"):
        model.fit(np.ones((2, 3)), np.ones(2))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"V0": "heavy"}, "type_weights must be numbers ≥ 0, got 'heavy' for V0"),
        ({"V0": None}, "type_weights must be numbers ≥ 0, got None for V0"),
        ({"V0": -1}, "type_weights must be numbers ≥ 0, got -1 for V0"),
        ({"V0": np.nan}, "type_weights must be numbers ≥ 0, got nan for V0"),
        ({"V0": np.ones(2)}, "type_weights must be numbers ≥ 0"),
        ({"nonsense!": 1}, "type_weights must map types .* got the key 'nonsense!'"),
        ({"V7": 1}, "type_weights names V7"),
    ],
)
def test_bad_type_weights_are_refused(weights, message):
    X = np.random.default_rng(0).standard_normal((5, 6))
    model = FastEMLPRegressor(O(3), rep_out=Scalar + V, type_weights=weights, max_iter=1, **SMALL)
    with pytest.raises(ValueError, match=message):
        model.fit(X, np.c_[np.sum(X * X, 1), X[:, :3]])
