"""Isotypic decomposition: unitary, block-diagonal for the group, right dimensions, and irreps that are reps."""

import os
import pickle
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from scipy.linalg import block_diag

from fastemlp import FastEMLPRegressor, equivariant_basis, irreps, isotypic_decomposition
from fastemlp.bases.isotypic import Irrep
from fastemlp.exceptions import NotReductive
from fastemlp.groups import (
    SL,
    SO,
    SU,
    A,
    C,
    D,
    Embed,
    Group,
    Lorentz,
    O,
    S,
    SO13p,
    Sp,
    Trivial,
    U,
    Z,
)
from fastemlp.reps import Scalar, T, V
from fastemlp.testing import assert_equivariant

QUATERNIONS = Group(
    discrete_generators=[
        [[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, -1], [0, 0, 1, 0]],
        [[0, 0, -1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, -1, 0, 0]],
    ],
    name="Q8",
)

# the sizes of the irreps with their types and multiplicities, sorted
REAL, COMPLEX, QUATERNIONIC = "real", "complex", "quaternionic"
KNOWN = [
    (V(SO(3)), [(3, REAL, 1)]),
    ((V**2)(SO(3)), [(1, REAL, 1), (3, REAL, 1), (5, REAL, 1)]),
    ((V**3)(SO(3)), [(1, REAL, 1), (3, REAL, 3), (5, REAL, 2), (7, REAL, 1)]),
    ((V**2)(SO(4)), [(1, REAL, 1), (3, REAL, 1), (3, REAL, 1), (9, REAL, 1)]),
    ((V**2)(O(4)), [(1, REAL, 1), (6, REAL, 1), (9, REAL, 1)]),
    ((V**2)(SO(5)), [(1, REAL, 1), (10, REAL, 1), (14, REAL, 1)]),
    ((V**2)(SO(2)), [(1, REAL, 2), (2, COMPLEX, 1)]),
    ((V**3)(SO(2)), [(2, COMPLEX, 1), (2, COMPLEX, 3)]),
    ((V**2)(O(2)), [(1, REAL, 1), (1, REAL, 1), (2, REAL, 1)]),
    (V(S(4)), [(1, REAL, 1), (3, REAL, 1)]),
    ((V**2)(S(4)), [(1, REAL, 2), (2, REAL, 1), (3, REAL, 1), (3, REAL, 3)]),
    (V(Z(5)), [(1, REAL, 1), (2, COMPLEX, 1), (2, COMPLEX, 1)]),
    (V(C(7)), [(2, COMPLEX, 1)]),
    ((V**2)(C(4)), [(1, REAL, 2), (1, REAL, 2)]),
    ((V**2)(D(5)), [(1, REAL, 1), (1, REAL, 1), (2, REAL, 1)]),
    (V(A(5)), [(1, REAL, 1), (4, REAL, 1)]),
    (V(QUATERNIONS), [(4, QUATERNIONIC, 1)]),
    ((V**2)(QUATERNIONS), [(1, REAL, 4)] * 4),
    (V(SU(2).realified()), [(4, QUATERNIONIC, 1)]),
    ((V**2)(SU(2).realified()), [(1, REAL, 4), (3, REAL, 4)]),
    ((V**3)(SU(2).realified()), [(4, QUATERNIONIC, 8), (8, QUATERNIONIC, 4)]),
    (V(U(2).realified()), [(4, COMPLEX, 1)]),
    ((V * V.T)(SL(3)), [(1, REAL, 1), (8, REAL, 1)]),
    ((V**2)(SL(3)), [(3, REAL, 1), (6, REAL, 1)]),
    # two-forms on space-time: self-dual and anti-self-dual are complex conjugates
    ((V**2)(SO13p()), [(1, REAL, 1), (6, COMPLEX, 1), (9, REAL, 1)]),
    ((V**2)(Sp(2)), [(1, REAL, 1), (5, REAL, 1), (10, REAL, 1)]),
    ((V * V.T)(U(2)), [(1, COMPLEX, 1), (3, COMPLEX, 1)]),
    ((V**2)(SU(3)), [(3, COMPLEX, 1), (6, COMPLEX, 1)]),
    ((V**3)(SU(2)), [(2, COMPLEX, 2), (4, COMPLEX, 1)]),
    ((V + V.conj())(SU(3)), [(3, COMPLEX, 1), (3, COMPLEX, 1)]),
    ((V**2)(Trivial(3)), [(1, REAL, 9)]),
    (V(Embed(SO(3), 5, slice(1, 4))), [(1, REAL, 2), (3, REAL, 1)]),
    ((V**2 + 2 * V + 3 * Scalar)(SO(3)), [(1, REAL, 4), (3, REAL, 3), (5, REAL, 1)]),
    ((V + V**2 + Scalar + V)(SO(3)), [(1, REAL, 2), (3, REAL, 3), (5, REAL, 1)]),
    ((V * (V + Scalar) + V)(O(3)), [(1, REAL, 1), (3, REAL, 1), (3, REAL, 2), (5, REAL, 1)]),
    ((V + V.T)(SL(3)), [(3, REAL, 1), (3, REAL, 1)]),
    (T(1, 1, Lorentz()) + V(Lorentz()), None),
]
known = pytest.mark.parametrize(("rep", "expected"), KNOWN, ids=lambda x: str(x)[:30])
DIVISION = {REAL: 1, COMPLEX: 2, QUATERNIONIC: 4}


def type_dim(irrep):
    return 1 if irrep.G.is_complex else DIVISION[irrep.type]


@known
def test_dimensions_types_and_multiplicities(rep, expected):
    found = isotypic_decomposition(rep)
    kinds = sorted(
        (i.size(), i.type, n) for i, n in zip(found.irreps, found.multiplicities, strict=True)
    )
    if expected is not None:
        assert kinds == sorted(expected)
    assert found.rep is rep
    assert found.residual <= 1e-12
    assert sum(d * n for d, _, n in kinds) == rep.size()
    # Schur's lemma
    maps = sum(type_dim(i) * n**2 for i, n in zip(found.irreps, found.multiplicities, strict=True))
    assert equivariant_basis(rep >> rep).rank == maps
    assert [i.size() for i in irreps(rep)] == [i.size() for i in found.irreps]


@known
def test_coordinates_show_every_copy(rep, expected):
    found = isotypic_decomposition(rep)
    m = rep.size()
    U = found.U.matmat(np.eye(m, dtype=found.U.dtype))
    assert found.U.dtype == (np.complex128 if rep.G.is_complex else np.float64)
    np.testing.assert_allclose(U.conj().T @ U, np.eye(m), rtol=0, atol=1e-13)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((m, 3))
    np.testing.assert_allclose(found.U @ X, U @ X, rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.U.H @ X, U.conj().T @ X, rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.U @ X[:, 0], U @ X[:, 0], rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.U.H @ X[:, 0], U.conj().T @ X[:, 0], rtol=0, atol=1e-13)

    def blocks(matrices):
        copies = zip(matrices, found.multiplicities, strict=True)
        return block_diag(*(B for B, n in copies for _ in range(n)))

    for g in rep.G.samples(3, random_state=1):
        image = U.conj().T @ rep.rho_dense(g) @ U
        expected = blocks([i.rho(g) for i in found.irreps])
        scale = max(1.0, np.abs(image).max())
        np.testing.assert_allclose(image, expected, rtol=0, atol=1e-11 * scale)
    for A_i in rep.G.lie_algebra:
        image = U.conj().T @ rep.drho_dense(A_i) @ U
        expected = blocks([i.drho(A_i) for i in found.irreps])
        np.testing.assert_allclose(image, expected, rtol=0, atol=1e-11)


@known
def test_irreps_are_irreducible_and_inequivalent(rep, expected):
    found = irreps(rep)
    for irrep in found:
        assert equivariant_basis(irrep >> irrep).rank == type_dim(irrep)
    for one, other in combinations(found, 2):
        assert equivariant_basis(one >> other).rank == 0
    sizes = [i.size() for i in found]
    invariants = [equivariant_basis(i).rank for i in found]
    # the trivial one, if any, is the only one with an invariant
    assert sum(invariants) == equivariant_basis(sum(found)).rank <= 1
    assert all(d == 1 for d, r in zip(sizes, invariants, strict=True) if r)


@known
def test_irreps_are_representations(rep, expected):
    rng = np.random.default_rng(0)
    g, h = rep.G.samples(2, random_state=rng)
    for irrep in irreps(rep):
        d = irrep.size()
        np.testing.assert_allclose(irrep.rho(np.eye(rep.G.d)), np.eye(d), rtol=0, atol=1e-13)
        product = irrep.rho(g) @ irrep.rho(h)
        scale = max(1.0, np.abs(product).max())
        np.testing.assert_allclose(irrep.rho(g @ h), product, rtol=0, atol=1e-11 * scale)
        assert irrep.E.shape == (irrep.parent.size(), d)
        assert not irrep.E.flags.writeable
        np.testing.assert_allclose(irrep.E.conj().T @ irrep.E, np.eye(d), rtol=0, atol=1e-13)


@pytest.mark.parametrize("l", range(1, 6))
def test_angular_momentum(l):
    """The largest irrep of V^l of SO(3) has 2l + 1 dimensions, and the character of a rotation says so."""
    (spin,) = (i for i in irreps((V**l)(SO(3))) if i.size() == 2 * l + 1)
    for angle in (0.3, 1.1, 2.5):
        c, s = np.cos(angle), np.sin(angle)
        g = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        expected = sum(np.cos(m * angle) for m in range(-l, l + 1))
        assert np.trace(spin.rho(g)) == pytest.approx(expected, abs=1e-11)


# -- irreps as types ----------------------------------------------------------------------------------------------


def spin2():
    return next(i for i in irreps((V**2)(SO(3))) if i.size() == 5)


def test_irreps_take_part_in_the_algebra_of_reps():
    two, G = spin2(), SO(3)
    assert isinstance(two, Irrep)
    assert (3 * two + Scalar + V(G)).size() == 3 * 5 + 1 + 3
    assert equivariant_basis(two >> V(G)).rank == 0
    assert equivariant_basis(two >> (V**2)(G)).rank == 1
    assert equivariant_basis((3 * two + Scalar) >> (two + 2 * Scalar)).rank == 3 + 2
    # 2 ⊗ 2 = 0 + 1 + 2 + 3 + 4, and 2 ⊗ 1 = 1 + 2 + 3
    assert equivariant_basis(two * two >> two).rank == 1
    assert equivariant_basis(two**3).rank == 1
    assert equivariant_basis(two**4).rank == 5
    assert equivariant_basis(two * V(G) >> V(G)).rank == 1
    assert isotypic_decomposition(two * two).multiplicities == (1,) * 5
    assert [i.size() for i in irreps(two)] == [5]
    assert two(SO(3)) is two
    assert "size=5" in repr(two)
    assert "real" in repr(two)


def test_the_trivial_irrep_of_a_sum_with_scalars_knows_its_group():
    trivial, vector = irreps((2 * Scalar + V)(SU(2)))
    assert (trivial.size(), vector.size()) == (1, 2)
    assert trivial.groups == (SU(2),)
    assert trivial.is_bound
    assert equivariant_basis(trivial).rank == equivariant_basis(trivial >> Scalar).rank == 1
    np.testing.assert_allclose(trivial.rho(SU(2).sample(0)), [[1]])


def test_maps_between_an_irrep_and_its_parent_commute_with_the_group():
    two = spin2()
    rep_in, rep_out = 2 * two + V(SO(3)), (V**2)(SO(3))
    Q = equivariant_basis(rep_in >> rep_out).to_dense()
    assert Q.shape[1] == 2 + 1
    for W in Q.T.reshape(-1, rep_out.size(), rep_in.size()):
        for g in SO(3).samples(2, random_state=0):
            np.testing.assert_allclose(
                rep_out.rho_dense(g) @ W, W @ rep_in.rho_dense(g), rtol=0, atol=1e-12
            )


def test_irreps_of_two_places_are_different_values_but_isomorphic():
    one = next(i for i in irreps((V**3)(SO(3))) if i.size() == 5)
    other = spin2()
    assert one != other
    assert spin2() == other
    assert hash(spin2()) == hash(other)
    assert equivariant_basis(one >> other).rank == 1


def test_irreps_and_decompositions_pickle():
    for irrep in irreps((V**2)(SO13p())):
        twin = pickle.loads(pickle.dumps(irrep))
        assert twin == irrep
        assert twin.type == irrep.type
        np.testing.assert_array_equal(twin.E, irrep.E)
    found = isotypic_decomposition((V**2 + V)(SO(3)))
    twin = pickle.loads(pickle.dumps(found))
    x = np.arange(12.0)
    np.testing.assert_array_equal(twin.U @ x, found.U @ x)
    assert twin.irreps == found.irreps


CODE = """
import sys
from fastemlp.groups import S, SO, U
from fastemlp import irreps
from fastemlp.reps import V
for rep in ((V**3)(SO(3)), (V**2)(S(4)), (V * V.T)(U(2))):
    for irrep in irreps(rep):
        sys.stdout.buffer.write(irrep.E.tobytes())
"""


def test_another_process_finds_the_same_bytes():
    run = [
        subprocess.run(
            [sys.executable, "-c", CODE],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "OPENBLAS_NUM_THREADS": "1"},
        ).stdout
        for seed in ("1", "2")
    ]
    assert run[0] == run[1]
    assert len(run[0]) > 1000


def test_other_seeds_find_the_same_spaces():
    one, other = (isotypic_decomposition((V**3)(SO(3)), random_state=seed) for seed in (0, 5))
    start = 0
    for d, n in zip((i.size() for i in one.irreps), one.multiplicities, strict=True):
        E = np.eye(27)[:, start : start + d * n]
        P, R = ((found.U @ E) @ (found.U @ E).T for found in (one, other))
        np.testing.assert_allclose(P, R, rtol=0, atol=1e-12)
        start += d * n


@pytest.mark.parametrize("name", ["in", "out"])
def test_a_regressor_of_irreps_is_equivariant(name):
    rng = np.random.default_rng(0)
    two = spin2()
    # traceless symmetric matrices from vectors, or the other way round
    vectors = rng.standard_normal((60, 3))
    matrices = (np.einsum("ni,nj->nij", vectors, vectors).reshape(60, 9)) @ two.E
    channels = 24
    if name == "in":
        rep_in, rep_out = 2 * two + V(SO(3)), V(SO(3))
        X = np.c_[matrices, rng.standard_normal((60, 5)), vectors]
        y = vectors * (matrices**2).sum(1, keepdims=True)
    else:
        rep_in, rep_out = V(SO(3)), two + Scalar
        X, y = vectors, np.c_[matrices, (vectors**2).sum(1)]
        channels = 6 * Scalar + 4 * V(SO(3)) + 2 * (V**2)(SO(3)) + (V**3)(SO(3))
    model = FastEMLPRegressor(
        rep_in=rep_in, rep_out=rep_out, channels=channels, n_layers=2, max_iter=3, random_state=0
    ).fit(X, y)
    assert_equivariant(model.predict, rep_in, rep_out, X, tol=1e-9, random_state=0)
    assert np.abs(model.predict(X)).max() > 0


# -- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rep", [V, 2 * V + Scalar, Scalar, V(SO(3)) * V(S(4)), 0 * V(SO(3))])
@pytest.mark.parametrize("function", [isotypic_decomposition, irreps])
def test_reps_of_no_group_or_of_several(function, rep):
    with pytest.raises(ValueError, match="isotypic_decomposition: expected a rep bound to one gro"):
        function(rep)


def test_groups_without_invariant_complements():
    shear = Group(discrete_generators=[[[1.0, 1.0], [0.0, 1.0]]])
    with pytest.raises(NotReductive, match="not closed under the adjoint"):
        isotypic_decomposition(V(shear))
    with pytest.raises(NotReductive, match="not a normal matrix"):
        isotypic_decomposition(V(Group(discrete_generators=[[[2.0, 1.0], [0.0, 2.0]]])))
    with pytest.raises(NotReductive, match="not closed under the adjoint"):
        irreps((V**2)(Group([[[0.0, 1.0], [0.0, 0.0]]])))


def test_an_irreducible_that_is_all_of_its_parent_prints_as_that():
    (vector,) = irreps(V(O(3)))
    assert vector.whole == V(O(3))
    assert str(3 * vector + Scalar) == "3V+V0"
    assert str(V(S(4)) * vector) == "V(S(4))*V(O(3))"
    # the first components of a larger one are not all of it
    for irrep in irreps((V + V)(O(2))) + irreps(V(S(4))) + irreps((V**2)(O(3))):
        if irrep.size() < irrep.parent.size():
            assert irrep.whole is None
            assert str(2 * irrep).startswith("2Irrep")
