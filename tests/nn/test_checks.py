"""The network's door: arrays that the kernels cannot take are refused, and nothing is read or written beyond them."""

import numpy as np
import pytest

from fastemlp.groups import SO, O, S
from fastemlp.nn import EMLP, MLP, Workspace
from fastemlp.reps import Scalar, V

N = 6
NETWORKS = [
    EMLP(2 * V + Scalar, V + Scalar, SO(3), channels=12, n_layers=2, dtype=np.float64),
    EMLP(2 * V, Scalar, O(3), channels=10, n_layers=1),
    EMLP(V, V, S(4), channels=10, n_layers=1),
    MLP(3, 2, channels=8, n_layers=2),
]
WRONG_SAMPLES = {
    "narrow": lambda x: x[:, :-1],
    "wide": lambda x: np.hstack([x, x]),
    "no columns": lambda x: x[:, :0],
    "transposed": lambda x: np.ascontiguousarray(np.hstack([x, x]).T),
    "flat": lambda x: x.ravel(),
    "deep": lambda x: x[None],
    "other float": lambda x: x.astype({"f": "f8", "d": "f4"}[x.dtype.char]),
    "half": lambda x: x.astype(np.float16),
    "int": lambda x: x.astype(int),
    "complex": lambda x: x + 0j,
    "object": lambda x: x.astype(object),
    "swapped bytes": lambda x: x.astype(x.dtype.newbyteorder()),
    "list": lambda x: x.tolist(),
    "none": lambda x: None,
    "number": lambda x: 1.0,
}
WRONG_VECTORS = {
    "short": lambda w: w[:-1],
    "long": lambda w: np.append(w, w[:1]),
    "empty": lambda w: w[:0],
    "matrix": lambda w: w[None],
    **{k: WRONG_SAMPLES[k] for k in ("other float", "int", "complex", "swapped bytes", "list")},
}
#: Two dimensions that are whole numbers of rows, but not those of x.
WRONG_BATCHES = {
    "fewer": lambda x: x[:-1],
    "more": lambda x: np.vstack([x, x]),
    "many more": lambda x: np.vstack([x] * 500),
    "none left": lambda x: x[:0],
    **WRONG_SAMPLES,
}
#: Arrays that hold the same values.
SAME = {
    "columns first": np.asfortranarray,
    "every other": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "backwards": lambda x: x[..., ::-1].copy()[..., ::-1],
    "read-only": lambda x: _read_only(x.copy()),
    "unaligned": lambda x: _unaligned(x),
}


def _read_only(x):
    x.flags.writeable = False
    return x


def _unaligned(x):
    memory = np.empty(x.nbytes + 1, np.uint8)[1:]
    found = memory.view(x.dtype).reshape(x.shape)
    found[...] = x
    return found


def at(network):
    rng = np.random.default_rng(0)
    x, x_dot = rng.standard_normal((2, N, network.rep_in.size())).astype(network.dtype)
    dy, dy_dot = rng.standard_normal((2, N, network.rep_out.size())).astype(network.dtype)
    return network.init(rng), x, x_dot, dy, dy_dot


def entries(network):
    """Every public way in: (name of what is passed, kinds of wrong ones, a right one, what takes it)."""
    theta, x, x_dot, dy, dy_dot = at(network)
    weights = network.program.weights.of(theta)
    workspace = Workspace(network, N)
    workspace.forward(weights, x)
    out = np.empty_like(dy)
    room = np.empty_like(weights)
    tangent = network.tangent(theta, x, x_dot)[2]
    yield "x", WRONG_SAMPLES, x, lambda a: network(theta, a)
    yield "one x", WRONG_SAMPLES, x[:1], lambda a: network(theta, a)
    yield "x", WRONG_SAMPLES, x, lambda a: network.forward(theta, a)
    yield "x", WRONG_SAMPLES, x, lambda a: network.tangent(theta, a, x_dot)
    yield "x_dot", WRONG_BATCHES, x_dot, lambda a: network.tangent(theta, x, a)
    yield "theta", WRONG_VECTORS, theta, lambda a: network(a, x)
    yield "theta", WRONG_VECTORS, theta, lambda a: network.forward(a, x)
    yield "theta", WRONG_VECTORS, theta, lambda a: network.tangent(a, x, x_dot)
    yield "weights", WRONG_VECTORS, weights, lambda a: network(theta, x, a)
    yield "dy", WRONG_BATCHES, dy, lambda a: network.forward(theta, x)[1](a)
    yield "dy", WRONG_BATCHES, dy, lambda a: tangent(a, dy_dot)
    yield "dy_dot", WRONG_BATCHES, dy_dot, lambda a: tangent(dy, a)
    yield "x", WRONG_SAMPLES, x, lambda a: workspace.forward(weights, a)
    yield "weights", WRONG_VECTORS, weights, lambda a: workspace.forward(a, x)
    yield "dy", WRONG_BATCHES, dy, lambda a: workspace.backward(weights, a, room)
    yield "out", WRONG_BATCHES, out, lambda a: workspace.forward(weights, x, a)
    yield "dweights", WRONG_VECTORS, room, lambda a: workspace.backward(weights, dy, a)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: f"{n.rep_in}->{n.rep_out}")
def test_what_does_not_fit_is_refused_at_every_entry(network):
    n_cases = 0
    for name, kinds, right, call in entries(network):
        call(right)
        for kind, spoil in kinds.items():
            wrong = spoil(right)
            if wrong is None and name in ("out", "weights"):
                continue  # means: make your own
            if kind == "transposed" and wrong.shape[1] == right.shape[1]:
                continue
            pattern = "must be (an ndarray of|float|of shape)"
            with pytest.raises((TypeError, ValueError), match=pattern) as caught:
                call(wrong)
            assert name.split()[-1] in str(caught.value), (name, kind)
            n_cases += 1
    assert n_cases >= 200


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: f"{n.rep_in}->{n.rep_out}")
@pytest.mark.parametrize("kind", SAME)
def test_the_same_values_in_any_memory_give_the_same_result(network, kind):
    arrays = at(network)

    def results(theta, x, x_dot, dy, dy_dot):
        y, backward = network.forward(theta, x)
        *both, tangent_backward = network.tangent(theta, x, x_dot)
        yield from (network(theta, x), network(theta, x[:1]), y, *both)
        yield from (*backward(dy), *tangent_backward(dy, dy_dot))

    moved = results(*(SAME[kind](a) for a in arrays))
    for found, expected in zip(moved, results(*arrays), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: f"{n.rep_in}->{n.rep_out}")
def test_no_samples_are_no_outputs_and_no_gradient(network):
    theta, x, _, dy, _ = at(network)
    x, dy = x[:0], dy[:0]
    assert network(theta, x).shape == dy.shape
    y, backward = network.forward(theta, x)
    *both, tangent_backward = network.tangent(theta, x, x)
    assert y.shape == both[0].shape == both[1].shape == dy.shape
    for dx, dtheta in (backward(dy), tangent_backward(dy, dy)[::2]):
        assert dx.shape == x.shape
        assert dtheta.shape == theta.shape
        assert not dtheta.any()


def test_what_is_written_to_must_be_right_as_it_is():
    network = NETWORKS[0]
    theta, x, _, dy, _ = at(network)
    weights = network.program.weights.of(theta)
    workspace = Workspace(network, N)
    for spoil in SAME.values():
        out, room = spoil(np.empty_like(dy)), spoil(np.empty_like(weights))
        if not (out.flags.c_contiguous and out.flags.writeable):
            with pytest.raises(ValueError, match=r"out is written to and must be C-contiguous"):
                workspace.forward(weights, x, out)
        if not (room.flags.c_contiguous and room.flags.writeable):
            with pytest.raises(ValueError, match=r"dweights is written to and must be C-contig"):
                workspace.backward(weights, dy, room)
    with pytest.raises(
        ValueError, match=r"made for 16 samples at most, got 17.*Workspace\(network"
    ):
        workspace.forward(weights, np.zeros((17, x.shape[1])))
    with pytest.raises(ValueError, match=r"gradients=None.*Make a Workspace"):
        Workspace(network, N, None).backward(weights, dy, np.empty_like(weights))


def test_a_program_refuses_rows_that_are_not_its_own():
    network = NETWORKS[0]
    theta = network.init(np.random.default_rng(0))
    program = network.program
    weights = program.weights.of(theta)

    def rows(n, width=16, dtype=np.float64):
        return np.zeros((n, width), dtype)

    room = np.empty_like(weights)
    for some in (program.forward, program.reverse, *program.tangents):
        n = some.n_rows
        for wrong in (rows(n - 1), rows(n, dtype=np.float32), rows(n).T, [[0.0]], rows(n)[0]):
            with pytest.raises((TypeError, ValueError), match="must be"):
                some(weights, wrong, room)
        with pytest.raises(ValueError, match="dweights must be of shape"):
            some(weights, rows(n), np.empty(3))
    with pytest.raises(ValueError, match="dweights must be of shape"):
        program.weights.gradient(weights, np.empty(3))
