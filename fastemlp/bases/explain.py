"""What a basis will cost before it is solved, and why it is empty afterwards."""

from __future__ import annotations

from fastemlp._budget import DEFAULT_BUDGET, checked_budget
from fastemlp.bases.basis import equivariant_basis
from fastemlp.bases.cache import require_writable
from fastemlp.bases.constraint import constraint, require_bound
from fastemlp.exceptions import BudgetError, ConvergenceError
from fastemlp.operators import TensorConstraint
from fastemlp.reps import Scalar, T, terms
from fastemlp.solver import make_plan, solve_nullspace

#: Invariants are looked for up to this tensor order and this size.
HIGHEST_ORDER, LARGEST_SIZE = 6, 10**5


def explain(rep, *, memory_budget=DEFAULT_BUDGET):
    """Print how ``equivariant_basis(rep)`` would solve each distinct type of a rep: strategy, size, cost, reason.

    Parameters
    ----------
    rep : Rep, bound
    memory_budget : int; bytes, as for ``equivariant_basis``

    Raises
    ------
    TypeError
        If ``rep`` is not a Rep.
    ValueError
        If it is unbound, or the budget is not a positive int.

    Notes
    -----
    Nothing is solved, though orbits are counted (a pass over all coordinates) where no other strategy is exact and they
    may shrink the problem. Times are for one core and, like the memory, lower estimates from measured costs per
    operation; expect up to three times as much on a current machine.

    Examples
    --------
    >>> from fastemlp.groups import SO
    >>> from fastemlp.reps import V
    >>> explain((V**8)(SO(3)))  # doctest: +ELLIPSIS
    V8 of SO(3): 1 type, size 6,561
      V8, size 6,561: schur, about ... s and ... KiB
        the generators are closed under the adjoint
        else lanczos, about ... s
        not orbits: ...
        not dense: it would take 2,299 MiB
    """
    require_bound(rep, "explain")
    memory_budget = checked_budget(memory_budget, "explain")
    canonical, _ = rep.canonical()
    types = terms(canonical)
    groups = ", ".join(map(repr, rep.groups)) or "no group"
    count = f"{len(types)} type{'s' if len(types) != 1 else ''}"
    print(f"{rep} of {groups}: {count}, size {rep.size():,}")
    for term, n in types:
        copies = f"{n} × " if n > 1 else ""
        print("\n".join(_lines(term, copies, memory_budget)))


def _lines(term, copies, memory_budget):
    head = f"  {copies}{term}, size {term.size():,}"
    if term == Scalar:
        return [f"{head}: nothing to solve"]
    try:
        require_writable(term, memory_budget)
    except BudgetError as error:
        return [f"{head}: no strategy fits. {error}"]
    plan = make_plan(constraint(term), memory_budget)
    if not plan.choices:
        reasons = "; ".join(f"{unfit.strategy}: {unfit.reason}" for unfit in plan.unfit)
        return [f"{head}: no strategy fits. {reasons}"]
    first, *others = plan.choices
    where = f" {first.where}" if first.where else ""
    lines = [
        f"{head}: {first.strategy}{where}, about {first.seconds:.2g} s and {first.n_bytes / 2**10:,.0f} KiB",
        f"    {first.reason}",
    ]
    lines += [f"    else {c.strategy}, about {c.seconds:.2g} s" for c in others]
    return lines + [f"    not {unfit.strategy}: {unfit.reason}" for unfit in plan.unfit]


def why_empty(rep):
    """Say in words why a rep has no symmetric vectors, or "" if it has some.

    Parameters
    ----------
    rep : Rep, bound

    Returns
    -------
    str
        Which generators by themselves leave nothing, and the lowest tensor order at which the group has an invariant.

    Examples
    --------
    >>> from fastemlp.groups import O
    >>> from fastemlp.reps import V
    >>> for sentence in why_empty(V(O(3))).split(". "):
    ...     print(sentence)
    V has no symmetric vectors under O(3): the Lie algebra of O(3) leaves none
    The lowest tensor order of O(3) with an invariant is V2, which has 1.
    """
    require_bound(rep, "why_empty")
    canonical, _ = rep.canonical()
    types = [term for term, _ in terms(canonical)]
    if equivariant_basis(rep).rank:
        return ""
    if not types:
        return f"{rep} has size 0."
    groups = " and ".join(map(repr, rep.groups))
    reasons = dict.fromkeys(_culprit(term) for term in types)
    orders = [_lowest_order(group) for group in rep.groups]
    return (
        f"{rep} has no symmetric vectors under {groups}: {'; '.join(reasons)}. {' '.join(orders)}"
    )


def _culprit(term):
    """The fewest generators that kill a type on their own."""
    C = constraint(term)
    only = len(C.discrete) + len(C.lie) == 1
    group = repr(term.groups[0]) if len(term.groups) == 1 else "the groups"
    for k in range(len(C.discrete)):
        if _rank(C.part([], [k])) == 0:
            return f"discrete generator {k} of {group} alone leaves none"
    for i in range(len(C.lie)):
        if _rank(C.part([i], [])) == 0:
            return f"Lie algebra generator {i} of {group} alone leaves none"
    if C.lie and _rank(C.part(range(len(C.lie)), [])) == 0:
        return f"the Lie algebra of {group} leaves none"
    if only:
        # too large to be solved once more, but there is no other
        return f"{'discrete' if C.discrete else 'Lie algebra'} generator 0 of {group} alone leaves none"
    return f"no generator of {group} alone, but all together leave none"


def _rank(C):
    if not isinstance(C, TensorConstraint) or C.shape[1] > LARGEST_SIZE:
        return None
    try:
        return solve_nullspace(C).rank
    except (ConvergenceError, BudgetError):
        return None


def _lowest_order(group):
    order = 1
    while order <= HIGHEST_ORDER and group.d**order <= LARGEST_SIZE:
        powers = dict.fromkeys(T(p, order - p, group) for p in range(order, -1, -1))
        for rep in powers:
            rank = equivariant_basis(rep).rank
            if rank:
                return f"The lowest tensor order of {group} with an invariant is {rep}, which has {rank}."
        order += 1
    return f"{group} has no invariant tensor of order {order - 1} or below."
