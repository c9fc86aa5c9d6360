"""Clusters of atoms, charges, planets."""

import numpy as np

from fastemlp.groups import O, S
from fastemlp.reps import Scalar, V
from unseen_tasks.task import apart, distances, of_points, of_sets_of_points, of_vectors, task


def _points(X):
    return X.reshape(len(X), -1, 3)


def _lennard_jones(X):
    r = distances(_points(X))
    return (4 * (r**-12 - r**-6)).sum(1)


def _morse(X):
    return ((1 - np.exp(-1.5 * (distances(_points(X)) - 1.2))) ** 2 - 1).sum(1)


def _differences(X):
    """Differences x_i − x_j, as a force on i and its opposite on j, for all pairs: of shape (n, pairs, 3·atoms)."""
    x = _points(X)
    i, j = np.triu_indices(x.shape[1], 1)
    p = np.arange(len(i))
    forces = np.zeros((len(x), len(i), *x.shape[1:]))
    forces[:, p, i] = x[:, i] - x[:, j]
    forces[:, p, j] = x[:, j] - x[:, i]
    return forces.reshape(len(x), len(i), -1)


def _morse_forces(X):
    r = distances(_points(X))
    steps = np.exp(-1.5 * (r - 1.2))
    slope = 2 * (1 - steps) * 1.5 * steps
    return -np.einsum("np,npk->nk", slope / r, _differences(X))


def lennard_jones(rng, n):
    """Energy of four atoms that keep their names."""
    X = apart(rng, n, 4, 1.2, 0.9).reshape(n, -1)
    return task(X, _lennard_jones, O(3), 4 * V, Scalar, of_points())


def lennard_jones_set(rng, n):
    """Energy of five atoms without names."""
    X = apart(rng, n, 5, 1.3, 0.9).reshape(n, -1)
    rep = V(S(5)) * V(O(3))
    return task(X, _lennard_jones, S(5) * O(3), rep, Scalar, of_sets_of_points())


def morse(rng, n):
    """Energy of four atoms."""
    X = apart(rng, n, 4, 1.4, 0.7).reshape(n, -1)
    return task(X, _morse, O(3), 4 * V, Scalar, of_points())


def morse_set(rng, n):
    """Energy of six atoms without names."""
    X = apart(rng, n, 6, 1.6, 0.7).reshape(n, -1)
    rep = V(S(6)) * V(O(3))
    return task(X, _morse, S(6) * O(3), rep, Scalar, of_sets_of_points())


def morse_forces(rng, n):
    """Forces on three atoms."""
    X = apart(rng, n, 3, 1.4, 0.7).reshape(n, -1)
    return task(X, _morse_forces, O(3), 3 * V, 3 * V, of_points(), basis=_differences)


def contacts(rng, n):
    """Pairs of a cloud of six points that are close."""
    X = rng.standard_normal((n, 18))
    rep = V(S(6)) * V(O(3))

    def target(X):
        return np.exp(-(distances(_points(X)) ** 2)).sum(1)

    return task(X, target, S(6) * O(3), rep, Scalar, of_sets_of_points())


def chain(rng, n):
    """Neighbours along a chain of twenty vectors that are close."""

    def target(X):
        x = _points(X)
        return np.exp(-np.square(x[:, 1:] - x[:, :-1]).sum(-1) / 4).sum(1)

    return task(rng.standard_normal((n, 60)), target, O(3), 20 * V, Scalar, of_vectors())


def _charges_and_points(rng, n, least=0.6):
    return np.hstack([rng.standard_normal((n, 4)), apart(rng, n, 4, 1.4, least).reshape(n, -1)])


def coulomb(rng, n):
    """Energy of four charges."""
    X = _charges_and_points(rng, n)
    i, j = np.triu_indices(4, 1)

    def target(X):
        return (X[:, i] * X[:, j] / distances(_points(X[:, 4:]))).sum(1)

    features = of_points(scalars=4)
    features["qq, 1/r"] = lambda X: np.hstack([X[:, i] * X[:, j], 1 / distances(_points(X[:, 4:]))])
    return task(X, target, O(3), 4 * Scalar + 4 * V, Scalar, features)


def dipole(rng, n):
    """Of four charges."""

    def target(X):
        return np.einsum("nk,nki->ni", X[:, :4], _points(X[:, 4:]))

    X = _charges_and_points(rng, n)
    rep = 4 * Scalar + 4 * V
    features, basis = of_points(scalars=4), lambda X: _points(X[:, 4:])
    return task(X, target, O(3), rep, V, features, basis=basis)


def field(rng, n):
    """Of four charges at least half a unit away."""
    x = rng.standard_normal((n, 4, 3))
    r = np.linalg.norm(x, axis=-1, keepdims=True)
    X = np.hstack([rng.standard_normal((n, 4)), (x * (1 + 0.5 / r)).reshape(n, -1)])

    def target(X):
        x = _points(X[:, 4:])
        return -np.einsum("nk,nki->ni", X[:, :4] / np.linalg.norm(x, axis=-1) ** 3, x)

    rep = 4 * Scalar + 4 * V
    features, basis = of_vectors(scalars=4), lambda X: _points(X[:, 4:])
    return task(X, target, O(3), rep, V, features, basis=basis)


def polarisability(rng, n):
    """Of three atoms, bond by bond: more along a bond than across it."""

    def bonds(X):
        x = _points(X)
        i, j = np.triu_indices(3, 1)
        b = x[:, i] - x[:, j]
        return np.einsum("npi,npj->npij", b, b).reshape(len(X), 3, 9)

    def target(X):
        r = distances(_points(X))
        along, across = np.exp(-r), 0.5 / (1 + r**2)
        return np.einsum("np,npk->nk", along, bonds(X)) + across.sum(1)[:, None] * np.eye(3).ravel()

    def basis(X):
        return np.concatenate([bonds(X), np.tile(np.eye(3).ravel(), (len(X), 1, 1))], axis=1)

    X = apart(rng, n, 3, 1.4, 0.7).reshape(n, -1)
    return task(X, target, O(3), 3 * V, V**2, of_points(), basis=basis)


def _orbits(rng, n):
    """Position and velocity, not far from a circular orbit about a unit mass."""
    r = rng.standard_normal((n, 3))
    r *= rng.uniform(0.7, 1.5, (n, 1)) / np.linalg.norm(r, axis=1, keepdims=True)
    return np.hstack([r, rng.standard_normal((n, 3)) * 0.6])


def _laplace(X):
    """The vector v × (r × v) − r / |r|."""
    r, v = X[:, :3], X[:, 3:]
    return np.cross(v, np.cross(r, v)) - r / np.linalg.norm(r, axis=1, keepdims=True)


def eccentricity(rng, n):
    """Of a Kepler orbit."""

    def target(X):
        return np.linalg.norm(_laplace(X), axis=1)

    return task(_orbits(rng, n), target, O(3), 2 * V, Scalar, of_vectors())


def laplace(rng, n):
    """The vector to the pericentre."""
    X = _orbits(rng, n)
    return task(X, _laplace, O(3), 2 * V, V, of_vectors(), basis=_points)


TASKS = {
    "LJ": lennard_jones,
    "LJ S(5)": lennard_jones_set,
    "Morse": morse,
    "Morse S(6)": morse_set,
    "forces": morse_forces,
    "contacts": contacts,
    "chain": chain,
    "Coulomb": coulomb,
    "dipole": dipole,
    "field": field,
    "polarisab.": polarisability,
    "eccentric.": eccentricity,
    "Laplace": laplace,
}
