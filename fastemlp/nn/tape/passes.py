"""Programs from programs: the reverse, the tangent, and what is needed of one.

The derivative of an operation is stated here, once, as operations. Their second derivative is the tangent of the
reverse; that of a sigmoid goes no further, so there is no third.
"""

from dataclasses import replace

import numpy as np

from fastemlp._kernels.tape import Kind
from fastemlp.nn.tape.marks import Marks
from fastemlp.nn.tape.operations import WEIGHTS
from fastemlp.nn.tape.writer import Writer

CONSTANT = (Kind.ZERO, Kind.ONES, Kind.BIAS)  # they depend on no row


def reverse(program):
    """From the gradients of a program's outputs to those of its inputs and weights.

    The gradient of row r lies in row ``program.n_rows + r``; the rows of the program itself are read.
    """
    R = program.n_rows
    writer = Writer(np.concatenate([np.arange(R), R + program.outputs]))
    for operation in reversed(list(program)):
        if operation.kind not in CONSTANT:
            writer.fill(*_moved(operation, "out", R).writes)
        for term in _cotangents(operation, R):
            writer.put(term)
    for row in program.inputs:
        writer.fill(R + row, 1)
    return replace(
        program.of(writer.operations),
        n_rows=2 * R,
        inputs=program.outputs + R,
        outputs=program.inputs + R,
        starts=np.concatenate([program.starts, program.starts + R]),
    )


def _cotangents(op, R):
    """What an operation adds to the gradients of what it reads, rows and weights; that of row r lies in r + R."""
    if op.transposed or op.kind in (Kind.MAPS, Kind.SLOPE, Kind.BEND, *WEIGHTS):
        raise ValueError(f"reverse: {Kind(op.kind).name} has no reverse, only what a Tape records.")
    out = op.out + R
    back = op._replace(out=op.a + R, a=out, transposed=not op.transposed)
    if op.kind == Kind.COPY:
        yield back
    elif op.kind in (Kind.CHANGE, Kind.SPARSE):
        yield back._replace(k=op.d, d=op.k)
    elif op.kind == Kind.MIX:
        yield back._replace(m=op.k, k=op.m)
        yield op._replace(kind=Kind.MIX_WEIGHTS, out=0, a=out, b=op.a)
    elif op.kind == Kind.BIAS:
        yield op._replace(kind=Kind.BIAS_WEIGHTS, out=0, a=out)
    elif op.kind == Kind.CONTRACT:
        yield back._replace(p=op.q, q=op.p, own=op.apart, apart=op.own)
        yield op._replace(kind=Kind.MAPS, out=op.b + R, a=out, b=op.a)
    elif op.kind == Kind.SIGMOID:
        yield back._replace(kind=Kind.SLOPE, b=op.out)


def tangent(program, along, first):
    """The derivative of a program along some of the rows it is given.

    Parameters
    ----------
    program : Program
    along : ndarray of int; rows whose derivative is given. That of the others is 0, and so is that of weights.
    first : int
        The derivative of row r lies in row ``first + r``; earlier rows are those of the program, which are read.

    Returns
    -------
    Program
    also : ndarray of int; rows of the program whose derivative is known in the end
    """
    writer = Writer(np.concatenate([np.arange(first), first + along]))
    for operation in program:
        for field in operation.reads:
            moving = _moved(operation, field, first)
            if not writer.written.any(*moving.reads[field]):
                continue  # the derivative of what it reads there is 0
            for term in _differential(operation, moving, field, first):
                writer.put(term)
    for row in program.outputs:
        writer.fill(first + row, 1)
    found = replace(
        program.of(writer.operations),
        n_rows=first + program.n_rows,
        inputs=program.inputs + first,
        outputs=program.outputs + first,
    )
    known = writer.written.all()
    return found, known[known >= first] - first


def _differential(op, moving, field, first):
    """What the derivative of the rows at ``field`` adds to that of the result; ``moving`` reads it instead."""
    out = 0 if op.kind in WEIGHTS else op.out + first
    if op.kind == Kind.SIGMOID:
        yield moving._replace(kind=Kind.SLOPE, out=out, b=op.out)
    elif op.kind == Kind.SLOPE and field == "b":
        yield op._replace(kind=Kind.BEND, out=out, c=moving.b)
    elif op.kind == Kind.BEND:
        raise ValueError("tangent: BEND has no tangent. There is no third derivative.")
    else:
        yield moving._replace(out=out)  # linear in these rows


def _moved(operation, field, by):
    return operation._replace(**{field: getattr(operation, field) + by})


def needed(program):
    """A program without what neither its outputs nor the gradient of a weight depend on."""
    live, kept = Marks(program.outputs), []
    for operation in reversed(list(program)):
        if operation.kind not in WEIGHTS:
            wanted = live.span(*operation.writes)
            if wanted is None:
                continue
            operation = _narrowed(operation, *wanted)
            live.add(*operation.writes)
        for rows in operation.reads.values():
            live.add(*rows)
        kept.append(operation)
    return program.of(kept[::-1])


def _narrowed(operation, first, last):
    """An operation on just the copies that reach rows ``first`` to ``last`` of its result, if each goes by itself."""
    kind, m = operation.kind, operation.m
    mixes = kind in (Kind.MIX, Kind.BIAS)
    together = operation.transposed if kind == Kind.MIX else kind == Kind.BIAS and operation.k > 1
    if together or kind in (Kind.CONTRACT, Kind.MAPS):
        return operation
    out, size = operation.writes
    d = size // m
    start, stop = first // d, -(-last // d)
    moved = {} if mixes else {f: x + start * (n // m) for f, (x, n) in operation.reads.items()}
    return operation._replace(
        m=stop - start,
        out=out + start * d,
        weights=operation.weights + mixes * start * operation.k,
        **moved,
    )
