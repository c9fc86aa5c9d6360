"""str(rep) and parse_rep: there and back."""

import oracles
import pytest
from hypothesis import HealthCheck, given, settings

from fastemlp.groups import SL, SO, SU, Embed, O, S, SO13p, U, WreathProduct, Z
from fastemlp.reps import Scalar, T, V, parse_rep

fast = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@fast
@given(tree=oracles.trees([2]))
def test_unbound_reps_are_read_back(tree):
    rep = oracles.build(tree)
    assert parse_rep(str(rep)) == rep
    assert repr(rep) == str(rep)


@pytest.mark.parametrize("group", [SO(2), SL(2), U(2), SU(2)], ids=repr)
@fast
@given(tree=oracles.trees([2]))
def test_reps_of_one_group_are_read_back(group, tree):
    rep = oracles.build(tree)(group)
    assert parse_rep(str(rep), group) == rep


@pytest.mark.parametrize(
    "groups",
    [
        (SO(3), SL(2)),
        (Z(2), SO(3) * S(4)),
        (U(2), Embed(SO(2), 3, slice(1, 3))),
        (WreathProduct(O(2), S(2)), U(2).realified()),
    ],
    ids=str,
)
@fast
@given(tree=oracles.trees([2, 3]))
def test_reps_of_two_groups_are_read_back(groups, tree):
    rep = oracles.build(tree, [V(G) for G in groups])
    # with one group left, its name is not shown
    rest = rep.groups[0] if len(rep.groups) == 1 else None
    assert parse_rep(str(rep), rest) == rep


@pytest.mark.parametrize(
    ("rep", "text"),
    [
        (2 * V + 5 * Scalar, "2V+5V0"),
        (Scalar, "V0"),
        (V**3, "V3"),
        (V.T, "T(0,1)"),
        (3 * T(1, 2), "3T(1,2)"),
        (V.T * V, "V.T*V"),
        (2 * (V + Scalar), "2(V+V0)"),
        (2 * V >> V, "V*(2T(0,1))"),
        ((2 * V >> V)(O(3)), "V*(2V)"),
        (0 * V, "0V0"),
        (V.conj() * V, "V.conj()*V"),
        (V(Z(3)) ** 2 * V(SL(2)).T + Scalar, "V2(Z(3))*V(SL(2)).T+V0"),
    ],
)
def test_what_reps_look_like(rep, text):
    assert str(rep) == text


@pytest.mark.parametrize(
    ("text", "rep"),
    [
        ("2V+5V0", 2 * V + 5 * Scalar),
        (" 2 V + 5 V0 ", 2 * V + 5 * Scalar),
        ("2*V+5*Scalar", 2 * V + 5 * Scalar),
        ("5Scalar", 5 * Scalar),
        ("V²+3V¹⁰", V**2 + 3 * V**10),
        ("V^2", V**2),
        ("V**2", V**2),
        ("2V^2", 2 * V**2),
        ("T(2)", V**2),
        ("T(1,2)", T(1, 2)),
        ("2T(1, 2)*V.T", 2 * T(1, 2) * V.T),
        ("3(V+V0)", 3 * (V + Scalar)),
        ("(V+V0)*2", 2 * (V + Scalar)),
        ("V>>V2", V >> V**2),
        ("V2(SO(3))*V(S(4))", V(SO(3)) ** 2 * V(S(4))),
        ("(V+V2)(SO13p())", (V + V**2)(SO13p())),
        ("0V", 0 * V),
    ],
)
def test_what_can_be_written(text, rep):
    assert parse_rep(text) == rep


def test_group_argument_binds():
    assert parse_rep("2V+V0", SL(2)) == (2 * V + Scalar)(SL(2))
    assert parse_rep("V(Z(3))*V", S(4)) == V(Z(3)) * V(S(4))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "V+3",
        "W",
        "V-V",
        "V/V",
        "-V",
        "2.5V",
        "V**-1",
        "V+",
        "(V",
        "V[0]",
        "V.real",
        "(3).T",
        "T(1,2,3)",
        "T(1,q=2)",
        "T(V)",
        "V(Foo(3))",
        "V(SO(3), d=3)",
        "V(3)",
        "__import__('os')",
        "True*V",
        "V >> 3",
        "V\0",
        "(" * 500 + "V" + ")" * 500,
    ],
)
def test_what_is_not_a_rep_is_refused(text):
    with pytest.raises(ValueError, match=r"parse_rep: .*Write sums and products of V"):
        parse_rep(text)


def test_only_text_is_parsed():
    with pytest.raises(TypeError, match="parse_rep: expected a str, got 3"):
        parse_rep(3)
