"""Generators that send coordinates to coordinates, up to roots of unity."""

from __future__ import annotations

import math

import numpy as np

from fastemlp.isometries.orbit import roots_of_unity

from .weights import ROUNDING, entries

#: Entries of one generator must be roots of unity of at most this order.
LARGEST_ORDER = 720


class Monomial:
    """A generator that sends ``e_j`` to ``ω^phase[j] e_image[j]``, ``ω = exp(2πi / order)``, on every atom.

    Attributes
    ----------
    images, phases : tuple of one int64 ndarray of shape (d,) per atom
    order : int
    error : float; how far its entries are from these
    """

    def __init__(self, images, phases, order, error):
        self.images, self.phases = tuple(images), tuple(phases)
        self.order, self.error = order, error

    @classmethod
    def read(cls, h, dims, rounding=ROUNDING):
        """From one (d, d) sparse array, or None for the identity, per atom; None if h is not of this form."""
        images, values = [], []
        for part, d in zip(h, dims, strict=True):
            image, value = np.arange(d), np.ones(d)
            if part is not None:
                row, column, entry = entries(part)
                kept = np.abs(entry) > rounding
                row, column = row[kept], column[kept]
                if not (_is_permutation(row, d) and _is_permutation(column, d)):
                    return None
                image[column] = row
                value = np.empty(d, part.dtype)
                value[column] = entry[kept]
            images.append(image)
            values.append(value)
        order, error = _common_order(np.unique(np.concatenate(values)), rounding)
        if order is None:
            return None
        phases = [np.rint(np.angle(v) * (order / (2 * np.pi))).astype(int) % order for v in values]
        return cls(images, phases, order, error)

    @property
    def is_identity(self):
        """Whether the generator leaves every coordinate of every atom alone."""
        return self.order == 1 and all(
            np.array_equal(image, np.arange(len(image))) for image in self.images
        )

    def tables(self, halves, order):
        """What the kernels walk along: images and phases of the two halves of the slots."""
        left, right = halves
        R = math.prod(len(self.images[a]) for a in right)
        factor = order // self.order
        left_image, right_image = _flat_image(self.images, left), _flat_image(self.images, right)
        left_phase, right_phase = (factor * outer_sum(self.phases, half) % order for half in halves)
        moved = np.flatnonzero((right_image != np.arange(R)) | (right_phase != 0))
        return R * left_image, right_image, left_phase, right_phase, moved


def _flat_image(images, slots):
    """Where a generator sends the coordinates of some slots, the last one varying fastest."""
    out = np.zeros(1, np.int64)
    for a in slots:
        out = np.add.outer(len(images[a]) * out, images[a]).ravel()
    return out


def outer_sum(parts, slots):
    """Sums over slots of one number per coordinate of each atom."""
    out = np.zeros(1, parts[0].dtype if parts else np.int64)
    for a in slots:
        out = np.add.outer(out, parts[a]).ravel()
    return out


def _is_permutation(index, d):
    return len(index) == d and np.array_equal(np.sort(index), np.arange(d))


def _common_order(values, rounding):
    """The smallest N with every value an N-th root of unity, and the largest deviation; (None, inf) if none."""
    for n in range(1, LARGEST_ORDER + 1):
        e = np.rint(np.angle(values) * (n / (2 * np.pi))).astype(int) % n
        error = float(np.abs(values - roots_of_unity(n)[e]).max(initial=0.0))
        if error <= rounding:
            return n, error
    return None, math.inf
