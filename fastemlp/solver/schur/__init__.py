"""Meet in the middle: intertwiners from the irreducibles of two tensor words (Schur's lemma)."""

from .strategy import schur
from .symmetry import NotReductive

__all__ = ["NotReductive", "schur"]
