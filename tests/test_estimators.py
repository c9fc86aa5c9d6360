"""FastEMLPRegressor: what it promises beyond scikit-learn's conformance suite."""

import copy
import pickle
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor

from fastemlp import EquivariantRidge, FastEMLPRegressor
from fastemlp.datasets import make_inertia, make_o5_synthetic, make_particle_interaction
from fastemlp.estimators.columns import distinct_rows
from fastemlp.groups import SO, SU, O, S, Scaling, Z
from fastemlp.nn import derived_rep
from fastemlp.reps import Scalar, T, V, objects
from fastemlp.testing import equivariance_error
from fastemlp.training.loop import train
from fastemlp.training.trial import Verdict

SMALL = {
    "polynomial": None,
    "kernel": None,
    "channels": 40,
    "n_layers": 2,
    "max_iter": 5,
    "random_state": 0,
}
TASKS = {
    "o5": make_o5_synthetic,
    "inertia": make_inertia,
    "particle": make_particle_interaction,
}


def small_task(n=60):
    return make_o5_synthetic(n, random_state=0)


def test_works_as_written():
    X, y = small_task()
    model = FastEMLPRegressor(group=O(5), **SMALL).fit(X, y)
    assert model.rep_in_ == 2 * V(O(5))
    assert model.rep_out_ == Scalar
    assert model.predict(X).shape == y.shape
    assert len(model.loss_curve_) == model.n_iter_ == 5
    assert model.theta_.shape == (model.network_.n_parameters,)


def test_a_network_that_is_left_out_is_built_when_it_is_asked_for(monkeypatch):
    X, y, spec = make_inertia(150, random_state=0, return_spec=True)
    options = {"rep_in": spec.rep_in, "rep_out": spec.rep_out, "random_state": 0}
    model = FastEMLPRegressor(O(3), channels=30, **options)
    with monkeypatch.context() as patch:
        patch.setattr("fastemlp.estimators.regressor.EMLP", None)
        model.fit(X, y)
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert model.network_share_ == 0
    model.set_params(channels=50)  # for the next fit
    assert model.network_.n_parameters == len(model.theta_) == again.network_.n_parameters
    assert not model.theta_.any()
    assert not model.theta_.flags.writeable
    model.set_params(max_iter=2, polynomial=None, kernel=None).fit(X, y)
    assert model.network_.n_parameters == len(model.theta_) != again.network_.n_parameters


@pytest.mark.parametrize("name", ["network_", "theta_"])
def test_nothing_fitted_is_there_before_fit(name):
    assert not hasattr(FastEMLPRegressor(O(3)), name)


def test_channels_are_refused_before_anything_takes_time(monkeypatch):
    X, y = make_inertia(50, random_state=0)
    monkeypatch.setattr("fastemlp.estimators.regressor.fit_to_many", None)
    with pytest.raises(ValueError, match="channels"):
        FastEMLPRegressor(O(3), rep_in="5V+5V0", rep_out="V2", channels="2Q").fit(X, y)
    with pytest.raises(ValueError, match="complex group"):
        FastEMLPRegressor(SU(2), rep_in=V).fit(X[:, :2], y[:, 0])


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize(("dtype", "tol"), [(np.float32, 1e-5), (np.float64, 1e-11)])
def test_predictions_are_equivariant(name, dtype, tol):
    X, y, spec = TASKS[name](200, random_state=0, return_spec=True)
    X, y = X.astype(dtype), y.astype(dtype)
    model = FastEMLPRegressor(
        spec.group, rep_in=spec.rep_in, rep_out=spec.rep_out, **{**SMALL, "max_iter": 30}
    ).fit(X, y)
    error = equivariance_error(
        model.predict, model.rep_in_, model.rep_out_, X, n_elements=100, random_state=0
    )
    assert error <= tol


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_follows_the_data_or_the_parameter(dtype):
    X, y = small_task()
    model = FastEMLPRegressor(O(5), **SMALL).fit(X.astype(dtype), y)
    assert model.predict(X).dtype == model.network_.dtype == dtype
    model = FastEMLPRegressor(O(5), dtype=dtype, **SMALL).fit(X, y)
    assert model.predict(X).dtype == dtype


def test_same_seed_same_bits_other_seed_other_model():
    X, y = small_task()
    a, b = (FastEMLPRegressor(O(5), **SMALL).fit(X, y).predict(X) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    other = FastEMLPRegressor(O(5), **{**SMALL, "random_state": 1}).fit(X, y).predict(X)
    assert not np.array_equal(a, other)


PREDICT = """
import joblib, pickle, numpy as np
with open("pickle", "rb") as file:
    models = pickle.load(file), joblib.load("joblib")
np.save("y.npy", [model.predict(np.load("X.npy")) for model in models])
"""


def test_saved_models_predict_the_same_bits_in_another_process(tmp_path):
    X, y = small_task()
    model = FastEMLPRegressor(O(5), **SMALL).fit(X, y)
    np.save(tmp_path / "X.npy", X)
    (tmp_path / "pickle").write_bytes(pickle.dumps(model))
    joblib.dump(model, tmp_path / "joblib")
    subprocess.run([sys.executable, "-c", PREDICT], check=True, cwd=tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), [model.predict(X)] * 2)


def test_group_and_reps_may_be_text_and_searched_over():
    X, y = small_task()
    model = FastEMLPRegressor("O(5)", rep_in="2V", rep_out="V0", **SMALL).fit(X, y)
    np.testing.assert_array_equal(
        model.predict(X), FastEMLPRegressor(O(5), **SMALL).fit(X, y).predict(X)
    )
    search = GridSearchCV(
        FastEMLPRegressor(**SMALL), {"group": ["O(5)", SO(5)], "rep_in": ["2V"]}, cv=2
    ).fit(X, y)
    assert search.best_params_["rep_in"] == "2V"
    assert clone(model).group == "O(5)"


def test_two_dimensional_targets():
    X, y = small_task()
    model = FastEMLPRegressor(O(5), **SMALL).fit(X, y[:, None])
    assert model.predict(X).shape == (60, 1)
    # 3 columns are fewer than a vector of R^5: they can only be scalars
    model = FastEMLPRegressor(O(5), **SMALL).fit(X, np.c_[y, y**2, y])
    assert model.rep_out_ == 3 * Scalar
    assert model.predict(X).shape == (60, 3)
    model = FastEMLPRegressor(O(5), rep_out=V, **SMALL).fit(X, X[:, :5])
    assert model.predict(X).shape == (60, 5)


def test_ambiguous_targets_name_what_would_fit():
    X, _ = small_task()
    match = r"y has 5 columns, which O\(5\) may act on .*rep_out, for example '5V0' or 'V'"
    with pytest.raises(ValueError, match=match):
        FastEMLPRegressor(O(5), **SMALL).fit(X, X[:, :5])
    with pytest.raises(ValueError, match="'9V0' or '3V' or 'V2'"):
        FastEMLPRegressor(O(3), **SMALL).fit(X[:, :9], X[:, :9])


def test_without_a_group_it_is_a_plain_mlp_of_any_width():
    X, y = small_task()
    model = FastEMLPRegressor(**SMALL).fit(X[:, :7], y)
    assert model.rep_in_ == 7 * Scalar
    assert model.predict(X[:, :7]).shape == (60,)


def test_bound_reps_bring_their_group_and_several_groups_share_the_channels():
    X, y = small_task()
    model = FastEMLPRegressor(rep_in=2 * V(O(5)), **SMALL).fit(X, y)
    assert model.network_.layers[0].gate.features_out.rep.groups == (O(5),)
    mixed = V(S(2)) * V(O(5))
    model = FastEMLPRegressor(rep_in=mixed, **SMALL).fit(X, y)
    hidden = model.network_.layers[0].gate.features_out.rep
    assert hidden == derived_rep(40, mixed, Scalar)
    assert equivariance_error(model.predict, mixed, Scalar, X, random_state=0) < 1e-11
    hidden = 10 * Scalar + 4 * V(S(2)) * V(O(5)) + 5 * V(S(2)) + 3 * V(O(5))
    model = FastEMLPRegressor(rep_in=mixed, **{**SMALL, "channels": hidden}).fit(X, y)
    assert equivariance_error(model.predict, mixed, Scalar, X, random_state=0) < 1e-11


def test_channels_are_a_number_text_or_a_rep_for_all_layers_or_each():
    X, y = small_task()
    rep = 16 * Scalar + 8 * V + V**2
    for channels in ("16+8V+V2", "8V+16V0+V^2", rep, rep(O(5)), ["8V+V2 + 16", rep]):
        model = FastEMLPRegressor(O(5), **{**SMALL, "channels": channels}).fit(X, y)
        for block in model.network_.layers[:2]:
            found = block.gate.features_out.rep.canonical()[0]
            assert found == rep(O(5)).canonical()[0]
    for channels, message in (
        ("3Q", r"EMLP: channels='3Q' is not understood. parse_rep: .*Write sums"),
        (["8V"], r"EMLP: channels lists 1 layers, expected 2, one entry for each"),
        ([8, 2.5], r"channels must be an int ≥ 1, text such as '16\+32V\+8V2', .*got 2.5"),
        ("0V", r"channels='0V' is of size 0"),
    ):
        with pytest.raises(ValueError, match=message):
            FastEMLPRegressor(O(5), **{**SMALL, "channels": channels}).fit(X, y)
    with pytest.raises(ValueError, match=r"without a group channels must be an int.*got '8V'"):
        FastEMLPRegressor(**{**SMALL, "channels": "8V"}).fit(X, y)
    mixed = {"rep_in": V(S(2)) * V(O(5)), **SMALL, "channels": "8V"}
    with pytest.raises(ValueError, match=r"does not say which of the groups S\(2\), O\(5\) acts"):
        FastEMLPRegressor(**mixed).fit(X, y)


@pytest.mark.slow
def test_the_dipole_of_charges_needs_no_channels_by_hand():
    rng = np.random.default_rng(0)
    n = 4
    charges, positions = rng.standard_normal((300, n)), rng.standard_normal((300, n, 3))
    X = np.hstack([charges, positions.reshape(300, -1)])
    y = np.einsum("bi,bij->bj", charges, positions)
    model = FastEMLPRegressor(
        rep_in=V(S(n)) + V(S(n)) * V(O(3)),
        rep_out=V(O(3)),
        channels=64,
        n_layers=1,
        max_iter=600,
        random_state=0,
    ).fit(X[:200], y[:200])
    assert model.score(X[200:], y[200:]) > 0.99


def test_early_stopping_holds_out_and_restores_the_best():
    X, y = small_task(200)
    model = FastEMLPRegressor(
        O(5), early_stopping=True, n_iter_no_change=3, **{**SMALL, "max_iter": 400}
    ).fit(X, y)
    assert model.n_iter_ == len(model.validation_curve_) < 400


def test_copies_of_a_sample_are_held_out_together():
    X, y = small_task(20)
    rows = np.repeat(np.arange(20), 3)
    model = FastEMLPRegressor(O(5), early_stopping=True, validation_fraction=0.3, **SMALL)
    copies = distinct_rows(X[rows], y[rows, None])[1]
    train, held_out = model._split(copies, None, np.random.default_rng(0))
    assert not set(rows[train]) & set(rows[held_out])
    assert held_out.sum() == 18
    single = distinct_rows(X, y[:, None])[1]
    weighted, weighted_out = model._split(single, 3.0 * np.ones(20), np.random.default_rng(0))
    assert set(rows[held_out]) == set(np.flatnonzero(weighted_out))
    assert (weighted != weighted_out).all()


def test_early_stopping_needs_two_different_samples():
    X, y = small_task()
    model = FastEMLPRegressor(O(5), early_stopping=True, **SMALL)
    with pytest.raises(ValueError, match="2 different samples, got n_samples = 4, 1 of them"):
        model.fit(X[[0, 0, 0, 0]], y[[0, 0, 0, 0]])


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["adam", "adamw", "lbfgs"])
def test_in_one_batch_a_weight_is_as_many_copies_and_zero_is_none(solver, early_stopping):
    X, y = small_task(30)
    times = np.random.default_rng(0).integers(0, 4, 30)
    options = {"solver": solver, "early_stopping": early_stopping, **SMALL}
    weighted = FastEMLPRegressor(O(5), **options).fit(X, y, sample_weight=5 * times)
    rows = np.repeat(np.arange(30), times)
    repeated = FastEMLPRegressor(O(5), **options).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("weight", "match"),
    [
        (np.zeros(60), "must be ≥ 0 and not zero throughout, got values from 0 to 0"),
        (np.linspace(-1, 1, 60), "must be ≥ 0 .*got values from -1 to 1"),
        (np.ones(59), r"one entry per sample, shape \(60,\), got \(59,\)"),
        (np.ones((60, 1)), r"got \(60, 1\)"),
        (np.full(60, np.nan), "sample_weight contains NaN"),
    ],
)
def test_bad_sample_weights(weight, match):
    X, y = small_task()
    with pytest.raises(ValueError, match=match):
        FastEMLPRegressor(O(5), **SMALL).fit(X, y, sample_weight=weight)


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "adamw", "schedule": "one_cycle", "ema_decay": 0.9, "max_grad_norm": None},
        {"solver": "lbfgs"},
        {"loss": "huber", "schedule": "constant", "warmup": 0.2},
        {"loss": "huber", "type_weights": {"V0": 1, "V": 10}},
    ],
)
def test_every_way_of_training_is_equivariant_and_reproducible(options):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 6))
    y = np.c_[(X[:, :3] * X[:, 3:]).sum(1), X[:, :3]]
    models = [
        FastEMLPRegressor(
            O(3), rep_out="V0+V", **{**SMALL, "max_iter": 80, "batch_size": 20}, **options
        ).fit(X, y)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(models[0].predict(X), models[1].predict(X))
    model = models[0]
    assert model.loss_curve_[-1] < 0.5 * model.loss_curve_[0]
    assert equivariance_error(model.predict, model.rep_in_, model.rep_out_, X) <= 1e-11


@pytest.mark.slow
def test_type_weights_shift_the_effort():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 6))
    y = np.c_[(X[:, :3] * X[:, 3:]).sum(1), np.cross(X[:, :3], X[:, 3:])]
    errors = []
    for weights in ({"V0": 1e3, "V": 1}, {"V0": 1, "V": 1e3}):
        model = FastEMLPRegressor(
            SO(3), rep_out="V0+V", type_weights=weights, **{**SMALL, "max_iter": 20}
        ).fit(X, y)
        errors.append((model.predict(X) - y)[:, 0].std())
    assert errors[0] < errors[1]


def test_one_sample_is_fitted():
    X, y = small_task()
    model = FastEMLPRegressor(O(5), **SMALL).fit(X[:1], y[:1])
    assert np.isfinite(model.predict(X[:3])).all()


def test_large_and_small_units_do_not_matter():
    X, y = small_task(200)
    options = {**SMALL, "max_iter": 60}
    reference = FastEMLPRegressor(O(5), **options).fit(X, y)
    scaled = FastEMLPRegressor(O(5), **options).fit(1e6 * X, 1e-6 * y)
    np.testing.assert_allclose(
        1e6 * scaled.predict(1e6 * X), reference.predict(X), rtol=1e-4, atol=1e-4
    )


def test_predict_does_not_depend_on_how_rows_are_batched():
    X, y = small_task(100)
    model = FastEMLPRegressor(O(5), **SMALL).fit(X, y)
    X = np.random.default_rng(0).standard_normal((5000, 10))
    np.testing.assert_allclose(model.predict(X)[4990:], model.predict(X[4990:]), atol=1e-12)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"group": 5}, "group must be a Group, its name or None, got 5"),
        ({"channels": 0}, "channels must be an int ≥ 1, text .*, a Rep, or a list of these, got 0"),
        ({"channels": 2.5}, "channels must be"),
        ({"n_layers": -1}, "n_layers must be an int ≥ 0, got -1"),
        ({"batch_size": 0}, "batch_size must be an int ≥ 1"),
        ({"max_iter": 0}, "max_iter must be an int ≥ 1"),
        ({"n_iter_no_change": 0}, "n_iter_no_change must be"),
        ({"learning_rate": -1.0}, "learning_rate must be a number > 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number > 0"),
        ({"tol": -1}, "tol must be a number ≥ 0"),
        ({"validation_fraction": 1.0}, "validation_fraction must be a number between 0 and 1"),
        ({"loss": "absolute"}, "loss must be 'squared_error' or 'huber', got 'absolute'"),
        ({"solver": "sgd"}, "solver must be 'auto' or 'adam' or 'adamw' or 'lbfgs', got 'sgd'"),
        ({"schedule": "step"}, "schedule must be 'cosine' or 'one_cycle' or 'constant'"),
        ({"warmup": 1.0}, r"warmup must be a number in \[0, 1\) or None, got 1.0"),
        ({"weight_decay": -0.1}, "weight_decay must be a number ≥ 0 or 'auto', got -0.1"),
        ({"weight_decay": None}, "weight_decay must be a number ≥ 0 or 'auto', got None"),
        ({"max_grad_norm": 0}, "max_grad_norm must be a number > 0 or None, got 0"),
        ({"ema_decay": 1}, r"ema_decay must be a number in \[0, 1\) or 'auto' or None, got 1"),
        ({"huber_delta": "small"}, "huber_delta must be a number > 0, got 'small'"),
        ({"type_weights": 3}, "type_weights must be a dict .* or None, got 3"),
        ({"type_weights": {"V3": 1}}, "type_weights names V3, but the outputs V0 are made of V0"),
        ({"dtype": "int32"}, "dtype must be None, 'float32' or 'float64'"),
        ({"dtype": np.float16}, "dtype must be None, 'float32' or 'float64'"),
        ({"group": "Q(5)"}, r"Q"),
        ({"rep_in": "2W"}, "parse_rep: cannot read '2W'"),
        ({"rep_in": 7}, "rep_in must be a Rep or a string"),
        (
            {"group": O(5), "rep_in": 3 * V},
            r"rep_in=3V has size 15 for O\(5\), got X with 10 features",
        ),
        ({"rep_in": 2 * V}, "rep_in=2V is not bound to a group. Pass group="),
        ({"group": O(3)}, r"must be a multiple of 3, got 10.*rep_in=… of size 10.*'3V\+V0'"),
        ({"group": O(5), "rep_out": V}, r"rep_out=V has size 5 for O\(5\), got y with 1 columns"),
    ],
)
def test_bad_parameters_say_what_to_do(parameters, match):
    X, y = small_task()
    with pytest.raises((ValueError, TypeError), match=match):
        FastEMLPRegressor(**{**SMALL, **parameters}).fit(X, y)


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (np.full((10, 10), np.nan), "NaN"),
        (np.full((10, 10), np.inf), "infinity"),
        (np.zeros((0, 10)), "0 sample"),
        (np.zeros((10, 0)), "0 feature"),
        (np.ones((10, 10), complex), "Complex data not supported"),
        (np.full((10, 10), "a", object), "could not convert string"),
        (np.zeros(10), "Expected 2D array"),
    ],
)
def test_bad_data_is_refused(X, match):
    with pytest.raises(ValueError, match=match):
        FastEMLPRegressor(**SMALL).fit(X, np.ones(len(X)))


def test_half_precision_and_integers_are_promoted():
    X, y = small_task()
    for cast in (np.float16, int, object):
        model = FastEMLPRegressor(O(5), **SMALL).fit(X.astype(cast), y)
        assert model.predict(X).dtype == np.float64


def test_mismatched_lengths_and_widths():
    X, y = small_task()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        FastEMLPRegressor(O(5), **SMALL).fit(X, y[:-1])
    model = FastEMLPRegressor(O(5), **SMALL).fit(X, y)
    with pytest.raises(ValueError, match="X has 5 features, but FastEMLPRegressor is expecting 10"):
        model.predict(X[:, :5])


def test_an_output_that_symmetry_forces_to_zero_is_refused():
    X = np.random.default_rng(0).standard_normal((20, 9))
    with pytest.raises(
        ValueError, match=r"under O\(3\) the only equivariant function from V2 to V .*is zero"
    ):
        FastEMLPRegressor(O(3), rep_in=V**2, rep_out=V, **SMALL).fit(X, X[:, :3])


def test_outputs_that_can_only_be_constant_are_refused():
    X = np.random.default_rng(0).standard_normal((20, 3))
    with pytest.raises(ValueError, match=r"under Scaling\(3\) .* are constant"):
        FastEMLPRegressor(Scaling(3), rep_in=V, rep_out=Scalar, **SMALL).fit(X, X[:, 0])


def test_inputs_that_no_output_reads_are_named():
    X = np.random.default_rng(0).standard_normal((20, 4))
    with pytest.warns(UserWarning, match=r"Of V in the input, no component can reach the output"):
        FastEMLPRegressor(Scaling(3), rep_in=V + Scalar, rep_out=Scalar, **SMALL).fit(X, X[:, 0])


@pytest.mark.slow
def test_other_symmetries_learn():
    # a function of cyclic sequences, and one that needs the dual rep
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4))
    y = X * np.roll(X, 1, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = FastEMLPRegressor(
            Z(4), rep_out=V, channels=40, n_layers=2, max_iter=300, random_state=0
        ).fit(X[:200], y[:200])
    assert model.score(X[200:], y[200:]) > 0.9
    # outer products need hidden tensors of rank 3 to act: 120 channels hold one
    model = FastEMLPRegressor(
        SO(3), rep_in=2 * V, rep_out=T(1, 1), **{**SMALL, "channels": 120, "max_iter": 300}
    )
    X = rng.standard_normal((300, 6))
    y = np.einsum("ni,nj->nij", X[:, :3], X[:, 3:]).reshape(300, 9)
    assert model.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.9


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_symmetry_beats_a_plain_perceptron():
    X, y = make_o5_synthetic(1500, random_state=0)
    train, test = slice(0, 500), slice(500, None)
    model = FastEMLPRegressor(O(5), channels=96, max_iter=60, random_state=0)
    mlp = MLPRegressor(hidden_layer_sizes=(96, 96, 96), random_state=0)
    errors = [
        mean_squared_error(y[test], m.fit(X[train], y[train]).predict(X[test]))
        for m in (model, mlp)
    ]
    assert errors[0] < errors[1] / 5


@pytest.mark.parametrize("n", [1, 3, 300])
@pytest.mark.parametrize(
    "model", [FastEMLPRegressor(group=O(5), **SMALL), EquivariantRidge(O(5), degree=2)]
)
def test_input_that_needs_no_checks_predicts_what_checked_input_does(model, n):
    X, y = make_o5_synthetic(300, random_state=0)
    X = X.astype(np.float32)
    model.fit(X, y)
    expected = model.predict(X[:n].tolist()).astype(np.float32)
    np.testing.assert_array_equal(model.predict(X[:n]), expected)
    np.testing.assert_array_equal(model.predict(np.asfortranarray(X[:n])), expected)
    broken = X[:n].copy()
    broken[-1, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.predict(broken)
    with pytest.raises(ValueError, match="9 features"):
        model.predict(X[:n, :9].copy())
    with pytest.raises(ValueError, match="minimum of 1 is required"):
        model.predict(X[:0])


@pytest.mark.parametrize(
    "twin", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_models_and_their_copies_predict_the_same(twin):
    X, y = make_o5_synthetic(30, random_state=0)
    model = FastEMLPRegressor(group=O(5), channels=20, max_iter=2, random_state=0).fit(X, y)
    expected = model.predict(X)
    other = twin(model)
    for m in (model, other):
        np.testing.assert_array_equal(m.predict(X), expected)
        # the weights that predictions keep cannot go stale
        with pytest.raises(ValueError, match="read-only"):
            m.theta_[0] = 0
    other.theta_ = np.zeros_like(model.theta_)
    assert not np.array_equal(other.predict(X), expected)
    np.testing.assert_array_equal(model.predict(X), expected)
    model.theta_ = model.theta_[:-1]
    with pytest.raises(ValueError, match=r"theta must be of shape \(\d+,\), as from init, got"):
        model.predict(X)


def test_a_fit_that_fails_leaves_the_last_one(monkeypatch):
    X, y = make_o5_synthetic(30, random_state=0)
    model = FastEMLPRegressor(group=O(5), channels=20, max_iter=2, random_state=0).fit(X, y)
    expected = model.predict(X)

    def fails(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("fastemlp.estimators.regressor.train", fails)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(channels=30).fit(X / 2, y[:, None])
    np.testing.assert_array_equal(model.predict(X), expected)


@pytest.mark.parametrize(
    ("rep", "rms", "scalar_rms"),
    [
        (2 * V, 1, None),
        (4 * V, 0.5**0.5, None),
        (V, 1, None),
        (20 * V + Scalar, 0.5, 1 / 12),
        (Scalar + 3 * V, 0.5**0.5, 1 / 6),
        (9 * Scalar, 1, 1),
    ],
)
def test_inputs_of_many_objects_are_scaled_down_and_scalars_to_their_products(rep, rms, scalar_rms):
    rep = rep(O(3))
    X = 7 * np.random.default_rng(0).standard_normal((200, rep.size()))
    y = X[:, :1] ** 2
    options = {"rep_in": rep, "rep_out": Scalar, "channels": 8, "max_iter": 1, "random_state": 0}
    options |= {"polynomial": None, "kernel": None}
    model = FastEMLPRegressor(O(3), **options).fit(X, y)
    scaled = model.scaler_in_.transform(X)
    for kind, columns in objects(model.rep_in_):
        expected = scalar_rms if kind == Scalar else rms
        assert np.std(scaled[:, columns]) == pytest.approx(expected, rel=0.01)
    assert np.std(model.scaler_out_.transform(y)) == pytest.approx(1)


def test_auto_is_many_steps_and_a_decay_by_the_number_of_samples():
    model = FastEMLPRegressor(group=O(5), polynomial=None, kernel=None)
    assert model._budget(30, 30).n_epochs == 10_000
    assert model._budget(1280, 1280).n_epochs == 1_000
    assert model._budget(10**5, 10**5).n_epochs == 100
    # of more samples no more than 100,000 steps, and beside closed forms up to 80,000
    assert model._budget(10**6, 10**6).n_epochs == 13
    beside = FastEMLPRegressor(group=O(5))
    assert beside._budget(10**5, 10**5).n_epochs == 13
    assert beside._budget(10**6, 10**6).n_epochs == 10
    assert FastEMLPRegressor(solver="lbfgs")._budget(30, 30).n_epochs == 1_000
    assert model._budget(3000, 3000).decay == pytest.approx(0.01)
    assert model._budget(200, 200).decay == 0.1
    assert model._budget(30, 30).decay == pytest.approx(0.05)
    twice = np.arange(30.0)[:, None].repeat(2, axis=0)
    assert len(distinct_rows(twice, twice)[0]) == 30
    with pytest.raises(ValueError, match="max_iter must be an int ≥ 1 or 'auto', got 'many'"):
        FastEMLPRegressor(group=O(5), max_iter="many").fit(*make_o5_synthetic(10, random_state=0))


@pytest.mark.parametrize("case", ["plain", "equivariant", "product"])
def test_skops_keeps_a_fitted_model_with_no_types_but_ours(case):
    sio = pytest.importorskip("skops.io", reason="skops is not installed")
    X = np.random.default_rng(0).standard_normal((30, 12))
    group, rep_in = {
        "plain": (None, None),
        "equivariant": (O(3), "4V"),
        "product": (None, V(S(4)) * V(O(3))),
    }[case]
    y = (X**2).sum(1)
    channels = 8 * Scalar + 2 * V(O(3)) + V(S(4)) if case == "product" else 8
    model = FastEMLPRegressor(group, rep_in=rep_in, channels=channels, max_iter=2, n_layers=1)
    model.fit(X, y)
    data = sio.dumps(model)
    types = sio.get_untrusted_types(data=data)
    assert all(name.startswith("fastemlp.") for name in types)
    np.testing.assert_array_equal(sio.loads(data, trusted=types).predict(X), model.predict(X))


def test_predict_takes_any_layout_and_refuses_what_does_not_fit():
    X, y = small_task()
    for dtype in (np.float32, np.float64):
        model = FastEMLPRegressor(O(5), **SMALL).fit(X.astype(dtype), y)
        x = X[:7].astype(dtype)
        expected = model.predict(x)
        read_only = x.copy()
        read_only.flags.writeable = False
        swapped = x.astype(x.dtype.newbyteorder())
        other = np.hstack([x, x])[:, : x.shape[1]]
        for same in (np.asfortranarray(x), read_only, swapped, other, x[::-1][::-1], x.tolist()):
            np.testing.assert_allclose(model.predict(same), expected, rtol=1e-6)
        for wrong in (x[:, :-1], np.hstack([x, x]), x[:0], x[0], x[None], x[:, :0], "text", x + 1j):
            with pytest.raises((TypeError, ValueError)):
                model.predict(wrong)


@pytest.mark.slow
def test_where_the_solver_of_few_samples_diverges_another_goes_on(monkeypatch):
    def diverging(*_):
        raise FloatingPointError("L-BFGS diverged")

    X = np.random.default_rng(0).standard_normal((40, 10))
    model = FastEMLPRegressor(O(5), **SMALL | {"kernel": "auto", "max_iter": "auto"})
    assert model._budget(40, 40).chosen_solver == "lbfgs"
    monkeypatch.setattr("fastemlp.training.loop.minimise_lbfgs", diverging)
    monkeypatch.setattr(
        "fastemlp.estimators.regressor.try_network", lambda *_, **__: Verdict(0, 1.0)
    )
    model.fit(X, np.exp(np.abs(X).sum(1)))
    assert model.network_share_
    assert np.isfinite(model.predict(X)).all()
    with pytest.raises(FloatingPointError, match="L-BFGS diverged"):
        FastEMLPRegressor(O(5), **SMALL | {"solver": "lbfgs"}).fit(X, X[:, 0] ** 2)


@pytest.mark.slow
@pytest.mark.parametrize("most", [10, 60])
def test_the_network_of_a_trial_stays_where_few_were_held_out(monkeypatch, most):
    """It is trained again where its trial went without many samples."""
    trained = []

    def counted(*args, **options):
        trained.append(len(args[1]))
        return train(*args, **options)

    monkeypatch.setattr("fastemlp.training.trial.MOST_HELD_OUT", most)
    monkeypatch.setattr("fastemlp.training.trial.train", counted)
    monkeypatch.setattr("fastemlp.estimators.regressor.train", counted)
    X, y = make_o5_synthetic(600, random_state=0)
    y = 3 * np.sin(4 * np.einsum("nj,nj->n", X[:, :5], X[:, 5:])) + y
    model = FastEMLPRegressor(O(5), **SMALL | {"kernel": None, "polynomial": 2, "max_iter": "auto"})
    monkeypatch.setattr("fastemlp.training.trial.LEAST_GAIN", -1.0)
    monkeypatch.setattr("fastemlp.training.trial.MOST_GAIN", -1.0)
    monkeypatch.setattr("fastemlp.training.trial.SURE", -np.inf)
    model.fit(X, y)
    assert model.network_share_
    assert trained == ([590] if most == 10 else [540, 600])
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.slow
def test_derivatives_that_count_nothing_change_nothing():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 6))
    y, dy = rng.standard_normal(60), rng.standard_normal((60, 6))
    options = {"channels": 16, "n_layers": 1, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # noise, and derivatives of no symmetry
        plain = FastEMLPRegressor(O(3), **options).fit(X, y)
        given = FastEMLPRegressor(O(3), gradient_weight=0, **options).fit(X, y, dy=dy)
    np.testing.assert_allclose(given.predict(X), plain.predict(X), atol=1e-6)
