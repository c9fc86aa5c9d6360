"""Meet in the middle: intertwiners from the irreducibles of two tensor words (Schur's lemma)."""

from .catalogue import Catalogue
from .strategy import ReductiveForm, carried_bytes, middle, reductive_form, schur
from .symmetry import NotReductive, Postponed, reductive_group
from .word import decompose, decompose_all

__all__ = [
    "Catalogue",
    "NotReductive",
    "Postponed",
    "ReductiveForm",
    "carried_bytes",
    "decompose",
    "decompose_all",
    "middle",
    "reductive_form",
    "reductive_group",
    "schur",
]
