"""What generators are known to decides everything: zero, symmetric, redundant, near the identity, balanced."""

import itertools
import math

import numpy as np
import pytest
from oracles_irreps import rounded as rounded_group
from scipy.linalg import block_diag

from fastemlp import EquivariantRidge, equivariant_basis
from fastemlp.bases.constraint import constraint
from fastemlp.exceptions import ConvergenceError, NotReductive
from fastemlp.groups import SL, SO, SU, C, D, Group, O, S, Sp, U, Z
from fastemlp.irreducibles.balance import balance
from fastemlp.reps import Rep, T, V
from fastemlp.solver import solve_nullspace

REFUSALS = (ConvergenceError, NotReductive)
METHODS = ("auto", "dense", "lanczos", "schur")


class Charge(Rep):
    """``g ↦ gᵏ`` of U(1), with the derivative that is derived from it."""

    def __init__(self, k):
        self.k = k

    def size(self):
        return 1

    def rho(self, g):
        return (g[0, 0] ** self.k).reshape(1, 1)


class Determinant(Rep):
    def size(self):
        return 1

    def rho(self, g):
        return np.linalg.det(g).reshape(1, 1)


def rank(rep, method="auto"):
    return solve_nullspace(constraint(rep), method).rank


# -- noise is no generator ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["auto", "dense", "lanczos"])
def test_charges_are_neutral_or_not(method):
    # in one order: that of the slots makes no other sums
    for charges in itertools.combinations_with_replacement(range(-3, 4), 3):
        if method != "auto" and charges[0] > -3:
            continue  # a third of them will do for the others
        a, b, c = map(Charge, charges)
        assert rank((a * b * c)(U(1)), method) == (sum(charges) == 0), charges


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("group", [SL(2), SL(3), SL(4), Sp(1), Sp(2), SU(3), SO(3)], ids=str)
def test_determinants_of_special_groups_are_constant(group, method):
    assert rank(Determinant()(group), method) == 1
    assert rank((Determinant() * Determinant())(group), method) == 1


def test_a_product_of_charges_is_learned():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((200, 2)) + 0j

    class Weight(Rep):
        """exp(kA) of the scalings of a line."""

        def __init__(self, k):
            self.k = k

        def size(self):
            return 1

        def rho(self, g):
            return (g[0, 0] ** self.k).reshape(1, 1)

    line = Group([[[1.0]]])
    X, y = z.real, z.real[:, 0] * z.real[:, 1]
    model = EquivariantRidge(
        rep_in=(Weight(1) + Weight(-1))(line),
        rep_out=(Weight(1) * Weight(-1))(line),
        group=line,
        degree=2,
    )
    assert model.fit(X, y).score(X, y) > 1 - 1e-8


def test_the_real_part_of_an_imaginary_weight_is_roundoff():
    w = np.log(np.exp(1j * np.array([1.0, 2.0, -3.0])))
    shear = block_diag(np.eye(3), [[1.0, 1], [0, 1]])
    rep = (V**3)(Group([np.diag([*w, 0, 0])], [shear]))
    assert [rank(rep, m) for m in ("auto", "dense", "lanczos")] == [9, 9, 9]


def test_imaginary_weights_with_roundoff_are_counted():
    """Phases written as logarithms: 200 sets of weights, powers up to 4, against counting integers."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        weights = rng.integers(-3, 4, size=rng.integers(1, 5))
        if not weights.any():
            continue
        k = int(rng.integers(1, 5))
        noisy = np.log(np.exp(1j * weights.astype(float))) * (1 + 1e-16 * rng.standard_normal())
        neutral = sum(sum(w) == 0 for w in itertools.product(weights, repeat=k))
        # weights beyond ±π come back shifted by a turn: keep those that do not
        if np.abs(weights).max() <= 3:
            assert rank((V**k)(Group([np.diag(noisy)]))) == neutral, (weights, k)


# -- near the identity --------------------------------------------------------------------------------------------


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@pytest.mark.parametrize("method", METHODS)
def test_a_billionth_of_a_turn(method):
    assert rank((V**8)(C(10**9)), method) == 70


@pytest.mark.parametrize("method", ["auto", "dense", "lanczos"])
@pytest.mark.parametrize("size", [1.0, 1e-3, 2.0**-27])
def test_a_small_shear(size, method):
    assert rank((V**8)(Group(discrete_generators=[[[1, size], [0, 1]]])), method) == 70


def test_elements_near_the_identity_on_every_scale():
    """Rotations and shears of the plane by 2⁻ᵏ: C(p, p/2) invariants of T_p, none for odd p under rotations."""
    for k in range(1, 38):
        for p in (2, 3, 4):
            middle = math.comb(p, p // 2)
            turn = Group(discrete_generators=[rotation(2.0**-k)])
            shear = Group(discrete_generators=[[[1, 2.0**-k], [0, 1]]])
            assert rank((V**p)(turn)) == (middle if p % 2 == 0 else 0), (k, p)
            assert rank((V**p)(shear)) == middle, (k, p)


def test_a_tilted_axis_near_the_identity_is_found_or_refused():
    rng = np.random.default_rng(2)
    for k in range(1, 36):
        axis = rng.standard_normal(3)
        axis /= np.linalg.norm(axis)
        K = np.cross(np.eye(3), axis)
        h = np.eye(3) + np.sin(2.0**-k) * K + (1 - np.cos(2.0**-k)) * K @ K
        C_ = constraint((V**2)(Group(discrete_generators=[h])))
        try:
            found = solve_nullspace(C_)
        except REFUSALS:
            assert k > 20
            continue
        assert found.rank == 3
        # the square of the axis
        u, Q = np.kron(axis, axis), found.Q.to_dense()
        assert np.linalg.norm(u - Q @ (Q.T @ u)) <= 1e-14 + 10 * C_.accuracy


def test_the_identity_up_to_roundoff_is_the_identity():
    for noise in (0, 1e-16, 3e-16, 1e-15):
        h = np.eye(2) + noise * np.array([[0, 1], [1, 1.0]])
        for method in ("auto", "dense", "lanczos"):
            assert rank((V**3)(Group(discrete_generators=[h])), method) == 8


# -- generators to some decimals ----------------------------------------------------------------------------------


def turned(group, decimals, seed):
    R = np.linalg.qr(np.random.default_rng(seed).standard_normal((group.d, group.d)))[0]
    return Group(
        discrete_generators=[np.round(R @ h @ R.T, decimals) for h in group.discrete_generators]
    )


POINT_GROUPS = [D(3), D(4), C(5), S(3), Z(4)]


@pytest.mark.parametrize("group", POINT_GROUPS, ids=str)
def test_turned_point_groups_to_some_decimals(group):
    """Orthogonal to the digits given: as many invariants as unrounded, and the residual within the accuracy."""
    true = {k: rank((V**k)(group)) for k in (2, 3)}
    for decimals, seed in itertools.product((12, 13, 14, 15, 16), range(8)):
        G = turned(group, decimals, seed)
        assert G.is_orthogonal
        assert rank((V >> V)(G)) == true[2]
        for k in (2, 3):
            C_ = constraint((V**k)(G))
            found = solve_nullspace(C_)
            assert found.rank == true[k], (decimals, seed, k)
            assert found.residual <= max(1e-14, 2 * C_.accuracy)


@pytest.mark.parametrize("decimals", [6, 8, 10])
def test_fewer_decimals_need_a_word(decimals):
    for seed in range(8):
        rounded = turned(D(4), decimals, seed)
        assert not rounded.is_orthogonal
        declared = Group(discrete_generators=rounded.discrete_generators, accuracy=10.0**-decimals)
        assert declared.is_orthogonal
        assert declared != rounded
        assert rank((V**4)(declared), "dense") == rank((V**4)(D(4))) if decimals == 10 else True
        # as given, the identity is equivariant whatever the group is
        assert rank((V >> V)(rounded), "dense") >= 1


@pytest.mark.parametrize("method", ["auto", "schur"])
@pytest.mark.parametrize("decimals", [6, 8, 10, 11, 12])
@pytest.mark.parametrize("sheared", [False, True])
def test_what_is_declared_is_right_or_refused(method, decimals, sheared):
    """Generators in other coordinates, rounded, with their accuracy: 150 cases a method."""
    rng = np.random.default_rng(decimals)
    for group in (D(4), S(3), D(5), SO(3), SO(2)):
        declared = rounded_group(group, decimals, sheared, rng)
        for word in (V >> V, V**3, V**2 * V.T**2):
            try:
                found = solve_nullspace(constraint(word(declared)), method)
            except REFUSALS:
                assert decimals < 11 or sheared
                continue
            assert found.rank == rank(word(group))


@pytest.mark.parametrize("method", ["dense", "lanczos", "lobpcg"])
@pytest.mark.parametrize("decimals", range(5, 13))
def test_other_methods_refuse_as_well(method, decimals):
    for seed, group in enumerate((D(4), S(3), C(5))):
        rounded = turned(group, decimals, seed)
        declared = Group(discrete_generators=rounded.discrete_generators, accuracy=10.0**-decimals)
        try:
            found = solve_nullspace(constraint((V**4)(declared)), method)
        except REFUSALS:
            assert decimals < 10
            continue
        assert found.rank == rank((V**4)(group))


def test_accuracy_is_carried_and_checked():
    G = Group(discrete_generators=[np.eye(2)], accuracy=1e-9)
    assert G.accuracy == 1e-9
    for H in (G * Z(3), G.realified()):
        assert H.accuracy == 1e-9
    assert O(3).accuracy == SO(5).accuracy == np.finfo(float).eps
    with pytest.raises(ValueError, match=r"Group: accuracy must be between 0 and 0.001.* got nan"):
        Group(d=2, accuracy=np.nan)
    with pytest.raises(TypeError, match=r"Group: accuracy must be a number or None, got '3'"):
        Group(d=2, accuracy="3")


# -- redundant directions, sheared coordinates, tolerances --------------------------------------------------------


def test_a_direction_taken_for_redundant_is_part_of_the_accuracy():
    A = np.array([[0, -1.0, 0], [1, 0, 0], [0, 0, 0]])
    B = np.array([[0, 0, -1.0], [0, 0, 0], [1, 0, 0]])
    assert Group([A, A + 3e-11 * B]).lie_accuracy == pytest.approx(3e-11, rel=0.5)
    assert Group([A, A + 1e-3 * B]).lie_accuracy == pytest.approx(2e-13, rel=0.5)


def sheared(group, condition, seed):
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.standard_normal((group.d,) * 2))[0] for _ in range(2))
    s = condition ** np.append(rng.random(group.d - 2), [0, 1])
    there, back = left * s @ right, right.T / s @ left.T
    return Group(
        [there @ A @ back for A in group.lie_algebra],
        [there @ h @ back for h in group.discrete_generators],
        d=group.d,
    )


def permutation_tensors(k, d):
    """Invariants of T(k, k) for every group: unit columns."""
    columns = []
    for p in itertools.permutations(range(k)):
        u = np.zeros((d,) * (2 * k))
        for i in itertools.product(range(d), repeat=k):
            u[i + tuple(i[j] for j in p)] = 1
        columns.append(u.ravel() / np.linalg.norm(u))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("group", [SO(2), SO(3), Sp(2), SL(3), D(5), S(3)], ids=str)
def test_sheared_groups_are_right_or_refused(group):
    """Condition numbers from 10 to 10⁸: what is certified holds the tensors that every group leaves alone."""
    answered = 0
    orders = (1,) if group.d > 3 else (1, 2)
    for k, exponent in itertools.product(orders, range(1, 9)):
        try:
            G = sheared(group, 10.0**exponent, exponent)
        except ValueError:
            continue  # singular to working precision
        rep, U = T(k, k, G), permutation_tensors(k, group.d)
        for method in METHODS:
            try:
                Q = solve_nullspace(constraint(rep), method).Q.to_dense()
            except REFUSALS:
                continue
            answered += 1
            assert np.linalg.norm(U - Q @ (Q.T @ U), axis=0).max() <= 1e-8, (k, exponent, method)
    assert answered >= 6


def test_balanced_generators_say_what_they_are_known_to():
    gentle, steep = (balance(constraint(T(2, 2, sheared(SO(3), c, 0))))[1] for c in (10, 1e5))
    assert gentle.accuracy < 1e-12 < 1e-9 < steep.accuracy


def test_a_steeply_sheared_group_is_refused_with_advice():
    with pytest.raises(ConvergenceError, match=r"less sheared, or to more digits"):
        solve_nullspace(constraint(T(3, 3, sheared(SO(3), 1e4, 0))), "lanczos")
    with pytest.raises(ConvergenceError):
        solve_nullspace(constraint(T(2, 2, sheared(SO(3), 1e5, 0))), "lanczos")


@pytest.mark.parametrize("tol", [np.nan, 10, -1.0, np.inf, "small"])
@pytest.mark.parametrize("method", ["auto", "orbits", "dense", "lanczos", "schur", "lobpcg"])
def test_tolerances_that_make_no_sense(tol, method):
    with pytest.raises(ValueError, match=r"expected tol to be None or a number between 0 and 0.01"):
        equivariant_basis((V**2)(Z(3)), method=method, tol=tol, store=False)
