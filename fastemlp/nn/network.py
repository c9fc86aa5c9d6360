"""Whole networks: EMLP and, as the case with no symmetry, MLP."""

from functools import wraps
from itertools import pairwise

import numpy as np

from fastemlp._arrays import chunks
from fastemlp._kernels.tape import load, store
from fastemlp._threads import in_threads
from fastemlp._warnings import warn_user
from fastemlp.nn import checks
from fastemlp.nn.bilinear import BiLinear
from fastemlp.nn.channels import hidden_reps, is_count, widths
from fastemlp.nn.coordinates import Coordinates
from fastemlp.nn.features import Features
from fastemlp.nn.gate import Gate
from fastemlp.nn.left_out import left_out
from fastemlp.nn.linear import Linear
from fastemlp.nn.tape import Tape
from fastemlp.reps import Scalar, bind_ends, require_independent

#: Samples that pass through a network together: enough for fast products, few enough for the cache.
TILE = 64
_LANES = 16  # several samples are filled up with zeros to a multiple of this


class EMLPBlock:
    """Linear, plus a bilinear contraction of its output with a shortcut, then gates.

    Parameters
    ----------
    features_in, features_out : Features
    rng : numpy Generator; draws the acting copies of the bilinear layer
    bilinear_gain : float; how much of the (unit-scale) bilinear output is added
    live : set of int, optional; the irreducibles of the input that are not always zero

    Attributes
    ----------
    live : set of int; the same of the output
    """

    def __init__(self, features_in, features_out, rng, bilinear_gain, live=None):
        self.features_in, self.features_out = features_in, features_out
        self.gate = Gate(features_out)
        gated = self.gate.features_in
        self.linear = Linear(features_in, gated)
        live = {block.irreducible for block in features_in.blocks} if live is None else live
        live = self.linear.reached(live)
        self.bilinear = BiLinear(gated, gated, rng, bilinear_gain, live)
        self.live = self.gate.reached(live | self.bilinear.reached)

    def record(self, tape, x):
        """Apply to features packed in rows x; returns the Rows of the result."""
        for layer in (self.linear, self.bilinear, self.gate):
            x = layer.record(tape, x)
        return x

    def __repr__(self):
        return f"EMLPBlock({self.linear!r})"


class Network:
    """A chain of layers between vectors in natural order.

    Parameters
    ----------
    layers : sequence of layers
        Each has ``record(tape, x)``, which says what it does to features packed in Rows x and returns those of the
        result.
    features_in, features_out : Features of the first layer's input and the last one's output
    dtype : float32 or float64

    Attributes
    ----------
    n_parameters : int
    inputs, outputs : ndarrays of int; the column of x, or y, that each input or output of the program is
    program : Passes; of what the layers recorded
    """

    def __init__(self, layers, features_in, features_out, dtype):
        self.layers = tuple(layers)
        self.features_in = features_in
        self.features_out = features_out
        self.dtype = np.dtype(dtype)
        tape = Tape(dtype)
        x, self.inputs = features_in.read(tape)
        for layer in self.layers:
            x = layer.record(tape, x)
        rows, self.outputs = features_out.write(tape, x)
        self.program = tape.finish(rows)
        self.n_parameters = self.program.n_parameters

    @property
    def rep_in(self):
        """Rep of the inputs."""
        return self.features_in.rep

    @property
    def rep_out(self):
        """Rep of the outputs."""
        return self.features_out.rep

    def init(self, rng):
        """Initial parameters, ndarray (n_parameters,), drawn by a numpy Generator."""
        return self.program.weights.initial(rng)

    def forward(self, theta, x):
        """Evaluate the network.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,), as from ``init``
        x : ndarray of shape (batch, n_in), the network's dtype

        Returns
        -------
        y : ndarray of shape (batch, n_out)
        backward : callable
            ``backward(dy) -> (dx, dtheta)``, for the theta and x given.
        """
        x = self._inputs_of("Network.forward", "x", x)
        workspace = Workspace(self, len(x))
        weights = self.program.weights.of(theta)
        y = workspace.forward(weights, x)

        def backward(dy):
            dweights = np.empty_like(weights)
            workspace.backward(weights, dy, dweights)
            dtheta = self.program.weights.gradient(weights, dweights)
            return workspace.input_gradient(), dtheta

        return y, backward

    def tangent(self, theta, x, x_dot):
        """The network and its derivative along ``x_dot``, forward and backward.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
        x, x_dot : ndarrays of shape (batch, n_in), the network's dtype

        Returns
        -------
        y, y_dot : ndarrays of shape (batch, n_out); outputs and ``J(x) x_dot``, a Jacobian-vector product
        backward : callable
            ``backward(dy, dy_dot) -> (dx, dx_dot, dtheta, dtheta_dot)``. With dy of a scalar output and dy_dot = 0,
            dx is its gradient, dx_dot the Hessian-vector product with ``x_dot``, and dtheta_dot the gradient of
            ``x_dot · ∇_x y`` in the parameters (forward over reverse; Pearlmutter 1994).

        Examples
        --------
        The Hessian-vector product of an invariant energy:

        >>> import numpy as np
        >>> from fastemlp.groups import O
        >>> from fastemlp.nn import EMLP
        >>> from fastemlp.reps import Scalar, V
        >>> network = EMLP(2 * V, Scalar, O(3), channels=20, n_layers=1, dtype=np.float64)
        >>> rng = np.random.default_rng(0)
        >>> theta, x, v = network.init(rng), rng.standard_normal((1, 6)), rng.standard_normal((1, 6))
        >>> energy, along_v, backward = network.tangent(theta, x, v)
        >>> gradient, hessian_v, *_ = backward(np.ones((1, 1)), np.zeros((1, 1)))
        >>> bool(np.isclose(along_v[0, 0], np.vdot(gradient, v)))
        True
        """
        x = self._inputs_of("Network.tangent", "x", x)
        x_dot = self._inputs_of("Network.tangent", "x_dot", x_dot, len(x))
        workspace = Workspace(self, len(x), "all")
        weights = self.program.weights.of(theta)
        y = workspace.forward(weights, x)
        y_dot = workspace.tangent(weights, x_dot)

        def backward(dy, dy_dot):
            width = self.features_out.size
            dy_dot = checks.samples(
                "Network.tangent's backward", "dy_dot", dy_dot, width, self.dtype, len(x)
            )
            gradients = np.empty((2, len(weights)), self.dtype)
            workspace.backward(weights, dy, gradients[0])
            dx_dot = workspace.tangent_backward(weights, dy_dot, gradients[1])
            dtheta, dtheta_dot = (self.program.weights.gradient(weights, g) for g in gradients)
            return workspace.input_gradient(), dx_dot, dtheta, dtheta_dot

        return y, y_dot, backward

    def __call__(self, theta, x, weights=None):
        """The outputs alone, shape (batch, n_out); tile by tile, on several threads if there are many.

        ``weights`` are those of ``program.weights.of(theta)``, for who has them at hand.
        """
        x = self._inputs_of("Network", "x", x)
        weights = self.program.weights.of(theta) if weights is None else weights
        if len(x) == 1:
            return Workspace(self, 1, None)._forward_checked(weights, x)
        y = np.empty((len(x), self.features_out.size), self.dtype)

        def run(some):
            workspace = Workspace(self, min(TILE, len(x)), None)
            for rows in some:
                workspace._forward_checked(weights, x[rows], y[rows])

        in_threads(run, chunks(len(x), TILE))
        return y

    def jacobian(self, theta, x, weights=None):
        """The outputs and their derivative with respect to x; tile by tile, as predictions are.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
        x : ndarray of shape (batch, n_in), the network's dtype
        weights : ndarray, optional; ``program.weights.of(theta)``, for who has it at hand

        Returns
        -------
        y : ndarray of shape (batch, n_out)
        J : ndarray of shape (batch, n_out, n_in); ``J[b, k, j]`` is the derivative of ``y[b, k]`` in ``x[b, j]``

        Notes
        -----
        Costs one forward pass and n_out reverse passes, or n_in tangent passes where these are fewer.
        """
        x = self._inputs_of("Network.jacobian", "x", x)
        weights = self.program.weights.of(theta) if weights is None else weights
        n, n_in, n_out = len(x), self.features_in.size, self.features_out.size
        y, J = np.empty((n, n_out), self.dtype), np.empty((n, n_out, n_in), self.dtype)
        by_output = n_out <= n_in
        directions = np.eye(min(n_out, n_in), dtype=self.dtype)

        def run(some):
            workspace = Workspace(self, min(TILE, n), "frugal" if by_output else "all")
            for rows in some:
                workspace._forward_checked(weights, x[rows], y[rows])
                for k, direction in enumerate(directions):
                    along = np.tile(direction, (len(y[rows]), 1))
                    if by_output:
                        workspace.backward(weights, along)
                        J[rows, k] = workspace.input_gradient()
                    else:
                        J[rows, :, k] = workspace.tangent(weights, along)

        in_threads(run, chunks(n, TILE))
        return y, J

    def _inputs_of(self, caller, name, x, n=None):
        return checks.samples(caller, name, x, self.features_in.size, self.dtype, n)

    def __getstate__(self):
        return {**self.__dict__, "dtype": self.dtype.name}

    def __setstate__(self, state):
        self.__dict__.update(state, dtype=np.dtype(state["dtype"]))

    def __repr__(self):
        inner = ",\n".join(f"  {layer!r}" for layer in self.layers)
        return f"{type(self).__name__}(\n{inner}\n)"


class Workspace:
    """Memory for the passes of a network over a tile, and the passes themselves.

    Parameters
    ----------
    network : Network
    batch : int; the most samples that will come
    gradients : {"frugal", "all", None}
        What of a backward pass is wanted: the gradients of parameters and input, those of all intermediates too (for
        ``tangent_backward``), or nothing.

    Attributes
    ----------
    rows : ndarray (n_rows, samples or a few more); of all passes, one after the other
    """

    def __init__(self, network, batch, gradients="frugal"):
        self._network = network
        program = network.program
        self._forward = program.result if gradients is None else program.forward
        self._reverse = {"all": program.reverse, "frugal": program.frugal_reverse}.get(gradients)
        last = program.tangents[1] if gradients == "all" else self._reverse or self._forward
        self._n_rows, self._width = last.n_rows, _width(batch)
        self._memory = _aligned(self._n_rows * self._width, network.dtype)
        self._size_to(batch)

    def forward(self, weights, x, out=None):
        """Outputs for x of shape (samples, n_in); kept for ``backward``. See ``Program`` for the weights."""
        network = self._network
        x = checks.samples("Workspace.forward", "x", x, network.features_in.size, network.dtype)
        return self._forward_checked(weights, x, out)

    def _forward_checked(self, weights, x, out=None):
        if len(x) != self._samples:
            self._size_to(len(x))
        self._load(x, self._forward, self._network.inputs)
        self._forward(weights, self.rows)
        return self._store(self._forward, self._network.outputs, out)

    def tangent(self, weights, x_dot):
        """The derivative of the outputs along ``x_dot``, after ``forward``."""
        network, (ahead, _) = self._network, self._network.program.tangents
        self._load(x_dot, ahead, network.inputs)
        ahead(weights, self.rows)
        return self._store(ahead, network.outputs)

    def backward(self, weights, dy, dweights=None, add=False):
        """From the gradient of the outputs to that of the weights, written or added to dweights; None leaves it out."""
        network = self._network
        if self._reverse is None:
            raise ValueError(
                "Workspace.backward: made with gradients=None, it keeps nothing that a backward pass needs. "
                "Make a Workspace(network, batch)."
            )
        dy = checks.samples(
            "backward", "dy", dy, network.features_out.size, network.dtype, self._samples
        )
        self._load(dy, self._reverse, network.outputs)
        self._reverse(weights, self.rows, dweights, add)

    def tangent_backward(self, weights, dy_dot, dweights_dot, add=False):
        """The derivative of the gradients of weights and of x, after ``tangent`` and ``backward``.

        That of weights is written or added to dweights_dot, that of x is returned.
        """
        network, (_, back) = self._network, self._network.program.tangents
        self._load(dy_dot, back, network.outputs)
        back(weights, self.rows, dweights_dot, add)
        return self._store(back, network.inputs)

    def input_gradient(self):
        """The gradient of x, of shape (samples, n_in), after ``backward``."""
        return self._store(self._reverse, self._network.inputs)

    def _size_to(self, samples):
        width = _width(samples)
        if width > self._width:
            raise ValueError(
                f"Workspace: made for {self._width} samples at most, got {samples}. "
                f"Make a Workspace(network, {samples})."
            )
        self._samples = samples
        self.rows = self._memory[: self._n_rows * width].reshape(self._n_rows, width)

    def _load(self, x, program, columns):
        load(x, program.inputs, columns, self.rows)

    def _store(self, program, columns, out=None):
        shape, dtype = (self._samples, len(columns)), self._network.dtype
        if out is None:
            out = np.empty(shape, dtype)
        else:
            checks.room("Workspace", "out", out, shape, dtype)
        store(self.rows, program.outputs, columns, out)
        return out


def _aligned(size, dtype):
    """An uninitialised vector that begins with a line of the cache: rows of whole tiles then do, too."""
    line = 64 // dtype.itemsize
    memory = np.empty(size + line, dtype)
    first = -(memory.ctypes.data // dtype.itemsize) % line
    return memory[first : first + size]


def _width(samples):
    return samples if samples == 1 else -(-samples // _LANES) * _LANES


def _also_old_names(function):
    """Let ``ch`` and ``num_layers``, the names of the paper's library, stand for ``channels`` and ``n_layers``."""

    @wraps(function)
    def called(*args, **options):
        for old, new in (("ch", "channels"), ("num_layers", "n_layers")):
            if old in options:
                if new in options:
                    raise TypeError(f"{function.__name__}: {old} is called {new} here; got both.")
                warn_user(f"{function.__name__}: {old} is called {new} here.", FutureWarning)
                options[new] = options.pop(old)
        return function(*args, **options)

    return called


@_also_old_names
def EMLP(
    rep_in,
    rep_out,
    group,
    channels=384,
    n_layers=3,
    *,
    dtype=np.float32,
    random_state=0,
    bilinear_gain=(0.05, 0.03),
):
    """The equivariant multilayer perceptron.

    Parameters
    ----------
    rep_in, rep_out : Rep, bound or not
    group : Group, or a sequence of Groups where the reps say which acts; a product of them is as good
    channels : int, str or Rep, or a list or tuple of these, one per hidden layer
        An int n means ``derived_rep(n, rep_in, rep_out)``: the types of inputs and outputs and their products, with
        ``uniform_rep(n, group)`` for the tensor types of the paper. In text, as in ``"16+32V+8V2"``, a bare number
        counts scalars.
    n_layers : int ≥ 0; hidden layers
    dtype : float32 or float64
    random_state : int; draws which copies act in the bilinear layers
    bilinear_gain : float or (float, float)
        How much of its (unit-scale) bilinear output a block adds to the linear one; for the first block, and for those
        after it, which multiply products again.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        For complex representations (realify the group first), reps of other groups or that do not say which, and
        widths that are no reps or do not fit the number of layers.

    Warns
    -----
    UserWarning
        Where ``channels``, an int, are too few for the products of features that polynomials of degrees 2 and 3 need.

    Examples
    --------
    >>> import numpy as np
    >>> from fastemlp.groups import SO13p
    >>> from fastemlp.nn import EMLP
    >>> from fastemlp.reps import Scalar, V
    >>> network = EMLP(4 * V, Scalar, SO13p(), channels=50, n_layers=2)
    >>> theta = network.init(np.random.default_rng(0))
    >>> y, backward = network.forward(theta, np.ones((3, 16), np.float32))
    >>> dx, dtheta = backward(np.ones_like(y))
    >>> y.shape, dx.shape, dtheta.shape == theta.shape
    ((3, 1), (3, 16), True)
    """
    rng = np.random.default_rng(random_state)
    ends, groups = network_ends(rep_in, rep_out, group, "EMLP")
    reps = [ends[0], *hidden_reps(channels, n_layers, groups, "EMLP", ends), ends[1]]
    _require_real(reps, groups, "EMLP")
    coordinates = Coordinates(reps)
    features = [Features(rep, coordinates) for rep in reps]
    first, later = np.broadcast_to(bilinear_gain, 2)
    blocks, live = [], {block.irreducible for block in features[0].blocks}
    for k, (a, b) in enumerate(pairwise(features[:-1])):
        blocks.append(EMLPBlock(a, b, rng, later if k else first, live))
        live = blocks[-1].live
    if is_count(channels):
        _warn_if_short(channels, left_out(blocks, features[0], features[-1]))
    return Network([*blocks, Linear(features[-2], features[-1])], features[0], features[-1], dtype)


def network_ends(rep_in, rep_out, group, caller):
    """The reps of a network's inputs and outputs, bound, and its groups; ValueError where no network has these."""
    ends, groups = bind_ends(rep_in, rep_out, group, caller)
    for rep in ends:
        if not rep.is_bound:
            raise ValueError(
                f"{caller}: {rep} does not say which of the groups {', '.join(map(repr, groups))} acts. "
                f"Write for example V({groups[0]!r})."
            )
    _require_real(ends, groups, caller)
    return ends, groups


def _require_real(reps, groups, caller):
    require_independent(tuple({g: None for rep in reps for g in rep.groups}), caller)
    for rep in reps:
        if any(g.is_complex for g in rep.groups):
            raise ValueError(
                f"{caller}: {rep} is a rep of a complex group ({', '.join(map(repr, groups))}); networks are real. "
                "Use group.realified(), which acts on (real, imaginary) parts."
            )


def _warn_if_short(channels, missing):
    degrees = [str(degree) for degree, products in missing.items() if products]
    if degrees:
        warn_user(
            f"EMLP: {channels} channels leave no room for {len(set().union(*missing.values()))} of the products of two "
            f"features that equivariant polynomials of degree {' and '.join(degrees)} are made of, so that some may be "
            "out of reach. Take more channels; explain_model shows which products there are."
        )


@_also_old_names
def MLP(n_in, n_out, channels=384, n_layers=3, *, dtype=np.float32):
    """A plain multilayer perceptron with swish: the EMLP of scalars, with no group at all.

    Parameters
    ----------
    n_in, n_out : int
    channels : int, or a list or tuple of ints, one per hidden layer
    n_layers : int ≥ 0
    dtype : float32 or float64

    Returns
    -------
    Network
    """
    hidden = widths(channels, n_layers, "MLP")
    for width in hidden:
        if not is_count(width):
            raise ValueError(
                f"MLP: without a group channels must be an int ≥ 1 or a list of these, got {width!r}."
            )
    sizes = (n_in, *hidden, n_out)
    coordinates = Coordinates([Scalar])
    features = [Features(size * Scalar, coordinates) for size in sizes]
    layers = []
    for a, b in pairwise(features[:-1]):
        layers += [Linear(a, b), Gate(b)]
    layers.append(Linear(features[-2], features[-1]))
    return Network(layers, features[0], features[-1], dtype)
