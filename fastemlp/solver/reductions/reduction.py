"""A constraint in the place of another, and how a solution of the one becomes one of the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True, eq=False)
class Reduction:
    """What ``apply`` makes of a constraint.

    Attributes
    ----------
    C : operator of shape (n_rows, k), to be solved in place of the other
    lift : callable (NullspaceSolution of C) -> NullspaceSolution of the other
    where : str; in words, as in "in 12 coordinates left by orbits"
    """

    C: object
    lift: Callable
    where: str

    def before(self, choice):
        """The Choice that solves C, as one for the other constraint."""
        solve, lift = choice.solve, self.lift
        return replace(choice, solve=lambda options: lift(solve(options)), where=self.where)
