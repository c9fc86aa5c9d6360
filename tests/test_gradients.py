"""Derivatives of predictions, exact to rounding."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from fastemlp import EquivariantRidge, FastEMLPRegressor
from fastemlp.groups import SO, Lorentz, O
from fastemlp.nn import EMLP
from fastemlp.nn.network import TILE
from fastemlp.reps import Scalar, V
from fastemlp.testing import equivariance_error

pytestmark = pytest.mark.filterwarnings("ignore:.*hardly more than a constant:UserWarning")

SMALL = {"channels": 32, "n_layers": 2, "max_iter": 20, "random_state": 0}
#: Group, inputs, outputs: one output, several, more outputs than inputs, a group that preserves no length, no group.
CASES = [
    (O(3), 3 * V + 2 * Scalar, Scalar),
    (SO(3), 2 * V + Scalar, V + 2 * Scalar),
    (O(3), V + Scalar, 2 * V),
    (Lorentz(), 3 * V, V + Scalar),
    (None, 5 * Scalar, 3 * Scalar),
]


def differences(function, x, h):
    """The derivative of a function of samples by central differences of order eight, (n, n_out, n_in)."""
    weights = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
    columns = []
    for j in range(x.shape[1]):
        step = np.zeros(x.shape[1])
        step[j] = h
        terms = (c * (function(x + k * step) - function(x - k * step)) for k, c in weights.items())
        columns.append(sum(terms) / h)
    return np.stack([c.reshape(len(x), -1) for c in columns], axis=-1)


def data(rep_in, rep_out, group, n=100, seed=0):
    rng = np.random.default_rng(seed)
    sizes = [rep(group).size() if group else rep.size() for rep in (rep_in, rep_out)]
    X = rng.standard_normal((n, sizes[0]))
    Y = np.sum(X * X, 1, keepdims=True) * rng.standard_normal((n, sizes[1]))
    return X, Y


def fitted(group, rep_in, rep_out, **options):
    X, Y = data(rep_in, rep_out, group)
    model = FastEMLPRegressor(group, rep_in=rep_in, rep_out=rep_out, **{**SMALL, **options})
    return model.fit(X, Y), X


@pytest.mark.parametrize("case", CASES)
def test_a_jacobian_is_that_of_differences_of_predictions(case):
    model, X = fitted(*case)
    J = model.jacobian(X)
    assert J.shape == (len(X), model.rep_out_.size(), model.rep_in_.size())
    assert J.dtype == np.float64
    size = np.abs(J).max()
    np.testing.assert_allclose(J, differences(model.predict, X, 4e-3), rtol=0, atol=1e-10 * size)
    plain = [
        (model.predict(X + e) - model.predict(X - e)) / 2e-5 for e in 1e-5 * np.eye(X.shape[1])
    ]
    plain = np.stack([p.reshape(J.shape[:2]) for p in plain], axis=-1)
    np.testing.assert_allclose(J, plain, rtol=0, atol=1e-6 * size)


def narrowed(model):
    """The model with predictions limited to much less than the training targets."""
    model._training_range = replace(model._training_range, factor=1e-3)
    return model


@pytest.mark.parametrize("scale", [1.0, 3.0])
@pytest.mark.parametrize("case", CASES)
def test_so_it_is_where_predictions_are_limited(case, scale):
    model, X = fitted(*case)
    X = scale * X
    free = model.jacobian(X)
    J = narrowed(model).jacobian(X)
    touched = np.abs(J - free).max(axis=(1, 2)) > 0
    assert touched.mean() > 0.3
    error = np.abs(J - differences(model.predict, X, 2e-3)).max(axis=(1, 2)) / np.abs(J).max()
    # but where the steps cross a bound, as they do for a few samples
    assert np.mean(error < 1e-10) > 0.9
    np.testing.assert_allclose(model.jacobian(X[:1]), J[:1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("group", "rep_in", "rep_out"), CASES[:4])
def test_a_jacobian_of_a_network_is_that_of_its_passes(group, rep_in, rep_out):
    network = EMLP(rep_in, rep_out, group, channels=20, n_layers=2, dtype=np.float64)
    rng = np.random.default_rng(0)
    theta, x = network.init(rng), rng.standard_normal((TILE + 7, network.rep_in.size()))
    y, J = network.jacobian(theta, x)
    np.testing.assert_array_equal(y.shape, (len(x), network.rep_out.size()))
    z, backward = network.forward(theta, x)
    np.testing.assert_allclose(y, z, rtol=1e-12, atol=1e-12)
    v, u = rng.standard_normal(x.shape), rng.standard_normal(y.shape)
    along = network.tangent(theta, x, v)[1]
    np.testing.assert_allclose(np.einsum("nkj,nj->nk", J, v), along, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(
        np.einsum("nkj,nk->nj", J, u), backward(u)[0], rtol=1e-10, atol=1e-10
    )
    with pytest.raises(ValueError, match=r"Network.jacobian: x must be of shape \(batch, "):
        network.jacobian(theta, x[:, 1:])


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("case", CASES[:4])
def test_jacobians_are_equivariant(case, limited):
    model, X = fitted(*case)
    model = narrowed(model) if limited else model
    dual = model.rep_out_ * model.rep_in_.T

    def jacobian(x):
        return model.jacobian(x).reshape(len(x), -1)

    assert equivariance_error(jacobian, model.rep_in_, dual, 2 * X, random_state=0) < 1e-10


def test_the_gradient_of_an_invariant_transforms_as_the_dual():
    model, X = fitted(Lorentz(), 3 * V, Scalar)
    dual = model.rep_in_.T
    assert equivariance_error(model.gradient, model.rep_in_, dual, X, random_state=0) < 1e-10


@pytest.mark.parametrize(
    ("rep_in", "rep_out", "degree"),
    [
        (3 * V + 2 * Scalar, 2 * V + Scalar, 3),
        (2 * V, V**2, 4),
        (V + V**2, Scalar, 3),
        (2 * Scalar, V, 2),
    ],
)
def test_derivatives_of_polynomials_are_exact(rep_in, rep_out, degree):
    X, Y = data(rep_in, rep_out, SO(3), 60)
    if rep_out == V:
        X, Y = np.hstack([X, Y]), Y
        rep_in = rep_in + V
    model = EquivariantRidge(SO(3), rep_in=rep_in, rep_out=rep_out, degree=degree, alphas=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, Y)
    J = model.jacobian(X)
    expected = differences(model.predict, X, 0.05)
    np.testing.assert_allclose(J, expected, rtol=0, atol=1e-11 * np.abs(J).max())
    assert model.jacobian(X.astype(np.float32)).dtype == np.float32
    if J.shape[1] == 1:
        np.testing.assert_array_equal(model.gradient(X), J[:, 0])
