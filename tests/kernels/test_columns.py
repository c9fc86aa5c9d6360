"""The vector operations of conjugate gradients against numpy."""

import numpy as np
import pytest

from fastemlp._kernels.columns import column_dots, descend, redirect

pytestmark = pytest.mark.kernel

DTYPES = [np.float32, np.float64, np.complex64, np.complex128]


def gaussian(rng, shape, dtype):
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (17, 0), (23, 5)])
def test_column_operations(shape, dtype):
    rng = np.random.default_rng(0)
    P, W, Y, R = (gaussian(rng, shape, dtype) for _ in range(4))
    step = rng.standard_normal(shape[1]).astype(R.real.dtype)
    close = {"rtol": 0, "atol": 200 * np.finfo(dtype).eps}

    dots = np.full(shape[1], np.nan)
    column_dots(P, W, dots)
    np.testing.assert_allclose(dots, np.sum(P.conj() * W, axis=0).real, **close)

    new_Y, new_R, squares = Y.copy(), R.copy(), np.full(shape[1], np.nan)
    descend(step, P, W, new_Y, new_R, squares)
    np.testing.assert_allclose(new_Y, Y + step * P, **close)
    np.testing.assert_allclose(new_R, R - step * W, **close)
    np.testing.assert_allclose(squares, np.sum(np.abs(new_R) ** 2, axis=0), **close)
    assert new_R.dtype == new_Y.dtype == dtype

    new_P = P.copy()
    redirect(step, R, new_P)
    np.testing.assert_allclose(new_P, R + step * P, **close)
