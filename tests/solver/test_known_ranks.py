"""Nullspaces of group constraints: dimensions known from representation theory."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from solver.operators import (
    conjugated,
    permutation,
    reflection,
    so,
    sp2,
    symmetric_group,
    tensor_power,
)

from fastemlp.solver import dense
from fastemlp.solver.krylov.block_lanczos import block_lanczos

SO3 = [1, 0, 1, 1, 3, 6, 15, 36, 91]


def check(solution, rank):
    assert solution.rank == rank
    assert solution.residual <= 1e-10
    assert solution.orthogonality <= 1e-12


@pytest.mark.parametrize("k", range(9))
def test_so3(k):
    check(block_lanczos(tensor_power(k, so(3))), SO3[k])


@pytest.mark.parametrize(("k", "rank"), [(0, 1), (1, 0), (2, 1), (4, 3), (5, 0), (6, 15)])
def test_o3(k, rank):
    check(block_lanczos(tensor_power(k, so(3), [reflection(3)])), rank)


@pytest.mark.parametrize(("k", "rank"), [(2, 1), (3, 0), (4, 2), (6, 5), (8, 14), (10, 42)])
def test_sp2(k, rank):
    check(block_lanczos(tensor_power(k, sp2())), rank)


@pytest.mark.parametrize(("n", "k", "rank"), [(3, 5, 41), (4, 4, 15), (5, 4, 15), (6, 3, 5)])
def test_symmetric_group_counts_set_partitions(n, k, rank):
    check(block_lanczos(tensor_power(k, [], symmetric_group(n))), rank)


@pytest.mark.parametrize("n", [4, 7, 12])
def test_cyclic_group(n):
    cycle = permutation([*range(1, n), 0])
    check(block_lanczos(tensor_power(2, [], [cycle])), n)


@pytest.mark.parametrize("k", [4, 5, 6])
def test_conjugation_changes_the_spectrum_but_not_the_rank(k):
    C = tensor_power(k, conjugated(so(3)))
    solution, reference = block_lanczos(C), dense(C)
    check(solution, SO3[k])
    check(reference, SO3[k])
    assert subspace_angles(solution.Q.to_dense(), reference.Q.to_dense()).max() <= 1e-8
    # The gap of an iterative method is an estimate from above.
    assert reference.gap * (1 - 1e-3) <= solution.gap <= 2 * reference.gap


def test_unipotent_generator_counts_jordan_blocks():
    # J₃^{⊗5}: as many blocks as T₅ of spin 1 has vectors of weight 0.
    J = np.eye(3) + np.eye(3, k=1)
    C = tensor_power(5, [], [J])
    solution = block_lanczos(C)
    check(solution, 51)
    assert subspace_angles(solution.Q.to_dense(), dense(C).Q.to_dense()).max() <= 1e-8


def test_complex_group():
    # U(2) on V ⊗ V*, conjugated: the identity alone.
    rng = np.random.default_rng(0)
    skew = rng.standard_normal((3, 2, 2)) + 1j * rng.standard_normal((3, 2, 2))
    skew = [A - A.conj().T for A in skew]
    # V and V* side by side, so that T₆ has invariants.
    both = [np.block([[A, np.zeros((2, 2))], [np.zeros((2, 2)), A.conj()]]) for A in skew]
    C = tensor_power(4, both)
    solution = block_lanczos(C)
    assert np.iscomplexobj(solution.Q.to_dense())
    check(solution, 12)  # 6 ways to place two V and two V*, 2 invariants each
    assert subspace_angles(solution.Q.to_dense(), dense(C).Q.to_dense()).max() <= 1e-8
