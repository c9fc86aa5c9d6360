"""The slot kernel against einsum."""

import numpy as np
import oracles
import pytest
from scipy.sparse import csr_array

from fastemlp._kernels.slots import slot_matmat

pytestmark = pytest.mark.kernel

DTYPES = [np.float32, np.float64, np.complex64, np.complex128]
SHAPES = [(1, 1, 1), (3, 4, 5), (1, 5, 7), (6, 2, 1), (2, 3, 0), (0, 3, 2), (27, 3, 9)]


def gaussian(rng, shape, dtype):
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def csr_parts(A, dtype):
    A = csr_array(A)
    parts = A.indptr.astype(np.intp), A.indices.astype(np.intp), A.data.astype(dtype)
    for part in parts:
        part.flags.writeable = False
    return parts


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_slot_matmat_adds_the_einsum(shape, dtype):
    rng = np.random.default_rng(0)
    d = shape[1]
    A = (rng.standard_normal((d, d)) * (rng.random((d, d)) < 0.6)).astype(dtype)
    if np.dtype(dtype).kind == "c":
        A = A * dtype(1 + 2j)
    X, start = gaussian(rng, shape, dtype), gaussian(rng, shape, dtype)
    X.flags.writeable = False
    out = start.copy()
    slot_matmat(*csr_parts(A, dtype), X, out)
    assert out.dtype == dtype
    np.testing.assert_allclose(
        out, start + oracles.slot_matmat(A, X), rtol=0, atol=50 * np.finfo(dtype).eps
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_empty_rows_and_empty_matrix_add_nothing(dtype):
    rng = np.random.default_rng(1)
    X = gaussian(rng, (2, 4, 3), dtype)
    for A in (np.zeros((4, 4)), np.diag([0, 0, 2, 0]), np.eye(4)[[3, 0, 1, 2]]):
        out = np.zeros_like(X)
        slot_matmat(*csr_parts(A, dtype), X, out)
        np.testing.assert_array_equal(out, oracles.slot_matmat(A, X).astype(dtype))


def test_unsorted_and_repeated_entries_are_summed():
    indptr, indices = np.array([0, 3, 3]), np.array([1, 0, 1])
    X, out = np.arange(4.0).reshape(1, 2, 2), np.zeros((1, 2, 2))
    slot_matmat(indptr, indices, np.array([1.0, 10.0, 2.0]), X, out)
    np.testing.assert_array_equal(out[0], [10 * X[0, 0] + 3 * X[0, 1], [0, 0]])


def test_a_nan_does_not_disappear():
    X, out = np.full((1, 2, 1), np.nan), np.zeros((1, 2, 1))
    slot_matmat(*csr_parts(np.eye(2), np.float64), X, out)
    assert np.isnan(out).all()
