"""Graphs, sets, signals and images."""

import numpy as np
from sklearn.datasets import load_digits

from fastemlp.groups import Group, S, Z
from fastemlp.reps import Scalar, V
from unseen_tasks.task import Task, task


def _of_graphs(nodes, of):
    """A number that adjacency matrices have."""

    def make(rng, n):
        density = rng.uniform(0.2, 0.8, (n, 1, 1))
        A = np.triu(rng.random((n, nodes, nodes)) < density, 1).astype(float)
        X = (A + A.swapaxes(1, 2)).reshape(n, -1)

        def graphs(X):
            return X.reshape(len(X), nodes, nodes)

        features = {
            "degrees": lambda X: np.sort(graphs(X).sum(1)),
            "spectrum": lambda X: np.linalg.eigvalsh(graphs(X)),
            "walks": lambda X: _closed_walks(graphs(X)),
        }
        if of is _radius:
            del features["spectrum"]  # which holds the target
        return task(X, lambda X: of(graphs(X)), S(nodes), V**2, Scalar, features)

    return make


def _triangles_and_paths(A):
    """Triangles, tr A³ / 6, and pairs of edges that meet."""
    degrees = A.sum(1)
    return np.einsum("nij,njk,nki->n", A, A, A) / 6 + (degrees * (degrees - 1)).sum(1) / 2


def _clustering(A):
    """The share of pairs of edges that meet which are part of a triangle."""
    degrees = A.sum(1)
    closed = np.einsum("nij,njk,nki->n", A, A, A)
    return closed / np.maximum((degrees * (degrees - 1)).sum(1), 1)


def _radius(A):
    """The largest eigenvalue."""
    return np.linalg.eigvalsh(A)[:, -1]


def _closed_walks(A):
    """Logarithms of the counts of closed walks, but of those of length 3, and of walks."""
    squares = A @ A
    counts = (
        np.trace(squares, axis1=1, axis2=2),
        np.trace(squares @ squares, axis1=1, axis2=2),
        squares.sum((1, 2)),
        (squares @ A).sum((1, 2)),
        (squares @ squares).sum((1, 2)),
    )
    return np.log1p(np.stack(counts, axis=1))


def log_sum_exp(rng, n):
    """Of a set of ten numbers."""

    def moments(X):
        return np.stack([(X**k).sum(1) for k in (1, 2, 3, 4)], axis=1)

    def target(X):
        return np.log(np.exp(2 * X).sum(1))

    X = rng.standard_normal((n, 10))
    return task(X, target, S(10), V, Scalar, {"sorted": np.sort, "moments": moments})


def set_to_set(rng, n):
    """Softmax of eight numbers."""

    def target(X):
        odds = np.exp(2 * X)
        return odds / odds.sum(1, keepdims=True)

    def local(X):
        return np.stack([X, *(np.repeat((X**k).sum(1)[:, None], 8, 1) for k in (1, 2, 3))], axis=2)

    return task(rng.standard_normal((n, 8)), target, S(8), V, V, {"sorted": np.sort}, local=local)


def _signals(rng, n, points=16):
    """Smoothed noise on a circle."""
    x = rng.standard_normal((n, points))
    return (x + np.roll(x, 1, axis=1)) / 2**0.5


def _windows(X):
    """Every point with all others, in order: of shape (n, points, points)."""
    return np.stack([np.roll(X, -k, axis=1) for k in range(X.shape[1])], axis=1)


_OF_SIGNALS = {
    "autocorrelation": lambda X: np.stack(
        [(X * np.roll(X, k, axis=1)).mean(1) for k in range(9)], axis=1
    ),
    "spectrum": lambda X: np.abs(np.fft.rfft(X, axis=1)),
}


def roughness(rng, n):
    """How far a periodic signal travels."""

    def target(X):
        return np.sqrt(1 + (np.roll(X, -1, axis=1) - X) ** 2).sum(1)

    return task(_signals(rng, n), target, Z(16), V, Scalar, _OF_SIGNALS)


def steepest(rng, n):
    """The steepest step of a periodic signal."""

    def target(X):
        return (np.roll(X, -1, axis=1) - X).max(1)

    return task(_signals(rng, n), target, Z(16), V, Scalar, _OF_SIGNALS)


def convolution(rng, n):
    """Of a periodic signal with a bump."""
    bump = np.exp(-np.arange(16) / 3)

    def target(X):
        return np.fft.irfft(np.fft.rfft(X, axis=1) * np.fft.rfft(bump), 16, axis=1)

    return task(_signals(rng, n), target, Z(16), V, V, _OF_SIGNALS, local=_windows)


def waves(rng, n):
    """What nonlinear waves do in a moment: −u u' + u'' and a saturated source."""

    def target(X):
        left, right = np.roll(X, 1, axis=1), np.roll(X, -1, axis=1)
        return -X * (right - left) / 2 + (left + right - 2 * X) / 4 + np.tanh(2 * X)

    return task(_signals(rng, n), target, Z(16), V, V, _OF_SIGNALS, local=_windows)


_PIXELS = np.arange(64).reshape(8, 8)


def elongation(rng, n):
    """How long the ink of two digits in one picture is, over how wide; pictures are turned and mirrored."""
    digits = load_digits().images / 16
    a, b = rng.integers(len(digits), size=(2, n))
    share = rng.uniform(0, 1, (n, 1, 1))
    X = (share * digits[a] + (1 - share) * digits[b]).reshape(n, -1)
    G = Group.from_permutations([np.rot90(_PIXELS).ravel(), _PIXELS.T.ravel()], name="D4")
    at = np.stack(np.indices((8, 8)), axis=-1).reshape(64, 2) - 3.5

    def spread(X):
        mass = X.sum(1)[:, None]
        mean = X @ at / mass
        second = np.einsum("np,pi,pj->nij", X / mass, at, at)
        return second - np.einsum("ni,nj->nij", mean, mean)

    def target(X):
        low, high = np.sqrt(np.linalg.eigvalsh(spread(X))).T
        return high / low

    def moments(X):
        M = spread(X)
        return np.stack([X.sum(1), np.trace(M, axis1=1, axis2=2), np.linalg.det(M)], axis=1)

    features = {"moments": moments, "rings": lambda X: _rings(X, at)}
    return task(X, target, G, V, Scalar, features)


def _rings(X, at):
    """Means over pixels that are equally far from the centre."""
    _, ring = np.unique((at**2).sum(1), return_inverse=True)
    return X @ np.eye(ring.max() + 1)[ring.ravel()]


def spots(rng, n):
    """How far apart two spots are, in pictures of 8 by 8."""
    G = Group.from_permutations([np.rot90(_PIXELS).ravel()], name="C4")
    centres, width = rng.uniform(0.5, 6.5, (n, 2, 2)), rng.uniform(0.6, 1.0, (n, 2, 1, 1))
    x, y = np.indices((8, 8))
    squares = (x - centres[..., 0, None, None]) ** 2 + (y - centres[..., 1, None, None]) ** 2
    X = np.exp(-squares / (2 * width**2)).sum(1).reshape(n, -1)
    at = np.stack([x, y], axis=-1).reshape(64, 2) - 3.5
    far = np.linalg.norm(centres[:, 0] - centres[:, 1], axis=-1)

    def autocorrelation(X):
        power = np.abs(np.fft.fft2(X.reshape(-1, 8, 8), (16, 16))) ** 2
        shifts = np.fft.ifft2(power).real
        a, b = np.indices((8, 8))
        # a quarter turn takes the shift (a, b) to (−b, a)
        return (shifts[:, a, b] + shifts[:, -b, a]).reshape(len(X), -1)

    features = {"rings": lambda X: _rings(X, at), "autocorrelation": autocorrelation}
    return Task(X, far, G, V, Scalar, features)


TASKS = {
    "graph 8": _of_graphs(8, _triangles_and_paths),
    "graph 14": _of_graphs(14, _triangles_and_paths),
    "clustering": _of_graphs(8, _clustering),
    "radius 14": _of_graphs(14, _radius),
    "logsumexp": log_sum_exp,
    "softmax": set_to_set,
    "roughness": roughness,
    "steepest": steepest,
    "convolve": convolution,
    "waves": waves,
    "elongation": elongation,
    "spots": spots,
}
