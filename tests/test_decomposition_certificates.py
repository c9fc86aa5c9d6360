"""Decompositions against counting: what is certified is right for the generators themselves, or is refused."""

import dataclasses
import importlib
import warnings
from collections import Counter

import numpy as np
import pytest
from oracles_irreps import require_irreducible, rounded
from oracles_words import (
    charge_multiplicities,
    integer_group,
    kron_power,
    point_groups,
    rotation_multiplicities,
    unimodular,
)

from fastemlp import equivariant_basis, irreps, isotypic_decomposition
from fastemlp.bases.constraint import constraint
from fastemlp.exceptions import CertificationError, NotReductive
from fastemlp.groups import SO, C, D, Group, O, S
from fastemlp.irreducibles.symmetry import reductive_group
from fastemlp.nn import EMLP
from fastemlp.reps import V
from fastemlp.solver import schur
from fastemlp.testing import assert_equivariant

HEXAGON = Group(discrete_generators=[[[-1, 1], [-1, 0]], [[0, 1], [1, 0]]])
ORDERS = sorted({*range(2, 14), *np.unique(np.logspace(1.2, 6, 48).astype(int)).tolist()})
DIMENSION = {"real": 1, "complex": 2, "quaternionic": 4}


def kinds(found):
    return sorted((i.size(), n) for i, n in zip(found.irreps, found.multiplicities, strict=True))


def test_small_turns_are_told_from_none():
    assert kinds(isotypic_decomposition((V * V)(C(20000)))) == [(1, 2), (2, 1)]
    assert [i.size() for i in irreps(V(C(100000)))] == [2]
    assert [i.size() for i in irreps(V(C(10**9)))] == [2]


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("n", ORDERS)
def test_rotations_agree_with_their_weights(n, k):
    found = isotypic_decomposition((V**k)(C(n)))
    assert kinds(found) == rotation_multiplicities(n, k)
    assert found.residual <= 1e-11


@pytest.mark.parametrize("n", [30, 1000, 20000, 10**6])
def test_a_small_turn_beside_a_large_one(n):
    small, large = (2 * np.pi / q for q in (n, 7))
    turns = [[[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]] for t in (small, large)]
    h = np.zeros((5, 5))
    h[:2, :2], h[2:4, 2:4], h[4, 4] = *turns, 1
    found = isotypic_decomposition(V(Group(discrete_generators=[h])))
    assert kinds(found) == [(1, 1), (2, 1), (2, 1)]
    # the plane by the plane: angles 0 and 2t; by the other: t ± t'; all apart
    assert equivariant_basis((V * V)(Group(discrete_generators=[h]))).rank == 5


@pytest.mark.parametrize("seed", range(60))
def test_normal_generators_agree_with_counting(seed):
    """Charges (a, b): eigenvalues ``exp(a·s + i(c·a + 2πb/n))``; c·a may resonate with what stands in for it."""
    rng = np.random.default_rng(seed)
    d, n, s = int(rng.integers(2, 5)), int(rng.integers(2, 7)), rng.uniform(0.2, 1.0)
    c = [0.0, -0.1 * np.sqrt(2) * s, rng.uniform(-2, 2)][seed % 3]
    charges = [tuple(map(int, rng.integers((-2, 0), (3, n)))) for _ in range(d)]
    values = np.array([np.exp(a * s + 1j * (c * a + 2 * np.pi * b / n)) for a, b in charges])
    Q = np.linalg.qr(rng.standard_normal((d, d)) + 1j * rng.standard_normal((d, d)))[0]
    G = Group(discrete_generators=[(Q * values) @ Q.conj().T])
    for k in (2, 4):
        solution = schur(constraint((V**k)(G)))
        assert solution.rank == charge_multiplicities(charges, n, k)[0, 0]
        columns = kron_power(G.discrete_generators[0], k) @ solution.Q.to_dense()
        np.testing.assert_allclose(columns, solution.Q.to_dense(), rtol=0, atol=1e-12 * 8**k)
    pairs = Counter(charges)
    assert schur(constraint((V * V.T)(G))).rank == sum(m * m for m in pairs.values())
    found = isotypic_decomposition((V**2)(G))
    assert kinds(found) == sorted((1, m) for m in charge_multiplicities(charges, n, 2).values())


@pytest.mark.parametrize("seed", range(40))
def test_real_spirals_agree_with_counting(seed):
    """Planes scaled by ``exp(a·s)`` and turned by ``c·a + 2πb/n``, in random orthonormal coordinates."""
    rng = np.random.default_rng(seed)
    n, s, planes = int(rng.integers(2, 7)), rng.uniform(0.2, 1.0), 2
    c = -0.1 * np.sqrt(2) * s if seed % 2 else 0.0
    h, charges = np.zeros((4, 4)), []
    for j in range(planes):
        a, b = int(rng.integers(-2, 3)), int(rng.integers(n))
        t, part = c * a + 2 * np.pi * b / n, slice(2 * j, 2 * j + 2)
        h[part, part] = np.exp(a * s) * np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
        # modulus a, the winding of c, and b
        charges += [((a, a), b), ((a, -a), -b)]
    Q = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    G = Group(discrete_generators=[Q @ h @ Q.T])
    for k in (1, 2, 3):
        flat = [(100 * a + (winding if c else 0), b) for (a, winding), b in charges]
        count = charge_multiplicities(flat, n, k)[0, 0]
        assert schur(constraint((V**k)(G))).rank == count


def test_a_resonance_fixes_nothing():
    """Turned by minus a tenth of √2 times the logarithm of the stretch: phases that once added up to none."""
    turn = -0.1 * np.sqrt(2) * np.log(2)
    plane = 2 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    for h in (plane, [[2 * np.exp(1j * turn)]]):
        G = Group(discrete_generators=[h])
        for k in (1, 2, 4):
            assert schur(constraint((V**k)(G))).rank == 0
        assert schur(constraint((V * V.T)(G))).rank == len(h)


def test_results_are_checked_against_the_generators_given(monkeypatch):
    """What stands in for a generator is not believed: were it wrong, nothing would be certified."""
    stretched = Group(discrete_generators=[np.diag([2.0, 0.5, 3.0])])

    def forgetful(C, *args):
        group = reductive_group(C, *args)
        return dataclasses.replace(group, _basis=group._basis[:0], _unitary=())

    reductive = importlib.import_module("fastemlp.irreducibles.reductive")
    monkeypatch.setattr(reductive, "reductive_group", forgetful)
    with pytest.raises(CertificationError, match="schur: expected residual"):
        schur(constraint((V**2)(stretched)))
    with pytest.raises(
        CertificationError, match=r"isotypic_decomposition: expected pieces.*more digits"
    ):
        isotypic_decomposition((V**2)(stretched))


def test_a_decomposition_that_never_succeeds_says_what_helps(monkeypatch):
    word = importlib.import_module("fastemlp.irreducibles.decompose")
    monkeypatch.setattr(word, "given_residual", lambda *a, **k: (1e-3, []))
    with pytest.raises(
        CertificationError, match=r"in 6 random draws the pieces found are off by 1\.0e-03"
    ):
        irreps((V**2)(SO(3)))


def test_a_network_without_a_certified_decomposition_works_without(monkeypatch):
    word = importlib.import_module("fastemlp.irreducibles.decompose")
    free = EMLP(V**2, V**2, SO(3), n_layers=0).n_parameters
    monkeypatch.setattr(word, "given_residual", lambda *a, **k: (np.nan, []))
    assert EMLP(V**2, V**2, SO(3), n_layers=0).n_parameters == free


@pytest.mark.parametrize("n", [300, 20000, 10**6, 10**9])
def test_networks_tell_small_turns_from_none(n):
    network = EMLP(V**2, V**2, C(n), n_layers=0)
    # weights and bias
    assert network.n_parameters == 6 + 2


@pytest.mark.parametrize("exponent", [3.0, 4.5, 5.5])
def test_small_turns_in_any_coordinates_beside_reflections(exponent):
    rng = np.random.default_rng(int(10 * exponent))
    Q = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    t = 10.0**-exponent
    h = np.eye(4)
    h[:2, :2] = [[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]
    for mirror, expected in ([1, 1, -1, 1], 3), ([1, -1, 1, -1], 3):
        G = Group(discrete_generators=[Q @ h @ Q.T, Q @ np.diag(mirror) @ Q.T])
        found = isotypic_decomposition(V(G))
        assert len(found.irreps) == expected
        squares = sum(
            DIMENSION[i.type] * n * n
            for i, n in zip(found.irreps, found.multiplicities, strict=True)
        )
        assert equivariant_basis((V >> V)(G)).rank == squares


def test_rounded_rotations_are_right_or_refused():
    for n in (3, 5, 7, 12, 1000):
        t = 2 * np.pi / n
        h = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]], np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = isotypic_decomposition((V**2)(Group(discrete_generators=[h])))
            except (NotReductive, CertificationError):
                continue
        assert kinds(found) == rotation_multiplicities(n, 2)


def test_stretches_too_small_to_see_are_refused():
    with pytest.raises(NotReductive, match="is unitary but for 1e-08, too little for its errors"):
        reductive_group(constraint(V(Group(discrete_generators=[np.diag([-1 - 1e-8, 1.0])]))))


def test_generators_of_no_accuracy_are_refused():
    """Nothing that is found is wrong by more than the errors allow, so nothing may be found."""
    rough = Group(discrete_generators=[np.diag([2.0, 0.5])], accuracy=1e-3)
    with pytest.raises(NotReductive, match="known to 1e-03 only"):
        schur(constraint((V**2)(rough)))


@pytest.mark.parametrize("t", [1e2, 1e5, 1e8])
def test_duals_of_large_stretches(t):
    for h in (np.diag([t, 1 / t]), np.array([[t, 0], [0, -1 / t]])):
        G = Group(discrete_generators=[h])
        assert schur(constraint((V >> V)(G))).rank == 2
        assert kinds(isotypic_decomposition((V >> V)(G))) == [(1, 1), (1, 1), (1, 2)]


def test_skew_hexagon():
    assert sorted(i.size() for i in irreps((V * V)(HEXAGON))) == [1, 1, 2]


def test_the_point_groups_are_the_32():
    space = {name: g for name, g in point_groups().items() if len(g[0]) == 3}
    orders = [1, 2, 2, 2, 4, 4, 4, 8, 4, 4, 8, 8, 8, 8, 16]  # triclinic to tetragonal
    orders += [3, 6, 6, 6, 12, 6, 6, 12, 12, 12, 12, 24, 12, 24, 24, 24, 48]
    groups = [integer_group(generators) for generators in space.values()]
    assert [len(elements) for elements in groups] == orders
    # no two have as many elements of every kind
    kinds = {tuple(sorted((np.trace(g), round(np.linalg.det(g))) for g in G)) for G in groups}
    assert len(kinds) == 32


@pytest.mark.parametrize("name", point_groups())
def test_point_groups_in_skew_lattice_bases_agree_with_characters(name):
    for seed in range(2):
        rng = np.random.default_rng(seed)
        generators = [np.array(g) for g in point_groups()[name]]
        P, inverse = unimodular(len(generators[0]), rng)
        generators = [P @ g @ inverse for g in generators]
        G = Group(discrete_generators=generators)
        elements = integer_group(generators)
        traces = np.array([float(np.trace(g)) for g in elements])
        k = 1 + seed
        rep = (V**k)(G)
        found = isotypic_decomposition(rep)
        assert equivariant_basis(rep).rank == round(float(np.mean(traces**k)))
        require_irreducible(found, elements, traces**k, 1e-9)
        # the coordinates show it
        m = rep.size()
        U = found.U.matmat(np.eye(m))
        np.testing.assert_allclose(found.inverse.matmat(U), np.eye(m), rtol=0, atol=1e-12)
        g = elements[-1]
        image = found.inverse.matmat(kron_power(g, k) @ U)
        start = 0
        for irrep, n in zip(found.irreps, found.multiplicities, strict=True):
            for _ in range(n):
                part = slice(start, start + irrep.size())
                np.testing.assert_allclose(image[part, part], irrep.rho(g), rtol=0, atol=1e-11)
                image[part, part] = 0
                start += irrep.size()
        assert np.abs(image).max() <= 1e-11


def test_change_of_coordinates_and_its_inverse_are_operators():
    found = isotypic_decomposition((V**2 + V)(HEXAGON))
    U, back, one = found.U, found.inverse, np.eye(6)
    dense = U.matmat(one)
    x = np.arange(6.0)
    np.testing.assert_allclose(U @ x, dense @ x, atol=1e-12)
    np.testing.assert_allclose(U.H @ x, dense.T @ x, atol=1e-12)
    np.testing.assert_allclose(back @ x, np.linalg.solve(dense, x), atol=1e-12)
    np.testing.assert_allclose(back.H @ x, np.linalg.solve(dense.T, x), atol=1e-12)
    np.testing.assert_allclose(back.H.matmat(one), np.linalg.inv(dense).T, atol=1e-12)
    ordinary = isotypic_decomposition((V**2)(SO(3)))
    np.testing.assert_array_equal(
        ordinary.inverse.matmat(np.eye(9)), ordinary.U.H.matmat(np.eye(9))
    )


def test_irreps_of_a_skew_group_are_types():
    sizes = {i.size(): i for i in irreps((V * V)(HEXAGON))}
    plane = sizes[2]
    assert plane.E.shape == (plane.parent.size(), 2)
    np.testing.assert_allclose(plane.left_inverse @ plane.E, np.eye(2), atol=1e-13)
    for g in HEXAGON.samples(3, random_state=0):
        image = plane.rho(g)
        np.testing.assert_allclose(image @ image.T, np.eye(2), atol=1e-12)
        np.testing.assert_allclose(
            plane.parent.rho_dense(g) @ plane.E, plane.E @ image, rtol=0, atol=1e-12
        )
    assert equivariant_basis(plane >> V(HEXAGON)).rank == 1
    assert equivariant_basis(plane * plane).rank == 1
    assert sorted(i.size() for i in irreps(plane * plane + plane)) == [1, 1, 2]
    network = EMLP(2 * plane, plane + V(HEXAGON), HEXAGON, n_layers=1, dtype=np.float64)
    rng = np.random.default_rng(0)
    theta = network.init(rng)
    assert_equivariant(
        lambda X: network.forward(theta, X)[0].copy(),
        network.rep_in,
        network.rep_out,
        rng.standard_normal((8, 4)),
        random_state=0,
    )


def four_characters(condition, seed):
    """Z2 × Z2 on R⁴ with its four characters, in coordinates of a condition number."""
    rng = np.random.default_rng(seed)
    Q, R = (np.linalg.qr(rng.standard_normal((4, 4)))[0] for _ in range(2))
    s = np.logspace(0, np.log10(condition), 4)
    signs = (np.diag([1.0, 1, -1, -1]), np.diag([1.0, -1, 1, -1]))
    return Group(discrete_generators=[Q * s @ R @ x @ R.T / s @ Q.T for x in signs])


@pytest.mark.parametrize("condition", [1.0, 30.0, 1e3, 3e3])
@pytest.mark.parametrize("trust", [None, 0.0])
def test_roundoff_between_equal_eigenvalues_is_no_rotation(monkeypatch, condition, trust):
    if trust is not None:
        # powers that make roundoff real: what they seem to show is then refuted by the generators as given
        symmetry = importlib.import_module("fastemlp.irreducibles.symmetry")
        monkeypatch.setattr(symmetry, "TRUE_ANGLE", trust)
    for seed in range(8):
        try:
            found = isotypic_decomposition(V(four_characters(condition, seed)))
        except (CertificationError, NotReductive):
            assert condition > 100 or trust == 0
            continue
        assert kinds(found) == [(1, 1)] * 4


@pytest.mark.parametrize("decimals", [6, 8, 9, 10, 12])
@pytest.mark.parametrize("group", [C(7), S(3), S(4), D(4), SO(3), O(3)], ids=repr)
def test_rounded_generators_of_declared_accuracy_are_right_or_refused(group, decimals):
    rng = np.random.default_rng(decimals)
    for sheared in (False, True):
        declared = rounded(group, decimals, sheared, rng)
        for rep in (V, V**2):
            try:
                found = isotypic_decomposition(rep(declared))
            except (CertificationError, NotReductive):
                assert decimals < 10 or sheared
                continue
            assert kinds(found) == kinds(isotypic_decomposition(rep(group)))


@pytest.mark.parametrize("type_", [V, V**2, V**2 + V.T], ids=str)
def test_pieces_are_counted_by_characters(monkeypatch, type_):
    """What a piece too many or too few would do: then the count disagrees, and nothing is returned."""
    word = importlib.import_module("fastemlp.irreducibles.decompose")
    honest, counts = word.whole_mean, []
    monkeypatch.setattr(
        word, "whole_mean", lambda values: counts.append(honest(values)) or counts[-1]
    )
    assert irreps(type_(HEXAGON))
    assert counts
    assert None not in counts
    monkeypatch.setattr(word, "whole_mean", lambda values: honest(values) + 1)
    with pytest.raises(CertificationError, match="where characters count"):
        irreps(type_(HEXAGON))
