"""Groups that stretch have invariants that are no polynomials: products of powers whose units cancel."""

import numpy as np
import pytest

from fastemlp import FastEMLPRegressor
from fastemlp.closed_form.ratios import ratios
from fastemlp.groups import GL, SO, Group, O
from fastemlp.reps import Scalar, V, objects, rho_operator

UNITS = Group(
    lie_algebra=[np.diag(w) for w in ([1.0, 1, 0, 0, 0], [-3.0, -1, 1, 1, 1], [0.0, -1, -1, 0, 0])],
    name="kg, m, s",
)
SIMILARITIES = Group(lie_algebra=[*SO(3).lie_algebra, np.eye(3)], name="turns and sizes")
CASES = [
    (UNITS, V, 2),
    (UNITS, 2 * V + Scalar, 7),
    (GL(2), 4 * V, 5),
    (SIMILARITIES, 2 * V, 2),
]


def inputs(rep, n, seed=0):
    X = np.exp(np.random.default_rng(seed).normal(size=(n, rep.size())))
    return X * np.where(np.arange(rep.size()) % 2, -1.0, 1.0)


@pytest.mark.parametrize(("group", "rep", "n_ratios"), CASES, ids=str)
def test_ratios_do_not_change_and_have_their_derivatives(group, rep, n_ratios):
    rep = rep(group)
    X = inputs(rep, 10)
    sources = [(kind, columns) for kind, columns in objects(rep) if kind != Scalar]
    found = list(ratios((), sources, X))
    assert len(found) == 2
    for invariants in found:
        u = invariants(X)
        assert np.count_nonzero(np.std(u, axis=0) > 1e-9) >= n_ratios
        for g in group.samples(4, 0):
            turned = X @ rho_operator(rep, {group: g}).matmat(np.eye(rep.size())).T
            np.testing.assert_allclose(invariants(turned), u, atol=1e-7 * np.abs(u).max())
        steps = 1e-6 * np.eye(rep.size())
        slopes = [(invariants(X + s) - invariants(X - s)) / 2e-6 for s in steps]
        found = invariants.jacobian(X)
        np.testing.assert_allclose(found, np.stack(slopes, 2), atol=1e-5 * np.abs(found).max())
        kept = np.arange(u.shape[1]) % 2 == 0
        scaled = invariants.scaled(X)
        np.testing.assert_allclose(scaled.only(kept)[0](X), scaled(X)[:, kept])


def test_groups_that_do_not_stretch_have_none():
    for group in (O(3), SO(2)):
        rep = (2 * V)(group)
        assert not list(ratios((), objects(rep), inputs(rep, 5)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_units_leave_is_learned_without_a_network(dtype):
    """The saturation of an enzyme, from concentrations in any unit: no network has an invariant to offer."""
    rng = np.random.default_rng(0)
    group = Group(lie_algebra=[np.diag([1.0, 1, 0, 0]), np.diag([0.0, 0, 1, 1])], name="units")
    X = np.exp(rng.normal(size=(160, 4))).astype(dtype)
    s, i = X[:, 0] / X[:, 1], X[:, 2] / X[:, 3]
    y = s / (1 + i + s)
    model = FastEMLPRegressor(group, rep_in=V, rep_out=Scalar, random_state=0).fit(X[:80], y[:80])
    assert np.mean((model.predict(X[80:]) - y[80:]) ** 2) < 0.01 * np.var(y)
    assert model.network_share_ == 0
    turned = X[80:] * np.array([1e3, 1e3, 1e-4, 1e-4], dtype)
    np.testing.assert_allclose(model.predict(turned), model.predict(X[80:]), atol=1e-4)


def test_without_closed_forms_it_is_said_that_no_network_can():
    X = np.abs(np.random.default_rng(0).normal(size=(20, 5)))
    model = FastEMLPRegressor(UNITS, rep_in=V, rep_out=Scalar, polynomial=None, kernel=None)
    with pytest.raises(ValueError, match="constant"):
        model.fit(X, X[:, 0])
