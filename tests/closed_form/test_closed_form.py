"""Closed forms are equivariant, have exact derivatives and left-out errors, and find laws that are there."""

from itertools import chain

import numpy as np
import pytest
from scipy.stats import ortho_group

from fastemlp import equivariant_basis
from fastemlp.closed_form import (
    LeaveOneOutRidge,
    PolynomialFeatures,
    fit_closed_form,
    fit_to_many,
)
from fastemlp.closed_form.choice import _is_better, of_invariants
from fastemlp.closed_form.covariants import Covariants
from fastemlp.closed_form.derived import derived
from fastemlp.closed_form.families import families
from fastemlp.closed_form.gradients import GradientObservations
from fastemlp.closed_form.laws import Degrees, fit_polynomial
from fastemlp.closed_form.observations import Observations
from fastemlp.closed_form.outliers import without_outliers
from fastemlp.closed_form.potentials import fit_potential
from fastemlp.closed_form.sparse import fit_sparse
from fastemlp.closed_form.spectra import Spectra
from fastemlp.closed_form.terms import Sum, _exchanged, search_terms
from fastemlp.closed_form.views import views
from fastemlp.datasets import make_inertia, make_o5_synthetic, make_particle_interaction
from fastemlp.groups import SO, C, D, Group, Lorentz, O, S, SO13p, Sp, Z
from fastemlp.nn import EMLP
from fastemlp.reps import P, Scalar, T, V, axial, bind, objects
from fastemlp.testing import equivariance_error

_ROTATIONS = np.zeros((3, 3, 3))
_ROTATIONS[0, 0, 1], _ROTATIONS[0, 1, 0] = 1, -1
_ROTATIONS[1, 0, 2], _ROTATIONS[2, 1, 2] = 1, 1
SE2 = Group(lie_algebra=_ROTATIONS, name="SE(2)")
SKEW = np.array([[1.0, 0.4, 0.0], [0.0, 1.3, -0.2], [0.0, 0.0, 0.8]])
SKEW_SO3 = Group(
    lie_algebra=[np.linalg.solve(SKEW, A @ SKEW) for A in SO(3).lie_algebra], name="skew SO(3)"
)
CASES = [
    (None, 3 * Scalar, 2 * Scalar),
    (O(3), 2 * Scalar + 3 * V, Scalar),
    (O(3), Scalar + 2 * V, V**2),
    (O(3), 3 * V, P + 2 * V + axial),
    (SO(2), 2 * V + V**2, V),
    (Lorentz(), 3 * V, Scalar),
    (Sp(2), 2 * V, V),
    (SE2, 2 * V, Scalar),
    (SKEW_SO3, 2 * V, V),
    (S(4), V, Scalar + V),
    (S(6), V, Scalar),
    (S(3), V**2, V),
    (Z(4), V, V),
    (C(4), V, V),
    (D(3), 2 * V + Scalar, V),
    (S(4) * O(3), V(S(4)) * V(O(3)), Scalar),
    (S(3) * O(2), V(S(3)) * V(O(2)) + V(S(3)), V(O(2))),
    (S(6) * O(2), V(S(6)) * V(O(2)), Scalar),
    (O(2), 3 * V + 3 * Scalar, 3 * V),
    (SO(2), V**2, V**2),
    (S(3) * O(2), V(S(3)) * V(O(2)) + V(S(3)), V(S(3)) * V(O(2))),
]


def target(group, rep_in, rep_out, X, seed=0):
    """What a random network of the symmetry says, of unit size."""
    rng = np.random.default_rng(seed)
    if group is None:
        return np.c_[np.sin(X[:, 0]) * X[:, 1], np.exp(X[:, 2])]
    groups = tuple(dict.fromkeys((*rep_in.groups, *rep_out.groups)))
    network = EMLP(rep_in, rep_out, groups, 40, 1, dtype=np.float64, random_state=rng)
    y = network(network.init(rng), X)
    return y / (y.std() or 1.0)


def problem(case, n=40, seed=0):
    group, rep_in, rep_out = case
    groups = () if group is None else (group,)
    rep_in, rep_out = (bind(rep, groups, "test") for rep in (rep_in, rep_out))
    X = np.random.default_rng(seed).standard_normal((n, rep_in.size()))
    return rep_in, rep_out, X, target(group, rep_in, rep_out, X, seed)


def every_sum(rep_in, kind, data):
    rng = np.random.default_rng(0)
    return search_terms(rep_in, kind, data, rng).fits(rng)


def every_fit(rep_in, kind, columns, data):
    """Whatever may be chosen, of what is not zero."""
    if not data.Y.any():
        return []
    rng = np.random.default_rng(0)
    found = [fit_polynomial(Degrees(objects(rep_in), kind, "auto"), data, rng)]
    found += of_invariants(rep_in, kind, data, rng)
    ones = np.ones(rep_in.size()), np.ones(columns.max() + 1)
    gradient = GradientObservations.of_outputs(rep_in, kind, columns, ones, data)
    if gradient is not None:
        found += [fit_potential(rep_in, gradient, rng), *every_sum(rep_in, Scalar, gradient)]
    fits = [fit for fit, _ in found if fit is not None]
    # and the same near some of the data
    bounded = [fit.within(data.X[:6]) for fit in fits]
    return fits + [one for one, fit in zip(bounded, fits, strict=True) if one is not fit]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_closed_form_is_equivariant_and_has_its_derivatives(case):
    rep_in, rep_out, X, Y = problem(case, 16)
    n_fits, step, x = 0, 5e-4, X[:5]
    # steps of four lengths along every coordinate, for all of which a fit is asked at once
    steps = np.multiply.outer([1, -1, 2, -2], step * np.eye(x.shape[1]))
    shifted = x + steps[:, :, None]
    for kind, columns in objects(rep_out):
        data = Observations(X, Y[:, columns.T], np.ones(len(X)))
        for fit in every_fit(rep_in, kind, columns, data):
            n_fits += 1
            for copy in range(len(columns)):
                error = equivariance_error(
                    lambda x, fit=fit, copy=copy: fit(x)[..., copy], rep_in, kind, X
                )
                assert error < 1e-9, fit.name
            found = fit.jacobian(x)
            scale = np.abs(found).max() + 1
            y = fit(shifted.reshape(-1, x.shape[1]))
            y = y.reshape(*shifted.shape[:3], *y.shape[1:])
            slope = (8 * (y[0] - y[1]) - (y[2] - y[3])) / (12 * step)
            assert np.abs(np.moveaxis(found, -1, 0) - slope).max() < 1e-5 * scale, fit.name
    assert n_fits >= 2


@pytest.mark.parametrize(
    ("group", "rep"),
    [(O(3), 3 * V + Scalar), (O(3), V * V), (S(4), V)],
    ids=str,
)
def test_second_derivatives_of_functions_are_exact(group, rep):
    # symmetric to roundoff: one derivative is written out, the other taken along the imaginary axis
    rep_in = bind(rep, (group,), "test")
    kind, inputs = next(one for one in objects(rep_in) if one[0] != Scalar)
    columns = np.arange(inputs.size).reshape(inputs.shape)
    X = np.random.default_rng(0).standard_normal((10, rep_in.size()))
    Y = target(group, rep_in, len(columns) * kind, X)[:, columns.T]
    data, ones = Observations(X, Y, np.ones(10)), np.ones(rep_in.size())
    data = GradientObservations.of_outputs(rep_in, kind, columns, (ones, ones), data)
    fits = [fit_potential(rep_in, data, np.random.default_rng(0))[0]]
    fits += [fit for fit, _ in every_sum(rep_in, Scalar, data)]
    for fit in fits:
        H = fit.jacobian(X).reshape(len(X), -1, rep_in.size())[..., inputs.T.ravel()]
        assert np.abs(H - H.swapaxes(1, 2)).max() < 1e-10 * np.abs(H).max(), fit.name
    assert len(fits) >= 3


def test_eigenvalues_that_coincide_have_second_derivatives():
    # ∑ f(λ) of a symmetric part and ∑ f(s) of a matrix, f = log(2 + ·²), whose gradients are known as such
    d, rng = 3, np.random.default_rng(0)
    A = np.stack([rng.standard_normal((d, d)), np.eye(d), np.diag([1.0, 1.0, 2.0])])
    B = rng.standard_normal((3, d, d))
    spectra = Spectra(np.arange(d * d)[None], True)
    h, step = 1e-20, 1e-4

    def gradient(A):
        X = A.reshape(len(A), -1)
        u = spectra(X)
        return np.einsum("np,npj->nj", 2 * u / (2 + u**2), spectra.jacobian(X))

    found = gradient(A + 1j * h * B).imag / h
    expected = (8 * (gradient(A + step * B) - gradient(A - step * B))) / (12 * step)
    expected -= (gradient(A + 2 * step * B) - gradient(A - 2 * step * B)) / (12 * step)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_invariants_do_not_change(case):
    rep_in, rep_out, X, _ = problem(case, 20)
    for view in views(rep_in, objects(rep_out)[0][0]):
        for invariants in chain(families(view.sources, X), derived(view.sources, X)):
            # what vanishes at all samples is left out
            invariants = invariants.scaled(X)
            if view.generators or invariants is None:
                continue
            size = len(invariants(X[:1])[0])
            error = equivariance_error(invariants, rep_in, size * Scalar, X)
            assert error < 1e-9, invariants.name


@pytest.mark.parametrize(
    ("group", "rep"),
    [
        (O(3), 3 * V + Scalar),
        (SO(3), V * V + V),
        (O(3), axial + V * V),
        (O(5), 2 * V),
        (Lorentz(), 3 * V),
        (S(4) * O(3), V(S(4)) * V(O(3))),
        (C(4), V),
    ],
    ids=str,
)
def test_invariants_of_derived_objects_have_their_derivatives(group, rep):
    rep_in = bind(rep, (group,), "test")
    X, step, n_found = np.random.default_rng(0).standard_normal((6, rep_in.size())), 1e-20, 0
    for view in views(rep_in, Scalar):
        for invariants in derived(view.sources, X):
            n_found += 1
            J, h = invariants.jacobian(X), 1e-4
            for j, e in enumerate(np.eye(X.shape[1])):
                near, far = (invariants(X + k * h * e) - invariants(X - k * h * e) for k in (1, 2))
                np.testing.assert_allclose(J[..., j], (8 * near - far) / (12 * h), atol=1e-6)
                np.testing.assert_allclose(
                    J[..., j], invariants(X + 1j * step * e).imag / step, atol=1e-9
                )
    assert n_found >= 2


@pytest.mark.parametrize("seed", [1, 2])
def test_angles_and_lengths_of_products_are_found(seed):
    # a lift that saturates with the spin, and an angle between two planes
    rng = np.random.default_rng(seed)
    v, w, u = rng.standard_normal((3, 400, 3))
    lift = np.cross(w, v) / (0.4 + np.linalg.norm(np.cross(w, v), axis=1))[:, None]
    first, second = np.cross(v, w), np.cross(w, u)
    cosine = np.sum(first * second, 1) / np.linalg.norm(first, axis=1)
    cosine /= np.linalg.norm(second, axis=1)
    rng = np.random.default_rng(0)
    for rep, X, Y in (
        (V + axial, np.hstack([v, w]), lift),
        (3 * V, np.hstack([v, w, u]), np.cos(3 * np.arccos(cosine))[:, None]),
    ):
        rep_in, kind = bind(rep, (O(3),), "test"), V(O(3)) if Y.shape[1] == 3 else Scalar
        form, *_ = fit_closed_form((rep_in, kind), X[:100], Y[:100], np.ones(100), rng)
        error = np.mean((form(X[100:]) - Y[100:]) ** 2) / np.var(Y[100:])
        assert error < 0.02, str(form)


@pytest.mark.parametrize("n", [30, 100])
@pytest.mark.parametrize(
    "make", [make_inertia, lambda *a, **k: make_particle_interaction(*a, symmetrized=False, **k)]
)
def test_laws_of_few_terms_are_found_from_few_samples(make, n):
    X, y, spec = make(n + 200, random_state=3, return_spec=True)
    y = y.reshape(len(y), -1)
    reps = tuple(rep(spec.group) if rep != Scalar else rep for rep in (spec.rep_in, spec.rep_out))
    weights = np.ones(n)
    form, left_out, _ = fit_closed_form(reps, X[:n], y[:n], weights, np.random.default_rng(0))
    assert "polynomial" in str(form)
    assert np.abs(form(X[n:]) - y[n:]).max() < 1e-7 * np.abs(y).max()
    assert np.abs(left_out).max() < 1e-7 * np.abs(y).max()


@pytest.mark.parametrize("n", [40, 150, 300])
def test_a_law_that_few_samples_show_is_not_lost_with_more(n):
    """Charges that attract each other: six products among hundreds, which one round of reweighting does not show."""
    rng = np.random.default_rng(2)
    rep_in = (4 * Scalar + 4 * V)(O(3))
    X = rng.standard_normal((n + 100, 16))
    x, (i, j) = X[:, 4:].reshape(-1, 4, 3), np.triu_indices(4, 1)
    y = np.sum(X[:, i] * X[:, j] / np.linalg.norm(x[:, i] - x[:, j], axis=2), axis=1)[:, None]
    form, _, _ = fit_closed_form((rep_in, Scalar), X[:n], y[:n], np.ones(n), rng)
    assert np.mean((form(X[n:]) - y[n:]) ** 2) < 1e-12 * np.var(y)


def test_a_law_of_derived_objects_is_not_lost_where_a_kernel_does_well():
    """The mass of some particles, which a kernel of products learns, but not to the end."""
    rng = np.random.default_rng(0)
    p, mass = rng.standard_normal((250, 3, 3)), rng.uniform(0.3, 1.5, (250, 3, 1))
    energy = np.sqrt(mass**2 + np.sum(p**2, axis=2, keepdims=True))
    X = np.concatenate([energy, p], axis=2)
    total = X.sum(axis=1)
    y = np.sqrt(total[:, :1] ** 2 - np.sum(total[:, 1:] ** 2, axis=1, keepdims=True))
    X, few = X.reshape(len(X), -1), slice(0, 150)
    form, _, _ = fit_closed_form(((3 * V)(SO13p()), Scalar), X[few], y[few], np.ones(150), rng)
    assert np.mean((form(X[150:]) - y[150:]) ** 2) < 1e-12 * np.var(y)


def test_pair_potentials_are_found_for_points_that_a_group_exchanges():
    rep_in = V(S(5)) * V(O(3))
    x = np.random.default_rng(0).uniform(-2, 2, (300, 5, 3))
    i, j = np.triu_indices(5, 1)
    y = np.exp(-np.linalg.norm(x[:, i] - x[:, j], axis=2)).sum(1, keepdims=True)
    X, few = x.reshape(len(x), -1), slice(0, 60)
    reps = rep_in, Scalar
    form, *_ = fit_closed_form(reps, X[few], y[few], np.ones(60), np.random.default_rng(0))
    assert str(form).startswith("functions of distances, ")
    r = np.linalg.norm(x[:, i] - x[:, j], axis=2)
    inside = np.all((r >= r[few].min()) & (r <= r[few].max()), axis=1)
    assert inside[60:].sum() > 100
    assert np.square(form(X) - y)[inside].mean() < 1e-8 * y.var()


def test_functions_that_are_kept_near_the_data_are_the_same_there_and_end_beyond():
    rep_in, _, X, Y = problem((O(3), Scalar + 2 * V, Scalar), 40)
    data = Observations(X, Y[:, :, None], np.ones(len(X)))
    for fit, _ in every_sum(rep_in, Scalar, data):
        bounded = fit.within(X)
        assert bounded.is_bounded
        np.testing.assert_allclose(bounded(X), fit(X), rtol=1e-9, atol=1e-12)
        far = 1e3 * X
        assert np.array_equal(bounded(far).round(9), bounded(10 * far).round(9))


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_targets_that_are_wrong_hardly_count(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((100, 6))
    clean = np.sin(np.sum(X[:, :3] * X[:, 3:], axis=1))
    y, far = clean.copy(), np.arange(100) % 20 == 0
    y[far] += 4.0
    rep_in = bind(2 * V, (O(3),), "test")
    rep_out = bind(Scalar, (O(3),), "test")
    form, left_out, _ = fit_closed_form(
        (rep_in, rep_out), X, y[:, None], np.ones(100), np.random.default_rng(0)
    )
    assert np.mean((form(X)[:, 0] - clean) ** 2) < 0.01
    assert left_out[far].min() > 3


def test_targets_that_are_steep_count_in_full():
    # most of the variance is of a few samples, and only they tell of others like them
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 6))
    y = np.exp(3 * X[:, 0])
    y /= y.std()
    data = Observations(X, y[:, None, None], np.ones(100))

    def fit(data):
        # nearest neighbours, but for what hardly counts
        apart = np.abs(np.subtract.outer(X[:, 0], X[:, 0])) + 1e9 * np.eye(100)
        nearest = np.argmin(apart + 1e6 * (data.weights < 0.5), axis=1)
        return data, data.targets - data.targets[nearest]

    chosen, _ = without_outliers(fit, data)
    assert np.array_equal(chosen.weights, data.weights)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("n", [10, 30, 200])
def test_noise_is_a_constant_or_nearly(n, seed):
    rng = np.random.default_rng(seed)
    rep_in = (3 * V)(O(3))
    X, y = rng.standard_normal((n, 9)), rng.standard_normal((n, 1))
    form, *_ = fit_closed_form((rep_in, Scalar), X, y, np.ones(n), rng)
    more = rng.standard_normal((500, 9))
    assert np.square(form(more)).mean() < 0.35


def weighted_problem(n=25, d=3, r=12):
    rng = np.random.default_rng(1)
    A, Y = rng.standard_normal((n, d, r)), rng.standard_normal((n, d, 2))
    constants = np.linalg.qr(rng.standard_normal((d, 1)))[0]
    return A, Y, rng.uniform(0.5, 2, n), constants


def test_left_out_residuals_are_those_of_fits_without_the_sample():
    A, Y, weights, constants = weighted_problem()
    found = LeaveOneOutRidge(A.copy(), Y, weights, constants).left_out(0.3)
    for i in range(len(A)):
        rest = np.arange(len(A)) != i
        c, b = LeaveOneOutRidge(A[rest], Y[rest], weights[rest], constants).solve(0.3)
        np.testing.assert_allclose(found[i], Y[i] - A[i] @ c - b, rtol=1e-9, atol=1e-12)


def test_the_evidence_is_that_of_a_gaussian_process():
    A, Y, weights, _ = weighted_problem()
    alphas = [0.01, 0.3, 4.0]
    none = np.zeros((3, 0))
    found = LeaveOneOutRidge(A.copy(), Y, weights, none).evidences(alphas)
    root = np.sqrt(np.repeat(weights, 3))[:, None]
    A, Y = A.reshape(75, -1) * root, Y.reshape(75, -1) * root
    for alpha, value in zip(alphas, found, strict=True):
        K = A @ A.T + alpha * np.eye(75)
        fit = np.vdot(Y, np.linalg.solve(K, Y)) / Y.size
        expected = Y.size * np.log(fit) + 2 * np.linalg.slogdet(K)[1]
        assert value == pytest.approx(expected, rel=1e-9)


def test_sparse_fits_do_not_depend_on_the_basis_of_a_product():
    rng = np.random.default_rng(0)
    A, products = rng.standard_normal((40, 1, 30)), np.repeat(np.arange(10), 3)
    Y = A[:, :, 6:9] @ [[1.0], [2.0], [-1.0]]
    turn = np.zeros((30, 30))
    for k in range(10):
        turn[3 * k : 3 * k + 3, 3 * k : 3 * k + 3] = ortho_group.rvs(3, random_state=k)
    none, weights = np.zeros((1, 0)), np.ones(40)
    c, *_ = fit_sparse(A, Y, weights, none, products, np.random.default_rng(0))
    turned, *_ = fit_sparse(A @ turn, Y, weights, none, products, np.random.default_rng(0))
    np.testing.assert_allclose(turn @ turned, c, atol=1e-9)
    assert (np.abs(c[[*range(6), *range(9, 30)]]) < 1e-9).all()


def test_a_weight_counts_like_copies_of_a_sample_in_a_kernel_of_given_form():
    A, Y, _, constants = weighted_problem()
    twice = np.r_[0:25, 0:5]
    weights = np.r_[np.full(5, 2.0), np.ones(20)]
    once = LeaveOneOutRidge(A.copy(), Y, weights, constants).solve(0.1)
    copied = LeaveOneOutRidge(A[twice], Y[twice], np.ones(30), constants).solve(0.1)
    for a, b in zip(once, copied, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_derivatives_are_fitted_and_left_out_with_their_sample():
    rep_in = (2 * V)(O(3))
    X = np.random.default_rng(0).standard_normal((12, 6))
    a, b = X[:, :3], X[:, 3:]
    ab = np.sum(a * b, axis=1, keepdims=True)
    y, slopes = ab**2, 2 * np.hstack([ab * b, ab * a])[:, None]
    slopes[8:] = np.nan
    options = {"slopes": slopes, "slope_weight": 0.5, "kernel": None}
    form, left_out, slopes_left_out = fit_closed_form(
        (rep_in, Scalar), X, y, np.ones(12), np.random.default_rng(0), **options
    )
    np.testing.assert_allclose(form(X), y, atol=1e-9)
    np.testing.assert_allclose(form.jacobian(X)[:8], slopes[:8], atol=1e-8)
    assert np.abs(left_out).max() < 1e-8
    assert np.isnan(slopes_left_out[8:]).all()
    assert np.abs(slopes_left_out[:8]).max() < 1e-7


@pytest.mark.parametrize("power", [-6.0, 3.5])
def test_powers_over_decades_are_found_by_their_logarithms(power):
    rep_in = (2 * V)(O(3))
    rng = np.random.default_rng(0)
    X = rng.standard_normal((130, 6))
    y = np.linalg.norm(X[:, :3] - X[:, 3:], axis=1, keepdims=True) ** power
    offset = np.array([0.2])
    form, *_ = fit_closed_form(
        (rep_in, Scalar), X[:30], y[:30] - offset, np.ones(30), rng, offset=offset
    )
    np.testing.assert_allclose(form(X) + offset, y, rtol=1e-4)
    step = 1e-5 * np.eye(6)[0]
    slope = (form(X[:9] + step) - form(X[:9] - step)) / 2e-5
    np.testing.assert_allclose(form.jacobian(X[:9])[..., 0], slope, rtol=1e-4)


def test_pairs_of_particles_with_scalars_share_one_function():
    group = S(4) * O(3)
    rep_in = bind(V(S(4)) * V(O(3)) + V(S(4)), (group,), "test")
    rng = np.random.default_rng(0)
    X = np.hstack([rng.standard_normal((250, 12)), rng.integers(2, size=(250, 4))])
    i, j = np.triu_indices(4, 1)
    x = X[:, :12].reshape(-1, 4, 3)
    r = np.linalg.norm(x[:, i] - x[:, j], axis=2)
    charges = X[:, 12:]
    y = np.sum((1 + charges[:, i]) * (1 + charges[:, j]) * np.exp(-r), axis=1, keepdims=True)
    y -= y.mean()
    form, *_ = fit_closed_form((rep_in, Scalar), X[:150], y[:150], np.ones(150), rng)
    assert np.mean((form(X) - y)[150:] ** 2) < 1e-4 * y.var()
    assert equivariance_error(form, rep_in, Scalar, X[:20]) < 1e-9


def test_scalars_that_coincide_in_samples_are_not_taken_for_those_of_points():
    # what permutes the points leaves the scalars where they are, which these samples alone do not tell
    group = S(3) * O(2)
    rep_in = bind(V(S(3)) * V(O(2)) + 3 * Scalar, (group,), "test")
    rng = np.random.default_rng(0)
    X = np.hstack([rng.standard_normal((40, 6)), np.ones((40, 3))])
    X[39, 6:] = 0.0, 2.0, 3.0
    probes, n_sums = rng.standard_normal((20, 9)), 0
    for invariants, are_shared in _exchanged(rep_in, Scalar, X):
        functions = are_shared and next(Sum.of(invariants, invariants(X)), None)
        if functions:
            n_sums += 1

            def total(x, invariants=invariants, functions=functions):
                return functions(invariants(x)).sum(axis=1, keepdims=True)

            assert equivariance_error(total, rep_in, Scalar, probes) < 1e-9, invariants.name
    assert n_sums


def test_a_gradient_is_found_as_one():
    rep = (3 * V)(O(3))
    rng = np.random.default_rng(0)
    X = rng.standard_normal((220, 9))
    x = X.reshape(-1, 3, 3)
    i, j = np.triu_indices(3, 1)
    apart = x[:, i] - x[:, j]
    force = np.exp(-np.linalg.norm(apart, axis=2, keepdims=True)) * apart
    y = np.zeros_like(x)
    for p in range(3):
        y[:, i[p]] += force[:, p]
        y[:, j[p]] -= force[:, p]
    form, *_ = fit_closed_form((rep, rep), X[:20], y.reshape(-1, 9)[:20], np.ones(20), rng)
    assert "gradient" in str(form)
    assert np.mean((form(X) - y.reshape(-1, 9))[20:] ** 2) < 1e-3 * y.var()


def test_covariants_hold_constants_and_products_of_inputs():
    rep_in, kind = (Scalar + 2 * V)(O(3)), (V**2)(O(3))
    X = np.random.default_rng(0).standard_normal((50, 7))
    covariants = Covariants.of(rep_in, kind, X)
    # I; s I is not told apart from I by a degree of two at most: s I, s² I, aa, ab, ba, bb and their traces times I
    assert covariants.rank == covariants(X).shape[2]
    sizes = np.mean(np.sum(covariants(X) ** 2, axis=1), axis=0)
    np.testing.assert_allclose(sizes, 1, rtol=1e-9)
    assert equivariant_basis(kind).rank == covariants.constants.shape[1] == 1


@pytest.mark.parametrize(
    ("group", "rep_in", "rep_out", "rank"),
    [
        # 1, F, Fᵀ, F², Fᵀ², F Fᵀ, Fᵀ F, and four of degree three
        (O(3), V**2, V**2, 11),
        (O(3), 4 * V + 2 * Scalar, V, 4),
        # ω, I ω, Iᵀ ω, what is skew in I, and that times I
        (O(3), axial + V**2, axial, 5),
        (S(4), V, V, 4),
        (SO(3), 2 * V, V, 3),
    ],
    ids=str,
)
def test_generators_span_what_all_covariants_do(group, rep_in, rep_out, rank):
    rep_in, kind = bind(rep_in, (group,), "test"), bind(rep_out, (group,), "test")
    X = np.random.default_rng(1).standard_normal((30, rep_in.size()))
    covariants = Covariants.of(rep_in, kind, X)
    generators = covariants.generators(rep_in)
    assert generators.rank == rank
    for values, some in zip(covariants(X), generators(X), strict=True):
        rest = values - some @ np.linalg.lstsq(some, values, rcond=1e-10)[0]
        assert np.abs(rest).max() < 1e-8 * np.abs(values).max()
    few, kept = generators.only(np.arange(rank) == rank - 1)
    np.testing.assert_allclose(few(X), generators(X)[..., kept], atol=1e-12)
    np.testing.assert_allclose(few.slopes(X), generators.slopes(X)[:, :, kept], atol=1e-12)


def test_covariants_reach_all_directions():
    # ω and I ω alone leave out ω × I ω
    rep_in, kind = bind(axial + V**2, (O(3),), "test"), bind(axial, (O(3),), "test")
    A = np.random.default_rng(0).standard_normal((10, 3, 3))
    X = np.hstack([A[:, 0], (A + A.swapaxes(1, 2)).reshape(10, 9)])
    assert all(np.linalg.matrix_rank(values) == 3 for values in Covariants.of(rep_in, kind, X)(X))


def test_a_dual_is_not_taken_for_the_type_itself():
    rep_in, rep_out = bind(2 * V, (SKEW_SO3,), "test"), bind(T(0, 1), (SKEW_SO3,), "test")
    X = np.random.default_rng(0).standard_normal((40, 6))
    y = target(SKEW_SO3, rep_in, rep_out, X)
    form, *_ = fit_closed_form((rep_in, rep_out), X, y, np.ones(40), np.random.default_rng(0))
    assert equivariance_error(form, rep_in, rep_out, X) < 1e-9


def test_powers_are_multiplied_out_once_for_each_monomial():
    X = np.random.default_rng(0).standard_normal((7, 10))
    features = PolynomialFeatures.build(objects(2 * V(O(5))), Scalar, 4, len(X))
    for path in features.paths:
        tensors = X[:, path.columns[0]]
        for columns in path.columns[1:]:
            tensors = np.einsum("npi,npj->npij", tensors, X[:, columns]).reshape(
                *tensors.shape[:2], -1
            )
        expected = tensors.reshape(-1, len(path.Q)) @ path.Q
        values = path.values(X.T).transpose(3, 2, 0, 1).reshape(expected.shape)
        np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)


@pytest.fixture
def few_choose(monkeypatch):
    monkeypatch.setattr("fastemlp.closed_form.many.MOST", 100)


def of_many(n, noise, seed=0):
    X, y = make_o5_synthetic(n, noise=noise, random_state=seed)
    return (2 * V(O(5)), Scalar), X, y[:, None], np.ones(n), np.random.default_rng(seed)


def test_of_many_samples_some_choose_and_more_are_fitted(few_choose):
    reps, X, _, weights, rng = of_many(2000, noise=0.0)
    law = np.einsum("nj,nj->n", X[:, :5], X[:, 5:])[:, None]
    y = law + rng.standard_normal(law.shape)
    form, residuals = fit_to_many(reps, X, y, weights, rng, kernel=None)
    few = residuals.have_chosen
    of_few, *_ = fit_closed_form(reps, X[few], y[few], weights[few], rng, kernel=None)
    assert few.sum() == 100
    errors = [np.mean((f(X) - law) ** 2) for f in (form, of_few)]
    assert errors[0] < 0.3 * errors[1]


def test_what_is_left_of_samples_that_have_not_chosen_is_predicted(few_choose):
    reps, X, y, weights, rng = of_many(300, noise=0.1)
    form, residuals = fit_to_many(reps, X, y, weights, rng)
    others = np.flatnonzero(~residuals.have_chosen)
    np.testing.assert_allclose(residuals(others)[0], y[others] - form(X[others]))
    # in any order, also together with those that have chosen, which were left out of the fit
    every = np.random.default_rng(1).permutation(300)
    rest = residuals(every)[0]
    np.testing.assert_allclose(rest[np.argsort(every)][others], residuals(others)[0])
    chosen = np.flatnonzero(residuals.have_chosen)
    np.testing.assert_array_equal(rest[np.argsort(every)][chosen], residuals.left_out[0])


def test_what_hardly_weighs_does_not_tell_whether_a_fit_is_better_than_a_constant():
    rng = np.random.default_rng(0)
    y, weights = rng.standard_normal((30, 1, 1)), np.ones(30)
    e = 0.3 * rng.standard_normal((30, 1, 1))
    e[0] = 30.0
    assert not _is_better(y, e, weights)
    weights[0] = 1e-4
    assert _is_better(y, e, weights / weights.mean())
