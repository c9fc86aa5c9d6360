"""Memory for a program of which only the result is wanted: rows that are done with are used again."""

from dataclasses import replace

import numpy as np


def reuse_rows(program, fixed=0):
    """The same program in fewer rows: every run of rows has a place that nothing else needs while it is alive.

    Parameters
    ----------
    program : Program
    fixed : int; so many rows, the first ones, stay where they are
    """
    operations, n_rows = list(program), program.n_rows
    ranges = [[op.writes, *op.reads.values()] for op in operations]
    bound = np.zeros(n_rows + 1, bool)
    bound[[0, *program.starts, fixed, n_rows]] = True
    for some in ranges:
        for x, n in some:
            bound[x + 1 : x + n] = False
    bounds = np.flatnonzero(bound)
    run_of = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    touched = [np.array([x for x, n in some if n and x >= fixed], int) for some in ranges]
    touched = [set(run_of[x].tolist()) for x in (program.inputs, *touched, program.outputs)]
    last = {run: step for step, runs in enumerate(touched) for run in runs}
    space, first = _Space(fixed), np.where(bounds[:-1] < fixed, bounds[:-1], 0)
    placed = set()
    for step, runs in enumerate(touched):
        for run in sorted(runs - placed):
            first[run] = space.take(int(bounds[run + 1] - bounds[run]))
        placed |= runs
        for run in sorted(runs):
            if last[run] == step:
                space.give(int(first[run]), int(bounds[run + 1] - bounds[run]))
    place = np.arange(n_rows, dtype=np.intp) - bounds[run_of] + first[run_of]
    place = np.append(place, 0)  # an empty range may lie at the end
    moved = []
    for op in operations:
        rows = {field: int(place[x]) for field, (x, _) in op.reads.items()}
        moved.append(op._replace(out=int(place[op.out]), **rows))
    return replace(
        program.of(moved),
        n_rows=space.size,
        inputs=place[program.inputs],
        outputs=place[program.outputs],
        starts=np.unique(first),
    )


class _Space:
    """Rows after the first ``size``, taken and given back in runs."""

    def __init__(self, size=0):
        self.size = size
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
