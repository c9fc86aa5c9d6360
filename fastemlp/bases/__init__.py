"""From a rep to a basis of its symmetric vectors: constraints, the cache of solved types, and what is made of both."""

from fastemlp.bases.basis import equivariant_basis, equivariant_projector
from fastemlp.bases.cache import basis_cache_info, clear_basis_cache
from fastemlp.bases.explain import explain, why_empty
from fastemlp.bases.isotypic import Irrep, irreps, isotypic_decomposition
from fastemlp.bases.sparse import sparsify

__all__ = [
    "Irrep",
    "basis_cache_info",
    "clear_basis_cache",
    "equivariant_basis",
    "equivariant_projector",
    "explain",
    "irreps",
    "isotypic_decomposition",
    "sparsify",
    "why_empty",
]
