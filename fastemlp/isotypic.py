"""Irreducible representations inside a rep, as reps of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator

from fastemlp.constraint import atom_generators
from fastemlp.reps import Rep, drho_operator, rho_operator, slots, terms
from fastemlp.solver.schur import Catalogue, decompose, reductive_group

TYPES = {1: "real", 2: "complex", 4: "quaternionic"}


class Irrep(Rep):
    """An irreducible rep: the subspace of a tensor type that an isometry spans.

    Made by ``irreps`` and ``isotypic_decomposition``. Usable wherever a rep is: ``3 * irrep``, ``irrep >> V(G)``,
    ``rep_in`` and ``rep_out`` of an estimator.

    Attributes
    ----------
    parent : Rep; the tensor type it was found in
    G : Group; given where the parent is Scalar, which has none
    E : ndarray of shape (parent.size(), d), orthonormal columns, read-only; ``rho(g) = Eᴴ parent.rho(g) E``
    type : {"real", "complex", "quaternionic"}; over the complex numbers always "complex"
    """

    def __init__(self, parent, E, type, G=None):
        self.parent = parent
        self.E = np.ascontiguousarray(E)
        self.E.flags.writeable = False
        self.type = type
        self.G = parent.G if G is None else G

    def size(self):
        return self.E.shape[1]

    def rho(self, g):
        return self.E.conj().T @ rho_operator(self.parent, g).matmat(self.E)

    def drho(self, A):
        return self.E.conj().T @ drho_operator(self.parent, A).matmat(self.E)

    @property
    def T(self):
        """The dual; itself where the group is orthogonal, as its matrices then are."""
        return self if self.G.is_orthogonal else super().T

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
    U : LinearOperator of shape (size, size), unitary; ``Uᴴ x`` lists x by irreducible, then copy, then component,
        and in every copy the group acts by ``irrep.rho(g)``
    residual : float; bound on ``‖A U − U ⊕A_λ‖`` relative to A, over random group and Lie algebra elements
    """

    rep: Rep
    irreps: tuple
    multiplicities: tuple
    U: LinearOperator
    residual: float


def isotypic_decomposition(rep, *, random_state=0):
    """Take a rep apart into irreducible reps.

    Parameters
    ----------
    rep : Rep, bound, of one group whose generators are closed under the adjoint (all compact and classical groups)
    random_state : int; seeds the random group elements that tell irreducibles apart

    Returns
    -------
    IsotypicDecomposition

    Raises
    ------
    ValueError
        If the rep is unbound or several groups act; NotReductive, a ValueError, if the generators are not
        closed under the adjoint, so that invariant subspaces need not have invariant complements.

    Notes
    -----
    By induction over the letters of each tensor type: cost O(Σ (d_λ·d)³) over the distinct irreducibles λ.

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
    rng = np.random.default_rng(random_state)
    group = reductive_group(atom_generators(atoms, rep.groups))
    catalogue = Catalogue(group.draw(rng), rng)
    parts, residual = [], 0.0
    for term, n in types:
        chain, splittings = decompose(catalogue, [atoms.index(a) for a in slots(term)])
        parts.append((term, n, chain))
        residual = max(residual, sum(s.residual for s in splittings))
    U = _ChangeOfBasis(parts, perm, catalogue)
    found = [_irrep(mu, parts, catalogue, rep.G) for mu in U.multiplicities]
    return IsotypicDecomposition(rep, tuple(found), tuple(U.multiplicities.values()), U, residual)


def irreps(rep, *, random_state=0):
    """The irreducible reps that occur in a rep, each once: tuple of Irrep. See ``isotypic_decomposition``."""
    return isotypic_decomposition(rep, random_state=random_state).irreps


def _irrep(mu, parts, catalogue, group):
    """Irreducible number mu, seen in the smallest type that holds it."""
    holders = [(term, chain) for term, _, chain in parts if mu in chain.multiplicities()[-1]]
    term, chain = min(holders, key=lambda holder: holder[1].size)
    d, n = catalogue.irreducibles[mu].dim, chain.multiplicities()[-1][mu]
    first = np.zeros((d, n, d), catalogue.symmetry.dtype)
    first[np.arange(d), 0, np.arange(d)] = 1
    recipe = catalogue.irreducibles[mu].recipe
    kind = "complex" if catalogue.symmetry.is_complex else TYPES[recipe.type_dim]
    return Irrep(term, chain.synthesise({mu: first}, d), kind, group)


class _ChangeOfBasis(LinearOperator):
    """From coordinates by irreducible, copy and component to those of a rep; unitary."""

    def __init__(self, parts, perm, catalogue):
        self.parts, self.perm = parts, perm
        self.sizes = {}
        totals = {}
        for _, n, chain in parts:
            for mu, count in chain.multiplicities()[-1].items():
                totals[mu] = totals.get(mu, 0) + n * count
                self.sizes[mu] = catalogue.irreducibles[mu].dim
        self.multiplicities = dict(sorted(totals.items()))
        m = sum(n * chain.size for _, n, chain in parts)
        super().__init__(catalogue.symmetry.dtype, (m, m))

    def _rmatmat(self, X):
        X = X if self.perm is None else X[self.perm]
        b = X.shape[1]
        found = {mu: [] for mu in self.multiplicities}
        start = 0
        for _, n, chain in self.parts:
            stop = start + n * chain.size
            columns = X[start:stop].reshape(n, chain.size, b).swapaxes(0, 1)
            for mu, Y in chain.analyse(columns.reshape(chain.size, n * b)).items():
                # (d, copies, n, b) to copies of the type first
                Y = Y.reshape(len(Y), -1, n, b).transpose(2, 1, 0, 3)
                found[mu].append(Y.reshape(-1, self.sizes[mu], b))
            start = stop
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
        for _, n, chain in self.parts:
            state = {}
            for mu, count in chain.multiplicities()[-1].items():
                first = used[mu]
                used[mu] = first + n * count
                Y = blocks[mu][first : used[mu]].reshape(n, count, self.sizes[mu], b)
                state[mu] = Y.transpose(2, 1, 0, 3).reshape(self.sizes[mu], count, n * b)
            columns = chain.synthesise(state, n * b).reshape(chain.size, n, b)
            out.append(columns.swapaxes(0, 1).reshape(n * chain.size, b))
        out = np.concatenate(out)
        if self.perm is None:
            return out
        scattered = np.empty_like(out)
        scattered[self.perm] = out
        return scattered

    def _matvec(self, x):
        return self._matmat(x.reshape(-1, 1)).reshape(-1)

    def _rmatvec(self, x):
        return self._rmatmat(x.reshape(-1, 1)).reshape(-1)
