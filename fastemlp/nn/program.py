"""A recorded network at work: forward, backward and along a direction."""

import numpy as np

from fastemlp._kernels import tape as kernels


class Weights:
    """What a network multiplies with: its parameters, and behind them products of some of them.

    Attributes
    ----------
    n_parameters, n : int; numbers of parameters and of all weights
    """

    def __init__(self, compositions, table, n_parameters, n):
        self._compositions, self._table = compositions, table
        self.n_parameters, self.n = n_parameters, n

    def of(self, theta, out=None):
        """All weights, of shape (n,), for parameters of shape (n_parameters,); theta itself if there are no others."""
        if theta.shape != (self.n_parameters,):
            raise ValueError(
                f"Network: theta must be of shape ({self.n_parameters},), as from init, got {theta.shape}."
            )
        if not len(self._compositions):
            return theta
        if out is None:
            out = np.empty(self.n, theta.dtype)
        out[: self.n_parameters] = theta
        kernels.compose(self._compositions, self._table, out)
        return out

    def gradient(self, weights, dweights):
        """The gradient of the parameters from that of all weights, which it overwrites."""
        if len(self._compositions):
            kernels.compose_backward(self._compositions, self._table, weights, dweights)
        return dweights[: self.n_parameters]


class Forward:
    """A forward pass.

    Attributes
    ----------
    n_rows, n_weights : int
    """

    def __init__(self, operations, constants, table, n_rows, n_weights):
        self.n_rows, self.n_weights = n_rows, n_weights
        self.operations, self.constants, self.table = operations, constants, table

    def __call__(self, weights, values):
        """Fill ``values``, of shape (n_rows, batch), from the rows of the input."""
        if weights.shape != (self.n_weights,):
            raise ValueError(
                f"Network: weights must be of shape ({self.n_weights},), as from program.weights.of(theta), "
                f"got {weights.shape}."
            )
        kernels.forward(self.operations, weights, self.constants, self.table, values)


class Program:
    """A finished tape.

    Attributes
    ----------
    forward : Forward; keeps every intermediate
    weights : Weights
    result : Forward; keeps the output alone, in fewer rows
    place : ndarray of int; the row in ``result`` of each row in ``forward``
    n_rows, n_parameters : int

    Notes
    -----
    What no output depends on is not computed, and the gradient of its parameters is 0. Every pass takes weights as
    from ``weights.of`` and arrays of shape (n_rows, batch).
    """

    def __init__(self, forward, reverse, weights, idle, result, place):
        self.forward, self.weights = forward, weights
        self.result, self.place = result, place
        self.n_rows, self.n_parameters = forward.n_rows, weights.n_parameters
        self._reverse, self._idle = reverse, idle
        self._shared = forward.constants, forward.table

    def backward(self, weights, values, grads, dweights, add=False):
        """Fill ``grads`` from the rows of the output, and fill (or add to) ``dweights``."""
        kernels.backward(self._reverse, weights, *self._shared, values, grads, dweights, add)
        if not add:
            self._clear(dweights)

    def tangent(self, weights, values, dots):
        """Fill ``dots``, the derivative of ``values``, from the rows of the input."""
        kernels.tangent(self.forward.operations, weights, *self._shared, values, dots)

    def tangent_backward(self, weights, values, dots, grads, grads_dot, dweights_dot):
        """Fill ``grads_dot`` and ``dweights_dot``, the derivatives of ``backward``'s, from the output's rows."""
        kernels.tangent_backward(
            self._reverse, weights, *self._shared, values, dots, grads, grads_dot, dweights_dot
        )
        self._clear(dweights_dot)

    def _clear(self, gradient):
        for start, stop in self._idle:
            gradient[start:stop] = 0
