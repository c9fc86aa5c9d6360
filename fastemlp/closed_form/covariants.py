"""Equivariant functions of low degree, which functions of invariants multiply."""

from dataclasses import dataclass, replace

import numpy as np

from fastemlp.bases import equivariant_basis
from fastemlp.closed_form.polynomials import Limits, PolynomialFeatures
from fastemlp.exceptions import CertificationError
from fastemlp.reps import Scalar, objects

#: Products of up to two inputs, of three where there are none of two; no more than so many.
DEGREES, MOST = (1, 2, 3), 500
#: A basis of products may take so many bytes.
_LIMITS = Limits(2**26, 2e9, 3e5)


@dataclass(frozen=True)
class Covariants:
    """Equivariant functions to one type.

    Attributes
    ----------
    constants : ndarray of shape (d, r0)
    features : PolynomialFeatures or None
    scale : ndarray of shape (r0 + rank,)
    """

    constants: np.ndarray
    features: PolynomialFeatures | None = None
    scale: np.ndarray | float = 1.0

    @classmethod
    def of(cls, rep_in, kind, X):
        """Invariants of the type and products of inputs, each of mean square one over samples X; None without any."""
        constants = equivariant_basis(kind, dtype=np.float64).to_dense()
        if kind == Scalar:
            return cls(constants)
        found = None
        for degree in DEGREES:
            if degree > 2 and found is not None:
                break
            try:
                features = PolynomialFeatures.build(objects(rep_in), kind, degree, 1, _LIMITS)
            except (MemoryError, CertificationError):
                break
            if features.rank > MOST:
                break
            found = features if features.rank else found
        if found is None:
            return cls(constants) if constants.size else None
        raw = cls(constants, found)
        scale = np.sqrt(np.mean(np.sum(raw(X) ** 2, axis=1), axis=0))
        return replace(raw, scale=np.where(scale > 0, scale, np.inf))

    @property
    def rank(self):
        """How many there are."""
        return self.constants.shape[1] + (self.features.rank if self.features else 0)

    def __call__(self, X):
        """Of shape (n, d, rank)."""
        d, r0 = self.constants.shape
        if self.features is None:
            return np.broadcast_to(self.constants / self.scale, (len(X), d, r0))
        values = np.empty((d, self.rank, len(X)))
        values[:, :r0] = self.constants[..., None]
        values[:, r0:] = self.features.beside(X.T)
        values /= np.reshape(self.scale, (-1, 1))
        return values.transpose(2, 0, 1)

    def only(self, kept):
        """Those that ``kept`` says, bool ndarray (rank,), with others of the same product; and which these are."""
        r0 = self.constants.shape[1]
        kept, features = kept.copy(), None
        if kept[r0:].any():
            products = self.features.products
            some = np.bincount(products, kept[r0:]) > 0
            kept[r0:], features = some[products], self.features.only(some)
        scale = np.broadcast_to(self.scale, kept.shape)[kept]
        return Covariants(self.constants[:, kept[:r0]], features, scale), kept

    def slopes(self, X):
        """The derivatives of all, (n, d, rank, n_in)."""
        d, r0 = self.constants.shape
        J = np.zeros((len(X), d, self.rank, X.shape[1]))
        if self.features is not None:
            J[:, :, r0:] = self.features.slopes(X)
        return J / np.reshape(self.scale, (-1, 1))

    def jacobian(self, X, S):
        """The derivative of ``self(X) @ S``, S of shape (n, rank, c), with S held: ndarray (n, d, c, n_in)."""
        if self.features is None:
            return np.zeros((len(X), len(self.constants), S.shape[2], X.shape[1]))
        return np.einsum("ndrj,nrc->ndcj", self.slopes(X), S, optimize=True)
