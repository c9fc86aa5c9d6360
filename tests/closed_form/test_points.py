"""Points that a group moves as well as turns: their distances and the angles between the lines through them."""

import numpy as np
import pytest

from fastemlp.closed_form import fit_closed_form
from fastemlp.closed_form.derived import _of_points
from fastemlp.closed_form.points import Affine
from fastemlp.groups import Group, Lorentz, O, S
from fastemlp.reps import Scalar, T, V, bind, objects, rho_operator


def motions(d):
    """E(d), on (x, 1)."""
    generators = []
    for i in range(d):
        for j in range(i):
            A = np.zeros((d + 1, d + 1))
            A[i, j], A[j, i] = 1, -1
            generators.append(A)
        A = np.zeros((d + 1, d + 1))
        A[i, d] = 1
        generators.append(A)
    return Group(generators, [np.diag([-1.0] + d * [1.0])], name=f"E({d})")


def scene(d, n, seed=0):
    """Three points and a vector."""
    x = np.random.default_rng(seed).standard_normal((n, 4, d + 1))
    x[..., d] = [1, 1, 1, 0]
    return x.reshape(n, -1)


@pytest.mark.parametrize("d", [2, 3])
def test_distances_and_angles_do_not_change_and_have_their_derivatives(d):
    group, X = motions(d), scene(d, 8)
    rep = (4 * V)(group)
    # where the weight of a vector is not zero it is none
    free = np.arange(X.shape[1]) != X.shape[1] - 1
    found = list(_of_points((), objects(rep), X))
    assert len(found) == 6
    for invariants in found:
        u = invariants(X)
        for g in group.samples(3, 0):
            turned = X @ rho_operator(rep, {group: g}).matmat(np.eye(rep.size())).T
            np.testing.assert_allclose(invariants(turned), u, atol=1e-9)
        steps = 1e-6 * np.eye(rep.size())
        slopes = [(invariants(X + s) - invariants(X - s)) / 2e-6 for s in steps]
        J = invariants.jacobian(X)[..., free]
        np.testing.assert_allclose(J, np.stack(slopes, 2)[..., free], atol=1e-6 * np.abs(J).max())
    distances = np.linalg.norm(X[:, :d] - X[:, d + 1 : 2 * d + 1], axis=1)
    np.testing.assert_allclose(found[0](X)[:, 0], distances)


def test_other_types_are_no_points():
    group = motions(2)
    for kind in (V(O(3)), V(Lorentz()), T(2, G=group), V(group).T):
        assert Affine.of(kind) is None


def test_points_that_are_exchanged_are_known_by_their_distances():
    d, group = 3, motions(3)
    x = np.random.default_rng(0).standard_normal((220, 4, d + 1))
    x[..., d] = 1
    i, j = np.triu_indices(4, 1)
    y = np.exp(-np.linalg.norm(x[:, i] - x[:, j], axis=2)).sum(axis=1)
    X, Y = x.reshape(len(x), -1), ((y - y.mean()) / y.std())[:, None]
    reps = bind(V(S(4)) * V(group), (), "test"), bind(Scalar, (), "test")
    rng = np.random.default_rng(0)
    form, _, _ = fit_closed_form(reps, X[:60], Y[:60], np.ones(60), rng)
    assert np.mean((form(X[60:]) - Y[60:]) ** 2) < 1e-4
