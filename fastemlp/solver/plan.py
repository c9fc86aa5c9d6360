"""Which strategies fit a constraint, what each would cost, and in which order to try them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastemlp.operators import TensorConstraint

from .assembled import assembled_bytes
from .budget import DEFAULT_BUDGET, BudgetError, checked_budget, mib
from .forecast import burnside, count_traces, finite_group, forecast
from .lobpcg import suits
from .orbits import LARGEST_COMMON_ORDER, Restricted, readable, shrink
from .projection import FIRST_BLOCK
from .schur import CARRIED, NotReductive, Postponed, ReductiveForm, middle, reductive_form

METHODS = ("auto", "orbits", "weights", "schur", "lanczos", "lobpcg", "dense")

# Seconds per unit of work, measured on one core of a 2-core x86-64 server with a warm JIT.
ORBIT_STEP = 6e-9  # per coordinate and generator
PRODUCT_FLOP = 4e-10  # per multiply-add of a product with C
FACTOR_FLOP = 3e-10  # per multiply-add of a dense factorisation
SPLIT_STEP = 1e-3  # per irreducible times letter, whatever its size
FINITE_SPLIT_STEP = 3e-4  # per irreducible of a finite group
SPLIT_FLOP = 3e-10  # per n³ of a product λ ⊗ x of size n, which a Casimir operator splits
FINITE_SPLIT_FLOP = 2.5e-8  # the same without a Lie algebra, where random elements have to
LOBPCG_STEP = 3e-5  # per coordinate
#: Multiply-adds and bytes that a plan may spend on a look at the generators; what takes more belongs to the solve.
PLANNED_WORK, PLANNED_BYTES = 10**7, 2**20
#: Coordinates from which it is worth a millisecond to know a finite group.
ENUMERATED_FROM = 4096
#: Bytes of matrices that lobpcg is considered for.
ASSEMBLED_BYTES = 2**28
#: Seconds from which an alternative to an exact strategy is looked for.
LONG = 0.1
#: The share of a forecast of the rank that is certain, where it is a guess and where it is counted.
SURE = (0.25, 1.0)
#: Matrices of the size of a product λ ⊗ x that schur holds at a time.
WORKSPACE = 12
#: Lanczos steps that a constraint with a clear gap takes.
LANCZOS_STEPS = 15
#: A discrete generator of norm N on the tensor hides its own identity where tol·N is above this.
BLURRED = 1e-5


@dataclass(frozen=True)
class Choice:
    """One strategy for one constraint.

    Attributes
    ----------
    method : str
    reason : str; why it fits
    seconds, n_bytes : float; predicted processor time and memory, from below: it will take about this or more
    needed : float; bytes without which it cannot start, at most n_bytes
    """

    method: str
    reason: str
    seconds: float
    n_bytes: float
    needed: float = 0.0


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
    """

    choices: tuple
    unfit: tuple
    form: ReductiveForm | None
    outer: object
    operator: object


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
    dense = _dense(operator)
    # what only stands by is not worth a forecast
    stands_by = affordable or dense.seconds < LONG
    expected = (math.sqrt(C.shape[1]), 1.0) if stands_by else forecast(C, elements)
    lanczos = _lanczos(operator, *expected, 0.0 if stands_by else SURE[elements is not None])
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
    return Plan(tuple(choices), tuple(unfit), form, outer, operator)


def blurred(method, C, tol=None):
    """Why a method that compares singular values with ``tol·‖C‖`` cannot see the nullspace of C, or "".

    Where ρ(h) has entries of 10¹³ the identity in ρ(h) − I, and with it which vectors h fixes, is lost to rounding.
    """
    if method in ("orbits", "weights", "schur") or not isinstance(C, TensorConstraint):
        return ""
    if tol is None:
        tol = 10 * max(C.shape) * np.finfo(np.float64).eps if method == "dense" else 1e-11
    norm = 0.0
    for h in C.discrete:
        norms = {a: _norm_bound(h[a]) for a in set(C.slots)}
        norm = max(norm, math.prod(norms[a] for a in C.slots))
    if tol * norm <= BLURRED:
        return ""
    return (
        f"a discrete generator has norm {norm:.0e} on the tensor, beside which the identity in ρ(h) − I is lost "
        f"at tol = {tol:.0e}"
    )


def _norm_bound(h):
    """A bound on the spectral norm of a sparse array, the root of ``‖h‖₁ ‖h‖_∞``; 1 for None, the identity."""
    if h is None:
        return 1.0
    return math.sqrt(abs(h).sum(axis=0).max(initial=0.0) * abs(h).sum(axis=1).max(initial=0.0))


def _exact(C, memory_budget, elements):
    """The strategies that count or decompose: (list of Choice, list of (method, why not), ReductiveForm or None)."""
    counted, unfit = [], []
    try:
        _, monomials = readable(C)
        order = math.lcm(*(h.order for h in monomials))
        if order <= LARGEST_COMMON_ORDER:
            counted = [_orbits(C, order, elements)]
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
    return [*counted, _schur(C, form, elements, work)], unfit, form


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


def _orbits(C, order, elements):
    m = C.shape[1]
    n_generators = len(C.lie) + len(C.discrete)
    # label and phase of a coordinate, and the size of an orbit, counted twice
    n_bytes = m * ((4 if m < 2**31 else 8) + (order > 1) + (order > 64))
    n_bytes += 8 * (0 if elements is None else burnside(C, elements))
    return Choice(
        "orbits",
        "every generator permutes the coordinates up to phases, or is diagonal",
        1e-4 + ORBIT_STEP * m * max(n_generators, 1),
        n_bytes,
        n_bytes,
    )


def _schur(C, form, elements, work):
    """The cost of schur; ``elements`` of a finite group or None, ``work`` that is left to find the form."""
    sizes = [C.dims[a] for a in C.slots]
    cut = middle(sizes)
    seconds, n_bytes, needed = 2e-3 + work * FACTOR_FLOP, 0.0, 0.0
    # the squares of the sizes of all irreducibles of a finite group add up to its order, twice that over the reals
    order = math.inf if elements is None else len(elements[0])
    flop = SPLIT_FLOP if C.lie else FINITE_SPLIT_FLOP
    for word in (sizes[:cut], sizes[cut:]):
        for j, d in enumerate(word):
            # half of dᵏ/√k! is close to the largest irreducible of a classical group in k letters
            largest = max(1.0, 0.55 * math.prod(word[:j]) / math.sqrt(math.factorial(j)))
            n, kinds = min(largest, math.sqrt(2 * order)) * d, min(_partitions(j), order)
            if elements is None:
                seconds += kinds * (SPLIT_STEP + flop * n**3)
            n_bytes += kinds * 8 * n**2
            needed = max(needed, WORKSPACE * 8 * n**2)
    if elements is not None:
        # every irreducible is split once, however long the word
        seconds += FINITE_SPLIT_STEP * count_traces(elements)
    n_bytes = max(n_bytes, needed)
    reason = "the generators are closed under the adjoint"
    if form is None:
        reason = "the generators may be closed under the adjoint, which takes long to see"
    elif form.factors is not None:
        reason += " in balanced coordinates"
        m = C.shape[1]
        rank, _ = forecast(C, elements)
        # carried back as a dense array, and made orthonormal
        seconds += 5e-3 + 4 * m * rank**2 * FACTOR_FLOP
        n_bytes += CARRIED * m * rank * np.dtype(C.dtype).itemsize
    return Choice("schur", reason, seconds, n_bytes, needed)


def _dense(C):
    n_rows, m = C.shape
    return Choice(
        "dense",
        "it is small enough for a singular value decomposition",
        2e-4 + FACTOR_FLOP * (2 * n_rows * m**2 + 12 * m**3) + PRODUCT_FLOP * n_rows * m,
        3.0 * np.dtype(C.dtype).itemsize * max(n_rows, m) * m,
    )


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
    return [Choice("lobpcg", reason, 1e-2 + LOBPCG_STEP * m, n_bytes, n_bytes)]


def _lanczos(C, rank, gap, sure):
    """Finding a nullspace of this rank and gap through products with C; ``sure`` is the share that is certain."""
    n_rows, m = C.shape
    steps = max(LANCZOS_STEPS, min(2 / max(gap, 1e-12), m))
    seconds = 1e-2 + rank * (steps * max(20 * n_rows, _entries(C)) + 2 * rank * m) * PRODUCT_FLOP
    column = m * np.dtype(C.dtype).itemsize
    # a first block with its image; a basis that is clearly too large is not begun either
    needed = column * max(2.0 * min(FIRST_BLOCK, m), sure * rank)
    n_bytes = max(needed, column * (2 * FIRST_BLOCK + 2 * rank))
    return Choice("lanczos", "it needs products with C alone", seconds, n_bytes, needed)


def _entries(C):
    """Multiply-adds of one product with CᴴC, slot by slot; 0 where C does not show its generators."""
    if not isinstance(C, TensorConstraint):
        return 0.0
    matrices = [
        A[a].nnz / C.dims[a] for A in C.lie + C.discrete for a in C.slots if A[a] is not None
    ]
    return 2.0 * C.shape[1] * sum(matrices)


def _partitions(n):
    """The number of partitions of n: how many irreducibles a word of n letters has, at most about."""
    counts = [1] + [0] * n
    for part in range(1, n + 1):
        for total in range(part, n + 1):
            counts[total] += counts[total - part]
    return counts[n]
