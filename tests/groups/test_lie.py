"""Orthonormal bases of real spans."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastemlp.groups import GL, O13, SL, SO, SU, Group, Scaling, Sp, Trivial, U


def real_columns(matrices, d):
    flat = np.array([A.toarray().ravel() for A in matrices]).reshape(len(matrices), d * d)
    return np.concatenate([flat.real, flat.imag], axis=1).T


def assert_same_span(P, Q, atol=1e-10):
    np.testing.assert_allclose(P - Q @ (Q.T @ P), 0.0, atol=atol)
    np.testing.assert_allclose(Q - P @ (P.T @ Q), 0.0, atol=atol)


@settings(deadline=None, max_examples=60)
@given(
    d=st.integers(1, 4),
    count=st.integers(0, 5),
    exponent=st.lists(st.sampled_from([-150, -6, 0, 6, 150]), min_size=8, max_size=8),
    is_complex=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_orthonormal_basis_of_the_same_real_span(d, count, exponent, is_complex, seed):
    rng = np.random.default_rng(seed)
    count = min(count, d * d)
    A = rng.standard_normal((count, d, d)) * (rng.random((count, d, d)) < 0.7)
    if is_complex:
        A = A + 1j * rng.standard_normal((count, d, d))
    mixed = np.concatenate([A, A[:2] + A[-2:], np.zeros((1, d, d))])
    scale = 10.0 ** np.array(exponent[: len(mixed)])
    G = Group(mixed * scale[:, None, None], d=d)
    Q = real_columns(G.orthonormal_lie_algebra, d)
    np.testing.assert_allclose(Q.T @ Q, np.eye(Q.shape[1]), atol=1e-13)
    assert all(B.dtype == G.dtype for B in G.orthonormal_lie_algebra)
    flat = A.reshape(count, d * d)
    flat = np.concatenate([flat.real, flat.imag], axis=1).T
    if count:
        U_, s, _ = np.linalg.svd(flat, full_matrices=False)
        # A random direction this close to the others has no well-defined span to compare.
        if np.all((s > 1e-3) | (s < 1e-12)):
            assert_same_span(U_[:, s > 1e-12], Q)
    else:
        assert Q.shape[1] == 0


@pytest.mark.parametrize(
    ("G", "dimension"),
    [
        (SO(4), 6),
        (SL(4), 15),
        (GL(3), 9),
        (Sp(3), 21),
        (O13(), 6),
        (U(3), 9),
        (SU(3), 8),
        (SU(1), 0),
        (Trivial(3), 0),
        (Scaling(3), 1),
        # Complex multiples of real generators are new directions of the real span.
        (Group(np.concatenate([SO(3).lie_algebra, 1j * SO(3).lie_algebra])), 6),
    ],
    ids=lambda value: repr(value),
)
def test_dimensions(G, dimension):
    assert len(G.orthonormal_lie_algebra) == dimension


def test_redundancy_is_relative():
    A = SO(3).lie_algebra
    doubled = Group(np.concatenate([A, 1e-6 * (A[:1] + A[1:2]), 1e6 * A]))
    assert len(doubled.orthonormal_lie_algebra) == 3
    assert len(Group([A[0], A[0] + 1e-12 * A[1]]).orthonormal_lie_algebra) == 1
    assert len(Group([A[0], A[0] + 1e-8 * A[1]]).orthonormal_lie_algebra) == 2


def test_orthogonal_generators_are_only_normalised():
    basis = SO(30).orthonormal_lie_algebra
    assert all(A.nnz == 2 for A in basis)
    np.testing.assert_allclose(basis[0].toarray()[:2, :2], [[0, -(0.5**0.5)], [0.5**0.5, 0]])
    # Only the diagonal generators of SL(n) overlap; the others stay as they are.
    assert sorted({A.nnz for A in SL(4).orthonormal_lie_algebra})[0] == 1
    assert sum(A.nnz for A in SL(4).orthonormal_lie_algebra) <= 12 + 3 * 4
