"""Kernels of invariants, times covariants: their values, and how well they suit data."""

from dataclasses import dataclass

import numpy as np

from fastemlp.closed_form.covariants import Covariants
from fastemlp.closed_form.invariants import Invariants

#: Penalties that are tried, for kernels that are one on average at no distance; smaller ones would let the roundoff of
#: invariants grow in predictions. Beside them a rough decomposition is exact.
ALPHAS = 10.0 ** np.arange(-11, 3)


def rbf(s):
    """exp(−s/2) of the squared distance s, and two derivatives."""
    k = np.exp(-s / 2)
    return k, -k / 2, k / 4


def matern(s):
    """The Matérn kernel that is differentiable twice (ν = 5/2), and two derivatives in s."""
    t = np.sqrt(5 * s)
    decay = np.exp(-t)
    return (1 + t + t * t / 3) * decay, -5 / 6 * (1 + t) * decay, 25 / 12 * decay


PROFILES = {"rbf": rbf, "matern": matern}


def rbf_values(s):
    """The values of ``rbf`` alone, in place."""
    s *= -0.5
    return np.exp(s, out=s)


def matern_values(s):
    """The values of ``matern`` alone, in place."""
    s *= 5
    t = np.sqrt(s)
    s /= 3
    s += t
    s += 1
    s *= np.exp(np.negative(t, out=t), out=t)
    return s


VALUES = {"rbf": rbf_values, "matern": matern_values}


@dataclass(frozen=True)
class Kernel:
    """Which kernel: covariants, invariants that it is a function of, its form and length.

    ``turns`` are the elements of a finite group that it is averaged over, pairs of ndarrays that act on inputs and
    outputs, or None.
    """

    covariants: Covariants
    invariants: Invariants
    turns: list | None
    form: str
    length: float

    def of(self, squares):
        """Its values, and two derivatives in scaled squares, from squared distances of invariants."""
        return PROFILES[self.form](squares / self.unit)

    @property
    def unit(self):
        """The squared length."""
        return self.length**2 * np.sum(np.isfinite(self.invariants.scale))

    def images(self, X):
        """Samples turned by every element, and how that acts on outputs."""
        return [(X @ a.T, b) for a, b in self.turns] if self.turns else [(X, None)]

    def squares(self, X, centres):
        """Squared distances of invariants, for each element: list of ndarrays (n, m)."""
        u = self.invariants(X)
        return [squares_of(u, self.invariants(x)) for x, _ in self.images(centres)]

    def blocks(self, squares, phi, phi_centres):
        """The equivariant kernel, ndarray (n·d, m·d), from squared distances and values of the covariants."""
        n, d = phi.shape[:2]
        if self.turns is None:
            blocks = np.einsum("ndr,mer->ndme", phi, phi_centres, optimize=True)
            blocks *= self.of(squares[0])[0][:, None, :, None]
        else:
            blocks = np.zeros((n, d, len(phi_centres), d))
            for s, (_, b) in zip(squares, self.turns, strict=True):
                blocks += (self.of(s)[0] / len(self.turns))[:, None, :, None] * b[:, None]
        return blocks.reshape(n * d, -1)


def design(blocks, m):
    """A design matrix (n, d, q) of mean square one by row whose ridge is that of a kernel, and W with A = blocks W."""
    size = blocks.shape[1]
    K = blocks[:size]
    values, vectors = np.linalg.eigh((K + K.T) / 2)
    kept = values > np.finfo(float).eps * size * values.max(initial=0)
    W = vectors[:, kept] / np.sqrt(values[kept])
    A = blocks @ W
    unit = np.sqrt(np.vdot(A, A) / len(A)) or 1.0
    return (A / unit).reshape(-1, size // m, A.shape[1]), W / unit


def squares_of(u, v):
    """Squared distances of rows."""
    centre = v.mean(axis=0)
    u, v = u - centre, v - centre
    s = np.sum(u * u, axis=1)[:, None] + np.sum(v * v, axis=1) - 2 * (u @ v.T)
    return np.maximum(s, 0, out=s)


def scores(ridge):
    """What is least where a kernel suits, for each penalty: the leave-one-out error times that of the evidence.

    Either alone is led astray by few samples: the first by those at the edge, the second by a kernel that no member of
    the family matches. As logarithms, per equation.
    """
    n = ridge.Y.size
    alphas = penalties(ridge)
    with np.errstate(divide="ignore"):
        return (ridge.evidences(alphas) / n + np.log(ridge.loo_errors(alphas))) / 2


def penalties(ridge):
    return ALPHAS * ridge.Y[..., 0].size
