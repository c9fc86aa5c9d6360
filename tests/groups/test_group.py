"""The Group value: what it accepts, refuses, promises and derives."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse.linalg import aslinearoperator

from fastemlp.groups import (
    O13,
    SL,
    SO,
    SU,
    C,
    Embed,
    Group,
    O,
    Parity,
    RubiksCube,
    S,
    SO13p,
    Sp,
    Trivial,
    U,
    Z,
)

ROTATION = np.array([[0.0, -1.0], [1.0, 0.0]])
SHEAR = np.array([[1.0, 2.0], [0.0, 1.0]])


class OnlyMatvec:
    shape = (2, 2)

    def matvec(self, v):
        return ROTATION @ v


@pytest.mark.parametrize(
    "generators",
    [
        ROTATION[None],
        [ROTATION],
        (ROTATION.astype(np.float32),),
        [[[0, -1], [1, 0]]],
        iter([ROTATION]),
        [sp.csr_array(ROTATION)],
        [sp.coo_matrix(ROTATION)],
        [aslinearoperator(ROTATION)],
        [OnlyMatvec()],
        [sp.coo_array(([-2, 1, 1, 0], ([0, 0, 1, 1], [1, 1, 0, 1])), shape=(2, 2))],
        np.negative([[[0.0, 1.0], [-1.0, -0.0]]]),
    ],
    ids=lambda g: type(g).__name__,
)
def test_every_kind_of_generator_gives_the_same_group(generators):
    G = Group(lie_algebra=generators)
    assert Group(lie_algebra=[ROTATION]) == G
    assert G.d == 2
    assert G.dtype == np.float64
    (A,) = G.sparse_lie_algebra
    assert isinstance(A, sp.csr_array)
    assert A.nnz == 2
    np.testing.assert_array_equal(G.lie_algebra, ROTATION[None])
    assert Group(discrete_generators=[ROTATION]) != G


def test_one_complex_generator_makes_a_complex_group():
    G = Group(lie_algebra=[ROTATION], discrete_generators=[np.eye(2, dtype=np.complex64)])
    assert G.is_complex
    assert G.dtype == G.lie_algebra.dtype == G.discrete_generators.dtype == np.complex128
    assert Group(np.zeros((0, 3, 3), complex)).is_complex
    assert Group(np.zeros((0, 3, 3))).d == 3


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, r"dimension is unknown.*Pass d="),
        ({"d": 0}, ValueError, r"d must be an integer >= 1, got 0"),
        ({"d": 2.0}, TypeError, r"d must be an integer >= 1, got 2\.0"),
        ({"d": True}, TypeError, r"d must be an integer"),
        ({"d": 2, "name": 3}, TypeError, r"name must be a str or None, got 3"),
        ({"d": 3, "lie_algebra": [ROTATION]}, ValueError, r"d says 3, lie_algebra says 2"),
        (
            {"lie_algebra": [ROTATION], "discrete_generators": [np.eye(3)]},
            ValueError,
            r"lie_algebra says 2, discrete_generators says 3",
        ),
        (
            {"lie_algebra": ROTATION},
            ValueError,
            r"one matrix of shape \(2, 2\). Pass \[m",
        ),
        ({"lie_algebra": sp.csr_array(ROTATION)}, ValueError, r"Pass \[matrix\]"),
        ({"lie_algebra": aslinearoperator(ROTATION)}, ValueError, r"Pass \[matrix\]"),
        ({"lie_algebra": 3}, TypeError, r"lie_algebra must be a sequence"),
        (
            {"lie_algebra": [np.eye(2), np.eye(3)]},
            ValueError,
            r"algebra\[1\] has shape \(3, 3\)",
        ),
        ({"lie_algebra": [np.eye(2), np.ones((2, 3))]}, ValueError, r"\[1\].*square.*\(2, 3\)"),
        ({"lie_algebra": [[1.0, 2.0]]}, ValueError, r"\[0\].*square.*got shape \(2,\)"),
        ({"lie_algebra": [[[1.0, 2.0], [1.0]]]}, ValueError, r"\[0\].*different lengths"),
        ({"lie_algebra": [np.full((2, 2), np.nan)]}, ValueError, r"\[0\] holds NaN or infinite"),
        ({"lie_algebra": [sp.eye(2) * np.inf]}, ValueError, r"\[0\] holds NaN or infinite"),
        ({"lie_algebra": [np.eye(2, dtype=object)]}, TypeError, r"\[0\].*got dtype object"),
        ({"lie_algebra": [[["a", "b"], ["c", "d"]]]}, TypeError, r"\[0\].*got dtype <U1"),
        ({"lie_algebra": [np.zeros((0, 0))]}, ValueError, r"d must be an integer >= 1, got 0"),
        ({"discrete_generators": [np.eye(2), np.ones((2, 2))]}, ValueError, r"\[1\].*invertible"),
        (
            {"discrete_generators": [np.diag([1.0, 0.0])]},
            ValueError,
            r"\[0\].*did you mean lie",
        ),
    ],
)
def test_bad_generators_are_named_with_what_came(arguments, error, message):
    with pytest.raises(error, match=r"Group: .*" + message):
        Group(**arguments)


def test_badly_scaled_but_invertible_generator_is_accepted():
    assert Group(discrete_generators=[np.diag([1e-9, 1.0])]).d == 2


def test_immutable():
    G = O(3)
    for attribute in ("d", "name", "digest", "anything"):
        with pytest.raises(AttributeError, match=f"Group.{attribute} cannot be set"):
            setattr(G, attribute, 1)
    with pytest.raises(AttributeError, match="cannot be deleted"):
        del G.d
    with pytest.raises(ValueError, match="read-only"):
        G.lie_algebra[0, 0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        G.sparse_discrete_generators[0].data[0] = 1.0


def test_generators_are_copied():
    h = np.eye(2)
    G = Group(discrete_generators=[h])
    h[0, 0] = 5.0
    assert Group(discrete_generators=[np.eye(2)]) == G
    data = sp.csr_array(ROTATION)
    G = Group([data])
    data.data[:] = 7.0
    assert Group([ROTATION]) == G


@pytest.mark.parametrize("G", [Trivial(2), O13(), SU(1), SU(2), Z(7), RubiksCube()], ids=repr)
def test_pickle_and_copies_keep_the_value(G):
    G.samples(1, 0)  # fills the caches
    for other in (pickle.loads(pickle.dumps(G)), copy.deepcopy(G), copy.copy(G)):
        assert other == G
        assert hash(other) == hash(G)
        assert repr(other) == repr(G)
        assert other.dtype == G.dtype
        assert all(not m.data.flags.writeable for m in other.sparse_discrete_generators)
        np.testing.assert_array_equal(other.samples(2, 3), G.samples(2, 3))


def test_digest_is_the_same_in_every_process():
    code = "from fastemlp.groups import O13; print(O13().digest, hash(O13()))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == [O13().digest, str(hash(O13()))]


def test_groups_compare_by_generators_never_by_repr():
    one, two = Embed(SO(2), 3, slice(0, 2)), Embed(SO(2), 3, slice(1, 3))
    assert one != two
    assert len({one, two}) == 2
    assert Group(one.lie_algebra, name="G") != Group(two.lie_algebra, name="G")
    assert Group(one.lie_algebra, name="this") == Group(one.lie_algebra, name="that")
    assert Group(one.lie_algebra) != Group(one.lie_algebra.astype(complex))
    assert Trivial(2) != Trivial(3)
    assert SO(3) != "SO(3)"


@given(arrays(np.float64, (2, 3, 3), elements=st.floats(-4, 4, width=16)))
def test_equality_follows_the_numbers(generators):
    G = Group(lie_algebra=generators)
    assert Group(lie_algebra=[sp.csc_array(A) for A in generators]) == G
    changed = generators.copy()
    changed[1, 2, 0] += 0.5
    assert Group(lie_algebra=changed) != G
    assert (Group(lie_algebra=generators[::-1]) == G) == np.array_equal(*generators)


def test_repr():
    assert repr(SO(3)) == "SO(3)"
    assert repr(Group([ROTATION], [ROTATION])) == "Group(d=2, lie_algebra=1, discrete_generators=1)"
    assert repr(SO(3) * S(4)) == "SO(3)*S(4)"
    assert (SO(3) * Group(d=2)).name is None


@pytest.mark.parametrize(
    ("G", "flags"),
    [
        # orthogonal, unitary, monomial, permutation
        (Trivial(3), (True, True, True, True)),
        (S(4), (True, True, True, True)),
        (Parity(), (True, True, True, False)),
        (C(4), (True, True, True, False)),
        (C(5), (True, True, False, False)),
        (O(3), (True, True, False, False)),
        (SO13p(), (False, False, False, False)),
        (SL(3), (False, False, False, False)),
        (Sp(2), (False, False, False, False)),
        (U(2), (False, True, False, False)),
        (Group([1j * ROTATION]), (True, False, False, False)),
        (Group([1e6 * ROTATION]), (True, True, False, False)),
        (Group([1e-9 * ROTATION]), (True, True, False, False)),
        (Group(1e-9 * SL(2).lie_algebra), (False, False, False, False)),
        (Group([np.zeros((2, 2))], [-np.eye(2)]), (True, True, True, False)),
        (Group(discrete_generators=[SHEAR]), (False, False, False, False)),
        (Group(discrete_generators=[np.diag([2.0, 1.0])]), (False, False, False, False)),
    ],
    ids=lambda value: repr(value),
)
def test_flags(G, flags):
    assert (G.is_orthogonal, G.is_unitary, G.is_monomial, G.is_permutation) == flags


def test_order_refuses_what_it_cannot_count(monkeypatch):
    assert Trivial(5).order() == 1
    assert SO(1).order() == 1
    assert Parity().order() == 2
    for G in (SO(2), C(3)):
        with pytest.raises(ValueError, match=r"not generated by \(signed\) permutation matrices"):
            G.order()
    monkeypatch.setitem(sys.modules, "sympy.combinatorics", None)
    with pytest.raises(ImportError, match="pip install sympy"):
        S(3).order()


def test_direct_product_acts_on_the_kronecker_space():
    G = O(2) * S(3)
    assert G.d == 6
    (A,) = G.lie_algebra
    np.testing.assert_array_equal(A, np.kron(O(2).lie_algebra[0], np.eye(3)))
    assert len(G.discrete_generators) == 3
    np.testing.assert_array_equal(
        G.discrete_generators[2], np.kron(np.eye(2), S(3).discrete_generators[1])
    )
    assert (S(2) * S(3)).order() == 12
    assert (S(2) * Z(3)) * C(5) == S(2) * (Z(3) * C(5))
    assert (SU(1) * Trivial(2)).is_complex
    with pytest.raises(TypeError, match="unsupported operand"):
        G * 3


@pytest.mark.parametrize("G", [U(2), SU(3), SU(1), U(2) * SU(2)], ids=repr)
def test_realified_is_the_same_group(G):
    R = G.realified()
    assert R.d == 2 * G.d
    assert not R.is_complex
    assert R.is_orthogonal == G.is_unitary
    assert R.realified() is R
    x, y = np.random.default_rng(0).standard_normal((2, G.d))
    for A, B in zip(G.lie_algebra, R.lie_algebra, strict=True):
        z = A @ (x + 1j * y)
        np.testing.assert_allclose(B @ np.r_[x, y], np.r_[z.real, z.imag])
