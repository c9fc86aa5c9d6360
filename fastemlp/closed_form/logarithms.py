"""Positive targets over decades: fits of their logarithms."""

from dataclasses import dataclass, replace

import numpy as np

#: Targets whose largest is so many times the smallest, at least, are worth a fit of their logarithms.
DECADE = 10.0
#: Predictions are at most so many times the largest target, or so many times where they are kept near the data.
BEYOND, NEAR = 10.0, 1.5


@dataclass(frozen=True)
class Exponential:
    """``exp(f(x)) − offset`` of a fit f.

    Attributes
    ----------
    of : a fit of an invariant
    offset : ndarray of shape (c,)
    most : ndarray of shape (c,); f is cut off there
    """

    of: object
    offset: np.ndarray
    most: np.ndarray
    is_near: bool = False

    @property
    def is_bounded(self):
        """Whether predictions stay near those of the data."""
        return self.is_near and self.of.is_bounded

    @property
    def name(self):
        """For people."""
        return f"exponential of {self.of.name}"

    @property
    def n_coefficients(self):
        """The numbers that were fitted."""
        return self.of.n_coefficients

    def __call__(self, X):
        """Predictions of shape (n, 1, c)."""
        return np.exp(np.minimum(self.of(X), self.most)) - self.offset

    def within(self, X):
        """The same with invariants and predictions kept near those of samples X, where these chose the form."""
        most = self.most if self.is_near else self.most - np.log(BEYOND / NEAR)
        return replace(self, of=self.of.within(X), most=most, is_near=True)

    def jacobian(self, X):
        """Their derivatives, (n, 1, c, n_in)."""
        f = self.of(X)
        slope = np.where(f < self.most, np.exp(np.minimum(f, self.most)), 0.0)
        return slope[..., None] * self.of.jacobian(X)

    def refitted(self, data, order, constants):
        """The same fitted to as many of ``data[order]`` as can be afforded, and what is left of these."""
        logarithms = log_targets(data, self.offset)
        if logarithms is None:
            return self, None
        fit, left_out = self.of.refitted(logarithms, order, constants)
        return replace(self, of=fit), left_out

    @classmethod
    def of_logarithms(cls, fit, left_out, data, offset):
        """The fit of targets, and what it leaves out, from those of their logarithms.

        Parameters
        ----------
        fit, left_out : of the logarithms; left_out is an ndarray of shape (n, 1, c)
        data : Observations of the targets
        offset : ndarray of shape (c,)
        """
        f = np.log(data.Y + offset)
        found = cls(fit, offset, f.max(axis=(0, 1)) + np.log(BEYOND))
        predicted = np.exp(np.minimum(f - left_out, found.most)) - offset
        return found, data.Y - predicted


def log_targets(data, offset):
    """Observations of the logarithms of positive targets less an offset; None where these are of one magnitude."""
    if data.slopes is not None or data.Y.shape[1] != 1:
        return None
    y = data.Y + offset
    if y.min() <= 0 or (y.max(axis=0) < DECADE * y.min(axis=0)).all():
        return None
    return replace(data, Y=np.log(y))
