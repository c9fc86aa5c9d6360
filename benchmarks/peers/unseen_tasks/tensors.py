"""Matrices, stresses, bodies that turn."""

from pathlib import Path

import numpy as np

from fastemlp.datasets import make_inertia
from fastemlp.groups import O
from fastemlp.reps import P, V, axial
from unseen_tasks.task import N_TEST, Task, norms_and_cosines, of_vectors, task


def _matrix(X):
    return X.reshape(len(X), 3, 3)


def _traces(X):
    """Of products of the symmetric and the skew part."""
    A = _matrix(X)
    At = A.swapaxes(1, 2)
    S, W = (A + At) / 2, (A - At) / 2
    products = (S, S @ S, W @ W, S @ S @ S, W @ W @ S, W @ W @ S @ S)
    return np.stack([np.trace(M, axis1=1, axis2=2) for M in products], axis=1)


def _of_matrices(of):
    def make(rng, n):
        def target(X):
            return of(_matrix(X)).reshape(len(X), -1)

        X = rng.standard_normal((n, 9))
        return task(X, target, O(3), V**2, V**2, {"traces": _traces})

    return make


def _stretch(A):
    S = A + A.swapaxes(1, 2)
    S = S @ S
    return S - np.trace(S, axis1=1, axis2=2)[:, None, None] * np.eye(3) / 3


def _powers(C):
    """I, C and C², of shape (n, 3, 9)."""
    identity = np.broadcast_to(np.eye(3), C.shape)
    return np.stack([identity, C, C @ C], axis=1).reshape(len(C), 3, 9)


def _stretch_invariants(C):
    """Traces of C and C², and ln det C."""
    squares = np.trace(C @ C, axis1=1, axis2=2)
    return np.stack([np.trace(C, axis1=1, axis2=2), squares, np.linalg.slogdet(C)[1]], axis=1)


def _left(X):
    """F Fᵀ."""
    F = _matrix(X)
    return F @ F.swapaxes(1, 2)


def neo_hooke(rng, n):
    """Cauchy stress from the deformation gradient of compressible rubber."""

    def target(X):
        J = np.linalg.det(_matrix(X))[:, None, None]
        return ((_left(X) - np.eye(3)) / J + 2 * np.log(J) / J * np.eye(3)).reshape(len(X), -1)

    F = np.eye(3) + 0.25 * rng.standard_normal((3 * n, 3, 3))
    X = F[np.linalg.det(F) > 0.3][:n].reshape(n, -1)
    features = {"of F Fᵀ": lambda X: _stretch_invariants(_left(X)), "traces": _traces}
    return task(X, target, O(3), V**2, V**2, features, basis=lambda X: _powers(_left(X)))


def _right(X):
    """C = 2E + I, of strains E."""
    return 2 * _matrix(X) + np.eye(3)


def mooney(rng, n):
    """Second Piola-Kirchhoff stress from the strain, of modified invariants."""

    def target(X):
        C, I = _right(X), np.eye(3)
        inverse = np.linalg.inv(C)
        J = np.sqrt(np.linalg.det(C))[:, None, None]
        I1 = np.trace(C, axis1=1, axis2=2)[:, None, None]
        I2 = (I1**2 - np.trace(C @ C, axis1=1, axis2=2)[:, None, None]) / 2
        first = J ** (-2 / 3) * (I - I1 * inverse / 3)
        second = J ** (-4 / 3) * (I1 * I - C - 2 * I2 * inverse / 3)
        return (first + 0.5 * second + 3 * J * (J - 1) * inverse).reshape(len(X), -1)

    F = np.eye(3) + 0.2 * rng.standard_normal((3 * n, 3, 3))
    F = F[np.linalg.det(F) > 0.3][:n]
    X = ((F.swapaxes(1, 2) @ F - np.eye(3)) / 2).reshape(n, -1)
    features = {"of C": lambda X: _stretch_invariants(_right(X))}
    return task(X, target, O(3), V**2, V**2, features, basis=lambda X: _powers(_right(X)))


def torque(rng, n):
    """Of a force that fades with the length of the lever."""

    def crossed(X):
        return np.cross(X[:, :3], X[:, 3:])

    def target(X):
        return crossed(X) * np.exp(-np.linalg.norm(X[:, :3], axis=1, keepdims=True))

    X, basis = rng.standard_normal((n, 6)), lambda X: crossed(X)[:, None]
    return task(X, target, O(3), 2 * V, axial, of_vectors(), basis=basis)


def determinant(rng, n):
    """The volume that three vectors span, which mirrors turn over."""
    X = rng.standard_normal((n, 9))
    return task(X, lambda X: np.linalg.det(_matrix(X)), O(3), 3 * V, P, of_vectors())


def _moments(X):
    """ω, Iω and I²ω of columns ω, I."""
    turning, I = X[:, :3], _matrix(X[:, 3:])
    once = np.einsum("nij,nj->ni", I, turning)
    return np.stack([turning, once, np.einsum("nij,nj->ni", I, once)], axis=1)


def rigid_body(rng, n):
    """Euler's equations: I⁻¹ (Iω × ω)."""

    def target(X):
        turning, momentum, _ = _moments(X).swapaxes(0, 1)
        couple = np.cross(momentum, turning)
        return np.linalg.solve(_matrix(X[:, 3:]), couple[..., None])[..., 0]

    def basis(X):
        a = _moments(X)
        return np.stack([np.cross(a[:, i], a[:, j]) for i, j in ((0, 1), (0, 2), (1, 2))], axis=1)

    def invariants(X):
        return np.hstack([_stretch_invariants(_matrix(X[:, 3:])), norms_and_cosines(_moments(X))])

    A = rng.standard_normal((n, 3, 3))
    I = np.eye(3) + A @ A.swapaxes(1, 2) / 3
    X = np.hstack([rng.standard_normal((n, 3)), I.reshape(n, -1)])
    return task(X, target, O(3), axial + V**2, axial, {"of ω and I": invariants}, basis=basis)


def inertia(rng, n):
    """Of five masses (Finzi et al. 2021)."""
    X, y, spec = make_inertia(n, random_state=int(rng.integers(2**31)), return_spec=True)

    def squares(X):
        x = X[:, 5:].reshape(len(X), 5, 3)
        products = np.einsum("nki,nkj->nkij", x, x).reshape(len(X), 5, 9)
        return np.concatenate([products, np.tile(np.eye(3).ravel(), (len(X), 1, 1))], axis=1)

    def target(X):
        m, xx = X[:, :5], squares(X)[:, :5].reshape(len(X), 5, 3, 3)
        moment = np.einsum("nk,nkij->nij", m, xx)
        trace = np.trace(moment, axis1=1, axis2=2)[:, None, None]
        return (trace * np.eye(3) - moment).reshape(len(X), -1)

    features = of_vectors(scalars=5)
    reps = spec.group, spec.rep_in, spec.rep_out
    return Task(X, y, *reps, features, target=target, basis=squares)


def duct(folder):
    """Log Reynolds stress from the gradient of velocity in one half of a duct; to test, the mirror half.

    Data: ``squareDuct_1100_mandel.csv.gz``, ``squareDuct_yz_grid.csv.gz`` of github.com/KevinMoonLab/SymmetryML (MIT).
    """

    def make(rng, n):
        table = np.genfromtxt(Path(folder) / "squareDuct_1100_mandel.csv.gz", delimiter=",")[1:]
        z = np.genfromtxt(Path(folder) / "squareDuct_yz_grid.csv.gz", delimiter=",")[1:, 1]
        learned = rng.permutation(np.flatnonzero(z <= 0))[: n - N_TEST]
        table = table[np.r_[learned, rng.permutation(np.flatnonzero(z > 0))[:N_TEST]]]
        i, j = np.triu_indices(3)
        y = np.empty((n, 3, 3))
        y[:, i, j] = table[:, 11:] / np.where(i == j, 1, 2**0.5)
        y[:, j, i] = y[:, i, j]

        def basis(X):
            # the first tensors of Pope (1975), each to unit size
            A = _matrix(X) / np.linalg.norm(X, axis=1)[:, None, None]
            At = A.swapaxes(1, 2)
            S, W = (A + At) / 2, (A - At) / 2
            tensors = (np.broadcast_to(np.eye(3), A.shape), S, S @ S, W @ W, S @ W - W @ S)
            return np.stack(tensors, axis=1).reshape(len(X), 5, 9)

        def logarithms(X):
            size = np.linalg.norm(X, axis=1, keepdims=True)
            return np.hstack([np.log(size), _traces(X / size)])

        features = {"log size, traces": logarithms}
        return Task(table[:, 2:11], y.reshape(n, 9), O(3), V**2, V**2, features, basis=basis)

    return make


TASKS = {
    "A²": _of_matrices(lambda A: A @ A),
    "AAᵀ": _of_matrices(lambda A: A @ A.swapaxes(1, 2)),
    "dev S²": _of_matrices(_stretch),
    "neo-Hooke": neo_hooke,
    "Mooney": mooney,
    "torque": torque,
    "det": determinant,
    "rigid body": rigid_body,
    "inertia": inertia,
}
