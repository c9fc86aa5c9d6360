"""Operators by their dense matrices and the adjoint identity."""

import numpy as np
import oracles
import pytest
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator

from fastemlp.operators import (
    DirectSum,
    KroneckerProduct,
    KroneckerSum,
    MinusIdentity,
    Permuted,
    Stack,
    to_dense,
)


def gaussian(shape, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def sparse(d, dtype=np.float64, seed=0):
    """A matrix that is not symmetric, half zero."""
    A = gaussian((d, d), dtype, seed)
    return A * (np.abs(A) > np.median(np.abs(A)))


def blocks(*matrices):
    n = sum(len(A) for A in matrices)
    out = np.zeros((n, n), np.result_type(np.float64, *matrices))
    start = 0
    for A in matrices:
        out[start : start + len(A), start : start + len(A)] = A
        start += len(A)
    return out


def examples(dtype):
    """Pairs (operator, its matrix): one of every kind, and nested ones."""
    A, B, C = (sparse(d, dtype, d) for d in (2, 3, 4))
    ksum = KroneckerSum([A, B, C], [2, 3, 4]), oracles.kron_sum([A, B, C])
    kprod = KroneckerProduct([A, csr_array(B), C], [2, 3, 4]), oracles.kron_product([A, B, C])
    gaps = KroneckerSum([None, B, None], [2, 3, 4]), np.kron(np.eye(2), np.kron(B, np.eye(4)))
    nothing = KroneckerSum([None, None], [2, 3]), np.zeros((6, 6))
    identity = KroneckerProduct([None, None], [2, 3]), np.eye(6)
    scalar = KroneckerProduct([], []), np.eye(1)
    some = KroneckerProduct([A, None], [2, 3]), np.kron(A, np.eye(3))
    dsum = DirectSum([(ksum[0], 1), (some[0], 3)]), blocks(ksum[1], *[some[1]] * 3)
    perm = np.random.default_rng(5).permutation(24)
    P = np.eye(24)[perm]
    permuted = Permuted(kprod[0], perm), P.T @ kprod[1] @ P
    minus = MinusIdentity(permuted[0]), permuted[1] - np.eye(24)
    stack = Stack([ksum[0], minus[0], kprod[0]], 24), np.vstack([ksum[1], minus[1], kprod[1]])
    return {
        "KroneckerSum": ksum,
        "KroneckerProduct": kprod,
        "KroneckerSum with identity slots": gaps,
        "KroneckerSum of nothing": nothing,
        "KroneckerProduct of nothing": identity,
        "KroneckerProduct of no slots": scalar,
        "KroneckerProduct with an identity slot": some,
        "DirectSum": dsum,
        "DirectSum of nothing": (DirectSum([]), np.zeros((0, 0))),
        "Permuted": permuted,
        "MinusIdentity": minus,
        "Stack": stack,
        "Stack of nothing": (Stack([], 5), np.zeros((0, 5))),
        "Permuted DirectSum": (
            Permuted(dsum[0], np.arange(42)[::-1]),
            dsum[1][::-1, ::-1],
        ),
    }


CASES = [(name, dtype) for dtype in (np.float64, np.complex128) for name in examples(np.float64)]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{np.dtype(case[1])}")
def example(request):
    name, dtype = request.param
    return examples(dtype)[name]


def test_operator_equals_its_matrix(example):
    op, matrix = example
    assert op.shape == matrix.shape
    np.testing.assert_allclose(to_dense(op), matrix, atol=1e-13)
    np.testing.assert_allclose(to_dense(op.H), matrix.conj().T, atol=1e-13)


def test_transpose_of_every_operator(example):
    """`.T` of a concatenated operator among them."""
    op, matrix = example
    np.testing.assert_allclose(to_dense(op.T), matrix.T, atol=1e-13)
    np.testing.assert_allclose(to_dense(op.T.H), matrix.conj(), atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_adjoint_identity(example, dtype):
    op, _ = example
    u, v = gaussian(op.shape[1], dtype, 1), gaussian(op.shape[0], dtype, 2)
    # ⟨Cu, v⟩ = ⟨u, Cᴴv⟩
    assert np.vdot(op @ u, v) == pytest.approx(np.vdot(u, op.H @ v), rel=1e-12, abs=1e-12)
    assert np.vdot(op @ u, v) == pytest.approx(np.vdot(u, op.rmatvec(v)), rel=1e-12, abs=1e-12)


def test_columns_of_every_width(example):
    op, matrix = example
    for b in (0, 1, 3):
        X = gaussian((op.shape[1], b))
        np.testing.assert_allclose(op.matmat(X), matrix @ X, atol=1e-12)
        Y = gaussian((op.shape[0], b))
        np.testing.assert_allclose(op.rmatmat(Y), matrix.conj().T @ Y, atol=1e-12)
    x = gaussian(op.shape[1])
    assert op.matvec(x).shape == (op.shape[0],)
    assert op.matvec(x[:, None]).shape == (op.shape[0], 1)
    assert op.rmatvec(gaussian((op.shape[0], 1))).shape == (op.shape[1], 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_precision_is_kept(example, dtype):
    op, matrix = example
    X, Y = gaussian((op.shape[1], 2), dtype), gaussian((op.shape[0], 2), dtype)
    # a complex operator makes a real vector complex, in the same precision
    expected = np.result_type(dtype, np.complex64) if op.dtype.kind == "c" else np.dtype(dtype)
    for got, wanted in (
        (op.matmat(X), matrix @ X),
        (op.rmatmat(Y), matrix.conj().T @ Y),
        (op.H.matmat(Y), matrix.conj().T @ Y),
        (op.T.matmat(Y), matrix.T @ Y),
    ):
        assert got.dtype == expected
        np.testing.assert_allclose(got, wanted, atol=1e3 * np.finfo(dtype).eps)
    assert op.matvec(X[:, 0]).dtype == expected


@pytest.mark.parametrize(
    "arrange",
    [
        np.asfortranarray,
        lambda X: X[::-1][::-1],
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: X.astype(int),
        lambda X: X.astype(np.float16),
        lambda X: X.astype(">f8"),
        lambda X: X.astype(">f4"),
        lambda X: X.astype(np.longdouble),
        lambda X: X > 0,
    ],
    ids=["fortran", "flipped", "strided", "int", "half", ">f8", ">f4", "longdouble", "bool"],
)
def test_any_array_of_numbers_is_accepted_and_left_alone(example, arrange):
    op, matrix = example
    X = arrange(gaussian((op.shape[1], 3)))
    X.flags.writeable = False
    before = X.copy()
    out = op.matmat(X)
    np.testing.assert_allclose(out, matrix @ X.astype(np.float64), atol=1e-4)
    np.testing.assert_array_equal(X, before)
    assert not np.shares_memory(out, X)


def test_the_result_is_not_the_argument(example):
    op, _ = example
    X = gaussian((op.shape[1], 1))
    assert not np.shares_memory(op.matmat(X), X)
    assert not np.shares_memory(op.matvec(X[:, 0]), X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("kind", [np.float64, np.complex128])
def test_normal_matmat(kind, dtype):
    op, matrix = examples(kind)["Stack"]
    X = gaussian((24, 3), dtype)
    got = op.normal_matmat(X)
    assert got.dtype == (np.result_type(dtype, np.complex64) if kind is np.complex128 else dtype)
    scale = np.linalg.norm(matrix, 2) ** 2
    np.testing.assert_allclose(
        got, matrix.conj().T @ matrix @ X, atol=100 * np.finfo(dtype).eps * scale
    )
    np.testing.assert_allclose(
        op.rmatmat(op.matmat(X)), got, atol=100 * np.finfo(dtype).eps * scale
    )


def test_normal_matmat_of_no_constraint_is_zero():
    X = gaussian((4, 2), np.float32)
    np.testing.assert_array_equal(Stack([], 4).normal_matmat(X), np.zeros((4, 2)))
    assert Stack([], 4).normal_matmat(X).dtype == np.float32


def test_scipy_composition_works():
    op, matrix = examples(np.float64)["Stack"]
    x = gaussian(24)
    np.testing.assert_allclose((op.H @ op) @ x, matrix.T @ matrix @ x, atol=1e-11)
    np.testing.assert_allclose((2 * op) @ x, 2 * matrix @ x, atol=1e-12)


def test_direct_sum_of_empty_blocks():
    empty = DirectSum([(DirectSum([]), 4), (KroneckerProduct([np.eye(2)], [2]), 1)])
    np.testing.assert_array_equal(to_dense(empty), np.eye(2))


def test_to_dense_reads_arrays_sparse_arrays_and_operators():
    A = sparse(3)
    for op in (A, csr_array(A), aslinearoperator(A)):
        np.testing.assert_array_equal(to_dense(op), A)


@pytest.mark.parametrize("kind", [KroneckerSum, KroneckerProduct])
def test_slots_that_do_not_fit_are_refused(kind):
    with pytest.raises(ValueError, match=r"slot 1 needs a matrix of shape \(3, 3\), got \(2, 2\)"):
        kind([np.eye(2), np.eye(2)], [2, 3])
    with pytest.raises(ValueError, match=r"one matrix per slot, got 1 matrices for 2 slots"):
        kind([np.eye(2)], [2, 3])


def test_stack_of_different_widths_is_refused():
    with pytest.raises(ValueError, match=r"operator 1 has 3 columns, expected 2"):
        Stack([KroneckerSum([np.eye(2)], [2]), KroneckerSum([np.eye(3)], [3])], 2)


def test_vector_of_the_wrong_length_is_refused(example):
    op, _ = example
    with pytest.raises(ValueError, match=r"[Dd]imension mismatch"):
        op @ np.ones(op.shape[1] + 1)
