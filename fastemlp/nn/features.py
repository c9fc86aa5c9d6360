"""Packed features: how a layer's activations lie in memory."""

from dataclasses import dataclass

import numpy as np

from fastemlp.reps import Rep, terms


@dataclass(frozen=True)
class FeatureType:
    """One tensor type among the features of a layer.

    Attributes
    ----------
    rep : Rep; the type
    dim : int; size of the type
    mult : int; number of copies
    start : int; first packed column of the type
    """

    rep: Rep
    dim: int
    mult: int
    start: int

    @property
    def columns(self):
        """The packed columns of this type, a slice of length dim·mult."""
        return slice(self.start, self.start + self.dim * self.mult)

    def view(self, x):
        """Packed x of shape (batch, size) seen as this type's (batch, dim, mult)."""
        return x[:, self.columns].reshape(len(x), self.dim, self.mult)


class Features:
    """The features ``U = ⊕ n_k τ_k`` of a layer, packed per type with the multiplicity varying fastest.

    Parameters
    ----------
    rep : Rep, bound

    Attributes
    ----------
    types : tuple of FeatureType; distinct types in canonical order, scalars first
    order : ndarray of int, shape (size,); ``x[:, order]`` packs vectors x written in the order of ``rep``
    """

    def __init__(self, rep):
        self.rep = rep
        self.size = rep.size()
        canonical, perm = rep.canonical()
        perm = np.arange(self.size) if perm is None else perm
        types, order, start = [], [np.arange(0)], 0
        for term, mult in terms(canonical):
            dim = term.size()
            types.append(FeatureType(term, dim, mult, start))
            order.append(perm[start : start + dim * mult].reshape(mult, dim).T.ravel())
            start += dim * mult
        self.types = tuple(types)
        self.order = np.concatenate(order)

    def pack(self, x):
        """Natural order (batch, size) to packed order."""
        return np.take(x, self.order, axis=1)

    def unpack(self, x):
        """Packed order (batch, size) back to natural order."""
        out = np.empty_like(x)
        out[:, self.order] = x
        return out

    def find(self, rep):
        """The FeatureType of a rep, or None."""
        return next((t for t in self.types if t.rep == rep), None)

    def __repr__(self):
        return f"Features({self.rep})"
