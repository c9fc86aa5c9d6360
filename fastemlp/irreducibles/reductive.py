"""Coordinates in which a group is closed under the adjoint, so that its representations fall apart orthogonally."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastemlp.exceptions import NotReductive
from fastemlp.operators import EPS, TensorConstraint

from .balance import BALANCED, balance
from .symmetry import Postponed, ReductiveGroup, completed, reductive_group

#: Errors of generators are taken for at most so many times what they are seen to miss closure under the adjoint by,
#: where they are known to at least the second number.
MARGIN, ROUNDOFF = 4.0, 1e-10
#: Multiply-adds of balancing, per generator and cube of its size.
BALANCING = 300


@dataclass(frozen=True, eq=False)
class ReductiveForm:
    """A constraint whose generators are closed under the adjoint, perhaps in other coordinates than it was given in.

    Attributes
    ----------
    C : TensorConstraint in these coordinates
    group : ReductiveGroup
    factors : list of ndarray (d, d), one per atom, with ``x = (⊗S) y`` for the coordinates y of the group; or None
    accuracy : float; what the generators are known to in those coordinates, at worst
    seen : float; the same, judged by how far they are from closed under the adjoint. Roundoff that the change of
        coordinates magnifies shows there as much as anywhere
    """

    C: TensorConstraint
    group: ReductiveGroup
    factors: list | None
    accuracy: float
    seen: float


def reductive_form(C, max_work=math.inf):
    """Find the coordinates in which the generators of a TensorConstraint are closed under the adjoint.

    Raises
    ------
    NotReductive
        If there are none.
    Postponed
        If finding out takes more than ``max_work`` multiply-adds.
    """
    try:
        return ReductiveForm(C, reductive_group(C, max_work), None, C.accuracy, C.accuracy)
    except NotReductive as error:
        if error.everywhere or 0 in C.dims or not C.dims:
            raise
        work = BALANCING * (len(C.lie) + len(C.discrete)) * sum(d**3 for d in C.dims)
        if work > max_work:
            raise Postponed(work) from None
        factors, balanced = balance(completed(C, max_work))
        if factors is None:
            raise
        accuracy = max(balanced.accuracy, BALANCED)
        group = reductive_group(balanced, max_work, accuracy)
        seen = accuracy
        if C.accuracy <= ROUNDOFF:
            seen = min(accuracy, max(EPS, MARGIN * group.adjoint_defect()))
        return ReductiveForm(balanced, group, factors, accuracy, seen)
