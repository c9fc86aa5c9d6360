"""Formulas of layers, written as operations in the form that takes the least time.

Three choices are made here, all by cost: a mix of many maps is collapsed to one dense matrix; copies are mixed before
they are multiplied or after; and where a mixture makes many copies from few objects, products read these few, with the
parameters of both formulas multiplied once for all samples.
"""

from typing import NamedTuple

import numpy as np

from fastemlp._kernels.tape import Kind
from fastemlp.nn.orbit_maps import OrbitMaps
from fastemlp.nn.tape.operations import Operation
from fastemlp.nn.tape.rows import Rows

#: A multiply-add of a contraction, or of a change of coordinates, takes the time of this many in a matrix product.
LOOP_COST = 4
#: A dense matrix is made anew for every step, so it has to be cheaper by this factor.
LEAST_GAIN = 1.5
#: Products read what their factors are mixed from if that is this many times fewer objects.
FEWER = 2


class Mixture(NamedTuple):
    """``out[j] += Σ w[j, t, c] J[t] x[c] + Σ b[r, j] E[:, r]``, summed over all x, with parameters w and b.

    Attributes
    ----------
    out : Rows; copies of size d
    sources : list of (Rows x, J); copies of size p, and J an ndarray (t, d, p) or OrbitMaps
    invariants : ndarray (d, r); E
    std : float; of the initial w. The initial b are 0.
    """

    out: Rows
    sources: list
    invariants: np.ndarray
    std: float

    @property
    def writes(self):
        return [self.out]


class Product(NamedTuple):
    """``out[j] += gain Σ w[j, a, i] M[a] v[i]``, with parameters w.

    Attributes
    ----------
    out, v : Rows; copies of sizes q and p
    maps : Rows; objects of which those of ``copies``, an ndarray of int, act
    entry : ndarray of int (q, p); which component of a map is its entry (q, p)
    gain, std : float; the second of the initial w
    """

    out: Rows
    maps: Rows
    v: Rows
    copies: np.ndarray
    entry: np.ndarray
    gain: float
    std: float


class Products(NamedTuple):
    """A sum of products, which may share what they compute."""

    paths: list

    @property
    def writes(self):
        return [path.out for path in self.paths]


def fuse(tape):
    """Turn the formulas among the statements of a Tape into operations."""
    statements, tape.statements = tape.statements, []
    first = {}  # parameter of each mixture, by its rows
    for at, statement in enumerate(statements):
        if isinstance(statement, Mixture):
            first[statement.out] = tape.n_parameters
            _write_mixture(tape, statement)
        elif isinstance(statement, Products):
            _write_products(tape, statement.paths, statements[:at], first)
        else:
            tape.statements.append(statement)


# ---- mixtures --------------------------------------------------------------------------------------------------------


def _write_mixture(tape, mixture):
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
        tape.mix(out, x, d, parameters=tape.parameters(out.n * x.n // d**2, mixture.std))
    if mixture.invariants.shape[1]:
        tape.bias(out, mixture.invariants)


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
    return not _is_identity(J) and t * (m + LOOP_COST * p) > LEAST_GAIN * p * m


def _is_identity(J):
    if isinstance(J, OrbitMaps) or len(J) != 1:
        return False
    # a map to fewer components may look like one: (1, 0, 0)
    return J.shape[1] == J.shape[2] and np.array_equal(J[0], np.eye(J.shape[1]))


# ---- products --------------------------------------------------------------------------------------------------------


class _Read(NamedTuple):
    """What products read in place of copies: n objects in rows; which parameter each copy's share in them is."""

    rows: Rows
    n: int
    index: np.ndarray | None  # (copies, n), None for the copies themselves


def _write_products(tape, paths, before, first):
    read = {}
    mixed, contracted = {}, {}
    for path in paths:
        if path.v not in read:
            read[path.v] = _few_images(tape, path, before, first) or _Read(
                path.v, path.v.n // path.entry.shape[1], None
            )
        source = read[path.v]
        if _contracts_first(path, source.n):
            key = path.out, source.index is None, path.gain, path.std
            contracted.setdefault(key, []).append(path)
        else:
            mixed.setdefault((path.v, path.gain), []).append(path)
    for (v, gain), some in mixed.items():
        _mix_then_contract(tape, some, read[v], gain)
    for (out, _, gain, std), some in contracted.items():
        _contract_then_mix(tape, some, [read[path.v] for path in some], out, gain, std)


def _contracts_first(path, n):
    """Whether contracting all pairs before mixing is cheaper than mixing the n objects first."""
    q, p = path.entry.shape
    A, m = len(path.copies), path.out.n // q
    contract_then_mix = q * A * n * (p * LOOP_COST + m)
    mix_then_contract = p * A * m * (n + q * LOOP_COST)
    return contract_then_mix <= mix_then_contract


def _mix_then_contract(tape, paths, read, gain):
    """u[a, j, p] = Σ_i w[(a, j), i] v[i, p], then y[j, q] += Σ_{a,p} M[a, (q, p)] u[a, j, p]; the first for all"""
    p = paths[0].entry.shape[1]
    sizes = [len(path.copies) * path.out.n // len(path.entry) for path in paths]
    m, k = sum(sizes), paths[0].v.n // p
    w, *_ = [tape.parameters(n * k, path.std) for n, path in zip(sizes, paths, strict=True)]
    v = None
    if read.index is not None:
        v = tape.composed(m * read.n)
        tape.compose(w, read.index, m=m, n=1, next_w=k, into=v, next_v=read.n)
    u = tape.rows(m * p)
    tape.mix(u, read.rows, p, gain, parameters=w, composed=v)
    for path, part in zip(paths, u.split(n * p for n in sizes), strict=True):
        _contract(tape, path, path.out, part, own=True)


def _contract_then_mix(tape, paths, reads, out, gain, std):
    """z[a, i, q] = Σ_p M[a, (q, p)] v[i, p], then y[j, q] += Σ_{a,i} w[j, (a, i)] z[a, i, q]; the second for all"""
    q = len(paths[0].entry)
    m = out.n // q
    mixed = [(len(path.copies), path.v.n // path.entry.shape[1]) for path in paths]
    next_w = sum(A * k for A, k in mixed)
    sizes = [A * read.n for (A, _), read in zip(mixed, reads, strict=True)]
    z = tape.rows(sum(sizes) * q)
    for path, read, part in zip(paths, reads, z.split(n * q for n in sizes), strict=True):
        _contract(tape, path, part, read.rows, own=False)
    w, v = tape.parameters(m * next_w, std), None
    if reads[0].index is not None:
        v = into = tape.composed(m * sum(sizes))
        at = w
        for (A, k), read, n in zip(mixed, reads, sizes, strict=True):
            tape.compose(at, read.index, m=m, n=A, next_w=next_w, into=into, next_v=sum(sizes))
            at, into = at + A * k, into + n
    tape.mix(out, z, q, gain, parameters=w, composed=v)


def _contract(tape, path, out, v, own):
    tape.contract(out, path.maps, v, copies=path.copies, entry=path.entry, apart=not own, own=own)


def _few_images(tape, path, before, first):
    """What mixtures alone have made a product's copies from, as a _Read, if it is far fewer objects."""
    v, p = path.v, path.entry.shape[1]
    parts = _parts(tape, v, p, before)
    if not parts:
        return None
    n = sum(C.shape[1] // len(mix.invariants) * _n_terms(mix) for C, mix, _ in parts)
    copies = v.n // p
    if n * FEWER > copies:
        return None
    maps, index, one = [], [np.empty((copies, 0), np.intp)], None
    for C, (out, sources, invariants, _), at in parts:
        d = len(invariants)
        each = C.shape[1] // d
        for c, embedding in enumerate(np.split(C, each, axis=1)):
            copy, parameter = at + c + each * np.arange(copies)[:, None], first[out]
            for x, J in sources:
                k = x.n // J.shape[2]
                for t, unit in enumerate(J):
                    maps.append((x, embedding @ unit))
                    index.append(parameter + (copy * len(J) + t) * k + np.arange(k))
                parameter += out.n // d * len(J) * k
            for r, invariant in enumerate(invariants.T):
                one = one or _one(tape)
                maps.append((one, embedding @ invariant[:, None]))
                index.append(parameter + r * (out.n // d) + copy)
    return _Read(_images(tape, maps, n, p), n, np.hstack(index))


def _parts(tape, v, p, before):
    """(C, mixture, copy) for all that C, of shape (p, ·), carries from copies of a mixture to v; None if more makes v.

    ``copy`` is the number of the first one among the copies of its mixture.
    """
    carried = []
    for statement in _writers(before, v):
        if isinstance(statement, Mixture):
            carried.append((v, np.eye(p)))
        elif isinstance(statement, Operation) and (statement.kind, statement.writes) == (
            Kind.CHANGE,
            v,
        ):
            x = Rows(*statement.reads["a"])
            carried.append((x, tape.constant(statement.constants, (statement.d, statement.k))))
        else:
            return None
    found = []
    for x, C in carried:
        makers = _writers(before, x)
        if len(makers) != 1 or not isinstance(makers[0], Mixture):
            return None
        (mixture,) = makers
        after = x.start - mixture.out.start
        if after < 0 or after + x.n > mixture.out.n:
            return None
        found.append((C, mixture, after // len(mixture.invariants)))
    return found


def _writers(statements, x):
    """The statements that write to some of rows x."""
    found = []
    for statement in statements:
        one = isinstance(statement, Operation)
        written = [statement.writes] if one else statement.writes
        if any(start < x.start + x.n and x.start < start + n for start, n in written):
            found.append(statement)
    return found


def _n_terms(mixture):
    """How many objects one copy of a mixture is mixed from."""
    mixed = sum(len(J) * x.n // J.shape[2] for x, J in mixture.sources)
    return mixed + mixture.invariants.shape[1]


def _images(tape, maps, n, p):
    """Rows of n objects of size p: M x[c] for every copy c of x, for all (x, M) in turn."""
    if len(maps) == 1 and np.array_equal(maps[0][1], np.eye(p)):
        return maps[0][0]
    rows = tape.rows(n * p)
    sizes = [x.n // M.shape[1] * p for x, M in maps]
    for part, (x, M) in zip(rows.split(sizes), maps, strict=True):
        tape.change(part, x, M)
    return rows


def _one(tape):
    row = tape.rows(1)
    tape.ones(row)
    return row
