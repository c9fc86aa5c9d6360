"""Sets of rows."""

import numpy as np


class Marks:
    """A set of rows, given as an array of int."""

    def __init__(self, rows=()):
        self._marks = np.zeros(max(rows, default=0) + 64, bool)
        self._marks[np.asarray(rows, int)] = True

    def _range(self, start, n):
        if start + n > len(self._marks):
            self._marks = np.concatenate([self._marks, np.zeros(start + n, bool)])
        return self._marks[start : start + n]

    def add(self, start, n):
        """Take n rows in."""
        self._range(start, n)[:] = True

    def any(self, start, n):
        """Whether one of n rows is in the set."""
        return self._range(start, n).any()

    def all(self):
        """Every row of the set, ascending."""
        return np.flatnonzero(self._marks)

    def span(self, start, n):
        """First and last (exclusive) of the rows among n that are in the set, counted from start; None if none is."""
        found = np.flatnonzero(self._range(start, n))
        return (int(found[0]), int(found[-1]) + 1) if len(found) else None

    def gaps(self, start, n):
        """Runs [first, last) of rows that are not in the set."""
        here = self._range(start, n)
        if here.all():
            return []  # nearly always
        missing = np.concatenate([[0], ~here, [0]]).astype(np.int8)
        edges = start + np.flatnonzero(np.diff(missing))
        return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
