"""Cheap bilinear contractions: tensors of the features acting on each other as linear maps."""

from dataclasses import dataclass

import numpy as np

from fastemlp.nn.features import FeatureType
from fastemlp.reps import Scalar

#: A multiply-add of a contraction takes the time of this many in a matrix product.
CONTRACTION_COST = 4


@dataclass(frozen=True, eq=False)
class _Path:
    """Chosen copies of ``actor``, read as maps, take all copies of ``source`` to ``target``.

    Attributes
    ----------
    copies : ndarray of int (A,); the copies that act
    entry : ndarray of int (dim_out, dim_in); which component of the actor is entry (q, p) of the map
    """

    source: FeatureType
    target: FeatureType
    actor: FeatureType
    copies: np.ndarray
    entry: np.ndarray

    @property
    def contracts_first(self):
        """Whether contracting all pairs before mixing is cheaper than mixing the source's copies first."""
        q, p = self.entry.shape
        A, n_in, n_out = len(self.copies), self.source.mult, self.target.mult
        contract_then_mix = q * A * n_in * (p * CONTRACTION_COST + n_out)
        mix_then_contract = p * A * n_out * (n_in + q * CONTRACTION_COST)
        return contract_then_mix <= mix_then_contract

    @property
    def n_pairs(self):
        """Numbers of pairs of copies, the rows of components that the weights of each output copy mix."""
        return len(self.copies) * self.source.mult


class BiLinear:
    """``y_c = Σ w · (v_a v_b)`` over every type a that can be read as a map from type b to type c.

    Parameters
    ----------
    features_in, features_out : Features of one Alphabet
    rng : numpy Generator; draws the acting copies, at most ``dim`` of each type

    Attributes
    ----------
    n_parameters : int; a weight for every output copy and every pair of copies it is made from

    Notes
    -----
    Scalars do not act. The per-sample matrix W(x) is never formed: a path costs one contraction over components,
    sample by sample, and one matrix product over multiplicities, in the cheaper order. Paths that contract first and
    end in one type share their product, so do those that mix first and begin with one. Finzi et al. 2021, §6.
    """

    def __init__(self, features_in, features_out, rng):
        self.features_in = features_in
        self.features_out = features_out
        actors = {
            kind: np.sort(rng.choice(kind.mult, min(kind.mult, kind.dim), replace=False))
            for kind in features_in.types
            if kind.rep != Scalar
        }
        self.paths = []
        for target in features_out.types:
            for source in features_in.types:
                canonical, perm = (source.rep >> target.rep).canonical()
                actor = features_in.find(canonical)
                if actor not in actors:
                    continue
                # perm sorts an (out, in) matrix into the actor's own order of components
                entry = np.arange(actor.dim) if perm is None else np.argsort(perm)
                entry = entry.reshape(target.dim, source.dim)
                self.paths.append(_Path(source, target, actor, actors[actor], entry))
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

    def record(self, tape, x, out, gain=1.0):
        """Add ``gain`` times the result for features packed from row x on to those packed from row out on."""
        natural, room = {}, {}
        for path in self.paths:
            for kind in (path.source, path.actor):
                if kind not in natural:
                    natural[kind] = kind.natural(tape, x)
            if path.target not in room:
                room[path.target] = path.target.room(tape, out)
        for source, paths in self._mixed_first().items():
            # u[a, j, p] = Σ_i w[(a, j), i] v[i, p], then y[j, q] += Σ_{a,p} M[a, (q, p)] u[a, j, p]
            n = [len(path.copies) * path.target.mult for path in paths]
            u = tape.rows(sum(n) * source.dim)
            tape.mix(u, natural[source], sum(n), source.mult, source.dim, gain)
            for path, count in zip(paths, n, strict=True):
                self._contract(tape, path, natural, room[path.target], u, own=True)
                u += count * source.dim
        for target, paths in self._contracted_first().items():
            # z[a, i, q] = Σ_p M[a, (q, p)] v[i, p], then y[j, q] += Σ_{a,i} w[j, (a, i)] z[a, i, q]
            n = [path.n_pairs for path in paths]
            z = first = tape.rows(sum(n) * target.dim)
            for path, count in zip(paths, n, strict=True):
                self._contract(tape, path, natural, first, natural[path.source], own=False)
                first += count * target.dim
            tape.mix(room[target], z, target.mult, sum(n), target.dim, gain)
        for target, rows in room.items():
            target.add(tape, out, rows)

    def _contract(self, tape, path, natural, out, v, own):
        tape.contract(
            out,
            natural[path.actor],
            v,
            n_maps=path.actor.mult,
            copies=path.copies,
            entry=path.entry,
            J=path.target.mult if own else path.source.mult,
            apart=not own,
            own=own,
        )

    def _mixed_first(self):
        return _grouped((p for p in self.paths if not p.contracts_first), "source")

    def _contracted_first(self):
        return _grouped((p for p in self.paths if p.contracts_first), "target")

    def __repr__(self):
        return f"BiLinear({self.features_in.rep} -> {self.features_out.rep})"


def _grouped(paths, attribute):
    groups = {}
    for path in paths:
        groups.setdefault(getattr(path, attribute), []).append(path)
    return groups
