"""Memory for a network of which only the result is wanted: rows that are done with are used again."""

import numpy as np

from fastemlp._kernels.tape import OPERATION


def reuse_rows(recorded, starts, n_rows, inputs, outputs):
    """Give every run of rows a place that nothing else needs while it is alive.

    Parameters
    ----------
    recorded : list of (operation, rows it writes, reads), in order, as a Tape has them
    starts : list of int; the first row of each run of rows that stay together, ascending
    n_rows : int; of all runs together
    inputs, outputs : ndarrays of int; rows that are filled from outside, and read at the end

    Returns
    -------
    operations : ndarray of OPERATION; the same on the new rows
    place : ndarray of int (n_rows,); the new row of each
    n_new : int; the new number of rows
    """
    ranges = [
        [(int(operation["out"]), size), *((x, n) for x, n, *_ in reads)]
        for operation, size, reads in recorded
    ]
    bounds = np.setdiff1d(
        [*starts, n_rows], [row for some in ranges for x, n in some for row in range(x + 1, x + n)]
    )
    run_of = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    touched = [inputs, *(np.array([x for x, n in some if n]) for some in ranges), outputs]
    touched = [set(run_of[rows].tolist()) for rows in touched]
    last = {run: step for step, runs in enumerate(touched) for run in runs}
    space, first = _Space(), np.zeros(len(bounds) - 1, int)
    placed = set()
    for step, runs in enumerate(touched):
        for run in sorted(runs - placed):
            first[run] = space.take(int(bounds[run + 1] - bounds[run]))
        placed |= runs
        for run in sorted(runs):
            if last[run] == step:
                space.give(int(first[run]), int(bounds[run + 1] - bounds[run]))
    place = np.arange(n_rows, dtype=np.intp) - bounds[run_of] + first[run_of]
    operations = []
    for operation, _, reads in recorded:
        moved = operation.copy()
        for x, field in ((operation["out"], "out"), *((x, field) for x, _, field, _ in reads)):
            moved[field] = place[x] if x < n_rows else 0  # an empty range may lie at the end
        operations.append(moved)
    return np.array(operations, OPERATION), place, space.size


class _Space:
    """Rows, taken and given back in runs."""

    def __init__(self):
        self.size = 0
        self._free = []  # (first, n), ascending

    def take(self, n):
        """The first of n rows in a row, from the first gap that is large enough."""
        for k, (first, room) in enumerate(self._free):
            if room >= n:
                self._free[k : k + 1] = [(first + n, room - n)] if room > n else []
                return first
        first = self.size
        if self._free and sum(self._free[-1]) == self.size:
            first, _ = self._free.pop()
        self.size = first + n
        return first

    def give(self, first, n):
        """Take back what was taken."""
        merged = []
        for start, room in sorted([*self._free, (first, n)]):
            if merged and sum(merged[-1]) == start:
                merged[-1] = merged[-1][0], merged[-1][1] + room
            else:
                merged.append((start, room))
        self._free = merged
