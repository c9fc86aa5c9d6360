"""Fixed vectors by counting: orbits of monomial generators, weights of diagonal ones.

A discrete generator that maps basis vectors to basis vectors, up to a root of unity, makes a symmetric vector
constant along its orbits up to phases; a loop whose phases do not cancel makes it vanish there. A diagonal Lie
algebra generator makes it vanish wherever the weights of the slots do not add up to zero. Both are exact, cost
O(m) per generator, and hold nothing but one label (and one phase) per coordinate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastemlp._budget import DEFAULT_BUDGET, mib
from fastemlp._gap import split_rank
from fastemlp._kernels import orbits as kernels
from fastemlp.exceptions import BudgetError, CertificationError, Status
from fastemlp.isometries import OrbitIsometry
from fastemlp.operators import TensorConstraint

from .monomial import LARGEST_ORDER, Monomial, outer_sum
from .weights import diagonal, rounding

#: Roots of unity of all generators together must be of at most this order.
LARGEST_COMMON_ORDER = 2**14
#: Below this size labels are not worth a narrower type.
NARROW_LABELS = 2**20


def readable(C):
    """The weights and monomials that every generator is read as, if ``orbits`` fits C.

    Returns
    -------
    weights : list of D elements, each a list of one diagonal per atom
    monomials : list of M Monomial

    Raises
    ------
    ValueError
        If a generator is neither diagonal (Lie algebra) nor monomial (discrete), saying which.
    """
    require_tensor(C, "orbits")
    weights = []
    for k, A in enumerate(C.lie):
        weights.append(diagonal(A, C.dims, rounding(C.accuracy)))
        if weights[-1] is None:
            raise ValueError(
                f"orbits: expected Lie algebra generators that are diagonal, but generator {k} of {len(C.lie)} has "
                "entries off the diagonal. Solve with shrink, which leaves these to another strategy."
            )
    monomials = [Monomial.read(h, C.dims, rounding(C.accuracy)) for h in C.discrete]
    if None in monomials:
        raise ValueError(
            f"orbits: expected discrete generators with one root of unity, of order at most {LARGEST_ORDER}, in each "
            f"row and column, but generator {monomials.index(None)} of {len(C.discrete)} is not of that form. Solve "
            "with shrink, which leaves these to another strategy."
        )
    return weights, monomials


@dataclass(frozen=True, eq=False)
class FixedSpace:
    """The vectors that monomial generators fix and diagonal ones kill.

    Attributes
    ----------
    Q : OrbitIsometry, with columns in the order of their first coordinate
    norm : float; a bound on that of the constraint that these generators make
    residual : float; how far their entries are from what they were read as, over the norm
    gap : float; a lower bound on the smallest nonzero singular value, over the norm
    """

    Q: OrbitIsometry
    norm: float
    residual: float
    gap: float


def fixed_space(C, weights, monomials, tol=None, memory_budget=DEFAULT_BUDGET, caller="orbits"):
    """The space fixed by monomial generators and of weight zero, by counting.

    Parameters
    ----------
    C : TensorConstraint; its slots, and what its generators are known to
    weights, monomials : as ``readable`` returns them
    tol : float, optional
        Weights that add up to less than ``tol`` times the sum of the largest of each slot count as zero; default 1e-12,
        or ten times what the generators are known to.
    memory_budget : int; bytes allowed for the labels and phases
    caller : str; named in errors

    Returns
    -------
    FixedSpace

    Raises
    ------
    ValueError
        If the labels exceed the budget, or the roots of unity are too many.
    ConvergenceError
        If weights are neither clearly zero nor clearly not.
    CertificationError
        If a generator does not preserve what was found.
    """
    order = math.lcm(*(h.order for h in monomials))
    if order > LARGEST_COMMON_ORDER:
        raise ValueError(
            f"{caller}: the entries of the generators are roots of unity of common order {order}, "
            f"more than the {LARGEST_COMMON_ORDER} allowed. Use another strategy."
        )
    parent, phase = _allocate(C.shape[1], order, memory_budget, caller)
    halves = _halves(C)
    tables = [h.tables(halves, order) for h in monomials]
    real = [part for element in weights for part in _real_parts(element, C.slots)]
    sums = [[outer_sum(w, half) for half in halves] for w, _ in real]
    scales = [scale for _, scale in real]
    tol = max(1e-12, 10 * C.accuracy) if tol is None else tol
    limits = [tol * scale for scale in scales]

    kernels.plant(parent)
    zero, nonzero = 0.0, np.inf
    for (left, right), scale, limit in zip(sums, scales, limits, strict=True):
        largest, smallest = kernels.kill(left, right, limit, parent)
        sigma = np.array([largest, smallest])
        split_rank(sigma, scale, tol, C.accuracy, caller)
        zero, nonzero = max(zero, largest), min(nonzero, smallest)
    for table in tables:
        kernels.merge(*table, order, parent, phase)
    Q = _isometry(parent, phase, order, is_complex=order > 2 or C.dtype.kind == "c")

    norm = math.hypot(*scales, *[2.0] * len(tables))
    error = max([zero, *(len(C.slots) * h.error for h in monomials)])
    _require_preserved(Q, tables, sums, limits, caller)
    return FixedSpace(
        Q,
        norm,
        residual=error / norm if norm else 0.0,
        gap=_gap_bound(Q, order, tables, nonzero) / norm if norm else math.inf,
    )


def _gap_bound(Q, order, tables, weight):
    """A lower bound on the nonzero singular values, given the smallest nonzero weight.

    On an orbit CᴴC is the Laplacian of a graph with phases, whose spectrum is in that of its cyclic cover: of at
    most N vertices, so that what is not zero is at least ``4 sin²(π/2N)``, the path's (Fiedler 1973). A weight that
    kills an orbit whose phases agree leaves ``1 / (N(1/ℓ + 1/w²) + 1/ℓ)``. Orbits that are killed keep no size of
    their own; together they are as large as all coordinates that are killed.
    """
    if not tables:
        return weight
    largest = int(Q.sizes.max(initial=0))
    n = max(largest, Q.shape[0] - int(Q.sizes.sum()), 1)
    if n * order == 1:
        return weight
    path = 4 * math.sin(math.pi / (2 * n * order)) ** 2
    if weight < math.inf:
        path = 1 / (n * (1 / path + 1 / weight**2) + 1 / path)
    return math.sqrt(path)


def _isometry(parent, phase, order, is_complex):
    """Orbit indicators from the forest, which is overwritten."""
    rank = kernels.number(parent, phase, order)
    labels = parent.astype(narrow(rank), copy=False) if len(parent) >= NARROW_LABELS else parent
    sizes = np.zeros(rank, parent.dtype)
    kernels.count_sizes(labels, sizes)
    return OrbitIsometry(
        labels,
        sizes,
        phase if order > 1 else None,
        order,
        np.complex128 if is_complex else np.float64,
    )


def _require_preserved(Q, tables, sums, limits, caller):
    """CertificationError unless every generator is seen to preserve every orbit."""
    phase = np.zeros(0, np.int8) if Q.phases is None else Q.phases
    broken = sum(kernels.count_broken(*table, Q.n_phases, Q.labels, phase) for table in tables)
    stray = sum(
        kernels.count_stray(left, right, limit, Q.labels)
        for (left, right), limit in zip(sums, limits, strict=True)
    )
    if broken or stray:
        raise CertificationError(
            f"{caller}: expected every coordinate and its image in one orbit, got {broken} that are "
            f"not, and {stray} of nonzero weight that are alive, of {Q.shape[0]}. Please report this.",
            status=Status.BAD_RESIDUAL,
        )


def require_tensor(C, caller):
    """ValueError unless C is a TensorConstraint, which shows its generators."""
    if not isinstance(C, TensorConstraint):
        raise ValueError(
            f"{caller}: expected a TensorConstraint, the constraint of one tensor type, which shows "
            f"its generators; got {type(C).__name__}. Solve term by term, or use another strategy."
        )


def _allocate(m, order, memory_budget, caller):
    """The arrays of m parents and, if there are any, phases."""
    index = np.dtype(np.int32 if m < 2**31 else np.int64)
    small = np.dtype(np.int8 if order <= 64 else np.int16)
    # the narrower copy of the labels takes one or two bytes more in most cases
    n_bytes = m * (index.itemsize + (small.itemsize if order > 1 else 0) + 2)
    if n_bytes > memory_budget:
        raise BudgetError(
            f"{caller}: {m} coordinates need {mib(n_bytes)} for their labels, more than memory_budget = "
            f"{mib(memory_budget)}. Raise memory_budget."
        )
    return np.empty(m, index), np.zeros(m if order > 1 else 0, small)


def narrow(rank):
    """The smallest integer type for labels −1 … rank − 1."""
    return next(t for t in (np.int8, np.int16, np.int32, np.int64) if rank - 1 <= np.iinfo(t).max)


def _halves(C):
    """The slots cut in two so that tables of both halves are small."""
    sizes = [C.dims[a] for a in C.slots]
    cut = min(range(len(sizes) + 1), key=lambda k: math.prod(sizes[:k]) + math.prod(sizes[k:]))
    return C.slots[:cut], C.slots[cut:]


def _real_parts(diagonals, slots):
    """Nonzero real and imaginary parts of a diagonal element, and what their errors are relative to.

    That is the sum over slots of the largest weight, complex as it is: of an imaginary one the real part is roundoff.
    """
    scale = float(sum(np.abs(diagonals[a]).max(initial=0.0) for a in slots))
    parts = [[w.real for w in diagonals], [w.imag for w in diagonals]]
    return [
        ([np.ascontiguousarray(w) for w in part], scale)
        for part in parts
        if any(part[a].any() for a in slots)
    ]
