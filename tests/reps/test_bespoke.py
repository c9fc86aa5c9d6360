"""Reps of the user's own: alone, inside expressions, and wrong ones."""

import copy
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.sparse import csr_array

from fastemlp import equivariant_basis
from fastemlp.bases.constraint import constraint
from fastemlp.groups import SL, SO, C, D, O, S, SO13p, U, Z
from fastemlp.reps import Rep, Scalar, V, check_rep, drho_operator, rho_operator


class PseudoScalar(Rep):
    def size(self):
        return 1

    def rho(self, g):
        return np.sign(np.linalg.det(g)).reshape(1, 1)


@dataclass(frozen=True)
class Determinant(Rep):
    """det(g)^power; only rho is given."""

    power: int = 1

    def size(self):
        return 1

    def rho(self, g):
        return np.linalg.det(g).reshape(1, 1) ** self.power


class Adjoint(Rep):
    """g X g⁻¹ on matrices, row-major; the same as V ⊗ V*."""

    def size(self):
        return self.G.d**2

    def rho(self, g):
        return np.kron(g, np.linalg.inv(g).T)


class AdjointWithDerivative(Adjoint):
    def drho(self, A):
        eye = np.eye(len(A))
        return np.kron(A, eye) - np.kron(eye, A.T)


class Delegating(Rep):
    """Hands over to a rep made of V, whose rho is an operator."""

    def size(self):
        return self.G.d**2 + 1

    def rho(self, g):
        return (V**2 + Scalar)(self.G).rho(g)

    def drho(self, A):
        return (V**2 + Scalar)(self.G).drho(A)


class Sparse(Rep):
    def size(self):
        return self.G.d

    def rho(self, g):
        return csr_array(g)


class Turn(Rep):
    """The rotation by k times the angle, of SO(2) and its subgroups."""

    def __init__(self, k):
        self.k = k

    def size(self):
        return 2

    def rho(self, g):
        angle = self.k * np.arctan2(g[1, 0], g[0, 0])
        return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


# -- right ones ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", [SO(3), SO13p(), SL(2), U(2), O(2)], ids=repr)
def test_drho_is_derived_from_rho_to_full_precision(group):
    rep, exact = Adjoint()(group), AdjointWithDerivative()(group)
    for A in group.lie_algebra:
        for scale in (1.0, 1e-3, 20.0):
            expected = exact.drho(scale * A)
            error = np.linalg.norm(rep.drho(scale * A) - expected)
            assert error <= 2e-12 * max(1.0, np.linalg.norm(expected))


class Power(Rep):
    def __init__(self, k):
        self.k = k

    def rho(self, g):
        return (g[0, 0] ** self.k).reshape(1, 1)


def test_drho_of_fast_rotations_does_not_come_around_the_circle():
    # exp(6i) is near 1, and so are exp(13i), exp(44i), ...
    (A,) = U(1).lie_algebra
    for k in range(-120, 121):
        np.testing.assert_allclose(Power(k)(U(1)).drho(A), k * A, atol=1e-13 * max(1, k * k))


def test_drho_of_zero_is_zero():
    np.testing.assert_array_equal(Adjoint()(SL(2)).drho(np.zeros((2, 2))), np.zeros((4, 4)))


def test_drho_of_a_rho_that_jumps_at_the_identity_is_refused():
    class Jump(PseudoScalar):
        def rho(self, g):
            return np.array([[1.0 if np.array_equal(g, np.eye(3)) else -1.0]])

    with pytest.raises(
        ValueError, match=r"Jump\.drho: .* does not approach the identity as t -> 0"
    ):
        Jump()(SO(3)).drho(SO(3).lie_algebra[0])


@pytest.mark.parametrize(
    "rep",
    [
        PseudoScalar()(O(3)),
        Determinant(2)(O(2)),
        Adjoint()(SL(2)),
        Adjoint()(U(2)),
        AdjointWithDerivative()(SO13p()),
        Delegating()(O(3)),
        Sparse()(SO(3)),
        Turn(3)(SO(2)),
        Turn(2)(C(5)),
        PseudoScalar()(S(4)),
        PseudoScalar().T(O(3)),
        Adjoint().T(SL(2)),
        V(SL(2)),
        (V + V**2)(O(2)),
    ],
    ids=repr,
)
def test_right_reps_pass_the_check(rep):
    check_rep(rep)
    for seed in range(3):
        check_rep(rep, random_state=seed)


@pytest.mark.parametrize(
    ("rep", "rank"),
    [
        (PseudoScalar()(SO(3)), 1),
        (PseudoScalar()(O(3)), 0),
        (PseudoScalar().T(O(3)), 0),
        (2 * PseudoScalar()(O(3)) + Scalar, 1),
        ((PseudoScalar() ** 2)(O(3)), 1),
        # the volume form
        ((PseudoScalar() * V**3)(O(3)), 1),
        ((V**3 >> PseudoScalar())(O(3)), 1),
        ((V * PseudoScalar() * V**2)(SO(3)), 1),
        (Adjoint()(SL(2)), 1),
        ((Adjoint() >> Adjoint())(SL(2)), 2),
        ((Adjoint() >> V * V.T)(SL(2)), 2),
        (Adjoint()(U(2)), 1),
        (Delegating()(O(3)), 2),
        ((Sparse() >> V)(SO(3)), 1),
        ((Turn(3) >> Turn(3))(SO(2)), 2),
        ((Turn(3) >> Turn(2))(SO(2)), 0),
        ((Turn(2) >> Turn(-3))(C(5)), 2),
        ((Turn(2) >> Turn(3))(C(5)), 2),
        ((Turn(1) >> Turn(2))(C(5)), 0),
        (Determinant(1)(O(2)) * Determinant(1)(O(3)), 0),
        (Determinant(1)(O(2)) * Determinant(1)(SO(3)), 0),
        (Determinant(1)(SO(2)) * V(O(3)) ** 2, 1),
    ],
    ids=repr,
)
def test_number_of_invariants(rep, rank):
    """Alone, dual, in sums and products, and of several groups."""
    basis = equivariant_basis(rep)
    assert basis.rank == rank
    Q = basis.to_dense()
    g = {group: group.sample(3) for group in rep.groups}
    np.testing.assert_allclose(rho_operator(rep, g).matmat(Q), Q, atol=1e-8)


def test_operators_of_a_bespoke_rep_alone_take_matrices_and_mappings():
    rep, g, A = Adjoint()(SL(2)), SL(2).sample(0), SL(2).lie_algebra[0]
    np.testing.assert_allclose(rho_operator(rep, {SL(2): g}) @ np.eye(4), rep.rho(g), atol=1e-14)
    np.testing.assert_allclose(drho_operator(rep, A) @ np.eye(4), rep.drho(A), atol=1e-14)
    np.testing.assert_allclose(rep.rho_dense({SL(2): g}), rep.rho(g), atol=1e-14)
    np.testing.assert_allclose(rep.drho_dense(csr_array(A)), rep.drho(A), atol=1e-14)
    np.testing.assert_array_equal(rep.rho_dense({}), np.eye(4))
    np.testing.assert_array_equal(rep.drho_dense({}), np.zeros((4, 4)))


@pytest.mark.parametrize("bespoke", [Adjoint(), AdjointWithDerivative()], ids=repr)
def test_dual_of_a_bespoke_rep(bespoke):
    rep = bespoke(SL(2))
    g, A = SL(2).sample(0), SL(2).lie_algebra[2]
    np.testing.assert_allclose(rep.T.rho(g), np.linalg.inv(rep.rho(g)).T, atol=1e-12)
    np.testing.assert_allclose(expm(rep.T.drho(A)), rep.T.rho(expm(A)), atol=1e-10)
    assert rep == rep.T.T
    assert bespoke.T(SL(2)) == rep.T
    assert rep != rep.T
    assert SL(2) == rep.T.G


def test_bespoke_reps_mix_with_the_rest():
    rep = (3 * V + PseudoScalar() * V + Scalar)(O(3))
    g = O(3).sample(4)
    expected = np.zeros((13, 13))
    for i, block in enumerate([g, g, g, g * np.sign(np.linalg.det(g))]):
        expected[3 * i : 3 * i + 3, 3 * i : 3 * i + 3] = block
    expected[12, 12] = 1
    np.testing.assert_allclose(rep.rho_dense(g), expected, atol=1e-14)
    assert not rep.is_permutation


# -- values -------------------------------------------------------------------------------------------------------


def test_equality_is_by_class_stored_values_and_group():
    assert Turn(2)(SO(2)) == Turn(2)(SO(2))
    assert hash(Turn(2)(SO(2))) == hash(Turn(2)(SO(2)))
    assert Turn(2)(SO(2)) != Turn(3)(SO(2))
    assert Turn(2)(SO(2)) != Turn(2)(C(5))
    assert Turn(2) != Turn(2)(SO(2))
    assert Adjoint()(SL(2)) != AdjointWithDerivative()(SL(2))


def test_a_dataclass_does_not_forget_its_group():
    assert Determinant(1)(O(3)) != Determinant(1)(SO(3))
    assert Determinant(1)(O(3)) == Determinant(1)(O(3))
    assert Determinant(1)(O(3)) != Determinant(2)(O(3))
    assert len({Determinant(1)(O(3)), Determinant(1)(SO(3)), Determinant(1)}) == 3
    # it would share one cached basis, and one matrix in a product
    assert equivariant_basis(Determinant(1)(O(3))).rank == 0
    assert equivariant_basis(Determinant(1)(SO(3))).rank == 1


def test_a_class_may_define_its_own_equality():
    class Loose(PseudoScalar):
        def __eq__(self, other):
            return isinstance(other, Loose)

        __hash__ = PseudoScalar.__hash__

    class Derived(Loose):
        pass

    assert Loose()(O(3)) == Loose()(SO(3))
    assert Derived()(O(3)) == Derived()(SO(3))


def test_arrays_and_lists_may_be_stored():
    class Twisted(PseudoScalar):
        def __init__(self, weights, names):
            self.weights = weights
            self.names = names

    one, twin = (Twisted(np.arange(3.0), ["a"])(O(3)) for _ in range(2))
    assert one == twin
    assert hash(one) == hash(twin)
    assert one != Twisted(np.arange(3.0) + 1, ["a"])(O(3))
    assert one != Twisted(np.arange(3), ["a"])(O(3))


def test_binding_copies():
    unbound = Determinant(1)
    bound = unbound(O(3))
    assert unbound.G is None
    assert O(3) == bound.G
    assert bound(O(3)) is bound
    with pytest.raises(ValueError, match=r"is bound to O\(3\), not to SO\(3\)"):
        bound(SO(3))
    assert not unbound.is_bound
    assert unbound.groups == ()


@pytest.mark.parametrize("rep", [Turn(2)(SO(2)), Determinant(2)(O(2)).T, V(O(2)) * Turn(1)(O(2))])
def test_bespoke_reps_pickle(rep):
    rep.canonical()
    for twin in (pickle.loads(pickle.dumps(rep)), copy.deepcopy(rep), copy.copy(rep)):
        assert twin == rep
        assert hash(twin) == hash(rep)


# -- wrong ones ---------------------------------------------------------------------------------------------------


class NotHomomorphic(Rep):
    def size(self):
        return 1

    def rho(self, g):
        return np.array([[np.trace(g) / len(g)]])

    def drho(self, A):
        return np.zeros((1, 1))


class NotUnital(NotHomomorphic):
    def rho(self, g):
        return np.zeros((1, 1))


class WrongDerivative(Adjoint):
    def drho(self, A):
        return 2 * np.kron(A, np.eye(len(A)))


class WrongShape(Adjoint):
    def rho(self, g):
        return g


class WrongShapeOfDerivative(Adjoint):
    def drho(self, A):
        return A


class ReturnsNaN(NotHomomorphic):
    def rho(self, g):
        return np.array([[np.nan]])


class FirstEntry(Rep):
    """Multiplicative on two random elements of a small group, as likely as not."""

    def size(self):
        return 1

    def rho(self, g):
        return np.array([[float(g[0, 0])]])


WRONG = [
    (NotHomomorphic()(SO(3)), r"rho\(gh\) = rho\(g\) rho\(h\) fails with relative error"),
    (NotHomomorphic()(D(4)), r"rho\(gh\) = rho\(g\) rho\(h\) fails"),
    (NotUnital()(SO(3)), r"rho\(I\) = I fails with relative error 1\.0e\+00 \(allowed 1e-06\)"),
    (
        WrongDerivative()(SL(2)),
        r"rho\(exp\(A\)\) = exp\(drho\(A\)\) fails.* Correct its rho or drho",
    ),
    (WrongShape()(SO(3)), r"rho returns shape \(3, 3\), expected \(9, 9\)"),
    (WrongShapeOfDerivative()(SO(3)), r"drho returns shape \(3, 3\), expected \(9, 9\)"),
    (ReturnsNaN()(SO(3)), "fails with relative error nan"),
]


@pytest.mark.parametrize(("rep", "message"), WRONG, ids=lambda value: repr(value)[:30])
def test_wrong_reps_are_refused(rep, message):
    with pytest.raises(ValueError, match=message):
        check_rep(rep)
    for expression in (rep, rep.T, 2 * rep + Scalar, rep * V(SO(2))):
        with pytest.raises(ValueError, match=message):
            constraint(expression)
    with pytest.raises(ValueError, match=message):
        equivariant_basis(rep)


@pytest.mark.parametrize("group", [Z(2), Z(3), Z(7), S(3), D(3)], ids=repr)
@pytest.mark.parametrize("seed", range(5))
def test_wrong_reps_of_small_groups_are_refused_whatever_the_seed(group, seed):
    with pytest.raises(ValueError, match="is not a representation of"):
        check_rep(FirstEntry()(group), random_state=seed)


def test_check_needs_a_bound_rep():
    with pytest.raises(ValueError, match=r"check_rep: PseudoScalar is not bound to one group"):
        check_rep(PseudoScalar())
    with pytest.raises(ValueError, match="is not bound to one group"):
        check_rep(V(SO(2)) * V(SO(3)))


@pytest.mark.parametrize("method", ["size", "rho", "drho", "conj"])
def test_what_a_rep_must_define(method):
    class Empty(Rep):
        def size(self):
            return super().size() if method == "size" else 1

    call = {
        "size": lambda rep: rep.size(),
        "rho": lambda rep: rep.rho(np.eye(2)),
        "drho": lambda rep: rep.drho(np.eye(2)),
        "conj": lambda rep: (rep + V).conj(),
    }
    name = {"drho": "rho"}.get(method, method)
    with pytest.raises(TypeError, match=rf"Empty: a Rep must define {name}\("):
        call[method](Empty()(SO(2)))
