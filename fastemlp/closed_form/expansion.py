"""Polynomials multiplied out: a product of objects has many components, and far fewer monomials that differ."""

from dataclasses import dataclass

import numpy as np

from fastemlp.closed_form.tiles import tiles

#: Multiply-adds of BLAS that take as long as multiplying one component of a product out, and as the calls for one path,
#: for each sample of a tile.
COMPONENT, PATH = 8, 100
#: Numbers of the components' maps, at most.
MOST_NUMBERS = 2**23
#: Entries of an orthonormal basis up to this share of the largest are roundoff.
ROUNDOFF = 4 * np.finfo(float).eps


@dataclass(frozen=True)
class Expansion:
    """``B m(x)`` with the monomials m of the columns of x, each of them one of a lower degree times a column.

    Attributes
    ----------
    degrees : tuple of (parents, columns)
        For degrees 1, 2, … int arrays: of each monomial its factor among those of the degree below, and the column that
        multiplies it.
    maps : ndarray of shape (n_monomials, n_out); B
    """

    degrees: tuple
    maps: np.ndarray

    @classmethod
    def if_faster(cls, features, coefficients):
        """The same as ``of``, or None where the features themselves are as fast, or too large to expand."""
        n_out = features.dim * coefficients.shape[1]
        sizes = [
            (len(path.columns[0]) * len(path.monomials[1]), len(path.columns), path.Q.shape[1])
            for path in features.paths
        ]
        if sum(size * (degree + n_out) for size, degree, _ in sizes) > MOST_NUMBERS:
            return None
        found = cls.of(features, coefficients)
        cost = sum(PATH + size * (COMPONENT + rank) for size, _, rank in sizes)
        cost += features.rank * n_out
        return found if len(found.maps) * (COMPONENT + n_out) <= cost else None

    @classmethod
    def of(cls, features, coefficients):
        """``features(X) @ coefficients`` of PolynomialFeatures, without what has no coefficients."""
        n_out = features.dim * coefficients.shape[1]
        components = [_components(path, coefficients[path.features]) for path in features.paths]
        n_in = 1 + max((int(columns.max(initial=0)) for columns, _ in components), default=0)
        monomial = [np.zeros(len(columns), np.intp) for columns, _ in components]
        degrees, maps = [], [np.zeros((0, n_out))]
        for k in range(1, 1 + max((columns.shape[1] for columns, _ in components), default=0)):
            some = [i for i, (columns, _) in enumerate(components) if columns.shape[1] >= k]
            keys = [monomial[i] * n_in + components[i][0][:, k - 1] for i in some]
            different, index = np.unique(np.concatenate(keys), return_inverse=True)
            B = np.zeros((len(different), n_out))
            ends = np.cumsum([len(key) for key in keys])[:-1]
            for i, place in zip(some, np.split(index.ravel(), ends), strict=True):
                monomial[i] = place
                if components[i][0].shape[1] == k:
                    np.add.at(B, place, components[i][1])
            degrees.append(np.divmod(different, n_in))
            maps.append(B)
        return cls(tuple(degrees), np.concatenate(maps))

    @property
    def width(self):
        """The numbers that one sample takes."""
        return len(self.maps)

    def __call__(self, X):
        """Values at the rows of X: ndarray of shape (n, n_out)."""
        y = np.empty((len(X), self.maps.shape[1]))
        for rows in tiles(len(X), self.width):
            y[rows] = self._monomials(np.ascontiguousarray(X[rows].T)).T @ self.maps
        return y

    def _monomials(self, x):
        """Of shape (n_monomials, n), for samples x side by side, (n_in, n)."""
        values, below, first = np.empty((len(self.maps), x.shape[1])), None, 0
        for parents, columns in self.degrees:
            these = values[first : first + len(columns)]
            # with mode="raise", take would fill a copy first
            np.take(x, columns, axis=0, out=these, mode="clip")
            if below is not None:
                these *= below[parents]
            below, first = these, first + len(columns)
        return values


def _components(path, coefficients):
    """The monomials of a path's products that count: columns, (N, k), in order, and maps to d_out·c, (N, d_out·c)."""
    n_products, c = len(path.columns[0]), coefficients.shape[1]
    rank = len(coefficients) // n_products
    runs, Q = path.monomials
    Q = np.where(np.abs(Q) > ROUNDOFF * np.abs(Q).max(initial=0), Q, 0)
    Q = Q.reshape(len(Q), -1, rank)
    maps = np.einsum("Dor,prc->pDoc", Q, coefficients.reshape(n_products, rank, c), optimize=True)
    index = np.indices([len(powers) for _, powers in runs]).reshape(len(runs), -1)
    columns = [
        path.columns[slot][:, powers[i]] for (slot, powers), i in zip(runs, index, strict=True)
    ]
    columns = np.concatenate(columns, axis=2).reshape(-1, len(path.columns))
    columns, maps = np.sort(columns, axis=1), maps.reshape(len(columns), -1)
    counts = maps.any(axis=1)
    return columns[counts], maps[counts]
