"""What each strategy takes, in seconds and bytes, before it is begun: predicted from below."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastemlp.irreducibles.characters import count_traces
from fastemlp.operators import PAIR_TERMS, TensorConstraint
from fastemlp.orbits import NARROW_LABELS, narrow
from fastemlp.solver.krylov.projection import BLOCK, FIRST_BLOCK

from .forecast import burnside, forecast
from .schur import carried_bytes, middle

# Seconds of processor time, from below, fitted to some 110 problems on one core of an x86-64 server with a warm JIT.
#: Per problem; per coordinate and pass, of which there is one for each generator and another; per row of a generator.
ORBITS_BASE, ORBIT_STEP, READ_STEP = 5e-4, 3e-9, 3e-6
#: Per problem, per multiply-add, and of solving in the coordinates that orbits leave.
DENSE_BASE, DENSE_FLOP, SHRINK_BASE = 7e-4, 1.4e-10, 8e-3
#: Per problem, per Lie algebra generator, and per irreducible times letter.
SCHUR_BASE, LIE_STEP, SPLIT_STEP = 3.5e-3, 1e-4, 3.5e-4
#: Per entry of a product λ ⊗ x of size n and Lie algebra generator, up to so many and five more; per n³.
SPLIT_ENTRY, MOST, SPLIT_FLOP = 8e-9, 20, 1.5e-10
#: Without a Lie algebra, where random elements have to split products: per irreducible, and per n³.
FINITE_SPLIT_STEP, FINITE_SPLIT_FLOP = 3e-4, 2.5e-8
#: Per multiply-add of a QR, and of closing a Lie algebra.
FACTOR_FLOP, CLOSE_FLOP = 2.5e-10, 1e-10
#: Of balancing: per problem and per entry of a generator. Times that schur solves in balanced coordinates.
BALANCE_BASE, BALANCE_STEP, REPEATED = 5e-3, 3e-5, 1.7
#: Per problem, and per multiply-add of a product with C.
LANCZOS_BASE, PRODUCT_FLOP = 2e-2, 2.2e-10
#: Per product of entries in a Casimir operator, and its bytes.
PAIR_STEP, PAIR_BYTES = 1.5e-8, 16
#: Per problem and per coordinate.
LOBPCG_BASE, LOBPCG_STEP = 1e-2, 3e-5

#: The size of the largest irreducible in few letters over that of the word.
SHARES = (1.0, 0.55, 0.45, 0.3)
#: Matrices of the size of a product λ ⊗ x that schur holds at a time: those it cannot do without, and at most.
WORKSPACE, AT_MOST = 12, 13
#: Dense copies of a Lie algebra.
LIE_COPIES = 7
#: Lanczos steps that a Casimir operator takes, and products without a clear gap.
FEWEST_STEPS, STEPS = 15, 40
#: Blocks of columns that lanczos holds beside two copies of the basis.
BLOCKS = 6.5


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


def orbits_cost(C, order, elements):
    """Of ``orbits`` for phases of an order, ``elements`` of a finite group or None."""
    m = C.shape[1]
    n_generators = len(C.lie) + len(C.discrete)
    # label and phase of a coordinate, and the size of an orbit, counted twice
    label = 4 if m < 2**31 else 8
    n_bytes = m * (label + (order > 1) + (order > 64))
    if elements is not None:
        rank = burnside(C, elements)
        narrowed = np.dtype(narrow(rank)).itemsize
        n_bytes += 8 * rank + (m * narrowed if m >= NARROW_LABELS and narrowed < label else 0)
    read = READ_STEP * n_generators * sum(C.dims)
    return Choice(
        "orbits",
        "every generator permutes the coordinates up to phases, or is diagonal",
        ORBITS_BASE + read + ORBIT_STEP * m * (1 + n_generators),
        n_bytes,
        n_bytes,
    )


def schur_cost(C, form, elements, work):
    """Of ``schur``; ``elements`` of a finite group or None, ``work`` in multiply-adds that is left to find the form."""
    D = len(C.lie)
    seconds = SCHUR_BASE + LIE_STEP * D + work * CLOSE_FLOP
    held = needed = 0.0
    for j, word, d in _splittings(C, form):
        # close to the largest irreducible of a classical group in j letters
        share = SHARES[j] if j < len(SHARES) else 0.55 / math.sqrt(math.factorial(j))
        largest = max(1.0, share * math.prod(word))
        kinds = _partitions(j, max(word, default=1))
        if elements is None:
            n = largest * d
            entries, flop = (
                ((min(D, MOST) + 5) * n**2, SPLIT_FLOP) if D else (0.0, FINITE_SPLIT_FLOP)
            )
            seconds += kinds * (SPLIT_STEP + SPLIT_ENTRY * entries + flop * n**3)
        else:
            # the squares of the sizes of all irreducibles add up to the order, twice that over the reals
            order = len(elements[0])
            n, kinds = min(largest, math.sqrt(2 * order)) * d, min(kinds, order)
        held += kinds * 8 * n**2
        needed = max(needed, 8 * n**2)
    if elements is not None:
        # every irreducible is split once, however long the word
        seconds += FINITE_SPLIT_STEP * count_traces(elements)
    n_bytes = held + AT_MOST * needed + LIE_COPIES * 8 * D * sum(d * d for d in C.dims)
    reason = "the generators are closed under the adjoint"
    if form is None:
        reason = "the generators may be closed under the adjoint, which takes long to see"
    elif form.factors is not None:
        reason += " in balanced coordinates"
        m = C.shape[1]
        rank, _ = forecast(C, elements)
        # other roundings of a Lie algebra are often solved for as well
        seconds *= REPEATED if D else 1
        # carried back as a dense array, and made orthonormal
        seconds += balance_cost(C) + m * rank**2 * FACTOR_FLOP
        n_bytes += carried_bytes(m, rank, C.dtype)
    return Choice("schur", reason, seconds, n_bytes, WORKSPACE * needed)


def _splittings(C, form):
    """What schur takes apart, each once: (number of letters before, their sizes, size of the letter)."""
    cut = middle([C.dims[a] for a in C.slots])
    right = C.slots[cut:] if form is None else [form.group.dual[a] for a in C.slots[cut:]]
    dims, seen = (C.dims if form is None else form.group.dims), set()
    for word in (C.slots[:cut], right):
        for j, a in enumerate(word):
            key = tuple(sorted(word[:j])), a
            if key not in seen:
                seen.add(key)
                yield j, [dims[b] for b in word[:j]], dims[a]


def balance_cost(C):
    """Of finding balanced coordinates, in seconds."""
    n_generators = len(C.lie) + len(C.discrete)
    return BALANCE_BASE + BALANCE_STEP * n_generators * sum(d * d for d in C.dims)


def dense_cost(C):
    """Of ``dense``, perhaps in the coordinates that orbits leave."""
    n_rows, m = C.shape
    base = DENSE_BASE if isinstance(C, TensorConstraint) else SHRINK_BASE
    return Choice(
        "dense",
        "it is small enough for a singular value decomposition",
        base + DENSE_FLOP * (2 * n_rows * m**2 + 12 * m**3),
        float(np.dtype(C.dtype).itemsize) * (2 * n_rows * m + m**2),
    )


def lobpcg_cost(m, n_bytes, reason):
    """Of ``lobpcg`` on matrices of so many bytes."""
    return Choice("lobpcg", reason, LOBPCG_BASE + LOBPCG_STEP * m, n_bytes, n_bytes)


def lanczos_cost(C, rank, gap, sure, is_balanced):
    """Of ``lanczos`` for a nullspace of about this rank and gap; ``sure`` is the share of the rank that is certain."""
    n_rows, m = C.shape
    steps = max(FEWEST_STEPS if is_balanced else STEPS, min(2 / max(gap, 1e-12), m))
    columns = max(rank, min(FIRST_BLOCK, m))
    seconds = LANCZOS_BASE + PRODUCT_FLOP * (
        columns * steps * max(20 * n_rows, _entries(C)) + 3.5 * rank**2 * m
    )
    pairs = C.pair_terms if isinstance(C, TensorConstraint) else 0
    if pairs <= PAIR_TERMS:
        seconds += PAIR_STEP * pairs
    column = m * np.dtype(C.dtype).itemsize
    # a first block with its image; a basis that is clearly too large is not begun either
    needed = column * max(2.0 * min(FIRST_BLOCK, m), sure * rank)
    n_bytes = max(needed, column * (2 * rank + BLOCKS * min(columns, BLOCK)))
    n_bytes = max(n_bytes, PAIR_BYTES * pairs if pairs <= PAIR_TERMS else 0)
    return Choice("lanczos", "it needs products with C alone", seconds, n_bytes, needed)


def _entries(C):
    """Multiply-adds of one product with CᴴC, slot by slot; 0 where C does not show its generators."""
    if not isinstance(C, TensorConstraint):
        return 0.0
    matrices = [
        A[a].nnz / C.dims[a] for A in C.lie + C.discrete for a in C.slots if A[a] is not None
    ]
    return 2.0 * C.shape[1] * sum(matrices)


def _partitions(n, d):
    """How many partitions of n have at most d parts: the irreducibles in n letters of size d, at most about."""
    counts = [1] + [0] * n
    for part in range(1, min(n, d) + 1):
        for total in range(part, n + 1):
            counts[total] += counts[total - part]
    return counts[n]
