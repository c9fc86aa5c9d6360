"""The memory a solver may use: its default, its check, and how numbers of bytes are written."""

from __future__ import annotations

from numbers import Integral

#: 1 GiB.
DEFAULT_BUDGET = 2**30


def checked_budget(memory_budget, caller):
    """The budget as an int; ValueError if it is not a positive integer."""
    if (
        not isinstance(memory_budget, Integral)
        or isinstance(memory_budget, bool)
        or memory_budget < 1
    ):
        raise ValueError(
            f"{caller}: expected memory_budget to be a whole number of bytes ≥ 1, got {memory_budget!r}. "
            f"The default is 2**30, 1 GiB."
        )
    return int(memory_budget)


def mib(n_bytes):
    """``"1,234 MiB"``."""
    return f"{n_bytes / 2**20:,.0f} MiB"
