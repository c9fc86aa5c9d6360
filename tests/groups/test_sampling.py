"""Random group elements: in the group, well conditioned, deterministic, widely spread."""

import numpy as np
import pytest
from oracles_irreps import elements

from fastemlp.groups import (
    GL,
    O11,
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
    O,
    RubiksCube,
    S,
    Scaling,
    SO13p,
    Sp,
    Trivial,
    U,
    WreathProduct,
    Z,
    ZksZnxZn,
)

ATOL = 1e-12
ETA = np.diag([1.0, -1.0, -1.0, -1.0])
J = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])
CONJUGATE = np.array([[1.0, 3.0], [0.0, 2.0]])


def transpose(g):
    return g.swapaxes(1, 2)


def draw(G, n=60, seed=0):
    g = G.samples(n, seed)
    assert g.shape == (n, G.d, G.d)
    assert g.dtype == G.dtype
    assert np.linalg.cond(g).max() <= 1e4
    return g


@pytest.mark.parametrize("G", [SO(2), SO(5), O(3), C(7), D(9), SO(3) * S(3), O(2) * O(2)], ids=repr)
def test_orthogonal_groups(G):
    g = draw(G)
    np.testing.assert_allclose(transpose(g) @ g, np.broadcast_to(np.eye(G.d), g.shape), atol=ATOL)


@pytest.mark.parametrize("G", [U(1), U(3), SU(2), SU(3), U(2) * Z(3)], ids=repr)
def test_unitary_groups(G):
    g = draw(G)
    eye = np.broadcast_to(np.eye(G.d), g.shape)
    np.testing.assert_allclose(transpose(g.conj()) @ g, eye, atol=ATOL)


@pytest.mark.parametrize("G", [SO(4), SL(2), SL(4), SU(3), Sp(2), SO13p(), A(5)], ids=repr)
def test_determinant_one(G):
    np.testing.assert_allclose(np.linalg.det(draw(G)), 1.0, atol=1e-11)


def test_forms_are_preserved():
    for G in (SO13p(), O13()):
        g = draw(G)
        np.testing.assert_allclose(transpose(g) @ ETA @ g, np.broadcast_to(ETA, g.shape), atol=ATOL)
    g = draw(Sp(2))
    np.testing.assert_allclose(transpose(g) @ J @ g, np.broadcast_to(J, g.shape), atol=ATOL)
    assert np.all(draw(SO13p())[:, 0, 0] >= 1)
    assert np.all(np.linalg.det(draw(GL(3))) > 0)


def test_all_components_appear():
    for G in (O13(), O11()):
        g = draw(G)
        components = {(s, t) for s, t in zip(np.linalg.det(g) > 0, g[:, 0, 0] > 0, strict=True)}
        assert len(components) == 4
    assert set(np.sign(np.linalg.det(draw(O(4))))) == {-1.0, 1.0}


@pytest.mark.parametrize("k", [1, 2, 3, 7, 12])
def test_finite_rotations_stay_in_the_group(k):
    g = draw(D(k), n=400)
    proper = g[np.linalg.det(g) > 0]
    eye = np.broadcast_to(np.eye(2), proper.shape)
    np.testing.assert_allclose(np.linalg.matrix_power(proper, k), eye, atol=ATOL)
    assert len(np.unique(np.round(g, 6) + 0.0, axis=0)) == 2 * k


@pytest.mark.parametrize(
    "G",
    [S(4), A(4), Z(30), RubiksCube(), ZksZnxZn(4, 2), C(4), WreathProduct(D(4), S(3))],
    ids=repr,
)
def test_monomial_groups_are_exact(G):
    g = draw(G, n=300)
    assert np.all(np.isin(g, [0.0, 1.0] if G.is_permutation else [-1.0, 0.0, 1.0]))
    np.testing.assert_array_equal(transpose(g) @ g, np.broadcast_to(np.eye(G.d), g.shape))
    # Uniform draws with repetition would show this many different elements.
    expected = -G.order() * np.expm1(-300 / G.order())
    assert 0.95 * expected <= len(np.unique(g, axis=0)) <= G.order()


def test_elements_of_a_small_group_are_about_equally_likely():
    _, counts = np.unique(draw(S(3), n=3000), axis=0, return_counts=True)
    assert len(counts) == 6
    assert counts.min() > 400
    _, counts = np.unique(draw(Z(10), n=3000), axis=0, return_counts=True)
    assert counts.min() > 200


def test_rotations_go_all_the_way_round():
    g = draw(SO(2), n=800)
    angle = np.arctan2(g[:, 1, 0], g[:, 0, 0])
    counts, _ = np.histogram(angle, bins=8, range=(-np.pi, np.pi))
    assert counts.min() > 60
    # For a rotation of R^3 drawn at random the mean matrix is 0.
    assert np.abs(draw(SO(3), n=2000).mean(axis=0)).max() < 0.1


def test_discrete_elements_spread_the_continuous_ones():
    g = draw(WreathProduct(SO(3), S(4)), n=200).reshape(200, 4, 3, 4, 3)
    blocks = np.linalg.norm(g, axis=(2, 4))
    # One rotated block in each row and column of copies.
    np.testing.assert_allclose(np.sort(blocks, axis=2)[..., -1], 3**0.5)
    np.testing.assert_allclose(np.sort(blocks, axis=2)[..., :-1], 0.0, atol=ATOL)
    turned = [np.any(np.abs(g[:, i, :, i, :]) % 1 > 1e-6) for i in range(4)]
    assert all(turned)


def test_non_unitary_discrete_generators():
    inverse = np.linalg.inv(CONJUGATE)
    finite = Group(discrete_generators=CONJUGATE @ D(3).discrete_generators @ inverse)
    g = inverse @ draw(finite, n=200) @ CONJUGATE
    assert len(np.unique(np.round(g, 6) + 0.0, axis=0)) == 6
    np.testing.assert_allclose(transpose(g) @ g, np.broadcast_to(np.eye(2), g.shape), atol=1e-11)

    infinite = Group(discrete_generators=[[[1, 1], [0, 1]], [[0, -1], [1, 0]]])
    g = draw(infinite, n=200)  # SL(2, Z)
    np.testing.assert_allclose(g, np.round(g), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(g), 1.0, atol=1e-9)
    assert np.abs(g).max() > 5

    mixed = Group(SL(2).lie_algebra, [np.diag([4.0, -0.25])])
    np.testing.assert_allclose(np.abs(np.linalg.det(draw(mixed))), 1.0, atol=1e-10)


def test_algebras_that_are_not_closed_under_transpose():
    translation = np.zeros((1, 4, 4))
    translation[0, 0, 3] = 1e6
    rotations = Embed(SO(3), 4, slice(0, 3)).lie_algebra
    g = draw(Group(np.concatenate([1e-6 * rotations, translation])))  # SE(3)
    np.testing.assert_array_equal(g[:, 3], np.broadcast_to([0, 0, 0, 1], (60, 4)))
    R = g[:, :3, :3]
    np.testing.assert_allclose(transpose(R) @ R, np.broadcast_to(np.eye(3), R.shape), atol=ATOL)
    assert np.abs(g[:, :3, 3]).max() > 0.05

    rotation = CONJUGATE @ SO(2).lie_algebra @ np.linalg.inv(CONJUGATE)
    draw(Group(rotation))
    draw(Group([np.triu(np.ones((4, 4)))]))


def test_edge_cases():
    np.testing.assert_array_equal(draw(Trivial(2), n=3), np.broadcast_to(np.eye(2), (3, 2, 2)))
    np.testing.assert_array_equal(draw(SU(1), n=2), np.ones((2, 1, 1)))
    assert SO(3).samples(0).shape == (0, 3, 3)
    assert O(3).samples(0).shape == S(3).samples(0).shape == (0, 3, 3)
    assert U(2).sample(1).shape == (2, 2)
    assert np.all(draw(Scaling(3))[:, 0, 0] > 0)


@pytest.mark.parametrize("G", [O(3), S(5), Sp(1), SU(2)], ids=repr)
def test_random_state(G):
    np.testing.assert_array_equal(G.samples(4, 7), G.samples(4, 7))
    np.testing.assert_array_equal(G.samples(4, 7), G.samples(4, np.random.default_rng(7)))
    legacy = [G.samples(4, np.random.RandomState(7)) for _ in range(2)]
    np.testing.assert_array_equal(*legacy)
    rng = np.random.default_rng(7)
    assert not np.array_equal(G.samples(4, rng), G.samples(4, rng))
    rs = np.random.RandomState(7)
    assert not np.array_equal(G.samples(4, rs), G.samples(4, rs))


def test_the_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert not np.array_equal(SO(3).samples(2), SO(3).samples(2))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"Group.samples: n must be an integer >= 0, got -1"):
        SO(2).samples(-1)
    with pytest.raises(TypeError, match=r"Group.samples: random_state must be None, an int"):
        SO(2).sample("seed")
    with pytest.raises(ValueError, match=r"random_state must be >= 0, got -3"):
        SO(2).sample(-3)


@pytest.mark.parametrize("condition", [1.0, 10.0, 100.0, 1e3])
@pytest.mark.parametrize("group", [S(4), D(5), C(7), Cube()], ids=repr)
def test_sheared_finite_groups_are_left_by_as_much_as_is_said(group, condition):
    rng = np.random.default_rng(group.d)
    U, W = (np.linalg.qr(rng.standard_normal((group.d, group.d)))[0] for _ in "UW")
    scales = np.logspace(0, np.log10(condition), group.d)
    S_, inverse = U * scales @ W, W.T / scales @ U.T
    sheared = Group(discrete_generators=[S_ @ h @ inverse for h in group.discrete_generators])
    exact = S_ @ np.array(elements(group.discrete_generators)) @ inverse
    for g in sheared.samples(50, random_state=0):
        off = np.abs(exact - g).max(axis=(1, 2)).min()
        assert off <= 5e-12 + 1e-13 * condition**2 * np.abs(g).max()
