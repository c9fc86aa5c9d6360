"""Every kind of factored basis keeps the same promises, alone and inside others."""

import json
import pickle

import numpy as np
import pytest
from scipy.linalg import block_diag

from fastemlp.bases.constraint import constraint
from fastemlp.groups import SO, C, Group, S, U
from fastemlp.isometries import (
    Composition,
    DenseIsometry,
    DirectSumIsometry,
    Isometry,
    OrbitIsometry,
)
from fastemlp.reps import V
from fastemlp.solver import orbits, schur
from fastemlp.store.tree import CLASSES


def unitary(m, r, is_complex=False, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, r)) + is_complex * 1j * rng.standard_normal((m, r))
    return np.linalg.qr(X if is_complex else X.real)[0]


DENSE = DenseIsometry(unitary(7, 3))
COMPLEX = DenseIsometry(unitary(6, 4, is_complex=True))
EMPTY = DenseIsometry(np.zeros((5, 0)))
ORBITS = orbits(constraint((V**3)(S(3)))).Q
PHASES = orbits(constraint((V**2)(Group(discrete_generators=[[[0, 1j], [1, 0]]])))).Q
SCHUR = schur(constraint((V**4)(SO(3)))).Q
UNITARY = schur(constraint((V * V.T)(U(2)))).Q
NONE = schur(constraint(V(SO(3)))).Q
INNER = DenseIsometry(unitary(ORBITS.rank, 2))

KINDS = {
    "dense": (DENSE, None),
    "dense complex": (COMPLEX, None),
    "dense of rank 0": (EMPTY, None),
    "dense, all": (DenseIsometry(np.eye(4)), None),
    "orbits": (ORBITS, None),
    "orbits with phases": (PHASES, None),
    "schur": (SCHUR, None),
    "schur complex": (UNITARY, None),
    "schur of rank 0": (NONE, None),
    "composition": (Composition(ORBITS, INNER), ORBITS.to_dense() @ INNER.to_dense()),
    "composition of compositions": (
        Composition(Composition(ORBITS, INNER), DenseIsometry(unitary(2, 1))),
        ORBITS.to_dense() @ INNER.to_dense() @ unitary(2, 1),
    ),
    "composition with rank 0": (
        Composition(ORBITS, DenseIsometry(np.zeros((ORBITS.rank, 0)))),
        np.zeros((27, 0)),
    ),
    "composition, real then complex": (
        Composition(ORBITS, DenseIsometry(unitary(5, 2, is_complex=True))),
        ORBITS.to_dense() @ unitary(5, 2, is_complex=True),
    ),
    "sum": (
        DirectSumIsometry([(DENSE, 2), (SCHUR, 1), (EMPTY, 3)], None),
        block_diag(*[DENSE.to_dense()] * 2, SCHUR.to_dense(), *[EMPTY.to_dense()] * 3),
    ),
    "permuted sum": (
        DirectSumIsometry([(DENSE, 1), (ORBITS, 2)], np.random.default_rng(0).permutation(61)),
        None,
    ),
    "complex sum": (
        DirectSumIsometry([(DENSE, 1), (UNITARY, 2)], None),
        block_diag(DENSE.to_dense(), *[UNITARY.to_dense()] * 2),
    ),
    "sum of nothing": (DirectSumIsometry([], None), np.zeros((0, 0))),
}
kinds = pytest.mark.parametrize(("Q", "matrix"), KINDS.values(), ids=KINDS)


@kinds
def test_matrix(Q, matrix):
    assert isinstance(Q, Isometry)
    dense = Q.to_dense()
    assert dense.shape == Q.shape
    assert Q.rank == Q.shape[1]
    if Q.shape[0]:
        assert dense.dtype == Q.dtype
    if matrix is not None:
        np.testing.assert_allclose(dense, matrix, rtol=0, atol=1e-14)
    np.testing.assert_allclose(dense.conj().T @ dense, np.eye(Q.rank), rtol=0, atol=1e-13)
    np.testing.assert_allclose(Q.to_sparse().toarray(), dense, rtol=0, atol=1e-14)
    assert Q.to_sparse().shape == Q.shape


def test_a_permuted_sum_scatters_its_rows():
    perm = np.random.default_rng(0).permutation(61)
    Q = DirectSumIsometry([(DENSE, 1), (ORBITS, 2)], perm)
    blocks = block_diag(DENSE.to_dense(), ORBITS.to_dense(), ORBITS.to_dense())
    # x[perm] is in block coordinates
    np.testing.assert_allclose(Q.to_dense()[perm], blocks, rtol=0, atol=1e-15)


@kinds
@pytest.mark.parametrize("shape", [(), (1,), (3,), (0,)])
def test_products_and_adjoint(Q, matrix, shape):
    rng, dense = np.random.default_rng(0), Q.to_dense()
    x, v = rng.standard_normal((Q.rank, *shape)), rng.standard_normal((Q.shape[0], *shape))
    np.testing.assert_allclose(Q @ x, dense @ x, rtol=0, atol=1e-13)
    np.testing.assert_allclose(Q.H @ v, dense.conj().T @ v, rtol=0, atol=1e-13)
    np.testing.assert_allclose(Q.T @ v, dense.T @ v, rtol=0, atol=1e-13)
    np.testing.assert_allclose(np.vdot(v, Q @ x), np.vdot(Q.H @ v, x), rtol=0, atol=1e-12)
    np.testing.assert_allclose(Q.H @ (Q @ x), x, rtol=0, atol=1e-13)
    once = Q.project(v)
    assert once.shape == v.shape
    np.testing.assert_allclose(Q.project(once), once, rtol=0, atol=1e-13)


@kinds
def test_precision(Q, matrix):
    single = np.dtype(np.complex64 if Q.dtype.kind == "c" else np.float32)
    small = Q.astype(single)
    if not Q.shape[0]:
        return
    x, v = np.ones((Q.rank, 2), single), np.ones((Q.shape[0], 2), single)
    for result in (small @ x, small.H @ v, small.project(v), small.to_dense()):
        assert result.dtype == small.dtype == single
    np.testing.assert_allclose(small.to_dense(), Q.to_dense(), rtol=0, atol=1e-6)
    wide = Q.astype(np.complex128)
    assert wide.dtype == wide.to_dense().dtype == np.complex128


def rebuilt(Q):
    """Through plain data and back, children first."""
    meta, arrays, children = Q.state()
    kind = CLASSES[type(Q).__name__]
    return kind.from_state(
        json.loads(json.dumps(meta)), dict(arrays), tuple(rebuilt(child) for child in children)
    )


@kinds
def test_state_round_trip(Q, matrix):
    for twin in (rebuilt(Q), pickle.loads(pickle.dumps(Q))):
        assert type(twin) is type(Q)
        assert (twin.shape, twin.dtype, twin.nbytes) == (Q.shape, Q.dtype, Q.nbytes)
        np.testing.assert_array_equal(twin.to_dense(), Q.to_dense())


@kinds
def test_orthogonality_is_honest(Q, matrix):
    dense = Q.to_dense()
    truth = np.abs(dense.conj().T @ dense - np.eye(Q.rank)).max(initial=0.0)
    assert truth <= 10 * (Q.orthogonality() + 1e-15)
    assert Q.orthogonality() <= 1e-13


def test_what_is_not_orthonormal_says_so():
    bad = np.eye(4)
    bad[0, 0] = 1 + 1e-6
    Q = DenseIsometry(bad)
    assert Q.orthogonality() == pytest.approx(2e-6, rel=1e-3)
    assert Composition(DenseIsometry(np.eye(4)), Q).orthogonality() > 1e-6
    assert DirectSumIsometry([(DENSE, 1), (Q, 2)], None).orthogonality() > 1e-6


def test_representation_names_kind_and_shape():
    assert repr(DENSE).startswith("DenseIsometry(shape=(7, 3)")
    assert repr(SCHUR).startswith("SchurIsometry(shape=(81, 3)")
    assert repr(OrbitIsometry(np.zeros(3, int), np.array([3]))).startswith(
        "OrbitIsometry(shape=(3, 1)"
    )


def test_multiplicity_costs_nothing():
    many = DirectSumIsometry([(schur(constraint((V**4)(C(5)))).Q, 1000)], None)
    assert many.nbytes < 10 * schur(constraint((V**4)(C(5)))).Q.nbytes
    x = np.random.default_rng(0).standard_normal(many.rank)
    np.testing.assert_allclose(many.H @ (many @ x), x, rtol=0, atol=1e-12)


def test_no_copies_of_a_type_take_no_room():
    Q = DirectSumIsometry([(DENSE, 0), (DENSE, 2), (ORBITS, 0)], None)
    expected = DirectSumIsometry([(DENSE, 2)], None)
    np.testing.assert_array_equal(Q.to_dense(), expected.to_dense())
    np.testing.assert_array_equal(Q.to_sparse().toarray(), expected.to_dense())
