"""Nullspaces of constraint operators: strategies that know operators, and nothing of groups."""

from .auto import solve_nullspace
from .budget import BudgetError
from .costs import Choice
from .dense import dense
from .lanczos import lanczos
from .lobpcg import lobpcg
from .orbits import orbits, weights
from .plan import METHODS, Plan, make_plan
from .schur import NotReductive, schur
from .solution import CertificationError, ConvergenceError, NullspaceSolution, Status

__all__ = [
    "METHODS",
    "BudgetError",
    "CertificationError",
    "Choice",
    "ConvergenceError",
    "NotReductive",
    "NullspaceSolution",
    "Plan",
    "Status",
    "dense",
    "lanczos",
    "lobpcg",
    "make_plan",
    "orbits",
    "schur",
    "solve_nullspace",
    "weights",
]
