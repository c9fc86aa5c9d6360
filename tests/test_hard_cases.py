"""Groups that are hard on a solver: each right, or a clear error; never a wrong basis."""

from itertools import permutations

import numpy as np
import pytest
from scipy.linalg import block_diag, expm, null_space, subspace_angles

from fastemlp import equivariant_basis, why_empty
from fastemlp.bases.constraint import constraint
from fastemlp.exceptions import ConvergenceError, NotReductive
from fastemlp.groups import (
    GL,
    O13,
    SL,
    SO,
    SU,
    D,
    Embed,
    Group,
    O,
    S,
    Trivial,
    U,
    WreathProduct,
    Z,
)
from fastemlp.reps import Rep, Scalar, T, V, rho_operator
from fastemlp.solver import dense, solve_nullspace


def fixed(basis, n=2):
    """Orthonormal, and left in place by group elements that no solver has seen."""
    Q = basis.to_dense()
    np.testing.assert_allclose(Q.conj().T @ Q, np.eye(basis.rank), rtol=0, atol=1e-11)
    rng = np.random.default_rng(0)
    for _ in range(n):
        g = {G: G.sample(rng) for G in basis.rep.groups}
        image = rho_operator(basis.rep, g).matmat(Q)
        scale = max(1.0, np.abs(image).max(initial=0.0))
        np.testing.assert_allclose(image, Q, rtol=0, atol=1e-8 * scale)
    return basis.rank


def rank(rep, **options):
    return fixed(equivariant_basis(rep, store=False, **options))


def ranks_by_method(rep, methods=("dense", "lanczos", "schur", "orbits")):
    found = {}
    for method in methods:
        try:
            found[method] = solve_nullspace(constraint(rep), method).rank
        except ValueError:
            continue
    return found


def same_span(one, other):
    P, Q = one.to_dense(), other.to_dense()
    assert P.shape == Q.shape
    assert P.shape[1] == 0 or subspace_angles(P, Q).max() <= 1e-8


# -- an exceptional group, known by its Lie algebra alone ---------------------------------------------------------


def octonions():
    """Structure constants φ_ijk of the product of imaginary octonions, ``e_i e_j = Σ_k φ_ijk e_k − δ_ij``."""
    phi = np.zeros((7, 7, 7))
    for i in range(7):
        line = (i, (i + 1) % 7, (i + 3) % 7)
        for order in permutations(range(3)):
            sign = np.linalg.det(np.eye(3)[list(order)])
            phi[tuple(line[j] for j in order)] = sign
    return phi


def g2():
    """The derivations of the octonions: ``D(xy) = (Dx)y + x(Dy)``."""
    phi = octonions()
    columns = []
    for E in np.eye(49).reshape(49, 7, 7):
        left = np.einsum("ijl,kl->ijk", phi, E)
        right = np.einsum("li,ljk->ijk", E, phi) + np.einsum("lj,ilk->ijk", E, phi)
        columns.append((left - right).ravel())
    return Group(null_space(np.array(columns).T).T.reshape(-1, 7, 7), name="G2")


G2 = g2()
G2_POWERS = [1, 0, 1, 1, 4, 10, 35, 120]


def test_derivations_of_the_octonions():
    assert len(G2.lie_algebra) == 14
    assert G2.is_orthogonal


@pytest.mark.parametrize("k", range(1, 8))
def test_invariants_of_g2(k):
    basis = equivariant_basis((V**k)(G2), store=False)
    assert basis.rank == G2_POWERS[k]
    if k <= 4:
        fixed(basis)
    if k <= 3:
        same_span(basis, equivariant_basis((V**k)(G2), method="lanczos", store=False))


def test_the_product_of_octonions_is_the_invariant_of_g2():
    phi = octonions().ravel()
    basis = equivariant_basis((V**3)(G2), store=False)
    np.testing.assert_allclose(basis.project(phi), phi, rtol=0, atol=1e-11)


@pytest.mark.parametrize("seed", range(3))
def test_two_random_elements_generate_g2(seed):
    pair = np.tensordot(np.random.default_rng(seed).standard_normal((2, 14)), G2.lie_algebra, 1)
    assert [rank((V**k)(Group(pair))) for k in (2, 3, 4)] == [1, 1, 4]


# -- discrete and continuous parts together -----------------------------------------------------------------------

TURN = np.array([[0.0, -1.0], [1.0, 0.0]])
FLIP = np.diag([1.0, -1.0])
SIXTH = expm(np.pi / 3 * TURN)


@pytest.mark.parametrize(
    ("group", "ranks"),
    [
        # a circle in two planes, and their exchange
        (Group([block_diag(TURN, TURN)], [np.eye(4)[[2, 3, 0, 1]]]), [0, 4]),
        # rotations by 60° about the z axis, and translations along it are trivial
        (Group(discrete_generators=[block_diag(SIXTH, 1)]), [1, 3, 7]),
        (Group([block_diag(TURN, 0)], [np.diag([1.0, 1.0, -1.0])]), [0, 3, 0]),
        (Group([block_diag(TURN, 0)], [np.diag([1.0, -1.0, -1.0])]), [0, 2, 3]),
        # torus with an element of infinite order
        (Group(discrete_generators=[expm(np.sqrt(2) * TURN)]), [0, 2, 0, 6]),
        (WreathProduct(SO(2), S(3)), [0, 2, 0]),
        (WreathProduct(O(3), Z(2)), [0, 1, 0]),
        (O13(), [0, 1, 0, 3]),
        (Embed(O(2), 4, [3, 1]), [2, 5]),
    ],
    ids=range(9),
)
def test_discrete_and_continuous_parts(group, ranks):
    for k, expected in enumerate(ranks, start=1):
        assert rank((V**k)(group)) == expected
        assert set(ranks_by_method((V**k)(group)).values()) == {expected}


# -- groups that are not reductive --------------------------------------------------------------------------------


def unit(d, i, j):
    E = np.zeros((d, d))
    E[i, j] = 1.0
    return E


def affine(group):
    """Motions ``x -> gx + t`` on homogeneous coordinates (x, 1)."""
    n = group.d
    linear = [block_diag(A, 0) for A in group.lie_algebra]
    return Group(
        linear + [unit(n + 1, i, n) for i in range(n)],
        [block_diag(h, 1) for h in group.discrete_generators],
        name=f"affine {group}",
    )


NOT_REDUCTIVE = [
    # V has no fixed point, V* has the coordinate 1; V* ⊗ V* its square; V² the inverse metric and, in the plane, area
    (affine(SO(2)), [(V, 0), (V.T, 1), (V**2, 2), (V.T**2, 1), (V >> V, 1), (T(2, 2), 4)]),
    (affine(O(2)), [(V, 0), (V.T, 1), (V**2, 1), (V.T**2, 1), (V >> V, 1)]),
    (affine(SO(3)), [(V, 0), (V.T, 1), (V**2, 1), (V.T**2, 1), (V >> V, 1), (V.T**3, 1)]),
    (affine(SL(2)), [(V, 0), (V.T, 1), (V**2, 1), (V >> V, 1)]),
    (affine(D(3)), [(V, 0), (V.T, 1), (V >> V, 1)]),
    # unipotent: one invariant for each Jordan block
    (Group([unit(2, 0, 1)], name="N2"), [(V, 1), (V**2, 2), (V**3, 3), (V**4, 6), (V**5, 10)]),
    (Group([unit(3, 0, 1) + unit(3, 1, 2)], name="N3"), [(V, 1), (V**2, 3), (V**3, 7)]),
    (
        Group(discrete_generators=[np.eye(2) + unit(2, 0, 1)], name="shear"),
        [(V, 1), (V.T, 1), (V**2, 2), (V**3, 3), (V**4, 6), (V >> V, 2)],
    ),
    (
        Group([unit(3, 0, 1), unit(3, 1, 2)], name="Heisenberg"),
        [(V, 1), (V.T, 1), (V >> V, 2), (V**2, 2)],
    ),
    # all upper triangular matrices of determinant 1: highest weight vectors of weight 0
    (Group([unit(2, 0, 1), FLIP], name="Borel"), [(V, 0), (V >> V, 1), (V**2, 1), (V**4, 2)]),
    # scaling and shear at once
    (Group([np.eye(2) + unit(2, 0, 1)], name="Jordan"), [(V, 0), (V >> V, 2), (V**2, 0)]),
    (Group(discrete_generators=[[[2.0, 1.0], [0.0, 2.0]]], name="2J"), [(V, 0), (V >> V, 2)]),
]


@pytest.mark.parametrize(
    ("group", "rep", "expected"),
    [(group, rep, expected) for group, cases in NOT_REDUCTIVE for rep, expected in cases],
    ids=str,
)
def test_groups_that_are_not_reductive(group, rep, expected):
    rep = rep(group)
    found = ranks_by_method(rep)
    assert set(found.values()) == {expected}
    assert "dense" in found
    assert "lanczos" in found
    # `schur` alone needs complements that are invariant; commuting with a shear is no harder than with its normal part
    assert "schur" not in found
    assert rank(rep) == expected
    same_span(
        equivariant_basis(rep, store=False), equivariant_basis(rep, method="dense", store=False)
    )


# -- generators in bad shape --------------------------------------------------------------------------------------

SO3 = SO(3).lie_algebra


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
@pytest.mark.parametrize("rep", [V**4, T(2, 2), V >> V], ids=str)
@pytest.mark.parametrize("group", [SO(3), SL(2), U(2)], ids=repr)
def test_scale_of_the_generators(group, rep, scale):
    scaled = Group(scale * group.lie_algebra)
    expected = dense(constraint(rep(group))).rank
    assert rank(rep(scaled)) == expected
    assert set(ranks_by_method(rep(scaled)).values()) == {expected}


@pytest.mark.parametrize(
    "lie",
    [
        np.concatenate([SO3, SO3, -3 * SO3]),
        np.concatenate([1e-6 * SO3, SO3, 1e6 * SO3]),
        np.concatenate([SO3, np.zeros((2, 3, 3))]),
        [SO3[0], SO3[1], SO3[2], SO3[0] + SO3[1]],
        # two of three: their bracket is the third
        SO3[:2],
        [SO3[0], SO3[0] + 0.1 * SO3[1]],
        [SO3[0], 1e-6 * SO3[1]],
        np.tensordot(np.random.default_rng(0).standard_normal((9, 3)), SO3, 1),
    ],
    ids=range(8),
)
def test_redundant_missing_and_nearly_dependent_generators(lie):
    group = Group(lie)
    for k, expected in enumerate([1, 0, 1, 1, 3, 6, 15]):
        if k:
            assert rank((V**k)(group)) == expected
    same_span(
        equivariant_basis((V**4)(group), store=False),
        equivariant_basis((V**4)(SO(3)), store=False),
    )


@pytest.mark.parametrize("angle", [1e-3, 1e-5, 1e-7])
def test_generators_at_a_small_angle(angle):
    group = Group([SO3[0], SO3[0] + angle * SO3[1]])
    for k, expected in ((2, 1), (3, 1), (4, 3), (6, 15)):
        assert rank((V**k)(group)) == expected


def test_large_and_small_generators_of_different_groups():
    """A rotation of two planes at 1e-6 and 1e6 is one torus, whatever the scale; so is a stretch."""
    torus = Group([1e-6 * block_diag(TURN, 0, 0), 1e6 * block_diag(0, 0, TURN)])
    assert rank((V**2)(torus)) == 4
    mixed = Group([1e-6 * block_diag(TURN, 0, 0)], [np.diag([1.0, 1.0, 100.0, 0.01])])
    assert [rank((V**k)(mixed)) for k in (1, 2, 4)] == [0, 4, 6 + 24 + 6]


@pytest.mark.parametrize(
    "group",
    [
        Trivial(3),
        Group(d=3),
        Group(np.zeros((2, 3, 3))),
        Group(discrete_generators=[np.eye(3)]),
        Group(np.zeros((1, 3, 3)), [np.eye(3), np.eye(3)]),
    ],
    ids=range(5),
)
def test_groups_that_do_nothing(group):
    for rep, size in ((V, 3), (V**3, 27), (V >> V, 9), (2 * V + Scalar, 7)):
        assert rank(rep(group)) == size
        assert why_empty(rep(group)) == ""
    assert set(ranks_by_method((V**2)(group)).values()) == {9}


def test_scalars_and_reps_of_size_one_and_zero():
    class Sign(Rep):
        def size(self):
            return 1

        def rho(self, g):
            return np.sign(np.linalg.det(g)).reshape(1, 1)

    sign = Sign()(O(3))
    assert rank(sign) == 0
    assert rank(sign * sign) == 1
    # ε is a pseudotensor
    assert rank(sign * V(O(3)) ** 3) == 1
    assert rank(sign >> sign) == 1
    assert rank(sign >> Scalar) == 0
    assert rank(Scalar) == rank(Scalar >> Scalar) == 1
    assert rank(V(SO(1))) == 1
    assert rank(V(U(1))) == 0
    assert rank((V * V.conj())(U(1))) == 1
    for empty in (0 * V(SO(3)), 0 * V(SO(3)) >> V(SO(3)), 0 * Scalar):
        basis = equivariant_basis(empty)
        assert basis.shape == (0, 0)
        assert basis.to_dense().shape == (0, 0)


@pytest.mark.parametrize(
    ("group", "rep", "expected"),
    [
        (U(2), V * V.conj(), 1),
        (U(2), V * V, 0),
        (U(2), V.conj() * V.T, 0),
        (U(2), V.T * V.T.conj(), 1),
        (U(3), V**2 * V.conj() ** 2, 2),
        (U(2), V * V.T * V.conj() * V.conj().T, 2),
        (SU(2), V * V, 1),
        # the conjugate is the same rep in other coordinates
        (SU(2), V.conj() * V, 1),
        (SU(2), V.conj() >> V, 1),
        (SU(3), V.conj() >> V, 0),
        (SU(3), V.conj() >> V**2, 1),
        (SU(3), V**3 * V.conj() ** 3, 6),
        (GL(2), V.conj() >> V, 1),
    ],
    ids=str,
)
def test_unitary_groups_and_conjugates(group, rep, expected):
    assert rank(rep(group)) == expected
    assert set(ranks_by_method(rep(group).canonical()[0]).values()) == {expected}


def test_complex_groups_seen_as_real_ones():
    """SL(2, C) as a real group: V and its conjugate are different, and it is the Lorentz group on their product."""
    group = Group([z * A for z in (1, 1j) for A in SL(2).lie_algebra], name="SL(2,C)")
    assert rank((V**2)(group)) == 1
    assert rank((V * V.conj())(group)) == 0
    assert rank((V**2 * V.conj() ** 2)(group)) == 1
    # T_2k of SO(1,3): 1, 4
    for k, expected in ((2, 1), (4, 4)):
        assert rank((V**k * V.conj() ** k)(group)) == expected
    assert rank((V >> V)(group.realified())) == 2


@pytest.mark.parametrize(
    ("rep", "expected"),
    [
        (V(SO(3)) * V(S(4)), 0),
        ((V(SO(3)) * V(S(4))) ** 2, 2),
        (V(SO(3)) * V(S(4)) >> V(SO(3)) * V(S(4)), 2),
        (V(SO(3)) ** 3 * V(S(4)) ** 2, 2),
        (V(SU(2)) * V(O(2)) * V(SU(2)) * V(O(2)), 1),
        (V(SL(2)) * V(SO(2)) >> V(SO(2)) * V(SL(2)), 2),
        (V(SO(3)) * V(U(2)) + V(SO(3)) ** 2, 1),
        (V(Embed(SO(2), 3, [0, 1])) * V(Embed(SO(2), 3, [1, 2])), 1),
        (V(affine(SO(2))) * V(SO(2)) ** 2, 0),
        (V(affine(SO(2))).T * V(SO(2)) ** 2, 2),
    ],
    ids=str,
)
def test_several_groups(rep, expected):
    assert rank(rep) == expected


@pytest.mark.parametrize(
    ("h", "ranks"),
    [
        (np.diag([2.0, 0.5]), [0, 2, 0, 6]),
        (np.diag([2.0, 0.5, 1.0]), [1, 3, 7]),
        (np.diag([-2.0, 0.5]), [0, 0, 0, 6]),
        (np.diag([4.0, 0.5]), [0, 0, 3]),
        (np.array([[2.0, 1.0], [1.0, 1.0]]), [0, 2, 0, 6]),
        # not normal, but diagonalisable
        (np.array([[2.0, 5.0], [0.0, 0.5]]), [0, 2, 0, 6]),
        (np.array([[1.0, 3.0], [0.0, -1.0]]), [1, 2, 4]),
        (np.array([[0.0, 2.0], [0.5, 0.0]]), [1, 2, 4]),
        (np.array([[0.0, -4.0], [0.25, 0.0]]), [0, 2, 0, 8]),
        (2 * np.eye(2), [0, 0, 0]),
        (np.diag([1e8, 1e-8]), [0, 2, 0, 6]),
    ],
    ids=range(11),
)
def test_discrete_elements_of_infinite_order(h, ranks):
    group = Group(discrete_generators=[h])
    for k, expected in enumerate(ranks, start=1):
        solution = solve_nullspace(constraint((V**k)(group)))
        assert solution.rank == expected
    assert rank((V >> V)(group)) == (4 if np.allclose(h, h[0, 0] * np.eye(len(h))) else len(h))


@pytest.mark.parametrize("t", [1e2, 1e3, 1e4, 1e6])
@pytest.mark.parametrize("k", [4, 6])
@pytest.mark.parametrize("upper", [0.0, 1.0])
def test_elements_that_stretch_beyond_the_precision(t, k, upper):
    """Right, or an error: the identity in ρ(h) − I is soon lost beside entries of t^k."""
    rep = (V**k)(Group(discrete_generators=[[[t, upper], [0.0, 1 / t]]]))
    for method in ("auto", "dense", "lanczos", "schur"):
        try:
            found = solve_nullspace(constraint(rep), method).rank
        except (ConvergenceError, NotReductive):
            assert method != "auto" or upper
            continue
        assert found == {4: 6, 6: 20}[k]


# -- generators that hold approximately ---------------------------------------------------------------------------


def rounded(group, seed=0):
    """In other coordinates, and in single precision."""
    R = np.linalg.qr(np.random.default_rng(seed).standard_normal((group.d, group.d)))[0]

    def single(X):
        return np.float32(R @ X @ R.T).astype(np.float64)

    return Group(single(group.lie_algebra), single(group.discrete_generators), d=group.d)


@pytest.mark.parametrize(
    ("group", "k", "generated"),
    [(G2, 3, 0), (SU(2).realified(), 4, 32), (SO(3), 4, 3), (D(5), 2, 0), (D(5), 4, 0)],
    ids=str,
)
def test_generators_in_single_precision(group, k, generated):
    """Taken at their word: those of G2 generate SO(7), and the gap tells; all skew 3×3 matrices are still so(3)."""
    rep = (V**k)(rounded(group))
    basis = equivariant_basis(rep, store=False)
    assert basis.rank == dense(constraint(rep)).rank == generated
    if generated:
        assert solve_nullspace(constraint(rep), "schur").rank == generated
    else:
        assert basis.certificate.gap < 1e-6
        with pytest.raises((NotReductive, ConvergenceError)):
            solve_nullspace(constraint(rep), "schur")


@pytest.mark.parametrize("method", ["auto", "dense", "lanczos", "schur"])
@pytest.mark.parametrize("error", [1e-3, 1e-6, 1e-9, 1e-14])
def test_a_symmetry_broken_a_little_is_never_half_true(method, error):
    """Of two generators one preserves what the other breaks by a little: broken, or refused, or below the tolerance."""
    h = [np.diag([1.0, -1.0, 1.0]), np.diag([-1.0, 1.0, 1.0 + error])]
    try:
        found = solve_nullspace(constraint(V(Group(discrete_generators=h))), method)
    except (ConvergenceError, ValueError):
        return
    assert found.rank == (0 if error > 1e-11 else found.rank)
    assert found.rank in (0, 1)


# -- nonsense -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity(bad):
    A = np.zeros((3, 3))
    A[0, 1] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        Group([A])
    with pytest.raises(ValueError, match="NaN or infinite"):
        Group(discrete_generators=[A + np.eye(3)])


@pytest.mark.parametrize(
    ("generators", "match"),
    [
        ([np.zeros((2, 3))], "square"),
        ([np.zeros((2, 2)), np.zeros((3, 3))], "same size"),
        ([[[1.0, 2.0], [3.0]]], "different lengths|must hold"),
        ([np.zeros(3)], "square"),
    ],
)
def test_shapes_that_are_no_generators(generators, match):
    with pytest.raises(ValueError, match=match):
        Group(generators)


def test_singular_elements():
    with pytest.raises(ValueError, match="must be invertible"):
        Group(discrete_generators=[np.diag([1.0, 0.0])])


def test_a_bespoke_rep_that_returns_nan_is_refused():
    class Broken(Rep):
        def size(self):
            return 2

        def rho(self, g):
            return np.full((2, 2), np.nan)

        def drho(self, A):
            return np.full((2, 2), np.nan)

    with pytest.raises((ValueError, ConvergenceError), match="Broken"):
        equivariant_basis(Broken()(SO(3)), store=False)
