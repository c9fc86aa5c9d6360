"""A constraint to be solved, with what strategies ask of it before they are chosen, each found once."""

from __future__ import annotations

import copy
import math
from functools import cached_property

from fastemlp.irreducibles import character, whole_mean
from fastemlp.operators import TensorConstraint

from .forecast import finite_group, forecast

#: Coordinates from which it is worth a millisecond to know a finite group.
ENUMERATED_FROM = 1024
#: The share of a forecast of the rank that is certain, where it is a guess and where it is counted.
SURE = (0.25, 1.0)


class Problem:
    """A constraint, the memory there is to solve it, and what the strategies asked so far have shown.

    Attributes
    ----------
    C : operator of shape (n_rows, m)
    memory_budget : int, bytes
    whole : the constraint that C is a reduction of, itself where there is none
    seconds : float; what the quickest of the strategies that fit takes so far
    is_reductive : bool; whether the generators are known to be closed under the adjoint, in some coordinates
    """

    def __init__(self, C, memory_budget):
        self.C = self.whole = C
        self.memory_budget = memory_budget
        self.seconds, self.is_reductive = math.inf, False

    def behind(self, reduction):
        """The same problem, to be solved in the coordinates of a Reduction."""
        reduced = copy.copy(self)
        reduced.C = reduction.C
        return reduced

    @property
    def is_tensor(self):
        """Whether C is a TensorConstraint, which shows its generators."""
        return isinstance(self.C, TensorConstraint)

    @property
    def has_better(self):
        """Whether a strategy that counts or decomposes fits, so that others only stand by."""
        return self.seconds < math.inf

    @cached_property
    def elements(self):
        """Those of a finite group, on every atom; None for another, and where C is solved before they are found."""
        is_worth_it = (
            isinstance(self.whole, TensorConstraint) and self.whole.shape[1] > ENUMERATED_FROM
        )
        return finite_group(self.whole) if is_worth_it else None

    @cached_property
    def rank(self):
        """The dimension of the nullspace where it is known beforehand, as the mean of a character; int or None."""
        return (
            None
            if self.elements is None
            else whole_mean(character(self.elements, self.whole.slots))
        )

    @cached_property
    def expected(self):
        """About how many vectors the nullspace has, the gap, and the share of the first that is certain."""
        if self.has_better:
            # what only stands by is not worth a forecast
            return math.sqrt(self.whole.shape[1]), 1.0, 0.0
        return *forecast(self.whole, self.elements), SURE[self.elements is not None]
