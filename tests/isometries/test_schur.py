"""Bases of intertwiners as operators: adjoint, orthonormality, precision, storage, and an honest certificate."""

import json
import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array

from fastemlp.bases.constraint import constraint
from fastemlp.groups import SL, SO, SU, C, D, Group, O, S, SO13p, Sp, Trivial, U
from fastemlp.irreducibles.intertwiners import SchurIsometry
from fastemlp.operators import TensorConstraint
from fastemlp.reps import Rep, T, V
from fastemlp.solver import schur
from fastemlp.solver.counted_operator import CountedOperator, estimate_norm

QUATERNIONS = Group(
    discrete_generators=[
        [[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, -1], [0, 0, 1, 0]],
        [[0, 0, -1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, -1, 0, 0]],
    ],
    name="Q8",
)


class Determinant(Rep):
    """A factor of size 1."""

    def size(self):
        return 1

    def rho(self, g):
        return np.linalg.det(g).reshape(1, 1)


REPS = {
    "even": (V**4)(SO(3)),
    "odd": (V**5)(SO(3)),
    "one factor": V(S(3)),
    "unequal factors": V(SO(3)) * V(S(4)) * V(SO(3)),
    "three factors": (V**3)(SO(3)),
    "complex type": (V**4)(C(5)),
    "quaternionic type": (V**4)(QUATERNIONS),
    "dual factors": T(2, 2, SL(3)),
    "not compact": (V**2 * V.T**2)(SO13p()),
    "complex": (V**2 * V.conj() ** 2)(U(2)),
    "complex, odd": (V**3)(SU(3)),
    "many copies": (V**4)(S(4)),
    "everything": (V**3)(Trivial(2)),
    "rank 0": (V**3)(O(3)),
    "rank 0, one factor": V(SO(3)),
    "rank 0, complex": (V**3)(U(2)),
    "factors of size 1": (Determinant() * Determinant() * V**2)(O(3)),
    "one factor of size 1": (Determinant() * V**3)(O(3)),
    "size 1": Determinant()(O(2)),
    "size 1 and fixed": (Determinant() * Determinant())(O(2)),
}
many = pytest.mark.parametrize("rep", REPS.values(), ids=REPS)


def basis(rep):
    Q = schur(constraint(rep.canonical()[0])).Q
    assert isinstance(Q, SchurIsometry)
    return Q


def random(rng, shape, dtype):
    X = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        X = X + 1j * rng.standard_normal(shape)
    return X.astype(dtype)


@many
def test_matrix_is_orthonormal_and_found_column_by_column(rep):
    Q = basis(rep)
    matrix = Q.to_dense()
    assert matrix.shape == Q.shape == (rep.size(), Q.rank)
    assert matrix.dtype == Q.dtype
    np.testing.assert_allclose(matrix.conj().T @ matrix, np.eye(Q.rank), rtol=0, atol=1e-13)
    for j, e in enumerate(np.eye(Q.rank)[:5]):
        np.testing.assert_allclose(Q @ e, matrix[:, j], rtol=0, atol=1e-15)
    sparse = Q.to_sparse()
    assert sparse.format == "csc"
    assert sparse.shape == Q.shape
    np.testing.assert_allclose(sparse.toarray(), matrix, rtol=0, atol=1e-14)


@many
@pytest.mark.parametrize("shape", [(), (1,), (3,), (0,)])
def test_products_and_adjoint(rep, shape):
    Q, rng = basis(rep), np.random.default_rng(0)
    matrix = Q.to_dense()
    x, v = random(rng, (Q.rank, *shape), Q.dtype), random(rng, (Q.shape[0], *shape), Q.dtype)
    assert (Q @ x).shape == v.shape
    assert (Q.H @ v).shape == x.shape
    np.testing.assert_allclose(Q @ x, matrix @ x, rtol=0, atol=1e-13)
    np.testing.assert_allclose(Q.H @ v, matrix.conj().T @ v, rtol=0, atol=1e-13)
    np.testing.assert_allclose(Q.T @ v, matrix.T @ v, rtol=0, atol=1e-13)
    # ⟨v, Q x⟩ = ⟨Qᴴ v, x⟩
    np.testing.assert_allclose(np.vdot(v, Q @ x), np.vdot(Q.H @ v, x), rtol=0, atol=1e-11)
    np.testing.assert_allclose(Q.H @ (Q @ x), x, rtol=0, atol=1e-13)
    once = Q.project(v)
    np.testing.assert_allclose(once, matrix @ (matrix.conj().T @ v), rtol=0, atol=1e-13)
    np.testing.assert_allclose(Q.project(once), once, rtol=0, atol=1e-13)


@many
def test_strided_and_read_only_operands(rep):
    Q, rng = basis(rep), np.random.default_rng(0)
    X = random(rng, (Q.rank, 6), Q.dtype)
    v = random(rng, (Q.shape[0], 6), Q.dtype)
    for array in (X, v):
        array.flags.writeable = False
    np.testing.assert_allclose(Q @ X[:, ::2], (Q @ X)[:, ::2], rtol=0, atol=1e-14)
    np.testing.assert_allclose(Q.H @ v[:, ::-2], (Q.H @ v)[:, ::-2], rtol=0, atol=1e-14)
    np.testing.assert_allclose(Q @ np.asfortranarray(X), Q @ X, rtol=0, atol=1e-14)
    np.testing.assert_allclose(Q.H @ np.asfortranarray(v), Q.H @ v, rtol=0, atol=1e-14)


@many
def test_real_operands_of_complex_bases_and_complex_ones_of_real(rep):
    Q, rng = basis(rep), np.random.default_rng(0)
    matrix = Q.to_dense()
    for dtype in (np.float64, np.complex128):
        x, v = random(rng, (Q.rank, 2), dtype), random(rng, (Q.shape[0], 2), dtype)
        np.testing.assert_allclose(Q @ x, matrix @ x, rtol=0, atol=1e-13)
        np.testing.assert_allclose(Q.H @ v, matrix.conj().T @ v, rtol=0, atol=1e-13)


@many
def test_single_precision_stays_single(rep):
    Q = basis(rep)
    single = np.dtype(np.complex64 if Q.dtype.kind == "c" else np.float32)
    small = Q.astype(single)
    assert small.dtype == single
    assert small.shape == Q.shape
    x, v = np.ones((Q.rank, 2), single), np.ones((Q.shape[0], 2), single)
    for result in (small @ x, small.H @ v, small.project(v), small.to_dense()):
        assert result.dtype == single
    for array in small.state()[1].values():
        assert array.dtype.itemsize <= single.itemsize
    np.testing.assert_allclose(small.to_dense(), Q.to_dense(), rtol=0, atol=1e-6)
    assert small.orthogonality() < 1e-5
    assert Q.astype(Q.dtype).dtype == Q.dtype
    back = small.astype(Q.dtype)
    assert back.dtype == Q.dtype


@many
def test_state_round_trip(rep):
    Q = basis(rep)
    meta, arrays, children = Q.state()
    assert children == ()
    assert Q.nbytes == sum(array.nbytes for array in arrays.values())
    twin = SchurIsometry.from_state(json.loads(json.dumps(meta)), arrays, children)
    for other in (twin, pickle.loads(pickle.dumps(Q))):
        assert other.shape == Q.shape
        assert other.dtype == Q.dtype
        assert other.nbytes == Q.nbytes
        np.testing.assert_array_equal(other.to_dense(), Q.to_dense())
        v = np.ones(Q.shape[0])
        np.testing.assert_array_equal(other.H @ v, Q.H @ v)


@many
def test_factors_are_read_only(rep):
    Q = basis(rep)
    for made in (Q, Q.astype(np.complex64), SchurIsometry.from_state(*Q.state())):
        assert not any(array.flags.writeable for array in made.state()[1].values())


def test_what_both_words_use_is_stored_once():
    Q = basis((V**8)(SO(3)))
    _, arrays, _ = Q.state()
    # the products of 0, 1, 2, 3 with a vector
    assert sorted(arrays["U" + str(i)].size for i in range(4)) == [9, 81, 225, 441]
    assert len(arrays) == 4 + 5
    assert Q.astype(np.float32).nbytes == Q.nbytes // 2
    assert SchurIsometry.from_state(*Q.state()).nbytes == Q.nbytes


def test_the_empty_word():
    A = csr_array([[0.0, -1.0], [1.0, 0.0]])
    Q = schur(TensorConstraint([], [2], [[A]], [])).Q
    assert Q.shape == (1, 1)
    np.testing.assert_allclose(np.abs(Q.to_dense()), [[1]])
    np.testing.assert_allclose(Q.project(np.array([3.0])), [3.0])


def test_a_basis_too_large_to_write_out():
    Q = basis((V**14)(SO(3)))
    with pytest.raises(MemoryError, match=r"SchurIsometry.to_dense: .*\(4782969, 30537\), float64"):
        Q.to_dense()
    with pytest.raises(MemoryError, match=r"SchurIsometry.to_sparse: .* Q @ coef"):
        Q.to_sparse()


def test_vectors_of_a_large_basis():
    """Seven million coordinates: what comes out is fixed by the group and has the length that went in."""
    rep = (V**12)(SO(3))
    Q, rng = basis(rep), np.random.default_rng(0)
    x = rng.standard_normal(Q.rank)
    v = Q @ x
    np.testing.assert_allclose(np.linalg.norm(v), np.linalg.norm(x), rtol=1e-12)
    np.testing.assert_allclose(Q.H @ v, x, rtol=0, atol=1e-12)
    for op in constraint(rep).operators:
        assert np.linalg.norm(op @ v) <= 1e-11 * np.linalg.norm(v)
    single = Q.astype(np.float32)
    assert np.linalg.norm(single @ x.astype(np.float32) - v) <= 1e-5 * np.linalg.norm(v)


@pytest.mark.parametrize(
    "rep",
    [
        *(rep for rep in REPS.values() if rep.size() > 1),
        (V**9)(SO(3)),
        (V**6)(O(5)),
        (V**6)(Sp(2)),
        (V**6)(SO(4)),
        T(4, 4, SL(3)),
        T(3, 3, U(3)),
        (V**5)(D(5)),
        (V**6)(S(4)),
        (V**8)(SU(3)),
        (V**4)(Group(discrete_generators=[np.diag([100.0, 0.01])])),
    ],
    ids=str,
)
def test_certificate_is_no_better_than_the_truth(rep):
    op = constraint(rep.canonical()[0])
    solution = schur(op)
    columns = np.random.default_rng(0).permutation(solution.rank)[:40]
    Q = solution.Q @ np.eye(solution.rank, dtype=op.dtype)[:, columns]
    norm = estimate_norm(CountedOperator(op, "test"), np.random.default_rng(0))
    residual = np.linalg.norm(op.matmat(Q), axis=0).max(initial=0.0) / norm if norm else 0.0
    orthogonality = np.abs(Q.conj().T @ Q - np.eye(len(columns))).max(initial=0.0)
    # what rounding does to a product is no fault of the basis
    rounding = np.finfo(float).eps * max(1, len(op.slots))
    assert residual <= 10 * (solution.residual + rounding)
    assert orthogonality <= 10 * (solution.orthogonality + rounding)
    assert orthogonality <= 10 * (solution.Q.orthogonality() + rounding)
    assert solution.residual <= 1e-12
