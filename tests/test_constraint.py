"""The stacked constraint: its rows, its shape, and that its nullspace is what it should be."""

import numpy as np
import oracles
import pytest
from scipy.linalg import null_space, subspace_angles

from fastemlp.bases.constraint import constraint
from fastemlp.groups import SL, SO, C, Group, O, S, SO13p, Sp, Trivial, U, Z
from fastemlp.operators import Stack, to_dense
from fastemlp.reps import Rep, Scalar, T, V

GROUPS = [SO(3), O(2), SO13p(), SL(2), Sp(1), S(3), C(5), U(2), Trivial(2)]
TREES = {
    "V": ("V", 0),
    "T(1,1)": ("*", ("V", 0), ("T", ("V", 0))),
    "V2+V0+V": ("+", ("+", ("^", ("V", 0), 2), ("0",)), ("V", 0)),
    "T(0,2)*(V+V0)": ("*", ("^", ("T", ("V", 0)), 2), ("+", ("V", 0), ("0",))),
}


def oracle(tree, group):
    """Every ``drho(A)`` of an orthonormal basis A and every ``rho(h) − I``, as one matrix."""
    rows = [oracles.drho(tree, [A.toarray()]) for A in group.orthonormal_lie_algebra]
    rows += [
        oracles.rho(tree, [h]) - np.eye(oracles.size(tree, [group.d]))
        for h in group.discrete_generators
    ]
    return np.vstack(rows) if rows else np.zeros((0, oracles.size(tree, [group.d])))


@pytest.mark.parametrize("group", GROUPS, ids=repr)
@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_the_matrix_of_the_constraint(tree, group):
    C = constraint(oracles.build(tree)(group))
    expected = oracle(tree, group)
    assert isinstance(C, Stack)
    assert C.dtype == group.dtype
    assert C.shape == expected.shape
    np.testing.assert_allclose(to_dense(C), expected, atol=1e-13)
    np.testing.assert_allclose(to_dense(C.H), expected.conj().T, atol=1e-13)


@pytest.mark.parametrize("group", [SO(3), SL(2), U(2)], ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_adjoint_identity_and_precision(group, dtype):
    C = constraint((V**2 + V.T + Scalar)(group))
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((C.shape[1], 2)), rng.standard_normal((C.shape[0], 2))
    if np.dtype(dtype).kind == "c":
        X, Y = X * (1 + 2j), Y * (2 - 1j)
    X, Y = X.astype(dtype), Y.astype(dtype)
    CX, CHY, normal = C.matmat(X), C.rmatmat(Y), C.normal_matmat(X)
    expected = np.result_type(dtype, np.complex64) if group.is_complex else np.dtype(dtype)
    assert CX.dtype == CHY.dtype == normal.dtype == expected
    tolerance = {"rtol": 200 * np.finfo(dtype).eps, "atol": 200 * np.finfo(dtype).eps}
    np.testing.assert_allclose(np.vdot(Y, CX), np.vdot(CHY, X), **tolerance)
    np.testing.assert_allclose(normal, C.rmatmat(CX), **tolerance)


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_sampled_elements_fix_exactly_the_nullspace(group):
    """C is about generators only; the group's elements are independent witnesses."""
    rep = T(1, 1, group) + V(group)
    ours = null_space(to_dense(constraint(rep)), rcond=1e-10)
    witnesses = np.vstack(
        [rep.rho_dense(g) - np.eye(rep.size()) for g in group.samples(30, random_state=0)]
    )
    theirs = null_space(witnesses, rcond=1e-9)
    assert ours.shape == theirs.shape
    if ours.shape[1]:
        assert subspace_angles(ours, theirs).max() < 1e-7


def test_the_scale_and_choice_of_lie_generators_do_not_matter():
    lie = SO(3).lie_algebra
    C = to_dense(constraint((V**2)(SO(3))))
    for changed in (
        1e-6 * lie,
        1e6 * lie,
        np.concatenate([lie, lie]),
        lie * [[[1e-6]], [[1.0]], [[1e6]]],
    ):
        other = to_dense(constraint((V**2)(Group(changed))))
        np.testing.assert_allclose(other.T @ other, C.T @ C, atol=1e-12)


def test_several_groups_constrain_together():
    rep = 2 * V(Z(3)) * V(S(2)) + V(SO(3))
    C = constraint(rep)
    # one generator of Z(3), one of S(2), three of SO(3)
    assert C.shape == (5 * rep.size(), rep.size())
    rank = null_space(to_dense(C), rcond=1e-10).shape[1]
    assert rank == 2


def test_scalars_are_unconstrained():
    assert constraint(Scalar).shape == (0, 1)
    assert constraint((3 * Scalar)(SO(3))).shape == (0, 3)
    assert constraint(V(Trivial(3))).shape == (0, 3)


def test_unbound_reps_are_refused():
    for rep in (V, 2 * V + Scalar, V * V(SO(3))):
        with pytest.raises(ValueError, match=r"constraint: .*is not bound to a group\. Bind it"):
            constraint(rep)


def test_wrong_bespoke_reps_are_refused_wherever_they_hide():
    class Half(Rep):
        def size(self):
            return 2

        def rho(self, g):
            return 0.5 * g

    for rep in (Half(), Half().T, V + 3 * Half(), V * Half().T * V, V * (V + Half())):
        with pytest.raises(ValueError, match=r"Half\(SO\(2\)\) is not a representation of SO\(2\)"):
            constraint(rep(SO(2)))
