"""Which strategies fit a constraint, what each would cost, and in which order to try them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastemlp.operators import TensorConstraint

from .lobpcg import suits
from .orbits import LARGEST_COMMON_ORDER, Restricted, readable, shrink
from .schur import NotReductive, ReductiveForm, middle, reductive_form

METHODS = ("auto", "orbits", "weights", "schur", "lanczos", "lobpcg", "dense")

# Seconds per unit of work, measured on one core of a 2-core x86-64 server with a warm JIT.
ORBIT_STEP = 6e-9  # per coordinate and generator
PRODUCT_FLOP = 4e-10  # per multiply-add of a product with C
FACTOR_FLOP = 3e-10  # per multiply-add of a dense factorisation
SPLIT_STEP = 1e-3  # per irreducible times letter, whatever its size
SPLIT_FLOP = 3e-10  # per n³ of a product λ ⊗ x of size n, which a Casimir operator splits
FINITE_SPLIT_FLOP = 2.5e-8  # the same without a Lie algebra, where random elements have to
LOBPCG_STEP = 3e-5  # per coordinate
#: Seconds from which an alternative to an exact strategy is looked for.
LONG = 0.1
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
    dense, lanczos = _dense(operator), _lanczos(operator)
    unfit += [
        (c.method, f"it would take {c.n_bytes / 2**20:,.0f} MiB")
        for c in [*exact, dense]
        if c.n_bytes > memory_budget
    ]
    small = [dense] if dense.n_bytes <= memory_budget else []
    sparse = _lobpcg(operator) if _is_long(C, affordable) else []
    if affordable:
        # what iterates stands by, for when a certificate fails
        numerical = [c for c in [*small, lanczos] if not blurred(c.method, C)]
        unfit += [(c.method, blurred(c.method, C)) for c in [*small, lanczos] if c not in numerical]
        quick = [*affordable, *sparse, *(c for c in numerical if c is dense)]
        # far from balanced coordinates singular values are tiny; only the balanced ones show the rank
        first = [c for c in affordable if form is not None and form.factors is not None]
        rest = sorted((c for c in quick if c not in first), key=lambda c: c.seconds)
        choices = [*first, *rest, *(c for c in numerical if c is lanczos)]
    elif small and dense.seconds <= lanczos.seconds:
        choices = [dense, lanczos]
    else:
        choices = [*sparse, lanczos, *small]
    return Plan(tuple(choices), tuple(unfit), form, outer, operator)


def blurred(method, C, tol=None):
    """Why a method that compares singular values with ``tol·‖C‖`` cannot see the nullspace of C, or "".

    Where ρ(h) has entries of 10¹³ the identity in ρ(h) − I, and with it which vectors h fixes, is lost to rounding.
    """
    if method in ("orbits", "weights", "schur") or not isinstance(C, TensorConstraint):
        return ""
    if tol is None:
        tol = 10 * max(C.shape) * np.finfo(np.float64).eps if method == "dense" else 1e-11
    norm = max((math.prod(_norm_bound(h[a]) for a in C.slots) for h in C.discrete), default=0.0)
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


def _exact(C):
    """The strategies that count or decompose: (list of Choice, list of (method, why not), ReductiveForm or None)."""
    try:
        _, monomials = readable(C)
        order = math.lcm(*(h.order for h in monomials))
        if order <= LARGEST_COMMON_ORDER:
            # nothing is as cheap or as exact: there is no need to look further
            return [_orbits(C)], [("schur", "orbits are exact and need no arithmetic")], None
        unfit = [("orbits", f"the entries are roots of unity of common order {order}, too many")]
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
    flop = SPLIT_FLOP if C.lie else FINITE_SPLIT_FLOP
    for word in (sizes[:cut], sizes[cut:]):
        for j, d in enumerate(word):
            # half of dᵏ/√k! is close to the largest irreducible of a classical group in k letters
            largest = max(1.0, 0.55 * math.prod(word[:j]) / math.sqrt(math.factorial(j)))
            n, kinds = largest * d, _partitions(j)
            seconds += kinds * (SPLIT_STEP + flop * n**3)
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


def _lanczos(C):
    return Choice("lanczos", "it needs products with C alone", *_products(C))


def _is_long(C, affordable):
    """Whether it is worth a probe if lobpcg fits: nothing exact is quick, and there are discrete generators alone."""
    return not getattr(C, "lie", ()) and all(c.seconds > LONG for c in affordable)


def _lobpcg(C):
    """The choice of lobpcg where a probe shows that it beats lanczos; else nothing."""
    if not suits(C):
        return []
    reason = "a sparse constraint whose singular values come down to zero without a clear gap"
    m = C.shape[1]
    return [Choice("lobpcg", reason, 1e-2 + LOBPCG_STEP * m, 800.0 * m)]


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
