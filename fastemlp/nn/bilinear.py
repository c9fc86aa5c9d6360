"""Cheap bilinear contractions: tensors of the features acting on each other as linear maps."""

from dataclasses import dataclass

import numpy as np

from fastemlp.nn.features import FeatureType
from fastemlp.nn.tape import Product
from fastemlp.reps import Scalar


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
    def n_pairs(self):
        """Number of pairs of copies, each with a weight for every output copy."""
        return len(self.copies) * self.source.mult


class BiLinear:
    """``y_c = Σ w · (v_a v_b)`` over every type a that can be read as a map from type b to type c.

    Parameters
    ----------
    features_in, features_out : Features in the same Coordinates
    rng : numpy Generator; draws the acting copies, at most ``dim`` of each type
    shortcut_gain : float, optional
        ``y_c = x_c + gain · Σ w · (v_a v_b)`` instead, between features that are the same.

    Attributes
    ----------
    n_parameters : int; a weight for every output copy and every pair of copies it is made from

    Notes
    -----
    Scalars do not act. The per-sample matrix W(x) is never formed: a path costs one contraction over components,
    sample by sample, and one matrix product over multiplicities, in the order that ``tape.fusion`` chooses. Finzi et
    al. 2021, §6.
    """

    def __init__(self, features_in, features_out, rng, shortcut_gain=None):
        self.features_in = features_in
        self.features_out = features_out
        self.shortcut_gain = shortcut_gain
        actors = {
            kind.rep: (
                kind,
                np.sort(rng.choice(kind.mult, min(kind.mult, kind.dim), replace=False)),
            )
            for kind in features_in.types
            if kind.rep != Scalar
        }
        self.paths = []
        for target in features_out.types:
            for source in features_in.types:
                canonical, perm = (source.rep >> target.rep).canonical()
                if canonical not in actors:
                    continue
                actor, copies = actors[canonical]
                # perm sorts an (out, in) matrix into the actor's own order of components
                entry = np.arange(actor.dim) if perm is None else np.argsort(perm)
                entry = entry.reshape(target.dim, source.dim)
                self.paths.append(_Path(source, target, actor, copies, entry))
        self.n_parameters = sum(path.n_pairs * path.target.mult for path in self.paths)

    def record(self, tape, x):
        """Apply to features packed in rows x; returns the Rows of the result, at unit scale if x are."""
        shortcut = self.shortcut_gain is not None
        if shortcut and not self.paths:
            return x
        out = tape.rows(self.features_out.size)
        if shortcut:
            tape.copy(out, x)
        read = [kind for path in self.paths for kind in (path.source, path.actor)]
        natural = {kind: kind.natural(tape, x) for kind in dict.fromkeys(read)}
        room = {kind: kind.room(tape, out) for kind in dict.fromkeys(p.target for p in self.paths)}
        n_terms = dict.fromkeys(room, 0)
        for path in self.paths:
            n_terms[path.target] += path.n_pairs * path.source.dim
        tape.products(
            [
                Product(
                    room[path.target],
                    natural[path.actor],
                    natural[path.source],
                    path.copies,
                    path.entry,
                    gain=self.shortcut_gain if shortcut else 1.0,
                    std=n_terms[path.target] ** -0.5,
                )
                for path in self.paths
            ]
        )
        for kind, rows in room.items():
            kind.add(tape, out, rows)
        return out

    def __repr__(self):
        return f"BiLinear({self.features_in.rep} -> {self.features_out.rep})"
