"""What a network can express at a generic point, against what its symmetry allows there."""

from dataclasses import dataclass, replace

import numpy as np

from fastemlp.nn.features import Features
from fastemlp.nn.linear import Linear
from fastemlp.nn.network import Network
from fastemlp.nn.stabiliser import Stabiliser
from fastemlp.reps import Scalar, terms

#: Singular values above the first, relative to the largest, count; those below the second are roundoff.
COUNTS, ROUNDOFF = 1e-9, 1e-12
#: Outputs below this are nothing but roundoff: layers keep features at unit scale, products down to 1e-9 of it.
NOTHING = 1e-11
#: Draws of parameters at most, and how many in a row must bring nothing new.
DRAWS, STILL = 60, 3
#: Parameters are this many times the initial ones in turn: layers that hardly bend show spans that fade into roundoff.
SCALES = (1, 3, 5)
#: Random numbers that are drawn at the least.
FEW = 10_000
#: Types of a larger size are looked at through this many values.
MOST = 520
SPARE = 8


@dataclass(frozen=True)
class Rank:
    """Dimension of what is found in a space, and of what may be there.

    Attributes
    ----------
    found : int
    allowed : int; by symmetry
    size : int; of the space
    clear : bool; False where singular values fade into roundoff, so that ``found`` is a lower bound
    """

    found: int
    allowed: int
    size: int
    clear: bool = True

    @property
    def is_full(self):
        """Whether all that symmetry allows is found."""
        return self.found >= self.allowed

    def __str__(self):
        return f"{'' if self.clear else 'at least '}{self.found} of {self.allowed}"


@dataclass(frozen=True)
class Expressiveness:
    """What a network can express at a generic input x.

    Attributes
    ----------
    outputs : Rank
        Dimension of the span of its outputs at x over all parameters; allowed are the vectors of ``rep_out`` that every
        group element which keeps x fixes.
    types : tuple of (Rep, Rank); the same for one copy of each type of the output
    gradients : Rank or None
        Dimension of the span of the gradients at x of its scalar outputs; allowed are as many as x has invariants:
        its size less the dimension of its orbit. None if the output has no scalars.
    """

    outputs: Rank
    types: tuple
    gradients: Rank | None

    @property
    def rank(self):
        """Dimension of the span of the outputs."""
        return self.outputs.found

    @property
    def allowed(self):
        """Dimension of the span that symmetry allows the outputs."""
        return self.outputs.allowed

    @property
    def is_full(self):
        """Whether nothing is missing at a generic point."""
        return self.outputs.is_full and (self.gradients is None or self.gradients.is_full)

    def __str__(self):
        parts = [f"outputs {self.outputs}"]
        if len(self.types) > 1:
            parts[0] += f" ({', '.join(f'{rep}: {rank}' for rep, rank in self.types)})"
        if self.gradients is not None:
            parts.append(f"gradients of scalars {self.gradients}")
        return ", ".join(parts) + " dimensions at a generic input"


def expressiveness(network, *, random_state=0):
    """What a network can express at a generic input, without training it.

    Parameters
    ----------
    network : Network
    random_state : int; draws the input and the parameters

    Returns
    -------
    Expressiveness

    Notes
    -----
    Ranks are by singular values in float64 over a few draws of parameters, with as many copies of each output type as
    it takes in a last linear layer of its own: full rank is necessary for a network to fit any equivariant function,
    not sufficient. What is allowed is exact but for components of the stabiliser of x that a search does not reach
    (see ``Stabiliser``), where it is too large; under groups that are not compact it is what functions defined around
    x can do. Costs milliseconds: a few evaluations of the network, and one of its backward pass.

    Examples
    --------
    >>> from fastemlp.groups import O
    >>> from fastemlp.nn import EMLP
    >>> from fastemlp.reps import V
    >>> print(expressiveness(EMLP(3 * V, V**3, O(3))))
    outputs 27 of 27 dimensions at a generic input
    >>> print(expressiveness(EMLP(3 * V, V**3, O(3), channels="64+32V")))
    outputs 9 of 27 dimensions at a generic input
    """
    rng = np.random.default_rng(random_state)
    probe = Probe(network)
    x = rng.standard_normal(network.rep_in.size())
    groups = dict.fromkeys((*network.rep_in.groups, *network.rep_out.groups))
    stabiliser = Stabiliser(network.rep_in, groups, x, rng)
    n_invariants = len(x) - stabiliser.orbit_dim
    values = {kind: _Span(kind.size()) for kind in probe.types}
    slopes = _Span(len(x)) if Scalar in values else None
    for draw in range(DRAWS):
        theta = probe.draw(rng, SCALES[draw % len(SCALES)])
        for kind, y in probe.values(theta, x[None]).items():
            values[kind].add(y[0])
        if slopes is not None and not slopes.is_done(n_invariants):
            slopes.add(probe.gradients(theta, x))
        if all(span.is_done(span.size) for span in values.values()) and (
            slopes is None or slopes.is_done(n_invariants)
        ):
            break
    types = []
    for kind, mult in terms(network.rep_out.canonical()[0]):
        allowed = kind.size()
        if allowed <= MOST:
            allowed = stabiliser.fixed(kind, values[kind].found).shape[1]
        types.append((kind, mult, values[kind].rank(allowed)))
    total = Rank(
        sum(mult * rank.found for _, mult, rank in types),
        sum(mult * rank.allowed for _, mult, rank in types),
        network.rep_out.size(),
        all(rank.clear for *_, rank in types),
    )
    gradients = None if slopes is None else slopes.rank(n_invariants)
    return Expressiveness(total, tuple((kind, rank) for kind, _, rank in types), gradients)


class _Span:
    """A span that grows as vectors come, until they bring nothing new."""

    def __init__(self, size):
        self.size = size
        self._rows, self._ranks = [], []

    def add(self, rows):
        if self._ranks and not self.found:
            rows = 0 * rows  # nothing at the scale that roundoff is judged at
        self._rows.append(rows)
        self._ranks.append(rank_of(np.concatenate(self._rows), NOTHING))

    @property
    def found(self):
        """Its dimension so far."""
        return self._ranks[-1].found

    def is_done(self, most):
        """Whether the span is as large as it can be, or did not grow for ``STILL`` additions."""
        found = [rank.found for rank in self._ranks]
        return bool(found) and (found[-1] >= most or found[-1 - STILL :].count(found[-1]) > STILL)

    def rank(self, most):
        """Its Rank, of which at most so many are allowed."""
        last = self._ranks[-1]
        clear = last.found >= most or (last.clear and self.is_done(most))
        return replace(last, allowed=most, clear=clear)


class Probe:
    """A network in float64, with as many copies of every output type as show what the hidden layers make of it.

    Where the last layer is linear its copies are independent of each other, so that one draw of the other layers
    shows a whole span; where it is not, copies are draws.

    Attributes
    ----------
    types : tuple of Rep; of the output, one each
    """

    def __init__(self, network):
        last = network.layers[-1] if network.layers else None
        self.types = tuple(kind for kind, _ in terms(network.rep_out.canonical()[0]))
        layers, features_out = network.layers, network.features_out
        if isinstance(last, Linear):
            rep = sum((_n_copies(kind) * kind for kind in self.types), 0 * Scalar)
            features_out = Features(rep, last.features_out.coordinates)
            linear = Linear(last.features_in, features_out, bias=last.n_bias > 0)
            layers = (*network.layers[:-1], linear)
        self.network = Network(layers, network.features_in, features_out, np.float64)
        self._parameters = None

    def draw(self, rng, scale=1):
        """Random parameters, ``scale`` times as large as the initial ones: no bias is zero."""
        if self._parameters is None:
            self._parameters = RandomParameters(self.network, rng)
        return scale * self._parameters.draw()

    def values(self, theta, x):
        """{type: outputs, ndarray (batch, copies, size)}."""
        y = self.network(theta, x)
        return {kind.rep: y[:, kind.index] for kind in self.network.features_out.types}

    def gradients(self, theta, x):
        """Gradients of the scalar outputs at one x, ndarray (copies, n_in)."""
        columns = self.network.features_out.find(Scalar).index.ravel()
        _, backward = self.network.forward(theta, np.repeat(x[None], len(columns), 0))
        dy = np.zeros((len(columns), self.network.rep_out.size()))
        dy[np.arange(len(columns)), columns] = 1
        return backward(dy)[0]


class RandomParameters:
    """Parameters for a network of the size that initial ones have, none of them zero."""

    def __init__(self, network, rng):
        theta = network.init(rng)
        self._scale = np.where(theta == 0, 0.5, theta)
        self._noise, self._rng = rng.standard_normal(max(len(theta), FEW)), rng

    def draw(self):
        """Others each time, ndarray (n_parameters,)."""
        # many parameters are the same random numbers, moved on
        start = self._rng.integers(len(self._noise))
        return self._scale * np.roll(self._noise, start)[: len(self._scale)]


def rank_of(rows, nothing):
    """The Rank of some rows, each scaled to unit length; those with no entry above ``nothing`` are zero."""
    size = rows.shape[1]
    largest = abs(rows).max(1, initial=0)
    rows = rows[largest > max(nothing, COUNTS * largest.max(initial=0))]
    if not rows.size:
        return Rank(0, size, size, bool(largest.max(initial=0) < 1e-2 * nothing))
    s = np.linalg.svd(rows / np.linalg.norm(rows, axis=1, keepdims=True), compute_uv=False)
    s /= s[0]
    found = int(np.count_nonzero(s > COUNTS))
    return Rank(found, size, size, found == size or bool(found < len(s) and s[found] < ROUNDOFF))


def _n_copies(kind):
    # gradients of scalars are a span of many dimensions
    return min(kind.size() + SPARE, MOST) if kind != Scalar else 64
