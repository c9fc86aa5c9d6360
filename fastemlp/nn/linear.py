"""The general equivariant linear layer."""

from dataclasses import dataclass

import numpy as np

from fastemlp.nn.features import Block


@dataclass(frozen=True, eq=False)
class _Path:
    """What one block receives.

    Attributes
    ----------
    target : Block
    sources : tuple of (Block, ndarray (t, d_out, d_in) or None); the maps between letters, None for the identity alone
    weights : slice into the coefficients, of shape (target.mult, Σ t·source.mult)
    fan_in : int; Σ t·source.mult
    invariants : ndarray (d_out, r); where the bias of each copy lives
    bias : slice into the bias, of shape (r, target.mult)
    """

    target: Block
    sources: tuple
    weights: slice
    fan_in: int
    invariants: np.ndarray
    bias: slice


class Linear:
    """``y = W x + b`` with W in the space of equivariant maps and b among the invariants.

    Parameters
    ----------
    features_in, features_out : Features of one Alphabet
    dtype : float32 or float64
    bias : bool

    Attributes
    ----------
    n_coefficients : int; free parameters of W, the rank of ``rep_in >> rep_out``
    n_bias : int; the rank of ``rep_out``

    Notes
    -----
    By Schur's lemma W is one matrix over multiplicities per irreducible λ, applied to each of its components: cost
    2·Σ d_λ·mult_in·mult_out flops a sample. A letter of complex or quaternionic type offers its copies once more under
    each imaginary unit. Finzi et al. 2021, §6, for the space; the isotypic form is ours.
    """

    def __init__(self, features_in, features_out, dtype=np.float32, bias=True):
        self.features_in = features_in
        self.features_out = features_out
        self.dtype = np.dtype(dtype)
        alphabet = features_out.alphabet
        self.paths = []
        start = start_bias = 0
        for target in features_out.blocks:
            sources, fan_in = [], 0
            for source in features_in.blocks:
                J = alphabet.maps(source.letter, target.letter)
                if not len(J):
                    continue
                alone = len(J) == 1 and np.array_equal(J[0], np.eye(*J[0].shape))
                sources.append((source, None if alone else J.astype(self.dtype)))
                fan_in += len(J) * source.mult
            invariants = alphabet.invariants(target.letter) if bias else np.zeros((target.dim, 0))
            stop = start + target.mult * fan_in
            stop_bias = start_bias + invariants.shape[1] * target.mult
            self.paths.append(
                _Path(
                    target,
                    tuple(sources),
                    slice(start, stop),
                    fan_in,
                    invariants.astype(self.dtype),
                    slice(start_bias, stop_bias),
                )
            )
            start, start_bias = stop, stop_bias
        self.n_coefficients, self.n_bias = start, start_bias

    def init(self, rng):
        """Initial (coefficients, bias): unit-variance features in give unit-variance features out, letter by letter."""
        coefficients = rng.standard_normal(self.n_coefficients)
        for path in self.paths:
            coefficients[path.weights] /= np.sqrt(max(path.fan_in, 1))
        return coefficients.astype(self.dtype), np.zeros(self.n_bias, self.dtype)

    def forward(self, params, x):
        """Apply to packed x of shape (n_in, batch).

        Returns
        -------
        y : ndarray of shape (n_out, batch)
        backward : callable, ``backward(dy) -> (dx, (dcoefficients, dbias))``
        """
        coefficients, bias = params
        y = np.empty((self.features_out.size, x.shape[1]), x.dtype)
        inputs = [_stacked(path, x) for path in self.paths]
        for path, v in zip(self.paths, inputs, strict=True):
            out = path.target.view(y)
            _apply(path, coefficients, v, out)
            if path.bias.stop > path.bias.start:
                b = bias[path.bias].reshape(-1, path.target.mult)
                out += (path.invariants @ b)[:, :, None]

        def backward(dy):
            dx = np.zeros((self.features_in.size, dy.shape[1]), dy.dtype)
            dcoefficients, dbias = np.empty_like(coefficients), np.empty_like(bias)
            for path, v in zip(self.paths, inputs, strict=True):
                dout = path.target.view(dy)
                _add_transposed(path, coefficients, dout, dx)
                dcoefficients[path.weights] = _outer(path, dout, v)
                dbias[path.bias] = (path.invariants.T @ dout.sum(2)).ravel()
            return dx, (dcoefficients, dbias)

        return y, backward

    def tangent(self, params, x, x_dot):
        """The layer and its derivative along ``x_dot``, forward and backward.

        Returns
        -------
        y, y_dot : ndarrays of shape (n_out, batch)
        backward : callable
            ``backward(dy, dy_dot) -> (dx, dx_dot, grads, grads_dot)``: the backward pass and its derivative.
        """
        y, pull = self.forward(params, x)
        linear_part = (params[0], np.zeros_like(params[1]))
        y_dot, pull_dot = self.forward(linear_part, x_dot)

        def backward(dy, dy_dot):
            dx, (dw, db) = pull(dy)
            dx_dot, (dw_1, db_dot) = pull(dy_dot)
            _, (dw_2, _) = pull_dot(dy)
            return dx, dx_dot, (dw, db), (dw_1 + dw_2, db_dot)

        return y, y_dot, backward

    def __repr__(self):
        return f"Linear({self.features_in.rep} -> {self.features_out.rep})"


def _stacked(path, x):
    """What a block is mixed from, (d_out, fan_in, batch): a view where one block comes as it is."""
    pieces = []
    for source, J in path.sources:
        v = source.view(x)
        if J is None:
            pieces.append(v)
        else:
            image = np.tensordot(J, v, axes=(2, 0))  # (t, d_out, mult, batch)
            pieces.append(image.swapaxes(0, 1).reshape(J.shape[1], -1, x.shape[1]))
    if not pieces:
        return np.zeros((path.target.dim, 0, x.shape[1]), x.dtype)
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)


def _weights(path, coefficients):
    return coefficients[path.weights].reshape(path.target.mult, path.fan_in)


def _apply(path, coefficients, v, out):
    # y[i] = W v[i] for every component i of the letter
    np.matmul(_weights(path, coefficients), v, out=out)


def _add_transposed(path, coefficients, dout, dx):
    """Add the gradient of the inputs to dx."""
    dv = np.matmul(_weights(path, coefficients).T, dout)
    start = 0
    for source, J in path.sources:
        target = source.view(dx)
        if J is None:
            stop = start + source.mult
            target += dv[:, start:stop]
        else:
            stop = start + len(J) * source.mult
            image = dv[:, start:stop].reshape(J.shape[1], len(J), source.mult, -1)
            target += np.tensordot(J, image, axes=((0, 1), (1, 0)))
        start = stop


def _outer(path, dout, v):
    """The gradient of the weights, flat: Σ over components and samples."""
    return np.matmul(dout, v.swapaxes(1, 2)).sum(0).ravel()
