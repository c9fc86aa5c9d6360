"""Solve a constraint by the planned strategy, and by the next one where a certificate fails."""

from __future__ import annotations

import numbers
from dataclasses import replace

from fastemlp._budget import DEFAULT_BUDGET, checked_budget, mib
from fastemlp.exceptions import (
    BudgetError,
    CertificationError,
    ConvergenceError,
    NotReductive,
    Status,
)

from .plan import METHODS, STRATEGIES, make_plan
from .strategy import Options, Unfit, Unsuited

#: A tolerance above this would take clear symmetry breaking for none.
LARGEST_TOL = 1e-2


def solve_nullspace(
    C, method="auto", *, tol=None, random_state=0, memory_budget=DEFAULT_BUDGET, verbose=0
):
    """Orthonormal basis of ``{v : C v = 0}``.

    Parameters
    ----------
    C : operator of shape (n_rows, m), scipy LinearOperator protocol
        A TensorConstraint can be solved by every strategy, any other operator by lanczos, lobpcg and dense.
    method : {"auto", "orbits", "schur", "lanczos", "lobpcg", "dense"}
        "auto" follows ``make_plan``; the others force one strategy on the whole space.
    tol : float, optional
        Singular values up to ``tol·‖C‖`` are zero; the default is the strategy's own.
    random_state : int
        Seeds what is random in schur, lanczos and lobpcg.
    memory_budget : int
        Bytes that a strategy may use, 1 GiB by default; "auto" starts nothing that is predicted to take more, and goes
        on to what fits.
    verbose : int; 1 shows progress

    Returns
    -------
    NullspaceSolution

    Raises
    ------
    ValueError
        For an unknown strategy, one that does not fit C, or a budget that is no positive int.
    BudgetError
        A ValueError: the budget is too small, with what each strategy would take.
    ConvergenceError, CertificationError
        If no answer can be vouched for; the message has the evidence of every strategy that was tried.
    """
    memory_budget = checked_budget(memory_budget, "solve_nullspace")
    options = Options(tol, memory_budget, random_state, verbose)
    if method not in METHODS:
        raise ValueError(
            f"solve_nullspace: expected method to be one of {', '.join(METHODS)}, got {method!r}."
        )
    _require_tolerance(tol)
    if method != "auto":
        return STRATEGIES[method].solve(C, options)
    plan = make_plan(C, memory_budget)
    if not plan.choices:
        raise BudgetError(_nothing_fits(C, plan, memory_budget))
    failures = []
    for choice in plan.choices:
        try:
            return _of_known_rank(choice.solve(options), plan)
        except Unsuited:
            continue
        except (ConvergenceError, BudgetError, NotReductive) as error:
            failures.append((choice.strategy, error))
            unclear = getattr(error, "status", None) is Status.AMBIGUOUS_RANK
            if unclear and not choice.is_random:
                # the constraint itself is unclear: another strategy would only guess
                break
    if len(failures) == 1:
        raise failures[0][1]
    unsure = [error for _, error in failures if isinstance(error, ConvergenceError)]
    if not unsure:
        plan = replace(plan, unfit=(*(Unfit(name, str(e)) for name, e in failures), *plan.unfit))
        raise BudgetError(_nothing_fits(C, plan, memory_budget)) from failures[-1][1]
    last = unsure[-1]
    evidence = "\n".join(f"  {name}: {getattr(e, 'message', e)}" for name, e in failures)
    raise type(last)(
        f"solve_nullspace: {len(failures)} strategies failed.\n{evidence}",
        status=last.status,
        solution=last.solution,
    ) from last


def _require_tolerance(tol):
    # written so that a NaN fails
    if tol is not None and not (isinstance(tol, numbers.Real) and 0 <= tol <= LARGEST_TOL):
        raise ValueError(
            f"solve_nullspace: expected tol to be None or a number between 0 and {LARGEST_TOL}, the size below which a "
            f"singular value of C, relative to the largest, counts as zero; got {tol!r}. Leave it out for the default, "
            "which is what the generators are known to."
        )


def _nothing_fits(C, plan, memory_budget):
    """What every strategy would take, and what to do."""
    reasons = "\n".join(f"  {unfit.strategy}: {unfit.reason}" for unfit in plan.unfit)
    return (
        f"solve_nullspace: no strategy solves a constraint of shape {tuple(C.shape)} within memory_budget = "
        f"{mib(memory_budget)}.\n{reasons}\nPass a larger memory_budget= in bytes, or solve for a smaller type."
    )


def _of_known_rank(solution, plan):
    """The solution, if its rank is the one that characters count."""
    if plan.rank is not None and solution.rank != plan.rank:
        raise CertificationError(
            f"{', '.join(solution.strategies)}: found {solution.rank} vectors, but the mean of the character over the "
            f"group is {plan.rank}. Please report this group.",
            status=Status.AMBIGUOUS_RANK,
            solution=solution,
        )
    return solution
