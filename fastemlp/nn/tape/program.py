"""A program, and all that is made of what a tape recorded."""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fastemlp._kernels import tape as kernels
from fastemlp._threads import single_threaded_blas
from fastemlp.nn import checks
from fastemlp.nn.tape.marks import Marks
from fastemlp.nn.tape.operations import OPERATION, WEIGHTS, Operation
from fastemlp.nn.tape.passes import needed, reverse, tangent
from fastemlp.nn.tape.reuse import reuse_rows

_WEIGHTS = "program.weights.of(theta)"
#: Multiply-adds of a product that no BLAS spreads over threads: asking it not to takes as long as a small network.
_SMALL = 2**16


@dataclass(frozen=True, eq=False)
class Program:
    """Operations in their order, on the rows of one array (rows, batch).

    Attributes
    ----------
    operations : ndarray of OPERATION; see ``Operation``
    n_rows : int
    inputs, outputs : ndarrays of int; rows that are filled from outside, and that are read in the end
    starts : ndarray of int; the first row of each run of rows that stay together, ascending
    constants, table : ndarrays of float and of int; what operations refer to, the same for all passes
    n_weights : int
    idle : ndarray of int (n, 2); runs [first, last) of weights whose gradient no operation finds
    """

    operations: np.ndarray
    n_rows: int
    inputs: np.ndarray
    outputs: np.ndarray
    starts: np.ndarray
    constants: np.ndarray
    table: np.ndarray
    n_weights: int
    idle: np.ndarray

    def __iter__(self):
        return (Operation(*row) for row in self.operations.tolist())

    def of(self, operations):
        """The same with other operations, a list of Operation."""
        made = Marks()
        for operation in operations:
            if operation.kind in WEIGHTS:
                made.add(*operation.makes)
        idle = np.array(made.gaps(0, self.n_weights), int).reshape(-1, 2)
        return replace(self, operations=np.array(operations, OPERATION), idle=idle)

    def __call__(self, weights, rows, gradient=None, add=False):
        """Run on ``rows``, of shape (n_rows or more, batch), of which the inputs are filled.

        The gradient of the weights, if this finds one, goes or is added to ``gradient``; None leaves it out.
        """
        dtype, n = self.constants.dtype, self.n_weights
        weights = checks.vector("Network", "weights", weights, n, dtype, _WEIGHTS)
        checks.rows("Program", "rows", rows, self.n_rows, dtype)
        if gradient is not None:
            checks.room("Program", "dweights", gradient, (n,), dtype)
        with _alone(self._largest_product * rows.shape[1]):
            kernels.run(self.operations, weights, self.constants, self.table, rows, gradient, add)
        if gradient is not None and not add:
            for start, stop in self.idle:
                gradient[start:stop] = 0

    @cached_property
    def _largest_product(self):
        """Multiply-adds for one sample."""
        o = self.operations
        return int(np.max(o["m"] * o["k"] * o["d"], initial=0))


class Passes:
    """The passes of a network: programs that are made of the one it recorded.

    Parameters
    ----------
    recorded : Program
    weights : Weights

    Attributes
    ----------
    forward, result : Program; keeps every intermediate, or the output alone in fewer rows
    reverse, frugal_reverse : Program; after ``forward``, in further rows of the same array. The first keeps every
        gradient, for its tangent, the other that of the input alone, in fewer rows.
    tangents : (Program, Program)
        After ``forward`` and ``reverse``, in further rows: the derivative of each along the inputs of both.
    weights : Weights
    n_rows, n_parameters : int

    Notes
    -----
    What no output depends on is not computed, and the gradient of its parameters is 0. Every pass takes weights as
    from ``weights.of``.
    """

    def __init__(self, recorded, weights):
        self.weights = weights
        self.forward = needed(recorded)
        self.result = reuse_rows(self.forward)
        self.reverse = needed(reverse(self.forward))
        self.frugal_reverse = reuse_rows(self.reverse, self.forward.n_rows)
        self.n_rows, self.n_parameters = self.forward.n_rows, weights.n_parameters

    @cached_property
    def tangents(self):
        first = self.reverse.n_rows
        tangent_forward, known = tangent(self.forward, self.forward.inputs, first)
        along = np.concatenate([known, self.reverse.inputs])
        return tangent_forward, tangent(self.reverse, along, first)[0]

    def __getstate__(self):
        return {name: value for name, value in self.__dict__.items() if name != "tangents"}


class Weights:
    """What a network multiplies with: its parameters, and behind them what is made of them once for all samples.

    Attributes
    ----------
    n_parameters, n : int; numbers of parameters and of all weights
    """

    def __init__(self, collapses, table, constants, stds, n):
        self._collapses, self._table, self._constants = collapses, table, constants
        self._stds = stds  # runs (n, standard deviation) of the initial parameters
        self.n_parameters, self.n = sum(m for m, _ in stds), n
        sizes = collapses["k"] * collapses["p"] * collapses["t"]
        self._largest_product = int(np.max(sizes, initial=0))

    def initial(self, rng):
        """Initial parameters, normal with the standard deviations of the layers: ndarray (n_parameters,)."""
        parts = [std * rng.standard_normal(n) if std else np.zeros(n) for n, std in self._stds]
        return np.concatenate([*parts, []]).astype(self._constants.dtype)

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
        with _alone(self._largest_product):
            kernels.collapse(self._collapses, self._table, self._constants, out)
        return out

    def gradient(self, weights, dweights):
        """The gradient of the parameters from that of all weights, which it overwrites."""
        dtype = self._constants.dtype
        weights = checks.vector("Network", "weights", weights, self.n, dtype, _WEIGHTS)
        checks.room("Network", "dweights", dweights, (self.n,), dtype)
        if self.n > self.n_parameters:
            with _alone(self._largest_product):
                kernels.collapse_backward(self._collapses, self._table, self._constants, dweights)
        return dweights[: self.n_parameters]


def _alone(largest_product):
    """A context in which products of so many multiply-adds at most keep to one thread."""
    return nullcontext() if largest_product <= _SMALL else single_threaded_blas()
