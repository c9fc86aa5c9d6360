"""Sorting the coordinates of a rep into distinct tensor types."""

import math

import numpy as np

from fastemlp.reps.algebra import ProductRep, SumRep, _product, _sum


def canonical_form(rep):
    """See ``Rep.canonical``.

    Notes
    -----
    Time and memory O(size): every coordinate of the result is an index into the rep as written. A tensor type whose
    slots are sorted already takes no memory.
    """
    if _is_sorted_type(rep) or not rep.size():
        return rep, None
    layout = _layout(rep)
    ordered = sorted(layout, key=lambda atoms: (len(atoms), [a._sort_key() for a in atoms]))
    canonical = _sum([(_product(atoms), len(layout[atoms])) for atoms in ordered])
    perm = np.concatenate([layout[atoms].ravel() for atoms in ordered] or [np.arange(0)])
    # cached with the rep, which is immutable
    perm.flags.writeable = False
    return canonical, None if np.array_equal(perm, np.arange(len(perm))) else perm


def _is_sorted_type(rep):
    if isinstance(rep, SumRep):
        return False
    if not isinstance(rep, ProductRep):
        return True
    if any(isinstance(factor, SumRep) for factor in rep.factors):
        return False
    keys = [factor._sort_key() for factor in rep.factors]
    return keys == sorted(keys)


def _layout(rep):
    """Where the copies of each type lie: {slots: int array of shape (copies, size of the type)}."""
    if isinstance(rep, SumRep):
        return _sum_layout(rep)
    if isinstance(rep, ProductRep):
        return _product_layout(rep)
    return {(rep,): np.arange(rep.size())[None]} if rep.size() else {}


def _sum_layout(rep):
    pieces = {}
    start = 0
    for part, n in rep.terms:
        size = part.size()
        starts = start + size * np.arange(n)
        for atoms, index in _layout(part).items():
            shifted = starts[:, None, None] + index
            pieces.setdefault(atoms, []).append(shifted.reshape(-1, index.shape[1]))
        start += n * size
    return {atoms: np.concatenate(found) for atoms, found in pieces.items()}


def _product_layout(rep):
    found = {(): np.zeros((1, 1), np.intp)}
    for factor in rep.factors:
        size = factor.size()
        inner = _layout(factor)
        products = {}
        for left, i in found.items():
            for right, j in inner.items():
                index = i[:, None, :, None] * size + j[None, :, None, :]
                index = index.reshape(len(i) * len(j), -1)
                products.setdefault(left + right, []).append(index)
        found = {atoms: np.concatenate(pieces) for atoms, pieces in products.items()}
    pieces = {}
    for atoms, index in found.items():
        ordered, index = _sort_slots(atoms, index)
        pieces.setdefault(ordered, []).append(index)
    return {atoms: np.concatenate(parts) for atoms, parts in pieces.items()}


def _sort_slots(atoms, index):
    order = sorted(range(len(atoms)), key=lambda j: atoms[j]._sort_key())
    dims = [atom.size() for atom in atoms]
    index = index.reshape(len(index), *dims).transpose(0, *(1 + j for j in order))
    return tuple(atoms[j] for j in order), index.reshape(len(index), math.prod(dims))
