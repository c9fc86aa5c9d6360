"""Balanced coordinates: the nullspace is carried along, and conjugates of classical groups become closed again."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from scipy.sparse import csr_array
from solver.operators import reflection, so, sp2, symmetric_group, tensor_power

from fastemlp.bases.constraint import constraint
from fastemlp.exceptions import NotReductive
from fastemlp.groups import SL, SO, SU, Group, SO13p, Sp
from fastemlp.irreducibles import reductive_form
from fastemlp.irreducibles.balance import balance, normalise
from fastemlp.operators import KroneckerProduct, TensorConstraint
from fastemlp.reps import V
from fastemlp.solver import dense


def tensor(slots, lie=(), discrete=()):
    """A TensorConstraint on V (atom 0) and V* (atom 1)."""
    d = [*lie, *discrete][0].shape[0]
    return TensorConstraint(
        slots,
        (d, d),
        [[csr_array(A), csr_array(-A.T)] for A in lie],
        [[csr_array(h), csr_array(np.linalg.inv(h).T)] for h in discrete],
    )


def random_basis(d, seed, is_complex=False):
    rng = np.random.default_rng(seed)
    S = rng.standard_normal((d, d))
    return S + 1j * rng.standard_normal((d, d)) if is_complex else S


def lorentz():
    boosts = [np.zeros((4, 4)) for _ in range(3)]
    for i, A in enumerate(boosts, start=1):
        A[0, i] = A[i, 0] = 1
    return boosts + [np.pad(A, ((1, 0), (1, 0))) for A in so(3)]


def su2():
    pauli = [np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]
    return [1j * A for A in pauli]


def adjoint_defect(C):
    """How far generators are from closed under the adjoint: that of Aᴴ from the real span, and ``‖hᴴh − I‖``."""
    worst = 0.0
    if C.lie:
        flat = [np.concatenate([A.toarray().ravel() for A in As if A is not None]) for As in C.lie]
        adjoints = [
            np.concatenate([A.toarray().conj().T.ravel() for A in As if A is not None])
            for As in C.lie
        ]
        span, adjoints = (np.hstack([np.real(X), np.imag(X)]) for X in (flat, adjoints))
        weights = np.linalg.lstsq(span.T, adjoints.T, rcond=1e-10)[0]
        worst = np.linalg.norm(adjoints.T - span.T @ weights, axis=0).max()
    unitary = [(h.conj().T @ h).toarray() - np.eye(h.shape[0]) for hs in C.discrete for h in hs]
    return max([worst, *map(np.linalg.norm, unitary)])


GROUPS = {
    "SO(3)": (so(3), []),
    "O(4)": (so(4), [reflection(4)]),
    "Sp(2)": (sp2(), []),
    "SO(1,3)": (lorentz(), []),
    "SU(2)": (su2(), []),
    "S(4)": ([], symmetric_group(4)),
    "SO(2) + S(2), reducible": (
        [np.kron(np.eye(2), so(2)[0])],
        [np.kron(symmetric_group(2)[0], np.eye(2))],
    ),
}


@pytest.mark.parametrize("slots", [(0, 0), (0, 1, 0)])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", GROUPS)
def test_conjugates_become_closed_under_the_adjoint(name, seed, slots):
    lie, discrete = GROUPS[name]
    d = [*lie, *discrete][0].shape[0]
    T = random_basis(d, seed, is_complex=name == "SU(2)")
    S, balanced = balance(
        tensor(slots, *([T @ A @ np.linalg.inv(T) for A in part] for part in (lie, discrete)))
    )
    assert adjoint_defect(balanced) <= 1e-11
    for s in S or ():
        np.testing.assert_allclose(s, s.conj().T, atol=1e-12 * np.abs(s).max())
        assert np.linalg.eigvalsh(s).min() > 0
        assert abs(np.linalg.det(s) - 1) <= 1e-9


@pytest.mark.parametrize("name", ["SO(3)", "SO(1,3)", "S(4)"])
def test_the_nullspace_is_carried_along(name):
    lie, discrete = GROUPS[name]
    d = [*lie, *discrete][0].shape[0]
    T = random_basis(d, 5)
    slots = (0, 1, 0, 1)
    C = tensor(slots, *([T @ A @ np.linalg.inv(T) for A in part] for part in (lie, discrete)))
    S, balanced = balance(C)
    Q, Y = (dense(op).Q.to_dense() for op in (C, balanced))
    moved = KroneckerProduct([S[a] for a in slots], [d] * 4).matmat(Y)
    assert Q.shape == Y.shape
    assert subspace_angles(Q, moved).max() <= 1e-9


def test_what_is_balanced_stays_as_it_is():
    lie = [A / np.sqrt(2) for A in so(3)]
    C = tensor_power(2, lie, [reflection(3)])
    S, balanced = balance(C)
    assert balanced is C
    assert S is None
    assert normalise(C) is C


def test_redundant_zero_and_scaled_generators():
    A, B, D = so(3)
    C = tensor((0, 0), [1e-6 * A, 0 * A, 1e6 * B, D, A + B])
    unit = normalise(C)
    assert len(unit.lie) == 3
    assert dense(unit).rank == 1
    # known to 1e-8 only: mixing it would spread the roundoff of the other two
    assert len(normalise(tensor((0, 0), [A, B, A + 1e-8 * D])).lie) == 3
    assert adjoint_defect(tensor((0,), [A, B])) <= 1e-15


@pytest.mark.parametrize(
    ("lie", "discrete"),
    [
        ([np.eye(3, k=1)], []),
        ([], [np.eye(3) + np.eye(3, k=1)]),
        ([np.pad(so(2)[0], (0, 1)), np.eye(3)[:, [0]] * np.eye(3)[2]], []),
    ],
)
def test_where_no_minimum_exists_the_condition_number_is_bounded(lie, discrete):
    S, balanced = balance(tensor((0, 0), lie, discrete))
    assert max(np.linalg.cond(s) for s in S) <= 1e3
    assert dense(balanced).rank == dense(tensor((0, 0), lie, discrete)).rank


def test_nan_is_refused():
    A = np.eye(3, k=1)
    A[0, 1] = np.nan
    with pytest.raises(ValueError, match="expected finite generators"):
        balance(tensor((0,), [A]))


def test_atoms_too_large_are_left_alone(monkeypatch):
    import sys

    monkeypatch.setattr(sys.modules["fastemlp.irreducibles.balance"], "LARGE", 4)
    C = tensor((0, 0), [2 * A for A in so(3)])
    S, balanced = balance(C)
    assert balanced is C
    assert S is None


# -- groups for which no coordinates will do ----------------------------------------------------------------------

NILPOTENT_IDEALS = {
    "SE(2)": [[[0, -1, 0], [1, 0, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 0], [0, 0, 0]]],
    "Heisenberg": [np.diag([1.0, 0.0], 1), np.diag([0.0, 1.0], 1)],
    "affine line": [[[1.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]],
    "nilpotent": [np.eye(4, k=1)],
}


@pytest.mark.parametrize("sheared", [False, True])
@pytest.mark.parametrize("name", NILPOTENT_IDEALS)
def test_a_degenerate_trace_form_ends_the_search(name, sheared):
    lie = [np.array(A, float) for A in NILPOTENT_IDEALS[name]]
    if sheared:
        X = np.eye(len(lie[0])) + 0.5 * np.random.default_rng(0).standard_normal(lie[0].shape)
        lie = [X @ A @ np.linalg.inv(X) for A in lie]
    with pytest.raises(NotReductive, match="orthogonal complements") as error:
        reductive_form(constraint((V**2 * V.T)(Group(lie))))
    assert error.value.everywhere


@pytest.mark.parametrize("group", [SO(3), SL(3), Sp(2), SO13p(), SU(2).realified()], ids=repr)
@pytest.mark.parametrize("condition", [1e1, 1e2, 1e3])
def test_it_does_not_for_conjugates_of_what_is_reductive(group, condition):
    rng = np.random.default_rng(0)
    Q, R = (np.linalg.qr(rng.standard_normal((group.d, group.d)))[0] for _ in "QR")
    X = Q @ np.diag(np.geomspace(1, condition, group.d)) @ R
    lie = [X @ A @ np.linalg.inv(X) for A in group.lie_algebra]
    refusal = None
    try:
        reductive_form(constraint(V(Group(lie))))
    except NotReductive as error:
        refusal = error
    # too sheared to be brought back, perhaps, but never said to be impossible
    assert refusal is None or not refusal.everywhere
