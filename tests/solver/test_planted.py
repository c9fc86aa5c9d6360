"""Operators with a planted spectrum: the rank is right, or the solver says that it cannot tell."""

import pickle
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.linalg import subspace_angles
from scipy.sparse.linalg import LinearOperator, aslinearoperator
from solver.operators import conjugated, planted, so, tensor_power

from fastemlp.exceptions import CertificationError, ConvergenceError, Status
from fastemlp.solver import dense, solve_nullspace
from fastemlp.solver.krylov.block_lanczos import block_lanczos
from fastemlp.solver.krylov.lanczos import lanczos

METHODS = [dense, block_lanczos, lanczos]
ITERATIVE = [block_lanczos, lanczos]


def spread(n, low=1e-2, seed=0):
    return np.random.default_rng(seed).uniform(low, 1.0, n)


@pytest.mark.parametrize("solve", METHODS)
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("rank", [0, 1, 16, 40])
def test_planted_nullspace(solve, dtype, rank):
    C, Q = planted(160, spread(160 - rank), rank, dtype=dtype, n_rows=200)
    solution = solve(C)
    assert solution.Q.to_dense().shape == (160, rank)
    assert solution.Q.to_dense().dtype == dtype
    assert solution.residual <= 1e-10
    assert solution.orthogonality <= 1e-12
    assert solution.status is Status.CONVERGED
    if rank:
        assert subspace_angles(solution.Q.to_dense(), Q).max() <= 1e-8


@pytest.mark.parametrize("solve", METHODS)
@pytest.mark.parametrize("n_rows", [30, 150])
def test_fewer_rows_than_columns(solve, n_rows):
    C, _ = planted(160, spread(n_rows), 160 - n_rows, n_rows=n_rows)
    solution = solve(C)
    assert solution.rank == 160 - n_rows
    assert solution.residual <= 1e-10


@pytest.mark.parametrize("solve", ITERATIVE)
@pytest.mark.parametrize("tiny", [1e-3, 1e-5, 1e-6])
@pytest.mark.parametrize("n_tiny", [1, 25])
def test_tiny_singular_values_are_not_null(solve, tiny, n_tiny):
    sigma = np.concatenate([spread(170 - n_tiny, 0.1), tiny * spread(n_tiny, 0.5)])
    C, Q = planted(200, sigma, 30)
    solution = solve(C)
    assert solution.rank == 30
    assert solution.residual <= 1e-11
    # The angle is that of the problem: roundoff over the gap.
    assert subspace_angles(solution.Q.to_dense(), Q).max() <= 1e-13 / tiny
    assert solution.gap == pytest.approx(sigma.min(), rel=0.2)


@pytest.mark.parametrize("solve", [*ITERATIVE, dense])
@pytest.mark.parametrize("tiny", [1e-8, 3e-9])
def test_gaps_so_small_that_roundoff_turns_the_nullspace_are_refused(solve, tiny):
    C, _ = planted(200, np.append(spread(169, 0.1), tiny), 30)
    with pytest.raises(CertificationError, match=r"within an angle of 1e-08 .* Use method='auto'"):
        solve(C)


@pytest.mark.parametrize("solve", ITERATIVE)
@pytest.mark.parametrize("tiny", [6e-10, 1e-10, 3e-11])
def test_values_near_the_cut_are_refused(solve, tiny):
    C, _ = planted(200, np.append(spread(169, 0.1), tiny), 30)
    with pytest.raises(ConvergenceError, match="expected a gap"):
        solve(C)


@pytest.mark.parametrize("solve", ITERATIVE)
def test_values_below_the_tolerance_are_zero(solve):
    C, _ = planted(200, np.append(spread(169, 0.1), 2e-12), 30)
    assert solve(C).rank == 31
    with pytest.raises(CertificationError, match="within an angle"):
        solve(C, tol=1e-14)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("allowed", [1, 100, 3000])
def test_polish_makes_up_for_loose_ritz_vectors(monkeypatch, seed, allowed):
    # Null vectors that Lanczos left at 1e-11 used to be taken for nonzero: rank 13 for 15.
    # The function of the same name hides the module from ``import``.
    monkeypatch.setattr(sys.modules[block_lanczos.__module__], "RITZ_ERROR", allowed)
    C, Q = planted(220, np.append(spread(196, 0.05), np.logspace(-2, -4, 4)), 20, seed=seed)
    solution = block_lanczos(C, block_size=4, random_state=seed)
    assert solution.rank == 20
    assert solution.residual <= 1e-12
    assert subspace_angles(solution.Q.to_dense(), Q).max() <= 1e-8


@pytest.mark.parametrize("solve", METHODS)
def test_graded_spectrum(solve):
    sigma = np.logspace(0, -5, 180)
    C, _ = planted(200, sigma, 20)
    solution = solve(C)
    assert solution.rank == 20
    assert solution.gap == pytest.approx(1e-5, rel=0.05)


@settings(max_examples=20, deadline=None)
@given(
    m=st.integers(1, 90),
    share=st.floats(0, 1),
    decades=st.floats(0, 5),
    distinct=st.integers(1, 90),
    block_size=st.integers(1, 20),
    seed=st.integers(0, 2**16),
)
@example(m=90, share=0.5, decades=5.0, distinct=2, block_size=1, seed=0)
def test_any_planted_spectrum(m, share, decades, distinct, block_size, seed):
    rank = round(share * m)
    values = np.logspace(0, -decades, distinct)
    sigma = np.random.default_rng(seed).choice(values, m - rank)
    C, Q = planted(m, sigma, rank, seed=seed)
    solution = block_lanczos(C, block_size=block_size, random_state=seed)
    assert solution.rank == rank
    assert solution.orthogonality <= 1e-12
    if 0 < rank < m:
        assert subspace_angles(solution.Q.to_dense(), Q).max() <= 1e-7


@pytest.mark.parametrize("solve", METHODS)
def test_ambiguous_gap_raises(solve):
    # A staircase through the cut: no value is clearly zero or clearly not.
    sigma = np.concatenate([spread(100, 0.1), np.logspace(-9, -14, 16)])
    C, _ = planted(120, sigma, 4)
    with pytest.raises(ConvergenceError, match=r"expected a gap of at least 1e\+03 .* got") as info:
        solve(C)
    assert info.value.status is Status.AMBIGUOUS_RANK
    assert "check the generators" in str(info.value)


def test_max_steps_raises_with_what_was_found():
    C, _ = planted(300, np.logspace(0, -4, 260), 40)
    with pytest.raises(ConvergenceError, match=r"max_steps = 3.*Raise max_steps") as info:
        block_lanczos(C, max_steps=3)
    assert info.value.solution.Q.to_dense().shape[0] == 300
    assert info.value.solution.status is Status.MAX_STEPS
    again = pickle.loads(pickle.dumps(info.value))
    assert again.status is Status.MAX_STEPS
    assert str(again) == str(info.value)


@pytest.mark.parametrize("solve", ITERATIVE)
def test_tolerance_below_roundoff_is_refused(solve):
    C, _ = planted(200, spread(180), 20)
    with pytest.raises(ConvergenceError, match=r"expected (‖C q‖|a gap)"):
        solve(C, tol=1e-19)
    assert issubclass(CertificationError, ConvergenceError)


@pytest.mark.parametrize("solve", METHODS)
@pytest.mark.parametrize("n_rows", [0, 5])
@pytest.mark.parametrize("m", [0, 1, 7, 60])
def test_no_constraint_leaves_everything(solve, n_rows, m):
    C = aslinearoperator(np.zeros((n_rows, m)))
    solution = solve(C)
    np.testing.assert_array_equal(solution.Q.to_dense(), np.eye(m))
    assert solution.gap == np.inf
    assert solution.residual == 0.0


@pytest.mark.parametrize("solve", METHODS)
def test_one_column(solve):
    assert solve(aslinearoperator(np.full((3, 1), 2.0))).rank == 0


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
@pytest.mark.parametrize("solve", METHODS)
def test_single_precision_stays_single(solve, dtype):
    C, Q = planted(150, spread(130, 0.2), 20, dtype=dtype)
    solution = solve(C)
    assert solution.Q.to_dense().dtype == dtype
    assert solution.rank == 20
    assert solution.residual <= 1e-4
    assert subspace_angles(solution.Q.to_dense(), Q).max() <= 1e-3


def test_small_budget_restarts_and_agrees():
    C = tensor_power(6, conjugated(so(3)))
    bounded = block_lanczos(C, memory_budget=729 * 8 * 200, block_size=8)
    assert bounded.n_restarts > 0
    assert bounded.rank == 15
    assert subspace_angles(bounded.Q.to_dense(), block_lanczos(C).Q.to_dense()).max() <= 1e-8


def test_krylov_basis_stays_in_the_budget(monkeypatch):
    from fastemlp.solver.krylov import recurrence

    sizes = []
    build = recurrence.BlockKrylov.__init__

    def recorded(self, *args):
        build(self, *args)
        sizes.append(self.V.nbytes)

    monkeypatch.setattr(recurrence.BlockKrylov, "__init__", recorded)
    C, _ = planted(400, np.logspace(0, -1, 380), 20)
    budget = 400 * 8 * 100
    solution = block_lanczos(C, memory_budget=budget)
    assert solution.rank == 20
    assert solution.n_restarts > 0
    assert max(sizes) <= budget


def test_budget_too_small_says_how_much():
    C, _ = planted(400, spread(360), 40)
    with pytest.raises(ValueError, match=r"holds 3 vectors of length 400.*memory_budget ≥ 51200"):
        block_lanczos(C, memory_budget=400 * 8 * 3)
    with pytest.raises(ValueError, match=r"dense: C of shape .*Use lanczos"):
        dense(C, memory_budget=1000)


def test_same_seed_same_bits():
    C = tensor_power(6, so(3))
    np.random.seed(0)  # noqa: NPY002  the global state must neither matter nor move
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = block_lanczos(C, random_state=3), block_lanczos(C, random_state=3)
    np.testing.assert_array_equal(first.Q.to_dense(), second.Q.to_dense())
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    other = block_lanczos(C, random_state=4)
    assert not np.array_equal(first.Q.to_dense(), other.Q.to_dense())
    assert subspace_angles(first.Q.to_dense(), other.Q.to_dense()).max() <= 1e-8


class Recording(LinearOperator):
    """A matrix with ``normal_matmat`` that notes the layout of what it is given."""

    def __init__(self, matrix):
        super().__init__(matrix.dtype, matrix.shape)
        self.matrix, self.layouts, self.n_normal = matrix, [], 0

    def _matmat(self, X):
        self.layouts.append(X.flags.c_contiguous)
        return self.matrix @ X

    def normal_matmat(self, X):
        self.layouts.append(X.flags.c_contiguous)
        self.n_normal += X.shape[1]
        return self.matrix.T @ (self.matrix @ X)


def test_normal_matmat_is_used_and_blocks_are_contiguous():
    C = Recording(planted(200, spread(180), 20)[0].A)
    solution = block_lanczos(C)  # there is no rmatmat to fall back on
    assert solution.rank == 20
    assert C.n_normal > 0
    assert all(C.layouts)
    assert solution.n_matvecs >= 2 * C.n_normal


@pytest.mark.parametrize("solve", METHODS)
def test_nan_fails(solve):
    matrix = np.eye(100)
    matrix[3, 4] = np.nan
    with pytest.raises(ConvergenceError, match="returned NaN or infinity"):
        solve(aslinearoperator(matrix))


def test_bad_input_is_named():
    C = aslinearoperator(np.eye(4, dtype=int))
    with pytest.raises(TypeError, match=r"dense: expected dtype float32.*got int64"):
        dense(C)
    with pytest.raises(ValueError, match="expected block_size ≥ 1, got 0"):
        block_lanczos(aslinearoperator(np.eye(4)), block_size=0)
    with pytest.raises(ValueError, match=r"expected method to be one of auto.*got 'magic'"):
        solve_nullspace(aslinearoperator(np.eye(4)), method="magic")


def test_auto_tells_its_choice():
    small, _ = planted(60, spread(50), 10)
    large, _ = planted(600, spread(590), 10)
    assert solve_nullspace(small).strategies == ("dense",)
    assert solve_nullspace(large, method="lanczos").strategies[0] == "lanczos"
    assert solve_nullspace(small, method="dense").strategies == ("dense",)
    assert block_lanczos(aslinearoperator(np.eye(20))).strategies == ("block_lanczos", "dense")


def test_solution_is_frozen_and_readable():
    solution = dense(planted(60, spread(50), 10)[0])
    with pytest.raises(AttributeError):
        solution.residual = 0.0
    with pytest.raises(ValueError, match="read-only"):
        solution.Q.to_dense()[0, 0] = 1.0
    assert "nullspace of dimension 10 in 60, certified by dense" in str(solution)
    assert "found and checked" in str(solution)


def test_verbose_shows_progress_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    block_lanczos(planted(200, spread(180), 20)[0], verbose=1)
    assert "block_lanczos" in capsys.readouterr().err
