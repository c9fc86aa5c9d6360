"""Equivariant functions of low degree, which functions of invariants multiply."""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.linalg import qr

from fastemlp.bases import equivariant_basis
from fastemlp.closed_form.polynomials import Limits, PolynomialFeatures
from fastemlp.exceptions import CertificationError
from fastemlp.reps import Scalar, objects

#: Products of up to two inputs, of three where these reach more directions; no more than so many.
DEGREES, MOST = (1, 2, 3), 500
#: Invariants times covariants, at most, among which generators are looked for.
MOST_PRODUCTS = 1000
#: Samples that tell how many directions are reached, and what is none.
SEEN, NONE = 8, 1e-6
#: Directions of what is shorter than this share of its root mean square are made shorter than one.
SHORT = 0.01
#: A basis of products may take so many bytes.
_LIMITS = Limits(2**26, 2e9, 3e5)


@dataclass(frozen=True)
class Covariants:
    """Equivariant functions to one type.

    Attributes
    ----------
    constants : ndarray of shape (d, r0)
    features : PolynomialFeatures or None
    scale : ndarray of shape (r0 + r1,)
    which : int ndarray of shape (r1,) or slice; the polynomials that are meant
    sizes : ndarray of shape (r1,) or None
        Where it is given, polynomials are made as long as one, but for samples at which they are much shorter.
    """

    constants: np.ndarray
    features: PolynomialFeatures | None = None
    scale: np.ndarray | float = 1.0
    which: np.ndarray | slice = field(default_factory=lambda: slice(None))
    sizes: np.ndarray | None = None

    @classmethod
    def of(cls, rep_in, kind, X):
        """Invariants of the type and products of inputs, each of mean square one over samples X; None without any."""
        constants = equivariant_basis(kind, dtype=np.float64).to_dense()
        if kind == Scalar:
            return cls(constants)
        found, reached = None, 0
        for degree in DEGREES:
            if degree > 2 and reached == kind.size():
                break
            try:
                features = PolynomialFeatures.build(objects(rep_in), kind, degree, 1, _LIMITS)
            except (MemoryError, CertificationError):
                break
            if features.rank > MOST:
                break
            scale = np.ones(constants.shape[1] + features.rank)
            scale[constants.shape[1] :][features.is_roundoff(X)] = np.inf
            raw = cls(constants, features, scale)
            before, reached = reached, raw._directions(X[:SEEN])
            if degree <= 2 or reached > before:
                found = raw if features.rank else found
        if found is None:
            return cls(constants) if constants.size else None
        scale = np.sqrt(np.mean(np.sum(found(X) ** 2, axis=1), axis=0))
        return replace(found, scale=np.where(scale > 0, scale, np.inf))

    @property
    def rank(self):
        """How many there are."""
        return self.constants.shape[1] + len(self._polynomials)

    @property
    def _polynomials(self):
        return np.arange(self.features.rank if self.features else 0)[self.which]

    def __call__(self, X):
        """Of shape (n, d, rank)."""
        d, r0 = self.constants.shape
        if self.features is None:
            return np.broadcast_to(self.constants / self.scale, (len(X), d, r0))
        values = np.empty((d, self.rank, len(X)))
        values[:, :r0] = self.constants[..., None]
        values[:, r0:] = self.features.beside(X.T)[:, self.which]
        if self.sizes is not None:
            values[:, r0:] /= self._lengths(values[:, r0:])
        values /= np.reshape(self.scale, (-1, 1))
        return values.transpose(2, 0, 1)

    def directed(self, X):
        """The same with polynomials as long as one: the size of inputs is left to what multiplies them."""
        raw = replace(self, scale=1.0)(X)[..., self.constants.shape[1] :]
        sizes = np.sqrt(np.mean(np.sum(raw**2, axis=1), axis=0))
        scale = np.where(np.isfinite(self.scale), 1.0, np.inf)
        return replace(self, scale=scale, sizes=np.where(sizes > 0, sizes, 1.0))

    def _lengths(self, values):
        """Of polynomials (d, r1, n), never zero."""
        return np.sqrt(np.sum(values**2, axis=0) + (SHORT * self.sizes[:, None]) ** 2)

    def _directions(self, X):
        """How many directions their values span at one sample, at most."""
        values = self(X)
        size = np.sqrt(np.mean(values**2, axis=(0, 1)))
        s = np.linalg.svd(values[..., size > 0] / size[size > 0], compute_uv=False)
        return int(np.max(np.sum(s > NONE * s.max(initial=0), axis=1), initial=0))

    def only(self, kept):
        """Those that ``kept`` says, bool ndarray (rank,), with others of the same product; and which these are."""
        r0 = self.constants.shape[1]
        kept, features, which = kept.copy(), None, slice(None)
        if kept[r0:].any():
            products = self.features.products
            mine = products[self.which]
            some = np.bincount(mine, kept[r0:], products.max() + 1) > 0
            kept[r0:], features = some[mine], self.features.only(some)
            place = np.cumsum(some[products]) - 1
            which = place[self._polynomials[kept[r0:]]]
        scale = np.broadcast_to(self.scale, kept.shape)[kept]
        sizes = self.sizes if self.sizes is None else self.sizes[kept[r0:]]
        return Covariants(self.constants[:, kept[:r0]], features, scale, which, sizes), kept

    def generators(self, rep_in):
        """Those that are no sums of others times invariants; all where that is hard to tell.

        They are counted at random inputs, degree by degree.
        """
        if self.features is None:
            return self
        degrees, r0 = self.features.degrees, self.constants.shape[1]
        try:
            found = PolynomialFeatures.build(objects(rep_in), Scalar, degrees.max(), 1, _LIMITS)
        except (MemoryError, CertificationError):
            return self
        n_products = found.rank * self.rank
        if n_products > MOST_PRODUCTS:
            return self
        d = len(self.constants)
        n = 2 * (n_products + self.rank) // d + 8
        X = np.random.default_rng(0).standard_normal((n, rep_in.size()))
        u, values = found(X)[:, 0], replace(self, scale=1.0)(X)
        degrees, kept = np.concatenate([np.zeros(r0, int), degrees[self.which]]), np.arange(r0)
        for k in range(1, degrees.max(initial=0) + 1):
            (mine,) = np.nonzero(degrees == k)
            products = [
                np.einsum(
                    "ndr,nu->ndru",
                    values[..., kept[degrees[kept] == a]],
                    u[:, found.degrees == k - a],
                )
                for a in range(k)
            ]
            products = np.concatenate([p.reshape(len(X) * d, -1) for p in products], axis=1)
            new = values[..., mine].reshape(len(X) * d, -1)
            new = new / (np.linalg.norm(new, axis=0) + (not new.any()))
            if products.shape[1]:
                Q, R, _ = qr(products, mode="economic", pivoting=True)
                Q = Q[:, np.abs(np.diag(R)) > NONE * np.abs(R[0, 0])]
                new = new - Q @ (Q.T @ new)
            _, R, order = qr(new, mode="economic", pivoting=True)
            kept = np.concatenate([kept, mine[order[: np.sum(np.abs(np.diag(R)) > NONE)]]])
        kept = np.isin(np.arange(self.rank), kept)
        which, scale = self._polynomials[kept[r0:]], np.broadcast_to(self.scale, kept.shape)
        return replace(self, which=which, scale=scale[kept]) if kept[:r0].all() else self

    def slopes(self, X):
        """The derivatives of all, (n, d, rank, n_in)."""
        d, r0 = self.constants.shape
        J = np.zeros((len(X), d, self.rank, X.shape[1]))
        if self.features is not None:
            J[:, :, r0:] = self.features.slopes(X)[:, :, self.which]
        if self.sizes is not None:
            values = self.features.beside(X.T)[:, self.which]
            lengths = self._lengths(values)
            unit = (values / lengths).transpose(2, 0, 1)
            J[:, :, r0:] -= (
                unit[..., None] * np.einsum("ndr,ndrj->nrj", unit, J[:, :, r0:])[:, None]
            )
            J[:, :, r0:] /= lengths.T[:, None, :, None]
        return J / np.reshape(self.scale, (-1, 1))

    def jacobian(self, X, S):
        """The derivative of ``self(X) @ S``, S of shape (n, rank, c), with S held: ndarray (n, d, c, n_in)."""
        if self.features is None:
            return np.zeros((len(X), len(self.constants), S.shape[2], X.shape[1]))
        return np.einsum("ndrj,nrc->ndcj", self.slopes(X), S, optimize=True)
