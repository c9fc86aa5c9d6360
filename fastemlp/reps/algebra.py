"""The closed algebra of reps: the defining rep V, direct sums, tensor products, duals.

Coordinates follow the expression as written: a sum concatenates, a product is row-major with its last
factor varying fastest. ``canonical()`` gives the order sorted by type.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from scipy.sparse import csr_array, issparse

from fastemlp.groups import Group
from fastemlp.operators import DirectSum, KroneckerProduct, KroneckerSum, Permuted, to_dense
from fastemlp.reps.base import Rep, derived_drho
from fastemlp.reps.binding import require_group, require_independent


class _Composite(Rep):
    """A rep whose action follows from its canonical form: Kronecker operators, summed and permuted."""

    def rho(self, g):
        return rho_operator(self, g)

    def drho(self, A):
        return drho_operator(self, A)

    def __str__(self):
        from fastemlp.reps.printing import rep_string

        return rep_string(self)

    __repr__ = __str__


@dataclass(frozen=True, eq=False, repr=False)
class Vector(_Composite):
    """The defining rep V of a matrix group, its dual, or its complex conjugate; written ``V``.

    Where they are equal reps (V and V* under orthogonal groups, V and its conjugate under real ones) they are the same
    value as soon as the group is known.
    """

    G: Group | None = None
    dual: bool = False
    conjugate: bool = False

    def __post_init__(self):
        if self.G is None:
            return
        if not isinstance(self.G, Group):
            raise TypeError(f"V: expected a Group to bind to, got {self.G!r}. Write V(SO(3)).")
        dual, conjugate = self.dual, self.conjugate and self.G.is_complex
        if self.G.is_unitary and conjugate:
            dual, conjugate = not dual, False
        if self.G.is_orthogonal:
            dual = False
        object.__setattr__(self, "dual", dual)
        object.__setattr__(self, "conjugate", conjugate)

    def __call__(self, G):
        if self.G is None:
            return Vector(G, self.dual, self.conjugate)
        require_group(self, G)
        return self

    def size(self):
        return _bound_group(self).d

    @property
    def is_permutation(self):
        return self.G is not None and self.G.is_permutation

    @property
    def T(self):
        return Vector(self.G, not self.dual, self.conjugate)

    def conj(self):
        """The complex conjugate rep; the same rep under a real group."""
        return Vector(self.G, self.dual, not self.conjugate)


class _Compound(_Composite):
    """A sum or product: ``_parts`` are the reps it is made of, ``_of(f)`` is the same made of ``f(part)``."""

    def __call__(self, G):
        if self.is_bound:
            require_group(self, G)
            return self
        return self._of(lambda rep: rep if rep.is_bound else rep(G))

    @property
    def G(self):
        """The group if exactly one acts, else None (for scalars alone, or several: see ``groups``)."""
        groups = self.groups
        return groups[0] if len(groups) == 1 else None

    @property
    def groups(self):
        return tuple(dict.fromkeys(group for rep in self._parts for group in rep.groups))

    @property
    def is_bound(self):
        return all(rep.is_bound for rep in self._parts)

    @property
    def is_permutation(self):
        return all(rep.is_permutation for rep in self._parts)

    @property
    def T(self):
        return self._of(lambda rep: rep.T)

    def conj(self):
        """The complex conjugate rep."""
        return self._of(lambda rep: rep.conj())


@dataclass(frozen=True, eq=False, repr=False)
class SumRep(_Compound):
    """A direct sum: ``terms`` is a tuple of (rep, number of consecutive copies). Made by ``+`` and ``n * rep``."""

    terms: tuple

    def size(self):
        return sum(n * rep.size() for rep, n in self.terms)

    @property
    def _parts(self):
        return [rep for rep, _ in self.terms]

    def _of(self, function):
        return _sum([(function(rep), n) for rep, n in self.terms])


@dataclass(frozen=True, eq=False, repr=False)
class ProductRep(_Compound):
    """A tensor product: ``factors`` is a tuple of reps. Made by ``*`` and ``**``; no factors is ``Scalar``."""

    factors: tuple

    def size(self):
        return math.prod(rep.size() for rep in self.factors)

    @property
    def _parts(self):
        return self.factors

    def _of(self, function):
        return _product([function(rep) for rep in self.factors])


@dataclass(frozen=True, eq=False, repr=False)
class DualRep(Rep):
    """The dual of a bespoke rep; made by ``rep.T``."""

    rep: Rep

    def __call__(self, G):
        return DualRep(self.rep(G))

    @property
    def G(self):
        return self.rep.G

    def size(self):
        return self.rep.size()

    def rho(self, g):
        return np.linalg.inv(to_dense(self.rep.rho(g))).T

    def drho(self, A):
        return -to_dense(self.rep.drho(A)).T

    @property
    def T(self):
        return self.rep

    def _sort_key(self):
        return (type(self).__qualname__, *self.rep._sort_key())

    def __repr__(self):
        return f"{self.rep!r}.T"


V = Vector()
Scalar = ProductRep(())


def T(p, q=0, G=None):
    """The tensor rep ``V^p ⊗ V*^q``, bound to G if given.

    Examples
    --------
    >>> from fastemlp.groups import SL
    >>> T(1, 2, SL(3)).size()
    27
    """
    rep = V**p * V.T**q
    return rep if G is None else rep(G)


def terms(rep):
    """The (rep, multiplicity) pairs that a rep is the direct sum of; the rep once if it is not a sum."""
    return rep.terms if isinstance(rep, SumRep) else ((rep, 1),)


def slots(rep):
    """The atoms that a tensor type is the product of; the type itself if it is not a product."""
    return rep.factors if isinstance(rep, ProductRep) else (rep,)


def objects(rep):
    """Where the copies of each type of a bound rep lie.

    Returns
    -------
    list of (type, columns)
        For each distinct type in canonical order: a Rep, and an int array of shape (copies, size of the type).
    """
    canonical, perm = rep.canonical()
    perm = np.arange(rep.size()) if perm is None else perm
    found, start = [], 0
    for kind, n in terms(canonical):
        stop = start + n * kind.size()
        found.append((kind, perm[start:stop].reshape(n, kind.size())))
        start = stop
    return found


# -- building: every composite goes through these, which give each expression one normal form ---------------------


def direct_sum(left, right):
    """``left ⊕ right``, either of which may be the 0 that the builtin ``sum`` starts from."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Integral) and one == 0:
            return other
        if not isinstance(one, Rep):
            here = ""
            if isinstance(one, Integral) and not isinstance(one, bool) and one > 0:
                here = f": here {one} * Scalar + {other}, or {one} * ({other}) for copies"
            raise TypeError(
                f"{_name(left)} + {_name(right)}: a rep can only be added to a rep. "
                f"For n scalars write n * Scalar{here}."
            )
    return _sum([*terms(left), *terms(right)])


def _name(summand):
    return str(summand) if isinstance(summand, Rep) else repr(summand)


def tensor_product(left, right):
    """``left ⊗ right`` for reps; ``n`` copies of ``left`` for an int ``right``."""
    if isinstance(right, Integral) and not isinstance(right, bool):
        if right < 0:
            raise ValueError(f"{right} * {left}: the number of copies must not be negative.")
        return _sum([(left, int(right))])
    if not isinstance(right, Rep):
        raise TypeError(
            f"{left} * {right!r}: a rep can be multiplied by a rep (tensor product) or an int "
            f"(number of copies), got {type(right).__name__}."
        )
    return _product([left, right])


def tensor_power(rep, power):
    """``rep ⊗ … ⊗ rep``, ``power`` times; ``Scalar`` for 0."""
    if not isinstance(power, Integral) or power < 0:
        raise ValueError(f"({rep})**{power!r}: the power must be an int ≥ 0.")
    return _product([rep] * int(power))


def _sum(parts):
    """A sum in normal form: no empty parts, equal neighbours merged, no sum around a single rep."""
    merged = []
    for rep, n in parts:
        for r, k in _opened(rep, n):
            if merged and merged[-1][0] == r:
                merged[-1] = (r, merged[-1][1] + k)
            else:
                merged.append((r, k))
    if len(merged) == 1 and merged[0][1] == 1:
        return merged[0][0]
    return _independent(SumRep(tuple(merged)))


def _independent(rep):
    if len(groups := rep.groups) > 1:
        require_independent(groups, str(rep))
    return rep


def _opened(rep, n):
    """The terms that n copies of ``rep`` contribute; n copies of a longer sum stay one nested term."""
    if n == 0:
        return ()
    if isinstance(rep, SumRep) and (n == 1 or len(rep.terms) < 2):
        return tuple((part, n * k) for part, k in rep.terms)
    return ((rep, n),)


def _product(factors):
    """A product with nested products opened and sums distributed to the right, which keeps the coordinates.

    (⊕ a_i) ⊗ b is ⊕ (a_i ⊗ b) coordinate for coordinate; a ⊗ (⊕ b_i) is not ⊕ (a ⊗ b_i), so a sum stays as
    the last factor.
    """
    flat = [atom for rep in factors for atom in slots(rep)]
    for i, rep in enumerate(flat):
        if isinstance(rep, SumRep):
            tail = _sum([(_product([r, *flat[i + 1 :]]), n) for r, n in rep.terms])
            if i == 0 or not terms(tail):
                return tail
            if not isinstance(tail, SumRep):
                return _product([*flat[:i], tail])
            return _independent(ProductRep((*flat[:i], tail)))
    return flat[0] if len(flat) == 1 else _independent(ProductRep(tuple(flat)))


# -- acting -------------------------------------------------------------------------------------------------------


def rho_operator(rep, g):
    """``rho(g)`` as a LinearOperator of shape (size, size), for any rep, bespoke ones included.

    Parameters
    ----------
    rep : Rep, bound
    g : ndarray or sparse array of shape (d, d), or a mapping {group: g}, identity where absent

    Raises
    ------
    ValueError
        If a part is unbound, g has the wrong shape, or several groups act and g is not a mapping.
    """
    return _act(rep, KroneckerProduct, g, slot_rho)


def drho_operator(rep, A):
    """``drho(A)`` as a LinearOperator of shape (size, size), for any rep; see ``rho_operator``."""
    return _act(rep, KroneckerSum, A, slot_drho)


def _act(rep, kronecker, element, slot_matrix):
    """The operator of a group or Lie algebra element on ``rep``, from its matrix on each slot."""
    if len(rep.groups) > 1 and not isinstance(element, Mapping):
        raise ValueError(
            f"{rep}: expected a mapping {{group: matrix}}, as {len(rep.groups)} groups act on it "
            f"({', '.join(map(repr, rep.groups))}); got {type(element).__name__}."
        )
    canonical, perm = rep.canonical()
    matrices = {}

    def matrix(atom):
        if atom not in matrices:
            matrices[atom] = slot_matrix(atom, element)
        return matrices[atom]

    blocks = [
        (kronecker([matrix(a) for a in slots(term)], [a.size() for a in slots(term)]), n)
        for term, n in terms(canonical)
    ]
    op = blocks[0][0] if len(blocks) == 1 and blocks[0][1] == 1 else DirectSum(blocks)
    return op if perm is None else Permuted(op, perm)


def slot_rho(atom, g):
    """``rho(g)`` on one slot of a tensor, a csr_array; None where a mapping g leaves the atom alone."""
    g = _element_of(atom, g)
    if g is None:
        return None
    if not isinstance(atom, Vector):
        return csr_array(to_dense(atom.rho(to_dense(g))))
    if atom.dual:
        g = np.linalg.inv(to_dense(g)).T
    return csr_array(g.conj() if atom.conjugate else g)


def slot_drho(atom, A):
    """``drho(A)`` on one slot of a tensor, a csr_array; None where a mapping A leaves the atom alone."""
    A = _element_of(atom, A)
    if A is None:
        return None
    if not isinstance(atom, Vector):
        return csr_array(to_dense(atom.drho(to_dense(A))))
    A = csr_array(-A.T if atom.dual else A)
    return A.conj() if atom.conjugate else A


def slot_accuracy(atom, A):
    """The absolute error of ``slot_drho(atom, A)`` beyond the roundoff of A: 0 unless drho is derived from rho."""
    A = _element_of(atom, A)
    bespoke = atom.rep if isinstance(atom, DualRep) else atom
    if A is None or type(bespoke).drho is not Rep.drho:
        return 0.0
    return derived_drho(bespoke, to_dense(A))[1]


def _element_of(atom, element):
    """The matrix that acts on one atom: from a mapping {group: matrix}, that of its group or None."""
    group = _bound_group(atom)
    if isinstance(element, Mapping):
        element = element.get(group)
    if element is None:
        return None
    element = element if issparse(element) else np.asarray(element)
    if element.shape != (group.d, group.d):
        raise ValueError(
            f"{atom}: expected a matrix of shape ({group.d}, {group.d}) for {group}, "
            f"got shape {element.shape}."
        )
    return element


def _bound_group(atom):
    if atom.G is None:
        raise ValueError(f"{atom} is not bound to a group. Bind it by calling it: rep(SO(3)).")
    return atom.G
