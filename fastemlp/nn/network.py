"""Whole networks: EMLP and, as the case with no symmetry, MLP."""

from itertools import pairwise

import numpy as np

from fastemlp.nn.alphabet import Alphabet
from fastemlp.nn.bilinear import BiLinear
from fastemlp.nn.features import Features
from fastemlp.nn.gate import Gate
from fastemlp.nn.linear import Linear
from fastemlp.reps import Rep, Scalar, uniform_rep


class EMLPBlock:
    """Linear, plus a bilinear contraction of its output with a shortcut, then gates.

    Parameters
    ----------
    features_in, features_out : Features
    rng : numpy Generator; draws the acting copies of the bilinear layer
    dtype : float32 or float64
    bilinear_gain : float; how much of the (unit-scale) bilinear output is added
    """

    def __init__(self, features_in, features_out, rng, dtype=np.float32, bilinear_gain=0.05):
        self.gate = Gate(features_out)
        gated = self.gate.features_in
        self.linear = Linear(features_in, gated, dtype)
        self.bilinear = BiLinear(gated, gated, rng, dtype)
        self.gain = np.dtype(dtype).type(bilinear_gain)

    def init(self, rng):
        """Initial parameters of the linear and the bilinear layer."""
        return self.linear.init(rng), self.bilinear.init(rng)

    def forward(self, params, x):
        """Packed (n_in, batch) to packed (n_out, batch), and the backward pass."""
        linear_params, bilinear_params = params
        z, linear_backward = self.linear.forward(linear_params, x)
        b, bilinear_backward = self.bilinear.forward(bilinear_params, z)
        y, gate_backward = self.gate.forward((), z + self.gain * b)

        def backward(dy):
            dsum, _ = gate_backward(dy)
            dz, dbilinear = bilinear_backward(self.gain * dsum)
            dx, dlinear = linear_backward(dz + dsum)
            return dx, (dlinear, dbilinear)

        return y, backward

    def tangent(self, params, x, x_dot):
        """The block and its derivative along ``x_dot``, forward and backward; see ``Linear.tangent``."""
        linear_params, bilinear_params = params
        z, z_dot, linear_backward = self.linear.tangent(linear_params, x, x_dot)
        b, b_dot, bilinear_backward = self.bilinear.tangent(bilinear_params, z, z_dot)
        y, y_dot, gate_backward = self.gate.tangent(
            (), z + self.gain * b, z_dot + self.gain * b_dot
        )

        def backward(dy, dy_dot):
            dsum, dsum_dot, _, _ = gate_backward(dy, dy_dot)
            dz, dz_dot, *dbilinear = bilinear_backward(self.gain * dsum, self.gain * dsum_dot)
            dx, dx_dot, *dlinear = linear_backward(dz + dsum, dz_dot + dsum_dot)
            return dx, dx_dot, (dlinear[0], dbilinear[0]), (dlinear[1], dbilinear[1])

        return y, y_dot, backward

    def __repr__(self):
        return f"EMLPBlock({self.linear!r})"


class Network:
    """A chain of layers between vectors in natural order.

    Parameters
    ----------
    layers : sequence of layers, each with ``init`` and ``forward``
    features_in, features_out : Features of the first layer's input and the last one's output
    """

    def __init__(self, layers, features_in, features_out, dtype):
        self.layers = tuple(layers)
        self.features_in = features_in
        self.features_out = features_out
        self.dtype = np.dtype(dtype)

    @property
    def rep_in(self):
        """Rep of the inputs."""
        return self.features_in.rep

    @property
    def rep_out(self):
        """Rep of the outputs."""
        return self.features_out.rep

    def init(self, rng):
        """Initial parameters: a tuple with one (nested) tuple of arrays per layer.

        Parameters
        ----------
        rng : numpy Generator
        """
        return tuple(layer.init(rng) for layer in self.layers)

    def forward(self, params, x):
        """Evaluate the network.

        Parameters
        ----------
        params : as from ``init``
        x : ndarray of shape (batch, n_in), the network's dtype

        Returns
        -------
        y : ndarray of shape (batch, n_out)
        backward : callable
            ``backward(dy) -> (dx, grads)``; grads are laid out like params.
        """
        backwards = []
        h = self.features_in.pack(x)
        for layer, layer_params in zip(self.layers, params, strict=True):
            h, layer_backward = layer.forward(layer_params, h)
            backwards.append(layer_backward)

        def backward(dy):
            dh = self.features_out.pack(dy)
            grads = []
            for layer_backward in reversed(backwards):
                dh, layer_grads = layer_backward(dh)
                grads.append(layer_grads)
            return self.features_in.unpack(dh), tuple(reversed(grads))

        return self.features_out.unpack(h), backward

    def tangent(self, params, x, x_dot):
        """The network and its derivative along ``x_dot``, forward and backward.

        Parameters
        ----------
        params : as from ``init``
        x, x_dot : ndarrays of shape (batch, n_in), the network's dtype

        Returns
        -------
        y, y_dot : ndarrays of shape (batch, n_out); outputs and ``J(x) x_dot``, a Jacobian-vector product
        backward : callable
            ``backward(dy, dy_dot) -> (dx, dx_dot, grads, grads_dot)``. With dy of a scalar output and dy_dot = 0,
            dx is its gradient, dx_dot the Hessian-vector product with ``x_dot``, and grads_dot the gradient of
            ``x_dot · ∇_x y`` in the parameters (forward over reverse; Pearlmutter 1994).
        """
        h, h_dot = self.features_in.pack(x), self.features_in.pack(x_dot)
        backwards = []
        for layer, layer_params in zip(self.layers, params, strict=True):
            h, h_dot, layer_backward = layer.tangent(layer_params, h, h_dot)
            backwards.append(layer_backward)

        def backward(dy, dy_dot):
            dh, dh_dot = self.features_out.pack(dy), self.features_out.pack(dy_dot)
            grads, grads_dot = [], []
            for layer_backward in reversed(backwards):
                dh, dh_dot, layer_grads, layer_grads_dot = layer_backward(dh, dh_dot)
                grads.append(layer_grads)
                grads_dot.append(layer_grads_dot)
            unpack = self.features_in.unpack
            return unpack(dh), unpack(dh_dot), tuple(reversed(grads)), tuple(reversed(grads_dot))

        unpack = self.features_out.unpack
        return unpack(h), unpack(h_dot), backward

    def __call__(self, params, x):
        """The outputs alone, shape (batch, n_out)."""
        h = self.features_in.pack(x)
        for layer, layer_params in zip(self.layers, params, strict=True):
            h, _ = layer.forward(layer_params, h)
        return self.features_out.unpack(h)

    def __repr__(self):
        inner = ",\n".join(f"  {layer!r}" for layer in self.layers)
        return f"{type(self).__name__}(\n{inner}\n)"


def EMLP(
    rep_in, rep_out, group, ch=384, num_layers=3, *, dtype=np.float32, random_state=0, **options
):
    """The equivariant multilayer perceptron.

    Parameters
    ----------
    rep_in, rep_out : Rep, bound or not
    group : Group
    ch : int or Rep, or a sequence of these, one per hidden layer
        An int n means ``uniform_rep(n, group)``.
    num_layers : int ≥ 0; hidden layers
    dtype : float32 or float64
    random_state : int; draws which copies act in the bilinear layers
    **options : passed to every ``EMLPBlock``

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        For complex representations: realify the group first.
    """
    rng = np.random.default_rng(random_state)
    hidden = [_hidden_rep(width, group) for width in _widths(ch, num_layers)]
    reps = [rep(group) for rep in (rep_in, *hidden, rep_out)]
    for rep in reps:
        if any(g.is_complex for g in rep.groups):
            raise ValueError(
                f"EMLP: {rep} is a rep of a complex group ({group}); networks are real. "
                "Use group.realified(), which acts on (real, imaginary) parts."
            )
    alphabet = Alphabet(reps)
    features = [Features(rep, alphabet, dtype) for rep in reps]
    blocks = [EMLPBlock(a, b, rng, dtype, **options) for a, b in pairwise(features[:-1])]
    return Network(
        [*blocks, Linear(features[-2], features[-1], dtype)], features[0], features[-1], dtype
    )


def MLP(n_in, n_out, ch=384, num_layers=3, *, dtype=np.float32):
    """A plain multilayer perceptron with swish: the EMLP of scalars, with no group at all.

    Parameters
    ----------
    n_in, n_out : int
    ch : int, or a sequence of ints, one per hidden layer
    num_layers : int ≥ 0
    dtype : float32 or float64

    Returns
    -------
    Network
    """
    sizes = (n_in, *_widths(ch, num_layers), n_out)
    alphabet = Alphabet([Scalar])
    features = [Features(size * Scalar, alphabet, dtype) for size in sizes]
    layers = []
    for a, b in pairwise(features[:-1]):
        layers += [Linear(a, b, dtype), Gate(b)]
    layers.append(Linear(features[-2], features[-1], dtype))
    return Network(layers, features[0], features[-1], dtype)


def _widths(ch, num_layers):
    if isinstance(ch, (list, tuple)):
        if len(ch) != num_layers:
            raise ValueError(
                f"ch lists {len(ch)} widths, expected num_layers={num_layers} of them."
            )
        return tuple(ch)
    return (ch,) * num_layers


def _hidden_rep(width, group):
    return width(group) if isinstance(width, Rep) else uniform_rep(width, group)
