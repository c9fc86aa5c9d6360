"""Schur: known ranks up to sizes where no dense vector exists, spans against an SVD, refusals instead of guesses."""

import sys
from math import comb, pi

import numpy as np
import oracles
import pytest
from scipy.linalg import block_diag, expm, subspace_angles
from scipy.optimize import brentq
from scipy.sparse.linalg import aslinearoperator
from scipy.stats import unitary_group

from fastemlp.bases.constraint import constraint
from fastemlp.exceptions import CertificationError, NotReductive
from fastemlp.groups import (
    GL,
    O13,
    SL,
    SO,
    SU,
    A,
    C,
    Cube,
    D,
    Embed,
    Group,
    Lorentz,
    O,
    S,
    SO11p,
    SO13p,
    Sp,
    Trivial,
    U,
    WreathProduct,
    Z,
)
from fastemlp.irreducibles.catalogue import Catalogue
from fastemlp.irreducibles.intertwiners import SchurIsometry
from fastemlp.irreducibles.spans import dense_generators, real_rows
from fastemlp.irreducibles.split import Members, isotypic_parts
from fastemlp.irreducibles.symmetry import reductive_group
from fastemlp.reps import Rep, T, V
from fastemlp.solver import dense, schur, solve_nullspace
from fastemlp.solver.schur import middle

# the name of the package is taken by its function where attributes are looked up
CATALOGUE = sys.modules["fastemlp.irreducibles.catalogue"]

I, J, K = (
    np.array(rows, float)
    for rows in (
        [[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, -1], [0, 0, 1, 0]],
        [[0, 0, -1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, -1, 0, 0]],
        [[0, 0, 0, -1], [0, 0, -1, 0], [0, 1, 0, 0], [1, 0, 0, 0]],
    )
)
QUATERNIONS = Group(discrete_generators=[I, J], name="Q8")
SL2C = Group([z * A for z in (1, 1j) for A in SL(2).lie_algebra], name="SL(2,C)")
TURN = np.array([[0.0, -1.0], [1.0, 0.0]])


def solved(rep, **options):
    solution = solve_nullspace(constraint(rep), "schur", **options)
    assert solution.strategies == ("schur",)
    assert solution.residual <= 1e-11
    assert solution.orthogonality <= 1e-11
    assert solution.gap > 1e-9
    assert solution.Q.shape == (rep.size(), solution.rank)
    return solution


def same_span(P, Q):
    assert P.shape == Q.shape
    assert P.shape[1] == 0 or subspace_angles(P, Q).max() <= 1e-8


# -- known ranks --------------------------------------------------------------------------------------------------

SO3_POWERS = [1, 0, 1, 1, 3, 6, 15, 36, 91, 232, 603, 1585, 4213, 11298, 30537, 83097, 227475]
POWERS = [
    (SO(3), range(1, 17), SO3_POWERS[1:]),
    (SO(3), [20], [13_393_689]),
    (O(3), range(2, 11, 2), [1, 3, 15, 91, 603]),
    (O(3), [1, 3, 5, 7], [0, 0, 0, 0]),
    (SO(4), range(2, 11, 2), [1, 4, 25, 196, 1764]),
    (O(5), range(2, 11, 2), [1, 3, 15, 105, 945]),
    (SO(5), [5, 6, 7, 8], [1, 15, 15, 105]),
    (SO13p(), range(2, 11, 2), [1, 4, 25, 196, 1764]),
    (Sp(1), range(2, 11, 2), [1, 2, 5, 14, 42]),
    (Sp(2), range(2, 11, 2), [1, 3, 14, 84, 594]),
    (Sp(3), range(2, 9, 2), [1, 3, 15, 104]),
    (SU(3), [1, 2, 3, 6, 9], [0, 0, 1, 5, 42]),
    (SL(3), [1, 2, 3, 6, 9], [0, 0, 1, 5, 42]),
    (SL(2), range(2, 11, 2), [1, 2, 5, 14, 42]),
    (SU(2), range(2, 11, 2), [1, 2, 5, 14, 42]),
    (S(3), range(1, 9), [1, 2, 5, 14, 41, 122, 365, 1094]),
    (SO(2), range(2, 11, 2), [comb(k, k // 2) for k in range(2, 11, 2)]),
    (QUATERNIONS, [1, 2, 3, 4, 6], [0, 4, 0, 64, 1024]),
    # R^4 is V ⊕ V as a complex rep, and V^2k of SU(2) has a Catalan number of invariants
    (SU(2).realified(), [1, 2, 3, 4, 6], [0, 4, 0, 32, 320]),
    (Trivial(3), [1, 2, 5], [3, 9, 243]),
]


@pytest.mark.parametrize(("group", "orders", "ranks"), POWERS, ids=lambda x: str(x)[:12])
def test_invariants_of_tensor_powers(group, orders, ranks):
    assert [solved((V**k)(group)).rank for k in orders] == list(ranks)


MIXED = [
    (SO13p(), 5, [1, 4, 25, 196, 1764]),
    (O13(), 5, [1, 3, 15, 105, 903]),
    (Lorentz(), 3, [1, 3, 15]),
    (U(3), 5, [1, 2, 6, 23, 103]),
    (U(2), 4, [1, 2, 5, 14]),
    (GL(3), 5, [1, 2, 6, 23, 103]),
    (SL(3), 4, [1, 2, 6, 23]),
    (SU(3), 4, [1, 2, 6, 23]),
    (U(1), 3, [1, 1, 1]),
]


@pytest.mark.parametrize(("group", "highest", "ranks"), MIXED, ids=lambda x: str(x)[:12])
def test_invariants_of_mixed_tensors(group, highest, ranks):
    assert [solved(T(p, p, group)).rank for p in range(1, highest + 1)] == ranks
    if "SL" not in repr(group) and "SU" not in repr(group) and group.is_complex:
        assert solved(T(2, 1, group)).rank == 0


@pytest.mark.parametrize("n", [2, 3, 4, 6])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_symmetric_groups_count_set_partitions(n, k):
    assert solved((V**k)(S(n))).rank == sum(oracles.stirling2(k, j) for j in range(n + 1))


@pytest.mark.parametrize("n", [2, 3, 4, 7, 12])
def test_cyclic_groups(n):
    """Every power of the regular rep is regular again."""
    assert [solved((V**k)(Z(n))).rank for k in (1, 2, 3)] == [1, n, n**2]


FINITE = [C(3), C(4), C(5), C(7), D(3), D(5), D(6), A(4), A(5), S(4), Cube(), QUATERNIONS]


@pytest.mark.parametrize("group", FINITE, ids=repr)
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_finite_groups_against_the_mean_of_the_character(group, k):
    elements = oracles.finite_group_elements(group.discrete_generators)
    expected = np.mean([np.trace(g) ** k for g in elements])
    assert solved((V**k)(group)).rank == round(expected)


@pytest.mark.parametrize("n", [5, 7])
def test_rotations_by_a_fraction_of_a_turn_count_weights(n):
    for k in (6, 8, 10):
        expected = sum(comb(k, j) for j in range(k + 1) if (2 * j - k) % n == 0)
        assert solved((V**k)(C(n))).rank == expected


# -- spans --------------------------------------------------------------------------------------------------------

REPS = [
    (V**4)(SO(3)),
    (V**5)(SO(3)),
    (V**4)(O(3)),
    (V**6)(SO(2)),
    (V**4)(SO(4)),
    (V**3 * V.T)(SO13p()),
    (V**2 * V.T**2)(SO11p()),
    (V * V.T * V**2 * V.T**2)(SL(2)),
    T(2, 2, SL(3)),
    T(2, 2, GL(3)),
    (V**4)(Sp(2)),
    (V**6)(SU(2)),
    (V.conj() ** 3)(SU(3)),
    (V * V.conj() * V.T * V.conj().T)(U(2)),
    (V**2 * V.conj() ** 2)(U(3)),
    (V**2 * V.conj() ** 2)(SL2C),
    (V**4)(C(5)),
    (V**5)(C(3)),
    (V**4)(D(5)),
    (V**3)(A(5)),
    (V**4)(S(4)),
    (V**4)(QUATERNIONS),
    (V**4)(SU(2).realified()),
    (V**4)(U(2).realified()),
    (V**4)(Embed(SO(2), 4, slice(1, 3))),
    (V**3)(WreathProduct(SO(2), S(3))),
    (V**2)(SO(3) * S(3)),
    V(SO(3)) ** 2 * V(S(3)) ** 2,
    V(SU(2)) * V(Z(3)) * V(SU(2)) * V(SO(2)) ** 2,
    # elements that stretch
    (V**4)(Group(discrete_generators=[np.diag([2.0, 0.5])])),
    (V**4)(Group(discrete_generators=[np.diag([-2.0, 0.5, 1.0]), np.eye(3)[[1, 0, 2]]])),
    (V**4)(Group(discrete_generators=[np.array([[2.0, 1.0], [1.0, 1.0]])])),
    (V**2 * V.T**2)(Group(discrete_generators=[np.diag([1 + 1j, 2.0, 0.5j])])),
    (V**4)(Group([np.diag([1.0, -1.0])], [np.diag([3.0, 1 / 3]), TURN])),
]


@pytest.mark.parametrize("rep", REPS, ids=str)
def test_span_is_that_of_an_svd(rep):
    op = constraint(rep.canonical()[0])
    solution = schur(op)
    Q = solution.Q.to_dense()
    reference = dense(op)
    same_span(Q, reference.Q.to_dense())
    np.testing.assert_allclose(Q.conj().T @ Q, np.eye(solution.rank), rtol=0, atol=1e-13)
    assert np.abs(op.matmat(Q)).max(initial=0.0) <= 1e-12 * max(1.0, reference.norm)
    assert Q.dtype == op.dtype


def rotated(group, seed=0):
    R = np.linalg.qr(np.random.default_rng(seed).standard_normal((group.d, group.d)))[0]
    return Group(R @ group.lie_algebra @ R.T, R @ group.discrete_generators @ R.T, d=group.d)


@pytest.mark.parametrize("group", [SO(3), O(4), Sp(2), SL(2), S(4), D(5)], ids=repr)
def test_coordinates_do_not_matter(group):
    rep = T(2, 2, rotated(group))
    assert solved(rep).rank == solved(T(2, 2, group)).rank
    same_span(solved(rep).Q.to_dense(), dense(constraint(rep)).Q.to_dense())


def test_random_draws_are_seeded():
    op = constraint((V**6)(SO(3)))
    one, two, other = (schur(op, random_state=seed).Q.to_dense() for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 1e-3
    same_span(one, other)


def test_nothing_of_the_size_of_the_space_is_held():
    solution = solved((V**20)(SO(3)))
    assert isinstance(solution.Q, SchurIsometry)
    assert solution.Q.nbytes < 2**20


def test_the_word_is_cut_in_the_middle():
    assert middle([]) == 0
    assert middle([5]) in (0, 1)
    assert middle([3] * 8) == 4
    assert middle([9, 3, 3]) == 1
    assert middle([1, 1, 2, 100]) == 3


# -- irreducibles -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rep", "types"),
    [
        (V(SO(3)), [1]),
        (V(C(5)), [2]),
        (V(C(4)), [2]),
        (V(SO(2)), [2]),
        (V(D(5)), [1]),
        (V(QUATERNIONS), [4]),
        (V(SU(2).realified()), [4]),
        (V(U(2).realified()), [2]),
        (V(SU(2)), [1]),
        (V(SL(3)), [1]),
        # real matrices, as a real rep of real dimension 6
        (V(SL2C.realified()), [2]),
    ],
    ids=str,
)
def test_types_of_irreducibles(rep, types):
    """V ⊗ V* has one invariant for each element of the division algebra."""
    rng = np.random.default_rng(0)
    catalogue = Catalogue(reductive_group(constraint(rep)).draw(rng), rng)
    targets = catalogue.split(0, 0).targets
    assert [catalogue.irreducibles[mu].recipe.type_dim for mu in targets] == types
    assert solved((V * V.T)(rep.G)).rank == sum(types)


def test_irreducibles_of_so3_are_those_of_angular_momentum():
    rng = np.random.default_rng(0)
    catalogue = Catalogue(reductive_group(constraint((V**2)(SO(3)))).draw(rng), rng)
    index, l = catalogue.split(0, 0).targets[0], 1
    while l < 6:
        targets = catalogue.split(index, 0).targets
        assert sorted(catalogue.irreducibles[mu].dim for mu in targets) == [
            2 * l - 1,
            2 * l + 1,
            2 * l + 3,
        ]
        index = max(targets, key=lambda mu: catalogue.irreducibles[mu].dim)
        l += 1
    assert len(catalogue.irreducibles) == 7


@pytest.mark.parametrize("group", [SO(3), SL(3), U(2), D(5), Lorentz()], ids=repr)
def test_random_members_are_carried_by_intertwiners(group):
    """What commutes with the group commutes with the members: a reducible rep never looks irreducible."""
    rng = np.random.default_rng(0)
    symmetry = reductive_group(constraint(V(group))).draw(rng)
    members = Members(len(symmetry.probes[0]), symmetry.is_complex, rng)
    probes = symmetry.probes[0]
    d = group.d
    W = unitary_group.rvs(2 * d, random_state=0)
    if not symmetry.is_complex:
        W = np.linalg.qr(rng.standard_normal((2 * d, 2 * d)))[0]
    doubled = W @ np.kron(np.eye(2), probes) @ W.conj().T
    T = W[:, :d] @ W[:, d:].conj().T
    M = members(doubled)
    np.testing.assert_allclose(M @ T, T @ M, rtol=0, atol=1e-13 * np.abs(M).max())
    np.testing.assert_allclose(M[:2], M[:2].conj().swapaxes(1, 2), rtol=0, atol=1e-13)
    (part,) = isotypic_parts(doubled, members)
    assert part.V.shape[2] % 2 == 0


def nearly_equal_eigenvalues(distance, seed):
    """Sixty characters of the free group of rank 2, with two eigenvalues of the random member this far apart."""
    rng = np.random.default_rng(seed)
    members = Members(2, True, rng)

    def value(a, b):
        return members(np.exp(1j * np.array([a, b])).reshape(2, 1, 1))[0, 0, 0].real

    characters = [tuple(rng.uniform(0, 2 * pi, 2)) for _ in range(60)]
    largest = max(1.0, *(abs(value(*c)) for c in characters))
    target, b = value(*characters[0]) + distance * largest, characters[0][1] + 1
    grid = np.linspace(0, 2 * pi, 200)
    signs = np.sign([value(a, b) - target for a in grid])
    found = np.flatnonzero(signs[:-1] != signs[1:])
    if not len(found):
        return None
    bracket = grid[found[0]], grid[found[0] + 1]
    characters.append((brentq(lambda a: value(a, b) - target, *bracket, xtol=1e-15), b))
    W = unitary_group.rvs(len(characters), random_state=seed)
    phases = np.exp(1j * np.array(characters)).T
    return members, np.array([(W * p) @ W.conj().T for p in phases]), len(characters)


@pytest.mark.parametrize("distance", [1.5e-9, 3e-9, 1e-8, 1e-6])
def test_inequivalent_irreducibles_with_almost_one_eigenvalue_stay_apart(distance):
    """Roundoff mixes their eigenvectors; taken for one irreducible they would lose an intertwiner unseen."""
    cases = [nearly_equal_eigenvalues(distance, seed) for seed in range(12)]
    cases = [case for case in cases if case is not None]
    assert len(cases) >= 5
    for members, probes, n in cases:
        assert len(isotypic_parts(probes, members)) == n


def test_weights_that_are_whole_turns_at_some_angle():
    """The generator turns V⁴ by 3 + (π − 3) = π among others: a probe at angle 2 would not see that."""
    rep = (V**4)(Group([block_diag(TURN, (pi - 3) * TURN)]))
    assert solved(rep).rank == dense(constraint(rep)).rank == 36


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("is_complex", [False, True])
def test_two_generators_close_to_all_digits(seed, is_complex):
    """Two random ones generate so(d) or u(d); what brackets give last must be as exact as what they give first."""
    rng = np.random.default_rng(seed)
    d = 4 + seed % 3
    pair = rng.standard_normal((2, d, d)) + is_complex * 1j * rng.standard_normal((2, d, d))
    pair = pair - pair.conj().swapaxes(1, 2)
    group = Group(pair if is_complex else pair.real)
    solution = solved((V * V.conj()).canonical()[0](group))
    assert solution.rank == 1
    assert solution.residual <= 2e-12
    # those of so(d), where ε is one more for d = 4, or of u(d)
    assert solved((V**2 * V.T**2)(group)).rank == (2 if is_complex else 4 if d == 4 else 3)


# -- refusals -----------------------------------------------------------------------------------------------------

UPPER = np.array([[0.0, 1.0], [0.0, 0.0]])


@pytest.mark.parametrize(
    ("group", "match"),
    [
        (Group([UPPER]), "Lie algebra is not closed under the adjoint"),
        (Group([UPPER, np.diag([1.0, -1.0])]), "Lie algebra is not closed under the adjoint"),
        (Group([block_diag(0, TURN), np.eye(3)[[2, 1, 0]] * [0, 0, 1]]), "not closed under the ad"),
        (Group(discrete_generators=[np.eye(2) + UPPER]), "not closed under the adjoint"),
        (Group(discrete_generators=[UPPER + 2 * np.eye(2)]), "not a normal matrix"),
        (Group(discrete_generators=[np.eye(2) + 1e-3 * UPPER]), "not closed under the adjoint"),
        (Group(discrete_generators=[block_diag(5, np.eye(2) + 1e-7 * UPPER)]), "not a normal matr"),
        (Group(discrete_generators=[np.eye(2) + 1e-8 * UPPER]), "not closed under the adjoint"),
    ],
)
@pytest.mark.parametrize("k", [1, 2])
def test_groups_without_invariant_complements_are_refused(group, match, k):
    with pytest.raises(NotReductive, match=match) as e:
        solve_nullspace(constraint((V**k)(group)), "schur")
    assert isinstance(e.value, ValueError)


@pytest.mark.parametrize("size", [1e-3, 1e-8, 1e-11])
def test_groups_near_the_identity_are_those_of_their_logarithm(size):
    turn, stretch = expm(size * TURN), np.diag([1 + size, 1])
    for h, rank in ((turn, 0), (stretch, 1)):
        assert solved(V(Group(discrete_generators=[h]))).rank == rank
    for h, rank in ((turn, 2), (stretch, 1)):
        assert solved((V**2)(Group(discrete_generators=[h]))).rank == rank


def test_generators_that_close_only_approximately_are_refused():
    R = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))[0]
    lie = [np.kron(A, np.eye(2)) for A in SO(3).lie_algebra]
    assert solved((V**2)(Group(R @ lie @ R.T))).rank == 4
    rounded = np.float32(R @ lie @ R.T).astype(np.float64)
    with pytest.raises(
        NotReductive, match=r"brackets leave the span .* those of rounded generators"
    ):
        schur(constraint((V**2)(Group(rounded))))


def test_only_tensor_constraints():
    with pytest.raises(ValueError, match=r"expected the TensorConstraint .* Use lanczos"):
        schur(aslinearoperator(np.eye(3)))
    with pytest.raises(
        ValueError, match="expected the TensorConstraint of one tensor type, got St"
    ):
        schur(constraint((V + V**2)(SO(3))))


def test_a_slot_of_size_zero_is_refused():
    class Nothing(Rep):
        def size(self):
            return 0

        def rho(self, g):
            return np.zeros((0, 0))

        def drho(self, A):
            return np.zeros((0, 0))

    with pytest.raises(NotReductive, match="no slot, or one of size 0"):
        schur(constraint(Nothing()(SO(3))))


def test_memory_budget():
    with pytest.raises(ValueError, match=r"size 3 times a factor of size 3 .* Raise memory_budget"):
        schur(constraint((V**6)(SO(3))), memory_budget=1000)


def test_tolerance_of_the_certificate():
    with pytest.raises(CertificationError, match=r"residual and orthogonality ≤ 1.0e-20") as e:
        schur(constraint((V**4)(SO(3))), tol=1e-20)
    assert e.value.solution.rank == 3


@pytest.mark.parametrize("group", [SO(3), SU(3), S(4), SL(3)], ids=repr)
def test_copies_that_are_not_aligned_are_caught(group, monkeypatch):
    right, rng = CATALOGUE.frames, np.random.default_rng(0)

    def wrong(part, recipe):
        F = right(part, recipe)
        return F @ np.linalg.qr(rng.standard_normal(F.shape[-1:] * 2))[0]

    monkeypatch.setattr(CATALOGUE, "frames", wrong)
    with pytest.raises(
        CertificationError, match=r"expected residual and orthogonality ≤ 1.0e-11, got"
    ):
        schur(constraint((V**6)(group)))


def test_copies_that_go_missing_are_caught(monkeypatch):
    monkeypatch.setattr(CATALOGUE, "isotypic_parts", lambda *a: isotypic_parts(*a)[:1])
    with pytest.raises(
        CertificationError, match=r"irreducibles: the pieces of a product of size .* add up"
    ):
        schur(constraint((V**4)(S(4))))


@pytest.mark.parametrize("group", [SO(4), O(6), GL(3), SL(3), U(2), SU(2), Lorentz()], ids=repr)
def test_generators_that_are_orthogonal_as_given_span_what_an_svd_finds(group):
    C = constraint(V(group))
    basis = reductive_group(C)._basis
    np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), rtol=0, atol=1e-13)
    rows = real_rows(dense_generators(C)[0])
    _, s, Vt = np.linalg.svd(rows, full_matrices=False)
    Vt = Vt[s > 1e-10]
    # of the dual atom too, where there is another one
    width = rows.shape[1]
    span = basis[:, :width].T @ basis[:, :width] * (basis.shape[1] / width)
    np.testing.assert_allclose(span, Vt.T @ Vt, rtol=0, atol=1e-13)


@pytest.mark.parametrize("n", [16, 20])
def test_the_identity_alone_commutes_with_rotations_of_many_dimensions(n):
    solution = schur(constraint((V >> V)(SO(n))))
    assert solution.rank == 1
    Q = solution.Q.matmat(np.eye(1))
    np.testing.assert_allclose(abs(Q.reshape(n, n)), np.eye(n) / np.sqrt(n), rtol=0, atol=1e-12)
