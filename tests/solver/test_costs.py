"""What a plan predicts, against what it takes: memory as it is, time beside that of the others."""

import tracemalloc
from time import process_time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from fastemlp.bases.constraint import constraint
from fastemlp.groups import SL, SO, SO13, SU, A, C, Cube, D, Group, O, S, Sp, Trivial, Z
from fastemlp.reps import V
from fastemlp.solver import make_plan, solve_nullspace

SHEAR, TURN = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[0.0, -1.0], [1.0, 0.0]])
HEXAGON = Group([], [[[-1, 1], [-1, 0]], [[0, 1], [1, 0]]], name="hexagon")
HEISENBERG = Group([np.diag([1.0, 0.0], 1), np.diag([0.0, 1.0], 1)], name="Heisenberg")


def nilpotent(n):
    return Group([np.eye(n, k=1)], name=f"nilpotent({n})")


def random_pair(n):
    return Group(list(np.random.default_rng(n).standard_normal((2, n, n))), name=f"random({n})")


def turned(group):
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((group.d, group.d)))[0]
    lie, discrete = group.lie_algebra, group.discrete_generators
    return Group(
        [Q @ X @ Q.T for X in lie], [Q @ h @ Q.T for h in discrete], name=f"turned {group}"
    )


def sheared(group, t):
    X = np.eye(group.d) + t * np.triu(np.ones((group.d, group.d)), 1)
    lie, discrete = group.lie_algebra, group.discrete_generators
    inverse = np.linalg.inv(X)
    return Group(
        [X @ B @ inverse for B in lie], [X @ h @ inverse for h in discrete], name=f"sheared {group}"
    )


TAKES_TIME = [
    *((V**k)(SO(3)) for k in (8, 12)),
    *((V**k)(SO(5)) for k in (6, 8)),
    *((V**k)(O(5)) for k in (6, 8)),
    *((V**k)(Sp(2)) for k in (8, 12)),
    *((V**k)(nilpotent(2)) for k in (9, 11)),
    *((V**6)(SO(n)) for n in (4, 8)),
    (V**8)(SO13()),
    (V**3 >> V**3)(SU(3)),
    (V**4 >> V**4)(SL(3)),
    (V**6)(Sp(3)),
    (V >> V)(SO(20)),
    (V**12)(Group([], [SHEAR, TURN], name="SL(2, Z)")),
    (V**11)(HEXAGON),
    (V**6)(sheared(SO(3), 0.5)),
    (V**6)(sheared(S(4), 0.4)),
    (V**7)(turned(S(4))),
    (V**5)(nilpotent(4)),
    (V**6)(nilpotent(3)),
    (V**7)(HEISENBERG),
    *((V >> V)(random_pair(n)) for n in (20, 40)),
    (V**14)(S(3)),
    (V**9)(S(4)),
    (V**8)(Cube()),
    (V**6)(S(10)),
    (V**10)(D(5)),
    (V**12)(C(7)),
]
TAKES_MEMORY = [
    (V**10)(nilpotent(2)),
    (V**7)(nilpotent(3)),
    (V**5)(nilpotent(4)),
    (V**7)(HEISENBERG),
    (V >> V)(random_pair(20)),
    (V**11)(HEXAGON),
    (V**6)(sheared(S(4), 0.4)),
    (V**6)(SO(8)),
    (V**12)(Sp(2)),
    (V**8)(Sp(3)),
    (V >> V)(SO(30)),
    (V**13)(Trivial(3)),
    (V**14)(S(3)),
    (V**11)(S(4)),
    (V**6)(Z(16)),
    (V**9)(A(5)),
    (V**9)(Cube()),
]


@pytest.mark.parametrize("rep", TAKES_MEMORY, ids=lambda rep: f"{rep} of {rep.groups[0]}")
def test_memory_is_predicted_from_below_to_within_half_as_much_again(rep):
    op = constraint(rep)
    solve_nullspace(op)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    predicted = make_plan(op).choices[0].n_bytes
    solve_nullspace(constraint(rep))
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak >= 2**22
    assert predicted <= 1.1 * peak
    assert peak <= 1.5 * predicted


def test_times_are_predicted_to_within_three_times_beside_each_other():
    """Machines differ, and so does what else they do; the shares of problems in the time of all differ less.

    One in ten may be off by more, as another processor has other strengths.
    """
    excess = []
    for rep in TAKES_TIME:
        times = []
        for _ in range(4):
            start = process_time()
            with threadpool_limits(1):
                op = constraint(rep)
                plan = make_plan(op)
                solve_nullspace(op)
            times.append(process_time() - start)
            if sum(times) > 1:
                break
        excess.append(min(times) / plan.choices[0].seconds)
    excess = np.array(excess) / np.median(excess)
    names = [
        f"{rep} of {rep.groups[0]}: {x:.2f}" for rep, x in zip(TAKES_TIME, excess, strict=True)
    ]
    assert np.mean((excess >= 1 / 3) & (excess <= 3)) >= 0.9, names
    assert excess.min() >= 1 / 6, names
    assert excess.max() <= 6, names
