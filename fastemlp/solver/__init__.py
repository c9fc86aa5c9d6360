"""Nullspaces of constraint operators: strategies that know operators, and nothing of groups."""

from .auto import solve_nullspace
from .block_lanczos import block_lanczos
from .dense import dense
from .solution import CertificationError, ConvergenceError, NullspaceSolution, Status

__all__ = [
    "CertificationError",
    "ConvergenceError",
    "NullspaceSolution",
    "Status",
    "block_lanczos",
    "dense",
    "solve_nullspace",
]
