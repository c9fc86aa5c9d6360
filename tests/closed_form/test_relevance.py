"""Scales of invariants and covariants that make the data likeliest."""

import numpy as np
import pytest

from fastemlp import equivariant_basis
from fastemlp.closed_form.families import families
from fastemlp.closed_form.kernel_ridge import fit_kernel
from fastemlp.closed_form.kernel_search import best_kernels, ingredients
from fastemlp.closed_form.kernels import Kernel
from fastemlp.closed_form.observations import Observations
from fastemlp.closed_form.relevance import _Evidence, likeliest
from fastemlp.groups import D, O
from fastemlp.reps import Scalar, V

CASES = [
    ((2 * V)(O(3)), V(O(3))),
    ((2 * V + 2 * Scalar)(O(3)), Scalar),
    ((2 * V)(D(5)), V(D(5))),
]


def kernels(rep_in, kind, X):
    for covariants, invariants, turns in ingredients(rep_in, kind, X, families):
        for form in ("rbf", "matern"):
            yield Kernel(covariants, invariants, turns, form, 1.0)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_evidence_has_its_derivatives(case):
    rep_in, kind = case
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((12, rep_in.size())), rng.standard_normal((12, kind.size(), 2))
    constants = equivariant_basis(kind, dtype=np.float64).to_dense()
    n_kernels = 0
    for kernel in kernels(rep_in, kind, X):
        evidence = _Evidence.of(kernel, X, Y, rng.uniform(0.5, 2, 12), constants)
        theta = evidence.start + 0.3 * rng.standard_normal(len(evidence.start))
        steps = 1e-5 * np.eye(len(theta))
        slope = [(evidence(theta + s)[0] - evidence(theta - s)[0]) / 2e-5 for s in steps]
        np.testing.assert_allclose(evidence(theta)[1], slope, atol=1e-6)
        n_kernels += 1
    assert n_kernels >= 6


def test_a_kernel_with_other_scales_is_the_one_that_was_weighed():
    rep_in, kind = CASES[0]
    rng = np.random.default_rng(1)
    X, Y = rng.standard_normal((12, 6)), rng.standard_normal((12, 3, 1))
    for kernel in kernels(rep_in, kind, X):
        data = X, Y, np.ones(12), np.empty((3, 0))
        theta = _Evidence.of(kernel, *data).start
        theta[:-1] += rng.standard_normal(len(theta) - 1)
        there = _Evidence.of(kernel, *data)
        other = _Evidence.of(there.kernel_at(theta), *data)
        # covariants keep their mean size, by which the noise is measured
        n = there.group.max() + 1
        size = np.log(np.mean(np.exp(2 * theta[n:-1])))
        start = other.start
        start[-1] = theta[-1] - size
        prior = np.sum((theta[:-1] / 2.0) ** 2) / Y.size
        assert other(start)[0] == pytest.approx(there(theta)[0] - prior, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_invariants_that_do_not_matter_are_left_out(seed):
    rng = np.random.default_rng(seed)
    rep_in = (4 * V)(O(3))
    X = rng.standard_normal((90, 12))
    r = np.linalg.norm(X.reshape(-1, 4, 3)[:, :2], axis=2)
    Y = (np.cos(r[:, 0]) * r[:, 1])[:, None, None]
    data = Observations(X[:60], Y[:60], np.ones(60))
    fit, _ = fit_kernel(rep_in, Scalar, data, rng)
    left = np.mean((fit(X[60:]) - Y[60:]) ** 2) / np.var(Y)
    assert left < 0.02
    likely = likeliest(fit.kernel, X[:60], Y[:60], np.ones(60), np.ones((1, 1)))
    spread = likely.invariants.scale
    assert spread.max() > 10 * spread.min()


@pytest.mark.parametrize("score", [np.inf, np.nan])
def test_kernels_that_cannot_be_compared_are_none(score):
    rep_in, kind = CASES[1]
    X = np.random.default_rng(0).standard_normal((12, rep_in.size()))
    assert best_kernels(rep_in, kind, X, lambda kernels: [score] * len(kernels)) == []
