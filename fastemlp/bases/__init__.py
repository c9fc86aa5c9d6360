"""From a rep to a basis of its symmetric vectors: constraints, the cache of solved types, and what is made of both."""

from fastemlp.solver.certificate import Certificate

from .basis import Basis, Projector, equivariant_basis, equivariant_projector, require_bound
from .cache import basis_cache_info, clear_basis_cache
from .constraint import atom_generators, constraint, word_generators
from .explain import explain, why_empty
from .isotypic import Irrep, IsotypicDecomposition, irreps, isotypic_decomposition
from .sparse import sparsify

__all__ = [
    "Basis",
    "Certificate",
    "Irrep",
    "IsotypicDecomposition",
    "Projector",
    "atom_generators",
    "basis_cache_info",
    "clear_basis_cache",
    "constraint",
    "equivariant_basis",
    "equivariant_projector",
    "explain",
    "irreps",
    "isotypic_decomposition",
    "require_bound",
    "sparsify",
    "why_empty",
    "word_generators",
]
