"""fastemlp: declare a symmetry, get a fast, exactly equivariant model on plain CPUs.

>>> from fastemlp import FastEMLPRegressor
>>> from fastemlp.groups import O
>>> model = FastEMLPRegressor(group=O(5))
"""

from fastemlp import groups, reps
from fastemlp.bases import (
    Irrep,
    basis_cache_info,
    clear_basis_cache,
    equivariant_basis,
    equivariant_projector,
    explain,
    irreps,
    isotypic_decomposition,
    sparsify,
    why_empty,
)
from fastemlp.estimators import EquivariantRidge, FastEMLPRegressor
from fastemlp.exceptions import (
    BasisStoreWarning,
    BudgetError,
    CertificationError,
    ConvergenceError,
    KernelCacheWarning,
    NotReductive,
)
from fastemlp.groups import Group, parse_group
from fastemlp.nn import explain_model
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

__version__ = "0.1.0"

__all__ = [
    "BasisStoreWarning",
    "BudgetError",
    "CertificationError",
    "ConvergenceError",
    "EquivariantRidge",
    "FastEMLPRegressor",
    "Group",
    "Irrep",
    "KernelCacheWarning",
    "NotReductive",
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
    "explain_model",
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
