"""The general equivariant linear layer."""

from dataclasses import dataclass

import numpy as np

from fastemlp.basis import equivariant_basis
from fastemlp.nn.features import FeatureType


@dataclass(frozen=True)
class _Block:
    """The maps between two types: ``Q[:, ρ]`` is the ρ-th basis map, over (dim_in, dim_out)."""

    source: FeatureType
    target: FeatureType
    Q: np.ndarray  # (dim_in·dim_out, rank)
    coefficients: slice

    @property
    def coefficient_shape(self):
        return (self.Q.shape[1], self.source.mult * self.target.mult)


class Linear:
    """``y = W x + b`` with W in the space of equivariant maps and b among the invariants.

    Parameters
    ----------
    features_in, features_out : Features
    dtype : float32 or float64
    bias : bool

    Attributes
    ----------
    n_coefficients : int; free parameters of W, the rank of ``rep_in >> rep_out``

    Notes
    -----
    W is assembled from its coefficients at every call, O(Σ rank·size) for a type pair, then applied as one
    dense product. Finzi et al. 2021, §6.
    """

    def __init__(self, features_in, features_out, dtype=np.float32, bias=True):
        self.features_in = features_in
        self.features_out = features_out
        self.dtype = np.dtype(dtype)
        self.blocks = []
        start = 0
        for target in features_out.types:
            for source in features_in.types:
                basis = equivariant_basis(source.rep >> target.rep)
                if not basis.rank:
                    continue
                Q = basis.to_dense().reshape(target.dim, source.dim, basis.rank).swapaxes(0, 1)
                Q = np.ascontiguousarray(Q.reshape(-1, basis.rank), self.dtype)
                stop = start + basis.rank * source.mult * target.mult
                self.blocks.append(_Block(source, target, Q, slice(start, stop)))
                start = stop
        self.n_coefficients = start
        self.invariants = _Invariants(features_out, self.dtype) if bias else None

    def init(self, rng):
        """Initial (coefficients, bias): unit-variance features in give unit-variance features out, type by type.

        An orthonormal basis map has squared Frobenius norm 1, so it takes white features of one copy to a
        vector of expected squared norm 1, whatever the group.
        """
        coefficients = np.empty(self.n_coefficients)
        fan_in = {}
        for block in self.blocks:
            n = block.Q.shape[1] * block.source.mult
            fan_in[block.target] = fan_in.get(block.target, 0) + n
        for block in self.blocks:
            scale = np.sqrt(block.target.dim / fan_in[block.target])
            size = block.coefficients.stop - block.coefficients.start
            coefficients[block.coefficients] = scale * rng.standard_normal(size)
        bias = np.zeros(self.invariants.rank if self.invariants else 0)
        return coefficients.astype(self.dtype), bias.astype(self.dtype)

    def weight(self, coefficients):
        """The (n_in, n_out) matrix, in packed order, of the given coefficients."""
        W = np.zeros((self.features_in.size, self.features_out.size), self.dtype)
        for block in self.blocks:
            # W[(p, i), (q, j)] = Σ_ρ Q[(p, q), ρ] c[ρ, (i, j)]
            c = coefficients[block.coefficients].reshape(block.coefficient_shape)
            _block_view(W, block)[...] = _split(block.Q @ c, block).swapaxes(1, 2)
        return W

    def weight_adjoint(self, dW):
        """Gradient of the coefficients from the gradient of W."""
        gradient = np.empty(self.n_coefficients, self.dtype)
        for block in self.blocks:
            dense = np.ascontiguousarray(_block_view(dW, block).swapaxes(1, 2))
            dc = block.Q.T @ dense.reshape(len(block.Q), -1)
            gradient[block.coefficients] = dc.ravel()
        return gradient

    def forward(self, params, x):
        """Apply to packed x of shape (batch, n_in).

        Returns
        -------
        y : ndarray of shape (batch, n_out)
        backward : callable, ``backward(dy) -> (dx, (dcoefficients, dbias))``
        """
        coefficients, bias = params
        W = self.weight(coefficients)
        y = x @ W
        if self.invariants:
            y += self.invariants.synthesise(bias)

        def backward(dy):
            dcoefficients = self.weight_adjoint(x.T @ dy)
            dbias = self.invariants.analyse(dy.sum(0)) if self.invariants else np.zeros_like(bias)
            return dy @ W.T, (dcoefficients, dbias)

        return y, backward

    def __repr__(self):
        return f"Linear({self.features_in.rep} -> {self.features_out.rep})"


class _Invariants:
    """The invariant vectors of some features, in packed order: where a bias may live."""

    def __init__(self, features, dtype):
        self.features = features
        self.parts = []
        start = 0
        for kind in features.types:
            Q = equivariant_basis(kind.rep, dtype=dtype).to_dense()
            stop = start + Q.shape[1] * kind.mult
            if stop > start:
                self.parts.append((kind, np.ascontiguousarray(Q), slice(start, stop)))
            start = stop
        self.rank = start

    def synthesise(self, coefficients):
        out = np.zeros(self.features.size, coefficients.dtype)
        for kind, Q, part in self.parts:
            out[kind.columns] = (Q @ coefficients[part].reshape(-1, kind.mult)).ravel()
        return out

    def analyse(self, v):
        out = np.empty(self.rank, v.dtype)
        for kind, Q, part in self.parts:
            out[part] = (Q.T @ v[kind.columns].reshape(kind.dim, kind.mult)).ravel()
        return out


def _block_view(W, block):
    """The (dim_in, mult_in, dim_out, mult_out) view of a block of W."""
    source, target = block.source, block.target
    shape = (source.dim, source.mult, target.dim, target.mult)
    return W[source.columns, target.columns].reshape(shape)


def _split(dense, block):
    """(dim_in·dim_out, mult_in·mult_out) as (dim_in, dim_out, mult_in, mult_out)."""
    source, target = block.source, block.target
    return dense.reshape(source.dim, target.dim, source.mult, target.mult)
