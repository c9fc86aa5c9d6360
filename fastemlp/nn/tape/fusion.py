"""The formula of a linear layer, written as operations in the form that takes the least time."""

from typing import NamedTuple

import numpy as np

from fastemlp.nn.orbit_maps import OrbitMaps
from fastemlp.nn.routes import Routes
from fastemlp.nn.tape.rows import Rows

#: A multiply-add of a change of coordinates takes the time of this many in a matrix product.
CHANGE_COST = 4
#: A dense matrix is made anew for every step, so it has to be cheaper by this factor.
LEAST_GAIN = 1.5
#: Initial weights of maps by way of smaller types, beside those that do not: what rows have in common comes through
#: both, and would grow from layer to layer.
SMALLER = 0.25


class Mixture(NamedTuple):
    """``out[j] += Σ w[j, t, c] J[t] x[c] + Σ b[r, j] E[:, r]``, summed over all x, with parameters w and b.

    Attributes
    ----------
    out : Rows; copies of size d
    sources : list of (Rows x, J); copies of size p, and J an ndarray (t, d, p), OrbitMaps, or all of them Routes
    invariants : ndarray (d, r); E
    std : float; of the initial w, but for Routes. The initial b are 0.
    """

    out: Rows
    sources: list
    invariants: np.ndarray
    std: float


def fuse(tape):
    """Turn the mixtures among the statements of a Tape into operations."""
    statements, tape.statements = tape.statements, []
    images = {}
    for statement in statements:
        if isinstance(statement, Mixture):
            _write(tape, statement, images)
        else:
            tape.statements.append(statement)


def _write(tape, mixture, images):
    """Write a mixture; ``images`` are those that were found before, by rows and the end of a route."""
    if any(isinstance(J, Routes) for _, J in mixture.sources):
        _write_routes(tape, mixture, images)
    else:
        _write_maps(tape, mixture)
    if mixture.invariants.shape[1]:
        tape.bias(mixture.out, mixture.invariants)


def _write_routes(tape, mixture, images):
    """Sources are read into smaller types, mixed there, and written from these."""
    out, m = mixture.out, mixture.out.n // len(mixture.invariants)
    arriving = {}  # by the end that routes share: (x, Route)
    for x, J in mixture.sources:
        rest = _without_invariants(tape, x, J, images)
        for route in J.routes:
            part = rest if route.via else x
            arriving.setdefault((route.via, route.write), []).append((part, route))
    some_are_direct = any(not write for _, write in arriving)
    for (via, write), some in arriving.items():
        d, W = some[0][1].d, some[0][1].W
        parts = [_read(tape, x, route, images) for x, route in some]
        gain = SMALLER if via and write and some_are_direct else 1
        z = out if W is None else tape.rows(m * W.shape[1])
        std = (sum(part.n for part in parts) // d) ** -0.5
        for part in parts:
            tape.mix(z, part, d, std=gain * std)
        if W is not None:
            tape.change(out, z, W)


def _without_invariants(tape, x, J, images):
    """Features less what all components have in common, which goes by way of the scalars and would drown the others."""
    first = J.routes[0]
    if len(J.routes) == 1 or first.R is None:
        return x
    if x not in images:
        images[x] = tape.rows(x.n)
        tape.copy(images[x], x)
        tape.change(images[x], _read(tape, x, first, images), -first.R.T.tocsr())
    return images[x]


def _read(tape, x, route, images):
    if route.R is None:
        return x
    key = x, route.via, route.read
    if key not in images:
        images[key] = tape.rows(x.n // route.R.shape[1] * route.R.shape[0])
        tape.change(images[key], x, route.R)
    return images[key]


def _write_maps(tape, mixture):
    out, d = mixture.out, len(mixture.invariants)
    for run, dense in _runs(mixture.sources, out.n // d):
        x, J = run[0]
        if dense:
            # neighbours at once
            maps = [(J, x.n // J.shape[2]) for x, J in run]
            W = tape.collapse(maps, out.n // d, mixture.std)
            tape.mix(out, Rows(x.start, sum(x.n for x, _ in run)), 1, composed=W)
            continue
        if not _is_identity(J):
            size = x.n // J.shape[2] * d
            images = tape.rows(len(J) * size)
            for part, unit in zip(images.split([size] * len(J)), J, strict=True):
                tape.change(part, x, unit)
            x = images
        tape.mix(out, x, d, std=mixture.std)


def _runs(sources, m):
    """(sources, whether they collapse to a dense matrix): all neighbours that do, the others one by one."""
    found, end = [], None
    for x, J in sources:
        dense = _collapses(J, m)
        if dense and found and found[-1][1] and end == x.start:
            found[-1][0].append((x, J))
        else:
            found.append(([(x, J)], dense))
        end = x.start + x.n
    return found


def _collapses(J, m):
    """Whether a dense matrix takes less time than images under every map, sample by sample, and a mix of them."""
    if isinstance(J, OrbitMaps):
        return True
    t, _, p = J.shape
    return not _is_identity(J) and t * (m + CHANGE_COST * p) > LEAST_GAIN * p * m


def _is_identity(J):
    if isinstance(J, OrbitMaps) or len(J) != 1:
        return False
    # a map to fewer components may look like one: (1, 0, 0)
    return J.shape[1] == J.shape[2] and np.array_equal(J[0], np.eye(J.shape[1]))
