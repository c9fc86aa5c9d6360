"""Generators that depend on each other: what cancels in their sums is no generator."""

import numpy as np
import pytest
from solver.operators import tensor_power

from fastemlp import equivariant_basis
from fastemlp.groups import Group
from fastemlp.reps import V
from fastemlp.solver import solve_nullspace


def random_algebra(rng):
    """One or two matrices, perhaps in other coordinates, and sums of them."""
    d = int(rng.integers(2, 5))
    lie = []
    for _ in range(rng.integers(1, 3)):
        A = rng.standard_normal((d, d))
        A = [
            np.triu(np.rint(2 * A), 1) + np.eye(d, k=1),
            np.diag(np.rint(A[0])),
            A - A.T,
            np.rint(A),
        ][rng.integers(4)]
        if rng.random() < 0.5:
            P = np.eye(d) + np.triu(rng.standard_normal((d, d)), 1)
            A = P @ A @ np.linalg.inv(P)
        if A.any():
            lie.append(A / np.linalg.norm(A))
    lie = lie or [np.eye(d, k=1)]
    for _ in range(rng.integers(1, 4)):
        A = sum(x * B for x, B in zip(rng.choice([-1, 1, 0.3, 1 / 3], 2), lie, strict=False))
        if np.linalg.norm(A) > 1e-3:
            lie.append(A / np.linalg.norm(A))
    return lie


@pytest.mark.parametrize("block", range(8))
def test_dependent_lie_generators_against_dense_algebra(block):
    for seed in range(50 * block, 50 * block + 50, 2):
        rng = np.random.default_rng(seed)
        lie = random_algebra(rng)
        C = tensor_power(int(rng.integers(1, 4)), lie)
        sigma = np.linalg.svd(C @ np.eye(C.shape[1]), compute_uv=False)
        solution = solve_nullspace(C)
        assert solution.rank == np.count_nonzero(sigma <= 1e-9 * sigma[0]), seed


@pytest.mark.parametrize("t", [1e-6, 1e-3, 0.02, 1.0, 2.0])
@pytest.mark.parametrize("X", [[[1, -1], [1, -1]], [[3, -1], [9, -3]], [[0, 1], [0, 0]]], ids=str)
def test_a_shear_and_its_inverse(t, X):
    h = t * np.array(X, float)
    group = Group([], [np.eye(2) + h, np.eye(2) - h])
    ranks = [equivariant_basis((V**k)(group), store=False).rank for k in range(1, 7)]
    assert ranks == [1, 2, 3, 6, 10, 20]
