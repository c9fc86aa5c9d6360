"""Representations taken apart: coordinates closed under the adjoint, irreducibles, and words in them."""

from .balance import balance, change_of_coordinates, normalise, stretch
from .catalogue import Catalogue
from .chain import Chain
from .characters import character, count_traces, generated_elements, whole_mean
from .decompose import decompose, decompose_all
from .intertwiners import SchurIsometry
from .reductive import reductive_form
from .symmetry import Postponed

__all__ = [
    "Catalogue",
    "Chain",
    "Postponed",
    "SchurIsometry",
    "balance",
    "change_of_coordinates",
    "character",
    "count_traces",
    "decompose",
    "decompose_all",
    "generated_elements",
    "normalise",
    "reductive_form",
    "stretch",
    "whole_mean",
]
