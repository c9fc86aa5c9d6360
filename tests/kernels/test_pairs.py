"""The two-slot kernel against its matrix, and the Casimir form of CᴴC against CᴴC."""

from itertools import combinations
from math import prod

import numpy as np
import pytest
from scipy.sparse import csr_array

from fastemlp.operators import PairSum, Stack, TensorConstraint

pytestmark = pytest.mark.kernel

DTYPES = [np.float32, np.float64, np.complex64, np.complex128]


def matrix_of(dims, pairs):
    """``Σ Ω_jl`` by transposing each pair of slots to the front."""
    m, total = prod(dims), 0
    for (j, l), omega in pairs.items():
        rest = [s for s in range(len(dims)) if s not in (j, l)]
        full = np.kron(omega.toarray(), np.eye(prod(dims[s] for s in rest)))
        order = [j, l, *rest]
        shape = [dims[s] for s in order]
        back = np.argsort(order)
        full = full.reshape(shape * 2).transpose([*back, *(len(dims) + back)])
        total = total + full.reshape(m, m)
    return total


def sparse_gaussian(rng, n, density):
    return csr_array(rng.standard_normal((n, n)) * (rng.random((n, n)) < density))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dims", [(2, 3), (3, 1, 2), (2, 2, 2, 3)])
@pytest.mark.parametrize("b", [0, 1, 5])
def test_pair_sum_is_its_matrix(dims, b, dtype):
    rng = np.random.default_rng(0)
    pairs = {
        (j, l): sparse_gaussian(rng, dims[j] * dims[l], 0.4)
        for j, l in combinations(range(len(dims)), 2)
    }
    if np.dtype(dtype).kind == "c":
        pairs = {slots: omega * (1 + 2j) for slots, omega in pairs.items()}
    X = rng.standard_normal((prod(dims), b)).astype(dtype)
    X.flags.writeable = False
    out = PairSum(dims, pairs).matmat(X)
    assert out.dtype == dtype
    expected = matrix_of(dims, pairs) @ X
    np.testing.assert_allclose(out, expected, rtol=0, atol=100 * np.finfo(dtype).eps)


def test_nan_does_not_disappear():
    X = np.full((4, 1), np.nan)
    pairs = {(0, 1): csr_array(np.eye(4))}
    assert np.isnan(PairSum((2, 2), pairs).matmat(X)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("slots", [(0, 0), (0, 1, 0), (1, 0, 1, 1)])
def test_casimir_form_is_the_normal_operator(slots, dtype):
    rng = np.random.default_rng(1)
    is_complex = np.dtype(dtype).kind == "c"

    def generator(d):
        A = rng.standard_normal((d, d)) + (1j * rng.standard_normal((d, d)) if is_complex else 0)
        return csr_array(A)

    # the second generator leaves out an atom, the discrete one the other
    lie = [[generator(3), generator(2)], [generator(3), None]] + [
        [generator(3), generator(2)] for _ in range(8)
    ]
    C = TensorConstraint(slots, (3, 2), lie, [[None, generator(2)]])
    assert C._casimir is not None
    X = rng.standard_normal((C.shape[1], 3)).astype(dtype)
    out = C.normal_matmat(X)
    assert out.dtype == dtype
    expected = Stack.normal_matmat(C, X)
    np.testing.assert_allclose(
        out, expected, rtol=0, atol=200 * np.finfo(dtype).eps * np.abs(expected).max()
    )


def test_one_slot_and_no_lie_generators_keep_the_plain_form():
    A = csr_array(np.eye(3, k=1))
    assert TensorConstraint((0,), (3,), [[A]], [])._casimir is None
    assert TensorConstraint((0, 0), (3,), [], [[A]])._casimir is None
