"""The schur strategy: known ranks at sizes no vector could have, and factors checked against the written-out basis."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from fastemlp.constraint import constraint
from fastemlp.groups import (
    GL,
    O13,
    SL,
    SO,
    SU,
    C,
    D,
    Embed,
    Group,
    O,
    S,
    SO13p,
    Sp,
    Trivial,
    U,
    WreathProduct,
    Z,
)
from fastemlp.isometries import SchurIsometry
from fastemlp.reps import T, V
from fastemlp.solver import NotReductive, dense, schur

SO3 = [1, 0, 1, 1, 3, 6, 15, 36, 91, 232, 603, 1585, 4213, 11298, 30537, 83097, 227475]


def quaternions():
    """The quaternion group on R⁴, its irreducible of quaternionic type."""
    i = np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, -1], [0, 0, 1, 0]])
    j = np.array([[0, 0, -1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, -1, 0, 0]])
    return Group(discrete_generators=[i, j], name="Q8")


def g2():
    """The exceptional Lie algebra G2: the derivations of the octonions, as it acts on the imaginary ones."""
    triples = [(0, 1, 3), (1, 2, 4), (2, 3, 5), (3, 4, 6), (4, 5, 0), (5, 6, 1), (6, 0, 2)]
    f = np.zeros((7, 7, 7))
    for a, b, c in triples:
        for p, q, r in ((a, b, c), (b, c, a), (c, a, b)):
            f[p, q, r], f[q, p, r] = 1, -1
    # D[a × b] = D[a] × b + a × D[b], linear in D
    eye = np.eye(7)
    rule = np.einsum("abk,ci->abcik", f, eye)
    rule -= np.einsum("ibc,ka->abcik", f, eye)
    rule -= np.einsum("aic,kb->abcik", f, eye)
    matrix = rule.reshape(343, 49)
    _, s, Vt = np.linalg.svd(matrix)
    rank = int(np.sum(s > 1e-10))
    return Group(lie_algebra=list(Vt[rank:].reshape(-1, 7, 7)), name="G2")


KNOWN = [
    *[(SO(3), V**k, rank) for k, rank in enumerate(SO3) if k],
    (SO(3), V**20, 13_393_689),
    *[(O(5), V**k, rank) for k, rank in ((2, 1), (3, 0), (4, 3), (6, 15), (8, 105), (10, 945))],
    *[(SO(4), V**k, rank) for k, rank in ((2, 1), (4, 4), (6, 25), (8, 196), (10, 1764))],
    *[(SO13p(), V**k >> V**k, rank) for k, rank in ((1, 1), (2, 4), (3, 25), (4, 196), (5, 1764))],
    *[(O13(), V**k >> V**k, rank) for k, rank in ((1, 1), (2, 3), (3, 15), (4, 105), (5, 903))],
    *[(Sp(1), V**k, rank) for k, rank in ((2, 1), (4, 2), (6, 5), (8, 14), (10, 42))],
    *[(Sp(2), V**k, rank) for k, rank in ((2, 1), (4, 3), (6, 14), (8, 84), (10, 594))],
    *[(Sp(3), V**k, rank) for k, rank in ((4, 3), (6, 15), (8, 104))],
    *[(SU(3), V**k, rank) for k, rank in ((2, 0), (3, 1), (6, 5), (9, 42))],
    *[(SL(3), V**k, rank) for k, rank in ((2, 0), (3, 1), (6, 5), (9, 42))],
    *[(U(3), T(p, p), rank) for p, rank in ((1, 1), (2, 2), (3, 6), (4, 23), (5, 103))],
    (SL(3), T(4, 4), 23),
    (SU(3), T(4, 4), 23),
    *[(S(4), V**k, rank) for k, rank in ((1, 1), (2, 2), (4, 15), (6, 187))],
    (S(6), V**6, 203),
    (Z(30), V >> V, 30),
    (g2(), V**2, 1),
    (g2(), V**3, 1),
    (g2(), V**4, 4),
    (g2(), V**5, 10),
    (quaternions(), V >> V, 4),
    (Trivial(3), V**3, 27),
]


@pytest.mark.parametrize(("group", "rep", "rank"), KNOWN, ids=lambda x: str(x))
def test_known_ranks(group, rep, rank):
    solution = schur(constraint(rep(group)))
    assert solution.rank == rank
    assert solution.residual <= 1e-12
    assert solution.orthogonality <= 1e-12
    assert solution.gap > 0


WRITTEN_OUT = [
    (SO(3), V**6),
    (SO(3), V**5),
    (SO(4), V**4),
    (O(3), V**6),
    (SO13p(), T(2, 2)),
    (SO13p(), V**4),
    (SL(3), T(2, 2)),
    (SL(2), V**2 * V.T),
    (GL(2), T(2, 2)),
    (Sp(2), V**4),
    (SU(2), V**2 * V.conj() ** 2),
    (U(2), T(2, 2)),
    (C(5), V**4),
    (C(7), V**4),
    (C(3), V**5),
    (D(5), V**5),
    (SO(2), V**6),
    (quaternions(), V**4),
    (SU(2).realified(), V**4),
    (U(2).realified(), V**4),
    (SU(3).realified(), V**3),
    (S(4), V**4),
    (Z(7), V**2),
    (Embed(SO(2), 4, slice(1, 3)), V**3),
    (WreathProduct(SO(2), S(2)), V**4),
    (SO(3) * S(3), V**2),
    (O(2) * SL(2), T(1, 1)),
    (g2(), V**3),
    (Group(lie_algebra=[np.diag([1.0, -1.0, 0.0])]), V**3),
    (Group(discrete_generators=[np.diag([2.0, 0.5])]), V**4),
]


@pytest.mark.parametrize(("group", "rep"), WRITTEN_OUT, ids=lambda x: str(x))
class TestWrittenOut:
    def test_span_is_that_of_the_svd(self, group, rep):
        C = constraint(rep(group))
        ours, reference = schur(C), dense(C)
        assert ours.rank == reference.rank
        if ours.rank:
            angles = subspace_angles(ours.Q.to_dense(), reference.Q.to_dense())
            assert angles.max() <= 1e-8

    def test_certificate_tells_the_truth(self, group, rep):
        C = constraint(rep(group))
        solution = schur(C)
        Q = solution.Q.to_dense()
        assert Q.shape == solution.Q.shape == (C.shape[1], solution.rank)
        eye = np.eye(solution.rank)
        assert np.abs(Q.conj().T @ Q - eye).max(initial=0) <= 10 * solution.orthogonality + 1e-14
        residual = np.linalg.norm(C.matmat(Q), axis=0).max(initial=0)
        norm = np.linalg.norm(C.normal_matmat(np.eye(C.shape[1])), 2) ** 0.5
        assert residual <= (10 * solution.residual + 1e-14) * max(norm, 1)

    def test_products_from_the_factors(self, group, rep):
        Q = schur(constraint(rep(group))).Q
        assert isinstance(Q, SchurIsometry)
        dense_Q, rng = Q.to_dense(), np.random.default_rng(0)
        m, r = Q.shape
        coef, v = rng.standard_normal((r, 3)), rng.standard_normal((m, 2))
        if Q.dtype.kind == "c":
            coef, v = coef * (1 + 2j), v * (2 - 1j)
        np.testing.assert_allclose(Q @ coef, dense_Q @ coef, atol=1e-12)
        np.testing.assert_allclose(Q.H @ v, dense_Q.conj().T @ v, atol=1e-12)
        np.testing.assert_allclose(Q.T @ v, dense_Q.T @ v, atol=1e-12)
        np.testing.assert_allclose(Q.project(v[:, 0]), Q.project(Q.project(v[:, 0])), atol=1e-12)
        np.testing.assert_allclose(Q.to_sparse().toarray(), dense_Q, atol=1e-13)

    def test_stored_form(self, group, rep):
        Q = schur(constraint(rep(group))).Q
        again = SchurIsometry.from_state(*Q.state())
        np.testing.assert_array_equal(again.to_dense(), Q.to_dense())
        assert again.orthogonality() == Q.orthogonality() <= 1e-12


def test_single_precision_stays_single():
    Q = schur(constraint((V**6)(SO(3)))).Q.astype(np.float32)
    assert Q.dtype == np.float32
    v = np.ones(Q.shape[0], np.float32)
    assert (Q.T @ v).dtype == np.float32
    assert (Q @ (Q.T @ v)).dtype == np.float32


def test_same_seed_same_bits():
    C = constraint((V**6)(SO(4)))
    one, two = schur(C), schur(C)
    np.testing.assert_array_equal(one.Q.to_dense(), two.Q.to_dense())
    other = schur(C, random_state=5)
    assert other.rank == one.rank


def test_conjugated_groups_are_solved_in_balanced_coordinates():
    rng = np.random.default_rng(0)
    B = rng.standard_normal((3, 3))
    inverse = np.linalg.inv(B)
    group = Group(
        [B @ A @ inverse for A in SO(3).lie_algebra], [B @ np.diag([-1.0, 1, 1]) @ inverse]
    )
    for k, rank in ((2, 1), (3, 0), (4, 3), (6, 15)):
        C = constraint((V**k)(group))
        solution = schur(C)
        assert solution.rank == rank
        assert "balanced" in solution.strategy
        assert solution.residual <= 1e-12
        if k == 4:
            reference = dense(C).Q.to_dense()
            assert subspace_angles(solution.Q.to_dense(), reference).max() <= 1e-8


@pytest.mark.parametrize(
    "group",
    [
        Group(lie_algebra=[np.eye(3, k=1)]),
        Group(discrete_generators=[np.eye(3) + np.eye(3, k=1)]),
        Group(lie_algebra=[[[0, -1, 0], [1, 0, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 0], [0, 0, 0]]]),
    ],
    ids=["unipotent algebra", "unipotent element", "plane motions"],
)
def test_groups_that_are_not_reductive_are_refused(group):
    with pytest.raises(NotReductive, match=r"adjoint|normal"):
        schur(constraint((V**2)(group)))


def test_a_lie_algebra_not_closed_under_the_bracket_is_closed_first():
    # two generators of so(3) leave fixed what all three do
    two = Group(lie_algebra=SO(3).lie_algebra[:2])
    for k in (3, 4, 6):
        assert schur(constraint((V**k)(two))).rank == SO3[k]


def test_a_small_budget_is_refused_with_numbers():
    with pytest.raises(
        ValueError, match=r"schur: an irreducible of size \d+ times a letter of size 5"
    ):
        schur(constraint((V**8)(O(5))), memory_budget=10**5)


def test_a_huge_basis_is_not_written_out():
    Q = schur(constraint((V**16)(SO(3)))).Q
    assert Q.nbytes < 10**5
    with pytest.raises(MemoryError, match=r"takes \d+\.\d GiB written out"):
        Q.to_dense()
