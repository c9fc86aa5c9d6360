"""What is fitted: targets of one type at some samples, and their derivatives where these are known."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Observations:
    """Targets of one type, and their derivatives, as equations that are linear in the coefficients of a fit.

    Attributes
    ----------
    X : ndarray of shape (n, n_in)
    Y : ndarray of shape (n, d, c); c copies of a type of size d
    weights : ndarray of shape (n,), > 0
    slopes : ndarray of shape (n, d, c, n_in) or None
        The derivatives of Y in X; NaN where they are not known.
    slope_factor : float; the root of what they count beside Y
    """

    X: np.ndarray
    Y: np.ndarray
    weights: np.ndarray
    slopes: np.ndarray | None = None
    slope_factor: float = 1.0

    has_values = True

    def __len__(self):
        return len(self.X)

    @property
    def equations(self):
        """How many there are for each sample and copy."""
        return self.Y.shape[1] * (1 if self.slopes is None else 1 + self.X.shape[1])

    def of(self, rows):
        """Those of some samples."""
        slopes = None if self.slopes is None else self.slopes[rows]
        return Observations(
            self.X[rows], self.Y[rows], self.weights[rows], slopes, self.slope_factor
        )

    @cached_property
    def targets(self):
        """The right-hand sides, ndarray (n, equations, c)."""
        if self.slopes is None:
            return self.Y
        return self._with(self.Y, self.slopes)

    def design(self, features):
        """The left-hand sides, ndarray (n, equations, r), of features with ``values(X)`` and ``slopes(X)``."""
        values = features.values(self.X)
        return values if self.slopes is None else self._with(values, features.slopes(self.X))

    def along(self, J):
        """Derivatives along directions that are known, (n, q, p), from those in inputs, J (n, p, n_in)."""
        known = ~np.isnan(self.slopes).any(axis=(1, 2))
        return (J * (self.slope_factor * known)[:, None]).swapaxes(1, 2)

    def solved(self, features, coefficients, intercept):
        """The fit of features with these coefficients."""
        return features.solved(coefficients, intercept[: self.Y.shape[1]])

    def constants(self, invariants):
        """What a constant brings: ndarray (equations, r0), from invariants (d, r0)."""
        return np.vstack(
            [invariants, np.zeros((self.equations - len(invariants), invariants.shape[1]))]
        )

    def residual(self, fit):
        """The targets less the predictions of a fit."""
        predicted = fit(self.X)
        if self.slopes is not None:
            predicted = self._with(predicted, fit.jacobian(self.X))
        return self.targets - predicted

    def _with(self, values, slopes):
        """Values (n, d, c) above derivatives (n, d, c, n_in), zero where these are not known."""
        known = ~np.isnan(self.slopes).any(axis=2)[:, :, None]
        slopes = np.where(known, slopes * self.slope_factor, 0.0)
        below = np.moveaxis(slopes, 3, 2).reshape(len(self), -1, values.shape[2])
        return np.concatenate([values, below], axis=1)
