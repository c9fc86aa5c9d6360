"""The catalogue: dimensions, orders, numbers of invariants."""

from math import factorial

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from fastemlp.groups import (
    GL,
    O11,
    O13,
    SL,
    SO,
    SO13,
    SU,
    A,
    C,
    Cube,
    D,
    DkeR3,
    Embed,
    Group,
    InvertedCube,
    Lorentz,
    O,
    O2eR3,
    Parity,
    RubiksCube,
    S,
    Scaling,
    SemiDirectProduct,
    SO2eR3,
    SO11p,
    SO13p,
    Sp,
    TimeReversal,
    Trivial,
    U,
    WreathProduct,
    Z,
    ZksZnxZn,
)


def orbits_of_tuples(G, k):
    """Number of orbits of a permutation group on k-tuples: the invariants of V^k."""
    points = np.arange(G.d**k)
    digits = np.unravel_index(points, (G.d,) * k)
    links = sp.csr_array((points.size, points.size))
    for h in G.sparse_discrete_generators:
        image = np.argmax(h.toarray(), axis=0)
        target = np.ravel_multi_index(tuple(image[digit] for digit in digits), (G.d,) * k)
        links = links + sp.coo_array((np.ones(points.size), (points, target)), shape=links.shape)
    return connected_components(links, directed=False)[0]


def invariants(G, p, q=0):
    """Number of invariants of V^p ⊗ V*^q, by dense linear algebra."""

    def kron_all(factors):
        out = np.eye(1)
        for factor in factors:
            out = np.kron(out, factor)
        return out

    k, eye = p + q, np.eye(G.d)
    gram = np.zeros((G.d**k, G.d**k), dtype=G.dtype)
    for A_ in G.lie_algebra:
        slots = [A_] * p + [-A_.T] * q
        C_ = sum(kron_all([a if i == j else eye for i in range(k)]) for j, a in enumerate(slots))
        gram += C_.conj().T @ C_
    for h in G.discrete_generators:
        C_ = kron_all([h] * p + [np.linalg.inv(h).T] * q) - np.eye(G.d**k)
        gram += C_.conj().T @ C_
    return int(np.sum(np.linalg.eigvalsh(gram) < 1e-9))


@pytest.mark.parametrize(
    ("G", "order"),
    [
        (S(1), 1),
        (S(2), 2),
        (S(3), 6),
        (S(6), factorial(6)),
        (A(1), 1),
        (A(2), 1),
        (A(3), 3),
        (A(4), 12),
        (A(5), 60),
        (A(6), 360),
        (A(7), 2520),
        (Z(1), 1),
        (Z(12), 12),
        (C(1), 1),
        (C(2), 2),
        (C(4), 4),
        (D(1), 2),
        (D(2), 4),
        (D(4), 8),
        (DkeR3(4), 8),
        (O(1), 2),
        (SO(1), 1),
        (SL(1), 1),
        (SU(1), 1),
        (Parity(), 2),
        (TimeReversal(), 2),
        (SemiDirectProduct(Parity(), TimeReversal()), 4),
        (Cube(), 24),
        (InvertedCube(), 48),
        (ZksZnxZn(2, 3), 18),
        (ZksZnxZn(4, 1), 4),
        (ZksZnxZn(4, 3), 36),
        (WreathProduct(S(3), Z(4)), 6**4 * 4),
        (WreathProduct(O(1), S(3)), 2**3 * 6),
        (Embed(S(3), 5, [4, 0, 2]), 6),
        (RubiksCube(), 43_252_003_274_489_856_000),
    ],
    ids=lambda value: repr(value),
)
def test_orders(G, order):
    assert G.order() == order


@pytest.mark.parametrize(("k", "count"), [(1, 2), (2, 9), (3, 51)])
def test_rubiks_cube_is_the_rubiks_cube(k, count):
    assert RubiksCube().d == 48
    assert orbits_of_tuples(RubiksCube(), k) == count


@pytest.mark.parametrize(("k", "n"), [(2, 2), (2, 3), (4, 1), (4, 2), (4, 3), (4, 4)])
def test_grid_group_is_its_regular_representation(k, n):
    G = ZksZnxZn(k, n)
    assert G.d == G.order() == k * n * n
    assert orbits_of_tuples(G, 1) == 1
    assert orbits_of_tuples(G, 2) == k * n * n


@pytest.mark.parametrize(
    ("G", "k", "count"),
    [
        (Z(7), 2, 7),
        (S(4), 3, 5),
        (S(3), 4, 14),
        (A(4), 2, 2),
        (A(3), 2, 3),
        (Cube(), 1, 1),
        (Cube(), 2, 3),
        (Cube(), 3, 12),
        (InvertedCube(), 2, 3),
        (InvertedCube(), 3, 11),
        (Z(2) * Z(3), 2, 6),
    ],
    ids=lambda value: repr(value),
)
def test_permutation_invariants(G, k, count):
    assert orbits_of_tuples(G, k) == count
    assert invariants(G, k) == count


@pytest.mark.parametrize(
    ("G", "ranks"),
    [
        (Trivial(2), {(1, 0): 2, (2, 0): 4}),
        (SO(2), {(1, 0): 0, (2, 0): 2}),
        (SO(3), {(2, 0): 1, (3, 0): 1, (4, 0): 3}),
        (O(3), {(2, 0): 1, (3, 0): 0, (4, 0): 3}),
        (O(1), {(1, 0): 0, (2, 0): 1}),
        (SO(4), {(2, 0): 1, (4, 0): 4}),
        (C(3), {(2, 0): 2, (3, 0): 2}),
        (D(3), {(2, 0): 1, (3, 0): 1}),
        (Scaling(2), {(1, 0): 0, (1, 1): 4}),
        (SO13p(), {(2, 0): 1, (4, 0): 4, (2, 2): 4}),
        (SO13(), {(1, 0): 0, (4, 0): 4}),
        (O13(), {(2, 0): 1, (4, 0): 3}),
        (Lorentz(), {(2, 0): 1, (4, 0): 3}),
        (SO11p(), {(1, 0): 0, (2, 0): 2}),
        (O11(), {(2, 0): 1}),
        (Sp(1), {(2, 0): 1, (4, 0): 2}),
        (Sp(2), {(1, 1): 1, (2, 0): 1, (4, 0): 3}),
        (SL(2), {(2, 0): 1, (1, 1): 1}),
        (SL(3), {(3, 0): 1, (1, 1): 1, (2, 2): 2}),
        (GL(2), {(2, 0): 0, (1, 1): 1, (2, 2): 2}),
        (U(2), {(2, 0): 0, (1, 1): 1, (2, 2): 2}),
        (SU(2), {(2, 0): 1, (1, 1): 1}),
        (SU(3), {(2, 0): 0, (3, 0): 1}),
        (SU(1), {(1, 0): 1, (2, 0): 1}),
        (SO2eR3(), {(1, 0): 1, (2, 0): 3}),
        (O2eR3(), {(1, 0): 1, (2, 0): 2}),
        (DkeR3(5), {(1, 0): 1, (2, 0): 2}),
        (DkeR3(1), {(1, 0): 2}),
        (Parity(), {(1, 0): 1}),
        (TimeReversal(), {(1, 0): 3}),
        (WreathProduct(SO(2), S(2)), {(1, 0): 0, (2, 0): 2, (3, 0): 0}),
        (WreathProduct(SO(2), Trivial(2)), {(2, 0): 4}),
        (SO(3) * S(2), {(1, 0): 0, (2, 0): 2}),
        (Embed(SO(2), 3, slice(1, 3)), {(1, 0): 1, (2, 0): 3}),
    ],
    ids=lambda value: repr(value),
)
def test_numbers_of_invariants(G, ranks):
    for (p, q), count in ranks.items():
        assert invariants(G, p, q) == count, (p, q)


def test_su1_is_trivial_and_complex():
    assert SU(1).d == 1
    assert SU(1).is_complex
    assert SU(1) != Trivial(1)


def test_lorentz_groups():
    assert Lorentz() == O13()
    assert SO13() != O13()
    for G in (SO13p(), SO13(), O13()):
        metric = np.diag([1.0, -1.0, -1.0, -1.0])
        for A_ in G.lie_algebra:
            np.testing.assert_array_equal(A_.T @ metric + metric @ A_, 0.0)


def test_symplectic_algebra():
    m = 3
    J = np.kron([[0, 1], [-1, 0]], np.eye(m))
    G = Sp(m)
    assert len(G.lie_algebra) == m * (2 * m + 1)
    for A_ in G.lie_algebra:
        np.testing.assert_array_equal(A_.T @ J + J @ A_, 0.0)


def test_cube_faces_keep_their_opposites():
    for h in InvertedCube().discrete_generators:
        faces = np.argmax(h, axis=0)
        np.testing.assert_array_equal(faces[[0, 2, 4]] // 2, faces[[1, 3, 5]] // 2)


def test_a_big_group_stays_sparse():
    G = Z(1000)
    assert G.sparse_discrete_generators[0].nnz == 1000
    assert G.is_permutation
    assert Embed(SO(2), 1000, slice(0, 2)).sparse_lie_algebra[0].nnz == 2
    assert (Z(100) * Z(10)).d == 1000


def test_embed():
    G = Embed(D(4), 4, [3, 1])
    for h, inner in zip(G.discrete_generators, D(4).discrete_generators, strict=True):
        expected = np.eye(4)
        expected[np.ix_([3, 1], [3, 1])] = inner
        np.testing.assert_array_equal(h, expected)
    assert Embed(SO(2), 3, slice(None, 2)) == Embed(SO(2), 3, [0, -2]) == SO2eR3()
    assert Embed(U(1), 2, [1]).is_complex
    assert Embed(SO(2), 4, slice(0, 4, 2)).name == "Embed(SO(2), 4, [0, 2])"
    assert Embed(Group(SO(2).lie_algebra), 3, slice(0, 2)).name is None


def test_wreath_product_layout():
    G = WreathProduct(O(2), Z(3))
    assert G.d == 6
    assert len(G.lie_algebra) == 1
    np.testing.assert_array_equal(
        G.discrete_generators[1], np.kron(Z(3).discrete_generators[0], np.eye(2))
    )
    # Two orbits of copies: one set of generators for each.
    assert len(WreathProduct(O(2), Embed(Z(2), 3, [0, 1])).lie_algebra) == 2


@pytest.mark.parametrize(
    "make",
    [Trivial, SO, O, Scaling, Sp, SL, GL, U, SU, C, D, DkeR3, Z, S, A, lambda n: ZksZnxZn(4, n)],
)
def test_sizes_must_be_positive_integers(make):
    for bad, error in ((0, ValueError), (-2, ValueError), (2.0, TypeError), (True, TypeError)):
        with pytest.raises(error, match=r"\w+: \w must be an integer >= 1, got"):
            make(bad)
    assert make(np.int64(1)).d >= 1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ZksZnxZn(3, 2), ValueError, r"ZksZnxZn: k must be 2 or 4.*got 3"),
        (lambda: Embed(3, 3, [0]), TypeError, r"Embed: G must be a Group, got 3"),
        (lambda: Embed(SO(2), 3, slice(0, 3)), ValueError, r"select 2 distinct.*\[0, 1, 2\] of 3"),
        (lambda: Embed(SO(2), 3, [0, 0]), ValueError, r"select 2 distinct coordinates"),
        (lambda: Embed(SO(2), 3, [0, 3]), ValueError, r"coordinates below d=3"),
        (lambda: Embed(SO(2), 3, 1), TypeError, r"slice must be a slice or a sequence"),
        (lambda: Embed(SO(2), 3, [0.0, 1.0]), TypeError, r"slice must be a slice or a sequence"),
        (lambda: WreathProduct(SO(2), SO(2)), ValueError, r"P must be generated by permutation"),
        (lambda: WreathProduct(SO(2), 4), TypeError, r"WreathProduct: P must be a Group, got 4"),
        (lambda: SemiDirectProduct(SO(2), S(3)), ValueError, r"dimension 2 for SO\(2\) and 3"),
    ],
)
def test_products_refuse(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("make", [SO, O, SL, GL, U, SU, Sp], ids=lambda make: make.__name__)
@pytest.mark.parametrize("n", [1000, 10**6, 10**30])
def test_a_lie_algebra_beyond_all_memory_is_refused_at_once(make, n):
    with pytest.raises(MemoryError, match=r"generators of size .* take .* GiB, expected at most"):
        make(n)
