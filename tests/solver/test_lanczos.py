"""The general solver: known ranks, conjugated and badly scaled generators, groups that are not reductive."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.linalg import expm, subspace_angles
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, aslinearoperator
from solver.operators import conjugated, planted, reflection, so, sp2, symmetric_group, tensor_power

from fastemlp.exceptions import ConvergenceError, Status
from fastemlp.operators import TensorConstraint
from fastemlp.solver import dense
from fastemlp.solver.krylov.lanczos import lanczos

SO3 = [1, 0, 1, 1, 3, 6, 15, 36, 91]


def unit(i, j, d=3):
    A = np.zeros((d, d))
    A[i, j] = 1.0
    return A


def se(n):
    """Rotations and translations of R^n in homogeneous coordinates."""
    return [np.pad(A, (0, 1)) for A in so(n)] + [unit(i, n, n + 1) for i in range(n)]


def check(solution, rank, residual=1e-12):
    assert solution.rank == rank
    assert solution.residual <= residual
    assert solution.orthogonality <= 1e-12
    assert solution.completeness <= 1e-6
    assert "lanczos" in solution.strategies
    assert solution.status is Status.CONVERGED


def agrees_with_dense(C, angle=1e-8, **options):
    solution, reference = lanczos(C, **options), dense(C)
    check(solution, reference.rank)
    if 0 < reference.rank < C.shape[1]:
        angles = subspace_angles(solution.Q.to_dense(), reference.Q.to_dense())
        assert angles.max() <= angle
    return solution


@pytest.mark.parametrize("k", range(1, 9))
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_so3_in_any_coordinates(k, seed):
    lie = so(3) if seed is None else conjugated(so(3), seed)
    check(lanczos(tensor_power(k, lie)), SO3[k])


@pytest.mark.parametrize(("k", "rank"), [(2, 1), (4, 3), (5, 0), (6, 15)])
def test_o3_conjugated(k, rank):
    basis = conjugated([*so(3), reflection(3)])
    check(lanczos(tensor_power(k, basis[:3], basis[3:])), rank)


@pytest.mark.parametrize(("k", "rank"), [(3, 0), (6, 5), (8, 14), (10, 42)])
def test_sp2(k, rank):
    check(lanczos(tensor_power(k, sp2())), rank)


@pytest.mark.parametrize(("n", "k", "rank"), [(3, 5, 41), (4, 4, 15), (6, 3, 5)])
def test_symmetric_group_conjugated(n, k, rank):
    check(lanczos(tensor_power(k, [], conjugated(symmetric_group(n)))), rank)


def test_conjugated_unitary_group_on_v_and_its_conjugate():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4, 2, 2)) + 1j * rng.standard_normal((4, 2, 2))
    T = rng.standard_normal((2, 2)) + 1j * rng.standard_normal((2, 2))
    lie = [T @ (A - A.conj().T) @ np.linalg.inv(T) for A in X]
    C = TensorConstraint(
        (0, 0, 1, 1, 0, 1), (2, 2), [[csr_array(A), csr_array(A.conj())] for A in lie], []
    )
    solution = agrees_with_dense(C)
    assert solution.rank == 5
    assert np.iscomplexobj(solution.Q.to_dense())


A, B, D = so(3)
HARD = {
    "nearly dependent 1e-4": [A, B, A + 1e-4 * D],
    "nearly dependent 1e-8": [A, B, A + 1e-8 * D],
    "nearly dependent, conjugated": conjugated([A, B, A + 1e-8 * D]),
    "zero generator": [0 * A, A],
    "not closed under the bracket": [A + 0.3 * unit(0, 1), B],
    "unipotent": [np.eye(3, k=1)],
    "Heisenberg": [unit(0, 1), unit(1, 2)],
    "upper triangular": [unit(0, 1), unit(1, 2), unit(0, 0) - unit(1, 1)],
    "SE(2)": se(2),
    "SE(2), conjugated": conjugated(se(2)),
}


@pytest.mark.parametrize("k", [4, 5])
@pytest.mark.parametrize("name", HARD)
def test_hard_lie_algebras(name, k):
    agrees_with_dense(tensor_power(k, HARD[name]))


def test_se3():
    agrees_with_dense(tensor_power(4, se(3)))


@pytest.mark.parametrize("scales", [(1e-6, 1e6, 1), (1e-12, 1, 1e9)])
@pytest.mark.parametrize("lie", [so(3), conjugated(so(3))])
def test_the_scale_of_a_generator_does_not_matter(lie, scales):
    scaled = lanczos(tensor_power(5, [s * A for s, A in zip(scales, lie, strict=True)]))
    check(scaled, 6)
    plain = lanczos(tensor_power(5, lie))
    # held to each generator at its own scale, which ‖C q‖/‖C‖ alone would not show
    assert subspace_angles(scaled.Q.to_dense(), plain.Q.to_dense()).max() <= 1e-8


DISCRETE = {
    "unipotent": np.eye(3) + np.eye(3, k=1),
    "screw": np.block(
        [
            [expm(0.3 * so(2)[0]), np.zeros((2, 2))],
            [np.zeros((2, 2)), np.array([[1, 0.5], [0, 1]])],
        ]
    ),
    "small rotation": expm(1e-2 * A),
    "no invariants": np.diag([2.0, 3.0, 0.5]) + np.eye(3, k=1),
}


@pytest.mark.parametrize("name", DISCRETE)
def test_hard_discrete_generators(name):
    agrees_with_dense(tensor_power(4, [], [DISCRETE[name]]))


def test_a_generator_just_off_the_group_is_refused():
    # unitary to 5e-10 only: whether its square is the identity cannot be told
    with pytest.raises(ConvergenceError, match="expected a gap"):
        lanczos(tensor_power(5, [], [np.eye(3) + 1e-3 * A + 0.5e-6 * A @ A]))


@settings(max_examples=15, deadline=None)
@given(
    m=st.integers(50, 120),
    share=st.floats(0, 1),
    decades=st.floats(0, 5),
    distinct=st.integers(1, 90),
    seed=st.integers(0, 2**16),
)
@example(m=50, share=0.0, decades=5.0, distinct=5, seed=0)
def test_any_planted_spectrum(m, share, decades, distinct, seed):
    rank = round(share * m)
    values = np.logspace(0, -decades, distinct)
    sigma = np.random.default_rng(seed).choice(values, m - rank)
    C, Q = planted(m, sigma, rank, seed=seed)
    solution = lanczos(C, random_state=seed)
    assert solution.rank == rank
    assert solution.orthogonality <= 1e-12
    if 0 < rank < m:
        assert subspace_angles(solution.Q.to_dense(), Q).max() <= 1e-7


class InItsPrecision(LinearOperator):
    """A matrix that computes in the precision of what it is given, and counts the products in single."""

    def __init__(self, matrix):
        self.matrices = {np.dtype(t): matrix.astype(t) for t in (np.float32, np.float64)}
        self.n_single = 0
        super().__init__(np.float64, matrix.shape)

    def _matmat(self, X):
        self.n_single += X.dtype == np.float32
        return self.matrices[X.dtype] @ X

    def _rmatmat(self, X):
        return self.matrices[X.dtype].T @ X

    _matvec, _rmatvec = _matmat, _rmatmat


def test_single_precision_iterations_end_in_double_precision(monkeypatch):
    import sys

    module = sys.modules["fastemlp.solver.krylov.projection"]
    monkeypatch.setattr(module, "FEW_STEPS", 0)
    monkeypatch.setattr(module, "WORTH", np.inf)
    sigma = np.random.default_rng(0).uniform(0.05, 1.0, 300)
    C, Q = planted(400, sigma, 100)
    mixed, double = InItsPrecision(C.A), InItsPrecision(C.A)
    for operator, flag in ((mixed, True), (double, False)):
        solution = lanczos(operator, mixed=flag)
        check(solution, 100)
        assert subspace_angles(solution.Q.to_dense(), Q).max() <= 1e-10
    assert mixed.n_single > 10
    assert double.n_single == 0


def test_the_basis_has_to_fit_the_budget():
    C = tensor_power(6, so(3))
    with pytest.raises(ValueError, match=r"dimension 1\d or more.*holds 5 of them. Raise memory"):
        lanczos(C, memory_budget=729 * 8 * 5)
    assert lanczos(C, memory_budget=729 * 8 * 40).rank == 15
    with pytest.raises(ValueError, match=r"every vector is null.*\(81, 81\)"):
        lanczos(tensor_power(4, [], [np.eye(3)]), memory_budget=1000)
    with pytest.raises(ValueError, match="expected memory_budget ≥ 1, got 0"):
        lanczos(C, memory_budget=0)


def test_same_seed_same_bits():
    C = tensor_power(6, conjugated(so(3)))
    first, second = lanczos(C, random_state=3), lanczos(C, random_state=3)
    np.testing.assert_array_equal(first.Q.to_dense(), second.Q.to_dense())
    other = lanczos(C, random_state=4)
    assert not np.array_equal(first.Q.to_dense(), other.Q.to_dense())


def test_nan_is_refused():
    bad = so(3)
    bad[0][0, 1] = np.nan
    with pytest.raises(ConvergenceError, match="returned NaN or infinity"):
        lanczos(tensor_power(5, bad))


def test_strategies_are_told():
    assert lanczos(tensor_power(6, so(3))).strategies == ("lanczos",)
    assert lanczos(tensor_power(6, conjugated(so(3)))).strategies == ("balance", "lanczos")
    assert lanczos(tensor_power(3, so(3))).strategies == ("lanczos", "dense")
    tiny, _ = planted(200, np.append(np.linspace(0.1, 1, 169), 1e-6), 30)
    assert lanczos(tiny).strategies == ("lanczos", "block_lanczos")
    assert lanczos(aslinearoperator(np.zeros((3, 60)))).strategies == ("lanczos",)
