"""A basis of the equivariant polynomials between two reps."""

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, combinations_with_replacement, groupby, product
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, issparse

from fastemlp._arrays import chunks
from fastemlp._budget import mib
from fastemlp.bases import equivariant_basis
from fastemlp.closed_form.tiles import tiles
from fastemlp.reps import Scalar

#: The most bytes that a design matrix, or a basis of one tensor power, may take.
DESIGN_BYTES = 2**30
#: What is less than this share of the products it is made of, or varies by less, may be roundoff of inputs in single
#: precision; enlarged it would be noise, and not equivariant.
ROUNDOFF = 1e-6
_CHUNK = 2**22  # numbers that a temporary array holds


class Limits(NamedTuple):
    """What polynomials may take, for those who can do without.

    Attributes
    ----------
    n_bytes : int; of a design matrix, or a basis of one product
    work : float; the numbers of a basis, times its rank
    size : float; the components of a product, which each sample is multiplied out to
    """

    n_bytes: int
    work: float = math.inf
    size: float = math.inf


@dataclass(frozen=True)
class _Path:
    """Equivariant maps from products of k copies, for all choices of copies with one pattern of repeats."""

    Q: np.ndarray  # (d_1⋯d_k, d_out·rank), scale included
    columns: tuple  # of k int arrays (n_products, d_j)
    features: slice

    @cached_property
    def monomials(self):
        """For each run of equal factors its first slot and the components of its monomials; and Q summed over these.

        Q is symmetric in a run, so that of the d^m products of a power only the different ones need be multiplied out:
        of x ⊗ ⋯ ⊗ x six times in five dimensions, 210 of 15,625.
        """
        slots = groupby(range(len(self.columns)), key=lambda j: self.columns[j].tobytes())
        runs, place = [], np.zeros(1, np.intp)
        for _, run in slots:
            run = list(run)
            d, m = self.columns[run[0]].shape[1], len(run)
            powers = np.array(list(combinations_with_replacement(range(d), m)), np.intp)
            number = np.ravel_multi_index(powers.T, m * (d,))  # ascending
            index = np.sort(np.indices(m * (d,)).reshape(m, -1), axis=0)
            each = np.searchsorted(number, np.ravel_multi_index(index, m * (d,)))
            place = (place[:, None] * len(powers) + each).ravel()
            runs.append((run[0], powers))
        shape = math.prod(len(powers) for _, powers in runs), len(place)
        total = csr_array((np.ones(len(place)), (place, np.arange(len(place)))), shape)
        return runs, total @ self.Q

    def values(self, x):
        """``Q · x_1 ⊗ … ⊗ x_k`` of each choice, (d_out, rank, n_products, n), for samples side by side."""
        runs, Q = self.monomials
        tensors = None
        for slot, powers in runs:
            factors = self.columns[slot].T
            power = x[factors[powers[:, 0]]]
            for more in powers.T[1:]:
                power *= x[factors[more]]
            if tensors is not None:
                power = (tensors[:, None] * power).reshape(-1, *power.shape[1:])
            tensors = power
        n_products, n = tensors.shape[1:]
        rank = (self.features.stop - self.features.start) // n_products
        return (Q.T @ tensors.reshape(len(Q), -1)).reshape(-1, rank, n_products, n)

    def sizes(self, X):
        """The root mean square that each polynomial would have if nothing in it cancelled: (n_products, rank)."""
        power = np.ones((len(X), len(self.columns[0])))
        for columns in self.columns:
            power *= np.sum(X[:, columns] ** 2, axis=2)
        rank = (self.features.stop - self.features.start) // power.shape[1]
        maps = np.linalg.norm(self.Q.reshape(-1, rank), axis=0)
        return np.sqrt(np.mean(power, axis=0))[:, None] * maps

    @property
    def width(self):
        """The numbers that one sample is multiplied out to, and the polynomials it makes."""
        return len(self.columns[0]) * sum(self.monomials[1].shape)

    def slopes(self, X, coefficients):
        """For each slot its columns, (n_products·d_j,), and the derivatives that they bring to polynomials.

        These are of shape (n_products·d_j, n, d_out·c), for ``coefficients`` (n_products, rank, c).
        """
        sizes = [columns.shape[1] for columns in self.columns]
        n_products, rank = coefficients.shape[:2]
        Q = self.Q.reshape(len(self.Q), -1, rank)
        # the polynomial of each product: (n_products, d_1⋯d_k, d_out·c)
        maps = np.einsum("Dor,prc->pDoc", Q, coefficients, optimize=True)
        maps = maps.reshape(n_products, *sizes, -1)
        for slot, columns in enumerate(self.columns):
            others = (*self.columns[:slot], *self.columns[slot + 1 :])
            tensors = np.ones((len(X), n_products, 1))
            if others:
                tensors = _tensor_products(X, others)
            moved = np.moveaxis(maps, 1 + slot, 1).reshape(
                n_products, sizes[slot], -1, maps.shape[-1]
            )
            yield columns.ravel(), np.einsum("npe,pdef->pdnf", tensors, moved, optimize=True)


def _tensor_products(X, columns):
    """The tensor product of each choice of columns, of shape (n, n_products, d_1⋯d_k)."""
    tensors = X[:, columns[0]]
    for more in columns[1:]:
        tensors = _outer(tensors, X[:, more])
    return tensors


def _outer(a, b):
    """Products of the last axes, (…, p) and (…, q), as one axis of p·q."""
    return (a[..., None] * b[..., None, :]).reshape(*a.shape[:-1], -1)


@dataclass(frozen=True)
class PolynomialFeatures:
    """A basis of the equivariant polynomials up to some degree, with values in one tensor type.

    Attributes
    ----------
    dim : int; size of the type
    rank : int; number of polynomials
    paths : tuple of _Path
    """

    dim: int
    rank: int
    paths: tuple

    @classmethod
    def build(cls, sources, target, degree, n_samples, limits=None):
        """All polynomials from ``sources``, pairs (type, columns of each copy), to the type ``target``.

        Raises
        ------
        MemoryError
            When their values at n_samples points, or a basis, would exceed ``DESIGN_BYTES``, or the ``Limits`` given.
        """
        found = cls(target.size(), 0, ())
        for k in range(1, degree + 1):
            found = found.extended(sources, target, k, n_samples, limits)
        return found

    def extended(self, sources, target, degree, n_samples, limits=None):
        """These and those of one degree more; parameters and errors as of ``build``."""
        limits = Limits(DESIGN_BYTES) if limits is None else limits
        n_features = sum(columns.size for _, columns in sources)
        rank, planned = self.rank, []
        for chosen in combinations_with_replacement(range(len(sources)), degree):
            kinds = [sources[s][0] for s in chosen]
            source = math.prod(kinds, start=Scalar)
            if source.size() > limits.size:
                raise MemoryError(f"products of {source.size()} components: {limits}")
            Q = _basis(source, target, limits.n_bytes)
            if not Q.shape[1]:
                continue
            if math.prod(Q.shape) * Q.shape[1] > limits.work:
                raise MemoryError(f"a basis of shape {Q.shape}: {limits}")
            sizes = self.dim, *(kind.size() for kind in kinds)
            powers = [(len(sources[s][1]), m) for s, m in Counter(chosen).items()]
            for pattern in product(*(_partitions(m, m) for _, m in powers)):
                choices = (_n_choices(n, p) for (n, _), p in zip(powers, pattern, strict=True))
                n_products = math.prod(choices)
                if not n_products:
                    continue
                runs = tuple(chain(*pattern))
                symmetric = _symmetric_part(Q, sizes, runs)
                # every ordering of a product is an equal term of W φ(x), and of ‖W‖²
                orderings = math.factorial(degree) / math.prod(map(math.factorial, runs))
                symmetric = symmetric * math.sqrt(orderings / n_features ** (degree - 1))
                planned.append((chosen, pattern, symmetric))
                rank += symmetric.shape[-1] * n_products
                what = f"the design matrix up to degree {degree} to {type_name(target)}"
                _require_memory(what, n_samples * self.dim, rank, limits.n_bytes)
        paths = *self.paths, *_enumerate(sources, planned, self.rank)
        return PolynomialFeatures(self.dim, rank, paths)

    def __call__(self, X):
        """Their values at the rows of X: ndarray of shape (n, dim, rank)."""
        A = np.empty((len(X), self.dim, self.rank))
        numbers = self.dim * self.rank + max((path.width for path in self.paths), default=0)
        for rows in tiles(len(X), numbers):
            A[rows] = self.beside(X[rows].T).transpose(2, 0, 1)
        return A

    def beside(self, x):
        """The same for samples side by side, (n_in, n): ndarray of shape (dim, rank, n)."""
        A, x = np.empty((self.dim, self.rank, x.shape[1]), x.dtype), np.ascontiguousarray(x)
        for path in self.paths:
            values = path.values(x)
            place = A[:, path.features].reshape(self.dim, -1, values.shape[1], x.shape[1])
            place[...] = values.swapaxes(1, 2)
        return A

    def is_roundoff(self, X):
        """Which are nothing but roundoff of samples X, as the trace of matrices without one: bool ndarray (rank,)."""
        sizes = np.concatenate([path.sizes(X).ravel() for path in self.paths] or [np.zeros(0)])
        power = np.zeros(self.rank)
        for rows in row_chunks(len(X), self.dim * self.rank):
            power += np.sum(self(X[rows]) ** 2, axis=(0, 1))
        return power <= len(X) * (ROUNDOFF * sizes) ** 2

    def but_for_roundoff(self, X):
        """Those of products that are more than roundoff of samples X."""
        return (
            self.only(np.bincount(self.products, ~self.is_roundoff(X)) > 0) if self.rank else self
        )

    def values(self, X):
        """The same, for ``Observations.design``."""
        return self(X)

    def slopes(self, X):
        """The derivatives of all, (n, dim, rank, n_in)."""
        return self.jacobian(X, np.eye(self.rank))

    @property
    def width(self):
        """The numbers that one sample is multiplied out to."""
        return sum(path.width for path in self.paths)

    @property
    def degrees(self):
        """The degree of each polynomial: int ndarray of shape (rank,)."""
        sizes = [path.features.stop - path.features.start for path in self.paths]
        return np.repeat([len(path.columns) for path in self.paths], sizes).astype(int)

    @property
    def products(self):
        """Which product of objects each polynomial is made of: int ndarray of shape (rank,), counted from 0."""
        found, first = np.empty(self.rank, np.intp), 0
        for path in self.paths:
            n_products = len(path.columns[0])
            each = (path.features.stop - path.features.start) // n_products
            found[path.features] = first + np.repeat(np.arange(n_products), each)
            first += n_products
        return found

    @property
    def maps(self):
        """Which map each polynomial is the value of, for other copies of the same objects: int ndarray of (rank,)."""
        found, first = np.empty(self.rank, np.intp), 0
        for path in self.paths:
            n_products = len(path.columns[0])
            each = (path.features.stop - path.features.start) // n_products
            found[path.features] = first + np.tile(np.arange(each), n_products)
            first += each
        return found

    def only(self, kept):
        """The polynomials of the products that ``kept`` says, bool ndarray (n_products,)."""
        paths, first, start = [], 0, 0
        for path in self.paths:
            n_products = len(path.columns[0])
            some = np.flatnonzero(kept[first : first + n_products])
            first += n_products
            if len(some):
                each = (path.features.stop - path.features.start) // n_products
                stop = start + each * len(some)
                columns = tuple(c[some] for c in path.columns)
                paths.append(_Path(path.Q, columns, slice(start, stop)))
                start = stop
        return PolynomialFeatures(self.dim, start, tuple(paths))

    @property
    def columns(self):
        """The columns of X that matter, ascending."""
        return np.unique(np.concatenate([c.ravel() for path in self.paths for c in path.columns]))

    def renumbered(self, place):
        """The same of inputs whose column ``place[j]`` is the j-th of before."""
        paths = [
            replace(path, columns=tuple(place[c] for c in path.columns)) for path in self.paths
        ]
        return replace(self, paths=tuple(paths))

    def jacobian(self, X, coefficients):
        """The derivative of ``self(X) @ coefficients``, (n, dim, c), in X: ndarray of shape (n, dim, c, n_in)."""
        n, n_in = X.shape
        c = coefficients.shape[1]
        J = np.zeros((n, n_in, self.dim * c), X.dtype)
        for path in self.paths:
            n_products = len(path.columns[0])
            weights = coefficients[path.features].reshape(n_products, -1, c)
            width = n_products * (
                len(path.Q) + max(d.shape[1] for d in path.columns) * self.dim * c
            )
            for rows in row_chunks(n, width):
                for columns, slopes in path.slopes(X[rows], weights):
                    index = np.arange(len(columns))
                    place = csr_array(
                        (np.ones(len(columns)), (columns, index)), (n_in, len(columns))
                    )
                    found = place @ slopes.reshape(len(columns), -1)
                    J[rows] += found.reshape(n_in, -1, self.dim * c).swapaxes(0, 1)
        return np.moveaxis(J.reshape(n, n_in, self.dim, c), 1, -1)


def _basis(source, target, max_bytes):
    """Orthonormal basis maps from ``source`` to ``target``, of shape (d_out·d_in, rank): an ndarray, or a csr_array."""
    what = f"the basis of {type_name(source)} >> {type_name(target)}"
    size = source.size() * target.size()
    _require_memory(what, size, 1, max_bytes)
    basis = equivariant_basis(source >> target, dtype=np.float64)
    _require_memory(what, size, basis.rank, max_bytes)
    # of what is permuted, orbits: one number in each row
    permutes = source.is_permutation and target.is_permutation
    return csr_array(basis.to_sparse()) if permutes else basis.to_dense()


def _symmetric_part(Q, sizes, runs):
    """The maps in the span of Q that are symmetric in each run of equal slots; both are orthonormal.

    Q is of shape (d_out·d_1⋯d_k, r), for ``sizes`` (d_out, d_1, …, d_k), ``runs`` are the lengths of the runs, and the
    result is an ndarray of shape (d_1⋯d_k, d_out, r_symmetric).
    """
    if max(runs) == 1:
        Q = Q.toarray() if issparse(Q) else Q
        return Q.reshape(sizes[0], math.prod(sizes[1:]), Q.shape[1]).swapaxes(0, 1)
    image, first, place = Q, 1, np.arange(math.prod(sizes)).reshape(sizes)
    for length in runs:
        for j in range(1, length):
            # from symmetric in j slots to symmetric in j + 1
            swapped = (image[place.swapaxes(first + i, first + j).ravel()] for i in range(j))
            image = sum(swapped, start=image) / (j + 1)
        first += length
    # symmetrising commutes with the group, so within the span it is an orthogonal projector
    projector = Q.T @ image
    projector = projector.toarray() if issparse(projector) else projector
    values, vectors = np.linalg.eigh((projector + projector.T) / 2)
    maps = Q @ vectors[:, values > 0.5]
    return maps.reshape(sizes[0], math.prod(sizes[1:]), maps.shape[1]).swapaxes(0, 1)


def _partitions(m, largest):
    """The ways to write m as a sum of descending positive ints up to ``largest``."""
    if m == 0:
        yield ()
    for first in range(min(m, largest), 0, -1):
        for rest in _partitions(m - first, first):
            yield (first, *rest)


def _n_choices(n, pattern):
    """How many products of copies 1, …, n repeat their factors in the given pattern."""
    return math.perm(n, len(pattern)) // math.prod(map(math.factorial, Counter(pattern).values()))


def _choices(n, pattern):
    """These products: int array of shape (n_choices, m), the factors in the order of the pattern's runs."""
    found = []
    for factors in combinations_with_replacement(range(n), sum(pattern)):
        runs = sorted((list(run) for _, run in groupby(factors)), key=len, reverse=True)
        if tuple(map(len, runs)) == pattern:
            found.append(list(chain(*runs)))
    return np.array(found, np.intp).reshape(-1, sum(pattern))


def _enumerate(sources, planned, start):
    """Yield the paths of the planned (types, patterns of repeats, maps), features from ``start`` on."""
    for chosen, pattern, Q in planned:
        powers = dict.fromkeys(chosen)
        choices = [
            _choices(len(sources[s][1]), runs) for s, runs in zip(powers, pattern, strict=True)
        ]
        index = np.indices([len(c) for c in choices]).reshape(len(choices), -1)
        factors = np.concatenate([c[i] for c, i in zip(choices, index, strict=True)], axis=1)
        columns = tuple(sources[s][1][factors[:, slot]] for slot, s in enumerate(chosen))
        stop = start + len(factors) * Q.shape[2]
        if stop > start:
            yield _Path(Q.reshape(len(Q), -1), columns, slice(start, stop))
        start = stop


def _require_memory(what, n_rows, n_columns, max_bytes):
    n_bytes = 8 * n_rows * n_columns
    if n_bytes > max_bytes:
        raise MemoryError(
            f"EquivariantRidge.fit: {what} has {n_rows:,} rows and {n_columns:,} columns, {mib(n_bytes)}, more than "
            f"the {mib(max_bytes)} allowed. Lower degree, or pass fewer samples or features."
        )


def type_name(rep):
    return "V0" if rep == Scalar else str(rep)


def row_chunks(n, numbers_per_row):
    """Slices of n rows, each of which takes about ``_CHUNK`` numbers."""
    return chunks(n, max(1, _CHUNK // max(1, numbers_per_row)))
