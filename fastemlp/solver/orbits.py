"""The ``orbits`` strategy: nullspaces by counting, where every generator is monomial or diagonal."""

from __future__ import annotations

import math

import numpy as np

from fastemlp._budget import DEFAULT_BUDGET, mib
from fastemlp.orbits import LARGEST_COMMON_ORDER, NARROW_LABELS, fixed_space, narrow, readable

from .forecast import burnside
from .solution import NullspaceSolution
from .strategy import Choice, Strategy, Unfit

# Seconds of processor time, from below, fitted to some 110 problems on one core of an x86-64 server with a warm JIT.
#: Per problem; per coordinate and pass, of which there is one for each generator and another; per row of a generator.
BASE, STEP, READ_STEP = 5e-4, 3e-9, 3e-6


def orbits(C, *, tol=None, memory_budget=DEFAULT_BUDGET):
    """Basis of ``{v : C v = 0}`` when every generator is monomial (discrete) or diagonal (Lie algebra).

    Parameters
    ----------
    C : TensorConstraint
    tol : float, optional
        Weights that add up to less than ``tol`` times the sum of the largest of each slot count as zero; default 1e-12,
        or ten times what the generators are known to.
    memory_budget : int
        Bytes allowed for the labels and phases.

    Returns
    -------
    NullspaceSolution
        Q is an OrbitIsometry with columns in the order of their first coordinate; real unless C is complex or a
        generator has entries other than 0 and ±1.

    Raises
    ------
    ValueError
        If a generator is neither, saying which; if the labels exceed the budget.
    ConvergenceError
        If weights are neither clearly zero nor clearly not.

    Notes
    -----
    Union-find over the m coordinates, O(m) for each of the M + D generators, 4 bytes a coordinate, 1 or 2 more
    for phases.
    """
    found = fixed_space(C, *readable(C), tol, memory_budget)
    return NullspaceSolution(
        Q=found.Q,
        residual=found.residual,
        gap=found.gap,
        orthogonality=found.Q.orthogonality(),
        norm=found.norm,
        strategies=("orbits",),
        accuracy=C.accuracy,
    )


def propose(problem):
    """Whether every generator is monomial or diagonal, and what counting would take."""
    C = problem.C
    if not problem.is_tensor:
        return Unfit("orbits", "this is not one tensor type")
    try:
        _, monomials = readable(C)
    except ValueError as error:
        return Unfit("orbits", str(error).removeprefix("orbits: ").partition(". ")[0])
    order = math.lcm(*(h.order for h in monomials))
    if order > LARGEST_COMMON_ORDER:
        return Unfit("orbits", f"the entries are roots of unity of common order {order}, too many")
    n_bytes = _bytes(C, order, problem.elements)
    if n_bytes > problem.memory_budget:
        return Unfit("orbits", f"{C.shape[1]} coordinates need {mib(n_bytes)} for their labels")
    n_generators = len(C.lie) + len(C.discrete)
    read = READ_STEP * n_generators * sum(C.dims)
    return Choice(
        "orbits",
        "every generator permutes the coordinates up to phases, or is diagonal",
        BASE + read + STEP * C.shape[1] * (1 + n_generators),
        n_bytes,
        lambda options: _solve(C, options),
        settles=True,
    )


def _bytes(C, order, elements):
    """What labels and phases of an order take, and the sizes of orbits where a finite group tells how many."""
    m = C.shape[1]
    label = 4 if m < 2**31 else 8
    n_bytes = m * (label + (order > 1) + (order > 64))
    if elements is not None:
        # the size of an orbit, counted twice
        rank = burnside(C, elements)
        narrowed = np.dtype(narrow(rank)).itemsize
        n_bytes += 8 * rank + (m * narrowed if m >= NARROW_LABELS and narrowed < label else 0)
    return n_bytes


def _solve(C, options):
    return orbits(C, tol=options.tol, memory_budget=options.memory_budget)


ORBITS = Strategy("orbits", _solve, propose)
