"""A run of rows."""

from typing import NamedTuple


class Rows(NamedTuple):
    """A run of ``n`` rows of samples from row ``start`` on."""

    start: int
    n: int

    def part(self, first, n):
        """Take n of these rows, from the one numbered ``first`` on."""
        return Rows(self.start + first, n)

    def split(self, sizes):
        """Parts of these sizes, one after the other."""
        first = 0
        for n in sizes:
            yield self.part(first, n)
            first += n
