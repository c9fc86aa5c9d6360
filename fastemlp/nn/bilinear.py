"""Cheap bilinear contractions: tensors of the features acting on each other as linear maps."""

from dataclasses import dataclass

import numpy as np

from fastemlp._kernels.contract import contract, contract_backward
from fastemlp.nn.features import FeatureType
from fastemlp.reps import Scalar


@dataclass(frozen=True, eq=False)
class _Path:
    """Chosen copies of ``actor``, read as maps, take all copies of ``source`` to ``target``.

    Attributes
    ----------
    copies : ndarray of int (A,); the copies that act
    entry : ndarray of int (dim_out, dim_in); which component of the actor is entry (q, p) of the map
    weights : slice into the weights
    """

    source: FeatureType
    target: FeatureType
    actor: FeatureType
    copies: np.ndarray
    entry: np.ndarray
    weights: slice

    @property
    def contracts_first(self):
        """Whether contracting all pairs before mixing is cheaper than mixing the source's copies first."""
        p, q, A = self.source.dim, self.target.dim, len(self.copies)
        n_in, n_out = self.source.mult, self.target.mult
        contract_then_mix = q * A * n_in * (p * CONTRACTION_COST + n_out)
        mix_then_contract = p * A * n_out * (n_in + q * CONTRACTION_COST)
        return contract_then_mix <= mix_then_contract


#: A multiply-add of the contraction takes the time of this many in a matrix product.
CONTRACTION_COST = 8


class BiLinear:
    """``y_c = Σ w · (v_a v_b)`` over every type a that can be read as a map from type b to type c.

    Parameters
    ----------
    features_in, features_out : Features of one Alphabet
    rng : numpy Generator; draws the acting copies, at most ``dim`` of each type
    dtype : float32 or float64

    Notes
    -----
    Scalars do not act. The per-sample matrix W(x) is never formed: each path costs one contraction over components,
    sample by sample, and one matrix product over multiplicities, in the cheaper order. Finzi et al. 2021, §6.
    """

    def __init__(self, features_in, features_out, rng, dtype=np.float32):
        self.features_in = features_in
        self.features_out = features_out
        self.dtype = np.dtype(dtype)
        actors = {
            kind: np.sort(rng.choice(kind.mult, min(kind.mult, kind.dim), replace=False))
            for kind in features_in.types
            if kind.rep != Scalar
        }
        self.paths = []
        start = 0
        for target in features_out.types:
            for source in features_in.types:
                canonical, perm = (source.rep >> target.rep).canonical()
                actor = features_in.find(canonical)
                if actor not in actors:
                    continue
                copies = actors[actor]
                stop = start + source.mult * len(copies) * target.mult
                # perm sorts an (out, in) matrix into the actor's own order of components
                entry = np.arange(actor.dim) if perm is None else np.argsort(perm)
                entry = entry.reshape(target.dim, source.dim).astype(np.intp)
                self.paths.append(_Path(source, target, actor, copies, entry, slice(start, stop)))
                start = stop
        self.n_weights = start

    def init(self, rng):
        """Initial weights, a 1-tuple: unit-variance features give unit-variance output, type by type."""
        weights = rng.standard_normal(self.n_weights)
        variance = {}
        for path in self.paths:
            terms = len(path.copies) * path.source.mult * path.source.dim
            variance[path.target] = variance.get(path.target, 0) + terms
        for path in self.paths:
            weights[path.weights] /= np.sqrt(variance[path.target])
        return (weights.astype(self.dtype),)

    def forward(self, params, x):
        """Apply to packed x of shape (n_in, batch).

        Returns
        -------
        y : ndarray of shape (n_out, batch)
        backward : callable, ``backward(dy) -> (dx, (dweights,))``
        """
        operands = self._operands(x)
        y, pull = self._combine(params, operands)

        def backward(dy):
            gradients, dweights = pull(dy)
            return self._packed(gradients, operands), (dweights,)

        return y, backward

    def tangent(self, params, x, x_dot):
        """The layer and its derivative along ``x_dot``, forward and backward; see ``Linear.tangent``."""
        at, along = self._operands(x), self._operands(x_dot)
        y, pull = self._combine(params, at)
        # the product rule: maps along, vectors at x; then maps at x, vectors along
        y_maps, pull_maps = self._combine(
            params, _Operands(at.vectors, along.maps, at.copies, at.batch)
        )
        y_vectors, pull_vectors = self._combine(
            params, _Operands(along.vectors, at.maps, at.copies, at.batch)
        )

        def backward(dy, dy_dot):
            gradients, dweights = pull(dy)
            gradients_dot, dweights_dot = pull(dy_dot)
            by_maps, dweights_maps = pull_maps(dy)
            by_vectors, dweights_vectors = pull_vectors(dy)
            for kind, dv in by_maps.vectors.items():
                gradients_dot.vectors[kind] += dv
            for kind, dm in by_vectors.maps.items():
                gradients_dot.maps[kind] += dm
            return (
                self._packed(gradients, at),
                self._packed(gradients_dot, at),
                (dweights,),
                (dweights_dot + dweights_maps + dweights_vectors,),
            )

        return y, y_maps + y_vectors, backward

    def _combine(self, params, operands):
        """Every path on given operands: packed y, and ``pull(dy) -> (_Gradients, dweights)``."""
        (weights,) = params
        images, backwards = {}, []
        for path in self.paths:
            run = _contract_then_mix if path.contracts_first else _mix_then_contract
            backwards.append(run(path, weights[path.weights], operands, images))
        y = np.zeros((self.features_out.size, operands.batch), self.dtype)
        for target, image in images.items():
            target.add_natural(y, image)

        def pull(dy):
            gradients = _Gradients(operands)
            incoming = {target: np.ascontiguousarray(target.natural(dy)) for target in images}
            dweights = np.empty_like(weights)
            for path, backward_path in zip(self.paths, backwards, strict=True):
                dweights[path.weights] = backward_path(incoming[path.target], gradients).ravel()
            return gradients, dweights

        return y, pull

    def _packed(self, gradients, operands):
        """Packed dx from the gradients of the operands."""
        dx = np.zeros((self.features_in.size, operands.batch), self.dtype)
        for kind, dv in gradients.vectors.items():
            if kind in gradients.maps:
                dv[:, operands.copies[kind]] += gradients.maps[kind]
            kind.add_natural(dx, dv)
        return dx

    def _operands(self, x):
        """The natural coordinates of every type that takes part, and of its acting copies."""
        vectors, maps = {}, {}
        for path in self.paths:
            for kind in (path.source, path.actor):
                if kind not in vectors:
                    vectors[kind] = np.ascontiguousarray(kind.natural(x))
            if path.actor not in maps:
                maps[path.actor] = np.ascontiguousarray(vectors[path.actor][:, path.copies])
        copies = {path.actor: path.copies for path in self.paths}
        return _Operands(vectors, maps, copies, x.shape[1])

    def __repr__(self):
        return f"BiLinear({self.features_in.rep} -> {self.features_out.rep})"


@dataclass(frozen=True, eq=False)
class _Operands:
    """By type: vectors (dim, mult, batch), acting maps (dim, A, batch), and which copies those are."""

    vectors: dict
    maps: dict
    copies: dict
    batch: int


class _Gradients:
    """Gradients of operands, summed over the paths."""

    def __init__(self, operands):
        self.vectors = {kind: np.zeros_like(v) for kind, v in operands.vectors.items()}
        self.maps = {kind: np.zeros_like(m) for kind, m in operands.maps.items()}


def _image(path, images, v):
    shape = (path.target.dim, path.target.mult, v.shape[-1])
    if path.target not in images:
        images[path.target] = np.zeros(shape, v.dtype)
    return images[path.target]


def _contract_then_mix(path, weights, operands, images):
    """z[q, a, i] = Σ_p M[q, p, a] v[p, i];  y[q, j] += Σ_{a,i} w[j, (a, i)] z[q, (a, i)]"""
    maps, v = operands.maps[path.actor], operands.vectors[path.source]
    q, A = path.target.dim, len(path.copies)
    _, n_in, batch = v.shape
    w = weights.reshape(path.target.mult, A * n_in)
    z = np.zeros((q, A, n_in, batch), v.dtype)
    contract(maps, path.entry, v[:, None], z)
    z = z.reshape(q, A * n_in, batch)
    _image(path, images, v)[...] += np.matmul(w, z)

    def backward(dy, gradients):
        dz = np.matmul(w.T, dy).reshape(q, A, n_in, batch)
        contract_backward(
            maps,
            path.entry,
            v[:, None],
            dz,
            gradients.maps[path.actor],
            gradients.vectors[path.source][:, None],
        )
        return np.matmul(dy, z.swapaxes(1, 2)).sum(0)

    return backward


def _mix_then_contract(path, weights, operands, images):
    """u[p, a, j] = Σ_i w[(a, j), i] v[p, i];  y[q, j] += Σ_{a,p} M[q, p, a] u[p, a, j]"""
    maps, v = operands.maps[path.actor], operands.vectors[path.source]
    A, n_out = len(path.copies), path.target.mult
    p, n_in, batch = v.shape
    w = weights.reshape(A * n_out, n_in)
    u = np.matmul(w, v).reshape(p, A, n_out, batch)
    contract(maps, path.entry, u, _image(path, images, v)[:, None])

    def backward(dy, gradients):
        du = np.zeros_like(u)
        contract_backward(maps, path.entry, u, dy[:, None], gradients.maps[path.actor], du)
        du = du.reshape(p, A * n_out, batch)
        gradients.vectors[path.source] += np.matmul(w.T, du)
        return np.matmul(du, v.swapaxes(1, 2)).sum(0)

    return backward
