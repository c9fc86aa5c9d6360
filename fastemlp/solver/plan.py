"""Which strategies fit a constraint, what each would cost, and in which order to try them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastemlp._budget import DEFAULT_BUDGET, checked_budget, mib

from .dense import DENSE
from .krylov.lanczos import LANCZOS
from .krylov.lobpcg import LOBPCG
from .orbits import ORBITS
from .problem import Problem
from .reductions.shrink import shrunk
from .schur import SCHUR
from .strategy import Unfit

#: Those that count or decompose, in the order they are asked; and those that work on numbers.
EXACT, NUMERICAL = (ORBITS, SCHUR), (LOBPCG, DENSE, LANCZOS)
STRATEGIES = {strategy.name: strategy for strategy in (*EXACT, *NUMERICAL)}
METHODS = ("auto", *STRATEGIES)


@dataclass(frozen=True, eq=False)
class Plan:
    """The strategies in the order they are tried, and those that do not fit.

    Attributes
    ----------
    choices : tuple of Choice; the first is expected to do, the others stand by should its certificate fail. All fit
        the memory budget; empty where nothing does
    unfit : tuple of Unfit
    rank : int or None; the dimension of the nullspace where it is known beforehand: a mean of characters
    """

    choices: tuple
    unfit: tuple
    rank: int | None = None


def make_plan(C, memory_budget=DEFAULT_BUDGET):
    """Compare the strategies on a constraint, without solving it.

    Parameters
    ----------
    C : operator of shape (n_rows, m); a TensorConstraint has more strategies than others
    memory_budget : int, bytes

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        If the budget is not a positive int.

    Notes
    -----
    Takes milliseconds: what takes more than ten million multiply-adds to find out (whether a large Lie algebra closes,
    whether lobpcg suits) is found out in the solve, which goes on to the next strategy where the answer is no.
    """
    problem = Problem(C, checked_budget(memory_budget, "make_plan"))
    exact, unfit = _proposed(EXACT, problem)
    affordable = [c for c in exact if c.n_bytes <= problem.memory_budget]
    unfit += [
        Unfit(c.strategy, f"it would take {mib(c.n_bytes)}") for c in exact if c not in affordable
    ]
    problem.seconds = min((c.seconds for c in affordable), default=math.inf)
    reduction = None if affordable or not problem.is_tensor else shrunk(C, problem.memory_budget)
    reduced = problem if reduction is None else problem.behind(reduction)
    numerical, others = _proposed(NUMERICAL, reduced)
    if reduction is not None:
        numerical = [reduction.before(choice) for choice in numerical]
    return Plan(tuple(_ordered(affordable, numerical)), (*unfit, *others), problem.rank)


def _proposed(strategies, problem):
    """What strategies say of a problem, up to one that settles it: lists of Choice and of Unfit."""
    choices, unfit = [], []
    for k, strategy in enumerate(strategies):
        found = strategy.propose(problem)
        if isinstance(found, Unfit):
            unfit.append(found)
            continue
        choices.append(found)
        if found.settles:
            reason = f"{found.strategy} are exact and need no arithmetic"
            unfit += [Unfit(other.name, reason) for other in strategies[k + 1 :]]
            break
    return choices, unfit


def _ordered(exact, numerical):
    """The order in which to try what fits: what leads, then the quickest; what stands by goes last of all."""
    # where it is not known whether what is exact fits at all, products with C have an equal claim
    has_sure = bool(exact) and exact[0].is_sure
    return sorted(
        [*exact, *numerical], key=lambda c: (c.stands_by and has_sure, not c.leads, c.seconds)
    )
