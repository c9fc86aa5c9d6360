"""Writes operations down in an order that can be run."""

from fastemlp._kernels.tape import Kind
from fastemlp.nn.tape.marks import Marks
from fastemlp.nn.tape.operations import WEIGHTS, Operation


class Writer:
    """A growing list of operations that set rows where nothing is yet, and add elsewhere.

    What is read and was never written is 0, and so is the rest of rows that are partly written. Rows that have been
    read cannot be written any more.

    Parameters
    ----------
    given : ndarray of int, optional; rows that hold something from the beginning

    Attributes
    ----------
    operations : list of Operation
    written : Marks; rows that hold something
    """

    def __init__(self, given=()):
        self.operations = []
        self.written = Marks(given)
        self._read, self._made = Marks(), Marks()

    def put(self, operation):
        """Append an operation; whether it adds is found here."""
        (out, n), kind = operation.writes, operation.kind
        if self._read.any(out, n):
            raise RuntimeError(
                f"Tape: {Kind(kind).name} writes to rows {out} to {out + n} after they were read."
            )
        add = self.written.any(out, n)
        if add and kind in (Kind.SIGMOID, Kind.ONES):
            raise RuntimeError(
                f"Tape: {Kind(kind).name} sets rows {out} to {out + n}, which hold something."
            )
        # some can but add, or do not reach all of their rows
        if add := add or kind == Kind.BIAS or (kind == Kind.MAPS and operation.d > operation.m):
            self.fill(out, n)
        for first, size in operation.reads.values():
            self.fill(first, size)
            self._read.add(first, size)
        self.written.add(out, n)
        if kind in WEIGHTS:
            add = self._made.any(*operation.makes)
            self._made.add(*operation.makes)
        self.operations.append(operation._replace(add=bool(add)))

    def fill(self, first, n):
        """Zeros where nothing has been written yet among n rows."""
        for start, stop in self.written.gaps(first, n):
            self.operations.append(Operation(Kind.ZERO, start, m=stop - start))
            self.written.add(start, stop - start)
