"""What a strategy is: a name, a way to solve a constraint, and a proposal that says what that would take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastemlp._budget import DEFAULT_BUDGET


@dataclass(frozen=True)
class Options:
    """What the caller of ``solve_nullspace`` asks for; a strategy takes of it what concerns it."""

    tol: float | None = None
    memory_budget: int = DEFAULT_BUDGET
    random_state: int = 0
    verbose: int = 0


@dataclass(frozen=True, eq=False)
class Choice:
    """What a strategy offers for a problem that it fits.

    Attributes
    ----------
    strategy : str; its name
    reason : str; why it fits
    seconds, n_bytes : float; predicted processor time and memory, from below: it will take about this or more
    solve : callable (Options) -> NullspaceSolution, for this problem
    where : str; the reduction it works behind, as in "in 12 coordinates left by orbits"; "" for none
    settles : bool; whether nothing is as cheap and as exact, so that no other needs to be looked at
    leads : bool; whether it goes first however long it takes: no other shows the rank as well
    stands_by : bool; whether it goes last beside something exact: what it takes depends on the spectrum
    is_sure : bool; False where only the solve finds out whether it fits
    is_random : bool; whether a rank that it finds unclear may be unclear for its own random draws alone
    """

    strategy: str
    reason: str
    seconds: float
    n_bytes: float
    solve: Callable
    where: str = ""
    settles: bool = False
    leads: bool = False
    stands_by: bool = False
    is_sure: bool = True
    is_random: bool = False


@dataclass(frozen=True)
class Unfit:
    """That a strategy does not fit a problem, and why."""

    strategy: str
    reason: str


@dataclass(frozen=True)
class Strategy:
    """One way to solve constraints.

    Attributes
    ----------
    name : str; the ``method`` that forces it
    solve : callable (C, Options) -> NullspaceSolution
    propose : callable (Problem) -> Choice or Unfit; quick, it solves nothing
    """

    name: str
    solve: Callable
    propose: Callable


class Unsuited(Exception):
    """A probe at the start of the solve shows that a strategy is no good for a problem."""
