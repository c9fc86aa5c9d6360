"""All elements of a finite group, and where the generators send them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastemlp.groups.monomial import monomial_matrices, signed_permutations

#: Elements closer than this, relative to the largest, are one.
_SAME = 1e-7


@dataclass(frozen=True, eq=False)
class Enumeration:
    """The elements of a finite group as a graph of left multiplications.

    Attributes
    ----------
    elements : ndarray of shape (n, d, d), read-only; the identity first, then by length of the shortest word
    table : int ndarray of shape (M, n); ``h_k @ elements[i] = elements[table[k, i]]``
    parent : int ndarray of shape (n, 2); ``elements[i] = h_k @ elements[j]`` for (k, j) = parent[i], (-1, -1) first
    """

    elements: np.ndarray
    table: np.ndarray
    parent: np.ndarray

    def __len__(self):
        return len(self.elements)

    @cached_property
    def _finder(self):
        return _Finder(self.elements)

    def index(self, g):
        """Which elements some matrices are.

        Parameters
        ----------
        g : ndarray of shape (d, d) or (b, d, d)

        Returns
        -------
        int or int ndarray of shape (b,); -1 for what is no element
        """
        g = np.asarray(g)
        found = self._finder(g.reshape(-1, *g.shape[-2:]))
        return int(found[0]) if g.ndim == 2 else found


def enumerate_elements(group, limit=10_000):
    """List the elements of a finite group.

    Parameters
    ----------
    group : Group without Lie algebra
    limit : int; the most elements that are listed

    Returns
    -------
    Enumeration, or None where there are more than ``limit`` elements (or infinitely many)

    Notes
    -----
    Breadth first over words in the generators: O(M·n) products, exact integers where the group is monomial. Other
    elements are told apart to 1e-7 of the largest.
    """
    if group.orthonormal_lie_algebra:
        return None
    known = group.__dict__.get("_enumeration")
    if known is None:
        known = (_enumerate_monomial if group.is_monomial else _enumerate)(group, limit)
        if known is not None:
            # kept with the group, which is a value
            group.__dict__["_enumeration"] = known
    return known if known is not None and len(known) <= limit else None


def _enumerate(group, limit):
    h = group.discrete_generators
    elements = [np.eye(group.d, dtype=group.dtype)[None]]
    parent, table = [(-1, -1)], []
    n, start = 1, 0
    known = _Finder(elements[0])
    while start < n:
        frontier = np.concatenate(elements)[start:n]
        products = h[:, None] @ frontier  # (M, frontier, d, d)
        row = np.empty(products.shape[:2], np.int64)
        start_next = n
        for k, batch in enumerate(products):
            found = known(batch)
            new = np.flatnonzero(found < 0)
            # left multiplication is one to one: what is new is new once
            found[new] = n + np.arange(len(new))
            parent += [(k, start + int(j)) for j in new]
            row[k] = found
            if len(new):
                n += len(new)
                if n > limit or not np.isfinite(batch).all():
                    return None
                elements.append(batch[new])
                known = _Finder(np.concatenate(elements))
        table.append(row)
        start = start_next
    return _enumeration(np.concatenate(elements), np.concatenate(table, axis=1), parent)


def _enumerate_monomial(group, limit):
    images = signed_permutations(group.sparse_discrete_generators, group.d)
    rows = [np.arange(2 * group.d)]
    known = {rows[0].tobytes(): 0}
    parent, table = [(-1, -1)], [[] for _ in images]
    i = 0
    while i < len(rows):
        for k, image in enumerate(images):
            product = image[rows[i]]
            j = known.setdefault(product.tobytes(), len(rows))
            if j == len(rows):
                if j == limit:
                    return None
                rows.append(product)
                parent.append((k, i))
            table[k].append(j)
        i += 1
    return _enumeration(
        monomial_matrices(np.array(rows), group.dtype),
        np.array(table, np.int64).reshape(len(images), len(rows)),
        parent,
    )


def _enumeration(elements, table, parent):
    elements.flags.writeable = False
    return Enumeration(elements, table, np.array(parent, np.int64))


class _Finder:
    """Look matrices up in a list, by one random linear function first."""

    def __init__(self, elements):
        self._flat = elements.reshape(len(elements), -1)
        self._probe = np.random.default_rng(0).standard_normal(self._flat.shape[1])
        self._probe /= np.linalg.norm(self._probe)
        self._tolerance = _SAME * np.abs(self._flat).max(initial=1.0)
        values = (self._flat @ self._probe).real
        self._order = np.argsort(values)
        self._values = values[self._order]

    def __call__(self, batch):
        flat = batch.reshape(len(batch), -1)
        values = (flat @ self._probe).real
        reach = self._tolerance * np.sqrt(flat.shape[1])
        first = np.searchsorted(self._values, values - reach)
        last = np.searchsorted(self._values, values + reach)
        found = np.full(len(batch), -1, np.int64)
        for i in np.flatnonzero(last > first):
            candidates = self._order[first[i] : last[i]]
            distance = np.abs(self._flat[candidates] - flat[i]).max(axis=1)
            if distance.min() <= self._tolerance:
                found[i] = candidates[distance.argmin()]
        return found
