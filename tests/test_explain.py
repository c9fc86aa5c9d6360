"""What a basis will cost, and why one is empty: the sentences, and that they are true."""

import re
import sys
from dataclasses import replace

import numpy as np
import pytest

from fastemlp import equivariant_basis, explain, why_empty
from fastemlp.groups import (
    GL,
    SL,
    SO,
    SU,
    D,
    Group,
    O,
    RubiksCube,
    S,
    Scaling,
    SO13p,
    Sp,
    U,
    Z,
)
from fastemlp.reps import Scalar, T, V
from fastemlp.solver import make_plan

SE2 = Group([[[0, -1, 0], [1, 0, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 0], [0, 0, 0]]], name="SE(2)")
KLEIN = Group(discrete_generators=[np.diag([1.0, -1.0]), np.diag([-1.0, 1.0])], name="K4")


def explained(rep, capsys):
    assert explain(rep) is None
    return capsys.readouterr().out.splitlines()


# -- explain ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rep", "first", "others"),
    [
        (
            (V**4)(S(4)),
            r"  V4, size 256: orbits, about \S+ s and \S+ KiB",
            [
                "    every generator permutes the coordinates up to phases, or is diagonal",
                "    not schur: orbits are exact and need no arithmetic",
            ],
        ),
        (
            (V**8)(SO(3)),
            r"  V8, size 6,561: schur, about \S+ s and \S+ KiB",
            [
                "    the generators are closed under the adjoint",
                "    not dense: it would take 2,299 MiB",
                "    not orbits: expected Lie algebra generators that are diagonal, but generator 0 of 3 has "
                "entries off the diagonal",
            ],
        ),
        (
            (V**2)(SO(3)),
            r"  V2, size 9: dense, about \S+ s and \S+ KiB",
            ["    it is small enough for a singular value decomposition"],
        ),
        (
            (V**5)(SE2),
            r"  V5, size 243: dense in 61 coordinates left by orbits, about \S+ s and \S+ KiB",
            [
                "    not schur: the Lie algebra is not closed under the adjoint, so invariant subspaces need "
                "not have invariant orthogonal complements",
            ],
        ),
    ],
    ids=lambda x: str(x)[:12],
)
def test_one_type(rep, first, others, capsys):
    title, head, *rest = explained(rep, capsys)
    assert title == f"{rep} of {rep.G}: 1 type, size {rep.size():,}"
    assert re.fullmatch(first, head), head
    for line in others:
        assert line in rest
    assert any(re.fullmatch(r"    else \w+, about \S+ s", line) for line in rest)


def test_sums_are_explained_type_by_type(capsys):
    lines = explained((V + 3 * V**2 + 2 * Scalar + V)(SO(3)), capsys)
    assert lines[0] == "V+3V2+2V0+V of SO(3): 3 types, size 35"
    heads = [line for line in lines if re.match(r"  \S", line)]
    assert heads[0].endswith("V0, size 1: nothing to solve")
    assert heads[1].startswith("  2 × V, size 3: dense")
    assert heads[2].startswith("  3 × V2, size 9: dense")


def test_several_groups_and_none(capsys):
    assert explained(V(S(3)) * V(SO(3)), capsys)[0].endswith(" of S(3), SO(3): 1 type, size 9")
    assert explained(Scalar, capsys) == [
        "V0 of no group: 1 type, size 1",
        "  V0, size 1: nothing to solve",
    ]
    assert explained(0 * V(SO(3)), capsys) == ["0V0 of no group: 0 types, size 0"]


def test_conjugated_groups(capsys):
    X = np.array([[1.0, 0.3, 0.0], [0.0, 1.0, -0.2], [0.1, 0.0, 1.0]])
    group = Group(X @ SO(3).lie_algebra @ np.linalg.inv(X), name="G")
    lines = explained((V**6)(group), capsys)
    assert lines[1].startswith("  V6, size 729: schur, about ")
    assert lines[2] == "    the generators are closed under the adjoint in balanced coordinates"


def test_what_is_too_large_is_said_not_raised(capsys):
    lines = explained((V**6)(RubiksCube()), capsys)
    assert lines[0] == "V6 of RubiksCube(): 1 type, size 12,230,590,464"
    assert re.match(r"  V6, size 12,230,590,464: no strategy fits\. .* MiB", lines[1])


def test_generators_that_stretch_too_much(capsys):
    group = Group(discrete_generators=[np.diag([1e4, 1e-4])], name="G")
    lines = explained((V**4)(group), capsys)
    assert lines[1].startswith("  V4, size 16: schur")
    assert any(
        line.startswith("    not lanczos: a discrete generator has norm 1e+16") for line in lines
    )


def test_nothing_is_solved(capsys, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("solved")

    def plan(C, memory_budget):
        found = make_plan(C, memory_budget)
        return replace(found, choices=tuple(replace(c, solve=never) for c in found.choices))

    monkeypatch.setattr(sys.modules["fastemlp.bases.explain"], "make_plan", plan)
    explain((V**8)(SO(3)) + (V**3)(S(4)) + V(SE2))


# -- why_empty ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rep", "sentence"),
    [
        (
            V(O(3)),
            "V has no symmetric vectors under O(3): the Lie algebra of O(3) leaves none. "
            "The lowest tensor order of O(3) with an invariant is V2, which has 1.",
        ),
        (
            (2 * V >> Scalar)(O(4)),
            "2V has no symmetric vectors under O(4): the Lie algebra of O(4) leaves none. "
            "The lowest tensor order of O(4) with an invariant is V2, which has 1.",
        ),
        (
            (V**3)(O(3)),
            "V3 has no symmetric vectors under O(3): no generator of O(3) alone, but all together leave none. "
            "The lowest tensor order of O(3) with an invariant is V2, which has 1.",
        ),
        (
            V(KLEIN),
            "V has no symmetric vectors under K4: no generator of K4 alone, but all together leave none. "
            "The lowest tensor order of K4 with an invariant is V2, which has 2.",
        ),
        (
            (V**3)(Group(discrete_generators=[-np.eye(2)], name="±1")),
            "V3 has no symmetric vectors under ±1: discrete generator 0 of ±1 alone leaves none. "
            "The lowest tensor order of ±1 with an invariant is V2, which has 4.",
        ),
        (
            V(Scaling(2)),
            "V has no symmetric vectors under Scaling(2): Lie algebra generator 0 of Scaling(2) alone leaves none. "
            "The lowest tensor order of Scaling(2) with an invariant is T(1,1), which has 4.",
        ),
        (
            (V**2)(U(2)),
            "V2 has no symmetric vectors under U(2): the Lie algebra of U(2) leaves none. "
            "The lowest tensor order of U(2) with an invariant is T(1,1), which has 1.",
        ),
        (
            V(SE2),
            "V has no symmetric vectors under SE(2): the Lie algebra of SE(2) leaves none. "
            "The lowest tensor order of SE(2) with an invariant is T(0,1), which has 1.",
        ),
        (
            V(SO(3)) * V(S(3)),
            "V(SO(3))*V(S(3)) has no symmetric vectors under SO(3) and S(3): the Lie algebra of the groups leaves "
            "none. The lowest tensor order of SO(3) with an invariant is V2, which has 1. "
            "The lowest tensor order of S(3) with an invariant is V, which has 1.",
        ),
        (0 * V(SO(3)), "0V0 has size 0."),
    ],
    ids=lambda x: str(x)[:20],
)
def test_sentences(rep, sentence):
    assert why_empty(rep) == sentence


@pytest.mark.parametrize(
    "rep", [(V**2)(O(3)), Scalar, V(S(4)), (V + Scalar)(SO(3)), V(Z(3)) * V(S(2)), T(1, 1, GL(2))]
)
def test_reps_that_are_not_empty(rep):
    assert why_empty(rep) == ""


@pytest.mark.parametrize(
    "group", [SO(3), SO(4), SU(2), SL(3), Sp(2), SO13p(), D(5), SU(3)], ids=repr
)
def test_the_lowest_order_is_true(group):
    order = re.search(
        r"with an invariant is (\S+), which has (\d+)\.", why_empty(V(group))
    ).groups()
    powers = {"V2": T(2, 0), "V3": T(3, 0), "T(1,1)": T(1, 1)}
    assert equivariant_basis(powers[order[0]](group)).rank == int(order[1])
    if order[0] == "V3":
        assert equivariant_basis(T(2, 0, group)).rank == 0


def test_groups_without_any_invariant():
    grow = Group([np.diag([1.0, 2.0])], name="grow")
    sentence = why_empty(V(grow))
    assert "Lie algebra generator 0 of grow alone leaves none" in sentence
    assert "with an invariant is T(1,1), which has 2" in sentence
