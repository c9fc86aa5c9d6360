"""The irreducibles met so far, and how each times an atom splits into irreducibles again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import scipy.linalg

from fastemlp._arrays import read_only
from fastemlp._budget import DEFAULT_BUDGET, mib
from fastemlp.exceptions import BudgetError, CertificationError, Status

from .split import (
    Members,
    choose_recipe,
    commutant_units,
    components,
    frames,
    is_shown_irreducible,
    isotypic_parts,
    undecided,
)

#: Eigenvalues of a Casimir operator closer than this, relative to the largest, are one.
CASIMIR_SAME = 1e-8
#: Entries of orthonormal frames below this are roundoff; dropping them keeps what is sparse sparse.
ROUNDOFF = 1e-14
#: Splittings with a larger residual than this are corrected.
POLISHED = 2e-13
#: Eigenvalues further apart than this, relative to the largest, determine the rotation between them.
WELL_APART = 5e-2
#: A correction is of the first order, and small.
LARGEST_ROTATION = 0.1
#: Spectra of one irreducible in two places agree to this.
SPECTRUM_SAME = 1e-7


class Irreducible:
    """One irreducible representation, in a fixed orthonormal basis.

    Attributes
    ----------
    dim : int, d
    probes : ndarray (J, d, d)
    mixed : ndarray (2, d, d); two random elements of the Lie algebra
    values, recipe, frame : its random member's spectrum, how to frame it, and the frame (d, d) of this basis
    commutant : ndarray (t, d, d); orthogonal matrices, orthogonal to each other, that commute with the group; the
        identity first
    """

    def __init__(self, probes, mixed, part, recipe, frame, find_lie):
        self.dim = len(frame)
        self.probes, self.mixed, self._find_lie = probes, mixed, find_lie
        self.values = part.values
        self.recipe = recipe
        self.frame = frame
        units = commutant_units(recipe, len(part.values))
        self.commutant = frame @ units @ frame.conj().T
        self.commutant[0] = np.eye(self.dim)  # without roundoff, so that nobody multiplies by it

    def take(self, action, E):
        """Have the matrices of a product on the columns of E, which span a copy."""
        self.probes, self.mixed = action.probes_on(E), action.mixed_on(E)
        self._find_lie = lambda: action.lie_on(E)

    def spectrum(self, members):
        """The eigenvalues of the first member, ndarray (d,), ascending."""
        return np.linalg.eigvalsh(members(self.probes, 1)[0])

    @property
    def type_dim(self):
        """The dimension of the commutant over its field: 1, 2, 4 for real, complex, quaternionic."""
        return self.recipe.type_dim

    @cached_property
    def lie(self):
        """The whole Lie algebra, ndarray (D, d, d); only what is multiplied further needs it."""
        return self._find_lie()


@dataclass(frozen=True, eq=False)
class Splitting:
    """``λ ⊗ x = ⊕ μ``, checked.

    Attributes
    ----------
    targets : tuple of int; the irreducible of each piece
    U : ndarray (d_λ, d_x, d_λ·d_x); the pieces side by side, in every copy of μ the group acts by the same matrices
    residual : float; largest ``‖A E − E A_μ‖_F / max(‖A_μ‖_F, √d_μ)`` over pieces E, probes and random elements A
    orthogonality : float; largest entry of ``|UᴴU − I|``
    """

    targets: tuple
    U: np.ndarray
    residual: float
    orthogonality: float


class Catalogue:
    """Irreducibles of one symmetry, filled as products are split; number 0 is the trivial one.

    Parameters
    ----------
    symmetry : Symmetry
    rng : numpy Generator
    memory_budget : int, bytes; a dozen matrices of the size of a product have to fit
    """

    def __init__(self, symmetry, rng, memory_budget=DEFAULT_BUDGET):
        self.symmetry = symmetry
        self.dims = tuple(probes.shape[1] for probes in symmetry.probes)
        self.dtype, self.is_complex = symmetry.dtype, symmetry.is_complex
        self.memory_budget = memory_budget
        D, J = symmetry.lie[0].shape[0], symmetry.probes[0].shape[0]
        self.members = Members(J, symmetry.is_complex, rng, accuracy=symmetry.accuracy)
        # one to diagonalise, one to link
        self.polishers = [
            Members(J, symmetry.is_complex, rng, 2, symmetry.accuracy) for _ in range(4)
        ]
        self.mix = rng.standard_normal((2, D)) / np.sqrt(max(D, 1))
        #: the smallest relative distance of eigenvalues that had to be told apart
        self.gap = np.inf
        self._splittings = {}
        probes = np.ones((J, 1, 1), symmetry.probes[0].dtype)
        part = isotypic_parts(probes, self.members)[0]
        recipe = choose_recipe(part, symmetry.is_complex)
        mixed, lie = (np.zeros((n, 1, 1), symmetry.dtype) for n in (2, D))
        self.irreducibles = [
            Irreducible(probes, mixed, part, recipe, frames(part, recipe)[0], lambda: lie)
        ]

    def split(self, index, atom):
        """The Splitting of irreducible number ``index`` times an atom.

        Raises
        ------
        CertificationError
            If eigenvalues that should be told apart, or be equal, are not.
        BudgetError
            If the product does not fit the memory budget.
        """
        key = (index, atom)
        if key not in self._splittings:
            action = _Product(self.irreducibles[index], self.symmetry, atom, self.mix)
            n_bytes = 12 * action.n**2 * self.symmetry.dtype.itemsize
            if n_bytes > self.memory_budget:
                raise BudgetError(
                    f"irreducibles: one of size {action.p} times a factor of size {action.q} needs {mib(n_bytes)}, "
                    f"more than memory_budget = {mib(self.memory_budget)}. Raise memory_budget, or solve by products "
                    "with the constraint."
                )
            before = len(self.irreducibles)
            spaces, gap = _casimir_eigenspaces(
                action.left.lie, action.lie, action.n, max(CASIMIR_SAME, self.members.noise)
            )
            self.gap = min(self.gap, gap)
            pieces = [piece for E in spaces for piece in self._pieces(action, E)]
            self._splittings[key] = self._checked(action, pieces, before)
        return self._splittings[key]

    def _pieces(self, action, E):
        """The irreducible pieces of the range of E, as ``_identify`` gives them."""
        probes = action.probes_on(E)
        try:
            parts = isotypic_parts(probes, self.members)
        except CertificationError:
            return self._split_further(action, E)
        pieces = []
        for part in parts:
            try:
                pieces += self._identify(action, E, probes, part)
                self.gap = min(self.gap, part.gap)
            except CertificationError:
                pieces += self._split_further(action, _span(E, part))
        return pieces

    def _split_further(self, action, E):
        """The pieces of what is not one isotypic part, though it looked like that, taken apart by another draw."""
        probes = action.probes_on(E)
        for members in self.polishers:
            try:
                parts = isotypic_parts(probes, members)
            except CertificationError:
                continue
            if len(parts) > 1:
                return [piece for part in parts for piece in self._pieces(action, _span(E, part))]
        raise undecided(
            f"no random elements of the group tell whether a space of size {E.shape[1]} is irreducible; eigenvalues "
            "nearly coincide."
        )

    def _identify(self, action, E, probes, part):
        """The copies of one irreducible in the range of E, aligned with the catalogue: list of (index, E_copy).

        ``part`` is one of the isotypic parts of the probes on E.
        """
        for index, known in enumerate(self.irreducibles):
            if _same_spectrum(known, part, self.members.noise):
                found = frames(part, known.recipe)
                return [(index, _clean(E @ (F @ known.frame.conj().T))) for F in found]
        recipe = choose_recipe(part, self.symmetry.is_complex)
        found = frames(part, recipe)
        alone = len(found) == 1 and found.shape[2] == E.shape[1]
        # keep the sparser basis of the eigenspace where the piece is all of it
        reference = E if alone else _clean(E @ found[0])
        frame = found[0] if alone else np.eye(found.shape[2], dtype=found.dtype)
        if not alone:
            probes = action.probes_on(reference)
        self._require_irreducible(probes, recipe)
        copies = [reference, *(_clean(E @ (F @ frame.conj().T)) for F in found[1:])]
        mixed, index = action.mixed_on(reference), len(self.irreducibles)
        self.irreducibles.append(
            Irreducible(probes, mixed, part, recipe, frame, lambda: action.lie_on(reference))
        )
        return [(index, copy) for copy in copies]

    def _require_irreducible(self, probes, recipe):
        """Show a new piece irreducible and of its type by another draw, as no residual shows two taken for one."""
        if not any(is_shown_irreducible(probes, m, recipe.type_dim) for m in self.polishers):
            raise undecided(
                f"no other random elements of the group show a piece of size {probes.shape[1]} to be irreducible, with "
                f"a commutant of dimension {recipe.type_dim}."
            )

    def _checked(self, action, pieces, before):
        """The Splitting, and the irreducibles that are new in it, numbers from ``before`` on, shown to be new."""
        U = np.concatenate([E for _, E in pieces], axis=1)
        if U.shape[1] != action.n:
            raise CertificationError(
                f"irreducibles: the pieces of a product of size {action.n} add up to {U.shape[1]}.",
                status=Status.BAD_ORTHOGONALITY,
            )
        targets = [mu for mu, _ in pieces]
        residual = self._residual(action, targets, U)
        for members in self.polishers:
            if residual <= POLISHED:
                break
            better = self._polished(action, targets, U, members)
            self._take_from(action, targets, better, before)
            improved = self._residual(action, targets, better)
            if not improved < residual:
                self._take_from(action, targets, U, before)
                break
            U, residual = better, improved
        self._require_new(before)
        return Splitting(
            tuple(targets),
            read_only(U.reshape(action.p, action.q, action.n)),
            residual,
            float(np.abs(U.conj().T @ U - np.eye(action.n)).max()),
        )

    def _take_from(self, action, targets, U, before):
        """The matrices of the new irreducibles, numbers from ``before`` on, from their first copy in U."""
        stops = np.cumsum([self.irreducibles[mu].dim for mu in targets])
        for mu in range(before, len(self.irreducibles)):
            known = self.irreducibles[mu]
            stop = stops[targets.index(mu)]
            known.take(action, U[:, stop - known.dim : stop])

    def _require_new(self, before):
        """Show every irreducible from number ``before`` on to be another than those before it, by its spectrum.

        Two that are one, in bases that are invariant to 1e-11, have the same to about that.
        """
        same = max(SPECTRUM_SAME, self.members.noise)
        for mu in range(before, len(self.irreducibles)):
            one = self.irreducibles[mu]
            alike = [
                other
                for other in self.irreducibles[:mu]
                if (one.dim, one.type_dim) == (other.dim, other.type_dim)
            ]
            spectrum = one.spectrum(self.members) if alike else None
            for other in alike:
                if np.abs(spectrum - other.spectrum(self.members)).max() <= same:
                    raise undecided(
                        f"two pieces of size {one.dim} were taken for different irreducibles, but have the same "
                        f"spectrum to {same:.0e}."
                    )

    def _residual(self, action, targets, U):
        return action.residual([self.irreducibles[mu] for mu in targets], U)

    def _polished(self, action, targets, U, members):
        """One first-order correction of U, from a random Hermitian member of the algebra.

        In U coordinates the member should be block-diagonal, one known block T per piece. What it is instead,
        ``T + Δ``, tells the rotation ``U(1 + Ω)`` that mends it, ``TΩ − ΩT = −Δ``, wherever eigenvalues of T are well
        apart. What they leave, another member mends.
        """
        blocks = {mu: members(self.irreducibles[mu].probes, 1)[0] for mu in set(targets)}
        eigen = {mu: np.linalg.eigh(block) for mu, block in blocks.items()}
        w = np.concatenate([eigen[mu][0] for mu in targets])
        Y = scipy.linalg.block_diag(*(eigen[mu][1] for mu in targets))
        T = scipy.linalg.block_diag(*(blocks[mu] for mu in targets))
        defect = Y.conj().T @ (members(action.probes_on(U), 1)[0] - T) @ Y
        gaps = w[None, :] - w[:, None]
        apart = np.abs(gaps) > WELL_APART * np.abs(w).max()
        rotation = np.divide(defect, gaps, out=np.zeros_like(defect), where=apart)
        if not np.linalg.norm(rotation) < LARGEST_ROTATION:
            return U  # of the first order nothing is left; nor may it grow without bound
        U = U + U @ (Y @ rotation @ Y.conj().T)
        return 1.5 * U - 0.5 * (U @ (U.conj().T @ U))


class _Product:
    """The group on ``λ ⊗ x``, applied factor by factor to columns E of shape (d_λ·d_x, b)."""

    def __init__(self, irreducible, symmetry, atom, mix):
        self.left = irreducible
        self.lie, self.probes = symmetry.lie[atom], symmetry.probes[atom]
        self.mixed = np.tensordot(mix, self.lie, 1)
        self.p, self.q = irreducible.dim, self.lie.shape[1]
        self.n = self.p * self.q

    def probes_on(self, E):
        """``Eᴴ (u_λ ⊗ u_x) E`` for every probe u, ndarray (J, b, b)."""
        return np.array([E.conj().T @ image for image in self._probe_images(E)])

    def mixed_on(self, E):
        """``Eᴴ (A_λ ⊗ 1 + 1 ⊗ A_x) E`` for the two random elements A, ndarray (2, b, b)."""
        return np.array([E.conj().T @ image for image in self._mixed_images(E)])

    def lie_on(self, E):
        """The same for every A of the Lie algebra, ndarray (D, b, b)."""
        b = E.shape[1]
        out = np.zeros((len(self.lie), b, b), np.result_type(E, self.lie))
        for i, (A, B) in enumerate(zip(self.left.lie, self.lie, strict=True)):
            out[i] = E.conj().T @ self._sum(A, B, E)
        return out

    def residual(self, pieces, U):
        """How far U is from carrying some irreducibles, side by side, each in its basis: the worst of them."""
        stops = np.cumsum([known.dim for known in pieces])
        columns = [slice(stop - known.dim, stop) for known, stop in zip(pieces, stops, strict=True)]
        worst = 0.0
        for r, image in enumerate(chain(self._probe_images(U), self._mixed_images(U))):
            for known, mine in zip(pieces, columns, strict=True):
                B = known.probes[r] if r < len(self.probes) else known.mixed[r - len(self.probes)]
                off = np.linalg.norm(image[:, mine] - U[:, mine] @ B)
                # unlike max, keeps a NaN
                worst = np.maximum(worst, off / max(np.linalg.norm(B), np.sqrt(known.dim)))
        return float(worst)

    def _probe_images(self, E):
        for u, v in zip(self.left.probes, self.probes, strict=True):
            b = E.shape[1]
            image = np.matmul(v, E.reshape(self.p, self.q, b))
            yield (u @ image.reshape(self.p, self.q * b)).reshape(self.n, b)

    def _mixed_images(self, E):
        for A, B in zip(self.left.mixed, self.mixed, strict=True):
            yield self._sum(A, B, E)

    def _sum(self, A, B, E):
        b = E.shape[1]
        shaped = E.reshape(self.p, self.q, b)
        left = (A @ shaped.reshape(self.p, self.q * b)).reshape(shaped.shape)
        return (left + np.matmul(B, shaped)).reshape(self.n, b)


def _same_spectrum(known, part, noise):
    """Whether an isotypic part consists of copies of a known irreducible."""
    t, c = known.recipe.type_dim, part.V.shape[2]
    return (
        len(known.values) == len(part.values)
        and c % t == 0
        and np.abs(known.values - part.values).max() <= max(SPECTRUM_SAME, noise)
    )


def _casimir_eigenspaces(left, right, n, same):
    """Orthonormal bases of the eigenspaces of ``Σ A_iᴴ A_i`` on a product, list of ndarray (n, n_c), and their gap.

    Those nearer than ``same``, relative to the largest, are one. Block by block where the matrix falls into blocks, so
    that a basis adapted to a grading stays adapted.
    """
    dtype = np.result_type(left, right)
    if not len(left):
        return [np.eye(n, dtype=np.result_type(dtype, np.float64))], np.inf
    D, p, _ = left.shape
    q = right.shape[1]
    cross = (left.reshape(D, -1).conj().T @ right.reshape(D, -1)).reshape(p, p, q, q)
    # entry (a, b) of Aᴴ is the conjugate of entry (b, a) of A
    cross = cross.transpose(1, 2, 0, 3).reshape(n, n)
    casimir = cross + cross.conj().T
    casimir += np.kron(_squares(left), np.eye(q)) + np.kron(np.eye(p), _squares(right))
    scale = max(np.abs(casimir).max(), 1e-300)
    casimir[np.abs(casimir) <= 1e-13 * scale] = 0
    label = components(casimir != 0)
    order = np.argsort(label, kind="stable")
    values, vectors = [], []
    for block in np.split(order, np.flatnonzero(np.diff(label[order])) + 1):
        w, V = np.linalg.eigh(casimir[np.ix_(block, block)])
        values.append(w)
        vectors.append((block, V))
    w = np.concatenate(values)
    U = np.zeros((n, n), casimir.dtype)
    start = 0
    for block, V in vectors:
        U[block, start : start + len(block)] = _clean(V)
        start += len(block)
    order = np.argsort(w, kind="stable")
    steps = np.diff(w[order]) / max(np.abs(w).max(), 1)
    cuts = np.flatnonzero(steps > same)
    spaces = [np.ascontiguousarray(U[:, index]) for index in np.split(order, cuts + 1)]
    return spaces, float(steps[cuts].min(initial=np.inf))


def _span(E, part):
    """The columns of E that span an isotypic part found on them."""
    return E @ part.V.reshape(len(part.V), -1)


def _squares(matrices):
    return np.einsum("iab,iac->bc", matrices.conj(), matrices)


def _clean(E):
    E[np.abs(E) < ROUNDOFF] = 0
    return E
