"""The gated nonlinearity."""

import numpy as np

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
        rep = gated_rep(features_out.rep)
        self.features_in = Features(rep, features_out.alphabet, features_out.dtype)
        scalars = features_out.find(Scalar)
        first = self.n_scalars = scalars.mult if scalars else 0
        # (type in, type out, first gate or None where the type is its own gate)
        self.pairs = []
        for kind in features_out.types:
            twin = self.features_in.find(kind.rep)
            if kind.rep == Scalar:
                continue
            if kind.rep.is_permutation:
                self.pairs.append((twin, kind, None))
            else:
                self.pairs.append((twin, kind, first))
                first += kind.mult
        self.n_gates = first - self.n_scalars

    def init(self, rng):
        """No parameters."""
        return ()

    def forward(self, params, x):
        """Apply to packed x of shape (n_in, batch).

        Returns
        -------
        y : ndarray of shape (n_out, batch)
        backward : callable, ``backward(dy) -> (dx, ())``
        """
        y = np.empty((self.features_out.size, x.shape[1]), x.dtype)
        # scalars and gates are the first rows of letter 0
        n = self.n_scalars
        sigma = _sigmoid(x[: n + self.n_gates])
        np.multiply(x[:n], sigma[:n], out=y[:n])
        own = {}
        for twin, kind, first in self.pairs:
            if first is None:
                v = twin.natural(x)
                own[kind] = v, _sigmoid(v)
                _assign_natural(kind, y, v * own[kind][1])
                continue
            gates = sigma[first : first + kind.mult]
            for source, out in zip(twin.slices(x), kind.slices(y), strict=True):
                np.multiply(source, gates, out=out)

        def backward(dy):
            dx = np.empty((self.features_in.size, x.shape[1]), x.dtype)
            slope = sigma * (1 - sigma)
            dx[:n] = dy[:n] * (sigma[:n] + x[:n] * slope[:n])
            for twin, kind, first in self.pairs:
                if first is None:
                    v, s = own[kind]
                    dv = kind.natural(dy) * (s + v * s * (1 - s))
                    _assign_natural(twin, dx, dv)
                    continue
                gates = slice(first, first + kind.mult)
                dgate = np.zeros((kind.mult, x.shape[1]), x.dtype)
                for source, out, dsource in zip(
                    twin.slices(x), kind.slices(dy), twin.slices(dx), strict=True
                ):
                    np.multiply(out, sigma[gates], out=dsource)
                    dgate += np.einsum("dmcb,dmcb->cb", source, out)
                np.multiply(dgate, slope[gates], out=dx[gates])
            return dx, ()

        return y, backward

    def tangent(self, params, x, x_dot):
        """The layer and its derivative along ``x_dot``, forward and backward; see ``Linear.tangent``."""
        y, pull = self.forward(params, x)
        y_dot = self._directional(x, x_dot)
        n, shape = self.n_scalars, (self.features_in.size, x.shape[1])

        def backward(dy, dy_dot):
            dx, _ = pull(dy)
            dx_dot, _ = pull(dy_dot)
            second = np.zeros(shape, x.dtype)
            first, curve = _slopes(x[: n + self.n_gates])
            a, a_dot = x[:n], x_dot[:n]
            # swish'' = 2σ' + aσ''
            second[:n] = dy[:n] * a_dot * (2 * first[:n] + a * curve[:n])
            for twin, kind, start in self.pairs:
                if start is None:
                    v, v_dot = twin.natural(x), twin.natural(x_dot)
                    slope, bend = _slopes(v)
                    _assign_natural(twin, second, kind.natural(dy) * v_dot * (2 * slope + v * bend))
                    continue
                gates = slice(start, start + kind.mult)
                g_dot = x_dot[gates]
                for v, v_dot, dout, out in zip(
                    twin.slices(x),
                    twin.slices(x_dot),
                    kind.slices(dy),
                    twin.slices(second),
                    strict=True,
                ):
                    np.multiply(dout, first[gates] * g_dot, out=out)
                    second[gates] += first[gates] * np.einsum("dmcb,dmcb->cb", dout, v_dot)
                    second[gates] += curve[gates] * g_dot * np.einsum("dmcb,dmcb->cb", dout, v)
            return dx, dx_dot + second, (), ()

        return y, y_dot, backward

    def _directional(self, x, x_dot):
        """The derivative of the outputs along ``x_dot``."""
        n = self.n_scalars
        y_dot = np.empty((self.features_out.size, x.shape[1]), x.dtype)
        sigma = _sigmoid(x[: n + self.n_gates])
        slope = sigma * (1 - sigma)
        y_dot[:n] = x_dot[:n] * (sigma[:n] + x[:n] * slope[:n])
        for twin, kind, start in self.pairs:
            if start is None:
                v = twin.natural(x)
                s = _sigmoid(v)
                _assign_natural(kind, y_dot, twin.natural(x_dot) * (s + v * s * (1 - s)))
                continue
            gates = slice(start, start + kind.mult)
            change = slope[gates] * x_dot[gates]
            for v, v_dot, out in zip(
                twin.slices(x), twin.slices(x_dot), kind.slices(y_dot), strict=True
            ):
                np.multiply(v_dot, sigma[gates], out=out)
                out += v * change
        return y_dot

    def __repr__(self):
        return f"Gate({self.features_out.rep})"


def _assign_natural(kind, x, v):
    """Set the packed rows of a type to its own coordinates v."""
    for rows in kind.slices(x):
        rows[...] = 0
    kind.add_natural(x, v)


def _sigmoid(x):
    """1 / (1 + exp(−x)), without overflow: tanh saturates."""
    out = np.tanh(0.5 * x)
    out *= 0.5
    out += 0.5
    return out


def _slopes(x):
    """The first and the second derivative of the sigmoid."""
    s = _sigmoid(x)
    first = s * (1 - s)
    return first, first * (1 - 2 * s)
