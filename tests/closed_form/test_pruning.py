"""Closed forms predict from what has coefficients alone, and the same as from all."""

import pickle
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from fastemlp.closed_form.covariants import Covariants
from fastemlp.closed_form.derived import derived
from fastemlp.closed_form.expansion import Expansion
from fastemlp.closed_form.families import families
from fastemlp.closed_form.gradients import Gradient
from fastemlp.closed_form.kernel_ridge import KernelFit
from fastemlp.closed_form.kernel_search import ingredients
from fastemlp.closed_form.kernels import Kernel
from fastemlp.closed_form.laws import PolynomialFit
from fastemlp.closed_form.observations import Observations
from fastemlp.closed_form.polynomials import PolynomialFeatures
from fastemlp.closed_form.potentials import PotentialFit
from fastemlp.closed_form.terms import _candidates
from fastemlp.groups import SO, Lorentz, O, S
from fastemlp.reps import Scalar, V, bind, objects

CASES = [
    (None, 3 * Scalar, Scalar),
    (O(3), 2 * Scalar + 3 * V, Scalar),
    (O(3), Scalar + 2 * V, V),
    (O(3), 3 * Scalar + 3 * V, Scalar),
    (O(3), V + 2 * V**2, Scalar),
    (SO(2), V + V**2, V),
    (Lorentz(), 3 * V, Scalar),
    (S(4), V, V),
    (S(3) * O(2), V(S(3)) * V(O(2)) + V(S(3)), V(O(2))),
]


def problem(case, n=30):
    group, *reps = case
    rep_in, kind = (bind(rep, () if group is None else (group,), "test") for rep in reps)
    rng = np.random.default_rng(0)
    return rep_in, kind, rng.standard_normal((n, rep_in.size())), rng


def some(rng, *shape):
    """Coefficients, most of them zero for all outputs."""
    c = rng.standard_normal(shape)
    c[rng.random(shape[:-1]) < 0.8] = 0
    c[(0,) * (len(shape) - 1)] = 1.0
    return c


def both(make, *arguments):
    """What is made of invariants that are written first, and of those of derived objects."""
    return chain(make(*arguments, families), make(*arguments, derived))


def assert_same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_terms_without_coefficients_are_left_out(case):
    rep_in, kind, X, rng = problem(case)
    data = Observations(X, rng.standard_normal((len(X), kind.size(), 2)), np.ones(len(X)))
    for fit in both(_candidates, rep_in, kind, Covariants.of(rep_in, kind, X), data):
        A = fit.values(X)
        fit = fit.solved(some(rng, A.shape[2], 2), rng.standard_normal((kind.size(), 2)))
        pruned = fit.pruned()
        expected = A @ fit.coefficients.reshape(-1, 2) + fit.intercept
        assert_same(fit(X), expected)
        assert_same(pruned(X), expected)
        assert_same(pruned.jacobian(X), fit.jacobian(X))
        assert pruned.coefficients.any(axis=(1, 2)).sum() == fit.coefficients.any(axis=(1, 2)).sum()
        assert len(pruned.invariants.scale) <= len(fit.invariants.scale)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(pruned))(X), pruned(X))


@pytest.mark.parametrize("form", ["rbf", "matern"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_kernels_leave_out_what_does_not_count(case, form):
    rep_in, kind, X, rng = problem(case)
    for covariants, invariants, turns in both(ingredients, rep_in, kind, X):
        scale = np.where(rng.random(len(invariants.scale)) < 0.5, np.inf, invariants.scale)
        scale[0] = 1.0
        invariants = replace(invariants, scale=scale)
        kernel = Kernel(covariants, invariants, turns, form, 1.3)
        T = some(rng, 8, covariants.rank, 2)
        T[:, 1:] *= rng.random(covariants.rank - 1)[:, None] < 0.5
        fit = KernelFit(kernel, invariants(X[:8]), T, rng.standard_normal((kind.size(), 2)))
        apart = invariants(X)[:, None] - fit.centres
        values = kernel.of(np.sum(apart**2, axis=2))[0]
        expected = np.einsum("nm,ndr,mrc->ndc", values, covariants(X), T) + fit.intercept
        pruned = fit.pruned()
        assert_same(fit(X), expected)
        assert_same(pruned(X), expected)
        assert_same(pruned.jacobian(X), fit.jacobian(X))
        assert pruned.T.shape[1] <= T.shape[1]


@pytest.mark.parametrize("case", CASES[:5], ids=str)
def test_potentials_and_gradients_leave_out_what_does_not_count(case):
    rep_in, _, X, rng = problem(case)
    for covariants, invariants, turns in both(ingredients, rep_in, Scalar, X):
        scale = np.where(rng.random(len(invariants.scale)) < 0.5, np.inf, invariants.scale)
        scale[0] = 1.0
        invariants = replace(invariants, scale=scale)
        kernel = Kernel(covariants, invariants, turns, "matern", 1.3)
        a, g = rng.standard_normal((8, 1)), rng.standard_normal((8, len(scale), 1))
        fit = PotentialFit(kernel, invariants(X[:8]), a, g, np.ones((1, 1)))
        assert_same(fit.pruned()(X), fit(X))
        gradient = Gradient(fit, np.arange(3), np.arange(1.0, 4.0), np.zeros((3, 1)))
        assert_same(gradient.pruned()(X), gradient(X))


def test_pruned_terms_are_refitted_as_before():
    rep_in, kind, X, rng = problem((O(3), 3 * Scalar + 3 * V, Scalar), 60)
    data = Observations(X, rng.standard_normal((len(X), 1, 2)), np.ones(len(X)))
    fits = list(_candidates(rep_in, kind, Covariants.of(rep_in, kind, X), data, families))
    assert any(len(one.invariants.joint) for one in fits)
    for fit in fits:
        c = some(rng, len(fit.functions.kinds), 2)
        fit = fit.solved(c, np.zeros((1, 2)))
        found, left_out = fit.pruned().refitted(data, np.arange(len(X)), np.ones((1, 1)))
        expected, expected_left_out = fit.refitted(data, np.arange(len(X)), np.ones((1, 1)))
        np.testing.assert_allclose(found(X), expected(X), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(left_out, expected_left_out, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_expansions_are_the_polynomials(case, degree):
    rep_in, kind, X, rng = problem(case)
    features = PolynomialFeatures.build(objects(rep_in), kind, degree, 1)
    if not features.rank:
        return
    c, b = some(rng, features.rank, 2), np.zeros((kind.size(), 2))
    expected = features(X) @ c
    found = Expansion.of(features, c)
    assert_same(found(X).reshape(expected.shape), expected)
    assert_same(PolynomialFit(features, c, b, degree)(X), expected)


def test_a_polynomial_of_few_terms_takes_few_monomials():
    rep_in = (5 * V)(O(3))
    features = PolynomialFeatures.build(objects(rep_in), Scalar, 4, 1)
    c = np.zeros((features.rank, 1))
    c[features.products == 1] = 1.0
    # one dot product, and x, y and z of one factor
    assert len(Expansion.of(features, c).maps) == 6


def test_many_copies_of_an_output_are_not_multiplied_out():
    rep_in = (2 * V)(O(3))
    features = PolynomialFeatures.build(objects(rep_in), V(O(3)), 3, 1)
    rng = np.random.default_rng(0)
    assert Expansion.if_faster(features, rng.standard_normal((features.rank, 1))) is not None
    assert Expansion.if_faster(features, rng.standard_normal((features.rank, 1000))) is None


def test_terms_of_one_invariant_take_one():
    rep_in, kind, X, _ = problem((O(3), 6 * V, Scalar))
    data = Observations(X, X[:, None, :1], np.ones(len(X)))
    fits = _candidates(rep_in, kind, Covariants.of(rep_in, kind, X), data, families)
    # not of copies that do alike
    fit = next(fit for fit in fits if all(curve.orbit.size == 1 for curve in fit.functions.curves))
    c = np.zeros((len(fit.functions.kinds), 1))
    c[fit.functions.kinds == 3] = 1.0
    pruned = fit.solved(c, np.zeros((1, 1))).pruned()
    assert len(pruned.invariants.scale) == len(pruned.functions.curves) == 1
    assert len(pruned.invariants.pieces[0].features.columns) <= 6
