"""rho and drho of any expression, against Kronecker products and block diagonals in the order written."""

import numpy as np
import oracles
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.sparse import csr_array

from fastemlp.groups import SL, SO, SU, Group, O, S, SO13p, Sp, Trivial, U, Z
from fastemlp.reps import Scalar, SumRep, T, V, drho_operator, rho_operator, slots, terms

#: Neither orthogonal nor unitary: V, its dual, its conjugate and the dual of that are four different reps.
COMPLEX = Group([np.array([[1, 2j], [0, -1]]), np.array([[0, 0], [1 + 1j, 0]])], name="complex")
#: Complex and orthogonal, but not unitary: V is its own dual and not its own conjugate.
COMPLEX_ORTHOGONAL = Group([np.array([[0, 1 + 1j], [-1 - 1j, 0]])], name="SO(2, C)")
GROUPS = [
    SO(3),
    O(2),
    SO13p(),
    SL(2),
    Sp(1),
    S(3),
    Z(4),
    U(2),
    SU(2),
    Trivial(2),
    COMPLEX,
    COMPLEX_ORTHOGONAL,
]

fast = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
over_groups = pytest.mark.parametrize("group", GROUPS, ids=repr)


def algebra_element(group, rng):
    """A random real combination of the generators."""
    out = np.zeros((group.d, group.d), group.dtype)
    for A in group.lie_algebra:
        out = out + rng.standard_normal() * A
    return out


def assert_close(got, expected, scale=1.0):
    bound = 1e-11 * max(1.0, scale, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(got, expected, rtol=0, atol=bound)


@over_groups
@fast
@given(data=st.data())
def test_size_rho_and_drho_of_any_expression(group, data):
    tree = data.draw(oracles.trees([group.d]))
    rep = oracles.build(tree)(group)
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    g, A = group.sample(rng), algebra_element(group, rng)
    assert rep.size() == oracles.size(tree, [group.d])
    assert_close(rep.rho_dense(g), oracles.rho(tree, [g]))
    assert_close(rep.drho_dense(A), oracles.drho(tree, [A]))


@over_groups
@fast
@given(data=st.data())
def test_binding_before_or_after_building_gives_the_same_action(group, data):
    tree = data.draw(oracles.trees([group.d]))
    late, early = oracles.build(tree)(group), oracles.build(tree, [V(group)])
    g = group.sample(0)
    assert late == early
    assert hash(late) == hash(early)
    assert_close(early.rho_dense(g), late.rho_dense(g))


@over_groups
@fast
@given(data=st.data())
def test_canonical_permutation_takes_rho_to_canonical_rho(group, data):
    tree = data.draw(oracles.trees([group.d]))
    rep = oracles.build(tree)(group)
    canonical, perm = rep.canonical()
    perm = np.arange(rep.size()) if perm is None else perm
    g = group.sample(1)
    expected = oracles.rho(tree, [g])[np.ix_(perm, perm)]
    types = [term for term, _ in terms(canonical)]
    assert sorted(perm) == list(range(rep.size()))
    assert len(set(types)) == len(types)
    assert not any(isinstance(atom, SumRep) for term in types for atom in slots(term))
    assert_close(canonical.rho_dense(g), expected)
    assert canonical.canonical() == (canonical, None)


@fast
@given(data=st.data())
def test_expressions_in_two_groups(data):
    groups = (SO(3), SL(2))
    tree = data.draw(oracles.trees([3, 2]))
    rep = oracles.build(tree, [V(G) for G in groups])
    rng = np.random.default_rng(0)
    g = {G: G.sample(rng) for G in groups}
    A = {G: algebra_element(G, rng) for G in groups}
    assert rep.size() == oracles.size(tree, [3, 2])
    assert_close(rep.rho_dense(g), oracles.rho(tree, [g[G] for G in groups]))
    assert_close(rep.drho_dense(A), oracles.drho(tree, [A[G] for G in groups]))
    # absent groups stay at the identity
    one = {groups[1]: g[groups[1]]}
    assert_close(rep.rho_dense(one), oracles.rho(tree, [np.eye(3), one[groups[1]]]))
    assert_close(
        rep.drho_dense({groups[0]: A[groups[0]]}),
        oracles.drho(tree, [A[groups[0]], np.zeros((2, 2))]),
    )


@over_groups
@pytest.mark.parametrize(
    "rep", [V, V.T, 2 * V + V**2 + Scalar, T(1, 2), V.conj() * V, V * (V + Scalar)], ids=str
)
def test_rho_is_a_homomorphism_and_drho_its_derivative(group, rep):
    rep = rep(group)
    g, h = group.samples(2, 3)
    assert_close(rep.rho_dense(g @ h), rep.rho_dense(g) @ rep.rho_dense(h))
    np.testing.assert_allclose(rep.rho_dense(np.eye(group.d)), np.eye(rep.size()), atol=1e-13)
    A = algebra_element(group, np.random.default_rng(0))
    image = expm(rep.drho_dense(A))
    np.testing.assert_allclose(
        rep.rho_dense(expm(A)), image, rtol=1e-9, atol=1e-9 * np.abs(image).max()
    )


@over_groups
def test_drho_is_a_lie_algebra_homomorphism(group):
    rng = np.random.default_rng(0)
    A, B = algebra_element(group, rng), algebra_element(group, rng)
    for rep in (T(2, 1)(group), (V.T + V.conj() * V)(group)):
        a, b = rep.drho_dense(A), rep.drho_dense(B)
        assert_close(rep.drho_dense(A @ B - B @ A), a @ b - b @ a, scale=np.abs(a @ b).max())


def test_mixed_products_of_three_groups():
    z, s, o = Z(3), S(4), O(3)
    rep = 2 * V(z) * V(s) + V(o) ** 2
    tree = ("+", ("n", 2, ("*", ("V", 0), ("V", 1))), ("^", ("V", 2), 2))
    assert rep.size() == 2 * 3 * 4 + 9
    assert rep.groups == (z, s, o)
    assert rep.G is None
    g = [group.sample(7) for group in (z, s, o)]
    assert_close(rep.rho_dense(dict(zip((z, s, o), g, strict=True))), oracles.rho(tree, g))
    A = algebra_element(o, np.random.default_rng(1))
    zero = [np.zeros((3, 3)), np.zeros((4, 4))]
    assert_close(rep.drho_dense({o: A}), oracles.drho(tree, [*zero, A]))
    assert_close(rep.drho_dense({}), np.zeros((33, 33)))


def test_element_may_be_sparse_or_a_nested_list():
    g = SL(2).sample(0)
    for rep in (V(SL(2)), T(1, 1, SL(2)), V(SL(2)).T):
        for other in (csr_array(g), g.tolist()):
            np.testing.assert_allclose(rep.rho_dense(other), rep.rho_dense(g), atol=1e-14)


def test_float32_vectors_stay_float32():
    rep, x = (V + V**2 + V.T)(SL(2)), np.ones(8, np.float32)
    assert (rep.rho(SL(2).sample(0)) @ x).dtype == np.float32
    assert (rep.drho(SL(2).lie_algebra[0]) @ x).dtype == np.float32
    assert ((V**2)(U(2)).rho(U(2).sample(0)) @ x[:4]).dtype == np.complex64


def test_rho_operator_is_what_composites_use():
    rep, g = (V + V**2)(SO(3)), SO(3).sample(0)
    x = np.arange(12.0)
    np.testing.assert_array_equal(rho_operator(rep, g) @ x, rep.rho(g) @ x)
    A = SO(3).lie_algebra[0]
    np.testing.assert_array_equal(drho_operator(rep, A) @ x, rep.drho(A) @ x)


@pytest.mark.parametrize("act", ["rho", "drho", "rho_dense", "drho_dense"])
def test_unbound_reps_do_not_act(act):
    for rep in (V, 2 * V, V**2, V.T, V + V(SO(3))):
        with pytest.raises(ValueError, match=r"is not bound to a group\. Bind it by calling"):
            getattr(rep, act)(np.eye(3))


def test_unbound_reps_have_no_size():
    for ask in (V.size, (V + Scalar).size, (V**2).size, (V + Scalar).canonical):
        with pytest.raises(ValueError, match="V is not bound to a group"):
            ask()


@pytest.mark.parametrize("rep", [V, V + Scalar, V**2, V.T, T(1, 1)], ids=str)
def test_elements_of_the_wrong_shape_are_refused(rep):
    for wrong in (np.eye(4), np.eye(3)[None], np.ones(3), np.ones((3, 2))):
        for act in (rep(SL(3)).rho, rep(SL(3)).drho):
            with pytest.raises(
                ValueError, match=r"expected a matrix of shape \(3, 3\) for SL\(3\)"
            ):
                act(wrong)


@pytest.mark.parametrize("other", [S(4), S(3)], ids=repr)
def test_one_matrix_for_several_groups_is_refused(other):
    # even where it would fit both
    rep = V(Z(3)) * V(other)
    for act in (rep.rho, rep.drho):
        with pytest.raises(ValueError, match=r"expected a mapping .* 2 groups act on it \(Z\(3\)"):
            act(np.eye(3))
    with pytest.raises(ValueError, match=r"expected a matrix of shape \(3, 3\) for Z\(3\)"):
        rep.rho({Z(3): np.eye(5)})
