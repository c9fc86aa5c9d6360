"""Central differences: what a backward pass and a tangent pass have to agree with."""

import numpy as np

from fastemlp.training import leaves


def relative_gradient_errors(forward, params, x, rng, h=1e-5):
    """Relative errors of the directional derivatives along random directions: in x, then in each parameter array.

    ``forward(params, x) -> (y, backward)``; the function differentiated is ``⟨dy, y⟩`` for a fixed random dy.
    """
    y, backward = forward(params, x)
    dy = rng.standard_normal(y.shape)
    dx, grads = backward(dy)
    errors = [_error(lambda z: np.vdot(dy, forward(params, z)[0]), x, dx, rng, h)]
    for array, gradient in zip(leaves(params), leaves(grads), strict=True):
        assert array.shape == gradient.shape
        if array.size:
            errors.append(
                _error(lambda _: np.vdot(dy, forward(params, x)[0]), array, gradient, rng, h)
            )
    return errors


def _error(function, array, gradient, rng, h):
    direction = rng.standard_normal(array.shape)
    original = array.copy()
    values = []
    for sign in (1, -1):
        array[...] = original + sign * h * direction
        values.append(function(array))
    array[...] = original
    numeric = (values[0] - values[1]) / (2 * h)
    analytic = np.vdot(gradient, direction)
    return abs(numeric - analytic) / max(abs(numeric), abs(analytic), 1e-3)


def tangent_errors(layer, params, x, rng, h=1e-5):
    """Relative errors of a tangent pass, and of the adjoint identity between it and the backward pass.

    Returns
    -------
    errors : list of float; of ``y_dot``, ``dx_dot`` and each part of ``grads_dot`` against central differences
    adjoint : float; of ``⟨dy, y_dot⟩ = ⟨dx, x_dot⟩``
    """
    x_dot = rng.standard_normal(x.shape)
    y, y_dot, backward = layer.tangent(params, x, x_dot)
    dy, dy_dot = rng.standard_normal((2, *y.shape))
    dx, dx_dot, grads, grads_dot = backward(dy, dy_dot)

    def at(t):
        z, pull = layer.forward(params, x + t * x_dot)
        return [z, *_flat(pull(dy + t * dy_dot))]

    def slope(plus, minus):
        return (plus - minus) / (2 * h)

    found = [y_dot, dx_dot, *leaves(grads_dot)]
    expected = [slope(a, b) for a, b in zip(at(h), at(-h), strict=True)]
    errors = [
        np.abs(a - b).max(initial=0) / max(np.abs(b).max(initial=0), 1e-3)
        for a, b in zip(found, expected, strict=True)
    ]
    for a, b in zip([y, dx, *leaves(grads)], at(0.0), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    left, right = np.vdot(dy, y_dot), np.vdot(dx, x_dot)
    return errors, abs(left - right) / max(np.abs(dy * y_dot).sum(), 1e-300)


def _flat(pulled):
    dx, grads = pulled
    return [dx, *leaves(grads)]
