"""fastemlp: declare a symmetry, get a fast, exactly equivariant model on plain CPUs.

>>> from fastemlp import FastEMLPRegressor
>>> from fastemlp.groups import O
>>> model = FastEMLPRegressor(group=O(5))
"""

from fastemlp import groups, reps
from fastemlp.basis import equivariant_basis, equivariant_projector
from fastemlp.estimators import EquivariantRidge, FastEMLPRegressor
from fastemlp.explain import explain, why_empty
from fastemlp.groups import Group, parse_group
from fastemlp.isotypic import Irrep, irreps, isotypic_decomposition
from fastemlp.reps import (
    P,
    Rep,
    Scalar,
    T,
    V,
    axial,
    coset_rep,
    det,
    parse_rep,
    regular_rep,
    uniform_rep,
)
from fastemlp.solving import basis_cache_info, clear_basis_cache
from fastemlp.sparse_basis import sparsify

__version__ = "0.1.0"

__all__ = [
    "EquivariantRidge",
    "FastEMLPRegressor",
    "Group",
    "Irrep",
    "P",
    "Rep",
    "Scalar",
    "T",
    "V",
    "axial",
    "basis_cache_info",
    "clear_basis_cache",
    "coset_rep",
    "det",
    "equivariant_basis",
    "equivariant_projector",
    "explain",
    "groups",
    "irreps",
    "isotypic_decomposition",
    "parse_group",
    "parse_rep",
    "regular_rep",
    "reps",
    "sparsify",
    "uniform_rep",
    "why_empty",
]
