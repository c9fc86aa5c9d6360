"""The exceptions and warnings of this package, besides Python's own."""

from __future__ import annotations

from enum import Enum
from functools import partial


class Status(Enum):
    """How a solve ended; the value is the sentence shown to the user."""

    CONVERGED = "The whole nullspace was found and checked."
    MAX_STEPS = "The step limit was reached before the nullspace was complete."
    AMBIGUOUS_RANK = "No clear gap separates zero singular values from nonzero ones."
    BAD_RESIDUAL = "A basis was found, but the constraint does not vanish on it to the tolerance."
    BAD_ORTHOGONALITY = "A basis was found, but its columns are not orthonormal."
    NOT_FINITE = "The operator returned NaN or infinity."


class ConvergenceError(RuntimeError):
    """The nullspace could not be determined.

    Attributes
    ----------
    solution : NullspaceSolution or None
        What was found so far. Its columns are candidates only: more may be missing.
    status : Status
    """

    def __init__(self, message, *, status, solution=None):
        super().__init__(f"{message} [{status.value}]")
        self.message = message
        self.status = status
        self.solution = solution

    def __reduce__(self):
        # the default rebuilds from ``args`` alone and would lose the keywords between processes
        return partial(type(self), status=self.status, solution=self.solution), (self.message,)


class CertificationError(ConvergenceError):
    """A nullspace was found, but it fails its own check."""


class BudgetError(ValueError):
    """A strategy, or all of them, would take more memory than ``memory_budget`` allows."""


class NotReductive(ValueError):
    """The generators are not closed under the adjoint, so Schur's lemma with orthogonal complements does not apply.

    Attributes
    ----------
    everywhere : bool; whether this is known for all coordinates, not only those that were tried
    """

    def __init__(self, message, everywhere=False):
        super().__init__(message)
        self.everywhere = everywhere


class BasisStoreWarning(UserWarning):
    """The store of bases cannot be read or written as it should; bases are solved anew and remain correct."""


class KernelCacheWarning(UserWarning):
    """Compiled loops cannot be cached on disk; they are compiled anew in every process."""
