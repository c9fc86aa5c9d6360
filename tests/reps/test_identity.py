"""Equal reps share a cached basis: so they must be equal in every attribute, types included."""

import copy
import itertools
import pickle
from functools import cached_property

import numpy as np
import pytest
import scipy.sparse as sp

from fastemlp import equivariant_basis
from fastemlp.groups import SO, O, S
from fastemlp.reps import Rep, Scalar, V


class K(Rep):
    """Acts by what it holds: the type alone may decide."""

    def __init__(self, held):
        self.held = held

    def rho(self, g):
        return g if type(self.held) is bool else np.eye(len(g))


class Slotted(Rep):
    __slots__ = ("power",)

    def __init__(self, power):
        self.power = power

    def rho(self, g):
        return np.linalg.det(g).reshape(1, 1) ** self.power


#: All different, though many pairs are equal to Python.
VALUES = [
    *(True, 1, 1.0, 1 + 0j, np.int64(1), np.int32(1), np.float32(1), np.float64(1), np.bool_(True)),
    *(False, 0, 0.0, -0.0, 0j, None, "", b"", "1", b"1"),
    *((), [], {}, set(), frozenset(), (1,), [1], (1.0,), (True,), {1}, {1.0}, {True}, ((1,), 2)),
    *({"a": 1}, {"a": 1.0}, {"a": True}, {"a": [1]}, {"b": 1}, {1: "a"}, {True: "a"}),
    *({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    *(np.arange(3), np.arange(3.0), np.arange(3)[None], np.array([1, "x"], object), np.array(1)),
    *(np.array([1.0, "x"], object), sp.csr_array(np.eye(2)), sp.csr_array(2 * np.eye(2))),
    *(
        sp.coo_array(np.eye(2)),
        slice(1),
        slice(2),
        bytearray(b"1"),
        range(3),
        SO(3),
        O(3),
        V,
        Scalar,
    ),
    *({"deep": [{"er": np.arange(2)}]}, {"deep": [{"er": np.arange(2.0)}]}, int, float),
]


@pytest.mark.parametrize("i", range(len(VALUES)))
def test_every_value_is_equal_to_its_copy_and_to_no_other(i):
    one, twin = K(VALUES[i]), K(copy.deepcopy(VALUES[i]))
    assert one == twin
    assert hash(one) == hash(twin)
    assert pickle.loads(pickle.dumps(one))(SO(3)) == twin(SO(3))
    for j, other in enumerate(VALUES):
        if j != i:
            assert one != K(other), (VALUES[i], other)


def test_a_nan_is_equal_to_itself():
    assert K(float("nan")) == K(float("nan"))


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations([True, 1, 1.0], 2)))
def test_equal_numbers_of_other_types_get_their_own_basis(one, other):
    ranks = [equivariant_basis(K(value)(SO(3)), store=False).rank for value in (one, other)]
    assert ranks == [0 if type(value) is bool else 3 for value in (one, other)]


def test_a_rep_may_hold_dicts_sets_and_sparse_matrices():
    rep = K({"weights": {1: [0.5, np.eye(2)]}, "names": {"a"}, "sparse": sp.csr_array(np.eye(2))})
    assert equivariant_basis((rep >> rep)(S(3))).rank == 9


def test_what_cannot_be_compared_is_named():
    class Unhashable:
        __hash__ = None

    with pytest.raises(
        TypeError,
        match=r"K: the attribute 'held' is of type dict and cannot be compared \(unhashable type: 'Unhashable'\), "
        r"so .* Store numbers, strings, arrays, tuples",
    ):
        hash(K({"x": Unhashable()}))


def test_attributes_in_slots_count():
    assert Slotted(1)(O(2)) != Slotted(2)(O(2))
    assert Slotted(1)(O(2)) != Slotted(1)(O(3))
    assert equivariant_basis(Slotted(1)(O(2)), store=False).rank == 0
    assert equivariant_basis(Slotted(2)(O(2)), store=False).rank == 1
    for twin in (pickle.loads(pickle.dumps(Slotted(1)(O(2)))), copy.deepcopy(Slotted(1)(O(2)))):
        assert twin == Slotted(1)(O(2))


def test_what_is_derived_is_no_part_of_the_value():
    class Lazy(Rep):
        @cached_property
        def table(self):
            return np.arange(5)

        def rho(self, g):
            return np.eye(1)

    one, other = Lazy()(O(2)), Lazy()(O(2))
    assert one.table.size == 5
    assert one.size() == 1
    assert one == other
    assert hash(one) == hash(other)


def test_order_does_not_depend_on_addresses():
    def first(g):
        return np.eye(1)

    def second(g):
        return np.eye(1)

    keys = {K(function)._sort_key()[-1] for function in (first, second)}
    assert not any("0x" in key for key in keys)
