"""Laws of the algebra that hold on the nose, and what it refuses."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastemlp import equivariant_basis, equivariant_projector
from fastemlp.bases.constraint import constraint
from fastemlp.groups import (
    SL,
    SO,
    SU,
    C,
    Embed,
    Group,
    O,
    RubiksCube,
    S,
    SO13p,
    Sp,
    U,
    Z,
    ZksZnxZn,
)
from fastemlp.reps import ProductRep, Rep, Scalar, SumRep, T, V, Vector, slots, terms

COMPLEX = Group([np.array([[1, 2j], [0, -1]])], name="complex")
REPS = [V, V.T, Scalar, 2 * V, V + Scalar, V**2, V * (V + Scalar), T(1, 2), 0 * V]
over_reps = pytest.mark.parametrize("rep", REPS, ids=str)


def test_laws_of_products_powers_and_copies():
    assert 2 * V * V == 2 * V**2
    assert V + V == 2 * V == V * 2
    assert sum([V, V]) == 2 * V
    assert sum([V]) == V
    assert Scalar == V**0
    assert V**1 == V
    assert V * Scalar == Scalar * V == V
    assert (V * V) * V == V * (V * V) == V**3
    assert V**2 * V**3 == V**5
    assert 2 * (3 * V) == 6 * V
    assert 1 * V == V
    assert (V + Scalar) + V == V + (Scalar + V)
    assert (V + Scalar) * V == V**2 + V
    assert (V >> V**2) == V**2 * V.T == (V**2 << V)
    assert T(2, 1) == V * V * V.T
    assert T(0) == T(0, 0) == Scalar
    assert T(1, 2, SL(3)) == T(1, 2)(SL(3))


@over_reps
@settings(max_examples=20, deadline=None, derandomize=True)
@given(a=st.integers(0, 4), b=st.integers(0, 4))
def test_copies_add_and_multiply(rep, a, b):
    if len(terms(rep)) == 1:
        assert a * rep + b * rep == (a + b) * rep
    assert a * (b * rep) == (a * b) * rep
    assert ((a * rep)(SO(3))).size() == a * rep(SO(3)).size()


@over_reps
def test_zero_copies_are_an_empty_rep_usable_everywhere(rep):
    """`V*0` is an int in EMLP."""
    empty = rep * 0
    assert isinstance(empty, Rep)
    assert empty == 0 * Scalar == SumRep(())
    bound = empty(SO(3))
    assert bound.size() == 0
    assert bound.is_bound
    assert empty + V == V + empty == V
    assert empty * V == V * empty == empty
    assert 3 * empty == empty.T == empty.conj() == empty**2 == empty
    assert empty**0 == Scalar
    assert (empty >> V) == (V >> empty) == empty
    assert bound.rho_dense(np.eye(3)).shape == bound.drho_dense(np.zeros((3, 3))).shape == (0, 0)
    assert bound.canonical() == (empty, None)
    assert constraint(bound).shape == (0, 0)
    assert equivariant_basis(bound).shape == (0, 0)
    assert equivariant_projector(bound).shape == (0, 0)
    assert str(empty) == "0V0"


@pytest.mark.parametrize("n", [np.int64(2), np.int32(2), np.uint8(2)], ids=lambda n: n.dtype.name)
def test_numpy_integers_count_copies(n):
    assert n * V == V * n == 2 * V
    assert isinstance(n * V, Rep)
    assert V**n == V * V
    assert hash(n * V) == hash(2 * V)


@pytest.mark.parametrize("wrong", [3, 1.0, "V", None, np.ones(2), np.int64(3)], ids=repr)
def test_only_reps_can_be_added(wrong):
    """`V+3` silently means three scalars in EMLP."""
    with pytest.raises(TypeError, match=r"can only be added to a rep\. For n scalars write n \* S"):
        V + wrong
    with pytest.raises(TypeError, match=r"write n \* Scalar"):
        wrong + V


@pytest.mark.parametrize("wrong", [2.0, "V", None, True, np.ones(2), np.float64(2)], ids=repr)
def test_only_reps_and_counts_can_be_multiplied(wrong):
    with pytest.raises(TypeError, match=r"multiplied by a rep \(tensor product\) or an int"):
        V * wrong
    with pytest.raises(TypeError, match=r"multiplied by a rep \(tensor product\) or an int"):
        wrong * V


def test_negative_counts_and_powers_are_refused():
    with pytest.raises(ValueError, match=r"-2 \* V: the number of copies must not be negative"):
        -2 * V
    for power in (-1, 1.5, "2", None):
        with pytest.raises(ValueError, match=r"\(V\)\*\*.*the power must be an int ≥ 0"):
            V**power


@pytest.mark.parametrize("wrong", [3, np.int64(3), None, "V"], ids=repr)
def test_maps_go_between_reps(wrong):
    with pytest.raises(TypeError, match="operand"):
        V >> wrong
    with pytest.raises(TypeError, match="operand"):
        V << wrong
    with pytest.raises(TypeError, match="operand"):
        wrong >> V


def test_maps_bind_like_everything_else():
    assert (V >> V)(SO(3)) == V(SO(3)) ** 2
    assert (V >> V)(SL(3)) == T(1, 1, SL(3)) == (V(SL(3)) >> V(SL(3)))
    assert (V >> V)(SL(3)) != T(2, 0, SL(3))


def test_binding_keeps_what_is_bound():
    assert (V(Z(3)) * V)(S(4)) == V(Z(3)) * V(S(4))
    assert V(SO(3))(SO(3)) == V(SO(3))
    assert not (V(Z(3)) * V).is_bound
    with pytest.raises(TypeError, match=r"V: expected a Group to bind to, got 'SO\(3\)'"):
        V("SO(3)")


def test_scalar_binding_mutates_nothing():
    """`Scalar(G)` mutates a module-wide object in EMLP."""
    before = pickle.dumps(Scalar)
    bound = Scalar(SO(3))
    assert bound == Scalar
    assert bound.groups == Scalar.groups == ()
    assert Scalar.G is None
    assert pickle.dumps(Scalar) == before
    V(SO(3))
    (2 * V + Scalar)(O(3)).canonical()
    assert V.G is None
    assert pickle.dumps(Scalar) == before


@over_reps
def test_any_two_reps_can_be_compared(rep):
    """`SumRep == Scalar` raises in EMLP."""
    for other in REPS:
        assert (rep == other) == (rep is other)
    assert (2 * V + Scalar == Scalar) is False
    assert rep != "V"
    assert rep != 3
    assert rep is not None


def test_equal_means_same_group_by_generators():
    assert V(SO(3)) != V(O(3))
    assert V(SO(3)) != V
    first, second = Embed(SO(2), 3, slice(0, 2)), Embed(SO(2), 3, slice(1, 3))
    assert V(first) != V(second)
    renamed = Group(SO(3).lie_algebra, name="my rotations")
    assert V(renamed) == V(SO(3))
    assert hash(V(renamed)) == hash(V(SO(3)))


# -- duals and conjugates -----------------------------------------------------------------------------------------


def test_dual_of_sums_and_products():
    assert V.T + Scalar == (V + Scalar).T
    assert (V * V.T).T == V.T * V
    assert (2 * V**2).T == 2 * V.T**2
    assert V.T * (V.T + Scalar) == (V * (V + Scalar)).T
    for rep in REPS:
        assert rep == rep.T.T
        assert rep.conj().conj() == rep
        assert rep.T.conj() == rep.conj().T


@pytest.mark.parametrize("group", [SO(3), O(2), S(3), Z(4), C(5), RubiksCube(), ZksZnxZn(4, 2)])
def test_duals_drop_under_orthogonal_groups(group):
    assert V(group).T == V.T(group) == V(group)
    assert T(1, 2, group) == T(3, 0, group)


@pytest.mark.parametrize("group", [SO13p(), SL(2), Sp(1), U(2), SU(3), COMPLEX])
def test_duals_stay_under_other_groups(group):
    assert V(group) != V(group).T
    assert V(group) == V(group).T.T
    assert T(1, 2, group) != T(2, 1, group)


@pytest.mark.parametrize("group", [U(2), SU(3), U(1)])
def test_the_conjugate_is_the_dual_under_unitary_groups(group):
    assert V(group).conj() == V(group).T == V.conj()(group)
    assert V(group) == V(group).conj().T
    assert (V.conj() + V.T)(group) == 2 * V(group).T


def test_real_groups_are_their_own_conjugates_and_general_ones_have_four_reps():
    for group in (SO(3), SL(2), SO13p()):
        assert V(group).conj() == V(group)
    v = V(COMPLEX)
    assert len({v, v.T, v.conj(), v.conj().T}) == 4


def test_su1_is_trivial_and_works():
    """`SU(1)` raises in EMLP."""
    rep = (V + V.T * V)(SU(1))
    assert rep.size() == 2
    np.testing.assert_array_equal(rep.rho_dense(SU(1).sample(0)), np.eye(2))
    assert equivariant_basis(rep).rank == 2


# -- values -------------------------------------------------------------------------------------------------------


BOUND = [rep(SL(2)) for rep in REPS] + [2 * V(Z(3)) * V(S(4)) + V(O(3)) ** 2]


@pytest.mark.parametrize("rep", REPS + BOUND, ids=str)
def test_reps_are_values(rep):
    if rep.is_bound:
        rep.canonical()
    for twin in (pickle.loads(pickle.dumps(rep)), copy.copy(rep), copy.deepcopy(rep)):
        assert twin == rep
        assert hash(twin) == hash(rep)
        assert str(twin) == str(rep)
        if rep.is_bound:
            assert twin.canonical()[0] == rep.canonical()[0]
    assert {rep: 1}[copy.deepcopy(rep)] == 1


def test_reps_cannot_be_changed():
    for rep, field in ((V, "G"), (2 * V, "terms"), (V**2, "factors")):
        with pytest.raises(AttributeError):
            setattr(rep, field, None)
    _, perm = (V + Scalar)(SO(3)).canonical()
    with pytest.raises(ValueError, match="read-only"):
        perm[0] = 7


def test_pickles_do_not_carry_the_canonical_permutation():
    rep = (V**4 + Scalar)(SO(5))
    before = len(pickle.dumps(rep))
    rep.canonical()
    assert len(pickle.dumps(rep)) == before


def test_terms_and_slots_take_reps_apart():
    assert terms(2 * V + Scalar) == ((V, 2), (Scalar, 1))
    assert terms(V) == ((V, 1),)
    assert terms(0 * V) == ()
    assert slots(V * V.T) == (V, V.T)
    assert slots(V) == (V,)
    assert slots(Scalar) == ()
    assert isinstance(V, Vector)
    assert isinstance(Scalar, ProductRep)


def test_pointwise_functions_are_equivariant_only_for_permutations():
    assert (V + V**2 + Scalar)(S(3)).is_permutation
    assert (V(S(3)) * V(Z(4))).is_permutation
    assert Scalar.is_permutation
    assert not (V + Scalar)(SO(3)).is_permutation
    assert not (V(S(3)) * V(SO(3))).is_permutation
    assert not V.is_permutation
