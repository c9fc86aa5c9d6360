"""Irreducible representations inside a rep, as reps of their own."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.sparse.linalg import LinearOperator

from fastemlp._arrays import copies_below, copies_beside, read_only, unpermuted
from fastemlp._operator import Operator
from fastemlp.bases.constraint import atom_generators, word_generators
from fastemlp.irreducibles import Chain, change_of_coordinates, decompose_all, reductive_form
from fastemlp.reps import Rep, drho_operator, rho_operator, slots, terms

TYPES = {1: "real", 2: "complex", 4: "quaternionic"}


class Irrep(Rep):
    """An irreducible rep: an invariant subspace of a tensor type, in coordinates of its own.

    Made by ``irreps`` and ``isotypic_decomposition``. Usable wherever a rep is: ``3 * irrep``, ``irrep >> V(G)``,
    ``rep_in`` and ``rep_out`` of an estimator.

    Attributes
    ----------
    parent : Rep; the tensor type it was found in
    G : Group; given where the parent is Scalar, which has none
    E : ndarray of shape (parent.size(), d), read-only; a basis of the subspace: ``parent.rho(g) E = E rho(g)``
        Orthonormal where the generators of the group are closed under the adjoint as given. Where that takes other
        coordinates, as for a finite group in a skew basis, E is orthonormal in those, so that the ``rho(g)`` of a
        compact group are orthogonal in any case.
    left_inverse : ndarray of shape (d, parent.size()), read-only; ``rho(g) = left_inverse parent.rho(g) E``, Eᴴ where
        E is orthonormal
    type : {"real", "complex", "quaternionic"}; over the complex numbers always "complex"
    """

    def __init__(self, parent, E, type, G=None, left_inverse=None):
        self.parent = parent
        self.E = read_only(E)
        self.left_inverse = read_only(E.conj().T if left_inverse is None else left_inverse)
        self.type = type
        self.G = parent.G if G is None else G

    def size(self):
        return self.E.shape[1]

    @cached_property
    def _hash(self):
        return super().__hash__()

    def __hash__(self):
        # cached: a tower of irreducibles of products of irreducibles would be hashed anew at every level
        return self._hash

    def rho(self, g):
        return self.left_inverse @ rho_operator(self.parent, g).matmat(self.E)

    def drho(self, A):
        derivative = self.left_inverse @ drho_operator(self.parent, A).matmat(self.E)
        # where the exact value is zero, roundoff on the scale of A is left and would be taken for a generator
        noise = 64 * np.finfo(np.float64).eps * self.parent.size() ** 0.5 * np.abs(A).max()
        derivative[np.abs(derivative) <= noise] = 0
        return derivative

    @property
    def whole(self):
        """The parent if it is all of that, in the same coordinates, or None."""
        is_all = self.E.shape[0] == self.size() and np.array_equal(self.E, np.eye(self.size()))
        return self.parent if is_all else None

    @property
    def T(self):
        """The dual: the irrep itself where the group is orthogonal, as its matrices then are."""
        return self if self.G.is_orthogonal else super().T

    def _verify(self):
        """Nothing is left to check: it was found as an invariant subspace, to a residual."""

    def __repr__(self):
        return f"Irrep(size={self.size()}, type={self.type!r}, in {self.parent} of {self.G})"


@dataclass(frozen=True, eq=False)
class IsotypicDecomposition:
    """``rep = ⊕ n_λ λ``: the irreducibles of a rep, how often each occurs, and the coordinates that show it.

    Attributes
    ----------
    rep : Rep
    irreps : tuple of Irrep, pairwise inequivalent
    multiplicities : tuple of int
    U : LinearOperator of shape (size, size); its columns list the rep by irreducible, then copy, then component, and
        in every copy the group acts by ``irrep.rho(g)``: ``rep.rho(g) U = U ⊕rho_λ(g)``
        Unitary where the generators of the group are closed under the adjoint as given.
    inverse : LinearOperator of shape (size, size); ``U⁻¹``, which is ``U.H`` where U is unitary
    residual : float; bound on ``‖ρ U − U ⊕ρ_λ‖`` relative to ρ, over the generators of the group as given, in the
        coordinates in which U is unitary
    """

    rep: Rep
    irreps: tuple
    multiplicities: tuple
    U: LinearOperator
    inverse: LinearOperator
    residual: float


def isotypic_decomposition(rep, *, random_state=0):
    """Decompose a rep into irreducible reps.

    Parameters
    ----------
    rep : Rep, bound, of one group
        Its generators are closed under the adjoint in some coordinates: all compact and classical groups, and their
        conjugates.
    random_state : int; seeds the random group elements that tell irreducibles apart

    Returns
    -------
    IsotypicDecomposition

    Raises
    ------
    ValueError
        If the rep is unbound or several groups act; NotReductive, a ValueError, if there are no coordinates in which
        the generators are closed under the adjoint, so that invariant subspaces need not have invariant complements.
    CertificationError
        If three random draws do not decompose the rep to 1e-11, or to ten times the error of the generators.

    Notes
    -----
    By induction over the factors of each tensor type: cost O(Σ (d_λ·d)³) over the distinct irreducibles λ.

    Examples
    --------
    >>> from fastemlp.groups import SO
    >>> from fastemlp.reps import V
    >>> found = isotypic_decomposition((V * V)(SO(3)))
    >>> [(irrep.size(), n) for irrep, n in zip(found.irreps, found.multiplicities)]
    [(1, 1), (3, 1), (5, 1)]
    """
    if not rep.is_bound or rep.G is None:
        raise ValueError(
            f"isotypic_decomposition: expected a rep bound to one group, got {rep} with "
            f"{len(rep.groups)} groups. Bind it by calling it: rep(SO(3))."
        )
    canonical, perm = rep.canonical()
    types = terms(canonical)
    atoms = list(dict.fromkeys(atom for term, _ in types for atom in slots(term)))
    words = [slots(term) for term, _ in types]
    form = reductive_form(word_generators(atoms, rep.groups, words))
    given = _in_coordinates(atom_generators(atoms, rep.groups), form.factors)
    catalogue, sides, residual = decompose_all(
        form.group,
        [[atoms.index(a) for a in word] for word in words],
        np.random.default_rng(random_state),
        tol=max(1e-11, 10 * form.accuracy),
        also=given,
        caller="isotypic_decomposition",
    )
    parts = []
    for (term, n), (chain, word) in zip(types, sides, strict=True):
        shear = None if form.factors is None else change_of_coordinates(form.factors, word)
        parts.append(_Part(term, n, chain, shear))
    sizes = [irreducible.dim for irreducible in catalogue.irreducibles]
    U = _ChangeOfBasis(parts, perm, sizes, catalogue.dtype)
    found = [_irrep(mu, parts, catalogue, rep.G) for mu in U.multiplicities]
    return IsotypicDecomposition(
        rep, tuple(found), tuple(U.multiplicities.values()), U, U.inverse(), residual
    )


def irreps(rep, *, random_state=0):
    """The irreducible reps that occur in a rep, each once: tuple of Irrep. See ``isotypic_decomposition``."""
    return isotypic_decomposition(rep, random_state=random_state).irreps


@dataclass(frozen=True, eq=False)
class _Part:
    """n copies of a tensor type, its chain, and (S, S⁻¹) of the coordinates ``x = S y`` it is in; None for x = y."""

    term: Rep
    n: int
    chain: Chain
    shear: tuple | None


def _in_coordinates(C, factors):
    """The generators of a TensorConstraint as dense matrices, lie and discrete, in balanced coordinates."""
    factors = [None] * len(C.dims) if factors is None else factors

    def dense(generator, missing):
        matrices = [
            missing * np.eye(d) if A is None else A.toarray()
            for A, d in zip(generator, C.dims, strict=True)
        ]
        return [
            A if S is None else np.linalg.solve(S, A @ S)
            for A, S in zip(matrices, factors, strict=True)
        ]

    return [dense(A, 0) for A in C.lie], [dense(h, 1) for h in C.discrete]


def _irrep(mu, parts, catalogue, group):
    """Irreducible number mu, as a part of the smallest type that contains it."""
    holders = [part for part in parts if mu in part.chain.multiplicities()[-1]]
    part = min(holders, key=lambda holder: holder.chain.size)
    kind = "complex" if catalogue.is_complex else TYPES[catalogue.irreducibles[mu].type_dim]
    E = part.chain.first_copy(mu).astype(catalogue.dtype, copy=False)
    if part.shear is None:
        return Irrep(part.term, E, kind, group)
    S, inverse = part.shear
    # (Eᴴ S⁻¹)ᴴ = S⁻ᴴ E
    return Irrep(part.term, S.matmat(E), kind, group, inverse.rmatmat(E).conj().T)


class _ChangeOfBasis(Operator):
    """From coordinates by irreducible, copy and component to those of a rep."""

    def __init__(self, parts, perm, sizes, dtype):
        self.parts, self.perm, self.sizes = parts, perm, sizes
        totals = Counter()
        for part in parts:
            for mu, count in part.chain.multiplicities()[-1].items():
                totals[mu] += part.n * count
        self.multiplicities = dict(sorted(totals.items()))
        m = sum(part.n * part.chain.size for part in parts)
        super().__init__(dtype, (m, m))

    def inverse(self):
        """The inverse: the adjoint of what this is with S⁻ᴴ for every S, so its own adjoint where there is none."""
        parts = [
            part if part.shear is None else replace(part, shear=(part.shear[1].H, part.shear[0].H))
            for part in self.parts
        ]
        return _ChangeOfBasis(parts, self.perm, self.sizes, self.dtype).H

    def _rmatmat(self, X):
        X = X if self.perm is None else X[self.perm]
        b = X.shape[1]
        found = {mu: [] for mu in self.multiplicities}
        start = 0
        for part in self.parts:
            n, size = part.n, part.chain.size
            columns = copies_beside(X[start : start + n * size], n)
            if part.shear is not None:
                columns = part.shear[0].rmatmat(columns)
            for mu, Y in part.chain.analyse(columns).items():
                # (d, copies, n, b) to copies of the type first
                Y = Y.reshape(len(Y), -1, n, b).transpose(2, 1, 0, 3)
                found[mu].append(Y.reshape(-1, self.sizes[mu], b))
            start += n * size
        rows = [np.concatenate(found[mu]).reshape(-1, b) for mu in self.multiplicities]
        return np.concatenate(rows) if rows else np.zeros((0, b), X.dtype)

    def _matmat(self, X):
        b = X.shape[1]
        blocks, start = {}, 0
        for mu, n in self.multiplicities.items():
            stop = start + n * self.sizes[mu]
            blocks[mu] = X[start:stop].reshape(n, self.sizes[mu], b)
            start = stop
        out, used = [np.zeros((0, b), X.dtype)], dict.fromkeys(blocks, 0)
        for part in self.parts:
            n, state = part.n, {}
            for mu, count in part.chain.multiplicities()[-1].items():
                first = used[mu]
                used[mu] = first + n * count
                Y = blocks[mu][first : used[mu]].reshape(n, count, self.sizes[mu], b)
                state[mu] = Y.transpose(2, 1, 0, 3).reshape(self.sizes[mu], count, n * b)
            columns = part.chain.synthesise(state, n * b)
            if part.shear is not None:
                columns = part.shear[0].matmat(columns)
            out.append(copies_below(columns, n))
        return unpermuted(np.concatenate(out), self.perm)
