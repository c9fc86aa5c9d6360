"""Points and vectors under groups that move as well as turn: what is left of them when moves do not count."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import null_space

from fastemlp.closed_form.polynomials import ROUNDOFF
from fastemlp.groups import Group
from fastemlp.reps import Vector

#: What is less than this, beside one, is zero.
ZERO = 1e-9


@dataclass(frozen=True)
class Affine:
    """How a group acts on points (x, 1) and vectors (x, 0), in coordinates in which it turns vectors orthogonally.

    Attributes
    ----------
    weight : ndarray of shape (d,); what is one for points and zero for vectors
    frame : ndarray of shape (m, d); orthonormal coordinates of vectors
    """

    weight: np.ndarray
    frame: np.ndarray

    @classmethod
    def of(cls, kind):
        """None for types that are no such points."""
        if not isinstance(kind, Vector) or kind.dual or kind.G.is_complex or kind.G.is_orthogonal:
            return None
        group, one = kind.G, np.eye(kind.size())
        moves = [*group.lie_algebra, *(h - one for h in group.discrete_generators)]
        weight = null_space(np.concatenate([a.T for a in moves]), rcond=ZERO)
        if weight.shape[1] != 1:
            return None
        frame = null_space(weight.T)
        turns = Group(
            lie_algebra=[frame.T @ a @ frame for a in group.lie_algebra],
            discrete_generators=[frame.T @ h @ frame for h in group.discrete_generators],
            d=frame.shape[1],
        )
        return cls(weight[:, 0], frame.T) if turns.is_orthogonal else None


@dataclass(frozen=True)
class Differences:
    """From each point to another, and vectors as they are; like ``PolynomialFeatures``.

    Attributes
    ----------
    of : Affine
    ends, starts : int ndarrays of shape (p, d); columns of points
    vectors : int ndarray of shape (q, d)
    unit : float; the weight of points
    """

    of: Affine
    ends: np.ndarray
    starts: np.ndarray
    vectors: np.ndarray
    unit: float

    @classmethod
    def between(cls, affine, columns, X):
        """Of all pairs of points, and the vectors, in samples X; None where some are neither, or there are none."""
        weights = np.abs(X[:, columns] @ affine.weight)
        size = np.abs(X[:, columns]).max(initial=0)
        is_vector = weights.max(axis=0) <= ZERO * size
        if np.any(weights[:, ~is_vector] <= ZERO * size):
            return None
        points, vectors = columns[~is_vector], columns[is_vector]
        i, j = np.triu_indices(len(points), 1)
        if not len(i) + len(vectors):
            return None
        unit = float(weights[:, ~is_vector].mean()) if len(points) else 1.0
        return cls(affine, points[j], points[i], vectors, unit)

    @property
    def rank(self):
        """How many there are."""
        return len(self.ends) + len(self.vectors)

    def is_roundoff(self, X):
        """Which never differ from zero: bool ndarray (rank,)."""
        return np.abs(self.beside(X.T)).max(axis=(0, 2)) <= ROUNDOFF * np.abs(X).max()

    def beside(self, x):
        """Their coordinates, ndarray (m, rank, n)."""
        apart = self._places(x, self.ends)[0] - self._places(x, self.starts)[0]
        along = np.einsum("md,qdn->mqn", self.of.frame, x[self.vectors])
        return np.concatenate([apart, along], axis=1)

    def _places(self, x, columns):
        """Coordinates of points, ndarray (m, p, n), and their weights, (p, n), in units of what these mostly are."""
        weights = np.einsum("d,pdn->pn", self.of.weight, x[columns]) / self.unit
        return np.einsum("md,pdn->mpn", self.of.frame, x[columns]) / weights, weights

    def slopes(self, X):
        """Their derivatives, ndarray (n, m, rank, n_in)."""
        frame, p = self.of.frame, len(self.ends)
        J = np.zeros((len(X), len(frame), self.rank, X.shape[1]), X.dtype)
        for sign, columns in ((1.0, self.ends), (-1.0, self.starts)):
            places, weights = self._places(X.T, columns)
            own = frame[:, None, :, None] - places[:, :, None] * self.of.weight[:, None] / self.unit
            own = sign * own / weights[:, None]
            for k in range(p):
                J[:, :, k, columns[k]] += own[:, k].transpose(2, 0, 1)
        for k, columns in enumerate(self.vectors):
            J[:, :, p + k, columns] = frame
        return J
