"""The loss of a network, and of its derivative, on data, as a function of its parameters."""

from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np

from fastemlp._threads import n_threads, single_threaded_blas
from fastemlp.nn import Workspace
from fastemlp.nn.network import TILE

#: A batch is split into at most this many shares, each of at least this many samples; one thread works on a share.
MAX_SHARES = 4
MIN_SHARE = 48


class Objective:
    """A network and a loss, with all the memory that their gradient needs.

    Use it as a context manager: it holds threads, in each of which BLAS uses one.

    Parameters
    ----------
    network : Network
    loss : callable; see ``fastemlp.training.losses``
    rng : numpy Generator; draws the initial parameters
    batch : int; samples in the largest batch

    Attributes
    ----------
    theta, gradient : ndarrays of shape (n_parameters,); theta is read, gradient filled, both in place
    keeps : str; what a Workspace keeps of its backward pass

    Notes
    -----
    How a batch is split, and in what order its shares are summed, depends only on its size: any number of threads
    gives the same bits.
    """

    keeps = "frugal"

    def __init__(self, network, loss, rng, batch):
        self.network, self.loss = network, loss
        self.theta = network.init(rng)
        n_shares = _n_shares(batch)
        # the parameters and what the program makes of them once for all samples
        n_prepared = network.program.weights.n
        self._prepared = np.empty(n_prepared, network.dtype)
        self._gradients = np.empty((n_shares, n_prepared), network.dtype)
        self.gradient = self._gradients[0, : len(self.theta)]
        tile = min(TILE, batch)
        self._n_threads = min(n_shares, n_threads())
        # work on a share takes a workspace, with room for predictions and their gradient, and puts it back
        self._idle = SimpleQueue()
        for _ in range(self._n_threads):
            room = np.empty((2, tile, network.rep_out.size()), network.dtype)
            self._idle.put((Workspace(network, tile, self.keeps), room))

    def __enter__(self):
        self._blas = single_threaded_blas()
        self._blas.__enter__()
        self._pool = ThreadPoolExecutor(self._n_threads) if self._n_threads > 1 else None
        return self

    def __exit__(self, *error):
        try:
            if self._pool is not None:
                self._pool.shutdown()
        finally:
            self._blas.__exit__(*error)

    def value_and_gradient(self, X, y, weight, *more):
        """The loss of a batch at ``theta``; its gradient goes to ``gradient``."""
        prepared = self.network.program.weights.of(self.theta, self._prepared)
        n_shares = _n_shares(len(X))
        bounds = [len(X) * k // n_shares for k in range(n_shares + 1)]

        def run(k):
            return self._share(prepared, k, bounds[k], bounds[k + 1], X, y, weight, *more)

        over = map if self._pool is None else self._pool.map
        values = list(over(run, range(n_shares)))
        total = self._gradients[0]
        for other in self._gradients[1:n_shares]:
            total += other
        self.network.program.weights.gradient(prepared, total)
        return sum(values)

    def _share(self, prepared, k, start, stop, X, y, weight, *more):
        """What rows ``start`` to ``stop`` contribute, tile by tile."""
        workspace, room = self._idle.get()
        try:
            total = 0.0
            for first in range(start, stop, TILE):
                rows = slice(first, min(first + TILE, stop))
                n = rows.stop - first
                prediction, dy = room[:, :n]
                workspace.forward(prepared, X[rows], prediction)
                w = None if weight is None else weight[rows]
                # overflow shows in the value, which is checked later; threads do not inherit errstate
                with np.errstate(over="ignore", invalid="ignore"):
                    value, _ = self.loss(prediction, y[rows], w, out=dy)
                    share = n / len(X)
                    dy *= dy.dtype.type(share)
                    to = self._gradients[k], first > start
                    rest = [a[rows] for a in more]
                    value += self._back(workspace, prepared, dy, *to, share, w, *rest)
                total += value * n / len(X)
            return total
        finally:
            self._idle.put((workspace, room))

    def _back(self, workspace, prepared, dy, gradient, add, share, weight):
        """Write or add the gradient of a tile, from that of its outputs; returns what is to be added to its loss."""
        workspace.backward(prepared, dy, gradient, add)
        return 0.0

    def value(self, theta, X, y, weight):
        """The loss of data of any length at given parameters."""
        return self.loss(self.network(theta, X), y, weight)[0]

    def power(self, y):
        """About what it costs to predict zero: the mean square of the targets."""
        return float(np.vdot(y, y)) / y.size


class DerivativeObjective(Objective):
    """The loss of outputs plus one of their derivative in x (Sobolev training); a batch is (X, y, weight, slope).

    Parameters
    ----------
    network, loss, rng, batch : as for Objective
    slope_loss : DerivativeError

    Notes
    -----
    The gradient in theta of a loss of ``J = ∂y/∂x`` takes no third pass. With the loss ``ℓ(y) + m(J)``, and J of one
    output from a reverse pass from 1, the derivative of that reverse pass along ``ẋ = ∂m/∂J`` and ``ẏ = ∂ℓ/∂y`` is in
    the weights ``ẋ · ∂J/∂θ + ẏ ∂y/∂θ``, the gradient of the whole loss (forward over reverse; Pearlmutter 1994). For
    several outputs these are summed: a step costs a forward pass, and for each output a reverse pass and a tangent of
    both. Czarnecki et al., Sobolev Training for Neural Networks, NeurIPS 2017.
    """

    keeps = "all"

    def __init__(self, network, loss, rng, batch, slope_loss):
        super().__init__(network, loss, rng, batch)
        self.slope_loss = slope_loss
        n_out = network.rep_out.size()
        # row k, repeated: what the reverse pass of output k begins with
        self._ones = np.repeat(np.eye(n_out, dtype=network.dtype)[:, None], min(TILE, batch), 1)

    def _back(self, workspace, prepared, dy, gradient, add, share, weight, slope):
        value = 0.0
        for k, ones in enumerate(self._ones[:, : len(slope)]):
            workspace.backward(prepared, ones)
            found = workspace.input_gradient()
            more, x_dot = self.slope_loss(k, found, slope[:, k], weight, out=found)
            x_dot *= x_dot.dtype.type(share)
            value += more
            workspace.tangent(prepared, x_dot)
            workspace.tangent_backward(prepared, dy, gradient, add or k > 0)
            dy.fill(0)  # it is in with the first
        return value

    def value(self, theta, X, y, weight, slope):
        """The loss of data of any length at given parameters."""
        prediction, J = self.network.jacobian(theta, X)
        value = self.loss(prediction, y, weight)[0]
        for k in range(J.shape[1]):
            value += self.slope_loss(k, J[:, k], slope[:, k], weight)[0]
        return value

    def power(self, y):
        """About what it costs to predict zero, derivatives included."""
        return super().power(y) + self.slope_loss.power


def _n_shares(batch):
    return max(1, min(MAX_SHARES, batch // MIN_SHARE))
