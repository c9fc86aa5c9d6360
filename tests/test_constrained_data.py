"""Invariants that vanish on a surface where all data are: what is left of them is roundoff, and is not enlarged."""

import numpy as np
import pytest

from fastemlp import FastEMLPRegressor
from fastemlp.groups import SO, Group, Lorentz, O
from fastemlp.reps import Scalar, V
from fastemlp.testing import equivariance_error

_RIGID = np.zeros((6, 4, 4))
for _k, (_i, _j) in enumerate([(0, 1), (0, 2), (1, 2)]):
    _RIGID[_k, _i, _j], _RIGID[_k, _j, _i] = 1, -1
    _RIGID[3 + _k, _k, 3] = 1
SE3 = Group(lie_algebra=_RIGID, name="SE(3)")
EYE = np.eye(3)


def unit(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def poses(rng, n):
    """Two points (x, 1) and two directions (v, 0)."""
    x = rng.standard_normal((n, 4, 4))
    x[..., 3] = [1, 1, 0, 0]
    return x.reshape(n, 16), np.sum((x[:, 0] - x[:, 1]) ** 2, 1) + np.sum(x[:, 2] * x[:, 3], 1)


def traceless(rng, n):
    A = rng.standard_normal((n, 3, 3))
    A = A + A.swapaxes(1, 2)
    A -= np.trace(A, axis1=1, axis2=2)[:, None, None] * EYE / 3
    v = rng.standard_normal((n, 3))
    X = np.hstack([v, A.reshape(n, 9)])
    return X, np.einsum("ni,nij,nj->n", v, A, v) / np.linalg.norm(v, axis=1) ** 3


def rotations(rng, n):
    Q = np.linalg.qr(rng.standard_normal((n, 3, 3)))[0]
    Q *= np.linalg.det(Q)[:, None, None]
    return Q.reshape(n, 9), np.cos(2 * np.trace(Q, axis1=1, axis2=2))


def singular(rng, n):
    """Matrices of rank one, and a unit vector."""
    a, b = rng.standard_normal((2, n, 3))
    u = unit(rng.standard_normal((n, 3)))
    A = a[:, :, None] * b[:, None]
    return np.hstack([u, A.reshape(n, 9)]), np.sin(np.sum(a * u, 1) * np.sum(b * u, 1))


def bonded(rng, n):
    """Atoms at a distance of one, and one that lies on another."""
    a = rng.standard_normal((n, 3))
    c = rng.standard_normal((n, 3))
    b, again = a + unit(rng.standard_normal((n, 3))), c + 1e-8 * rng.standard_normal((n, 3))
    return np.hstack([a, b, c, again]), np.sin(np.linalg.norm(b - c, axis=1)) + np.sum(a * c, 1)


def light(rng, n):
    """Momenta without a mass."""
    k = rng.standard_normal((n, 3, 3))
    p = np.concatenate([np.linalg.norm(k, axis=2, keepdims=True), k], axis=2)
    total = p.sum(axis=1)
    return p.reshape(n, 12), np.sqrt(total[:, 0] ** 2 - np.sum(total[:, 1:] ** 2, axis=1))


def isolated(rng, n):
    """Momenta that add up to nothing."""
    a, b = rng.standard_normal((2, n, 3))
    return np.hstack([a, b, -a - b]), np.linalg.norm(np.cross(a, b), axis=1) * np.tanh(
        np.sum(a * b, 1)
    )


def parallel(rng, n):
    """Vectors every other of which is parallel to the one before."""
    a, b, c = rng.standard_normal((3, n, 3))
    b[::2] = a[::2] * rng.standard_normal((len(a[::2]), 1))
    turn = np.linalg.norm(np.cross(a, b), axis=1)
    return np.hstack([a, b, c]), turn + np.arctan2(turn, np.sum(a * b, 1)) + np.sum(b * c, 1)


def flat(rng, n):
    """Points of a plane that is turned."""
    x = rng.standard_normal((n, 4, 3)) * [1, 1, 0]
    x = x @ np.linalg.qr(rng.standard_normal((n, 3, 3)))[0]
    return x.reshape(n, 12), np.prod(np.linalg.svd(x, compute_uv=False)[:, :2], axis=1)


CASES = {
    "poses": (poses, SE3, 4 * V),
    "traceless": (traceless, O(3), V + V**2),
    "rotations": (rotations, SO(3), V**2),
    "singular": (singular, O(3), V + V**2),
    "bonded": (bonded, O(3), 4 * V),
    "light": (light, Lorentz(), 3 * V),
    "isolated": (isolated, O(3), 3 * V),
    "parallel": (parallel, SO(3), 3 * V),
    "flat": (flat, SO(3), 4 * V),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_predictions_are_equivariant_and_learn_on_a_surface(name, dtype):
    make, group, rep = CASES[name]
    X, y = (a.astype(dtype) for a in make(np.random.default_rng(0), 160))
    model = FastEMLPRegressor(group, rep_in=rep, rep_out=Scalar, channels=60, random_state=0)
    model.fit(X[:60], y[:60])
    error = equivariance_error(model.predict, model.rep_in_, model.rep_out_, X, random_state=0)
    assert error < (3e-4 if dtype == np.float32 else 1e-8), str(model.closed_form_)
    assert model.score(X[60:], y[60:]) > 0.3, str(model.closed_form_)
