"""Nullspaces of constraint operators: strategies that know operators, and nothing of groups."""

from .auto import solve_nullspace
from .block_lanczos import block_lanczos
from .dense import dense
from .orbits import orbits, weights
from .plan import METHODS, Choice, Plan, make_plan
from .schur import NotReductive, schur
from .solution import CertificationError, ConvergenceError, NullspaceSolution, Status

__all__ = [
    "METHODS",
    "CertificationError",
    "Choice",
    "ConvergenceError",
    "NotReductive",
    "NullspaceSolution",
    "Plan",
    "Status",
    "block_lanczos",
    "dense",
    "make_plan",
    "orbits",
    "schur",
    "solve_nullspace",
    "weights",
]
