"""Which strategy is chosen, what follows where one fails its certificate, and what a forced method refuses."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm, subspace_angles
from scipy.sparse.linalg import aslinearoperator

from fastemlp import equivariant_basis
from fastemlp.bases.constraint import constraint
from fastemlp.exceptions import CertificationError, ConvergenceError, NotReductive, Status
from fastemlp.groups import (
    SL,
    SO,
    A,
    C,
    Cube,
    D,
    Group,
    O,
    RubiksCube,
    S,
    Scaling,
    SO13p,
    Sp,
    Trivial,
    U,
    Z,
    ZksZnxZn,
)
from fastemlp.irreducibles.intertwiners import SchurIsometry
from fastemlp.isometries import Composition, DenseIsometry, OrbitIsometry
from fastemlp.operators import Stack
from fastemlp.reps import T, V
from fastemlp.solver import METHODS, auto, dense, make_plan, schur, solve_nullspace
from fastemlp.solver.reductions.shrink import shrink

SE2 = Group([[[0, -1, 0], [1, 0, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 0], [0, 0, 0]]], name="SE(2)")
HEISENBERG = Group([np.eye(3, k=1) * [0, 1, 0], np.eye(3, k=1) * [0, 0, 1]], name="Heisenberg")
SHEAR = Group(discrete_generators=[[[1.0, 1.0], [0.0, 1.0]]], name="shear")


def conjugated(group, seed=0):
    X = expm(0.4 * np.random.default_rng(seed).standard_normal((group.d, group.d)))
    Y = np.linalg.inv(X)
    return Group(X @ group.lie_algebra @ Y, X @ group.discrete_generators @ Y, d=group.d)


def methods(plan):
    return [choice.strategy for choice in plan.choices]


def unfit(plan):
    return {found.strategy: found.reason for found in plan.unfit}


def instead(monkeypatch, solves):
    """Plans as they are, but for the methods that are given a callable (Options) to solve with."""

    def plan(C, memory_budget):
        found = make_plan(C, memory_budget)
        choices = (replace(c, solve=solves.get(c.strategy, c.solve)) for c in found.choices)
        return replace(found, choices=tuple(choices))

    monkeypatch.setattr(auto, "make_plan", plan)


def same_span(P, Q):
    assert P.shape == Q.shape
    assert P.shape[1] == 0 or subspace_angles(P, Q).max() <= 1e-8


# -- the choice ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rep",
    [
        (V**6)(S(4)),
        (V**3)(Z(7)),
        (V**2)(ZksZnxZn(4, 3)),
        (V**3)(RubiksCube()),
        (V**4)(Cube()),
        (V**3)(A(5)),
        (V**6)(D(4)),
        (V**8)(C(4)),
        (V**4 * V.T**4)(Scaling(2)),
        (V**4)(Group(discrete_generators=[[[0, 1j], [1, 0]]])),
        (V**8)(Trivial(2)),
    ],
    ids=str,
)
def test_monomial_groups_are_counted(rep):
    op = constraint(rep)
    plan = make_plan(op)
    assert methods(plan)[0] == "orbits"
    assert "permutes the coordinates" in plan.choices[0].reason
    solution = solve_nullspace(op)
    assert solution.strategies == ("orbits",)
    assert isinstance(solution.Q, OrbitIsometry)


@pytest.mark.parametrize(
    "rep",
    [
        (V**8)(SO(3)),
        (V**6)(O(5)),
        (V**6)(Sp(2)),
        (V**8)(SO13p()),
        T(3, 3, SL(3)),
        T(3, 3, U(3)),
        (V**8)(D(5)),
        (V(SO(3)) ** 4 * V(S(4)) ** 3).canonical()[0],
    ],
    ids=str,
)
def test_groups_closed_under_the_adjoint_are_taken_apart(rep):
    op = constraint(rep)
    plan = make_plan(op)
    assert methods(plan)[0] == "schur"
    assert plan.choices[0].reason == "the generators are closed under the adjoint"
    assert not plan.choices[0].leads
    assert unfit(plan)["orbits"].startswith("expected ")
    solution = solve_nullspace(op)
    assert solution.strategies == ("schur",)
    assert isinstance(solution.Q, SchurIsometry)


@pytest.mark.parametrize("group", [SO(3), O(3), SO13p(), D(5)], ids=repr)
def test_conjugated_groups_are_taken_apart_in_balanced_coordinates(group):
    op = constraint(T(3, 3, conjugated(group)))
    plan = make_plan(op)
    assert methods(plan)[0] == "schur"
    assert plan.choices[0].reason.endswith("in balanced coordinates")
    assert plan.choices[0].leads
    solution = solve_nullspace(op)
    assert solution.strategies == ("balance", "schur")
    assert solution.rank == solve_nullspace(constraint(T(3, 3, group)), "schur").rank
    assert solution.residual <= 1e-11
    if op.shape[1] <= 100:
        same_span(solution.Q.to_dense(), dense(op).Q.to_dense())


@pytest.mark.parametrize("seed", range(6))
def test_badly_conditioned_coordinates(seed):
    """Singular values shrink by the condition of the tensor; the rank is seen in balanced coordinates."""
    rng = np.random.default_rng(seed)
    X = np.linalg.qr(rng.standard_normal((2, 2)))[0] @ np.diag([30.0, 1.0])
    h = X @ np.array([[0.0, 1.0], [-1.0, 0.0]]) @ np.linalg.inv(X)
    group = Group(discrete_generators=[h])
    assert [solve_nullspace(constraint((V**k)(group))).rank for k in (2, 4, 5, 6)] == [2, 8, 0, 32]


def test_small_problems_are_decomposed():
    assert methods(make_plan(constraint((V**2)(SO(3)))))[0] == "dense"
    assert solve_nullspace(constraint((V**2)(SO(3)))).strategies == ("dense",)


@pytest.mark.parametrize("rep", [T(2, 2, SE2), (V**5)(SE2), T(1, 4, SE2)], ids=str)
def test_what_is_combinatorial_shrinks_what_is_not_reductive(rep):
    op = constraint(rep)
    plan = make_plan(op)
    outer = shrink(op)[0]
    assert outer.rank < op.shape[1]
    assert all(c.where == f"in {outer.rank:,} coordinates left by orbits" for c in plan.choices)
    assert "adjoint" in unfit(plan)["schur"]
    solution = solve_nullspace(op)
    assert solution.strategies[0] == "shrink"
    assert isinstance(solution.Q, Composition)
    same_span(solution.Q.to_dense(), dense(op).Q.to_dense())


@pytest.mark.parametrize("rep", [(V**4)(HEISENBERG), (V**6)(SHEAR), T(2, 2, SHEAR)], ids=str)
def test_nothing_to_shrink_with(rep):
    op = constraint(rep)
    plan = make_plan(op)
    assert not any(c.where for c in plan.choices)
    assert set(methods(plan)) <= {"dense", "lanczos", "lobpcg"}
    same_span(solve_nullspace(op).Q.to_dense(), dense(op).Q.to_dense())


def test_other_operators_are_left_to_what_needs_products_alone():
    op = constraint((V + V**2)(SO(3)))
    assert type(op) is Stack
    plan = make_plan(op)
    assert set(methods(plan)) <= {"dense", "lanczos", "lobpcg"}
    assert unfit(plan)["schur"] == unfit(plan)["orbits"] == "this is not one tensor type"
    assert solve_nullspace(op).rank == 1


def test_costs_are_finite_and_the_cheapest_comes_first():
    for rep in ((V**4)(SO(3)), (V**8)(O(5)), (V**3)(S(4)), (V**20)(SO(3)), (V**4)(SE2)):
        plan = make_plan(constraint(rep))
        seconds = [choice.seconds for choice in plan.choices if choice.strategy != "lanczos"]
        assert seconds == sorted(seconds)
        for choice in plan.choices:
            assert choice.strategy in METHODS
            assert 0 < choice.seconds < np.inf
            assert 0 <= choice.n_bytes < np.inf
            assert choice.reason


def test_roots_of_unity_of_no_small_common_order_are_not_counted():
    roots = [np.exp(2j * np.pi * k / n) for k, n in ((359, 719), (356, 713))]
    op = constraint(V(Group(discrete_generators=[np.diag([z, 1]) for z in roots])))
    plan = make_plan(op)
    assert "orbits" not in methods(plan)
    assert "common order 512647" in unfit(plan)["orbits"]
    assert solve_nullspace(op).rank == dense(op).rank == 1


# -- discrete generators that stretch a lot -----------------------------------------------------------------------


@pytest.mark.parametrize("t", [1e3, 1e4, 1e6])
@pytest.mark.parametrize("k", [4, 5, 6])
def test_entries_that_drown_the_identity(t, k):
    """ρ(h) − I of entries 10¹⁸ no longer holds the I, and an SVD would call most of it zero."""
    op = constraint((V**k)(Group(discrete_generators=[np.diag([t, 1 / t])])))
    solution = solve_nullspace(op)
    assert solution.strategies == ("schur",)
    assert solution.rank == (6 if k == 4 else 20 if k == 6 else 0)
    plan = make_plan(op)
    assert "norm" in unfit(plan)["lanczos"]
    with pytest.raises(
        ConvergenceError, match=r"lanczos: a discrete generator has norm 1e.* schur"
    ):
        solve_nullspace(op, "lanczos")
    if t > 1e4:
        with pytest.raises(ConvergenceError, match=r"identity in ρ.h. − I is lost at tol") as e:
            solve_nullspace(op, "dense")
        assert e.value.status is Status.AMBIGUOUS_RANK


def test_entries_that_drown_the_identity_of_a_group_that_is_not_reductive():
    h = np.array([[1e4, 0, 0], [0, 1, 1], [0, 0, 1]])
    group = Group(discrete_generators=[h])
    assert solve_nullspace(constraint((V**2)(group))).rank == 2
    with pytest.raises(ConvergenceError, match="dense: a discrete generator has norm"):
        solve_nullspace(constraint((V**4)(group)))


# -- failures -----------------------------------------------------------------------------------------------------


def failing(status, message="no luck", kind=CertificationError):
    def strategy(options):
        raise kind(message, status=status)

    return strategy


def test_a_failed_certificate_brings_the_next_strategy(monkeypatch):
    op = constraint((V**4)(SO(3)))
    first = methods(make_plan(op))[0]
    instead(monkeypatch, {first: failing(Status.BAD_RESIDUAL)})
    solution = solve_nullspace(op)
    assert solution.rank == 3
    assert first not in solution.strategies


def test_ranks_of_finite_groups_are_those_that_characters_count(monkeypatch):
    op = constraint((V**11)(Group([], [[[-1, 1], [-1, 0]], [[0, 1], [1, 0]]])))
    plan = make_plan(op)
    assert plan.rank == solve_nullspace(op).rank == 341
    # one strategy alone: the others would take their time to be refused for the same
    wrong = replace(plan, rank=340, choices=plan.choices[:1])
    monkeypatch.setattr(auto, "make_plan", lambda C, budget: wrong)
    with pytest.raises(CertificationError, match=r"found 341 vectors, but .* is 340"):
        solve_nullspace(op)


@pytest.mark.parametrize("rep", [(V**6)(SO(3)), (V**4)(S(4)), T(2, 2, SE2)], ids=str)
def test_the_error_has_the_evidence_of_all(rep, monkeypatch):
    op = constraint(rep)
    order = methods(make_plan(op))
    assert len(order) >= 2
    instead(monkeypatch, {n: failing(Status.BAD_RESIDUAL, f"{n} got 7.7") for n in order})
    with pytest.raises(CertificationError, match=f"{len(order)} strategies failed") as e:
        solve_nullspace(op)
    for name in order:
        assert f"  {name}: {name} got 7.7" in str(e.value)
    assert e.value.status is Status.BAD_RESIDUAL
    assert "does not vanish" in str(e.value)
    assert f"{order[-1]} got" in str(e.value.__cause__)


def test_a_single_failure_is_raised_as_it_is(monkeypatch):
    op = constraint((V**8)(O(5)))
    order = methods(make_plan(op))
    error = ConvergenceError("alone", status=Status.AMBIGUOUS_RANK)

    def strategy(options):
        raise error

    def plan(C, memory_budget):
        found = only(make_plan(C, memory_budget), "lanczos")
        return replace(found, choices=(replace(found.choices[0], solve=strategy),))

    monkeypatch.setattr(auto, "make_plan", plan)
    assert "lanczos" in order
    with pytest.raises(ConvergenceError, match="alone") as e:
        solve_nullspace(op)
    assert e.value is error


def only(plan, method):
    return replace(plan, choices=tuple(c for c in plan.choices if c.strategy == method))


@pytest.mark.parametrize("rep", [(V**2)(SO(3)), T(2, 2, SE2)], ids=str)
def test_an_unclear_rank_is_not_tried_again(rep, monkeypatch):
    """Another method would cut the same spectrum somewhere else."""
    op = constraint(rep)
    order = methods(make_plan(op))
    tried = []

    def unclear(name):
        def strategy(options):
            tried.append(name)
            raise ConvergenceError(f"{name} sees no gap", status=Status.AMBIGUOUS_RANK)

        return strategy

    instead(monkeypatch, {name: unclear(name) for name in order})
    with pytest.raises(ConvergenceError, match="sees no gap"):
        solve_nullspace(op)
    assert tried == order[:1]


def test_nearly_equal_eigenvalues_in_schur_say_nothing_about_the_rank(monkeypatch):
    op = constraint((V**6)(SO(3)))
    assert methods(make_plan(op))[0] == "schur"
    instead(monkeypatch, {"schur": failing(Status.AMBIGUOUS_RANK)})
    assert solve_nullspace(op).rank == 15


@pytest.mark.parametrize("kind", [ValueError, TypeError, FloatingPointError])
def test_other_errors_are_not_swallowed(kind, monkeypatch):
    def broken(options):
        raise kind("a bug")

    instead(monkeypatch, {"schur": broken})
    with pytest.raises(kind, match="a bug"):
        solve_nullspace(constraint((V**6)(SO(3))))


def test_generators_that_almost_hold_are_refused_not_guessed():
    """A matrix that misses having a symmetry by a little more than roundoff, and is not nearly orthogonal."""
    h = np.diag([-2.0, 1.0, 1 + 5e-14])
    with pytest.raises(ConvergenceError, match="expected a gap of at least"):
        solve_nullspace(constraint((V**2)(Group(discrete_generators=[h]))), "dense")


# -- forced methods -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rep", "method", "match"),
    [
        ((V**2)(SO(3)), "orbits", "orbits: expected Lie algebra generators that are diagonal"),
        ((V**2)(D(5)), "orbits", "orbits: expected discrete generators with one root of unity"),
        ((V**2)(SE2), "schur", "not closed under the adjoint"),
        ((V**2)(SHEAR), "schur", "not closed under the adjoint"),
        ((V**2)(Group([], [[[2, 1], [0, 2]]])), "schur", "not a normal matrix"),
    ],
)
def test_methods_that_do_not_fit_say_why(rep, method, match):
    with pytest.raises(ValueError, match=match):
        solve_nullspace(constraint(rep), method)
    with pytest.raises(ValueError, match=match):
        equivariant_basis(rep, method=method, store=False)


@pytest.mark.parametrize("method", ["orbits", "schur"])
def test_operators_that_do_not_show_their_generators(method):
    for op in (aslinearoperator(np.eye(3)), constraint((V + V**2)(S(3)))):
        with pytest.raises(ValueError, match=f"{method}: expected .*TensorConstraint"):
            solve_nullspace(op, method)


@pytest.mark.parametrize("method", ["dense", "lanczos", "auto"])
def test_any_operator(method):
    matrix = np.diag([0.0, 1.0, 2.0, 0.0])
    solution = solve_nullspace(aslinearoperator(matrix), method)
    assert solution.rank == 2
    same_span(solution.Q.to_dense(), np.eye(4)[:, [0, 3]])


def test_unknown_method():
    with pytest.raises(
        ValueError, match=r"expected method to be one of auto, orbits, .* got 'svd'"
    ):
        solve_nullspace(constraint(V(S(3))), "svd")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_known(method):
    assert method == "auto" or method in auto.STRATEGIES


@pytest.mark.parametrize("method", ["auto", "schur", "dense", "lanczos"])
def test_methods_agree(method):
    op = constraint((V**4)(SO(3)))
    solution = solve_nullspace(op, method)
    same_span(solution.Q.to_dense(), dense(op).Q.to_dense())
    assert solution.residual <= 1e-10
    assert method in ("auto", *solution.strategies)


# -- memory -------------------------------------------------------------------------------------------------------


def test_what_does_not_fit_the_memory_is_not_planned():
    op = constraint((V**6)(SO(3)))
    for budget in (2**16, 2**20, 2**24, 2**30):
        plan = make_plan(op, budget)
        assert all(c.n_bytes <= budget for c in plan.choices if c.strategy in ("dense", "schur"))
        assert ("dense" in methods(plan)) == (budget == 2**30)
        assert solve_nullspace(op, memory_budget=budget).rank == 15
    assert unfit(make_plan(op, 2**20))["dense"] == "it would take 28 MiB"


def test_schur_over_budget_leaves_it_to_others(monkeypatch):
    op = constraint((V**6)(SO(3)))
    assert methods(make_plan(op))[0] == "schur"

    def hungry(options):
        return schur(op, memory_budget=1000)

    instead(monkeypatch, {"schur": hungry})
    solution = solve_nullspace(op)
    assert solution.rank == 15
    assert "schur" not in solution.strategies
    with pytest.raises(ValueError, match=r"irreducibles: one of size .* Raise memory_budget"):
        schur(op, memory_budget=1000)


@pytest.mark.parametrize("method", ["orbits", "schur", "dense", "lanczos"])
def test_budgets_too_small_are_refused(method):
    rep = (V**6)(S(4) if method == "orbits" else SO(3))
    caller = "irreducibles" if method == "schur" else method
    with pytest.raises(ValueError, match=f"{caller}: .*memory_budget"):
        solve_nullspace(constraint(rep), method, memory_budget=500)


def test_a_space_too_large_for_anything():
    with pytest.raises(ValueError, match=r"12230590464 coordinates need .* MiB"):
        solve_nullspace(constraint((V**6)(RubiksCube())))


def test_certificates_say_what_was_done():
    assert isinstance(solve_nullspace(constraint((V**2)(SO(3)))).Q, DenseIsometry)
    basis = equivariant_basis((V**4)(S(3)) + (V**6)(SO(3)), store=False)
    assert set(basis.certificate.strategies) == {"orbits", "schur"}
    with pytest.raises(NotReductive):
        equivariant_basis((V**2)(SE2), method="schur", store=False)
