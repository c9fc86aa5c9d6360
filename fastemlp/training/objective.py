"""The loss of a network on data, as a function of its parameters."""

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

    Notes
    -----
    How a batch is split, and in what order its shares are summed, depends only on its size: any number of threads
    gives the same bits.
    """

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
            self._idle.put((Workspace(network, tile), room))

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

    def value_and_gradient(self, X, y, weight):
        """The loss of a batch at ``theta``; its gradient goes to ``gradient``."""
        prepared = self.network.program.weights.of(self.theta, self._prepared)
        n_shares = _n_shares(len(X))
        bounds = [len(X) * k // n_shares for k in range(n_shares + 1)]

        def run(k):
            return self._share(prepared, k, bounds[k], bounds[k + 1], X, y, weight)

        over = map if self._pool is None else self._pool.map
        values = list(over(run, range(n_shares)))
        total = self._gradients[0]
        for other in self._gradients[1:n_shares]:
            total += other
        self.network.program.weights.gradient(prepared, total)
        return sum(values)

    def _share(self, prepared, k, start, stop, X, y, weight):
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
                    dy *= dy.dtype.type(n / len(X))
                workspace.backward(prepared, dy, self._gradients[k], add=first > start)
                total += value * n / len(X)
            return total
        finally:
            self._idle.put((workspace, room))

    def value(self, theta, X, y, weight):
        """The loss of data of any length at given parameters."""
        return self.loss(self.network(theta, X), y, weight)[0]


def _n_shares(batch):
    return max(1, min(MAX_SHARES, batch // MIN_SHARE))
