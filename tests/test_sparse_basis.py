"""Sparse bases: the same span, and as few whole numbers as there can be."""

from itertools import combinations, permutations

import numpy as np
import pytest

from fastemlp import equivariant_basis, equivariant_projector, sparsify
from fastemlp.groups import SL, SO, SU, C, D, O, S, SO13p, Sp, Z
from fastemlp.reps import P, Scalar, T, V


def _same_span(one, other):
    one, other = (np.linalg.qr(np.asarray(Q, np.result_type(Q, float)))[0] for Q in (one, other))
    return one.shape == other.shape and np.linalg.norm(one - other @ (other.conj().T @ one)) < 1e-10


def _fewest_entries(Q):
    """The number of entries of the sparsest basis, by brute force over all vectors of least support."""
    m, r = Q.shape
    found = []
    for rows in combinations(range(m), r - 1):
        _, s, Vh = np.linalg.svd(Q[list(rows)])
        if s.size < r - 1 or (s.size and s[-1] < 1e-9):
            continue
        v = Q @ Vh[-1].conj()
        found.append((int((np.abs(v) > 1e-9).sum()), v / np.linalg.norm(v)))
    chosen, total = np.zeros((m, 0)), 0
    for n, v in sorted(found, key=lambda pair: pair[0]):
        trial = np.column_stack([chosen, v])
        if np.linalg.matrix_rank(trial, tol=1e-8) == trial.shape[1]:
            chosen, total = trial, total + n
    assert chosen.shape[1] == r
    return total


@pytest.mark.parametrize("seed", range(220))
def test_hidden_sparse_bases_are_found(seed):
    """Sparse whole numbers, mixed by a random matrix, against brute force."""
    rng = np.random.default_rng(seed)
    m, r = int(rng.integers(4, 9)), int(rng.integers(1, 5))
    hidden = rng.integers(-3, 4, (m, r)) * (rng.random((m, r)) < 0.5)
    hidden[rng.permutation(m)[:r], np.arange(r)] = 1
    if np.linalg.matrix_rank(hidden) < r:
        hidden = np.eye(m, r)
    Q = np.linalg.qr(hidden @ (rng.standard_normal((r, r)) + 2 * np.eye(r)))[0]
    found = sparsify(Q)
    assert _same_span(found.toarray(), hidden)
    assert found.nnz == _fewest_entries(Q) <= np.count_nonzero(hidden)
    if seed % 4 == 0:
        assert sparsify(Q * 1j).nnz == found.nnz


REPS = [
    *((V**k)(O(n)) for k, n in ((2, 3), (4, 2), (4, 3), (6, 3), (4, 4))),
    *((V**k)(SO(n)) for k, n in ((3, 3), (5, 3), (2, 2), (4, 2), (4, 4))),
    *((V**3 >> P)(O(3)), (V**2 >> P * V)(O(3)), T(2, 2, SL(2)), T(2, 2, SU(2)), (V**4)(Sp(1))),
    *((V**4)(S(3)), (V**2)(S(5)), (V**3)(Z(4)), (V**4)(D(4)), (V**2)(C(5)), (V**4)(SO13p())),
    *((2 * V + V**2 >> V + Scalar)(S(4)), (3 * Scalar)(O(2)), V(SO(3)), (V + 2 * V**2)(SO(3))),
]


@pytest.mark.parametrize("rep", REPS, ids=lambda rep: f"{rep} {rep.groups}")
def test_isotropic_tensors_come_out_as_signs(rep):
    Q = equivariant_basis(rep)
    S = Q.sparsify()
    assert S.shape == Q.shape
    assert S.dtype == np.int64
    assert set(S.data.tolist()) <= {1, -1}
    if Q.rank:
        assert _same_span(S.toarray(), Q.to_dense())


def test_levi_civita_and_pairings():
    epsilon = sparsify(equivariant_basis((V**3)(SO(3)))).toarray().reshape(3, 3, 3)
    for i, j, k in permutations(range(3)):
        assert epsilon[i, j, k] == np.linalg.det(np.eye(3)[[i, j, k]])
    assert np.count_nonzero(epsilon) == 6
    delta = np.eye(3, dtype=int)
    pairings = equivariant_basis((V**4)(O(3))).sparsify().toarray().T.reshape(3, 3, 3, 3, 3)
    expected = [np.einsum(f"ab,cd->{order}", delta, delta) for order in ("abcd", "acbd", "acdb")]
    for tensor in expected:
        assert any(np.array_equal(tensor, one) for one in pairings)


def test_what_is_not_whole_stays_real():
    Q = np.array([[1.0, 0], [np.sqrt(2), 0], [0, 1]])
    found = sparsify(Q).toarray()
    assert found.dtype == np.float64
    assert _same_span(found, Q)
    assert np.count_nonzero(found) == 3


def test_what_sparsify_refuses():
    with pytest.raises(ValueError, match="the 2 columns of length 3 are not independent"):
        sparsify(np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"expected a Basis or an array of shape \(m, r\)"):
        sparsify(np.ones(3))


@pytest.mark.parametrize("rep", [(V**4)(O(3)), (V + V**2)(SO(3)), (V**2)(S(4)), V(SO(3))], ids=str)
def test_parts_of_a_basis_are_those_of_its_array(rep):
    Q = equivariant_basis(rep)
    dense = Q.to_dense()
    keys = [
        *((slice(None), slice(None)), slice(2, 4), 2, -1, (slice(None), slice(0, 1))),
        *((slice(1, 5), slice(None)), (2, slice(None)), slice(None), ([0, 2], slice(None))),
    ]
    if Q.rank:
        keys += [
            (slice(None), 0),
            (slice(None), -1),
            (2, 0),
            (slice(3), [0]),
            (slice(None), [0, -1]),
        ]
    for key in keys:
        np.testing.assert_allclose(Q[key], dense[key], atol=1e-15)
    with pytest.raises(IndexError):
        Q[:, Q.rank]


def test_a_projector_can_be_written_out():
    for rep in ((V >> V)(SO(3)), (V**3)(S(3)), V(SO(3)), T(1, 1, SU(2))):
        projector = equivariant_projector(rep)
        dense = projector.to_dense()
        np.testing.assert_allclose(dense, projector @ np.eye(rep.size()), atol=1e-13)
        np.testing.assert_allclose(dense, projector.H @ np.eye(rep.size()), atol=1e-13)
        np.testing.assert_allclose(dense @ dense, dense, atol=1e-13)
        x = np.random.default_rng(0).standard_normal(rep.size())
        np.testing.assert_allclose(projector @ x, dense @ x, atol=1e-13)
    with pytest.raises(MemoryError, match=r"Projector\.to_dense: shape .* takes .* GiB, more than"):
        equivariant_projector((V**6)(O(8))).to_dense()
