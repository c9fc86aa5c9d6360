"""Central differences: what a backward pass has to agree with."""

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
