"""Hidden features of an exact size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastemlp.groups import SL, SO, SU, O, RubiksCube, S, Scaling, SO13p, Sp, Trivial, U, Z
from fastemlp.reps import Scalar, T, V, slots, terms, uniform_rep

GROUPS = [
    *(SO(3), SO(2), O(5), SL(2), SO13p(), Sp(2), U(2), SU(3), S(4), Z(8), RubiksCube()),
    *(SO(1), O(1), S(1), Z(1), SL(1), U(1), SU(1), Scaling(1), Trivial(1)),
]


def test_the_example_of_the_paper():
    rep = uniform_rep(256, SO(3))
    assert rep == (70 * Scalar + 23 * V + 7 * V**2 + 2 * V**3)(SO(3))
    assert str(rep) == "70V0+23V+7V2+2V3"


@pytest.mark.parametrize("group", GROUPS, ids=repr)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(channels=st.integers(1, 1500))
def test_size_is_exact(group, channels):
    rep = uniform_rep(channels, group)
    assert rep.size() == channels
    assert rep.is_bound
    assert set(rep.groups) <= {group}
    assert rep == uniform_rep(np.int64(channels), group)


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_no_rank_is_starved(group):
    rep = uniform_rep(384, group)
    channels = {}
    for term, n in terms(rep):
        rank = len(slots(term))
        channels[rank] = channels.get(rank, 0) + n * term.size()
    assert sorted(channels) == list(range(len(channels)))
    # within one object of the highest rank, all ranks get the same, up to the last rounds
    highest = max(channels)
    assert channels[highest] >= group.d**highest
    assert min(channels.values()) >= 384 / (4 * len(channels))


@pytest.mark.parametrize("group", [SL(2), SO13p(), Sp(1), U(2), SU(3)], ids=repr)
def test_other_groups_share_each_rank_over_p_and_q(group):
    counts = dict(terms(uniform_rep(2000, group)))
    for p, q in ((1, 0), (2, 0), (2, 1)):
        one, other = counts.get(T(p, q, group), 0), counts.get(T(q, p, group), 0)
        assert abs(one - other) <= 1
    assert counts[T(1, 1, group)] >= counts[T(2, 0, group)]
    if group.d == 2:
        # binomial: 1 : 2 : 1
        n = sum(counts[T(p, 2 - p, group)] for p in range(3))
        assert abs(counts[T(1, 1, group)] - n / 2) <= 1


def test_orthogonal_groups_have_one_type_per_rank():
    for group in (SO(3), S(4)):
        ranks = [len(slots(term)) for term, _ in terms(uniform_rep(500, group))]
        assert len(set(ranks)) == len(ranks)


def test_fewer_channels_than_a_vector_are_scalars():
    assert uniform_rep(4, RubiksCube()) == 4 * Scalar
    assert uniform_rep(1, SO(3)) == Scalar


@pytest.mark.parametrize("wrong", [0, -3, 2.0, "256", None, True], ids=repr)
def test_bad_channels_are_refused(wrong):
    with pytest.raises(ValueError, match=r"uniform_rep: channels must be an int ≥ 1, got "):
        uniform_rep(wrong, SO(3))


def test_bad_group_is_refused():
    with pytest.raises(TypeError, match=r"uniform_rep: expected a Group, got 'SO\(3\)'"):
        uniform_rep(10, "SO(3)")


@pytest.mark.parametrize(
    "groups",
    [(S(6), O(3)), (SO13p(), S(3)), (O(1), O(1)), (O(1), Trivial(1)), (SL(2), SO(3), Z(2))],
    ids=repr,
)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(channels=st.integers(1, 1500))
def test_several_groups_share_the_channels_over_their_products(groups, channels):
    rep = uniform_rep(channels, *groups)
    assert rep.size() == channels
    assert rep == uniform_rep(channels, *groups, groups[0])
    counts = dict(terms(rep.canonical()[0]))
    # every type that is smaller than the largest is there, with about as many channels at least
    largest = max(term.size() for term in counts)
    for group in set(groups):
        for one in (V(group), V(group).T):
            assert one.size() >= largest or one in counts
    shares = [n * term.size() for term, n in counts.items()]
    assert len(shares) * largest <= channels
    assert min(shares) > channels / len(shares) / 2 - largest


def test_several_groups_have_mixed_types():
    assert str(uniform_rep(100, S(6), O(3))) == "25V0+7V(O(3))+3V(S(6))+2V2(O(3))+V(S(6))*V(O(3))"
