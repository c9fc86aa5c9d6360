"""Cheap bilinear contractions: tensors of the features acting on each other as linear maps."""

from dataclasses import dataclass

import numpy as np

from fastemlp.nn.features import FeatureType
from fastemlp.reps import Scalar


@dataclass(frozen=True)
class _Path:
    """Chosen copies of ``actor``, read as maps, take all copies of ``source`` to ``target``.

    ``columns[q, a, p]`` is the packed column of entry (q, p) of the a-th acting map, q over the target's
    components and p over the source's.
    """

    source: FeatureType
    target: FeatureType
    columns: np.ndarray  # (dim_out, n_actors, dim_in)
    weights: slice

    @property
    def n_actors(self):
        return self.columns.shape[1]

    @property
    def contracts_first(self):
        """Whether contracting all pairs before mixing is cheaper than mixing the source's copies first."""
        p, q = self.source.dim, self.target.dim
        pairs, n_out = self.n_actors * self.source.mult, self.target.mult
        contract_then_mix = q * p * pairs + q * pairs * n_out
        mix_then_contract = p * pairs * n_out + q * p * self.n_actors * n_out
        return contract_then_mix <= mix_then_contract


class BiLinear:
    """``y_c = Σ w · (v_a v_b)`` over every type a that can be read as a map from type b to type c.

    Parameters
    ----------
    features_in, features_out : Features
    rng : numpy Generator; draws the acting copies, at most ``dim`` of each type
    dtype : float32 or float64

    Notes
    -----
    Scalars do not act. The per-sample matrix W(x) is never formed: each path costs one batched product of
    small matrices and one GEMM over multiplicities. Finzi et al. 2021, §6.
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
                columns = _map_columns(actor, copies, perm, target.dim, source.dim)
                self.paths.append(_Path(source, target, columns, slice(start, stop)))
                start = stop
        self.n_weights = start

    def init(self, rng):
        """Initial weights, a 1-tuple: unit-variance features give unit-variance output, type by type."""
        weights = np.empty(self.n_weights)
        variance = {}
        for path in self.paths:
            terms = path.n_actors * path.source.mult * path.source.dim
            variance[path.target] = variance.get(path.target, 0) + terms
        for path in self.paths:
            size = path.weights.stop - path.weights.start
            scale = 1 / np.sqrt(variance[path.target])
            weights[path.weights] = scale * rng.standard_normal(size)
        return (weights.astype(self.dtype),)

    def forward(self, params, x):
        """Apply to packed x of shape (batch, n_in).

        Returns
        -------
        y : ndarray of shape (batch, n_out)
        backward : callable, ``backward(dy) -> (dx, (dweights,))``
        """
        (weights,) = params
        y = np.zeros((len(x), self.features_out.size), x.dtype)
        backwards = []
        for path in self.paths:
            run = _contract_then_mix if path.contracts_first else _mix_then_contract
            image, backward_path = run(path, weights[path.weights], x)
            path.target.view(y)[...] += image
            backwards.append(backward_path)

        def backward(dy):
            dx = np.zeros_like(x)
            dweights = np.empty_like(weights)
            for path, backward_path in zip(self.paths, backwards, strict=True):
                dmaps, dsource, dw = backward_path(np.ascontiguousarray(path.target.view(dy)))
                # within a path every acting entry is a column of its own
                dx[:, path.columns.ravel()] += dmaps.reshape(len(x), -1)
                path.source.view(dx)[...] += dsource
                dweights[path.weights] = dw.ravel()
            return dx, (dweights,)

        return y, backward

    def __repr__(self):
        return f"BiLinear({self.features_in.rep} -> {self.features_out.rep})"


def _map_columns(actor, copies, perm, dim_out, dim_in):
    """See ``_Path.columns``; ``perm`` sorts an (out, in) matrix into the actor's own order of components."""
    component = np.arange(actor.dim)
    if perm is not None:
        component = np.argsort(perm)
    # packed column of component s of copy a: start + s·mult + a
    columns = actor.start + component[:, None] * actor.mult + copies
    return columns.reshape(dim_out, dim_in, len(copies)).transpose(0, 2, 1).copy()


def _contract_then_mix(path, weights, x):
    """z[q, a, i] = Σ_p M[q, a, p] v[p, i];  y[q, j] = Σ_{a,i} z[q, a, i] w[(a, i), j]"""
    batch = len(x)
    q, n_actors, p = path.columns.shape
    pairs = n_actors * path.source.mult
    w = weights.reshape(pairs, path.target.mult)
    maps = x[:, path.columns.ravel()].reshape(batch, q * n_actors, p)
    v = path.source.view(x)
    z = (maps @ v).reshape(batch * q, pairs)
    y = (z @ w).reshape(batch, q, path.target.mult)

    def backward(dy):
        dy = dy.reshape(batch * q, -1)
        dz = (dy @ w.T).reshape(batch, q * n_actors, path.source.mult)
        return dz @ v.swapaxes(1, 2), maps.swapaxes(1, 2) @ dz, z.T @ dy

    return y, backward


def _mix_then_contract(path, weights, x):
    """u[a, p, j] = Σ_i v[p, i] w[i, (a, j)];  y[q, j] = Σ_{a,p} M[q, a, p] u[a, p, j]"""
    batch = len(x)
    q, n_actors, p = path.columns.shape
    n_in, n_out = path.source.mult, path.target.mult
    w = weights.reshape(n_in, n_actors * n_out)
    maps = x[:, path.columns.transpose(0, 2, 1).ravel()].reshape(batch, q, p * n_actors)
    v = np.ascontiguousarray(path.source.view(x)).reshape(batch * p, n_in)
    u = (v @ w).reshape(batch, p * n_actors, n_out)
    y = maps @ u

    def backward(dy):
        dmaps = (dy @ u.swapaxes(1, 2)).reshape(batch, q, p, n_actors).swapaxes(2, 3)
        du = (maps.swapaxes(1, 2) @ dy).reshape(batch * p, n_actors * n_out)
        return dmaps, (du @ w.T).reshape(batch, p, n_in), v.T @ du

    return y, backward
