"""Cheap bilinear contractions: tensors of the features acting on each other as linear maps."""

from dataclasses import dataclass

import numpy as np

from fastemlp.nn.features import FeatureType, Images
from fastemlp.reps import Scalar

#: A multiply-add of a contraction takes the time of this many in a matrix product.
CONTRACTION_COST = 4
#: Weights are multiplied with those of the layer before if that leaves this many times fewer objects.
FEWER = 2


@dataclass(frozen=True, eq=False)
class _Path:
    """Chosen copies of ``actor``, read as maps, take all copies of ``source`` to ``target``.

    Attributes
    ----------
    images : Images or None; what the copies of the source are mixed from, if that is far fewer objects
    copies : ndarray of int (A,); the copies that act
    entry : ndarray of int (dim_out, dim_in); which component of the actor is entry (q, p) of the map
    """

    source: FeatureType
    target: FeatureType
    actor: FeatureType
    images: Images | None
    copies: np.ndarray
    entry: np.ndarray

    @property
    def contracts_first(self):
        """Whether contracting all pairs before mixing is cheaper than mixing the source's copies first."""
        q, p = self.entry.shape
        A, n_in, n_out = len(self.copies), self.read.mult, self.target.mult
        contract_then_mix = q * A * n_in * (p * CONTRACTION_COST + n_out)
        mix_then_contract = p * A * n_out * (n_in + q * CONTRACTION_COST)
        return contract_then_mix <= mix_then_contract

    @property
    def read(self):
        """The objects that are contracted: the source, or what it is mixed from."""
        return self.source if self.images is None else self.images

    @property
    def n_pairs(self):
        """Number of pairs of copies, each with a weight for every output copy."""
        return len(self.copies) * self.source.mult

    @property
    def n_read(self):
        """Number of pairs that are contracted."""
        return len(self.copies) * self.read.mult


class BiLinear:
    """``y_c = Σ w · (v_a v_b)`` over every type a that can be read as a map from type b to type c.

    Parameters
    ----------
    features_in, features_out : Features in the same Coordinates
    rng : numpy Generator; draws the acting copies, at most ``dim`` of each type
    made_by : Linear, optional; the layer that makes ``features_in``, recorded just before
    shortcut_gain : float, optional
        ``y_c = x_c + gain · Σ w · (v_a v_b)`` instead, between features that are the same.

    Attributes
    ----------
    n_parameters : int; a weight for every output copy and every pair of copies it is made from

    Notes
    -----
    Scalars do not act. The per-sample matrix W(x) is never formed: a path costs one contraction over components,
    sample by sample, and one matrix product over multiplicities, in the cheaper order. Paths that contract first and
    end in one type share their product, so do those that mix first and begin with one. Finzi et al. 2021, §6.

    Where ``made_by`` mixes many copies from a few objects, as the first layer of a network does, those few are
    contracted, with the weights of both layers multiplied once for all samples: the same function of the same
    parameters.
    """

    def __init__(self, features_in, features_out, rng, made_by=None, shortcut_gain=None):
        self.features_in = features_in
        self.features_out = features_out
        self.made_by = made_by
        self.has_shortcut = shortcut_gain is not None
        self.gain = shortcut_gain if self.has_shortcut else 1.0
        actors = {
            kind: np.sort(rng.choice(kind.mult, min(kind.mult, kind.dim), replace=False))
            for kind in features_in.types
            if kind.rep != Scalar
        }
        images = {}
        if made_by is not None:
            few = [k for k in features_in.types if made_by.n_images(k) * FEWER <= k.mult]
            images = {kind: made_by.images(kind) for kind in few}
        known = {kind.rep: kind for kind in actors}
        self.paths = []
        for target in features_out.types:
            for source in features_in.types:
                canonical, perm = (source.rep >> target.rep).canonical()
                actor = known.get(canonical)
                if actor is None:
                    continue
                # perm sorts an (out, in) matrix into the actor's own order of components
                entry = np.arange(actor.dim) if perm is None else np.argsort(perm)
                entry = entry.reshape(target.dim, source.dim)
                self.paths.append(
                    _Path(source, target, actor, images.get(source), actors[actor], entry)
                )
        self.n_parameters = sum(path.n_pairs * path.target.mult for path in self.paths)

    def init(self, rng):
        """Initial weights: unit-variance features give unit-variance output, type by type."""
        variance = {}
        for path in self.paths:
            terms = path.n_pairs * path.source.dim
            variance[path.target] = variance.get(path.target, 0) + terms
        parts = []
        for paths in (*self._mixed_first().values(), *self._contracted_first().values()):
            # rows of a matrix that paths share lie side by side where they end in one type
            blocks = [
                rng.standard_normal((path.target.mult, path.n_pairs))
                / np.sqrt(variance[path.target])
                for path in paths
            ]
            shared = paths[0].contracts_first
            parts.append(
                np.hstack(blocks).ravel() if shared else np.concatenate([b.ravel() for b in blocks])
            )
        return np.concatenate([*parts, []])

    def record(self, tape, x):
        """Apply to features packed in rows x; returns the Rows of the result.

        Raises
        ------
        ValueError
            If x was not made by ``made_by``.
        """
        if self.has_shortcut and not self.paths:
            return x
        before = tape.origin(x, self.made_by)
        if before is None and any(path.images is not None for path in self.paths):
            raise ValueError(
                "BiLinear: made_by says what its input is mixed from, but that layer did not make these rows. Record "
                "it just before, as a block of both layers does (EMLPBlock), or leave made_by out."
            )
        out = tape.rows(self.features_out.size)
        if self.has_shortcut:
            tape.copy(out, x)
        natural, room = {}, {}
        for path in self.paths:
            for kind in (path.read, path.actor):
                if kind not in natural:
                    natural[kind] = kind.natural(tape, before[0] if isinstance(kind, Images) else x)
            if path.target not in room:
                room[path.target] = path.target.room(tape, out)
        for read, paths in self._mixed_first().items():
            # u[a, j, p] = Σ_i w[(a, j), i] v[i, p], then y[j, q] += Σ_{a,p} M[a, (q, p)] u[a, j, p]
            n = [len(path.copies) * path.target.mult for path in paths]
            u = tape.rows(sum(n) * read.dim)
            W = self._composed(tape, paths, before, sum(n), together=True)
            tape.mix(u, natural[read], read.dim, self.gain, W)
            for path, part in zip(paths, u.split(k * read.dim for k in n), strict=True):
                _contract(tape, path, natural, room[path.target], part, own=True)
        for (target, _), paths in self._contracted_first().items():
            # z[a, i, q] = Σ_p M[a, (q, p)] v[i, p], then y[j, q] += Σ_{a,i} w[j, (a, i)] z[a, i, q]
            n = [path.n_read for path in paths]
            z = tape.rows(sum(n) * target.dim)
            for path, part in zip(paths, z.split(k * target.dim for k in n), strict=True):
                _contract(tape, path, natural, part, natural[path.read], own=False)
            W = self._composed(tape, paths, before, target.mult, together=False)
            tape.mix(room[target], z, target.dim, self.gain, W)
        for target, rows in room.items():
            target.add(tape, out, rows)
        tape.fill(out)  # no path may lead to a type
        return out

    def _composed(self, tape, paths, before, m, together):
        """Where weights begin that act on images: those of all paths ``together``, or of each path in turn."""
        if paths[0].images is None:
            return None
        read = [(p.images, len(p.copies), p.source.mult) for p in paths]
        if together:
            read = [(paths[0].images, 1, paths[0].source.mult)]
        next_w = sum(n * k for _, n, k in read)
        next_v = sum(n * images.mult for images, n, _ in read)
        w, into = tape.parameters(m * next_w), tape.composed(m * next_v)
        first = into
        for images, n, k in read:
            index = before[1] + images.index
            tape.compose(w, index, m=m, n=n, next_w=next_w, into=into, next_v=next_v)
            w += n * k
            into += n * images.mult
        return first

    def _mixed_first(self):
        return _grouped([(p.read, p) for p in self.paths if not p.contracts_first])

    def _contracted_first(self):
        paths = [p for p in self.paths if p.contracts_first]
        return _grouped([((p.target, p.images is None), p) for p in paths])

    def __repr__(self):
        return f"BiLinear({self.features_in.rep} -> {self.features_out.rep})"


def _contract(tape, path, natural, out, v, own):
    maps = natural[path.actor]
    tape.contract(out, maps, v, copies=path.copies, entry=path.entry, apart=not own, own=own)


def _grouped(pairs):
    groups = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups
