"""Solve a constraint by the planned strategy, and by the next one where a certificate fails."""

from __future__ import annotations

import numbers
from dataclasses import replace

from fastemlp.isometries import Composition

from .dense import dense
from .lanczos import lanczos
from .lobpcg import lobpcg
from .orbits import orbits, weights
from .plan import METHODS, blurred, make_plan
from .schur import BudgetError, schur
from .solution import ConvergenceError, Status

#: A tolerance above this would take clear symmetry breaking for none.
LARGEST_TOL = 1e-2

STRATEGIES = {
    "orbits": orbits,
    "weights": weights,
    "schur": schur,
    "lanczos": lanczos,
    "lobpcg": lobpcg,
    "dense": dense,
}


def solve_nullspace(C, method="auto", *, tol=None, random_state=0, memory_budget=2**30, verbose=0):
    """Orthonormal basis of ``{v : C v = 0}``.

    Parameters
    ----------
    C : operator of shape (n_rows, m), scipy LinearOperator protocol
        A TensorConstraint can be solved by every method, any other operator by lanczos, lobpcg and dense.
    method : {"auto", "orbits", "weights", "schur", "lanczos", "lobpcg", "dense"}
        "auto" follows ``make_plan``; the others force one strategy on the whole space.
    tol : float, optional
        Singular values up to ``tol·‖C‖`` are zero; the default is the method's own.
    random_state : int
        Seeds what is random in schur, lanczos and lobpcg.
    memory_budget : int
        Bytes a method may use beyond the basis itself.
    verbose : int; 1 shows progress

    Returns
    -------
    NullspaceSolution

    Raises
    ------
    ValueError
        For an unknown method, one that does not fit C, or a budget too small for it.
    ConvergenceError, CertificationError
        If no answer can be vouched for; the message has the evidence of every strategy that was tried.
    """
    options = {
        "tol": tol,
        "memory_budget": memory_budget,
        "random_state": random_state,
        "verbose": verbose,
    }
    if method not in METHODS:
        raise ValueError(
            f"solve_nullspace: expected method to be one of {', '.join(METHODS)}, got {method!r}."
        )
    _require_tolerance(tol)
    if method != "auto":
        _require_sharp(method, C, tol)
        return STRATEGIES[method](C, **options)
    plan = make_plan(C, memory_budget)
    failures = []
    for choice in plan.choices:
        try:
            return _run(choice.method, C, plan, options)
        except (ConvergenceError, BudgetError) as error:
            failures.append((choice.method, error))
            if choice.method != "schur" and error.status is Status.AMBIGUOUS_RANK:
                # the constraint itself is unclear: another method would only guess
                break
    if len(failures) == 1:
        raise failures[0][1]
    last = [error for _, error in failures if isinstance(error, ConvergenceError)][-1]
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


def _run(method, C, plan, options):
    strategy = STRATEGIES[method]
    if method == "schur":
        return schur(C, form=plan.form, **options)
    _require_sharp(method, C, options["tol"])
    if method == "orbits" or plan.outer is None:
        return strategy(C, **options)
    inner = strategy(plan.operator, **options)
    Q = Composition(plan.outer, inner.Q)
    return replace(
        inner, Q=Q, orthogonality=Q.orthogonality(), strategy=f"orbits, then {inner.strategy}"
    )


def _require_sharp(method, C, tol):
    reason = blurred(method, C, tol)
    if reason:
        raise ConvergenceError(
            f"{method}: {reason}. Use schur, or generators of smaller norm.",
            status=Status.AMBIGUOUS_RANK,
        )
