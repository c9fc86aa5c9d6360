"""Invariants of a few vectors: lengths, angles, masses, volumes."""

import numpy as np
from scipy.spatial import ConvexHull

from fastemlp.datasets import make_o5_synthetic, make_particle_interaction
from fastemlp.groups import O13, Group, O, SO13p, Sp
from fastemlp.reps import Scalar, V
from unseen_tasks.task import Task, distances, of_points, of_vectors, task


def _of_two(of, scale=1.0):
    """A function of the lengths of two vectors of R³ and of the cosine between them."""

    def make(rng, n):
        def target(X):
            x, y = X[:, :3], X[:, 3:]
            a, b = np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1)
            return of(a, b, np.clip(np.einsum("ni,ni->n", x, y) / (a * b), -1, 1))

        X = scale * rng.standard_normal((n, 6))
        return task(X, target, O(3), 2 * V, Scalar, of_vectors())

    return make


def oscillating(rng, n):
    """A wave, sin 3|x|, of one vector."""

    def target(X):
        return np.sin(3 * np.linalg.norm(X, axis=1))

    return task(rng.standard_normal((n, 3)), target, O(3), V, Scalar, of_vectors())


def steep(rng, n):
    """Attraction, r⁻⁶, between two points at least 0.7 apart."""
    x = rng.standard_normal((n, 2, 3))
    apart = x[:, 1] - x[:, 0]
    x[:, 1] += 0.7 * apart / np.linalg.norm(apart, axis=1, keepdims=True)

    def target(X):
        return distances(X.reshape(len(X), 2, 3))[:, 0] ** -6.0

    features = of_vectors()
    features["distance"] = lambda X: distances(X.reshape(len(X), 2, 3))
    return task(x.reshape(n, -1), target, O(3), 2 * V, Scalar, features)


def _minkowski(X):
    p = X.reshape(len(X), -1, 4)
    i, j = np.triu_indices(p.shape[1])
    return (p[:, i] * p[:, j]) @ np.array([1.0, -1, -1, -1])


def _mass(power, group):
    """A power of the invariant mass of three massive particles together."""

    def make(rng, n):
        momenta, masses = rng.standard_normal((n, 3, 3)), rng.uniform(0.3, 1.5, (n, 3, 1))
        energy = np.sqrt((momenta**2).sum(-1, keepdims=True) + masses**2)

        def target(X):
            total = X.reshape(len(X), 3, 4).sum(1)
            return (total**2 @ np.array([1.0, -1, -1, -1])) ** (power / 2)

        def masses_of_pairs(X):
            i, j = np.triu_indices(3)
            p = X.reshape(len(X), 3, 4)
            return np.sqrt((p[:, i] + p[:, j]) ** 2 @ np.array([1.0, -1, -1, -1]))

        X = np.concatenate([energy, momenta], axis=-1).reshape(n, -1)
        features = {"gram": _minkowski, "pairs' masses": masses_of_pairs}
        return task(X, target, group, 3 * V, Scalar, features)

    return make


def _hull(points):
    """Volume of the hull of points in R⁵."""

    def make(rng, n):
        def target(X):
            return np.array([ConvexHull(x.reshape(points, 5)).volume for x in X])

        X = rng.standard_normal((n, 5 * points))
        return task(X, target, O(5), points * V, Scalar, of_points(5))

    return make


def symplectic(rng, n):
    """A function of the areas that three vectors of phase space span."""
    i, j = np.triu_indices(3, 1)

    def areas(X):
        x = X.reshape(len(X), 3, 2, 2)
        q, p = x[:, :, 0], x[:, :, 1]
        return (q[:, i] * p[:, j] - p[:, i] * q[:, j]).sum(-1)

    def target(X):
        a, b, c = areas(X).T
        return np.sin(a) + b * c / (1 + b**2)

    X = rng.standard_normal((n, 12))
    return task(X, target, Sp(2), 3 * V, Scalar, {"areas": areas})


def _se3():
    generators = np.zeros((6, 4, 4))
    for k, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        generators[k, i, j], generators[k, j, i] = 1, -1
        generators[3 + k, k, 3] = 1
    return Group(lie_algebra=generators, name="SE(3)")


def screened(rng, n):
    """Potentials exp(−r) between three points that are moved and turned together."""

    def between(X):
        return distances(X.reshape(len(X), 3, 4)[:, :, :3])

    x = np.ones((n, 3, 4))
    x[:, :, :3] = rng.standard_normal((n, 3, 3))
    features = {"distances": between, "squares": lambda X: between(X) ** 2}
    X = x.reshape(n, -1)
    return task(X, lambda X: np.exp(-between(X)).sum(1), _se3(), 3 * V, Scalar, features)


def mixed_scales(rng, n):
    """Two scalars of 1,000 beside two vectors of 0.001."""

    def target(X):
        a, b = X[:, 0] / 1e3, X[:, 1] / 1e3
        x, y = 1e3 * X[:, 2:5], 1e3 * X[:, 5:]
        return a * np.einsum("ni,ni->n", x, y) + np.tanh(b) * np.linalg.norm(x, axis=1)

    X = rng.standard_normal((n, 8)) * np.r_[1e3, 1e3, np.full(6, 1e-3)]
    return task(X, target, O(3), 2 * Scalar + 2 * V, Scalar, of_vectors(scalars=2))


def o5(rng, n):
    """The scalar of Finzi et al. (2021)."""
    seed = int(rng.integers(2**31))
    X, y, spec = make_o5_synthetic(n, random_state=seed, return_spec=True)
    return Task(X, y, spec.group, spec.rep_in, spec.rep_out, of_vectors(5))


def particle(rng, n):
    """The matrix element of Finzi et al. (2021)."""
    seed = int(rng.integers(2**31))
    X, y, spec = make_particle_interaction(n, random_state=seed, return_spec=True)
    return Task(X, y, spec.group, spec.rep_in, spec.rep_out, {"gram": _minkowski})


TASKS = {
    "sin 3r": oscillating,
    "sin 3r, 2V": _of_two(lambda a, b, c: np.sin(3 * a) + c * b),
    "exp 2r": _of_two(lambda a, b, c: np.exp(2 * a) * (1 + c / 2), 0.7),
    "decades": _of_two(lambda a, b, c: np.exp(2 * (a - b) + c)),
    "angle": _of_two(lambda a, b, c: np.arccos(c)),
    "|a|−|b|": _of_two(lambda a, b, c: np.abs(a - b)),
    "r⁻⁶": steep,
    "mass²": _mass(2, O13()),
    "mass": _mass(1, SO13p()),
    "1/mass": _mass(-1, SO13p()),
    "hull 8": _hull(8),
    "hull 10": _hull(10),
    "Sp(2)": symplectic,
    "SE(3)": screened,
    "scales": mixed_scales,
    "O(5)": o5,
    "particle": particle,
}
