"""Which strategies fit a constraint, what each would cost, and in which order to try them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastemlp._budget import DEFAULT_BUDGET, checked_budget, mib
from fastemlp.exceptions import BudgetError, NotReductive
from fastemlp.irreducibles.characters import character, whole_mean
from fastemlp.irreducibles.reductive import ReductiveForm, reductive_form
from fastemlp.irreducibles.symmetry import Postponed
from fastemlp.operators import TensorConstraint, norm_bound
from fastemlp.orbits import LARGEST_COMMON_ORDER, readable
from fastemlp.solver.krylov.assembled import assembled_bytes
from fastemlp.solver.krylov.lobpcg import suits
from fastemlp.solver.reductions.shrink import Restricted, shrink

from .costs import dense_cost, lanczos_cost, lobpcg_cost, orbits_cost, schur_cost
from .forecast import finite_group, forecast

METHODS = ("auto", "orbits", "schur", "lanczos", "lobpcg", "dense")

#: Multiply-adds and bytes that a plan may spend on a look at the generators; what takes more belongs to the solve.
PLANNED_WORK, PLANNED_BYTES = 10**7, 2**20
#: Coordinates from which it is worth a millisecond to know a finite group.
ENUMERATED_FROM = 1024
#: Bytes of matrices that lobpcg is considered for.
ASSEMBLED_BYTES = 2**28
#: Seconds from which an alternative to an exact strategy is looked for.
LONG = 0.1
#: The share of a forecast of the rank that is certain, where it is a guess and where it is counted.
SURE = (0.25, 1.0)
#: A discrete generator of norm N on the tensor hides its own identity where tol·N is above this.
BLURRED = 1e-5


@dataclass(frozen=True, eq=False)
class Plan:
    """The strategies in the order they are tried, and those that do not fit.

    Attributes
    ----------
    choices : tuple of Choice; the first is expected to do, the others stand by should its certificate fail. All fit
        the memory budget; empty where nothing does
    unfit : tuple of (method, reason)
    form : ReductiveForm or None; what ``schur`` starts from, None where finding it is left to the solve
    outer : OrbitIsometry or None; coordinates of a smaller space that holds the solutions
    operator : the constraint on that space, for ``dense``, ``lanczos`` and ``lobpcg``; C itself where outer is None
    rank : int or None; the dimension of the nullspace where it is known beforehand: a mean of characters
    """

    choices: tuple
    unfit: tuple
    form: ReductiveForm | None
    outer: object
    operator: object
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
    memory_budget = checked_budget(memory_budget, "make_plan")
    elements = None
    if isinstance(C, TensorConstraint):
        # small problems are solved before a group is enumerated
        elements = finite_group(C) if C.shape[1] > ENUMERATED_FROM else None
        exact, unfit, form = _exact(C, memory_budget, elements)
    else:
        exact, form = [], None
        unfit = [(name, "this is not one tensor type") for name in ("orbits", "schur")]
    affordable = [c for c in exact if c.n_bytes <= memory_budget]
    outer, operator = None, C
    if not affordable and isinstance(C, TensorConstraint):
        outer, operator = _shrunk(C, memory_budget)
    dense = dense_cost(operator)
    # what only stands by is not worth a forecast
    expected = (math.sqrt(C.shape[1]), 1.0) if affordable else forecast(C, elements)
    sure = 0.0 if affordable else SURE[elements is not None]
    lanczos = lanczos_cost(operator, *expected, sure, form is not None)
    unfit += [(c.method, _too_much(c, C)) for c in [*exact, dense] if c.n_bytes > memory_budget]
    if lanczos.needed > memory_budget:
        unfit.append(("lanczos", f"it would take at least {mib(lanczos.needed)}"))
    small = [dense] if dense.n_bytes <= memory_budget else []
    products = [lanczos] if lanczos.needed <= memory_budget else []
    sparse = _lobpcg(operator, memory_budget) if _is_long(C, affordable) else []
    if affordable:
        # what iterates stands by, for when a certificate fails
        standby = [*small, *products]
        numerical = [c for c in standby if not blurred(c.method, C)]
        unfit += [(c.method, blurred(c.method, C)) for c in standby if c not in numerical]
        quick = [*affordable, *sparse, *(c for c in numerical if c is dense)]
        if form is None and affordable[0].method == "schur":
            # whether it fits at all is not known, so products with C have an equal claim
            quick += [c for c in numerical if c is lanczos]
        # far from balanced coordinates singular values are tiny; only the balanced ones show the rank
        first = [c for c in affordable if form is not None and form.factors is not None]
        rest = sorted((c for c in quick if c not in first), key=lambda c: c.seconds)
        choices = [*first, *rest, *(c for c in numerical if c is lanczos and c not in rest)]
    elif small and dense.seconds <= lanczos.seconds:
        choices = [dense, *products]
    else:
        choices = [*sparse, *products, *small]
    rank = None if elements is None else whole_mean(character(elements, C.slots))
    return Plan(tuple(choices), tuple(unfit), form, outer, operator, rank)


def blurred(method, C, tol=None):
    """Why a method that compares singular values with ``tol·‖C‖`` cannot see the nullspace of C, or "".

    Where ρ(h) has entries of 10¹³ the identity in ρ(h) − I, and with it which vectors h fixes, is lost to rounding.
    """
    if method in ("orbits", "schur") or not isinstance(C, TensorConstraint):
        return ""
    if tol is None:
        tol = 10 * max(C.shape) * np.finfo(np.float64).eps if method == "dense" else 1e-11
    norm = 0.0
    for h in C.discrete:
        norms = {a: norm_bound(h[a], 1.0) for a in set(C.slots)}
        norm = max(norm, math.prod(norms[a] for a in C.slots))
    if tol * norm <= BLURRED:
        return ""
    return (
        f"a discrete generator has norm {norm:.0e} on the tensor, beside which the identity in ρ(h) − I is lost "
        f"at tol = {tol:.0e}"
    )


def _exact(C, memory_budget, elements):
    """The strategies that count or decompose: (list of Choice, list of (method, why not), ReductiveForm or None)."""
    counted, unfit = [], []
    try:
        _, monomials = readable(C)
        order = math.lcm(*(h.order for h in monomials))
        if order <= LARGEST_COMMON_ORDER:
            counted = [orbits_cost(C, order, elements)]
            if counted[0].n_bytes <= memory_budget:
                # nothing is as cheap or as exact: there is no need to look further
                return counted, [("schur", "orbits are exact and need no arithmetic")], None
        else:
            unfit = [
                ("orbits", f"the entries are roots of unity of common order {order}, too many")
            ]
    except ValueError as error:
        unfit = [("orbits", str(error).removeprefix("orbits: ").partition(". ")[0])]
    try:
        form, work = reductive_form(C, PLANNED_WORK), 0.0
    except NotReductive as error:
        return counted, [*unfit, ("schur", str(error))], None
    except Postponed as error:
        form, work = None, error.work
    return [*counted, schur_cost(C, form, elements, work)], unfit, form


def _too_much(choice, C):
    if choice.method == "orbits":
        return f"{C.shape[1]} coordinates need {mib(choice.n_bytes)} for their labels"
    return f"it would take {mib(choice.n_bytes)}"


def _shrunk(C, memory_budget):
    try:
        outer, rest = shrink(C, memory_budget=memory_budget)
    except BudgetError:
        return None, C
    return (None, C) if outer is None else (outer, Restricted(rest, outer))


def _is_long(C, affordable):
    """Whether it is worth a probe if lobpcg fits: nothing exact is quick, and there are discrete generators alone."""
    return not getattr(C, "lie", ()) and all(c.seconds > LONG for c in affordable)


def _lobpcg(C, memory_budget):
    """The choice of lobpcg where it may beat lanczos, which a probe shows here if it is quick, else in the solve."""
    if not isinstance(C, TensorConstraint):
        return []
    m, n_bytes = C.shape[1], assembled_bytes(C)
    n_bytes = max(n_bytes, 800.0 * m)
    if n_bytes > min(ASSEMBLED_BYTES, memory_budget):
        return []
    if n_bytes <= PLANNED_BYTES and not suits(C):
        return []
    reason = "a sparse constraint whose singular values come down to zero without a clear gap"
    if n_bytes > PLANNED_BYTES:
        reason = "a sparse constraint, if a probe shows that its singular values come down to zero"
    return [lobpcg_cost(m, n_bytes, reason)]
