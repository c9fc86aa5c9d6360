"""Orbit indicators as an operator: its matrix, its adjoint, its precision, and what it says of itself."""

import numpy as np
import pytest

from fastemlp.isometries import OrbitIsometry
from fastemlp.isometries.orbit import roots_of_unity

LABELS = np.array([0, 1, 1, -1, 2, 0, 1, 2, 0, 0, -1, 0], np.int32)
SIZES = np.array([5, 3, 2])
PHASES = np.array([0, 0, 1, 0, 0, 1, 1, 3, 2, 3, 0, 1], np.int8)

PERMUTATION = OrbitIsometry(LABELS, SIZES)
SIGNS = OrbitIsometry(LABELS, SIZES, PHASES % 2, 2)
FOURTH = OrbitIsometry(LABELS, SIZES, PHASES, 4)
KINDS = [PERMUTATION, SIGNS, FOURTH]


def matrix(Q):
    """The definition, entry by entry."""
    out = np.zeros(Q.shape, complex)
    for i, l in enumerate(Q.labels):
        if l >= 0:
            phase = 0 if Q.phases is None else Q.phases[i]
            out[i, l] = np.exp(2j * np.pi * phase / Q.n_phases) / np.sqrt(Q.sizes[l])
    return out


@pytest.mark.parametrize("Q", KINDS)
def test_matrix_is_the_definition(Q):
    np.testing.assert_allclose(Q.to_dense(), matrix(Q), rtol=0, atol=1e-15)
    np.testing.assert_array_equal(Q.to_sparse().toarray(), Q.to_dense())
    assert Q.to_sparse().nnz == np.sum(LABELS >= 0)
    assert Q.to_sparse().format == "csc"
    assert Q.to_sparse().dtype == Q.dtype


@pytest.mark.parametrize("Q", KINDS)
@pytest.mark.parametrize("shape", [(), (1,), (4,), (0,)])
def test_products_and_adjoint(Q, shape):
    rng = np.random.default_rng(0)
    x, v = rng.standard_normal((Q.rank, *shape)), rng.standard_normal((Q.shape[0], *shape))
    np.testing.assert_allclose(Q @ x, matrix(Q) @ x, rtol=0, atol=1e-14)
    np.testing.assert_allclose(Q.H @ v, matrix(Q).conj().T @ v, rtol=0, atol=1e-14)
    np.testing.assert_allclose(Q.H @ (Q @ x), x, rtol=0, atol=1e-14)
    np.testing.assert_allclose(
        Q.project(v), matrix(Q) @ (matrix(Q).conj().T @ v), rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("Q", KINDS)
def test_strided_and_read_only_operands(Q):
    X = np.asfortranarray(np.random.default_rng(0).standard_normal((Q.rank, 6)))[:, ::2]
    V = np.asfortranarray(np.random.default_rng(1).standard_normal((Q.shape[0], 6)))[:, ::2]
    X.flags.writeable = V.flags.writeable = False
    np.testing.assert_allclose(Q @ X, matrix(Q) @ X, rtol=0, atol=1e-14)
    np.testing.assert_allclose(Q.H @ V, matrix(Q).conj().T @ V, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("Q", "single"), [(SIGNS, np.float32), (FOURTH, np.complex64)])
def test_precision_is_that_of_both(Q, single):
    P = Q.astype(single)
    assert P.dtype == P.to_sparse().dtype == P.to_dense().dtype == single
    assert (P @ np.ones(3, single)).dtype == single
    assert (P.H @ np.ones(12, single)).dtype == single
    assert (P @ np.ones(3)).dtype == Q.dtype
    assert (Q @ np.ones(3, np.float32)).dtype == Q.dtype
    assert P.astype(Q.dtype).to_dense().tobytes() == Q.to_dense().tobytes()


def test_long_orbits_are_summed_in_double():
    m = 2**22
    Q = OrbitIsometry(np.zeros(m, np.int8), np.array([m]), dtype=np.float32)
    v = np.full(m, 0.1, np.float32)
    np.testing.assert_allclose(Q.H @ v, [v[0] * np.sqrt(m)], rtol=1e-7)


@pytest.mark.parametrize("Q", KINDS)
def test_orthogonality(Q):
    assert Q.orthogonality() <= 1e-15
    gram = Q.to_dense().conj().T @ Q.to_dense()
    np.testing.assert_allclose(gram, np.eye(3), rtol=0, atol=1e-15)


def test_wrong_sizes_and_labels_are_seen():
    assert OrbitIsometry(LABELS, np.array([5, 3, 4])).orthogonality() == 0.5
    assert OrbitIsometry(LABELS, SIZES[:2]).orthogonality() == np.inf


def test_empty():
    Q = OrbitIsometry(np.full(4, -1), np.zeros(0, int))
    assert Q.rank == 0
    assert Q.orthogonality() == 0.0
    np.testing.assert_array_equal(Q @ np.zeros(0), np.zeros(4))
    assert (Q.H @ np.ones(4)).shape == (0,)
    assert Q.to_sparse().shape == (4, 0)


@pytest.mark.parametrize("Q", KINDS)
def test_state_round_trip(Q):
    meta, arrays, children = Q.state()
    again = OrbitIsometry.from_state(meta, arrays, children)
    assert again.dtype == Q.dtype
    assert again.to_dense().tobytes() == Q.to_dense().tobytes()
    assert again.nbytes == Q.nbytes


def test_complex_entries_do_not_fit_a_real_type():
    with pytest.raises(ValueError, match=r"4-th roots of unity need a complex dtype, got float32"):
        FOURTH.astype(np.float32)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 6, 8, 12, 720])
def test_roots_of_unity(n):
    omega = roots_of_unity(n)
    np.testing.assert_allclose(omega, np.exp(2j * np.pi * np.arange(n) / n), rtol=0, atol=1e-15)
    quarters = {0: 1, n / 4: 1j, n / 2: -1, 3 * n / 4: -1j}
    for e, value in quarters.items():
        if e == int(e) and e < n:
            assert omega[int(e)] == value
