"""Programs from programs: what the passes promise, beyond the derivatives of whole layers (test_layers.py)."""

import numpy as np
import pytest

from fastemlp._kernels.tape import Kind
from fastemlp.groups import O, S
from fastemlp.nn import EMLP
from fastemlp.nn.tape import Tape
from fastemlp.nn.tape.passes import needed, reverse, tangent
from fastemlp.reps import Scalar, V


@pytest.fixture(scope="module")
def network():
    return EMLP(2 * V, Scalar, O(3), channels=20, n_layers=2, dtype=np.float64)


def kinds(program):
    return {Kind(operation.kind).name for operation in program}


def test_passes_speak_of_few_kinds(network):
    passes, recorded = network.program, {"ZERO", "ONES", "COPY", "CHANGE", "MIX", "CONTRACT"}
    assert kinds(passes.forward) <= recorded | {"BIAS", "SIGMOID"}
    pulled = recorded | {"MAPS", "SLOPE", "MIX_WEIGHTS", "BIAS_WEIGHTS"}
    assert kinds(passes.reverse) <= pulled
    ahead, back = passes.tangents
    assert kinds(ahead) <= recorded | {"SLOPE"}
    assert "BEND" in kinds(back) <= pulled | {"BEND"}


def test_large_permutation_types_take_no_dense_change_of_coordinates():
    passes = EMLP(V**2, V**2, S(30), channels=20, n_layers=1).program
    for program in (passes.forward, passes.frugal_reverse, *passes.tangents):
        assert "SPARSE" in kinds(program)
        assert "CHANGE" not in kinds(program)


def test_a_pass_leaves_its_program_alone(network):
    forward = network.program.forward
    before = forward.operations.copy()
    reverse(forward)
    tangent(forward, forward.inputs, forward.n_rows)
    np.testing.assert_array_equal(forward.operations, before)
    np.testing.assert_array_equal(needed(forward).operations, before)


def test_rows_are_written_before_they_are_read_and_not_after(network):
    for program, given in ((network.program.forward, 0), (network.program.reverse, None)):
        given = network.program.n_rows if given is None else given
        written, read = {*range(given), *program.inputs.tolist()}, set()
        for operation in program:
            for first, n in operation.reads.values():
                assert written >= set(range(first, first + n))
                read |= set(range(first, first + n))
            first, n = operation.writes
            assert not read & set(range(first, first + n))
            written |= set(range(first, first + n))
        assert written >= set(program.outputs.tolist())


def test_what_stands_still_is_not_computed():
    tape = Tape(np.float64)
    x, one, y = tape.rows(2), tape.rows(1), tape.rows(2)
    tape.feed(x)
    tape.ones(one)
    tape.contract(y, x, one, copies=[0], entry=np.array([[0], [1]]), apart=False, own=True)
    passes = tape.finish(np.arange(y.start, y.start + y.n))
    ahead, _ = passes.tangents
    assert len(ahead.operations) == 1  # along x alone
    still, known = tangent(passes.forward, np.empty(0, int), passes.n_rows)
    assert kinds(still) == {"ZERO"}
    np.testing.assert_array_equal(known, passes.forward.outputs)


def test_weights_that_are_used_twice_have_the_sum_of_both_gradients():
    tape = Tape(np.float64)
    x, y, z = (tape.rows(n) for n in (3, 2, 2))
    tape.feed(x)
    J = np.eye(2)[None, :, :1]
    W = tape.collapse([(J, 3)], 1)  # two rows of three weights
    tape.mix(y, x, 1, composed=W)
    tape.mix(z, x, 1, composed=W)
    passes = tape.finish(np.arange(y.start, z.start + z.n))
    theta, rows = np.arange(1.0, 4), np.full((passes.reverse.n_rows, 5), np.nan)
    weights = passes.weights.of(theta)
    rng = np.random.default_rng(0)
    rows[: x.n] = rng.standard_normal((3, 5))
    passes.forward(weights, rows)
    rows[passes.reverse.inputs] = dy = rng.standard_normal((4, 5))
    found = np.full_like(weights, np.nan)
    passes.reverse(weights, rows, found)
    expected = (dy[:2] + dy[2:]) @ rows[: x.n].T
    np.testing.assert_allclose(found[len(theta) :].reshape(2, 3), expected, rtol=1e-12)


def test_the_gradient_of_weights_may_be_left_out(network):
    passes, rng = network.program, np.random.default_rng(0)
    weights = passes.weights.of(network.init(rng))
    rows = rng.standard_normal((passes.reverse.n_rows, 16))
    passes.forward(weights, rows)
    again = rows.copy()
    passes.reverse(weights, rows, np.empty_like(weights))
    passes.reverse(weights, again)
    np.testing.assert_array_equal(again, rows)


def test_hessians_are_symmetric(network):
    rng = np.random.default_rng(0)
    theta, x = network.init(rng), rng.standard_normal((1, 6))
    one = np.ones((1, 1))
    rows = [network.tangent(theta, x, v[None])[2](one, 0 * one)[1][0] for v in np.eye(6)]
    np.testing.assert_allclose(rows, np.transpose(rows), atol=1e-13 * np.abs(rows).max())


def test_there_is_no_third_derivative_and_no_reverse_of_a_reverse(network):
    with pytest.raises(ValueError, match=r"reverse: \w+ has no reverse, only what a Tape records"):
        reverse(network.program.reverse)
    _, back = network.program.tangents
    with pytest.raises(ValueError, match=r"BEND has no tangent\. There is no third derivative"):
        tangent(back, np.arange(back.n_rows), back.n_rows)
