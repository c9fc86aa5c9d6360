"""What a task is, and the invariants that somebody would write by hand for vectors and points."""

from typing import NamedTuple

import numpy as np

N_TEST = 1000


class Task(NamedTuple):
    """Samples, the last ``N_TEST`` of them to test on, what acts on them, and what a user would write by hand.

    Attributes
    ----------
    X, y : ndarrays of shapes (n, n_in) and (n,) or (n, n_out)
    group : Group
    rep_in, rep_out : Rep
    features : dict of str to a function of X
        Invariants, of shape (n, k). None of them is the target itself.
    target : function of X, or None
        The exactly equivariant y without noise.
    clean : ndarray like y, or None
        What to test on, if not y.
    basis : function of X, or None
        Equivariant objects of shape (n, K, n_out), of which y is a sum with invariant coefficients.
    local : function of X, or None
        Features of shape (n, n_out, k): column i of y is one function, the same for all i, of row i.
    """

    X: np.ndarray
    y: np.ndarray
    group: object
    rep_in: object
    rep_out: object
    features: dict
    target: object = None
    clean: object = None
    basis: object = None
    local: object = None


def task(X, target, group, rep_in, rep_out, features, **more):
    """The task of an exact target."""
    return Task(X, target(X), group, rep_in, rep_out, features, target, **more)


def gram(x):
    """Dot products of vectors of shape (n, m, d), those with themselves among them."""
    i, j = np.triu_indices(x.shape[1])
    return np.einsum("npd,npd->np", x[:, i], x[:, j])


def norms_and_cosines(x):
    """Lengths of vectors of shape (n, m, d) and cosines between them."""
    norms = np.linalg.norm(x, axis=-1)
    i, j = np.triu_indices(x.shape[1], 1)
    cosines = np.einsum("npd,npd->np", x[:, i], x[:, j]) / (norms[:, i] * norms[:, j])
    return np.hstack([norms, cosines])


def distances(x):
    """Between all pairs of points of shape (n, m, d)."""
    i, j = np.triu_indices(x.shape[1], 1)
    return np.linalg.norm(x[:, i] - x[:, j], axis=-1)


def of_vectors(d=3, scalars=0):
    """Feature sets for columns that are some scalars and then vectors of R^d."""
    return _after_scalars(d, scalars, {"gram": gram, "norms+cosines": norms_and_cosines})


def of_points(d=3, scalars=0):
    """The same for points, whose distances matter."""
    sets = {"gram": gram, "distances": distances, "1/distances": lambda x: 1 / distances(x)}
    return _after_scalars(d, scalars, sets)


def of_sets_of_points(d=3):
    """The same where points have no order: sorted distances."""
    return {
        "sorted distances": lambda X: np.sort(distances(X.reshape(len(X), -1, d))),
        "sorted 1/distances": lambda X: np.sort(1 / distances(X.reshape(len(X), -1, d))),
    }


def _after_scalars(d, scalars, sets):
    def columns(of):
        return lambda X: np.hstack([X[:, :scalars], of(X[:, scalars:].reshape(len(X), -1, d))])

    return {name: columns(of) for name, of in sets.items()}


def apart(rng, n, atoms, half_width, least):
    """Centred points of a cube, of shape (n, atoms, 3), all further apart than ``least``."""
    found = np.empty((0, atoms, 3))
    while len(found) < n:
        x = rng.uniform(-half_width, half_width, (4 * n, atoms, 3))
        found = np.concatenate([found, x[distances(x).min(1) > least]])
    return found[:n] - found[:n].mean(1, keepdims=True)
