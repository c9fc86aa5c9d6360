"""The loss of a network on data, as a function of one flat parameter vector."""

import numpy as np

from fastemlp.training.parameters import FlatParameters

_CHUNK = 2048  # rows evaluated at once: activations stay in cache


class Objective:
    """A network and a loss, and room for the gradient.

    Parameters
    ----------
    network : Network
    loss : callable; see ``fastemlp.training.losses``
    rng : numpy Generator; draws the initial parameters
    shape : (batch, n_out) of the largest batch that will come

    Attributes
    ----------
    theta, gradient : FlatParameters; theta is read, gradient filled, both in place
    """

    def __init__(self, network, loss, rng, shape):
        self.network, self.loss = network, loss
        params = network.init(rng)
        self.theta, self.gradient = FlatParameters(params), FlatParameters(params)
        self._dy = np.empty(shape, self.theta.vector.dtype)

    def value_and_gradient(self, X, y, weight):
        """The loss of a batch at ``theta``; its gradient goes to ``gradient``."""
        prediction, backward = self.network.forward(self.theta.params, X)
        value, dy = self.loss(prediction, y, weight, out=self._dy[: len(X)])
        _, grads = backward(dy)
        self.gradient.assign(grads)
        return value

    def value(self, params, X, y, weight):
        """The loss of data of any length at the given nested parameters."""
        total = 0.0
        for start in range(0, len(X), _CHUNK):
            rows = slice(start, start + _CHUNK)
            prediction = self.network(params, X[rows])
            part, _ = self.loss(prediction, y[rows], None if weight is None else weight[rows])
            total += part * len(prediction)
        return total / len(X)
