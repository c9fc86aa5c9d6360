"""Groups read back from their names."""

import pytest

import fastemlp.groups as groups
from fastemlp.groups import (
    GL,
    O11,
    O13,
    SL,
    SO,
    SO13,
    SU,
    A,
    C,
    Cube,
    D,
    DkeR3,
    Embed,
    Group,
    InvertedCube,
    Lorentz,
    O,
    O2eR3,
    Parity,
    RubiksCube,
    S,
    Scaling,
    SemiDirectProduct,
    SO2eR3,
    SO11p,
    SO13p,
    Sp,
    TimeReversal,
    Trivial,
    U,
    WreathProduct,
    Z,
    ZksZnxZn,
    parse_group,
)

CATALOGUE = [
    *(make(n) for make in (Trivial, SO, O, Scaling, Sp, SL, GL, U, SU) for n in (1, 3)),
    *(make(n) for make in (C, D, DkeR3, Z, S, A) for n in (1, 4)),
    *(make() for make in (Parity, TimeReversal, SO13p, SO13, O13, Lorentz, SO11p, O11)),
    *(make() for make in (SO2eR3, O2eR3, Cube, InvertedCube, RubiksCube)),
    ZksZnxZn(4, 2),
    Embed(SO(2), 3, slice(1, 3)),
    Embed(U(2), 5, [4, 1]),
    Embed(O(2) * S(2), 6, slice(1, 5)),
    WreathProduct(SO(3), S(4)),
    SemiDirectProduct(SO(4), S(4)),
    SO(3) * S(4) * C(5),
    WreathProduct(Embed(D(3), 3, [0, 2]), A(3) * Z(2)),
    U(2).realified(),
    (U(1) * SU(2)).realified(),
]


@pytest.mark.parametrize("G", CATALOGUE, ids=repr)
def test_round_trip(G):
    again = parse_group(repr(G))
    assert again == G
    assert repr(again) == repr(G)


def test_every_public_group_is_known():
    names = {repr(G).split("(")[0] for G in CATALOGUE}
    assert names >= set(groups.__all__) - {"Group", "parse_group"}


def test_forms_of_writing():
    assert parse_group("  SO(n=3) * S( 4 )") == SO(3) * S(4)
    assert parse_group("S(2)*(S(3)*Z(2))") == S(2) * S(3) * Z(2)
    assert parse_group("Embed(SO(2), 3, slice(-2, None))") == Embed(SO(2), 3, slice(1, 3))
    assert parse_group("Embed(SO(2), d=3, slice=(0, 1))") == SO2eR3()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SO(",
        "SO",
        "3",
        "so(3)",
        "SO(0)",
        "SO('3')",
        "SO(2.5)",
        "SO(True)",
        "SO(3, 4)",
        "SO(**{})",
        "2*SO(3)",
        "SO(3)+SO(3)",
        "slice(0, 2)",
        "Group(d=3)",
        "__import__('os').getcwd()",
        "SO(3).samples(1)",
        "SO(3).realified(1)",
        "(lambda: SO(3))()",
        "[SO(n) for n in (3,)]",
        "SO(--3) if 1 else 2",
        "S(99999999999999999999999)",
        "SO(3)\x00",
        "(" * 500 + "SO(3)" + ")" * 500,
        "SO(3)*" * 5000 + "SO(3)",
    ],
    ids=lambda text: text[:20],
)
def test_anything_else_is_refused_with_the_known_names(text):
    with pytest.raises(ValueError, match=r"(?s)parse_group: cannot read .*Known names: A, C, Cube"):
        parse_group(text)


def test_the_reason_is_told():
    with pytest.raises(ValueError, match=r"SO: n must be an integer >= 1, got 0"):
        parse_group("SO(0)")
    with pytest.raises(ValueError, match=r"'so' is not the name of a group"):
        parse_group("so(3)")
    with pytest.raises(TypeError, match=r"parse_group: expected a str such as"):
        parse_group(Group(d=1))


@pytest.mark.parametrize("factor", ["O(1)", "Scaling(1)", "SO(1)", "S(1)"])
@pytest.mark.parametrize("n", [2, 3, 200, 900])
def test_many_factors_are_one_product(factor, n):
    group = parse_group("*".join([factor] * n))
    assert group.d == 1
    assert len(group.factors) == n
    one = parse_group(factor)
    expected = one
    for _ in range(min(n, 4) - 1):
        expected = expected * one
    assert n > 4 or group == expected


def test_a_product_too_large_is_refused_before_it_is_made():
    with pytest.raises(ValueError, match=r"product of 200 groups .* dimension about 1e60"):
        parse_group("*".join(["SO(2)"] * 200))
    with pytest.raises(MemoryError, match=r"take .* GiB, more than the 1 GiB allowed\. Let each"):
        S(400) * S(400) * S(400)
