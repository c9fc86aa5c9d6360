"""EquivariantRidge: the exact minimiser, its leave-one-out errors, and its symmetry."""

import math
import pickle

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastemlp.closed_form.polynomials
from fastemlp import EquivariantRidge
from fastemlp.bases.basis import equivariant_basis
from fastemlp.closed_form import LeaveOneOutRidge
from fastemlp.datasets import make_inertia, make_o5_synthetic, make_particle_interaction
from fastemlp.groups import O13, SL, SO, SU, O, S, Scaling, Trivial
from fastemlp.reps import Scalar, V
from fastemlp.testing import equivariance_error

ALPHAS = (1e-3, 0.1, 10.0)


@parametrize_with_checks(
    [
        EquivariantRidge(),
        EquivariantRidge(degree=2, fit_intercept=False),
        EquivariantRidge(Trivial(1), alphas=0.1),
    ]
)
def test_scikit_learn_check(estimator, check):
    check(estimator)


# -- against slow, obviously right versions -----------------------------------------------------------------------

# rep_in, rep_out; several copies and several types on both sides
CASES = {
    "O(3)": (O(3), Scalar + 2 * V, V + Scalar + V**2),
    "SO(3)": (SO(3), 2 * V + Scalar, 2 * V + Scalar),
    "O(1,3)": (O13(), 2 * V + Scalar, V + Scalar),
    "S(4)": (S(4), V + Scalar, 2 * V + Scalar),
    "SL(2), V and its dual": (SL(2), V + V.T, V.T + V),
    "two groups": (None, V(SO(2)) * V(S(3)) + V(S(3)), V(SO(2)) * V(S(3)) + Scalar),
    "no group": (None, 3 * Scalar, 2 * Scalar),
}


def task(name, n, seed=0):
    group, rep_in, rep_out = CASES[name]
    if group is not None:
        rep_in, rep_out = rep_in(group), rep_out(group)
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, rep_in.size())) + 0.5
    y = rng.standard_normal((n, rep_out.size())) + 0.3
    return X, y, rep_in, rep_out


def written_out(model, X, degree):
    """Every Q_r x^{⊗k} over the whole tensor powers, and the columns of the intercept: (n, n_out, r), (n_out, r0)."""
    x = model.scaler_in_.transform(X)
    power, blocks = np.ones((len(x), 1)), []
    for k in range(1, degree + 1):
        power = (power[:, :, None] * x[:, None, :]).reshape(len(x), -1)
        Q = equivariant_basis(model.rep_in_**k >> model.rep_out_).to_dense()
        Q = Q.reshape(model.rep_out_.size(), power.shape[1], -1)
        blocks.append(np.einsum("oir,ni->nor", Q, power) / math.sqrt(x.shape[1]) ** (k - 1))
    return np.concatenate(blocks, axis=2), equivariant_basis(model.rep_out_).to_dense()


def ridge(A, B, y, weights, alpha):
    """Coefficients and intercept coefficients from the normal equations of the stacked rows."""
    full = np.concatenate([A, np.broadcast_to(B, (len(A), *B.shape))], axis=2)
    rows = (np.sqrt(weights)[:, None, None] * full).reshape(-1, full.shape[2])
    penalty = np.r_[np.full(A.shape[2], alpha), np.zeros(B.shape[1])]
    gram = rows.T @ rows + np.diag(penalty)
    return full, np.linalg.solve(gram, rows.T @ (np.sqrt(weights)[:, None] * y).ravel())


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("name", CASES)
def test_agrees_with_refitting_the_whole_tensor_power(name, degree, fit_intercept):
    n = 8
    X, y, rep_in, rep_out = task(name, n)
    weights = np.random.default_rng(1).uniform(0.2, 3, n)
    model = EquivariantRidge(
        rep_in=rep_in, rep_out=rep_out, degree=degree, alphas=ALPHAS, fit_intercept=fit_intercept
    ).fit(X, y, weights)
    A, B = written_out(model, X, degree)
    B = B if fit_intercept else B[:, :0]
    target = model.scaler_out_.transform(y)

    expected = np.zeros(len(ALPHAS))
    for a, alpha in enumerate(ALPHAS):
        for i in range(n):
            rest = np.arange(n) != i
            full, c = ridge(A[rest], B, target[rest], weights[rest], alpha)
            left_out = np.concatenate([A[i], B], axis=1) @ c
            expected[a] += weights[i] * np.sum((target[i] - left_out) ** 2)
    expected /= weights.sum() * y.shape[1]
    np.testing.assert_allclose(model.loo_error_, expected, rtol=1e-10)
    assert model.alpha_ == ALPHAS[np.argmin(expected)]

    full, c = ridge(A, B, target, weights, model.alpha_)
    np.testing.assert_allclose(
        model.scaler_out_.transform(model.predict(X)), full @ c, rtol=1e-9, atol=1e-10
    )
    np.testing.assert_allclose(np.linalg.norm(model.coef_), np.linalg.norm(c[: A.shape[2]]))


@pytest.mark.parametrize("alpha", [1e-2, 1e-6, 1e-10])
def test_leave_one_out_is_exact_where_all_samples_are_interpolated(alpha):
    X, y, rep_in, rep_out = task("no group", 6)
    model = EquivariantRidge(rep_in=rep_in, rep_out=rep_out, degree=4, alphas=[alpha, 1.0]).fit(
        X, y
    )
    A, _ = written_out(model, X, 4)
    A = A.transpose(1, 0, 2).reshape(12, -1)
    target = model.scaler_out_.transform(y)
    expected = 0.0
    for i in range(6):
        rest = np.arange(6) != i
        # the dual normal equations, which keep their precision as α → 0; outputs are independent
        for a, t in zip(A.reshape(2, 6, -1), target.T, strict=True):
            mean, centre = t[rest].mean(), a[rest].mean(0)
            rows = a[rest] - centre
            dual = np.linalg.lstsq(rows @ rows.T + alpha * np.eye(5), t[rest] - mean, rcond=1e-13)
            prediction = mean + (a[i] - centre) @ rows.T @ dual[0]
            expected += (t[i] - prediction) ** 2 / 12
    np.testing.assert_allclose(model.loo_error_[0], expected, rtol=1e-6)


@pytest.mark.parametrize("n", [2, 20])
def test_the_training_error_is_that_of_the_predictions(n):
    rng = np.random.default_rng(0)
    A, Y, weights = rng.standard_normal((n, 3, 7)), rng.standard_normal((n, 3, 2)), rng.random(n)
    invariants = np.linalg.qr(rng.standard_normal((3, 1)))[0]
    problem = LeaveOneOutRidge(A.copy(), Y, weights, invariants)
    for alpha in (1e-3, 0.3, 100.0):
        coefficients, intercepts = problem.solve(alpha)
        residual = Y - A @ coefficients - intercepts
        expected = np.sum(weights[:, None, None] * residual**2)
        np.testing.assert_allclose(problem.squared_error(alpha), expected, rtol=1e-9)


def test_without_a_group_it_is_ridge_regression():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 5)) * [1, 10, 100, 0.1, 3] + [0, 3, -50, 1, 2]
    y = X @ rng.standard_normal((5, 2)) + rng.standard_normal((40, 2))
    model = EquivariantRidge(alphas=7.0).fit(X, y)
    scale_in, scale_out = StandardScaler().fit(X), StandardScaler().fit(y)
    reference = Ridge(7.0).fit(scale_in.transform(X), scale_out.transform(y))
    expected = scale_out.inverse_transform(reference.predict(scale_in.transform(X)))
    np.testing.assert_allclose(model.predict(X), expected)
    np.testing.assert_allclose(model.coef_, reference.coef_.ravel())


# -- the space of polynomials -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "rep_in", "rep_out", "degree", "rank"),
    [
        # polynomials in the N(N+1)/2 dot products, free for N ≤ n
        (O(5), 2 * V, Scalar, 4, 3 + 6),
        (O(5), 2 * V, Scalar, 6, 3 + 6 + 10),
        (O13(), 4 * V, Scalar, 4, 10 + 55),
        # one vector: powers of its square, and they times the vector
        (O(3), V, Scalar, 6, 3),
        (O(3), V, V, 5, 3),
        # the cross product is antisymmetric; the mixed product needs three vectors
        (SO(3), 2 * V, V, 2, 2 + 1),
        (SO(3), 3 * V, Scalar, 3, 6 + 1),
        # symmetric polynomials in 4 variables: partitions into at most 4 parts
        (S(4), V, Scalar, 5, 1 + 2 + 3 + 5 + 6),
        # all monomials
        (None, 4 * Scalar, 3 * Scalar, 3, 3 * (4 + 10 + 20)),
    ],
)
def test_number_of_polynomials(group, rep_in, rep_out, degree, rank):
    rng = np.random.default_rng(0)
    bound = [rep if group is None else rep(group) for rep in (rep_in, rep_out)]
    X, y = (rng.standard_normal((20, rep.size())) for rep in bound)
    model = EquivariantRidge(group, rep_in=rep_in, rep_out=rep_out, degree=degree).fit(X, y)
    assert model.coef_.shape == (rank,)


@pytest.mark.parametrize(("m", "count"), [(1, 1), (2, 2), (3, 3), (4, 5), (5, 7)])
def test_patterns_count_every_product_once(m, count):
    patterns = list(fastemlp.closed_form.polynomials._partitions(m, m))
    assert len(patterns) == count
    for n in (1, 2, 4):
        choices = [fastemlp.closed_form.polynomials._choices(n, p) for p in patterns]
        assert [len(c) for c in choices] == [
            fastemlp.closed_form.polynomials._n_choices(n, p) for p in patterns
        ]
        assert sum(map(len, choices)) == math.comb(n + m - 1, m)


# -- symmetry -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("name", CASES)
def test_predictions_are_equivariant(name, degree, dtype):
    X, y, rep_in, rep_out = task(name, 40)
    X, y = X.astype(dtype), y.astype(dtype)
    model = EquivariantRidge(rep_in=rep_in, rep_out=rep_out, degree=degree, alphas=0.1).fit(X, y)
    error = equivariance_error(model.predict, rep_in, rep_out, X, n_elements=30, random_state=0)
    assert error <= (2e-5 if dtype == np.float32 else 1e-11)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_predictions_are_equivariant_under_a_strong_boost(degree):
    X, y, rep_in, rep_out = task("O(1,3)", 40)
    model = EquivariantRidge(rep_in=rep_in, rep_out=rep_out, degree=degree, alphas=0.1).fit(X, y)
    boost = np.eye(4)
    boost[:2, :2] = [[np.cosh(2), np.sinh(2)], [np.sinh(2), np.cosh(2)]]
    moved, expected = (
        Z @ rep.rho_dense(boost).T for Z, rep in ((X, rep_in), (model.predict(X), rep_out))
    )
    scale = np.abs(expected).max()
    np.testing.assert_allclose(model.predict(moved), expected, atol=1e-11 * scale)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predictions_have_the_dtype_of_X(dtype):
    X, y = make_o5_synthetic(30, random_state=0)
    model = EquivariantRidge(O(5), degree=2).fit(X, y)
    assert model.predict(X.astype(dtype)).dtype == dtype
    assert model.coef_.dtype == np.float64


# -- learning -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "degree"),
    [(make_inertia, 3), (make_particle_interaction, 4)],
    ids=["inertia", "particle"],
)
def test_polynomial_targets_are_learned_exactly(make, degree):
    X, y, spec = make(400, random_state=0, return_spec=True)
    model = EquivariantRidge(spec.group, rep_in=spec.rep_in, rep_out=spec.rep_out, degree=degree)
    assert model.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 1 - 1e-8


def test_the_penalty_follows_the_noise():
    X, _ = make_o5_synthetic(60, random_state=0)
    noise = np.random.default_rng(0).standard_normal(60)
    clean = EquivariantRidge(O(5), degree=2).fit(X, (X**2).sum(1))
    noisy = EquivariantRidge(O(5), degree=2).fit(X, noise)
    assert clean.alpha_ < 1e-3
    assert noisy.alpha_ > 1
    assert clean.loo_error_.shape == clean.alphas_.shape == (10,)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_integer_weights_are_repeats(fit_intercept):
    X, y, rep_in, rep_out = task("O(3)", 12)
    weights = np.random.default_rng(0).integers(0, 4, 12)
    options = {"degree": 2, "fit_intercept": fit_intercept}
    weighted, repeated = (
        EquivariantRidge(rep_in=rep_in, rep_out=rep_out, **options) for _ in range(2)
    )
    weighted.fit(X, y, weights)
    repeated.fit(X.repeat(weights, axis=0), y.repeat(weights, axis=0))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X))
    np.testing.assert_allclose(weighted.loo_error_, repeated.loo_error_)


def test_units_do_not_matter():
    X, y, rep_in, rep_out = task("O(3)", 30)
    model = EquivariantRidge(rep_in=rep_in, rep_out=rep_out, degree=2)
    expected = model.fit(X, y).predict(X)
    rescaled = model.fit(1e6 * X, 1e-6 * y).predict(1e6 * X)
    np.testing.assert_allclose(1e6 * rescaled, expected, rtol=1e-9, atol=1e-10)


def test_rows_in_several_chunks(monkeypatch):
    X, y, rep_in, rep_out = task("O(3)", 30)
    model = EquivariantRidge(rep_in=rep_in, rep_out=rep_out, degree=2)
    expected, loo = model.fit(X, y).predict(X), model.loo_error_
    monkeypatch.setattr(fastemlp.closed_form.polynomials, "_CHUNK", 1000)
    np.testing.assert_allclose(model.fit(X, y).predict(X), expected, atol=1e-12)
    np.testing.assert_allclose(model.loo_error_, loo)


def test_pickled_models_predict_the_same_bits():
    X, y = make_o5_synthetic(30, random_state=0)
    model = EquivariantRidge(O(5), degree=2).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


# -- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"group": 5}, "EquivariantRidge: group must be a Group, its name or None, got 5"),
        ({"degree": 0}, "degree must be an int ≥ 1, got 0"),
        ({"degree": 2.0}, "degree must be an int ≥ 1, got 2.0"),
        ({"degree": True}, "degree must be an int ≥ 1, got True"),
        ({"fit_intercept": "no"}, "fit_intercept must be True or False, got 'no'"),
        ({"alphas": 0.0}, "alphas must be a number > 0 or a sequence of them, got 0.0"),
        ({"alphas": ()}, "alphas must be a number > 0"),
        ({"alphas": [1.0, np.inf]}, "alphas must be a number > 0"),
        ({"alphas": [1.0, np.nan]}, "alphas must be a number > 0"),
        ({"alphas": "1"}, "alphas must be a number > 0"),
        ({"alphas": None}, "alphas must be a number > 0"),
        (
            {"group": O(5), "rep_in": 3 * V},
            r"EquivariantRidge.fit: rep_in=3V has size 15 for O\(5\), got X with 10 features",
        ),
        ({"group": O(3)}, "EquivariantRidge.fit: .* must be a multiple of 3, got 10"),
        ({"rep_in": 7}, "EquivariantRidge.fit: rep_in must be a Rep or a string"),
        ({"group": SU(2)}, r"X and y are real, but SU\(2\) is complex.*realified"),
    ],
)
def test_bad_parameters_say_what_to_do(parameters, match):
    X, y = make_o5_synthetic(20, random_state=0)
    with pytest.raises((ValueError, TypeError), match=match):
        EquivariantRidge(**parameters).fit(X, y)


def test_large_problems_are_refused_before_they_start(monkeypatch):
    X = np.random.default_rng(0).standard_normal((1000, 900))
    with pytest.raises(
        MemoryError,
        match=r"design matrix up to degree 2 to V0 has 1,000 rows and 406,350 columns, 3,100 MiB, more than the 1,024",
    ):
        EquivariantRidge(degree=2).fit(X, X[:, 0])
    monkeypatch.setattr(fastemlp.closed_form.polynomials, "DESIGN_BYTES", 3 * 2**20)
    with pytest.raises(
        MemoryError, match=r"basis of V6 >> V2 has 390,625 rows and 105 columns, 313 MiB, more"
    ):
        EquivariantRidge(O(5), rep_in=V, rep_out=V**2, degree=6).fit(X[:, :5], X[:, :25])


def test_an_output_that_symmetry_forces_to_zero_is_refused():
    X = np.random.default_rng(0).standard_normal((20, 9))
    with pytest.raises(
        ValueError,
        match=r"under O\(3\) the only equivariant polynomial of degree ≤ 2 from V2 to V is zero",
    ):
        EquivariantRidge(O(3), rep_in=V**2, rep_out=V, degree=2).fit(X, X[:, :3])
    with pytest.raises(ValueError, match=r"degree ≤ 1 from V to V0 is zero.*Raise degree"):
        EquivariantRidge(O(3), fit_intercept=False).fit(X[:, :3], X[:, 0])


def test_an_output_that_can_only_be_constant_warns():
    X = np.random.default_rng(0).standard_normal((20, 3))
    with pytest.warns(
        UserWarning, match=r"Under Scaling\(3\) every equivariant polynomial .* constant"
    ):
        model = EquivariantRidge(Scaling(3)).fit(X, X[:, 0])
    np.testing.assert_allclose(model.predict(X), X[:, 0].mean())
    assert model.coef_.shape == (0,)


def test_one_sample_needs_one_penalty():
    X, y = make_o5_synthetic(5, random_state=0)
    with pytest.raises(
        ValueError, match=r"choosing among 10 alphas .* n_samples = 1 of them\. Pass a single"
    ):
        EquivariantRidge(O(5), degree=2).fit(X, y, [0, 0, 1, 0, 0])
    model = EquivariantRidge(O(5), degree=2, alphas=1.0).fit(X[:1], y[:1])
    assert np.isnan(model.loo_error_).all()
    np.testing.assert_allclose(model.predict(X[:1]), y[:1])


def test_weights_are_checked():
    X, y = make_o5_synthetic(5, random_state=0)
    with pytest.raises(
        ValueError, match=r"EquivariantRidge.fit: sample_weight must be ≥ 0 and not zero"
    ):
        EquivariantRidge(O(5)).fit(X, y, np.zeros(5))
    with pytest.raises(ValueError, match=r"sample_weight must be ≥ 0 .* got values from -1 to -1"):
        EquivariantRidge(O(5)).fit(X, y, -np.ones(5))
