"""The operations of a tape against einsum, and what a tape refuses."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from fastemlp._kernels.tape import INSTRUCTIONS, use_instructions
from fastemlp.nn.tape import Tape

AVAILABLE = [name for name in INSTRUCTIONS if use_instructions(name)]  # the best one last
SIZES = [(1, 1, 1, 1), (2, 3, 4, 5), (5, 5, 3, 2), (3, 2, 2, 9), (4, 1, 6, 13), (1, 4, 3, 8)]


@pytest.fixture(params=AVAILABLE)
def instructions(request):
    """Every instruction set that this processor knows, one after the other."""
    use_instructions(request.param)
    yield request.param
    use_instructions(AVAILABLE[-1])


def given(tape, n):
    """Rows that are filled from outside."""
    x = tape.rows(n)
    tape.feed(x)
    return x


def finish(tape, out):
    return tape.finish(np.arange(out.start, out.start + out.n))


def run(tape, x, out, shape, theta, dout):
    """Values of the result, its gradients in x and theta; x fills the first rows."""
    program = finish(tape, out)
    rows = np.full((program.reverse.n_rows, x.shape[1]), np.nan, x.dtype)
    dtheta = np.full_like(theta, np.nan)
    rows[: len(x)] = x
    program.forward(theta, rows)
    rows[program.reverse.inputs] = dout.reshape(-1, x.shape[1])
    program.reverse(theta, rows, dtheta)
    return rows[program.forward.outputs].reshape(shape), rows[program.reverse.outputs], dtheta


@pytest.mark.usefixtures("instructions")
@pytest.mark.parametrize("batch", [1, 7, 16, 33, 130])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(("own", "apart"), [(False, True), (True, False), (True, True)])
@pytest.mark.parametrize("added", [False, True])
def test_contract_is_its_oracle_and_backward_its_adjoint(own, apart, sizes, dtype, batch, added):
    Q, P, A, J = sizes
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.standard_normal(shape).astype(dtype)  # noqa: E731
    # a transposed map: its entries are a permutation of the actor's components; one copy more than act
    entry, copies = rng.permutation(Q * P).reshape(Q, P), rng.permutation(A + 1)[:A]
    maps, v = draw(A + 1, Q * P, batch), draw(A if own else 1, J, P, batch)
    shape = (A if apart else 1, J, Q, batch)
    dout, before = draw(*shape), draw(*shape)
    x = np.concatenate([a.reshape(-1, batch) for a in (maps, v, before)])
    tape = Tape(dtype)
    sizes = [a.size // batch for a in (maps, v, before)]
    some, vectors, held = given(tape, len(x)).split(sizes)
    out = tape.rows(held.n)
    if added:
        tape.copy(out, held)
    tape.contract(out, some, vectors, copies=copies, entry=entry, apart=apart, own=own)
    found, dx, _ = run(tape, x, out, shape, np.empty(0, dtype), dout)
    wide_v = np.broadcast_to(v, (A, J, P, batch))
    wide_dout = np.broadcast_to(dout, (A, J, Q, batch))
    M = maps[copies][:, entry]
    expected = np.einsum("aqpb,ajpb->ajqb", M, wide_v)
    expected = expected if apart else expected.sum(0, keepdims=True)
    tolerance = {"rtol": 0, "atol": 400 * np.finfo(dtype).eps}
    np.testing.assert_allclose(found, expected + added * before, **tolerance)
    dmaps = np.zeros_like(maps)
    dmaps[copies[:, None, None], entry] = np.einsum("ajqb,ajpb->aqpb", wide_dout, wide_v)
    dv = np.einsum("aqpb,ajqb->ajpb", M, wide_dout)
    dv = dv if own else dv.sum(0, keepdims=True)
    parts = np.split(dx, np.cumsum(sizes)[:2])
    np.testing.assert_allclose(parts[0].reshape(maps.shape), dmaps, **tolerance)
    np.testing.assert_allclose(parts[1].reshape(v.shape), dv, **tolerance)
    np.testing.assert_array_equal(parts[2].reshape(shape), added * dout)


@pytest.mark.usefixtures("instructions")
@pytest.mark.parametrize("batch", [1, 3, 16, 45, 300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("m", "k", "d"), [(1, 1, 1), (5, 17, 1), (27, 2, 3), (40, 301, 2), (170, 130, 1), (3, 0, 2)]
)
@pytest.mark.parametrize("added", [False, True])
def test_mix_is_its_oracle_and_backward_its_adjoint(m, k, d, dtype, batch, added):
    rng = np.random.default_rng(0)
    x, before, dout = (rng.standard_normal((n * d, batch)).astype(dtype) for n in (k, m, m))
    tape = Tape(dtype)
    mixed, held = given(tape, (k + m) * d).split([k * d, m * d])
    out = tape.rows(m * d)
    if added:
        tape.copy(out, held)
    tape.mix(out, mixed, d, alpha=0.5)
    W = rng.standard_normal((m, k)).astype(dtype)
    found, dx, dW = run(tape, np.concatenate([x, before]), out, dout.shape, W.ravel(), dout)
    tolerance = {"rtol": 0, "atol": 40 * np.sqrt(max(k, m * batch)) * np.finfo(dtype).eps}
    z = 0.5 * np.einsum("jc,cib->jib", W, x.reshape(k, d, batch)).reshape(dout.shape)
    np.testing.assert_allclose(found, z + added * before, **tolerance)
    dz = 0.5 * dout.reshape(m, d, batch)
    expected = np.einsum("jc,jib->cib", W, dz).reshape(x.shape)
    np.testing.assert_allclose(dx[: k * d], expected, **tolerance)
    expected = np.einsum("jib,cib->jc", dz, x.reshape(k, d, batch)).ravel()
    np.testing.assert_allclose(dW, expected, **tolerance)


@pytest.mark.usefixtures("instructions")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_to_the_last_digits(dtype):
    x = np.concatenate([np.linspace(-800, 800, 100), np.linspace(-20, 20, 1000), [np.nan]])
    x = x.astype(dtype)[None]
    tape = Tape(dtype)
    row, out = given(tape, 1), tape.rows(1)
    tape.sigmoid(out, row)
    found, dx, _ = run(tape, x, out, x.shape, np.empty(0, dtype), np.ones_like(x))
    expected = 1 / (1 + np.exp(-np.clip(x.astype(float), -80, None)))
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(found, expected, rtol=4 * eps, atol=1e-30)
    np.testing.assert_allclose(dx, expected * (1 - expected), atol=4 * eps)


@pytest.mark.parametrize("batch", [1, 5, 40])
def test_linear_operations(batch):
    rng = np.random.default_rng(0)
    m, k, d = 3, 4, 2
    x = rng.standard_normal((k * d, batch))
    C, E = rng.standard_normal((3, d)), rng.standard_normal((3, 2))
    tape = Tape(np.float64)
    rows, mixed, out = given(tape, k * d), tape.rows(m * d), tape.rows(m * 3)
    W = tape.mix(mixed, rows, d, alpha=0.5)
    tape.change(out, mixed, C)
    b = tape.bias(out, E)
    theta = rng.standard_normal(tape.n_parameters)
    dout = rng.standard_normal((m, 3, batch))
    found, dx, dtheta = run(tape, x, out, dout.shape, theta, dout)
    weights, bias = theta[W:b].reshape(m, k), theta[b:].reshape(2, m)
    z = 0.5 * np.einsum("jc,cib->jib", weights, x.reshape(k, d, batch))
    np.testing.assert_allclose(found, C @ z + (E @ bias).T[:, :, None], atol=1e-13)
    dz = np.einsum("oi,job->jib", C, dout)
    np.testing.assert_allclose(
        dx, 0.5 * np.einsum("jc,jib->cib", weights, dz).reshape(dx.shape), atol=1e-13
    )
    dW = 0.5 * np.einsum("jib,cib->jc", dz, x.reshape(k, d, batch))
    np.testing.assert_allclose(dtheta[W:b], dW.ravel(), atol=1e-12)
    np.testing.assert_allclose(dtheta[b:], (E.T @ dout.sum(2).T).ravel(), atol=1e-12)


@pytest.mark.usefixtures("instructions")
@pytest.mark.parametrize("batch", [1, 7, 64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("added", [False, True])
def test_a_sparse_change_is_the_dense_one(added, dtype, batch):
    rng = np.random.default_rng(0)
    m, d, k = 3, 5, 4
    C = rng.standard_normal((d, k)).astype(dtype)
    C[[1, 4]] = 0  # rows, and then a column, without entries
    C[:, 2] = 0
    C[0, :2] = 0
    x = rng.standard_normal((m * (k + d), batch)).astype(dtype)
    dout = rng.standard_normal((m * d, batch)).astype(dtype)
    results = []
    for change in (C, csr_array(C)):
        tape = Tape(dtype)
        given_rows, before = given(tape, len(x)).split([m * k, m * d])
        out = tape.rows(m * d)
        if added:
            tape.copy(out, before)
        tape.change(out, given_rows, change)
        results.append(run(tape, x, out, dout.shape, np.empty(0, dtype), dout))
    for found, expected in zip(results[1], results[0], strict=True):
        np.testing.assert_allclose(found, expected, atol=20 * np.finfo(dtype).eps)


def test_rows_that_were_read_are_not_written_again():
    tape = Tape(np.float64)
    x, y, z = given(tape, 2), tape.rows(2), tape.rows(2)
    tape.copy(y, x)
    tape.copy(z, y)
    tape.copy(y, x)
    with pytest.raises(RuntimeError, match="COPY writes to rows 2 to 4 after they were read"):
        finish(tape, z)


@pytest.mark.parametrize("kind", ["sigmoid", "ones"])
def test_what_sets_rows_does_not_add_to_them(kind):
    tape = Tape(np.float64)
    x, y = given(tape, 2), tape.rows(2)
    tape.copy(y, x)
    tape.ones(y) if kind == "ones" else tape.sigmoid(y, x)
    with pytest.raises(
        RuntimeError, match=f"{kind.upper()} sets rows 2 to 4, which hold something"
    ):
        finish(tape, y)


def test_collapsed_weights_and_their_gradient():
    rng = np.random.default_rng(0)
    m, q = 4, 3
    maps = [(rng.standard_normal((t, q, p)), k) for t, p, k in ((5, 2, 6), (1, 1, 2), (2, 4, 3))]
    n_in = sum(J.shape[2] * k for J, k in maps)
    tape = Tape(np.float64)
    x = given(tape, n_in)
    tape.change(tape.rows(1), x, rng.standard_normal((1, n_in)))  # constants before those of J
    out, first = tape.rows(m * q), tape.parameters(1) + 1
    tape.mix(out, x, 1, composed=tape.collapse(maps, m))
    program = finish(tape, out)
    theta = rng.standard_normal(tape.n_parameters)
    weights = program.weights.of(theta)
    np.testing.assert_array_equal(weights[: len(theta)], theta)
    dweights = rng.standard_normal(len(weights))
    expected = dweights[: len(theta)].copy()
    v, dv = (w[len(theta) :].reshape(m * q, n_in) for w in (weights, dweights.copy()))
    column = 0
    for J, k in maps:
        t, _, p = J.shape
        at, columns = slice(first, first + m * t * k), slice(column, column + k * p)
        made = np.einsum("jtc,tqp->jqcp", theta[at].reshape(m, t, k), J)
        np.testing.assert_allclose(v[:, columns], made.reshape(m * q, k * p), rtol=1e-11)
        expected[at] += np.einsum("jqcp,tqp->jtc", dv[:, columns].reshape(m, q, k, p), J).ravel()
        first, column = at.stop, columns.stop
    found = program.weights.gradient(weights, dweights)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


def test_what_no_output_depends_on_is_left_out():
    tape = Tape(np.float64)
    first = given(tape, 2)
    mixed, gates, unused, out = (tape.rows(n) for n in (10, 10, 3, 2))
    tape.mix(mixed, first, 2)
    tape.bias(mixed, np.ones((2, 1)))
    tape.sigmoid(gates, mixed)
    tape.mix(unused, mixed, 1)
    tape.change(out, gates.part(4, 2), np.array([[1.0, 0.0], [1.0, 1.0]]))
    theta = np.arange(1.0, 41) / 10
    x, dout = np.array([[0.3, -0.2, 0.4], [0.1, 0.7, -0.6]]), np.ones((2, 3))
    found, dx, dtheta = run(tape, x, out, dout.shape, theta, dout)
    # of five copies only the third is needed: its weight is theta[2], its bias theta[7]
    s = 1 / (1 + np.exp(-(theta[2] * x + theta[7])))
    np.testing.assert_allclose(found, [s[0], s[0] + s[1]], rtol=1e-12)
    dz = s * (1 - s) * np.array([[2.0], [1.0]])
    np.testing.assert_allclose(dx, theta[2] * dz, rtol=1e-12)
    expected = np.zeros_like(theta)
    expected[2], expected[7] = (dz * x).sum(), dz.sum()
    np.testing.assert_allclose(dtheta, expected, rtol=1e-12, atol=0)
