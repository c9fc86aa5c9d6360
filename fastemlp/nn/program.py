"""A recorded network at work: forward, backward and along a direction."""

from dataclasses import dataclass

import numpy as np

from fastemlp._kernels import tape as kernels
from fastemlp.nn import checks

_WEIGHTS = "program.weights.of(theta)"


class Weights:
    """What a network multiplies with: its parameters, and behind them what is made of them once for all samples.

    Attributes
    ----------
    n_parameters, n : int; numbers of parameters and of all weights
    """

    def __init__(self, compositions, table, collapses, expansions, constants, n_parameters, n):
        self._compositions, self._table = compositions, table
        self._collapses, self._expansions, self._constants = collapses, expansions, constants
        self.n_parameters, self.n = n_parameters, n

    def of(self, theta, out=None):
        """All weights, of shape (n,), for parameters of shape (n_parameters,); theta itself if there are no others."""
        dtype = self._constants.dtype
        theta = checks.vector("Network", "theta", theta, self.n_parameters, dtype, "init")
        if self.n == self.n_parameters:
            return theta
        if out is None:
            out = np.empty(self.n, dtype)
        else:
            checks.room("Network", "the room for weights", out, (self.n,), dtype)
        out[: self.n_parameters] = theta
        kernels.compose(self._compositions, self._table, out)
        kernels.collapse(self._collapses, self._constants, out)
        kernels.expand(self._expansions, self._table, self._constants, out)
        return out

    def gradient(self, weights, dweights):
        """The gradient of the parameters from that of all weights, which it overwrites."""
        dtype = self._constants.dtype
        weights = checks.vector("Network", "weights", weights, self.n, dtype, _WEIGHTS)
        checks.room("Network", "dweights", dweights, (self.n,), dtype)
        if self.n > self.n_parameters:
            kernels.compose_backward(self._compositions, self._table, weights, dweights)
            kernels.collapse_backward(self._collapses, self._constants, dweights)
            kernels.expand_backward(self._expansions, self._table, self._constants, dweights)
        return dweights[: self.n_parameters]


class Forward:
    """A forward pass.

    Attributes
    ----------
    place : ndarray of int; the row of ``values`` for each row of the tape
    n_rows, n_weights : int
    """

    def __init__(self, operations, place, n_rows, constants, table, n_weights):
        self.place, self.n_rows, self.n_weights = place, n_rows, n_weights
        self.operations, self.constants, self.table = operations, constants, table

    def __call__(self, weights, values):
        """Fill ``values``, of shape (n_rows, batch), from the rows of the input."""
        checks.rows("Program.forward", self.constants.dtype, values=(values, self.n_rows))
        self.fill(weights, values)

    def fill(self, weights, values):
        """The same for ``values`` that are known to fit."""
        dtype = self.constants.dtype
        weights = checks.vector("Network", "weights", weights, self.n_weights, dtype, _WEIGHTS)
        kernels.forward(self.operations, weights, self.constants, self.table, values)


@dataclass(frozen=True, eq=False)
class Reverse:
    """The operations of a backward pass.

    Attributes
    ----------
    operations : ndarray of OPERATION, on rows of ``grads``
    place : ndarray of int; the row of ``grads`` for each row of the tape
    n_rows : int
    """

    operations: np.ndarray
    place: np.ndarray
    n_rows: int


class Program:
    """A finished tape.

    Attributes
    ----------
    forward : Forward; keeps every intermediate
    result : Forward; keeps the output alone, in fewer rows
    reverse : Reverse; keeps every gradient, for ``tangent_backward``
    frugal_reverse : Reverse; keeps the gradient of the input alone, in fewer rows
    weights : Weights
    n_rows, n_parameters : int

    Notes
    -----
    What no output depends on is not computed, and the gradient of its parameters is 0. Every pass takes weights as
    from ``weights.of``, and ``values`` of shape (n_rows, batch).
    """

    def __init__(self, forward, result, reverse, frugal_reverse, weights, idle):
        self.forward, self.result = forward, result
        self.reverse, self.frugal_reverse = reverse, frugal_reverse
        self.weights = weights
        self.n_rows, self.n_parameters = forward.n_rows, weights.n_parameters
        self._idle = idle
        self._shared = forward.constants, forward.table

    def backward(self, weights, values, grads, dweights, add=False, reverse=None):
        """Fill ``grads`` from the rows of the output, and fill (or add to) ``dweights``.

        ``reverse`` says in which rows of ``grads`` the gradients lie; None: in those of ``values``.
        """
        reverse = self.reverse if reverse is None else reverse
        weights = self._checked(
            "Program.backward",
            weights,
            dweights,
            values=(values, self.n_rows),
            grads=(grads, reverse.n_rows),
        )
        kernels.backward(
            self.reverse.operations,
            reverse.operations,
            weights,
            *self._shared,
            values,
            grads,
            dweights,
            add,
        )
        if not add:
            self._clear(dweights)

    def tangent(self, weights, values, dots):
        """Fill ``dots``, the derivative of ``values``, from the rows of the input."""
        n = self.n_rows
        weights = self._checked("Program.tangent", weights, values=(values, n), dots=(dots, n))
        kernels.tangent(self.forward.operations, weights, *self._shared, values, dots)

    def tangent_backward(self, weights, values, dots, grads, grads_dot, dweights_dot):
        """Fill ``grads_dot`` and ``dweights_dot``, the derivatives of ``backward``'s, from the output's rows."""
        n = self.n_rows
        weights = self._checked(
            "Program.tangent_backward",
            weights,
            dweights_dot,
            values=(values, n),
            dots=(dots, n),
            grads=(grads, n),
            grads_dot=(grads_dot, n),
        )
        kernels.tangent_backward(
            self.reverse.operations,
            weights,
            *self._shared,
            values,
            dots,
            grads,
            grads_dot,
            dweights_dot,
        )
        self._clear(dweights_dot)

    def _checked(self, caller, weights, dweights=None, **arrays):
        dtype, n = self.forward.constants.dtype, self.weights.n
        checks.rows(caller, dtype, **arrays)
        if dweights is not None:
            checks.room(caller, "dweights", dweights, (n,), dtype)
        return checks.vector(caller, "weights", weights, n, dtype, _WEIGHTS)

    def _clear(self, gradient):
        for start, stop in self._idle:
            gradient[start:stop] = 0
