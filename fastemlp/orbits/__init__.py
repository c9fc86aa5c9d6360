"""What is combinatorial in a representation: monomial and diagonal generators, and what they fix, by counting."""

from .fixed import (
    LARGEST_COMMON_ORDER,
    NARROW_LABELS,
    fixed_space,
    narrow,
    readable,
    require_tensor,
)
from .monomial import Monomial
from .weights import diagonal, diagonal_elements, quarter_turns, representatives, rounding

__all__ = [
    "LARGEST_COMMON_ORDER",
    "NARROW_LABELS",
    "Monomial",
    "diagonal",
    "diagonal_elements",
    "fixed_space",
    "narrow",
    "quarter_turns",
    "readable",
    "representatives",
    "require_tensor",
    "rounding",
]
