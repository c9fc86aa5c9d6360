"""The contraction kernels against einsum."""

import numpy as np
import pytest
from fastemlp._kernels.contract import contract, contract_backward


def oracle(maps, entry, v, shared):
    """``out[q, a, j, b] = Σ_p maps[entry[q, p], a, b] v[p, a, j, b]``, summed over a if shared."""
    A = maps.shape[1]
    v = np.broadcast_to(v, (v.shape[0], A, *v.shape[2:]))
    return np.einsum("qpab,pajb->qjb" if shared else "qpab,pajb->qajb", maps[entry], v)


def problem(own, apart, sizes, dtype):
    rng = np.random.default_rng(0)
    Q, P, A, J, batch = sizes
    draw = lambda *shape: rng.standard_normal(shape).astype(dtype)  # noqa: E731
    # a transposed map: its entries are a permutation of the actor's components
    entry = rng.permutation(Q * P).reshape(Q, P).astype(np.intp)
    maps, v = draw(Q * P, A, batch), draw(P, A if own else 1, J, batch)
    dout = draw(Q, A if apart else 1, J, batch)
    for array in (maps, v, dout, entry):
        array.flags.writeable = False
    return maps, entry, v, dout


SIZES = [(1, 1, 1, 1, 1), (2, 3, 4, 5, 7), (5, 5, 3, 2, 130), (3, 2, 2, 0, 9), (2, 2, 0, 3, 4)]


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(("own", "apart"), [(False, True), (True, False)])
def test_contract_is_its_oracle(own, apart, sizes, dtype):
    maps, entry, v, dout = problem(own, apart, sizes, dtype)
    out = np.ones_like(dout)
    contract(maps, entry, v, out)
    expected = oracle(maps, entry, v, shared=not apart).reshape(dout.shape)
    np.testing.assert_allclose(out - 1, expected, rtol=0, atol=200 * np.finfo(dtype).eps)


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(("own", "apart"), [(False, True), (True, False)])
def test_contract_backward_is_the_adjoint(own, apart, sizes, dtype):
    maps, entry, v, dout = problem(own, apart, sizes, dtype)
    dmaps, dv = np.ones_like(maps), np.ones_like(v)
    contract_backward(maps, entry, v, dout, dmaps, dv)
    A = maps.shape[1]
    wide_v = np.broadcast_to(v, (v.shape[0], A, *v.shape[2:]))
    wide_dout = np.broadcast_to(dout, (dout.shape[0], A, *dout.shape[2:]))
    expected_maps = np.zeros_like(maps)
    expected_maps[entry] = np.einsum("qajb,pajb->qpab", wide_dout, wide_v)
    expected_v = np.einsum("qpab,qajb->pajb", maps[entry], wide_dout)
    if not own:
        expected_v = expected_v.sum(1, keepdims=True)
    tolerance = 400 * np.finfo(dtype).eps
    np.testing.assert_allclose(dmaps - 1, expected_maps, rtol=0, atol=tolerance)
    np.testing.assert_allclose(dv - 1, expected_v, rtol=0, atol=tolerance)
