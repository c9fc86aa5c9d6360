"""Smaller or better conditioned constraints with the same nullspace, and the way back."""

from .reduction import Reduction
from .shrink import Restricted, shrink, shrunk

__all__ = ["Reduction", "Restricted", "shrink", "shrunk"]
