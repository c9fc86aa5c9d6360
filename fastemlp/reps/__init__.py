"""The representation algebra: ``V``, ``Scalar``, ``T(p, q)``, ``+ * ** .T >> <<``.

A representation (rep) says how a group acts on a vector space. Reps are values: immutable, hashable, compared
by structure. They are written unbound, and calling them binds them to a group:

>>> from fastemlp.groups import SO
>>> from fastemlp.reps import V, Scalar
>>> rep = (2 * V + 5 * Scalar)(SO(3))
>>> rep.size()
11
>>> print(rep >> V(SO(3)))
V*(2V+5V0)
"""

from fastemlp.reps.algebra import (
    DualRep,
    ProductRep,
    Scalar,
    SumRep,
    T,
    V,
    Vector,
    drho_operator,
    objects,
    rho_operator,
    slot_accuracy,
    slot_drho,
    slot_rho,
    slots,
    terms,
)
from fastemlp.reps.base import Rep
from fastemlp.reps.binding import bind, bind_ends, require_independent, require_shared
from fastemlp.reps.blocks import Block, blocks
from fastemlp.reps.check import check_rep, require_representation
from fastemlp.reps.cosets import coset_rep, regular, regular_rep
from fastemlp.reps.named import P, axial, det
from fastemlp.reps.norms import has_invariant_norm
from fastemlp.reps.parsing import parse_rep
from fastemlp.reps.uniform import uniform_rep

__all__ = [
    "Block",
    "DualRep",
    "P",
    "ProductRep",
    "Rep",
    "Scalar",
    "SumRep",
    "T",
    "V",
    "Vector",
    "axial",
    "bind",
    "bind_ends",
    "blocks",
    "check_rep",
    "coset_rep",
    "det",
    "drho_operator",
    "has_invariant_norm",
    "objects",
    "parse_rep",
    "regular",
    "regular_rep",
    "require_independent",
    "require_representation",
    "require_shared",
    "rho_operator",
    "slot_accuracy",
    "slot_drho",
    "slot_rho",
    "slots",
    "terms",
    "uniform_rep",
]
