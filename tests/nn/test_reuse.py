"""Rows that are used again: never two owners, and the same results."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastemlp.groups import O, S, SO13p
from fastemlp.nn import EMLP, Workspace
from fastemlp.nn.tape.reuse import _Space
from fastemlp.reps import Scalar, V


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), max_size=40))
def test_no_row_has_two_owners(requests):
    space, held, owned, peak = _Space(), [], set(), 0
    for n, returned in requests:
        first = space.take(n)
        rows = set(range(first, first + n))
        assert not rows & owned
        owned |= rows
        assert max(owned) < space.size
        held.append((first, n))
        peak = max(peak, len(owned))
        if returned < len(held):
            first, n = held.pop(returned)
            space.give(first, n)
            owned -= set(range(first, first + n))
    assert peak <= space.size
    for first, n in held:
        space.give(first, n)
    size = space.size
    # all of it is one piece again
    assert size == 0 or (space.take(size) == 0 and space.size == size)


@pytest.mark.parametrize("group", [O(3), SO13p(), S(4)], ids=repr)
def test_results_are_the_same_in_fewer_rows(group):
    network = EMLP(2 * V + Scalar, V + Scalar, group, channels=100, n_layers=4, dtype=np.float64)
    rng = np.random.default_rng(0)
    theta, x = network.init(rng), rng.standard_normal((3, network.rep_in.size()))
    y, _ = network.forward(theta, x)
    np.testing.assert_array_equal(network(theta, x), y)
    assert network.program.result.n_rows < network.program.n_rows / 3


@pytest.mark.parametrize("group", [O(3), SO13p(), S(4)], ids=repr)
def test_gradients_are_the_same_in_fewer_rows(group):
    network = EMLP(2 * V + Scalar, V + Scalar, group, channels=100, n_layers=4, dtype=np.float64)
    rng = np.random.default_rng(0)
    weights = network.program.weights.of(network.init(rng))
    x, dy = (rng.standard_normal((3, rep.size())) for rep in (network.rep_in, network.rep_out))
    found = []
    for wanted in ("frugal", "all"):
        workspace = Workspace(network, 3, wanted)
        workspace.rows[:] = np.nan
        workspace.forward(weights, x)
        dweights = np.full_like(weights, np.nan)
        workspace.backward(weights, dy, dweights)
        found.append((workspace.input_gradient(), dweights))
    for frugal, full in zip(*found, strict=True):
        assert np.isfinite(frugal).all()
        np.testing.assert_array_equal(frugal, full)
    assert network.program.frugal_reverse.n_rows < network.program.n_rows * 1.5
