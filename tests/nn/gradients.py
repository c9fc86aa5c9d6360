"""Central differences: what a backward pass and a tangent pass have to agree with."""

import numpy as np


def backward_errors(network, theta, x, rng, h=1e-5):
    """Relative errors of the directional derivatives of ``⟨dy, y⟩``, for a random dy: in x, then in theta."""
    y, backward = network.forward(theta, x)
    dy = rng.standard_normal(y.shape)
    dx, dtheta = backward(dy)
    assert dx.shape == x.shape
    assert dtheta.shape == theta.shape
    at_x, at_theta = rng.standard_normal(x.shape), rng.standard_normal(theta.shape)

    def slope(step):
        plus, minus = (np.vdot(dy, network(*step(sign * h))) for sign in (1, -1))
        return (plus - minus) / (2 * h)

    return [
        _relative(slope(lambda t: (theta, x + t * at_x)), np.vdot(dx, at_x)),
        _relative(slope(lambda t: (theta + t * at_theta, x)), np.vdot(dtheta, at_theta)),
    ]


def tangent_errors(network, theta, x, rng, h=1e-5):
    """Relative errors of a tangent pass, and of the adjoint identity between it and the backward pass.

    Returns
    -------
    errors : list of float; of ``y_dot``, ``dx_dot`` and ``dtheta_dot`` against central differences
    adjoint : float; of ``⟨dy, y_dot⟩ = ⟨dx, x_dot⟩``
    """
    x_dot = rng.standard_normal(x.shape)
    y, y_dot, backward = network.tangent(theta, x, x_dot)
    dy, dy_dot = rng.standard_normal((2, *y.shape))
    dx, dx_dot, dtheta, dtheta_dot = backward(dy, dy_dot)

    def at(t):
        z, pull = network.forward(theta, x + t * x_dot)
        return [z, *pull(dy + t * dy_dot)]

    errors = [
        np.abs(found - (plus - minus) / (2 * h)).max(initial=0)
        / max(np.abs(plus - minus).max(initial=0) / (2 * h), 1e-3)
        for found, plus, minus in zip([y_dot, dx_dot, dtheta_dot], at(h), at(-h), strict=True)
    ]
    for a, b in zip([y, dx, dtheta], at(0.0), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    left, right = np.vdot(dy, y_dot), np.vdot(dx, x_dot)
    return errors, abs(left - right) / max(np.abs(dy * y_dot).sum(), 1e-300)


def _relative(numeric, analytic):
    return abs(numeric - analytic) / max(abs(numeric), abs(analytic), 1e-3)
