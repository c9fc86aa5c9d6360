"""The combinatorial part of a constraint, solved by counting, leaves a smaller one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from fastemlp._budget import DEFAULT_BUDGET
from fastemlp._operator import Operator
from fastemlp.exceptions import BudgetError
from fastemlp.isometries import Composition
from fastemlp.operators import TensorConstraint
from fastemlp.orbits import (
    LARGEST_COMMON_ORDER,
    Monomial,
    diagonal,
    diagonal_elements,
    fixed_space,
    quarter_turns,
    representatives,
    require_tensor,
    rounding,
)

from .reduction import Reduction


def shrunk(C, memory_budget):
    """The Reduction to the coordinates that orbits and weights leave; None where there are none, or no memory."""
    try:
        outer, rest = shrink(C, memory_budget=memory_budget)
    except BudgetError:
        return None
    if outer is None:
        return None

    def lift(inner):
        Q = Composition(outer, inner.Q)
        strategies = ("shrink", *inner.strategies)
        return replace(inner, Q=Q, orthogonality=Q.orthogonality(), strategies=strategies)

    return Reduction(Restricted(rest, outer), lift, f"in {outer.rank:,} coordinates left by orbits")


def shrink(C, *, tol=None, memory_budget=DEFAULT_BUDGET):
    """Solve the combinatorial part of any constraint exactly, and say what is left.

    Parameters
    ----------
    C : TensorConstraint
    tol, memory_budget : as ``orbits``

    Returns
    -------
    O : OrbitIsometry of shape (m, k), or None if there is nothing to shrink with
    rest : TensorConstraint
        The nullspace of C is O applied to that of ``rest @ O``, see ``Restricted``.

    Notes
    -----
    O spans what is fixed by the monomial discrete generators, the diagonal elements in the span of the Lie algebra
    generators, and quarter turns in the connected group. The last two are consequences of C, so O contains its
    nullspace. ``rest`` leaves out generators that vanish on O, as a random vector tells, and has one Lie algebra
    generator for all that those group elements conjugate to each other, scaled to leave the singular values of
    ``rest @ O`` as they were.
    """
    require_tensor(C, "shrink")
    monomials = [Monomial.read(h, C.dims, rounding(C.accuracy)) for h in C.discrete]
    left_discrete = [k for k, h in enumerate(monomials) if h is None]
    monomials = [h for h in monomials if h is not None]
    if math.lcm(*(h.order for h in monomials)) > LARGEST_COMMON_ORDER:
        left_discrete, monomials = range(len(C.discrete)), []
    left_lie = [i for i, A in enumerate(C.lie) if diagonal(A, C.dims, rounding(C.accuracy)) is None]
    monomials += [Monomial.read(h, C.dims) for h in quarter_turns(C.lie, C.dims)]
    monomials = [h for h in monomials if not h.is_identity]
    elements = diagonal_elements(C.lie, C.dims, rounding(C.accuracy))
    if not monomials and not elements:
        return None, C.part(left_lie, left_discrete)
    O = fixed_space(C, elements, monomials, tol, memory_budget, "shrink").Q
    lie = representatives([C.lie[i] for i in left_lie], C.dims, monomials)
    discrete = [C.discrete[k] for k in left_discrete]
    return O, _alive(TensorConstraint(C.slots, C.dims, lie, discrete, C.accuracy), O)


def _alive(C, O):
    """The generators that do not vanish on the range of O, where a solver would only see their rounding errors."""
    x = np.random.default_rng(0).standard_normal(O.rank)
    v = O.matvec(x / max(np.linalg.norm(x), 1.0))
    norms = [*C.lie_norms, *(1 + n for n in C.discrete_norms)]
    alive = [
        i
        for i, (op, norm) in enumerate(zip(C.operators, norms, strict=True))
        if np.linalg.norm(op.matvec(v)) > max(1e-13, 10 * C.accuracy) * norm
    ]
    D = len(C.lie)
    return C.part([i for i in alive if i < D], [i - D for i in alive if i >= D])


class Restricted(Operator):
    """``C @ O``: a constraint on the range of an isometry, in its coordinates, with ``normal_matmat``."""

    def __init__(self, C, O):
        self.C, self.O = C, O
        self.accuracy, self.scale, self.discrete_norm = C.accuracy, C.scale, C.discrete_norm
        super().__init__(np.result_type(C.dtype, O.dtype), (C.shape[0], O.shape[1]))

    def _matmat(self, X):
        return self.C.matmat(self.O.matmat(X))

    def _rmatmat(self, Y):
        return self.O.rmatmat(self.C.rmatmat(Y))

    def normal_matmat(self, X):
        """``Oᴴ Cᴴ C O X``."""
        return self.O.rmatmat(self.C.normal_matmat(self.O.matmat(X)))
