"""Singular vectors where divide and conquer does not converge."""

import numpy as np
import pytest

from fastemlp._svd import svd


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (0, 3), (2, 5, 3), (2, 3, 4, 4)])
@pytest.mark.parametrize("full_matrices", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.complex64])
def test_qr_iteration_takes_over(shape, full_matrices, dtype, monkeypatch):
    A = np.random.default_rng(0).normal(size=shape).astype(dtype)
    expected = np.linalg.svd(A, full_matrices=full_matrices)

    def failing(*args, **options):
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr(np.linalg, "svd", failing)
    found = svd(A, full_matrices=full_matrices)
    assert [part.shape for part in found] == [part.shape for part in expected]
    assert [part.dtype for part in found] == [part.dtype for part in expected]
    U, s, Vh = found
    np.testing.assert_allclose(s, expected[1], atol=1e-5)
    k = s.shape[-1]
    np.testing.assert_allclose((U[..., :k] * s[..., None, :]) @ Vh[..., :k, :], A, atol=1e-5)


def test_what_is_not_finite_is_not_tried_again():
    with pytest.raises(np.linalg.LinAlgError):
        svd(np.full((3, 3), np.nan))
