"""Orbits, weights and shrinking: known ranks, spans against an SVD, and refusals."""

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import subspace_angles, svd
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator
from solver.operators import tensor_power

from fastemlp.bases.constraint import constraint
from fastemlp.exceptions import CertificationError, ConvergenceError
from fastemlp.groups import (
    GL,
    O11,
    SL,
    SO,
    SO13,
    SU,
    C,
    D,
    Group,
    O,
    RubiksCube,
    S,
    Scaling,
    SO11p,
    Sp,
    Trivial,
    U,
    Z,
    ZksZnxZn,
)
from fastemlp.isometries import Composition
from fastemlp.operators import TensorConstraint
from fastemlp.reps import V
from fastemlp.solver import dense, orbits
from fastemlp.solver.reductions.shrink import Restricted, shrink


def permutation(images, phases=1):
    h = np.zeros((len(images), len(images)), np.result_type(np.float64, np.asarray(phases)))
    h[images, np.arange(len(images))] = phases
    return h


def null(op):
    """By an SVD, where 1e-10 is zero: phases that cancel leave roundoff alone."""
    matrix = op.matmat(np.eye(op.shape[1], dtype=op.dtype))
    if matrix.shape[0] > matrix.shape[1]:
        matrix = np.linalg.qr(matrix, mode="r")
    _, sigma, Vh = svd(
        matrix, lapack_driver="gesvd"
    )  # gesdd: may fail on many singular values alike
    return Vh[np.sum(sigma > 1e-10) :].conj().T


def same_span(P, Q):
    if P.shape != Q.shape:
        return False
    return P.shape[1] == 0 or subspace_angles(P, Q).max() < 1e-10


def check(solution, op):
    """Against an SVD, and the numbers it reports of itself."""
    Q = solution.Q.to_dense()
    assert same_span(Q, null(op))
    assert np.abs(op.matmat(solution.Q.to_dense())).max(initial=0.0) <= 1e-13
    assert solution.residual <= 1e-13
    assert solution.orthogonality <= 1e-15
    assert solution.completeness == 0.0
    assert solution.n_matvecs == 0


# -- orbits -------------------------------------------------------------------------------------------------------


def bell(n, k):
    """Set partitions of k points into at most n parts."""
    return sum(oracles.stirling2(k, j) for j in range(n + 1))


@pytest.mark.parametrize("n", [2, 3, 4, 9])
@pytest.mark.parametrize("k", [0, 1, 2, 5])
def test_symmetric_groups_count_set_partitions(n, k):
    solution = orbits(constraint((V**k)(S(n))) if k else tensor_power(0, discrete=[np.eye(n)]))
    assert solution.rank == bell(n, k)
    assert solution.residual == 0.0


@pytest.mark.parametrize(
    ("rep", "rank"),
    [
        ((V**6)(S(4)), 187),
        ((V >> V)(Z(12)), 12),
        ((V**3)(Z(7)), 49),
        ((V >> V)(ZksZnxZn(4, 5)), 100),
        ((V >> V)(ZksZnxZn(2, 3)), 18),
        (V(RubiksCube()), 2),
        ((V**2)(RubiksCube()), 9),
        ((V**3)(RubiksCube()), 51),
    ],
)
def test_known_ranks(rep, rank):
    solution = orbits(constraint(rep))
    assert solution.rank == rank
    assert solution.residual == 0.0
    assert solution.Q.sizes.sum() == rep.size()
    assert solution.strategies == ("orbits",)


def test_labels_follow_first_occurrence_in_the_narrowest_type():
    # more than 2**20 coordinates
    Q = orbits(constraint((V**4)(S(33)))).Q
    assert Q.rank == 15
    assert Q.labels.dtype == np.int8
    _, first = np.unique(Q.labels, return_index=True)
    assert np.all(np.diff(first) > 0)


QUATERNIONS = [
    permutation([1, 0, 3, 2], [1, -1, 1, -1]),
    permutation([2, 3, 0, 1], [1, -1, -1, 1]),
]


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_quaternion_group(k):
    elements = oracles.finite_group_elements(QUATERNIONS)
    assert len(elements) == 8
    op = tensor_power(k, discrete=QUATERNIONS)
    solution = orbits(op)
    assert solution.rank == oracles.rank_by_characters(("^", ("V", 0), k), elements)
    check(solution, op)


@pytest.mark.parametrize("k", [1, 2, 4, 5])
def test_quarter_turn_of_the_plane(k):
    # ((2 + 2·(−1)^k·…)/4): characters 2, 0, −2, 0
    solution = orbits(constraint((V**k)(C(4))))
    assert solution.rank == (2**k + (-2) ** k) // 4
    check(solution, constraint((V**k)(C(4))))


I = 1j
W = np.exp(2j * np.pi / 3)


@pytest.mark.parametrize(
    ("discrete", "order"),
    [
        ([permutation([1, 0], [I, I])], 4),
        ([permutation([1, 2, 0], [W, 1, W**2])], 3),
        ([permutation([0, 1, 2], [W, W**2, 1]), permutation([1, 0, 2], [-1, I, 1])], 12),
        ([permutation([1, 0], [1, W])], 3),
        ([permutation([1, 2, 0], np.exp(2j * np.pi * np.array([1, 5, 0]) / 100))], 50),
        ([permutation([1, 2, 0], np.exp(2j * np.pi * np.array([1, 5, 0]) / 720))], 720),
    ],
)
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_complex_phases(discrete, order, k):
    op = tensor_power(k, discrete=discrete)
    solution = orbits(op)
    check(solution, op)
    assert solution.Q.dtype == np.complex128
    assert solution.Q.n_phases in (order, 2 * order)


@pytest.mark.parametrize(("last", "rank"), [(1, 1), (-1, 0)])
def test_a_loop_must_close(last, rank):
    op = tensor_power(1, discrete=[permutation([1, 2, 0], [-1, -1, last])])
    solution = orbits(op)
    assert solution.rank == rank
    check(solution, op)
    if rank:
        # v₁ = −v₀, v₂ = −v₁
        np.testing.assert_allclose(solution.Q.to_dense()[:, 0] * np.sqrt(3), [1, -1, 1])


@st.composite
def monomial_problems(draw):
    """A few random monomial generators on two atoms, and slots of both."""
    order = draw(st.sampled_from([1, 2, 3, 4, 6, 15]))
    dims = draw(st.lists(st.integers(1, 4), min_size=2, max_size=2))
    slots = draw(st.lists(st.integers(0, 1), max_size=4))

    def atom(d):
        images = draw(st.permutations(range(d)))
        exponents = draw(st.lists(st.integers(0, order - 1), min_size=d, max_size=d))
        phases = np.exp(2j * np.pi * np.array(exponents) / order)
        return csr_array(permutation(images, phases.real.round() if order < 3 else phases))

    discrete = [
        [atom(d) if draw(st.booleans()) else None for d in dims]
        for _ in range(draw(st.integers(0, 3)))
    ]
    lie = [
        [
            csr_array(np.diag(draw(st.lists(st.integers(-1, 1), min_size=d, max_size=d))))
            for d in dims
        ]
        for _ in range(draw(st.integers(0, 1)))
    ]
    return TensorConstraint(slots, dims, lie, discrete)


@given(monomial_problems())
@settings(max_examples=150, deadline=None)
def test_random_generators_against_an_svd(op):
    check(orbits(op), op)


def test_complex_operator_gets_a_complex_basis():
    Q = orbits(tensor_power(2, discrete=[permutation([1, 0, 2]) + 0j])).Q
    assert Q.dtype == np.complex128
    assert Q.phases is None


def test_no_generators_leave_everything():
    op = constraint((V**2)(Trivial(3)))
    np.testing.assert_array_equal(orbits(op).Q.to_dense(), np.eye(9))
    np.testing.assert_array_equal(orbits(op).Q.to_dense(), np.eye(9))


def test_refusals_name_the_generator():
    swap, turn = permutation([1, 0]), np.array([[0.6, -0.8], [0.8, 0.6]])
    with pytest.raises(ValueError, match=r"orbits: .* generator 1 of 2 is not of that form"):
        orbits(tensor_power(2, discrete=[swap, turn]))
    with pytest.raises(ValueError, match=r"generator 0 of 1 is not of that form"):
        orbits(tensor_power(2, discrete=[2 * swap]))
    with pytest.raises(ValueError, match=r"generator 0 of 1 is not of that form"):
        orbits(tensor_power(1, discrete=[permutation([0], np.exp(1j))]))
    with pytest.raises(ValueError, match=r"generator 1 of 2 has entries off the diagonal"):
        orbits(tensor_power(2, lie=[np.eye(2), swap]))
    with pytest.raises(
        ValueError, match=r"expected a TensorConstraint, .* got MatrixLinearOperator"
    ):
        orbits(aslinearoperator(np.eye(2)))


def test_phases_without_a_small_common_order_are_refused():
    def root(n):
        return permutation([0], np.exp(2j * np.pi / n))

    op = tensor_power(1, discrete=[root(719), root(713)])
    with pytest.raises(ValueError, match="common order 512647, more than the 16384 allowed"):
        orbits(op)
    outer, rest = shrink(op)
    assert outer is None
    assert len(rest.discrete) == 2


def test_memory_budget():
    with pytest.raises(
        ValueError, match=r"orbits: 10000 coordinates need 0 MiB .* Raise memory_budg"
    ):
        orbits(constraint((V**2)(S(100))), memory_budget=1000)


def test_a_failed_check_raises(monkeypatch):
    monkeypatch.setattr("fastemlp._kernels.orbits.merge", lambda *args: None)
    with pytest.raises(CertificationError, match="got 9 that are not, and 0 of nonzero weight"):
        orbits(constraint((V**2)(Z(3))))


# -- weights ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lie",
    [
        [np.diag([1.0, -1.0])],
        [np.diag([1.0, -1.0, 0.0]), np.diag([1.0, 1.0, -2.0])],
        [np.diag([1j, -1j, 2j])],
        [np.diag([1 + 2j, -1 - 2j, 1 - 2j])],
        [np.diag([np.sqrt(2), -np.sqrt(2), 1.0, 0.0]), np.zeros((4, 4))],
    ],
)
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_weights_against_an_svd(lie, k):
    op = tensor_power(k, lie=lie)
    solution = orbits(op)
    check(solution, op)
    sigma = np.linalg.svd(op.matmat(np.eye(op.shape[1], dtype=op.dtype)), compute_uv=False)
    assert 0 < solution.gap <= 1.01 * sigma[sigma > 1e-10].min(initial=np.inf) / solution.norm


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_boosts_in_light_cone_coordinates(k):
    # SO(1,1) on (t + x, t − x), and parity, which swaps them
    boost, parity = np.diag([1.0, -1.0]), permutation([1, 0])
    op = tensor_power(k, lie=[boost], discrete=[parity, -np.eye(2)])
    solution = orbits(op)
    check(solution, op)
    assert solution.rank == dense(constraint((V**k)(O11()))).rank


def test_dilations_of_v_and_its_dual():
    op = constraint((V**2 * V.T**2)(Scaling(2)))
    assert orbits(op).rank == 16
    assert orbits(constraint((V**2 * V.T)(Scaling(2)))).rank == 0


def test_an_identity_beside_weights_changes_nothing():
    assert orbits(tensor_power(2, lie=[np.eye(2)], discrete=[np.eye(2)])).rank == 0


def test_weights_that_are_neither_zero_nor_not():
    with pytest.raises(ConvergenceError, match="expected a gap of at least 1e"):
        orbits(tensor_power(2, lie=[np.diag([1.0, -1.0 + 1e-13])]), tol=1e-14)
    with pytest.raises(ConvergenceError, match="expected a gap of at least 1e"):
        orbits(tensor_power(2, lie=[np.diag([1.0, -1.0 + 1e-13, -1.0 + 1e-11])]))


# -- shrink -------------------------------------------------------------------------------------------------------


def mixed(G, seed=0):
    """The same group from random combinations of its Lie algebra generators, dense ones."""
    rng = np.random.default_rng(seed)
    A = G.lie_algebra
    mixing = rng.standard_normal((len(A), len(A)))
    return Group(np.tensordot(mixing, A, 1), G.discrete_generators, d=G.d)


def rotated(G, seed=0):
    """The same group in other orthonormal coordinates, where nothing is combinatorial."""
    R = np.linalg.qr(np.random.default_rng(seed).standard_normal((G.d, G.d)))[0]
    return Group(R @ G.lie_algebra @ R.T, R @ G.discrete_generators @ R.T, d=G.d)


SE2 = Group([[[0, -1, 0], [1, 0, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 0], [0, 0, 0]]], name="SE2")
LEFT_RIGHT = Group([QUATERNIONS[0] + QUATERNIONS[1], permutation([1, 0, 3, 2], [1, -1, -1, 1])])

SHRINKING = [
    (V**4)(O(3)),
    (V**4)(SO(3)),
    (V**5)(SO(3)),
    (V**4)(SO(4)),
    (V**4)(Sp(1)),
    (V**3)(Sp(2)),
    (V**4)(Sp(2)),
    (V**4)(SL(2)),
    (V**3)(SL(3)),
    (V**2 * V.T**2)(SL(3)),
    (V >> V)(GL(3)),
    (V**4)(SO13()),
    (V**4)(O11()),
    (V**3 * V.T)(SE2),
    (V**2 * V.T**2)(SE2),
    (V**2 * V.T**2)(U(2)),
    (V * V.conj())(U(3)),
    (V**3)(SU(3)),
    (V**4)(LEFT_RIGHT),
    (V**4)(SU(2).realified()),
    (V**4)(mixed(SO(3))),
    (V**4)(mixed(O(4))),
    (V**2 * V.T**2)(mixed(SL(3))),
    (V**3)(mixed(Sp(2))),
    (V**3)(mixed(SU(3))),
    (V**4)(D(4)),
    (V**3)(D(6)),
    (V(SO(3)) ** 2 * V(S(3)) ** 2),
]


@pytest.mark.parametrize("rep", SHRINKING, ids=str)
def test_shrinking_loses_nothing(rep):
    op = constraint(rep)
    outer, rest = shrink(op)
    assert 0 < outer.orthogonality() <= 1e-15 or outer.rank == 0
    assert outer.rank < op.shape[1]
    inner = dense(Restricted(rest, outer))
    whole = Composition(outer, inner.Q).to_dense()
    assert same_span(whole, null(op))
    assert np.abs(op.matmat(whole)).max(initial=0.0) <= 1e-12


@pytest.mark.parametrize("rep", SHRINKING, ids=str)
def test_shrinking_leaves_the_singular_values(rep):
    op = constraint(rep)
    outer, rest = shrink(op)
    E = np.eye(outer.rank, dtype=np.result_type(op.dtype, outer.dtype))
    sigma = np.linalg.svd(op.matmat(outer.matmat(E)), compute_uv=False)
    reduced = np.zeros_like(sigma)
    found = np.linalg.svd(Restricted(rest, outer).matmat(E), compute_uv=False)
    reduced[: len(found)] = found
    np.testing.assert_allclose(reduced, sigma, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("rep", "rank", "n_lie"),
    [
        # invariants of the rotations of a cube, in four tensor slots
        ((V**4)(SO(3)), 4, 1),
        ((V**4)(mixed(SO(3))), 4, 3),
        ((V**4)(O(5)), 4, 1),
        ((V**2 * V.T**2)(SL(3)), 3, 1),
        ((V**4)(Sp(2)), 6, 2),
        # the identity, on which nothing is left to do
        ((V >> V)(GL(3)), 1, 0),
    ],
)
def test_how_far_it_shrinks(rep, rank, n_lie):
    outer, rest = shrink(constraint(rep))
    assert outer.rank == rank
    assert len(rest.lie) == n_lie
    assert rest.discrete == ()


@pytest.mark.parametrize(
    ("slots", "charges"),
    [([0, 0, 1, 1, 1], (1, 2)), ([0, 0, 0, 1, 1], (2, 3)), ([0, 0, 0, 1, 1], (1, 1.5))],
)
def test_turns_are_joint_over_atoms(slots, charges):
    # a plane rotation with two charges: by 90° and 180°, by 180° and 270°; either kills half the coordinates
    J = np.array([[0.0, -1.0], [1.0, 0.0]])
    op = TensorConstraint(slots, [2, 2], [[csr_array(q * J) for q in charges]], [])
    outer, rest = shrink(op)
    assert outer.rank == 16
    assert same_span(Composition(outer, dense(Restricted(rest, outer)).Q).to_dense(), null(op))


@pytest.mark.parametrize("rep", [(V**2)(SO11p()), (V**2)(C(5)), (V**2)(Trivial(2))], ids=str)
def test_nothing_to_shrink_with(rep):
    op = constraint(rep)
    outer, rest = shrink(op)
    assert outer is None
    assert (len(rest.lie), len(rest.discrete)) == (len(op.lie), len(op.discrete))


@pytest.mark.parametrize("rep", [(V**4)(rotated(SO(3))), (V**2)(rotated(O(4)))])
def test_rotated_coordinates_are_left_alone_or_right(rep):
    op = constraint(rep)
    outer, rest = shrink(op)
    if outer is None:
        assert len(rest.lie) == len(op.lie)
    else:
        whole = Composition(outer, dense(Restricted(rest, outer)).Q).to_dense()
        assert same_span(whole, null(op))


def test_restricted_is_the_product():
    op = constraint((V**4)(SO(3)))
    outer, rest = shrink(op)
    R = Restricted(rest, outer)
    matrix = rest.matmat(outer.to_dense())
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((R.shape[1], 2)), rng.standard_normal((R.shape[0], 2))
    assert R.dtype == np.float64
    np.testing.assert_allclose(R @ X, matrix @ X, rtol=0, atol=1e-14)
    np.testing.assert_allclose(R @ X[:, 0], matrix @ X[:, 0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(R.H @ Y, matrix.T @ Y, rtol=0, atol=1e-14)
    np.testing.assert_allclose(R.H @ Y[:, 0], matrix.T @ Y[:, 0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(R.normal_matmat(X), matrix.T @ (matrix @ X), rtol=0, atol=1e-14)
