"""Bases of symmetric vectors: known ranks, symmetry under sampled elements, projectors, the cache."""

import math
import pickle
import threading
import warnings
from dataclasses import asdict

import numpy as np
import oracles
import pytest
from scipy.linalg import subspace_angles

import fastemlp.bases.cache
from fastemlp.bases.basis import Basis, equivariant_basis, equivariant_projector
from fastemlp.bases.cache import basis_cache_info, clear_basis_cache
from fastemlp.exceptions import ConvergenceError
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
    DkeR3,
    Embed,
    Group,
    O,
    Parity,
    RubiksCube,
    S,
    Scaling,
    SemiDirectProduct,
    SO2eR3,
    SO13p,
    Sp,
    Trivial,
    U,
    WreathProduct,
    Z,
    ZksZnxZn,
)
from fastemlp.isometries import DenseIsometry
from fastemlp.reps import Rep, Scalar, T, V, rho_operator
from fastemlp.store import default_store

HOM = V >> V


def elements(rep, n, seed=0):
    """Samples of every group that acts, as mappings."""
    rng = np.random.default_rng(seed)
    return [{G: G.sample(rng) for G in rep.groups} for _ in range(n)]


def check(basis, rank):
    """Right rank, orthonormal, certified, and fixed by elements that the solver never saw."""
    rep, Q = basis.rep, basis.to_dense()
    assert basis.rank == rank
    assert Q.shape == basis.shape == (rep.size(), rank)
    np.testing.assert_allclose(Q.conj().T @ Q, np.eye(rank), atol=1e-10)
    assert basis.certificate.residual <= 1e-10
    assert basis.certificate.orthogonality <= 1e-10
    assert basis.certificate.strategies
    for g in elements(rep, 2):
        image = rho_operator(rep, g).matmat(Q)
        np.testing.assert_allclose(image, Q, atol=1e-7 if rank else 0)


# -- known ranks --------------------------------------------------------------------------------------------------

POWERS = [
    (SO(3), [1, 0, 1, 1, 3, 6]),
    (SO(2), [1, 0, 2, 0, 6, 0, 20]),
    (O(3), [1, 0, 1, 0, 3, 0]),
    (O(2), [1, 0, 1, 0, 3, 0, 10]),
    (SO(4), [1, 0, 1, 0, 4]),
    (SO13p(), [1, 0, 1, 0, 4]),
    (O13(), [1, 0, 1, 0, 3]),
    (O(5), [1, 0, 1, 0]),
    (Sp(1), [1, 0, 1, 0, 2, 0, 5, 0, 14]),
    (Sp(2), [1, 0, 1, 0, 3]),
    (Sp(3), [1, 0, 1]),
    (SL(2), [1, 0, 1, 0, 2, 0, 5]),
    (SL(3), [1, 0, 0, 1, 0]),
    (SU(3), [1, 0, 0, 1, 0]),
    (SU(2), [1, 0, 1, 0, 2, 0, 5]),
    (GL(2), [1, 0, 0, 0]),
    (S(3), [1, 1, 2, 5, 14, 41]),
    (Z(6), [1, 1, 6, 36]),
    (RubiksCube(), [1, 2]),
    (Trivial(3), [1, 3, 9, 27]),
    (Scaling(3), [1, 0, 0]),
    (SO(1), [1, 1, 1]),
    (O(1), [1, 0, 1, 0, 1]),
    (SU(1), [1, 1, 1]),
]


@pytest.mark.parametrize(
    ("group", "k", "rank"),
    [(group, k, rank) for group, ranks in POWERS for k, rank in enumerate(ranks)],
)
def test_invariants_of_tensor_powers(group, k, rank):
    check(equivariant_basis(V(group) ** k), rank)


@pytest.mark.parametrize(
    ("group", "k", "rank"),
    [(SO(3), 6, 15), (O(3), 6, 15), (O(5), 4, 3), (SO(5), 4, 3), (S(3), 6, 122), (SL(3), 6, 5)],
)
def test_invariants_of_larger_powers(group, k, rank):
    check(equivariant_basis(V(group) ** k), rank)


@pytest.mark.parametrize("n", [2, 4, 5])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_symmetric_groups_count_set_partitions(n, k):
    expected = sum(oracles.stirling2(k, j) for j in range(min(n, k) + 1))
    check(equivariant_basis(V(S(n)) ** k), expected)


@pytest.mark.parametrize(
    ("group", "p", "rank"),
    [(U(3), 1, 1), (U(3), 2, 2), (U(2), 3, 5), (U(1), 4, 1), (GL(2), 2, 2), (SL(3), 2, 2)],
)
def test_invariants_of_mixed_tensors(group, p, rank):
    check(equivariant_basis(T(p, p, group)), rank)


@pytest.mark.parametrize(
    ("group", "rank"),
    [
        (Z(7), 7),
        (ZksZnxZn(2, 3), 18),
        (ZksZnxZn(4, 2), 16),
        (SO2eR3(), 3),
        (WreathProduct(O(3), S(2)), 1),
        (WreathProduct(SO(2), S(3)), 2),
        (WreathProduct(O(2), Z(3)), 1),
        (WreathProduct(S(3), Z(2)), 3),
        (SemiDirectProduct(SO2eR3(), DkeR3(2)), 2),
        (SO(3) * S(3), 2),
        (U(2) * Z(3), 3),
        (SL(2) * SO(3), 1),
        (Embed(SO(3), 5, slice(1, 4)), 5),
    ],
    ids=repr,
)
def test_number_of_equivariant_maps_of_v(group, rank):
    check(equivariant_basis(HOM(group)), rank)


FINITE = [C(3), C(5), D(4), D(5), A(4), S(3), Z(4), Cube(), DkeR3(3), Parity(), ZksZnxZn(2, 2)]


@pytest.mark.parametrize(
    ("group", "k"), [(G, k) for G in FINITE for k in (1, 2, 3) if G.d**k <= 300]
)
def test_finite_groups_against_the_mean_of_the_character(group, k):
    tree = ("^", ("V", 0), k)
    rank = oracles.rank_by_characters(
        tree, oracles.finite_group_elements(group.discrete_generators)
    )
    check(equivariant_basis(oracles.build(tree)(group)), rank)


# -- permutation groups: invariants are orbit indicators ----------------------------------------------------------

PERMUTATIONS = [
    (V**2)(RubiksCube()),
    (V**3)(S(5)),
    (V**3)(Z(6)),
    (V**2)(ZksZnxZn(4, 3)),
    (V**2)(A(6)),
    (V**2)(WreathProduct(S(3), S(2))),
    (V**3)(Cube()),
    V(Z(4)) * V(S(3)) ** 2,
    (V + 2 * V**2 + 3 * Scalar)(Cube()),
]


def orbit_permutations(rep):
    """What each generator does to the coordinates, as index arrays."""
    labels = np.arange(float(rep.size()))
    generators = [{G: h} for G in rep.groups for h in G.discrete_generators]
    return [np.rint(rep.rho(g) @ labels).astype(int) for g in generators]


@pytest.mark.parametrize("rep", PERMUTATIONS, ids=str)
def test_permutation_groups_have_as_many_invariants_as_orbits(rep):
    check(equivariant_basis(rep), oracles.n_orbits(orbit_permutations(rep)))


def test_the_invariants_of_v3_of_the_rubiks_cube_are_51_orbits():
    """EMLP's cube turns faces without their own rotation and has 22."""
    assert oracles.n_orbits(orbit_permutations((V**3)(RubiksCube()))) == 51
    assert oracles.n_orbits(orbit_permutations((V**2)(RubiksCube()))) == 9


def test_invariants_of_the_rubiks_cube():
    check(equivariant_basis(V(RubiksCube())), 2)
    check(equivariant_basis(HOM(RubiksCube())), 9)


# -- several groups -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rep", "rank"),
    [
        (V(Z(3)) * V(S(4)), 1),
        (2 * V(Z(3)) * V(S(4)) + V(O(3)) ** 2, 3),
        (V(SO(3)) ** 3 * V(S(3)) ** 2, 2),
        (V(SL(2)) * V(Z(2)) * V(SL(2)).T, 1),
        (V(SO(3)) * V(SL(2)) >> V(SL(2)) * V(SO(3)), 1),
        (V(U(2)) * V(U(2)).T * V(Z(3)) ** 2, 3),
        (V(Embed(SO(2), 3, slice(0, 2))) * V(Embed(SO(2), 3, slice(1, 3))), 1),
    ],
    ids=str,
)
def test_mixed_reps(rep, rank):
    check(equivariant_basis(rep), rank)


@pytest.mark.parametrize(
    ("one", "other", "k"), [(SO(3), S(3), 2), (O(2), Z(3), 2), (SL(2), SO(2), 2)]
)
def test_direct_product_groups_multiply_ranks(one, other, k):
    ranks = [equivariant_basis(V(G) ** k).rank for G in (one, other)]
    check(equivariant_basis(V(one * other) ** k), math.prod(ranks))
    check(equivariant_basis(V(one) ** k * V(other) ** k), math.prod(ranks))


# -- equivariant maps ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "group", [SO(3), O(2), SL(2), SO13p(), Sp(1), S(3), Z(4), C(5), U(2), SU(2)]
)
@pytest.mark.parametrize(
    ("rep_in", "rep_out"),
    [
        (V, V),
        (V**2 + V, 2 * V + Scalar),
        (Scalar + 2 * V + V.T, V + V.T * V + Scalar),
        (V * (V + Scalar), V.T + V + 2 * Scalar),
        (V.conj() + V, V + V.T),
    ],
    ids=str,
)
def test_columns_are_maps_that_commute_with_the_group(group, rep_in, rep_out):
    rep_in, rep_out = rep_in(group), rep_out(group)
    basis = equivariant_basis(rep_in >> rep_out)
    assert basis.rep.size() == rep_out.size() * rep_in.size()
    Q = basis.to_dense()
    np.testing.assert_allclose(Q.conj().T @ Q, np.eye(basis.rank), atol=1e-10)
    W = Q.T.reshape(basis.rank, rep_out.size(), rep_in.size())
    for g in group.samples(2, random_state=0):
        left, right = rep_out.rho_dense(g) @ W, W @ rep_in.rho_dense(g)
        np.testing.assert_allclose(left, right, atol=1e-8 * max(1, np.abs(left).max(initial=0)))
    # the rank is that of the sorted reps, type by type
    sorted_in, sorted_out = rep_in.canonical()[0], rep_out.canonical()[0]
    assert equivariant_basis(sorted_in >> sorted_out).rank == basis.rank


def test_known_maps_are_in_the_span():
    group = SL(2)
    basis = equivariant_basis((V + Scalar + V)(group) >> (V + Scalar)(group))
    assert basis.rank == 3
    W = np.zeros((3, 5))
    W[:2, :2], W[:2, 3:], W[2, 2] = 2 * np.eye(2), -np.eye(2), 7
    np.testing.assert_allclose(basis.project(W.ravel()), W.ravel(), atol=1e-10)


# -- Q, Qᴴ and the projector --------------------------------------------------------------------------------------

MANY = {
    "one type": (V**2)(S(3)),
    "copies": 4 * V(S(3)),
    "permuted": (V**2 + Scalar + V * (V + Scalar) + 2 * Scalar)(SO(3)),
    "dual": (V + V.T * V + V * V.T + V.T)(SL(2)),
    "complex": (Scalar + V * V.T + V + 2 * V.T * V)(U(2)),
    "scalars": 3 * Scalar,
    "scalar": Scalar,
    "rank 0": V(SO(3)),
    "rank 0 with copies": 2 * V(SO(3)) + (V**3)(O(2)),
    "rank 0 permuted": (V**3 + V)(O(2)),
    "some rank 0": (V + Scalar + V)(SO(3)),
    "size 0": 0 * V(SO(3)),
    "two groups": V(Z(3)) * V(S(2)) + V(SO(3)) + Scalar + V(Z(3)),
}
many = pytest.mark.parametrize("rep", MANY.values(), ids=MANY)


@many
def test_synthesis_analysis_and_projection_agree_with_the_matrix(rep):
    basis = equivariant_basis(rep)
    Q, rng = basis.to_dense(), np.random.default_rng(0)
    assert isinstance(basis, Basis)
    assert basis.rep == rep
    assert (basis.rank, basis.shape) == (Q.shape[1], Q.shape)
    assert Q.dtype == basis.dtype
    for b in (0, 1, 3):
        coef = rng.standard_normal((basis.rank, b))
        v = rng.standard_normal((rep.size(), b))
        if basis.dtype.kind == "c":
            coef, v = coef * (1 + 2j), v * (2 - 1j)
        np.testing.assert_allclose(basis @ coef, Q @ coef, atol=1e-13)
        np.testing.assert_allclose(basis.H @ v, Q.conj().T @ v, atol=1e-13)
        np.testing.assert_allclose(basis.T @ v, Q.T @ v, atol=1e-13)
        np.testing.assert_allclose(basis.project(v), Q @ (Q.conj().T @ v), atol=1e-13)
    coef, v = rng.standard_normal(basis.rank), rng.standard_normal(rep.size())
    np.testing.assert_allclose(basis @ coef, Q @ coef, atol=1e-13)
    np.testing.assert_allclose(basis.H @ v, Q.conj().T @ v, atol=1e-13)
    np.testing.assert_allclose(basis.project(v), Q @ (Q.conj().T @ v), atol=1e-13)
    np.testing.assert_allclose(np.vdot(v, basis @ coef), np.vdot(basis.H @ v, coef), atol=1e-12)


@many
def test_projector_is_idempotent_self_adjoint_and_commutes_with_the_group(rep):
    basis, P = equivariant_basis(rep), equivariant_projector(rep)
    eye = np.eye(rep.size())
    dense = P @ eye
    Q = basis.to_dense()
    assert P.shape == (rep.size(),) * 2
    assert P.dtype == basis.dtype
    np.testing.assert_allclose(dense, Q @ Q.conj().T, atol=1e-12)
    np.testing.assert_allclose(dense @ dense, dense, atol=1e-11)
    np.testing.assert_allclose(dense, dense.conj().T, atol=1e-12)
    np.testing.assert_allclose(P.H @ eye, dense, atol=1e-12)
    assert np.trace(dense).real == pytest.approx(basis.rank)
    x = np.arange(float(rep.size()))
    np.testing.assert_allclose(P @ (P @ x), P @ x, atol=1e-10)
    for g in elements(rep, 2):
        np.testing.assert_allclose(rho_operator(rep, g).matmat(dense), dense, atol=1e-9)


def test_projection_onto_invariants_of_a_finite_group_is_the_mean_over_the_group():
    rep = (V + V**2 + Scalar + V)(D(4))
    group = oracles.finite_group_elements(D(4).discrete_generators)
    mean = np.mean([rep.rho_dense(g) for g in group], axis=0)
    np.testing.assert_allclose(equivariant_projector(rep) @ np.eye(rep.size()), mean, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, "float32", np.complex64])
@many
def test_dtype_option(rep, dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "f" and equivariant_basis(rep).dtype.kind == "c":
        with pytest.raises(ValueError, match=r"is complex, got dtype=float.*Pass complex64"):
            equivariant_basis(rep, dtype=dtype)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        basis = equivariant_basis(rep, dtype=dtype)
    if rep.size():
        assert basis.dtype == basis.to_dense().dtype == dtype
        assert (basis @ np.ones(basis.rank, dtype)).dtype == dtype
        assert (basis.H @ np.ones(rep.size(), dtype)).dtype == dtype
        assert equivariant_projector(rep, dtype=dtype).dtype == dtype
    exact = equivariant_basis(rep)
    np.testing.assert_allclose(basis.to_dense(), exact.to_dense(), atol=1e-6)
    assert basis.certificate == exact.certificate


@many
def test_bases_pickle(rep):
    for made in (equivariant_basis(rep), equivariant_projector(rep)):
        twin = pickle.loads(pickle.dumps(made))
        x = np.ones(made.shape[1])
        np.testing.assert_array_equal(twin @ x, made @ x)
    twin = pickle.loads(pickle.dumps(equivariant_basis(rep)))
    assert twin.rep == rep
    assert twin.certificate == equivariant_basis(rep).certificate
    assert f"rank={twin.rank}" in repr(twin)


def test_rank_zero_is_an_honest_answer():
    """`2*V >> Scalar` under O(n): no equivariant map but zero."""
    basis = equivariant_basis((2 * V >> Scalar)(O(4)))
    assert basis.shape == (8, 0)
    assert basis.to_dense().shape == (8, 0)
    np.testing.assert_array_equal(basis.project(np.ones(8)), np.zeros(8))
    assert "rank=0" in repr(basis)
    assert basis.certificate.gap > 0.1


# -- robustness ---------------------------------------------------------------------------------------------------


def same_span(one, other):
    assert one.rank == other.rank
    if one.rank:
        assert subspace_angles(one.to_dense(), other.to_dense()).max() < 1e-7


@pytest.mark.parametrize("group", [SO(3), SL(2), SO13p(), Sp(1), O(2), U(2)], ids=repr)
def test_scaled_and_duplicated_generators_leave_the_span_alone(group):
    """A cutoff at an absolute 1e-5 takes small generators for zero."""
    lie, h = group.lie_algebra, group.discrete_generators
    reference = equivariant_basis(T(2, 2, group))
    uneven = np.logspace(-6, 6, len(lie))[:, None, None]
    for changed in (
        Group(1e-6 * lie, h),
        Group(1e6 * lie, h),
        Group(lie * uneven, h),
        Group(np.concatenate([lie, lie, 1e3 * lie]), np.concatenate([h, h])),
    ):
        rep = V(changed) ** 2 * V.T(changed) ** 2
        same_span(equivariant_basis(rep), reference)


@pytest.mark.parametrize(
    "rep",
    [
        (V**4)(SO(3)),
        (V**3)(S(5)),
        T(2, 2, SL(3)),
        T(2, 2, U(3)),
        (V**4)(SO13p()),
        (V**6)(Sp(1)),
        (V**2)(ZksZnxZn(2, 3)),
        V(SO(3)) ** 2 * V(S(3)) ** 2,
    ],
    ids=str,
)
def test_dense_and_lanczos_agree(rep):
    exact = equivariant_basis(rep, method="dense")
    krylov = equivariant_basis(rep, method="lanczos")
    check(exact, exact.rank)
    check(krylov, exact.rank)
    same_span(exact, krylov)
    assert exact.certificate.strategies == ("dense",)
    assert "lanczos" in krylov.certificate.strategies
    assert krylov.certificate.gap == pytest.approx(exact.certificate.gap, rel=0.5)


def test_results_are_deterministic():
    rep = (V**5)(SO(3))
    one = equivariant_basis(rep, method="lanczos").to_dense()
    clear_basis_cache()
    two = equivariant_basis(rep, method="lanczos").to_dense()
    np.testing.assert_array_equal(one, two)
    other = equivariant_basis(rep, method="lanczos", random_state=7)
    assert subspace_angles(one, other.to_dense()).max() < 1e-7


# -- the cache ----------------------------------------------------------------------------------------------------


@pytest.fixture
def empty_cache():
    clear_basis_cache()
    yield
    clear_basis_cache()


def test_groups_of_one_repr_do_not_share_a_basis(empty_cache):
    """Groups compared by `repr` share each other's cached basis in EMLP."""
    xy, yz = Embed(SO(2), 3, slice(0, 2)), Embed(SO(2), 3, slice(1, 3))
    one, two = (Group(G.lie_algebra, name="SO(2) in space") for G in (xy, yz))
    assert repr(one) == repr(two)
    for first, second in ((xy, yz), (one, two)):
        z, x = (equivariant_basis(V(G)).to_dense().ravel() for G in (first, second))
        np.testing.assert_allclose(np.abs(z), [0, 0, 1], atol=1e-12)
        np.testing.assert_allclose(np.abs(x), [1, 0, 0], atol=1e-12)


def test_each_type_is_solved_once(empty_cache):
    equivariant_basis((2 * V + V**2)(SO(3)))
    assert basis_cache_info()["n_types"] == 2
    first = equivariant_basis((V**2)(SO(3))).isometry
    equivariant_basis((V**2 + 7 * V + V**2)(SO(3)))
    assert basis_cache_info()["n_types"] == 2
    assert equivariant_basis((V**2)(Group(SO(3).lie_algebra))).isometry is first
    assert equivariant_basis((V**2)(O(3))).isometry is not first
    assert equivariant_basis((V**2)(SO(3)), method="dense").isometry is not first
    assert basis_cache_info()["n_types"] == 4


def test_cache_info_and_clear(empty_cache):
    assert basis_cache_info() == {"n_types": 0, "n_bytes": 0, "max_bytes": 2**30}
    equivariant_basis(HOM(SO(3)))
    assert basis_cache_info()["n_bytes"] == 9 * 8
    clear_basis_cache()
    assert basis_cache_info()["n_types"] == 0


def test_the_least_recently_used_type_goes_first(empty_cache, monkeypatch):
    one, two, three = ((V**k)(Z(2)) for k in (1, 2, 3))
    room = sum(equivariant_basis(rep).nbytes for rep in (one, two, three)) - 1
    clear_basis_cache()
    monkeypatch.setattr(fastemlp.bases.cache, "_CACHE_BYTES", room)
    first = equivariant_basis(one)
    equivariant_basis(two)
    assert equivariant_basis(one).isometry is first.isometry
    equivariant_basis(three)
    info = basis_cache_info()
    assert info["n_types"] == 2
    assert info["n_bytes"] <= info["max_bytes"]
    assert equivariant_basis(one).isometry is first.isometry


@many
def test_cached_arrays_cannot_be_changed(rep):
    basis = equivariant_basis(rep)
    if hasattr(basis, "Q"):
        with pytest.raises(ValueError, match="read-only"):
            basis.to_dense()[...] = 7
    for part, _ in getattr(basis, "parts", ()):
        assert not part.to_dense().flags.writeable


def test_threads_may_share_the_cache(empty_cache):
    reps, found = [(V**k)(G) for k in (1, 2, 3) for G in (SO(3), S(3), SL(2))], []
    work = lambda: found.append([equivariant_basis(rep).rank for rep in reps])  # noqa: E731
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[0, 1, 0, 1, 2, 1, 1, 5, 0]] * 4


# -- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["V", 3, None, SO(3)], ids=repr)
@pytest.mark.parametrize("function", [equivariant_basis, equivariant_projector])
def test_only_reps_have_a_basis(function, wrong):
    with pytest.raises(TypeError, match=r"equivariant_basis: expected a Rep, got .*V\(SO\(3\)\)"):
        function(wrong)


@pytest.mark.parametrize("rep", [V, 2 * V + Scalar, V(SO(3)) * V, HOM], ids=str)
@pytest.mark.parametrize("function", [equivariant_basis, equivariant_projector])
def test_unbound_reps_have_no_basis(function, rep):
    with pytest.raises(
        ValueError, match=r"is not bound to a group. Bind it by calling it: rep\(SO"
    ):
        function(rep)


def test_unknown_method_is_refused():
    with pytest.raises(ValueError, match=r"expected method to be one of auto, .* got 'magic'"):
        equivariant_basis(V(SO(3)), method="magic")


@pytest.mark.parametrize("dtype", [int, bool, "U3", object])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(TypeError, match="dtype must be a real or complex floating type"):
        equivariant_basis(V(SO(3)), dtype=dtype)


def test_generators_that_almost_hold_are_refused_not_guessed():
    """A direction broken by 1e-14 of the rest is neither symmetric nor not, where the rest is not nearly orthogonal."""
    h = np.diag([-2.0, 1.0, 1 + 5e-14])
    with pytest.raises(ConvergenceError, match="expected a gap of at least"):
        equivariant_basis((V**2)(Group(discrete_generators=[h])))


@pytest.fixture
def store_and_key(tmp_path, monkeypatch, empty_cache):
    """A store of this test's own, and the key of a rep solved into it."""
    monkeypatch.setenv("FASTEMLP_BASIS_DIR", str(tmp_path))
    rep = (V**4)(SO(3))
    basis = equivariant_basis(rep, store=True)
    (entry,) = default_store().entries()
    clear_basis_cache()
    return rep, basis, entry.path.stem


def test_a_stored_basis_is_found_and_not_solved_again(store_and_key, monkeypatch):
    rep, basis, _ = store_and_key
    monkeypatch.setattr(fastemlp.bases.cache, "solve_nullspace", None)
    again = equivariant_basis(rep)
    np.testing.assert_array_equal(again.to_dense(), basis.to_dense())
    assert again.certificate == basis.certificate


@pytest.mark.parametrize("wrong", ["vectors", "size", "certificate"])
def test_an_intact_entry_that_is_not_a_solution_is_solved_anew(store_and_key, wrong):
    rep, basis, key = store_and_key
    size = 80 if wrong == "size" else 81
    isometry = basis.isometry if wrong == "certificate" else DenseIsometry(np.eye(size)[:, :3])
    certificate = {**asdict(basis.certificate), "strategies": "schur"}
    if wrong == "certificate":
        del certificate["gap"]
    default_store().save(key, isometry, certificate, {"rep": "V4"})
    np.testing.assert_array_equal(equivariant_basis(rep).to_dense(), basis.to_dense())


def test_an_empty_basis_says_where_to_ask():
    assert "why_empty" in repr(equivariant_basis(V(O(3))))


def test_rounded_generators_are_pointed_out():
    c, s = np.cos(2 * np.pi / 5), np.sin(2 * np.pi / 5)
    G = Group(discrete_generators=[np.array([[c, -s], [s, c]], np.float32)])
    with pytest.warns(UserWarning, match=r"singular value .* of V5 is \de-08 of the largest"):
        # exact fifths of a turn have two invariants; these turns have none, but only just
        assert equivariant_basis((V**5)(G), store=False).rank == 0


def test_a_bespoke_rep_of_size_0_may_be_multiplied():
    class Nothing(Rep):
        def size(self):
            return 0

        def rho(self, g):
            return np.zeros((0, 0))

    assert equivariant_basis((Nothing() * V)(SO(3)), store=False).shape == (0, 0)


def test_schur_draws_fresh_elements_without_a_seed():
    rep = (V**6)(SO(3))
    assert equivariant_basis(rep, method="schur", random_state=None, store=False).rank == 15


def test_a_wrong_bespoke_rep_never_reaches_the_solver():
    class Trace(Rep):
        def size(self):
            return 1

        def rho(self, g):
            return np.array([[np.trace(g)]])

    with pytest.raises(ValueError, match=r"Trace\(O\(3\)\) is not a representation of O\(3\)"):
        equivariant_basis((V * Trace())(O(3)))
