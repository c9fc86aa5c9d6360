"""Central differences: what a backward pass and a tangent pass have to agree with."""

import numpy as np


def derivative(function, h=1e-4):
    """The derivative at 0 by the difference of fourth order.

    Its truncation is h⁴ of a fifth derivative and its roundoff eps/h: both far below what is asked for here, even of
    a slope that a sum of large terms has left small, where the plain central difference fails.
    """
    near, far = (np.subtract(function(t), function(-t)) for t in (h, 2 * h))
    return (8 * near - far) / (12 * h)


def backward_errors(network, theta, x, rng):
    """Relative errors of the directional derivatives of ``⟨dy, y⟩``, for a random dy: in x, then in theta."""
    y, backward = network.forward(theta, x)
    dy = rng.standard_normal(y.shape)
    dx, dtheta = backward(dy)
    assert dx.shape == x.shape
    assert dtheta.shape == theta.shape
    at_x, at_theta = rng.standard_normal(x.shape), rng.standard_normal(theta.shape)

    def slope(step):
        return derivative(lambda t: np.vdot(dy, network(*step(t))))

    return [
        _relative(slope(lambda t: (theta, x + t * at_x)), np.vdot(dx, at_x)),
        _relative(slope(lambda t: (theta + t * at_theta, x)), np.vdot(dtheta, at_theta)),
    ]


def tangent_errors(network, theta, x, rng):
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

    errors = []
    for k, found in enumerate([y_dot, dx_dot, dtheta_dot]):
        expected = derivative(lambda t, k=k: at(t)[k])
        size = max(np.abs(expected).max(initial=0), 1e-3)
        errors.append(np.abs(found - expected).max(initial=0) / size)
    for a, b in zip([y, dx, dtheta], at(0.0), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    left, right = np.vdot(dy, y_dot), np.vdot(dx, x_dot)
    return errors, abs(left - right) / max(np.abs(dy * y_dot).sum(), 1e-300)


def _relative(numeric, analytic):
    return abs(numeric - analytic) / max(abs(numeric), abs(analytic), 1e-3)
