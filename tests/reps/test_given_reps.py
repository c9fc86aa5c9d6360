"""Reps that are given by name, by cosets, by blocks or by the images of generators."""

import math
import pickle

import numpy as np
import pytest
from oracles_reps import closure, double_cosets

from fastemlp import equivariant_basis, irreps
from fastemlp.groups import (
    SL,
    SO,
    SU,
    A,
    C,
    Cube,
    D,
    DkeR3,
    Embed,
    Group,
    O,
    O2eR3,
    S,
    Scaling,
    SemiDirectProduct,
    SO13p,
    Trivial,
    U,
    WreathProduct,
    Z,
    ZksZnxZn,
)
from fastemlp.nn import EMLP
from fastemlp.reps import (
    Block,
    P,
    Rep,
    Scalar,
    V,
    axial,
    blocks,
    check_rep,
    coset_rep,
    det,
    parse_rep,
    regular,
    regular_rep,
)
from fastemlp.testing import equivariance_error

FINITE = [
    *(C(5), C(6), D(3), D(4), D(6), Z(4), S(3), S(4), A(4), Cube(), DkeR3(3), ZksZnxZn(2, 2)),
    *(WreathProduct(Z(2), S(2)), WreathProduct(C(3), Z(2)), S(3) * Z(2), Trivial(2)),
]


# -- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", [O(2), O(3), O(4), S(4), D(5), SO13p(), SL(2), SO(3)], ids=repr)
@pytest.mark.parametrize("rep", [P, det, det.T, axial, det**2, P * det, P.T, axial.T], ids=str)
def test_named_reps_are_reps(rep, group):
    for atom in (rep,) if not hasattr(rep, "factors") else rep.factors:
        if atom(group) not in (V(group), V.T(group)):
            check_rep(atom(group))
    g, h = group.samples(2, 0)
    image = rep(group).rho_dense(g) @ rep(group).rho_dense(h)
    np.testing.assert_allclose(rep(group).rho_dense(g @ h), image, atol=1e-9)


@pytest.mark.parametrize(
    ("rep", "rank"),
    [
        (V**2 >> axial, 1),  # the cross product
        (V**2 >> V, 0),
        (V**3 >> P, 1),  # the triple product
        (axial * V >> P, 1),
        (axial**2 >> axial, 1),
        (P >> det, 1),
        (P, 0),
        (P**2, 1),
        (V**2 >> P * V**2, 0),
        (3 * P + axial >> axial + P, 4),
    ],
    ids=str,
)
def test_pseudovectors_of_space(rep, rank):
    assert equivariant_basis(rep(O(3))).rank == rank


def test_determinants():
    assert equivariant_basis((V**3 >> det)(Group(np.eye(9).reshape(9, 3, 3)))).rank == 1  # GL(3)
    assert equivariant_basis(det(U(2))).rank == 0
    assert equivariant_basis((det * det.conj())(U(2))).rank == 1
    assert equivariant_basis((det * det.T)(U(2))).rank == 1
    assert equivariant_basis(det(SU(3))).rank == equivariant_basis(det(SL(3))).rank == 1
    assert equivariant_basis((V * V >> det)(SL(2))).rank == 1
    check_rep(det(U(2)))
    with pytest.raises(ValueError, match="P: a determinant has a sign for real groups only"):
        equivariant_basis(P(U(2)))


@pytest.mark.parametrize(
    ("text", "rep"),
    [
        ("P", P),
        ("2P+axial", 2 * P + axial),
        ("det.T*V", det.T * V),
        ("pseudovector", axial),
        ("3pseudoscalar*V2", 3 * P * V**2),
        ("4regular+V", 4 * regular + V),
        ("P(O(3))*V(S(2))", P(O(3)) * V(S(2))),
        ("P**2+det", P**2 + det),
    ],
)
def test_names_are_read_and_written(text, rep):
    assert parse_rep(text) == rep
    assert parse_rep(str(rep)) == rep
    if not rep.is_bound:
        assert parse_rep(text, D(3)) == rep(D(3))
        assert parse_rep(str(rep(D(3))), D(3)) == rep(D(3))
    assert pickle.loads(pickle.dumps(rep)) == rep


# -- cosets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", FINITE, ids=repr)
def test_the_regular_rep_holds_every_irreducible_as_often_as_its_dimension(group):
    rep = regular_rep(group)
    order = len(closure(group.discrete_generators, group.d))
    assert rep.size() == order
    assert equivariant_basis(rep).rank == 1
    assert equivariant_basis(rep >> rep).rank == order
    assert equivariant_basis(rep >> V(group)).rank == group.d
    assert rep == regular(group)
    assert rep.is_permutation
    for g, h in zip(group.samples(4, 0), group.samples(4, 1), strict=True):
        product = rep.rho_dense(g) @ rep.rho_dense(h)
        np.testing.assert_array_equal(rep.rho_dense(g @ h), product)
    check_rep(rep)
    twin = pickle.loads(pickle.dumps(rep))
    assert twin == rep
    assert twin.size() == order


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("group", FINITE, ids=repr)
def test_maps_between_cosets_are_counted_by_double_cosets(group, seed):
    rng = np.random.default_rng(seed)
    elements = closure(group.discrete_generators, group.d)
    H, K = ([elements[rng.integers(len(elements))] for _ in range(seed % 3)] for _ in range(2))
    rep_in, rep_out = coset_rep(group, H), coset_rep(group, K)
    assert rep_in.size() == len(elements) // len(closure(H, group.d))
    assert equivariant_basis(rep_in >> rep_out).rank == double_cosets(elements, H, K)
    check_rep(rep_in, random_state=seed)


def test_cosets_in_other_words():
    assert coset_rep(S(4), Group.from_permutations([[1, 0, 2, 3], [0, 2, 1, 3]])).size() == 4
    assert coset_rep(S(4), S(4)).size() == 1
    assert coset_rep(S(4), []) == regular_rep(S(4))
    sets = coset_rep(S(4), [np.eye(4)[[1, 0, 2, 3]], np.eye(4)[[0, 2, 1, 3]]])
    assert equivariant_basis(sets >> V(S(4))).rank == 2
    with pytest.raises(
        ValueError, match=r"regular_rep: SO\(3\) has more than 20,000 elements, or inf"
    ):
        regular_rep(SO(3))
    with pytest.raises(ValueError, match=r"regular_rep: .* has more than 20,000 elements"):
        regular_rep(S(9))
    with pytest.raises(ValueError, match=r"generator of the subgroup is not an element of A\(3\)"):
        coset_rep(A(3), [np.eye(3)[[1, 0, 2]]])
    with pytest.raises(ValueError, match=r"generator 0 .* has shape \(2, 2\), expected \(3, 3\)"):
        coset_rep(S(3), [np.eye(2)])
    with pytest.raises(ValueError, match="subgroup must be finite"):
        coset_rep(S(3), SO(3))
    with pytest.raises(ValueError, match="rho of a matrix that is not an element"):
        regular_rep(C(3)).rho(np.diag([1.0, -1.0]))
    with pytest.raises(ValueError, match="regular_rep is not bound to a group"):
        regular.size()
    with pytest.raises(TypeError, match="regular_rep: expected a Group, got 3"):
        regular_rep(3)


def test_a_network_of_regular_types_is_equivariant_and_gates_nothing():
    group = D(6)
    network = EMLP(2 * V, V + P, group, channels="4regular+4V0", n_layers=2, dtype=np.float64)
    theta = network.init(np.random.default_rng(0))
    X = np.random.default_rng(1).standard_normal((5, 4))
    error = equivariance_error(lambda x: network(theta, x), network.rep_in, network.rep_out, X)
    assert error < 1e-11
    assert np.linalg.norm(network(theta, X)) > 1e-3


# -- blocks -------------------------------------------------------------------------------------------------------


def test_blocks_of_block_diagonal_groups():
    G = SemiDirectProduct(Embed(SO(3), 5, slice(0, 3)), Embed(O(2), 5, slice(3, 5)))
    space, plane = blocks(G)
    assert (space.size(), plane.size()) == (3, 2)
    assert space == Block(slice(0, 3))(G) == Block([0, 1, 2])(G)
    for rep, rank in ((space >> space, 1), (plane >> plane, 1), (space >> plane, 0)):
        assert equivariant_basis(rep).rank == rank
    assert equivariant_basis(space + plane >> V(G)).rank == 2
    check_rep(space)
    assert [i.size() for i in irreps(plane)] == [2]
    swaps = WreathProduct(S(2), Trivial(3))
    assert all(block.is_permutation for block in blocks(swaps))
    assert len(blocks(Trivial(4))) == 4
    assert "Block(slice(3, 5))" in repr(plane)


def test_blocks_of_affine_groups():
    affine = Group(
        [np.array([[0, 0, 1.0], [0, 0, 0], [0, 0, 0]]), [[0, -1.0, 0], [1, 0, 0], [0, 0, 0]]]
    )
    for index in ([0, 1], [2]):
        check_rep(Block(index)(affine))
    with pytest.raises(ValueError, match=r"mixes the coordinates \[0\] with others both ways"):
        Block([0])(affine)
    with pytest.raises(ValueError, match=r"\[0, 3\] are not coordinates of .* which has 3"):
        Block([0, 3])(affine)
    for wrong in ([], [0, 0], [-1]):
        with pytest.raises(ValueError, match="Block: expected distinct coordinates"):
            Block(wrong)
    with pytest.raises(ValueError, match="a slice needs a start and stop"):
        Block(slice(1, None))


# -- images of generators -----------------------------------------------------------------------------------------

GIVEN = [
    *(C(5), D(5), Z(6), S(4), A(5), Cube(), DkeR3(4), ZksZnxZn(4, 2), S(10)),
    *(SO(2), SO(3), O(2), O(3), SL(2), SO13p(), Scaling(2), SO(4), O2eR3()),
    *(WreathProduct(SO(2), S(2)), SO(3) * S(3)),
]


def _images(rep, group, M):
    inverse = np.linalg.inv(M)
    lie = [M @ rep.drho_dense(A) @ inverse for A in group.lie_algebra]
    return lie + [M @ rep.rho_dense(h) @ inverse for h in group.discrete_generators]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("group", GIVEN, ids=repr)
def test_images_of_true_reps_are_accepted_and_wrong_ones_refused(group, seed):
    rng = np.random.default_rng(seed)
    kind = [V, V.T, P * V, V + Scalar, det * V + P][seed % 5](group)
    n = kind.size()
    M = np.linalg.qr(rng.standard_normal((n, n)))[0] + 0.1 * rng.standard_normal((n, n)) / n
    images = _images(kind, group, M)
    rep = Rep.from_images(group, images)
    assert rep.size() == n
    if seed < 2:
        assert equivariant_basis(rep >> kind).rank == equivariant_basis(kind >> kind).rank
    for h in group.discrete_generators:
        expected = M @ kind.rho_dense(h) @ np.linalg.inv(M)
        np.testing.assert_allclose(rep.rho_dense(h), expected, atol=1e-7)
    if group.d < 8 and seed % 4 == 0:
        for g in group.samples(2, seed):
            expected = M @ kind.rho_dense(g) @ np.linalg.inv(M)
            np.testing.assert_allclose(rep.rho_dense(g), expected, atol=1e-6)
    # noise breaks a relation of every group but one without relations: R, and Z
    if group != Scaling(2):
        k = rng.integers(len(images))
        images[k] = images[k] + 1e-3 * rng.standard_normal((n, n))
        with pytest.raises(
            ValueError, match=r"Rep\.from_images: the images are no representation of"
        ):
            Rep.from_images(group, images)


J = np.array([[0, -1.0], [1, 0]])


def test_loops_and_words_decide():
    turns = Rep.from_images(SO(2), {"A0": 3 * J})
    check_rep(turns)
    assert equivariant_basis((V**3)(SO(2)) >> turns).rank == 2
    for wrong in (J / 2, 1.5 * J, np.eye(2)):
        with pytest.raises(ValueError, match="a closed loop does not hold"):
            Rep.from_images(SO(2), [wrong])
    with pytest.raises(ValueError, match="two words for one element"):
        Rep.from_images(C(4), {0: np.diag([1.0, 1j, 2])})
    assert Rep.from_images(C(4), {0: [[1j]]}).size() == 1
    # spin 1/2 of rotations
    spin = [[[0, 0.5j], [0.5j, 0]], [[0, -0.5], [0.5, 0]], [[0.5j, 0], [0, -0.5j]]]
    so3 = [np.cross(np.eye(3), axis) * -1 for axis in np.eye(3)]
    with pytest.raises(ValueError, match="no representation of"):
        Rep.from_images(Group(so3), spin)


def test_what_images_must_be():
    group = O(2)
    good = {"A0": J, "h0": np.diag([-1.0, 1])}
    assert Rep.from_images(group, good) == Rep.from_images(group, list(good.values()))
    rep = Rep.from_images(group, good)
    assert pickle.loads(pickle.dumps(rep)) == rep
    with pytest.raises(ValueError, match=r"has the generators A0, h0, got images of A0\. Give one"):
        Rep.from_images(group, {"A0": J})
    with pytest.raises(ValueError, match=r"0 names no generator. Write 'A0'"):
        Rep.from_images(group, {0: J})
    with pytest.raises(ValueError, match="the image of h0 must be a square matrix"):
        Rep.from_images(group, {"A0": J, "h0": np.ones((2, 3))})
    with pytest.raises(ValueError, match=r"all images must have one size, got \[2, 3\]"):
        Rep.from_images(group, {"A0": J, "h0": np.eye(3)})
    with pytest.raises(ValueError, match="the image of h0 must be invertible"):
        Rep.from_images(group, {"A0": 0 * J, "h0": np.diag([0.0, 1])})
    with pytest.raises(ValueError, match="the image of h0 holds NaN"):
        Rep.from_images(group, {"A0": J, "h0": np.full((2, 2), np.nan)})
    with pytest.raises(ValueError, match="has no generators"):
        Rep.from_images(Trivial(2), [])
    with pytest.raises(TypeError, match=r"Rep\.from_images: expected a Group"):
        Rep.from_images("O(2)", good)
    with pytest.raises(ValueError, match="drho of a matrix outside the Lie algebra"):
        rep.drho(np.eye(2))
    with pytest.raises(ValueError, match="this matrix was not recognised"):
        rep.rho(2 * np.eye(2))


# -- sums as sequences, permutations ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rep", "parts"),
    [
        (2 * V + Scalar, ["V", "V", "V0"]),
        (V, ["V"]),
        (V**2, ["V2"]),
        (0 * V, []),
        (2 * (V + V**2) + P, ["V", "V2", "V", "V2", "P"]),
        (Scalar, ["V0"]),
    ],
)
def test_sums_are_sequences_of_their_summands(rep, parts):
    assert [str(part) for part in rep] == parts
    assert len(rep) == len(parts)
    assert bool(rep)
    assert sum(rep, 0 * V) == sum(list(rep), 0 * V)
    assert [part.size() for part in rep(SO(3))] == [part(SO(3)).size() for part in rep]


@pytest.mark.parametrize("n", range(1, 8))
def test_groups_of_permutations(n):
    rng = np.random.default_rng(n)
    images = [rng.permutation(n) for _ in range(3)]
    group = Group.from_permutations(images)
    x = rng.standard_normal(n)
    for image, h in zip(images, group.discrete_generators, strict=True):
        np.testing.assert_array_equal((h @ x)[image], x)
    assert group.is_permutation
    assert math.factorial(n) % len(closure(group.discrete_generators, n)) == 0


@pytest.mark.parametrize(
    "wrong", [[[0, 0]], [[1, 2]], [[0, 1], [0, 1, 2]], [[0.0, 1.0]], [[]], [[[0]]]]
)
def test_what_a_permutation_must_be(wrong):
    with pytest.raises(ValueError, match=r"permutations\[\d\] must list each of 0, …, \d once"):
        Group.from_permutations(wrong)
    with pytest.raises(ValueError, match="no permutation, so the number of points is unknown"):
        Group.from_permutations([])
