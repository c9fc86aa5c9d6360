"""Meet in the middle: intertwiners from the irreducibles of two tensor words (Schur's lemma)."""

from .catalogue import Catalogue
from .strategy import middle, reductive, schur
from .symmetry import NotReductive, symmetry, with_duals
from .word import decompose

__all__ = [
    "Catalogue",
    "NotReductive",
    "decompose",
    "middle",
    "reductive",
    "schur",
    "symmetry",
    "with_duals",
]
