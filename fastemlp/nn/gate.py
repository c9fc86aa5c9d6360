"""The gated nonlinearity."""

import numpy as np

from fastemlp._kernels.layers import gate_backward, gate_forward
from fastemlp.nn.features import Features
from fastemlp.reps import Scalar, terms


def gated_rep(rep):
    """``rep`` with one more scalar for every object that needs a gate of its own.

    Scalars and permutation types gate themselves; the new scalars come last, in canonical order of the objects.
    """
    canonical, _ = rep.canonical()
    return rep + _n_gates(canonical) * Scalar


def _n_gates(canonical):
    return sum(n for term, n in terms(canonical) if not term.is_permutation)


class Gate:
    """Swish on scalars and permutation types; every other object is scaled by the sigmoid of its own gate.

    Takes features of ``gated_rep(rep)`` to features of ``rep``. It has no parameters.

    Parameters
    ----------
    features_out : Features of ``rep``

    Notes
    -----
    A pointwise function of any other type would not be equivariant. Weiler et al. 2018; Finzi et al. 2021, §6.
    """

    def __init__(self, features_out):
        self.features_out = features_out
        self.features_in = Features(gated_rep(features_out.rep))
        scalars = features_out.find(Scalar)
        next_gate = scalars.mult if scalars else 0
        source, gate = [], []
        for kind in features_out.types:
            twin = self.features_in.find(kind.rep)
            # packed columns of components × copies; the scalars' twin has the gates behind its own copies
            columns = twin.start + np.arange(twin.dim)[:, None] * twin.mult + np.arange(kind.mult)
            if kind.rep.is_permutation:
                gates = columns
            else:
                gates = np.broadcast_to(next_gate + np.arange(kind.mult), columns.shape)
                next_gate += kind.mult
            source.append(columns.ravel())
            gate.append(gates.ravel())
        self.source = np.concatenate(source)
        # the sigmoid is evaluated once per channel that gates anything
        self.channels, self.gate = np.unique(np.concatenate(gate), return_inverse=True)

    def init(self, rng):
        """No parameters."""
        return ()

    def forward(self, params, x):
        """Apply to packed x of shape (batch, n_in).

        Returns
        -------
        y : ndarray of shape (batch, n_out)
        backward : callable, ``backward(dy) -> (dx, ())``
        """
        sigma = _sigmoid(np.take(x, self.channels, axis=1))
        y = np.empty((len(x), self.features_out.size), x.dtype)
        gate_forward(x, sigma, self.source, self.gate, y)

        def backward(dy):
            dx = np.zeros_like(x)
            dsigma = np.zeros_like(sigma)
            gate_backward(x, sigma, self.source, self.gate, dy, dx, dsigma)
            dx[:, self.channels] += dsigma * sigma * (1 - sigma)
            return dx, ()

        return y, backward

    def __repr__(self):
        return f"Gate({self.features_out.rep})"


def _sigmoid(x):
    """1 / (1 + exp(−x)), without overflow: tanh saturates."""
    return 0.5 * np.tanh(0.5 * x) + 0.5
