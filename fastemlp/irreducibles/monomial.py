"""Irreducibles of monomial representations, from the algebra of what commutes with them.

A random Hermitian element of the commutant has one eigenvalue per irreducible piece, however large the pieces are, so
nothing nearly coincides; its eigenvalues and eigenprojectors are those of an r × r matrix, r the number of orbitals.
Which pieces are equivalent, and of what type they are, are traces on that algebra, whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from fastemlp._arrays import read_only
from fastemlp.exceptions import BudgetError

from .catalogue import Splitting
from .orbitals import ELEMENTS
from .split import undecided

#: Eigenvalues are one up to the first distance, relative to the largest, and different from the second on.
ONE, APART = 1e-10, 1e-6
#: Traces are whole to this.
WHOLE = 1e-6
#: A random intertwiner of norm 1 has a part between inequivalent pieces below the first, and between equivalent ones
#: above the second.
NOTHING, SOMETHING = 1e-10, 1e-5
#: Excess of a Gram matrix over the identity that single precision is enough to take out.
NEARLY = 1e-8
#: Random elements that are tried before giving up.
DRAWS = 6
#: Random vectors that a norm is estimated from.
SAMPLES = 16


class Unsuitable(Exception):
    """The commutant is too large beside the representation to be worth its algebra."""


@dataclass(frozen=True, eq=False)
class MonomialIrreducible:
    """One irreducible representation, as a part of a word.

    Attributes
    ----------
    dim, type_dim : int
    commutant : ndarray (t, d, d); orthogonal matrices, orthogonal to each other, that commute with the group; the
        identity first
    word : tuple of int, atoms
    basis : ndarray (size of the word, d); orthonormal, spans the part
    traces : ndarray; of some random elements of the group
    """

    dim: int
    type_dim: int
    commutant: np.ndarray
    word: tuple
    basis: np.ndarray
    traces: np.ndarray


@dataclass(frozen=True, eq=False)
class _Piece:
    """An irreducible part of a word: eigenvectors of its eigenvalue (r, k), and its projector's coefficients."""

    eigenvectors: np.ndarray
    projector: np.ndarray
    dim: int


class MonomialCatalogue:
    """Irreducibles of one monomial group, filled as products are split; number 0 is the trivial one.

    Parameters
    ----------
    group : MonomialGroup
    rng : numpy Generator
    memory_budget : int, bytes; three matrices of the size of a word have to fit
    """

    def __init__(self, group, rng, memory_budget):
        self.group, self.rng, self.memory_budget = group, rng, memory_budget
        self.dims, self.dtype = group.dims, group.dtype
        self.is_complex = self.dtype.kind == "c"
        one = np.ones((1, 1), self.dtype)
        self._seed = int(rng.integers(2**32))
        self._orbitals, self._elements, self._splittings = {}, {}, {}
        traces = np.ones(ELEMENTS, self.dtype)
        self.irreducibles = [MonomialIrreducible(1, 1, one[None], (), one, traces)]

    def split(self, index, atom):
        """The Splitting of irreducible number ``index`` times an atom.

        Raises
        ------
        Unsuitable
            If the word has more orbitals than coordinates, or does not fit the memory budget.
        CertificationError
            If what should be a whole number is not, in every draw.
        """
        if (index, atom) not in self._splittings:
            self._splittings[index, atom] = self._found(self.irreducibles[index], atom)
        return self._splittings[index, atom]

    def _between(self, source, target):
        if (source, target) not in self._orbitals:
            sizes = [int(np.prod([self.dims[a] for a in word])) for word in (source, target)]
            if 3 * sizes[0] * sizes[1] * self.dtype.itemsize > self.memory_budget:
                raise Unsuitable
            try:
                found = self.group.between(source, target)
            except BudgetError:
                raise Unsuitable from None
            self._orbitals[source, target] = found
        return self._orbitals[source, target]

    def _traces(self, algebra, word, piece):
        """The traces of the random elements on a piece of a word."""
        if word not in self._elements:
            rng = np.random.default_rng(self._seed)
            self._elements[word] = self.group.elements(word, rng)
        return np.array(
            [
                np.sum(algebra.entries(piece.projector, (columns, rows)) * values)
                for rows, columns, values in self._elements[word]
            ]
        )

    def _found(self, part, atom):
        word = (*part.word, atom)
        algebra = self._between(word, word)
        if algebra.rank > len(algebra.labels):
            raise Unsuitable
        q = self.dims[atom]
        (a, i), (b, j) = divmod(algebra.rows, q), divmod(algebra.columns, q)
        inside = np.sum(part.basis[a] * part.basis[b].conj(), axis=1) * (i == j)
        inside = algebra.coefficients(inside)
        pieces, classes = self._pieces(algebra, inside, part.dim * q)
        targets, columns = [], []
        for members, type_dim in classes:
            found, index = self._bases(algebra, word, [pieces[k] for k in members], type_dim)
            targets += [index] * len(found)
            for basis in found:
                # from the word to λ ⊗ x
                shaped = basis.reshape(len(part.basis), -1)
                columns.append((part.basis.conj().T @ shaped).reshape(part.dim * q, -1))
        U = np.concatenate(columns, axis=1)
        n = part.dim * q
        defect = _defect(U, self.rng) if U.shape == (n, n) else np.inf
        return Splitting(tuple(targets), read_only(U.reshape(part.dim, q, n)), 0.0, defect)

    def _pieces(self, algebra, inside, size):
        """The irreducible parts of the range of a projector, and which are equivalent: (indices, type_dim) each."""
        failure = "eigenvalues of a random intertwiner nearly coincide"
        left = algebra.left(inside)
        total = np.sum(left * algebra.right(left).T).real
        for _ in range(DRAWS):
            z = _random(self.rng, algebra)
            Z = left @ algebra.left(z + algebra.adjoint(z)) @ left
            w, X = np.linalg.eigh((Z + Z.conj().T) / 2)
            steps = np.diff(w) / np.abs(w).max()
            if np.any((steps > ONE) & (steps < APART)):
                continue
            groups = np.split(np.arange(len(w)), np.flatnonzero(steps >= APART) + 1)
            pieces = []
            for columns in groups:
                if abs(w[columns[0]]) <= ONE * np.abs(w).max():
                    continue  # what the projector leaves out
                projector = X[:, columns] @ (X[:, columns].conj().T @ inside)
                dim = np.vdot(projector, projector).real
                pieces.append(_Piece(X[:, columns], projector, dim))
            counts, hermitian = _counts(algebra, pieces)
            numbers = np.array([*(p.dim for p in pieces), *counts.ravel(), *hermitian, total])
            if np.abs(numbers - np.rint(numbers)).max() > WHOLE:
                failure = "traces that should be whole numbers are not"
                continue
            pieces = [_Piece(p.eigenvectors, p.projector, round(p.dim)) for p in pieces]
            counts = np.rint(counts).astype(int)
            classes = self._classes(counts, np.rint(hermitian))
            if (
                classes is None
                or counts.sum() != round(total)
                or sum(p.dim for p in pieces) != size
            ):
                failure = "the pieces do not account for everything that commutes with the group"
                continue
            return pieces, classes
        raise undecided(
            f"expected to tell the irreducible parts of a space of size {size} apart, but in {DRAWS} random draws "
            f"{failure}."
        )

    def _classes(self, counts, hermitian):
        """Equivalent pieces, and their type; None where the counts are not those of irreducible pieces."""
        types = np.diag(counts)
        # the real ones, complex numbers and quaternions have 1, 2, 4 dimensions, one of them fixed by conjugation
        expected = 2 - types if not self.is_complex else np.ones(len(types))
        allowed = (1,) if self.is_complex else (1, 2, 4)
        if not np.isin(types, allowed).all() or not np.array_equal(hermitian, expected):
            return None
        classes = []
        for k, row in enumerate(counts):
            members = np.flatnonzero(row)
            if not np.array_equal(
                counts[np.ix_(members, members)], np.full([len(members)] * 2, types[k])
            ):
                return None
            if members[0] == k:
                classes.append((members, int(types[k])))
        return classes

    def _bases(self, algebra, word, pieces, type_dim):
        """Aligned orthonormal bases of equivalent pieces, (size, d) each, and the number of their irreducible."""
        first, *others = pieces
        index, basis = self._identified(algebra, word, first, type_dim)
        bases = [basis]
        for piece in others:
            for _ in range(DRAWS):
                z = _random(self.rng, algebra)
                joined = algebra.adjoint(_onto(first, algebra.adjoint(z)))
                joined = _onto(piece, joined)
                if np.linalg.norm(joined) > SOMETHING * np.linalg.norm(z):
                    break
            bases.append(_isometry(algebra.times(joined, basis)))
        return bases, index

    def _identified(self, algebra, word, piece, type_dim):
        """The irreducible that a piece is, which may be new, and its basis in the piece."""
        traces = self._traces(algebra, word, piece)
        for index, known in enumerate(self.irreducibles):
            if (known.dim, known.type_dim) != (piece.dim, type_dim):
                continue
            if np.abs(known.traces - traces).max() > WHOLE * piece.dim:
                continue
            basis = self._carried(algebra, self._between(known.word, word), known, piece)
            if basis is not None:
                return index, basis
        basis = _range(algebra.entries(piece.projector, slice(None)), piece.dim)
        commutant = [np.eye(piece.dim, dtype=self.dtype)]
        while len(commutant) < type_dim:
            z = _onto(piece, _random(self.rng, algebra))
            z = algebra.adjoint(_onto(piece, algebra.adjoint(z)))
            J = basis.conj().T @ algebra.times(z, basis)
            J = J - J.T
            for unit in commutant:
                J = J - np.vdot(unit, J) / piece.dim * unit
            J *= np.sqrt(piece.dim) / np.linalg.norm(J)
            # the third unit is the product of the first two
            commutant += [J] if type_dim == 2 or len(commutant) == 1 else [J, commutant[1] @ J]
        self.irreducibles.append(
            MonomialIrreducible(piece.dim, type_dim, np.array(commutant), word, basis, traces)
        )
        return len(self.irreducibles) - 1, basis

    def _carried(self, algebra, orbitals, known, piece):
        """The basis of a known irreducible carried to a piece, None where it is another one."""
        for _ in range(DRAWS if orbitals.rank else 0):
            z = _random(self.rng, orbitals)
            basis = algebra.times(piece.projector, orbitals.times(z, known.basis))
            share = np.linalg.norm(basis) / np.linalg.norm(z)
            if share > SOMETHING:
                return _isometry(basis)
            if share < NOTHING:
                return None
        if orbitals.rank:
            raise undecided(
                f"in {DRAWS} random draws nothing showed whether a piece of size {piece.dim} is one of those before it."
            )
        return None


def _random(rng, orbitals):
    z = rng.standard_normal(orbitals.rank)
    if orbitals.dtype.kind == "c":
        z = z + 1j * rng.standard_normal(orbitals.rank)
    return z


def _onto(piece, c):
    """The coefficients of ``E A``, E the projector of a piece."""
    return piece.eigenvectors @ (piece.eigenvectors.conj().T @ c)


def _counts(algebra, pieces):
    """The dimensions of ``E_i 𝒞 E_j``, and the traces of the adjoint on ``E_i 𝒞 E_i``; not yet rounded.

    Multiplication by a projector from the left is the projection on its eigenspace, from the right the same turned by
    the adjoint. A trace of the adjoint is the dimension of the Hermitian part less that of the skew one; over the
    complex numbers both are equal, and 1 stands for it.
    """
    turned = [algebra.adjoint(p.eigenvectors) for p in pieces]
    counts = np.array(
        [[np.linalg.norm(p.eigenvectors.conj().T @ t) ** 2 for t in turned] for p in pieces]
    )
    if algebra.dtype.kind == "c":
        return counts, np.ones(len(pieces))
    hermitian = []
    for p, t in zip(pieces, turned, strict=True):
        # E 𝒞 E: left and right projections commute
        both = _onto(p, t @ (t.T @ np.eye(algebra.rank)))
        hermitian.append(np.sum(both * algebra.adjoint(np.eye(algebra.rank)).T))
    return counts, np.array(hermitian)


def _range(projector, dim):
    """An orthonormal basis of the range of a projector.

    From ``E = L Lᴴ`` and ``E² = E`` follows ``LᴴL = 1``: a Cholesky factor with pivots has orthonormal columns.
    """
    factor = lapack.zpstrf if np.iscomplexobj(projector) else lapack.dpstrf
    # its own conjugate transpose, which is in the order that LAPACK works in place on
    columns = projector.conj().T
    L, pivots, rank, _ = factor(columns, tol=0.5 / len(columns), lower=1, overwrite_a=1)
    if rank != dim:
        raise undecided(f"expected a projector of rank {dim}, got one of rank {rank}.")
    basis = np.empty((len(L), dim), L.dtype)
    basis[pivots - 1] = np.tril(L[:, :dim])
    return _isometry(basis)


def _isometry(basis):
    """The nearest orthonormal basis to one that is nearly a multiple of an orthonormal one."""
    basis = basis * (np.sqrt(basis.shape[1]) / np.linalg.norm(basis))
    is_complex = np.iscomplexobj(basis)
    # of a real matrix and its own transpose BLAS computes one half
    excess = (basis.conj().T if is_complex else basis.T) @ basis
    excess[np.diag_indices(len(excess))] -= 1
    if np.abs(excess).max() > NEARLY:
        return basis - basis @ excess / 2
    # the correction is so small that it is needed to few digits
    single = np.complex64 if is_complex else np.float32
    return basis - (basis.astype(single) @ excess.astype(single)) / 2


def _defect(U, rng):
    """About ``‖UᴴU − I‖_F``, from random vectors."""
    x = rng.standard_normal((U.shape[1], SAMPLES))
    return float(np.linalg.norm(U.conj().T @ (U @ x) - x) / np.sqrt(SAMPLES))
