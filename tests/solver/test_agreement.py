"""Random groups and reps: every strategy that applies finds the same space."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy.linalg import block_diag, expm, subspace_angles

from fastemlp.bases.constraint import constraint
from fastemlp.groups import (
    GL,
    O11,
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
    O2eR3,
    Parity,
    S,
    Scaling,
    SO2eR3,
    SO11p,
    SO13p,
    Sp,
    Trivial,
    U,
    WreathProduct,
    Z,
    ZksZnxZn,
)
from fastemlp.reps import Scalar, V
from fastemlp.solver import dense, solve_nullspace

LARGEST = 300
METHODS = ("orbits", "schur", "lanczos", "auto")
TURN = np.array([[0.0, -1.0], [1.0, 0.0]])

SMALL = [SO(2), SO(3), O(2), O(3), SL(2), SU(2), U(1), U(2), S(3), Z(3), C(3), C(5), D(3), D(5)]
SMALL += [Sp(1), GL(2), SO11p(), O11(), Parity(), DkeR3(3), SO2eR3(), O2eR3(), Scaling(2)]
CATALOGUE = [*SMALL, SO(4), O(4), Sp(2), SL(3), SU(3), U(3), SO13p(), O13(), S(4), Z(5), A(4), A(5)]
CATALOGUE += [C(7), D(6), Cube(), Trivial(2), SO(1), O(1), ZksZnxZn(2, 2)]
CATALOGUE += [SU(2).realified(), U(2).realified()]

seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@st.composite
def signed_permutations(draw):
    d, rng = draw(st.integers(2, 5)), draw(seeds)
    order = draw(st.sampled_from([1, 2, 2, 3, 4, 8]))
    phases = np.exp(2j * np.pi * np.arange(order) / order)
    phases = np.round(phases.real) if order <= 2 else phases
    return Group(
        discrete_generators=[
            np.eye(d)[rng.permutation(d)] * rng.choice(phases, d)
            for _ in range(draw(st.integers(1, 3)))
        ],
        name=f"monomial({d}, {order})",
    )


@st.composite
def lie_subalgebras(draw):
    """One or two random skew matrices: a torus, or nearly always all of so(d) or u(d), two brackets deep."""
    d, n, rng = draw(st.integers(2, 5)), draw(st.integers(1, 2)), draw(seeds)
    pair = rng.standard_normal((n, d, d)) + draw(st.booleans()) * 1j * rng.standard_normal(
        (n, d, d)
    )
    pair = pair - pair.conj().swapaxes(1, 2)
    return Group(pair if pair.imag.any() else pair.real, name=f"random Lie({d}, {n})")


@st.composite
def weights(draw):
    """A circle acting with chosen weights, perhaps with reflections."""
    ws = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
    reflection = [np.kron(np.eye(len(ws)), np.diag([1.0, -1.0]))] if draw(st.booleans()) else []
    return Group([block_diag(*(w * TURN for w in ws))], reflection, name=f"circle{ws}")


small = st.sampled_from(SMALL)
groups = st.one_of(
    st.sampled_from(CATALOGUE),
    st.tuples(small, small).map(lambda pair: pair[0] * pair[1]),
    st.tuples(small, st.permutations(range(4))).map(lambda p: Embed(p[0], 4, p[1][: p[0].d])),
    st.tuples(small, st.sampled_from([S(2), Z(2), Z(3), S(3)])).map(lambda p: WreathProduct(*p)),
    signed_permutations(),
    lie_subalgebras(),
    weights(),
)


@st.composite
def conjugated(draw):
    """A group in coordinates of its own, orthonormal ones, or sheared."""
    group, kind = draw(groups), draw(st.sampled_from(["as it is", "rotated", "sheared"]))
    if kind == "as it is":
        return group
    X = draw(seeds).standard_normal((group.d, group.d))
    X = np.linalg.qr(X)[0] if kind == "rotated" else expm(0.3 * X)
    Y = np.linalg.inv(X)
    name = f"{group} {kind}"
    return Group(X @ group.lie_algebra @ Y, X @ group.discrete_generators @ Y, name, group.d)


@st.composite
def tensor_types(draw, largest=LARGEST):
    """A word in V, its dual and its conjugates."""
    group = draw(conjugated())
    letters = [V, V, V.T] + ([V.conj(), V.conj().T] if group.is_complex else [])
    rep, size = Scalar, 1
    for letter in draw(st.lists(st.sampled_from(letters), min_size=1, max_size=6)):
        if size * group.d <= largest:
            rep, size = rep * letter, size * group.d
    assume(rep != Scalar)
    # a Stack in other than canonical order of the letters
    return rep(group).canonical()[0]


def is_roundoff(C):
    """Whether the constraint is nothing but the rounding of generators that do nothing."""
    largest = [abs(op.matmat(np.eye(C.shape[1], dtype=C.dtype))).max() for op in C.operators]
    return 0 < max(largest, default=1.0) < 1e-12


def check(C, methods, norm=None):
    """All methods against an SVD; returns those that apply."""
    reference = dense(C)
    P, applied = reference.Q.to_dense(), []
    for method in methods:
        try:
            solution = solve_nullspace(C, method)
        except ValueError:
            # it says that it does not fit
            continue
        applied.append(method)
        Q = solution.Q.to_dense()
        assert Q.shape == P.shape, (method, reference, solution)
        r = Q.shape[1]
        np.testing.assert_allclose(Q.conj().T @ Q, np.eye(r), rtol=0, atol=1e-11)
        assert r == 0 or subspace_angles(P, Q).max() <= 1e-8, (method, reference, solution)
        residual = np.linalg.norm(C.matmat(Q), axis=0).max(initial=0.0)
        assert residual <= 1e-10 * max(reference.norm, 1e-300) or residual <= 1e-13
        assert solution.residual <= 1e-10
        assert solution.orthogonality <= 1e-10
    return applied


@given(tensor_types(largest=125))
@settings(
    max_examples=75,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_strategies_agree(rep):
    C = constraint(rep)
    assume(not is_roundoff(C))
    applied = check(C, METHODS)
    assert "auto" in applied
    assert "lanczos" in applied


@given(tensor_types())
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_strategies_agree_on_larger_types(rep):
    C = constraint(rep)
    assume(not is_roundoff(C))
    check(C, METHODS)


@given(small, small, st.lists(st.integers(0, 3), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_strategies_agree_on_several_groups(one, other, letters):
    atoms = [V(one), V(other), V(one).T, V(other).T]
    rep, size = Scalar, 1
    for j in letters:
        if size * atoms[j].size() <= 125:
            rep, size = rep * atoms[j], size * atoms[j].size()
    assert "auto" in check(constraint(rep.canonical()[0]), METHODS)


@given(conjugated(), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))
@settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
def test_strategies_agree_on_sums(group, a, b, c):
    """Operators without slots to see: what needs products alone."""
    rep = (a * Scalar + b * V + c * V * V.T)(group)
    assume(0 < rep.size() <= 60 and rep.groups)
    C = constraint(rep)
    assume(not is_roundoff(C))
    assert check(C, ("lanczos", "auto")) == ["lanczos", "auto"]


@pytest.mark.parametrize("seed", range(6))
def test_random_draws_do_not_matter(seed):
    rep = (V**4)(SO(3))
    P = dense(constraint(rep)).Q.to_dense()
    for method in ("schur", "lanczos"):
        Q = solve_nullspace(constraint(rep), method, random_state=seed).Q.to_dense()
        assert subspace_angles(P, Q).max() <= 1e-8
