"""Outputs that are the gradient of an invariant function, as forces are of an energy and stresses of a stored one."""

from dataclasses import dataclass, replace

import numpy as np

from fastemlp.bases import equivariant_basis
from fastemlp.reps import Scalar, has_invariant_norm, objects

#: How far inputs are moved along the imaginary axis for second derivatives: its square is nothing beside one.
STEP = 1e-20


@dataclass(frozen=True)
class Gradient:
    """The derivatives of a function in some inputs, times factors, plus a constant.

    Attributes
    ----------
    of : a fit of an invariant
    inputs : int ndarray of shape (d·c,)
    factors : ndarray of shape (d·c,)
    intercept : ndarray of shape (d, c)
    """

    of: object
    inputs: np.ndarray
    factors: np.ndarray
    intercept: np.ndarray

    @property
    def is_bounded(self):
        """As the function."""
        return self.of.is_bounded

    @property
    def name(self):
        """For people."""
        return f"gradient of {self.of.name}"

    @property
    def n_coefficients(self):
        """The numbers that were fitted."""
        return self.of.n_coefficients + self.intercept.size - self.of.intercept.size

    def __call__(self, X):
        """Predictions of shape (n, d, c)."""
        slopes = self.of.jacobian(X)[:, 0, 0, self.inputs] * self.factors
        return slopes.reshape(-1, *self.intercept.shape) + self.intercept

    def pruned(self):
        """The same of a function without what has no coefficients."""
        return replace(self, of=self.of.pruned())

    def refitted(self, data, order, constants):
        """The same fitted to as many of ``data[order]`` as can be afforded, and what is left of these."""
        data = GradientObservations(
            data.X, data.Y, data.weights, constants, self.inputs, self.factors
        )
        fit, left_out = self.of.refitted(data, order, data.constants())
        return (self if fit is self.of else fit), left_out

    def within(self, X):
        """The same with invariants kept near those of samples X."""
        return replace(self, of=self.of.within(X))

    def jacobian(self, X):
        """Their derivatives, (n, d, c, n_in).

        A step along the imaginary axis leaves them in the imaginary part, exact but for roundoff: nothing is
        subtracted (Squire and Trapp, SIAM Review 1998).
        """
        J = np.empty((len(X), *self.intercept.shape, X.shape[1]))
        for k, step in enumerate(STEP * np.eye(X.shape[1])):
            J[..., k] = self(X + 1j * step).imag / STEP
        return J


@dataclass(frozen=True)
class GradientObservations:
    """Targets that are a gradient, as equations for the function; see ``Observations``, whose methods it has.

    Attributes
    ----------
    X : ndarray of shape (n, n_in)
    Y : ndarray of shape (n, d, c)
    weights : ndarray of shape (n,)
    invariants : ndarray of shape (d, r0); what a constant may be
    inputs, factors : ndarrays of shape (d·c,); the derivatives that they are, and what multiplies these
    """

    X: np.ndarray
    Y: np.ndarray
    weights: np.ndarray
    invariants: np.ndarray
    inputs: np.ndarray
    factors: np.ndarray

    has_values, slopes = False, None

    @classmethod
    def of_outputs(cls, rep_in, kind, columns, scales, data):
        """What outputs of one type may be the gradient in, or None, as where derivatives of theirs are known.

        Parameters
        ----------
        rep_in, kind : Rep, bound
        columns : int ndarray (c, d); of the outputs of this type
        scales : pair of ndarrays; what inputs and outputs were divided by
        data : Observations
        """
        if data.slopes is not None or kind == Scalar or not has_invariant_norm(kind):
            return None
        for source, inputs in objects(rep_in):
            if source == kind and inputs.shape == columns.shape:
                inputs, outputs = inputs.T.ravel(), columns.T.ravel()
                factors = 1 / (scales[0][inputs].astype(float) * scales[1][outputs])
                factors /= np.sqrt(np.mean(factors**2))
                constants = equivariant_basis(kind, dtype=np.float64).to_dense()
                return cls(data.X, data.Y, data.weights, constants, inputs, factors)
        return None

    def __len__(self):
        return len(self.X)

    @property
    def equations(self):
        """How many there are for each sample."""
        return self.Y[0].size

    def of(self, rows):
        """Those of some samples."""
        X, Y, weights = self.X[rows], self.Y[rows], self.weights[rows]
        return replace(self, X=X, Y=Y, weights=weights)

    @property
    def targets(self):
        """The right-hand sides, ndarray (n, equations, 1)."""
        return self.Y.reshape(len(self), -1, 1)

    def design(self, features):
        """The left-hand sides, ndarray (n, equations, r)."""
        slopes = features.slopes(self.X)[:, 0][..., self.inputs] * self.factors
        return slopes.swapaxes(1, 2)

    def along(self, J):
        """Derivatives along directions that are known, (n, q, p), from those in inputs, J (n, p, n_in)."""
        return (J[..., self.inputs] * self.factors).swapaxes(1, 2)

    def constants(self, _=None):
        """What a constant brings: ndarray (equations, r0)."""
        return np.kron(self.invariants, np.eye(self.Y.shape[2]))

    def solved(self, features, coefficients, intercept):
        """The fit of features with these coefficients."""
        inner = features.solved(coefficients, np.zeros((1, 1)))
        return Gradient(inner, self.inputs, self.factors, intercept.reshape(self.Y.shape[1:]))

    def residual(self, fit):
        """The targets less the predictions of a fit."""
        return self.targets - fit(self.X).reshape(len(self), -1, 1)
