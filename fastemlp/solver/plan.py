"""Which strategies fit a constraint, what each would cost, and in which order to try them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastemlp.operators import TensorConstraint

from .orbits import Restricted, readable, shrink
from .schur import NotReductive, ReductiveForm, middle, reductive_form

METHODS = ("auto", "orbits", "weights", "schur", "lanczos", "lobpcg", "dense")

# Seconds per unit of work, measured on one core of a 2-core x86-64 server with a warm JIT.
ORBIT_STEP = 6e-9  # per coordinate and generator
PRODUCT_FLOP = 4e-10  # per multiply-add of a product with C
FACTOR_FLOP = 3e-10  # per multiply-add of a dense factorisation
SPLIT_STEP = 1e-3  # per irreducible times letter, whatever its size
SPLIT_FLOP = 3e-10  # per n³ of a product λ ⊗ x of size n
#: Lanczos steps that a constraint with a clear gap takes.
LANCZOS_STEPS = 15


@dataclass(frozen=True)
class Choice:
    """One strategy for one constraint.

    Attributes
    ----------
    method : str
    reason : str; why it fits
    seconds, n_bytes : float; predicted cost, to within a factor of a few
    """

    method: str
    reason: str
    seconds: float
    n_bytes: float


@dataclass(frozen=True, eq=False)
class Plan:
    """The strategies in the order they are tried, and those that do not fit.

    Attributes
    ----------
    choices : tuple of Choice; the first is expected to do, the others stand by should its certificate fail
    unfit : tuple of (method, reason)
    form : ReductiveForm or None; what ``schur`` starts from
    outer : OrbitIsometry or None; coordinates of a smaller space that holds the solutions
    operator : the constraint on that space, for ``dense``, ``lanczos`` and ``lobpcg``; C itself where outer is None
    """

    choices: tuple
    unfit: tuple
    form: ReductiveForm | None
    outer: object
    operator: object


def make_plan(C, memory_budget=2**30):
    """Compare the strategies on a constraint, without solving it.

    Parameters
    ----------
    C : operator of shape (n_rows, m); a TensorConstraint has more strategies than others
    memory_budget : int, bytes

    Returns
    -------
    Plan
    """
    if isinstance(C, TensorConstraint):
        exact, unfit, form = _exact(C)
    else:
        exact, form = [], None
        unfit = [(name, "this is not one tensor type") for name in ("orbits", "schur")]
    affordable = [c for c in exact if c.n_bytes <= memory_budget]
    outer, operator = None, C
    if not affordable and isinstance(C, TensorConstraint):
        outer, operator = _shrunk(C)
    dense, iterative = _dense(operator), _iterative(operator, C)
    # what iterates comes last where something exact fits
    last = [iterative] if exact or dense.seconds <= iterative.seconds else []
    if dense.n_bytes <= memory_budget:
        affordable.append(dense)
    affordable.sort(key=lambda choice: choice.seconds)
    unfit += [
        (c.method, f"it would take {c.n_bytes / 2**20:,.0f} MiB")
        for c in [*exact, dense]
        if c.n_bytes > memory_budget
    ]
    choices = [*affordable, *last] if last else [iterative, *affordable]
    return Plan(tuple(choices), tuple(unfit), form, outer, operator)


def _exact(C):
    """The strategies that count or decompose: (list of Choice, list of (method, why not), ReductiveForm or None)."""
    try:
        readable(C)
        # nothing is as cheap or as exact: there is no need to look further
        return [_orbits(C)], [("schur", "orbits are exact and need no arithmetic")], None
    except ValueError as error:
        unfit = [("orbits", str(error).removeprefix("orbits: ").partition(". ")[0])]
    try:
        form = reductive_form(C)
    except NotReductive as error:
        return [], [*unfit, ("schur", str(error))], None
    return [_schur(C, form)], unfit, form


def _shrunk(C):
    outer, rest = shrink(C)
    return (None, C) if outer is None else (outer, Restricted(rest, outer))


def _orbits(C):
    m = C.shape[1]
    n_generators = len(C.lie) + len(C.discrete)
    return Choice(
        "orbits",
        "every generator permutes the coordinates up to phases, or is diagonal",
        1e-4 + ORBIT_STEP * m * max(n_generators, 1),
        m * (4 if m < 2**31 else 8),
    )


def _schur(C, form):
    sizes = [C.dims[a] for a in C.slots]
    cut = middle(sizes)
    seconds, n_bytes = 2e-3, 0.0
    for word in (sizes[:cut], sizes[cut:]):
        for j, d in enumerate(word):
            # half of dᵏ/√k! is close to the largest irreducible of a classical group in k letters
            largest = max(1.0, 0.55 * math.prod(word[:j]) / math.sqrt(math.factorial(j)))
            n, kinds = largest * d, _partitions(j)
            seconds += kinds * (SPLIT_STEP + SPLIT_FLOP * n**3)
            n_bytes += kinds * 8 * n**2
    reason = "the generators are closed under the adjoint"
    if form.factors is not None:
        reason += " in balanced coordinates"
        m, rank = C.shape[1], math.sqrt(C.shape[1])
        seconds += 4 * m * rank**2 * FACTOR_FLOP
        n_bytes += 24 * m * rank
    return Choice("schur", reason, seconds, n_bytes)


def _dense(C):
    n_rows, m = C.shape
    return Choice(
        "dense",
        "it is small enough for a singular value decomposition",
        2e-4 + FACTOR_FLOP * (2 * n_rows * m**2 + 12 * m**3) + PRODUCT_FLOP * n_rows * m,
        24.0 * n_rows * m,
    )


def _iterative(operator, C):
    return Choice("lanczos", "it needs products with C alone", *_products(operator))


def _products(C):
    """Seconds and bytes of finding the nullspace through products with C."""
    n_rows, m = C.shape
    # the rank is not known beforehand; √m is of the right order for tensor powers
    rank = math.sqrt(m)
    seconds = 1e-2 + rank * (LANCZOS_STEPS * 20 * n_rows + 4 * rank * m) * PRODUCT_FLOP
    return seconds, 24 * m * rank


def _partitions(n):
    """The number of partitions of n: how many irreducibles a word of n letters has, at most about."""
    counts = [1] + [0] * n
    for part in range(1, n + 1):
        for total in range(part, n + 1):
            counts[total] += counts[total - part]
    return counts[n]
