"""Nullspaces of constraint operators: strategies that know operators, and nothing of groups."""

from fastemlp.exceptions import (
    BudgetError,
    CertificationError,
    ConvergenceError,
    NotReductive,
    Status,
)

from .auto import solve_nullspace
from .dense import dense
from .krylov.lanczos import lanczos
from .krylov.lobpcg import lobpcg
from .orbits import orbits
from .plan import METHODS, Plan, make_plan
from .schur import schur
from .solution import NullspaceSolution

__all__ = [
    "METHODS",
    "BudgetError",
    "CertificationError",
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
]
