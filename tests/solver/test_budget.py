"""Memory and time before a solve: what does not fit is not begun, what fits is found, and counting agrees."""

import re
import tracemalloc

import numpy as np
import pytest

from fastemlp import equivariant_basis, equivariant_projector, explain, why_empty
from fastemlp.bases.constraint import constraint
from fastemlp.exceptions import BudgetError
from fastemlp.groups import (
    SO,
    A,
    C,
    Cube,
    D,
    Group,
    O,
    Parity,
    S,
    Scaling,
    Trivial,
    Z,
    ZksZnxZn,
)
from fastemlp.reps import T, V
from fastemlp.solver import dense, make_plan, solve_nullspace
from fastemlp.solver.forecast import burnside, finite_group, forecast
from fastemlp.solver.krylov.assembly import assemble, assembled_bytes

NILPOTENT = Group([[[0, 1], [0, 0]]], name="nilpotent")
HEXAGON = Group(discrete_generators=[[[-1, 1], [-1, 0]], [[0, 1], [1, 0]]], name="hexagon")
FINITE = [S(3), Z(4), S(4), A(4), Cube(), Parity(), D(5), C(6), HEXAGON, Z(7), ZksZnxZn(2, 2)]


def average_character(group, k):
    """The number of invariants of V^k by Burnside, from elements found by multiplying matrices."""
    found = [np.eye(group.d)]
    for g in found:
        for h in group.discrete_generators:
            if not any(np.allclose(h @ g, other, 0, 1e-8) for other in found):
                found.append(h @ g)
    traces = [round(float(np.trace(g)), 9) for g in found]
    total = sum(t**k for t in traces)
    return (
        round(total / len(found))
        if abs(total) < 2**50
        else sum(int(t) ** k for t in traces) // len(found)
    )


# -- needless refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", [S(3), Parity(), Z(4), S(4), A(4), Cube()], ids=repr)
@pytest.mark.parametrize("k", [18, 20, 22])
def test_what_has_too_many_coordinates_to_label_is_taken_apart(group, k):
    basis = equivariant_basis((V**k)(group), store=False)
    assert basis.rank == average_character(group, k)


def test_known_counts():
    assert equivariant_basis((V**20)(S(3)), store=False).rank == (3**20 + 3) // 6
    assert equivariant_basis((V**20)(Scaling(3)), store=False).rank == 0
    basis = equivariant_basis((V**17)(Trivial(3)), store=False)
    assert basis.rank == 3**17
    assert basis.nbytes < 2**20


def test_orbits_stay_first_where_they_fit():
    for group in FINITE[:6]:
        assert make_plan(constraint((V**4)(group))).choices[0].strategy == "orbits"


@pytest.mark.parametrize("group", FINITE, ids=repr)
@pytest.mark.parametrize("k", range(1, 6))
def test_burnside_counts_what_is_found(group, k):
    op = constraint((V**k)(group))
    assert burnside(op, finite_group(op)) == average_character(group, k)
    assert solve_nullspace(op).rank == average_character(group, k)


def test_only_small_finite_groups_are_enumerated():
    assert finite_group(constraint(V(SO(3)))) is None
    assert finite_group(constraint(V(S(9)))) is None
    for h in (np.diag([2.0, 0.5]), np.array([[1.0, 1.0], [0.0, 1.0]])):
        assert finite_group(constraint(V(Group(discrete_generators=[h])))) is None
    assert len(finite_group(constraint(V(S(4))))[0]) == 24


@pytest.mark.parametrize(
    ("group", "k", "within"), [(NILPOTENT, 10, 1.5), (NILPOTENT, 8, 1.5), (SO(3), 6, 6.0)]
)
def test_forecast_of_the_rank(group, k, within):
    op = constraint((V**k)(group))
    rank, _ = forecast(op)
    true = solve_nullspace(op).rank
    assert true / within <= rank <= true * within


# -- refusals -----------------------------------------------------------------------------------------------------


def test_nothing_starts_that_does_not_fit():
    assert not make_plan(constraint((V**24)(NILPOTENT))).choices
    with pytest.raises(BudgetError, match=r"no strategy solves .* 1,024 MiB") as e:
        equivariant_basis((V**24)(NILPOTENT), store=False)
    for line in (
        r"  dense: it would take [\d,]+ MiB",
        r"  lanczos: it would take at least [\d,]+ MiB",
    ):
        assert re.search(line, str(e.value))
    assert "Pass a larger memory_budget= in bytes" in str(e.value)


def test_too_many_generators_are_refused_before_they_are_written_out(monkeypatch, capsys):
    rep = (V >> V)(SO(40))
    with pytest.raises(
        BudgetError, match=r"780 Lie algebra generators .* 4 MiB .* memory_budget is 1 MiB"
    ):
        equivariant_basis(rep, store=False, memory_budget=2**20)
    explain(rep, memory_budget=2**20)
    assert "no strategy fits. equivariant_basis: 780 Lie" in capsys.readouterr().out


def attempted(op, budget):
    """(solution, "") or (None, why not)."""
    try:
        return solve_nullspace(op, memory_budget=budget), ""
    except BudgetError as error:
        return None, str(error)


@pytest.mark.parametrize("group", [*FINITE, SO(3), O(3), NILPOTENT, Scaling(2)], ids=repr)
@pytest.mark.parametrize("k", [3, 4, 5])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_the_advice_of_a_refusal_works(group, k, bits):
    """Whatever the budget: the same span, or numbers and a remedy that helps."""
    rep = (V**k)(group)
    op = constraint(rep)
    solution, refusal = attempted(op, 2**bits)
    if solution is None:
        assert "memory_budget" in refusal
        assert re.search(r"[\d.]+ MiB|\d+ coordinates", refusal)
        solution = solve_nullspace(op, memory_budget=2**30)
    full = solve_nullspace(op)
    assert solution.rank == full.rank
    if op.shape[1] <= 300 and full.rank:
        x = full.Q @ np.ones(full.rank)
        assert np.allclose(solution.Q.project(x), x, 0, 1e-9)


@pytest.mark.parametrize("budget", [0, -1, 1.5, "1 GiB", None, True])
def test_a_budget_is_a_number_of_bytes(budget):
    rep = (V**2)(SO(3))
    for function in (equivariant_basis, equivariant_projector, explain):
        with pytest.raises(
            ValueError, match=r"expected memory_budget to be a whole number of bytes"
        ):
            function(rep, memory_budget=budget)
    with pytest.raises(ValueError, match=r"make_plan: expected memory_budget"):
        make_plan(constraint(rep), budget)


def test_a_larger_budget_is_not_another_result():
    rep = (V**4)(SO(3))
    a, b = (equivariant_basis(rep, memory_budget=n) for n in (2**30, 2**31))
    assert a.isometry is b.isometry


# -- what is predicted --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", [*FINITE[:6], Trivial(2), Trivial(3)], ids=repr)
def test_memory_of_labels_is_predicted(group):
    k = next(k for k in range(1, 30) if group.d**k >= 2 * 10**5)
    op = constraint((V**k)(group))
    choice = make_plan(op).choices[0]
    assert choice.strategy == "orbits"
    solve_nullspace(constraint((V**2)(group)), "orbits")
    tracemalloc.start()
    solve_nullspace(op, "orbits")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert choice.n_bytes <= 1.05 * peak
    assert peak <= 1.5 * choice.n_bytes + 2**20


@pytest.mark.parametrize("k", range(2, 8))
@pytest.mark.parametrize("group", [HEXAGON, NILPOTENT, SO(2), D(5)], ids=repr)
def test_assembled_matrices_take_no_more_than_counted(group, k):
    op = constraint((V**k)(group))
    matrix = assemble(op, 2**40)
    square = matrix.T @ matrix
    taken = sum(x.data.nbytes + x.indices.nbytes for x in (matrix, square))
    assert taken <= assembled_bytes(op)
    assert assemble(op, assembled_bytes(op) - 1) is None


def test_a_large_lie_algebra_is_not_closed_to_make_a_plan():
    rng = np.random.default_rng(0)
    group = Group(list(rng.standard_normal((2, 20, 20))))
    op = constraint((V >> V)(group))
    plan = make_plan(op)
    assert not any(c.is_sure for c in plan.choices if c.strategy == "schur")
    assert plan.choices[0].strategy == "lanczos"
    assert solve_nullspace(op).rank == 1
    assert (
        solve_nullspace(
            constraint((V >> V)(Group(list(rng.standard_normal((2, 8, 8)))))), "schur"
        ).rank
        == 1
    )


def test_strategies_agree_after_a_postponed_closing():
    rng = np.random.default_rng(1)
    op = constraint(T(1, 1, Group(list(rng.standard_normal((2, 10, 10))))))
    assert (
        solve_nullspace(op, "schur").rank
        == solve_nullspace(op, "lanczos").rank
        == dense(op).rank
        == 1
    )


def test_why_empty_of_one_generator_and_of_no_rep():
    sentence = why_empty((V**17)(Scaling(2)))
    assert "Lie algebra generator 0 of Scaling(2) alone leaves none" in sentence
    with pytest.raises(TypeError, match=r"why_empty: expected a Rep, got 3"):
        why_empty(3)
    with pytest.raises(ValueError, match=r"explain: V is not bound to a group"):
        explain(V)
