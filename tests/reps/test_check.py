"""What is no representation is refused, what is one passes: a generated family of each."""

import numpy as np
import pytest
from oracles_reps import GROUPS, Function, random_word, spoilt

from fastemlp import equivariant_basis
from fastemlp.bases.isotypic import irreps
from fastemlp.groups import (
    SL,
    SO,
    SU,
    C,
    D,
    DkeR3,
    Group,
    O,
    S,
    Scaling,
    U,
    WreathProduct,
    Z,
    ZksZnxZn,
)
from fastemlp.nn import EMLP
from fastemlp.reps import Rep, Scalar, V, check_rep
from fastemlp.reps.check import loop_period

NON_ABELIAN = [
    *(D(3), D(4), D(9), DkeR3(4), ZksZnxZn(4, 2), S(3), S(7)),
    *(WreathProduct(Z(3), S(2)), WreathProduct(SO(2), S(3)), WreathProduct(D(3), Z(2))),
    *(SO(3), O(2), SL(2), U(2), SU(2)),
]


@pytest.mark.parametrize("seed", range(220))
def test_random_words_of_the_algebra_pass(seed):
    rng = np.random.default_rng(seed)
    group = GROUPS[seed % len(GROUPS)]
    function, name, _ = random_word(rng, group.d)
    check_rep(Function(function, name)(group))


@pytest.mark.parametrize("seed", range(220))
def test_spoilt_ones_are_refused(seed):
    rng = np.random.default_rng(seed)
    group = GROUPS[seed % len(GROUPS)]
    function, name, size = random_word(rng, group.d)
    wrong, how = spoilt(rng, function, size)
    if how.startswith("minus") and not _is_no_character(group):
        wrong = lambda g: -function(g)  # noqa: E731
    with pytest.raises(ValueError, match=r"is not a representation|does not approach the identity"):
        check_rep(Function(wrong, f"{name} {how}")(group))


def _is_no_character(group):
    """Whether 'minus away from the identity' fails to multiply: some product of two such is another such."""
    x = group.samples(20, 0)
    far = np.abs(np.trace(x, axis1=1, axis2=2) - group.d) > 1e-6
    products = np.einsum("aij,bjk->abik", x, x)
    away = np.trace(products, axis1=2, axis2=3) < group.d - 1e-9
    minus = np.trace(x, axis1=1, axis2=2) < group.d - 1e-9
    return bool(far.any() and (away != (minus[:, None] ^ minus[None])).any())


@pytest.mark.parametrize("group", NON_ABELIAN, ids=repr)
@pytest.mark.parametrize("seed", range(14))
def test_what_multiplies_in_the_wrong_order_is_refused(group, seed):
    """Transposes and inverses are homomorphisms of the opposite group; in random coordinates, in sums and products."""
    rng = np.random.default_rng(seed)
    flip = [lambda g: g.T, np.linalg.inv][seed % 2]
    M = np.linalg.qr(rng.standard_normal((group.d, group.d)))[0]
    wrong = [
        lambda g: flip(g),
        lambda g: M @ flip(g) @ M.T,
        lambda g: np.kron(np.eye(2), flip(g)),
    ][seed % 3]
    with pytest.raises(ValueError, match="is not a representation of"):
        check_rep(Function(wrong, "flipped")(group), random_state=seed)


def _half_turn(k):
    def rho(g):
        angle = k * np.arctan2(g[1, 0], g[0, 0]) / 2
        return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    return rho


@pytest.mark.parametrize("k", range(-7, 8))
@pytest.mark.parametrize("frequency", [1, 2, 3, 0.5])
def test_two_valued_reps_are_refused(k, frequency):
    """Turning by half the angle looks like a rep near the identity."""
    J = np.array([[0, -1.0], [1, 0]])
    group = Group([frequency * J])
    rep = Function(_half_turn(k), f"half of {k}")(group)
    if k % 2 == 0:
        check_rep(rep)
        return
    with pytest.raises(ValueError, match=r"fails with relative error"):
        check_rep(rep)
    with pytest.raises(ValueError, match="is not a representation of"):
        equivariant_basis(rep >> rep)


def _spinor(g):
    """SU(2) from SO(3): a sign is left to chance, so it is no rep of SO(3)."""
    values = np.sqrt(np.maximum(0, 1 + np.array([g[0, 0] + g[1, 1] + g[2, 2]])))
    w = values[0] / 2
    axis = np.array([g[2, 1] - g[1, 2], g[0, 2] - g[2, 0], g[1, 0] - g[0, 1]]) / (4 * w + 1e-300)
    i, j, k = axis
    return np.array([[w - 1j * k, -j - 1j * i], [j - 1j * i, w + 1j * k]])


def test_spinors_are_no_rep_of_rotations():
    with pytest.raises(ValueError, match="fails with relative error"):
        check_rep(Function(_spinor, "spinor")(SO(3)))


def test_loops_are_recognised():
    J = np.array([[0, -1.0], [1, 0]])
    Z2 = np.zeros((2, 2))
    assert np.isclose(loop_period(J), 2 * np.pi)
    assert np.isclose(loop_period(np.block([[2 * J, Z2], [Z2, 3 * J]])), 2 * np.pi)
    assert loop_period(np.block([[J, Z2], [Z2, np.sqrt(2) * J]])) is None
    assert loop_period(np.block([[J, np.eye(2)], [Z2, J]])) is None  # not diagonalisable
    assert loop_period(np.eye(2)) is None
    assert loop_period(Z2) is None


class Declared(Rep):
    """V, and what it says of itself."""

    is_permutation = True

    def rho(self, g):
        return g


@pytest.mark.parametrize("group", [D(4), C(5), SO(2), O(3), DkeR3(4)], ids=repr)
def test_a_false_declaration_of_permutations_is_refused(group):
    message = r"declares is_permutation=True, but under .* it is not: rho of a generator differs by"
    with pytest.raises(ValueError, match=message):
        check_rep(Declared()(group))
    with pytest.raises(ValueError, match=message):
        EMLP(2 * V, Scalar, group, channels=3 * Declared() + 2 * Scalar, n_layers=1)
    with pytest.raises(ValueError, match=message):
        irreps(Declared()(group) * V(group))


@pytest.mark.parametrize("group", [S(4), Z(5), ZksZnxZn(4, 2)], ids=repr)
def test_a_true_declaration_is_believed(group):
    check_rep(Declared()(group))


class WrongDual(Rep):
    def rho(self, g):
        return g

    @property
    def T(self):
        return self


def test_other_declarations_are_checked():
    check_rep(WrongDual()(SO(3)))
    with pytest.raises(ValueError, match="T is the dual fails"):
        check_rep(WrongDual()(SL(2)))

    class WrongConjugate(Rep):
        def rho(self, g):
            return g

        def conj(self):
            return self

    check_rep(WrongConjugate()(S(3)))
    with pytest.raises(ValueError, match=r"conj\(\) is the conjugate fails"):
        check_rep(WrongConjugate()(U(2)))


def test_a_nonlinear_derivative_is_refused():
    class Squared(Rep):
        def rho(self, g):
            return np.eye(1)

        def drho(self, A):
            return np.array([[0.1 * np.sum(A**2)]])

    with pytest.raises(ValueError, match="drho is linear fails"):
        check_rep(Squared()(SO(3)))


def test_a_rep_is_checked_once():
    calls = []

    class Counted(Rep):
        def size(self):
            return 1

        def rho(self, g):
            calls.append(1)
            return np.eye(1)

    rep = Counted()(S(3))
    equivariant_basis(rep, store=False)
    n = len(calls)
    equivariant_basis(rep, store=False, random_state=1)
    assert len(calls) <= n + 4


def test_the_size_follows_from_rho():
    class Square(Rep):
        def rho(self, g):
            return np.kron(g, g)

    assert Square()(SO(3)).size() == 9
    assert (2 * Square() + Scalar)(S(4)).size() == 33
    assert equivariant_basis(Square()(SO(3))).rank == 1
    with pytest.raises(ValueError, match="Square is not bound to a group, so its size"):
        Square().size()


def test_scaling_and_roots_are_reps_where_they_are_single_valued():
    class Root(Rep):
        def rho(self, g):
            return np.linalg.det(g).reshape(1, 1) ** 0.5

    check_rep(Root()(Scaling(3)))


def test_an_empty_rep_takes_part_in_sums():
    class Nothing(Rep):
        def size(self):
            return 0

        def rho(self, g):
            return np.zeros((0, 0))

    for group in (SO(3), S(3), O(2)):
        rep = (Nothing() + V + 2 * Nothing() * V)(group)
        expected = equivariant_basis(V(group)).rank
        assert equivariant_basis(rep).rank == expected
        assert equivariant_basis(rep >> rep).rank == equivariant_basis((V >> V)(group)).rank
        assert equivariant_basis(Nothing()(group)).rank == 0
        g = group.sample(0)
        np.testing.assert_allclose(rep.rho_dense(g), g, atol=1e-14)
