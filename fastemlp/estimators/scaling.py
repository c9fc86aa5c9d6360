"""Standardising data without breaking its symmetry."""

from dataclasses import dataclass

import numpy as np

from fastemlp.bases import equivariant_basis
from fastemlp.reps import Scalar, objects

#: n objects of an input are scaled to a root mean square of √(INPUT_POWER/n) each, but to at least ``LEAST_INPUT``.
INPUT_POWER, LEAST_INPUT = 2.0, 0.5
#: Scalars among them are scaled to this share of the size of products of two others.
SCALAR_INPUT = 1 / 3
#: The origin is near if no mean of a column is further from it than so many times its root mean square; copies of a
#: type have one scale if none is more than so many times another.
NEAR, ALIKE = 10.0, 10.0


@dataclass(frozen=True)
class EquivariantScaler:
    """``(x − shift) / scale`` with an invariant shift and one scale per copy of a type, so it commutes with the group.

    Attributes
    ----------
    shift, scale : ndarray of shape (size,)
    """

    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, rep, X, sample_weight=None, rms=1.0):
        """Take shift and scale from data.

        Parameters
        ----------
        rep : Rep, bound
        X : ndarray of shape (n, size)
        sample_weight : ndarray of shape (n,), optional; for weighted means
        rms : float or ndarray of shape (size,), constant on each copy; the root mean square of scaled copies

        Returns
        -------
        EquivariantScaler
            In X's dtype. The shift is the invariant part of the mean; the scale of a copy is its root mean square after
            the shift, divided by ``rms``, or 1 where that is zero.
        """
        double = X.astype(np.float64, copy=False)
        shift = equivariant_basis(rep).project(np.average(double, 0, sample_weight))
        power = np.average((double - shift) ** 2, 0, sample_weight)
        scale = np.ones_like(shift)
        for _, copies in objects(rep):
            scale[copies] = np.sqrt(power[copies].mean(1, keepdims=True))
        # what is constant up to roundoff keeps its scale
        floor = 10 * np.finfo(X.dtype).eps * np.sqrt(np.average(double**2, 0, sample_weight))
        scale = np.where(scale <= floor, 1, scale / rms)
        return cls(shift.astype(X.dtype), scale.astype(X.dtype))

    def transform(self, X):
        """Scaled X of shape (n, size)."""
        return (X - self.shift) / self.scale

    def natural(self, rep):
        """A scaler with one scale for all copies of a type and no shift, where these are not far from its own.

        Laws are simple in such inputs: differences of two copies are those that were measured, products of scalars
        have no other terms beside them.

        Parameters
        ----------
        rep : Rep, bound; as in ``fit``

        Returns
        -------
        EquivariantScaler
            In float64.
        """
        shift, scale = self.shift.astype(np.float64), self.scale.astype(np.float64)
        rms = input_rms(rep)
        for _, copies in objects(rep):
            each = scale[copies[:, 0]]
            is_far = np.any(np.abs(shift[copies]) > NEAR * (scale * rms)[copies], axis=1)
            shift[copies[~is_far]] = 0.0
            if each.max() <= ALIKE * each.min():
                scale[copies] = np.exp(np.mean(np.log(each)))
        return EquivariantScaler(shift, scale)

    def inverse_transform(self, X):
        """Back to the original scale."""
        return X * self.scale + self.shift


def scaled_derivative(J, inner, outer):
    """The derivative of scaled targets with respect to scaled inputs, from that of targets J, (n, n_out, n_in).

    ``inner`` and ``outer`` are the EquivariantScalers of inputs and targets.
    """
    return J * (inner.scale / outer.scale[:, None])


def unscaled_derivative(J, inner, outer):
    """Back to the original scales."""
    return J * (outer.scale[:, None] / inner.scale)


def input_rms(rep):
    """The root mean square that each column of the input is scaled to, ndarray (size,).

    A network is a polynomial of high degree in tensors, and the number of monomials is a power of the number of
    objects; smaller inputs give the low degrees more weight. A scalar enters at degree one, products of two tensors at
    degree two: unless scalars are scaled down to those, a fit to few samples would explain them by scalars alone.
    """
    kinds = objects(rep)
    if all(kind == Scalar for kind, _ in kinds):
        return np.ones(rep.size())
    n = sum(len(copies) for _, copies in kinds)
    s = np.clip(np.sqrt(INPUT_POWER / n), LEAST_INPUT, 1.0)
    rms = np.full(rep.size(), s)
    for kind, copies in kinds:
        if kind == Scalar:
            rms[copies] = SCALAR_INPUT * s * s
    return rms
