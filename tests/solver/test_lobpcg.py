"""Long cyclic and screw symmetries: tiny gaps, sparse constraints."""

import sys

import numpy as np
import pytest
from scipy.linalg import block_diag, expm, subspace_angles
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator
from solver.operators import so, tensor_power

from fastemlp.exceptions import ConvergenceError
from fastemlp.operators import TensorConstraint
from fastemlp.solver import dense
from fastemlp.solver.krylov.assembly import assemble, banded_inverse, banded_order
from fastemlp.solver.krylov.lobpcg import lobpcg, suits


def shift(n, angle, seed=0):
    """Planes, n of them, moved on by one and each turned; once around is a rotation by ``angle``."""
    angles = np.random.default_rng(seed).uniform(0, 6, n)
    angles[-1] = angle - angles[:-1].sum()
    h = np.zeros((2 * n, 2 * n))
    for i, t in enumerate(angles):
        j = (i + 1) % n
        h[2 * j : 2 * j + 2, 2 * i : 2 * i + 2] = expm(t * so(2)[0])
    return csr_array(h)


def screw(angle, pitch):
    h = np.eye(4)
    h[:2, :2] = expm(angle * so(2)[0])
    h[2, 3] = pitch
    return csr_array(h)


def check(solution, rank):
    assert solution.rank == rank
    assert solution.residual <= 1e-11
    assert solution.orthogonality <= 1e-12
    assert solution.completeness <= 1e-6
    assert solution.strategies[0] == "lobpcg"


@pytest.mark.parametrize(
    ("n", "angle", "rank"), [(30, 0.0, 2), (30, 1e-3, 0), (500, 0.0, 2), (500, 0.5, 0)]
)
def test_long_cycles(n, angle, rank):
    solution = lobpcg(tensor_power(1, [], [shift(n, angle)]))
    check(solution, rank)
    # h has the eigenvalues exp(i(±angle + 2πj)/n)
    smallest = 2 * np.sin((angle or 2 * np.pi) / n / 2)
    assert solution.gap == pytest.approx(smallest / 2, rel=0.2)


def test_a_gap_below_what_the_normal_equations_resolve_is_refused():
    # the smallest singular value, 1e-6, is 1e-12 in CᴴC
    with pytest.raises(ConvergenceError, match="expected ‖C q‖"):
        lobpcg(tensor_power(1, [], [shift(500, 1e-3)]))


@pytest.mark.parametrize(("angle", "rank"), [(0.7, 48), (0.0, 96)])
def test_maps_that_commute_with_a_cycle(angle, rank):
    check(lobpcg(tensor_power(2, [], [shift(24, angle)])), rank)


@pytest.mark.parametrize(("angle", "pitch"), [(0.3, 0.5), (0.01, 0.01)])
def test_affine_screw(angle, pitch):
    C = tensor_power(4, [], [screw(angle, pitch)])
    solution, reference = lobpcg(C), dense(C)
    check(solution, reference.rank)
    assert subspace_angles(solution.Q.to_dense(), reference.Q.to_dense()).max() <= 1e-7


def test_smoothed_aggregation_where_a_factorisation_is_too_large(monkeypatch):
    monkeypatch.setattr(sys.modules["fastemlp.solver.krylov.lobpcg"], "BANDED_FLOPS", 0)
    solution = lobpcg(tensor_power(1, [], [shift(300, 0.0)]))
    check(solution, 2)
    assert "smoothed aggregation" in solution.strategies[1]


def test_complex_and_lie_generators():
    A = csr_array(np.diag([1j, -1j, 0.5j]))
    B = csr_array(np.diag([0.5j, 1j, 0]))
    C = tensor_power(4, [A, B])
    solution, reference = lobpcg(C), dense(C)
    check(solution, reference.rank)
    assert np.iscomplexobj(solution.Q.to_dense())


@pytest.mark.parametrize("dtype", [float, complex])
def test_the_matrix_is_that_of_the_operator(dtype):
    rng = np.random.default_rng(0)
    h, A, B = (
        csr_array(rng.standard_normal((d, d)) * (rng.random((d, d)) < 0.5)) for d in (3, 3, 2)
    )
    A = A.astype(dtype) * (1 + 1j if dtype is complex else 1)
    C = TensorConstraint((0, 1, 0), (3, 2), [[A, None], [None, B]], [[h, None]])
    expected = C.matmat(np.eye(18))
    np.testing.assert_allclose(assemble(C, 2**30).toarray(), expected, atol=1e-14)
    assert assemble(C, 100) is None
    assert assemble(aslinearoperator(np.eye(3)), 2**30) is None
    np.testing.assert_array_equal(
        assemble(aslinearoperator(csr_array(np.eye(3))), 2**30).toarray(), np.eye(3)
    )


@pytest.mark.parametrize("dtype", [float, complex])
def test_banded_inverse(dtype):
    A = assemble(tensor_power(1, [], [shift(20, 0.3)]), 2**30).astype(dtype)
    if dtype is complex:
        A = A * np.exp(1j * np.arange(40))
    N = csr_array(A.conj().T @ A)
    order, width = banded_order(N)
    assert width <= 8
    X = np.random.default_rng(0).standard_normal((40, 3))
    inverse = banded_inverse(N, order, width, 4.0)
    np.testing.assert_allclose(N @ inverse.matmat(X), X, atol=1e-6)


def test_suits_long_cycles_only():
    assert suits(tensor_power(1, [], [shift(500, 0.5)]))
    assert suits(tensor_power(2, [], [shift(50, 0.7)]))
    assert not suits(tensor_power(1, [], [shift(10, 0.5)]))
    assert not suits(tensor_power(5, so(3)))
    assert not suits(aslinearoperator(np.eye(60)))


def test_no_constraint_and_bad_input():
    assert lobpcg(tensor_power(2, [], [np.eye(3)])).rank == 9
    with pytest.raises(ValueError, match=r"expected a TensorConstraint or a sparse matrix"):
        lobpcg(aslinearoperator(np.eye(60)))
    with pytest.raises(ValueError, match=r"memory_budget = 0 MiB"):
        lobpcg(tensor_power(2, [], [shift(50, 0.7)]), memory_budget=10_000)
    with pytest.raises(ValueError, match=r"holds 40 of them"):
        lobpcg(tensor_power(2, [], [shift(24, 0.7)]), memory_budget=2304 * 8 * 40)
    bad = shift(30, 0.1)
    bad.data[3] = np.nan
    with pytest.raises(ConvergenceError, match="NaN or infinite"):
        lobpcg(tensor_power(1, [], [bad]))


def test_same_seed_same_bits():
    C = tensor_power(2, [], [shift(20, 0.7)])
    first, second = lobpcg(C, random_state=1), lobpcg(C, random_state=1)
    np.testing.assert_array_equal(first.Q.to_dense(), second.Q.to_dense())


@pytest.mark.parametrize("gap", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("k", [2, 3])
def test_the_gap_is_that_of_the_constraint_on_small_types_too(k, gap):
    # nearly equal speeds of rotation: their difference is the smallest singular value
    lie = block_diag(*([[0, -w], [w, 0]] for w in (1.0, 1.0, 1.0 + gap)))
    op = tensor_power(k, [lie])
    sigma = np.linalg.svd(op.matmat(np.eye(op.shape[1])), compute_uv=False)
    expected = sigma[sigma > 1e-12 * sigma[0]].min() / sigma[0]
    assert lobpcg(op).gap == pytest.approx(expected, rel=0.5)
