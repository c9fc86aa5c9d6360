"""The residual is measured on the generators as they were given, those dropped as redundant too."""

import numpy as np
import pytest

from fastemlp import Group, equivariant_basis
from fastemlp.reps import V


@pytest.mark.parametrize("seed", range(20))
def test_what_a_dropped_direction_leaves_is_in_the_certificate(seed):
    rng = np.random.default_rng(seed)
    A = np.zeros((4, 4))
    A[0, 1], A[1, 0] = 1, -1
    E = rng.standard_normal((4, 4))
    B = A + 1e-12 * (E - E.T)
    b = equivariant_basis((V**2)(Group([A, B])), store=False)
    Q = b.to_dense()
    unit = B / np.linalg.norm(B)
    image = (np.kron(unit, np.eye(4)) + np.kron(np.eye(4), unit)) @ Q
    left = np.linalg.norm(image, axis=0).max()
    assert left > 1e-14
    # over a norm of C between 1 and 4
    assert b.certificate.residual >= left / 40


def test_repeated_generators_leave_nothing():
    A = np.array([[0.0, -1], [1, 0]])
    assert equivariant_basis((V**4)(Group([A, 2 * A])), store=False).certificate.residual < 1e-14
