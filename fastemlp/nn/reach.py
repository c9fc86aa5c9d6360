"""Which inputs reach the outputs of a network, and which outputs can move: found before training, and said."""

from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from math import prod

import numpy as np

from fastemlp._warnings import warn_user
from fastemlp.bases.basis import equivariant_basis
from fastemlp.bases.explain import why_empty
from fastemlp.nn.expressiveness import (
    MOST,
    NOTHING,
    SPARE,
    RandomParameters,
    expressiveness,
    rank_of,
)
from fastemlp.nn.network import EMLP, EMLPBlock, Network
from fastemlp.nn.stabiliser import Stabiliser
from fastemlp.reps import Scalar, objects, parse_rep, slots, terms

#: Hidden types that are tried as a remedy have so many factors, and this size, at most; and all of them this one.
MOST_FACTORS, LARGEST_TYPE, LARGEST_LAYER = 3, 130, 600
#: Random samples at the least, and given ones at most.
LEAST, LOOKED_AT = 12, 64
#: Draws of parameters at most, and how many in a row must bring nothing new.
DRAWS, STILL = 30, 2


@dataclass(frozen=True)
class Reach:
    """What passes through a network.

    Attributes
    ----------
    inputs : tuple of (type, Rank); by type, the components of a copy that any output depends on
    outputs : tuple of (type, Rank); by type, the components of a copy that move with the input
    """

    inputs: tuple
    outputs: tuple

    @property
    def unread(self):
        """The input types that are lost, in part or altogether: list of (Rep, Rank)."""
        return [(kind, rank) for kind, rank in self.inputs if rank.clear and not rank.is_full]

    @property
    def fixed(self):
        """The output types that do not move at all: list of Rep."""
        return [kind for kind, rank in self.outputs if rank.clear and not rank.found]


def reach(network, *, random_state=0):
    """Which inputs reach the outputs of a network, and which of these can move.

    Parameters
    ----------
    network : Network
    random_state : int; draws inputs and parameters

    Returns
    -------
    Reach

    Notes
    -----
    The network is analytic in its inputs and parameters, so that random ones show what is so for almost all. Ranks are
    those of input gradients, and of outputs less their mean, over samples in float64: what is roundoff does not count.
    Types of more than 520 components are taken to pass in full or not at all. A forward and a backward pass for each of
    a few draws of parameters, until nothing more is found.
    """
    rng = np.random.default_rng(random_state)
    kinds = [*objects(network.rep_in), *objects(network.rep_out)]
    # the gradients of copies may all be parallel in one sample
    n = max([LEAST, *(kind.size() + SPARE for kind, _ in kinds if kind.size() <= MOST)])
    x = rng.standard_normal((n, network.rep_in.size()))
    twin = _twin(network)
    parameters = RandomParameters(twin, rng)
    dx, dy, history = [], [], []
    while len(history) < DRAWS:
        y, backward = twin.forward(parameters.draw(), x)
        dx.append(backward(rng.standard_normal(y.shape))[0])
        dy.append(y - y.mean(0))
        history.append(Reach(_ranks(network.rep_in, dx), _ranks(network.rep_out, dy)))
        if _is_full(history[-1]) or history[-1 - STILL :].count(history[-1]) > STILL:
            break
    return history[-1]


def _twin(network):
    return Network(network.layers, network.features_in, network.features_out, np.float64)


def _is_full(found):
    return all(rank.found == rank.size for _, rank in (*found.inputs, *found.outputs))


def _ranks(rep, draws):
    """The Rank of each type of a rep over all samples of some draws."""
    found = []
    for kind, columns in objects(rep):
        n = 3 * (kind.size() + SPARE) if kind.size() <= MOST else SPARE
        rows = [values[:, columns].swapaxes(0, 1).reshape(-1, kind.size())[:n] for values in draws]
        rank = rank_of(np.concatenate(rows), NOTHING)
        if rank.found and kind.size() > MOST:  # not looked at component by component
            rank = replace(rank, found=kind.size(), clear=True)
        found.append((kind, rank))
    return tuple(found)


def require_reach(network, caller, x=None):
    """Refuse a network that cannot move its outputs, and warn of what is lost on the way.

    Parameters
    ----------
    network : Network
    caller : str; whose complaint an error is, such as "FastEMLPRegressor.fit"
    x : ndarray of shape (n, n_in), optional; samples that the outputs should tell apart

    Raises
    ------
    ValueError
        If a type of the output is zero whatever the parameters, or no output depends on the input.

    Warns
    -----
    UserWarning
        For a type of the output that is constant, or moves in fewer components than symmetry allows, and for a type of
        the input that no output depends on, or on a part of it alone; each named, with what would help. Under compact
        groups also for a type that, at one input, takes fewer directions than symmetry allows (``expressiveness``).
    """
    found = reach(network)
    fixed = [(kind, equivariant_basis(kind).rank == 0) for kind in found.fixed]
    said = []
    for kind, is_zero in fixed:
        what = "function" if is_zero else "functions"
        message = (
            f"nder {_names(network)} the only equivariant {what} from {network.rep_in} to {kind} that this network can "
            f"express {'is zero' if is_zero else 'are constant'}."
        )
        if is_zero or len(fixed) == len(found.outputs):
            raise ValueError(f"{caller}: u{message} {_reason(network, kind)}")
        said.append(f"U{message} {_reason(network, kind)}")
    lost = [*_lost_outputs(network, found), *_lost_inputs(found)]
    if lost:
        said.append(" ".join([*lost, _remedy(network)]))
    elif not fixed:
        said += _lost_directions(network)
    if x is not None:
        said += _alike(network, found, x)
    for message in said:
        warn_user(message)


def _lost_outputs(network, found):
    for kind, rank in found.outputs:
        if not rank.clear or not rank.found or rank.found == kind.size() or kind.size() > MOST:
            continue
        allowed = _moving(network, kind)
        if rank.found < allowed:
            yield (
                f"Of the {kind.size()} components of {kind} in the output only {rank.found} can move in this network, "
                f"where {_names(network)} allows {allowed}."
            )


def _lost_directions(network):
    """What to say of outputs that move, but at one input in fewer directions than symmetry allows."""
    kinds = [kind for kind, _ in objects(network.rep_out)]
    scalars_only = all(kind == Scalar for kind in kinds)
    is_compact = all(group.is_orthogonal for group in _groups(network))
    if scalars_only or not is_compact or max(kind.size() for kind in kinds) > LARGEST_TYPE:
        return
    for kind, rank in expressiveness(network).types:
        if rank.clear and not rank.is_full:
            yield (
                f"At a generic input this network gives {kind} in the output {rank.found} of the {rank.allowed} "
                f"dimensions that {_names(network)} allows it. Take more channels, or hidden types of higher rank; "
                "fastemlp.nn.expressiveness counts what they bring."
            )


def _lost_inputs(found):
    for kind, rank in found.unread:
        part = (
            f"only {rank.found} of the {kind.size()} components" if rank.found else "no component"
        )
        yield f"Of {kind} in the input, {part} can reach the output of this network: the rest is ignored."


def _alike(network, found, x):
    """What to say of outputs that move, but come out alike for all samples given."""
    x = np.unique(x[:LOOKED_AT], axis=0).astype(np.float64)
    if len(x) < 2:
        return []
    twin = _twin(network)
    y = twin(RandomParameters(twin, np.random.default_rng(0)).draw(), x)
    said = []
    for (kind, columns), (_, rank) in zip(objects(network.rep_out), found.outputs, strict=True):
        if rank.found and abs(y[:, columns] - y[0, columns]).max() < NOTHING:
            said.append(
                f"Whatever the parameters, {kind} in the output is the same for all samples given: this network reads "
                f"nothing that tells them apart. {_remedy(network)}"
            )
    return said


def _reason(network, kind):
    """Why an output type does not move, and what to do."""
    at = _stabiliser(network)
    allowed = at.fixed(kind).shape[1] if kind.size() <= MOST else kind.size()
    if not allowed:
        return (
            f"That is all the symmetry allows. {why_empty(network.rep_in >> kind)} Check rep_in={network.rep_in} and "
            f"rep_out={network.rep_out}, or use a smaller group."
        )
    return _remedy(network)


def _moving(network, kind):
    """How many components of a type equivariant functions can move, over all inputs."""
    F = _stabiliser(network).fixed(kind)
    groups = _groups(network)
    rng = np.random.default_rng(1)
    images, found = [F], [rank_of(F.T, NOTHING).found]
    # an irreducible part may grow by one dimension for each element, and the last ones wait for it
    while found[-1] and found[-1] < kind.size() and found[-4:].count(found[-1]) < 4:
        g = {group: group.sample(rng) for group in groups}
        images.append(kind.rho_dense(g) @ F)
        found.append(rank_of(np.hstack(images).T, NOTHING).found)
    return found[-1]


def _stabiliser(network):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(network.rep_in.size())
    return Stabiliser(network.rep_in, _groups(network), x, rng)


def _remedy(network):
    types = helpful_types(network)
    if types is None:
        return "Give the hidden layers more or other types, as in channels='8+4V+2V2', or check rep_in and rep_out."
    if not types:
        return (
            f"None of the hidden types tried, with up to {MOST_FACTORS} factors and of size {LARGEST_TYPE}, helps. "
            f"Check rep_in={network.rep_in} and rep_out={network.rep_out}, or pass channels with types of higher rank."
        )
    hidden, added = str(_hidden(network)[0]), "+".join(map(str, types))
    text = f"{hidden}+{added}"
    try:
        parse_rep(text)
        way = f"name the types, as in channels={text!r}"
    except ValueError:  # text has no names for bespoke types
        way = "pass channels as a Rep that has them"
    return (
        f"The hidden layers ({hidden}) lack the types for it: some copies of {added} let more through. "
        f"Take more channels, or {way}."
    )


def helpful_types(network):
    """Hidden types that let through what a network loses.

    Parameters
    ----------
    network : Network, as from ``EMLP``

    Returns
    -------
    tuple of Rep or None
        No fewer of them will do, and each was seen to; empty if none was found, None for a network of other layers.
    """
    hidden = _hidden(network)
    if not hidden:
        return None
    before = reach(network)
    kinds = {kind: None for rep in hidden for kind, _ in terms(rep.canonical()[0])}
    base = sum(((8 if kind == Scalar else 2) * kind for kind in kinds), 8 * Scalar)

    def helps(types):
        rep = sum((2 * kind for kind in types), base)
        groups = _groups(network)
        n_layers = len(network.layers) - 1
        other = EMLP(network.rep_in, network.rep_out, groups, rep, n_layers, dtype=np.float64)
        after = reach(other)
        return len(after.fixed) < max(len(before.fixed), 1) and all(
            one.found >= two.found and (one.found > two.found or two.is_full or not before.unread)
            for (_, one), (_, two) in zip(after.inputs, before.inputs, strict=True)
        )

    for candidates in _candidates(network):
        types = [kind for kind in candidates if kind not in kinds]
        if not types or not helps(types):
            continue
        for kind in reversed(types):
            fewer = [one for one in types if one != kind]
            if fewer and helps(fewer):
                types = fewer
        return tuple(types)
    return ()


def _candidates(network):
    """Lists of types that may help, each longer than the last and the small ones first.

    What inputs and outputs are made of, and the maps between them; then products of more and more factors.
    """
    reps = network.rep_in, network.rep_out
    ends = list(dict.fromkeys(k for rep in reps for k, _ in terms(rep.canonical()[0])))
    atoms = dict.fromkeys(one for kind in ends for slot in slots(kind) for one in (slot, slot.T))
    found = dict.fromkeys([*ends, *(a >> b for a in ends for b in ends)])
    for n in range(1, MOST_FACTORS + 1):
        found.update(dict.fromkeys(map(prod, combinations_with_replacement(atoms, n))))
        types = {kind.canonical()[0]: kind.size() for kind in found if kind.size() <= LARGEST_TYPE}
        types |= {kind: kind.size() for kind in ends if kind.size() <= MOST}
        kept, size = [], 0
        for kind in sorted(types, key=types.get):
            size += 2 * types[kind]
            if kind != Scalar and size <= LARGEST_LAYER:
                kept.append(kind)
        yield kept


def _hidden(network):
    blocks = network.layers[:-1]
    if not all(isinstance(block, EMLPBlock) for block in blocks):
        return []
    return [block.features_out.rep for block in blocks]


def _groups(network):
    reps = network.rep_in, *_hidden(network), network.rep_out
    return tuple(dict.fromkeys(group for rep in reps for group in rep.groups))


def _names(network):
    return ", ".join(map(repr, _groups(network))) or "no group"
