"""From generators to a set that is closed under the adjoint: what makes representations completely reducible."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm, polar, schur
from scipy.sparse import csr_array

from fastemlp._svd import svd
from fastemlp.exceptions import NotReductive
from fastemlp.operators import TensorConstraint

from .spans import adjoint, dense_generators, from_rows, orthonormal, outside, real_rows, stacked

#: Relative tolerance of every "lies in the span" and "is unitary" below.
CLOSED = 1e-10
#: Largest total size of the Lie algebra's matrices, in numbers, and largest atom: all are dense here.
MAX_NUMBERS, MAX_ATOM = 2 * 10**7, 500
#: What leaves the span by less than this, though by more than CLOSED, does so because generators are inexact.
ROUNDED = 1e-6
#: Cosines between a Lie algebra and its adjoint up to this are zero; in coordinates of condition 1e3 some are 1e-6.
DEGENERATE = 1e-12
#: Brackets by which a Lie algebra grows at a time.
MANY = 64
#: A discrete generator within so many times what it is known to from a unitary one is unitary.
ITSELF = 64
#: Angles between eigenvalues of a discrete generator below this, and above so many times what it is known to, get
#: powers that open them.
NARROW, TRUE_ANGLE = 0.05, 1e4
#: Weights below the largest over this are not looked at where the smallest weight is turned by about a right angle.
WIDEST = 16
#: Powers of one generator that are taken at most.
POWERS = 4


class Postponed(Exception):
    """Whether the generators are closed takes more work to see than was allowed; ``work`` in multiply-adds, about."""

    def __init__(self, work):
        super().__init__(f"closing the Lie algebra takes about {work:.0e} multiply-adds")
        self.work = work


@dataclass(frozen=True, eq=False)
class Symmetry:
    """One group, seen on several atoms (small representations) at once.

    Attributes
    ----------
    lie : tuple over atoms of ndarray (D, d, d); joint orthonormal basis of the Lie algebra
    probes : tuple over atoms of ndarray (J, d, d); unitary, an intertwiner of all J is one of the group
    accuracy : float; what they are known to
    """

    lie: tuple
    probes: tuple
    accuracy: float = 0.0

    @property
    def dtype(self):
        return self.lie[0].dtype

    @property
    def is_complex(self):
        """Whether intertwiners have complex coefficients."""
        return self.dtype.kind == "c"


@dataclass(frozen=True, eq=False)
class ReductiveGroup:
    """The generators of a constraint on its atoms and their duals, completed and found closed under the adjoint.

    Attributes
    ----------
    dtype : float64 or complex128
    dims : tuple of int; sizes of the atoms, those of the constraint first
    dual : tuple of int; ``dual[a]`` is the atom dual to atom a of the constraint, itself where they are the same
    lie, discrete : tuples over generators of tuples over atoms of ndarray (d, d); as given, to check results against
    accuracy : float; what these are known to
    """

    dtype: np.dtype
    dims: tuple
    dual: tuple
    lie: tuple
    discrete: tuple
    accuracy: float
    _basis: np.ndarray
    _unitary: tuple

    def adjoint_defect(self):
        """How far the Lie algebra is from closed under the adjoint, discrete generators from normal or unitary."""
        adjoints = _adjoints(self._basis, self.dims, self.dtype)
        defects = [0.0, *np.linalg.norm(outside(adjoints, self._basis), axis=1)]
        for h in self.discrete:
            defects += [
                np.linalg.norm(B @ B.conj().T - B.conj().T @ B, 2) / np.linalg.norm(B, 2) ** 2
                for B in h
            ]
            unitary = max(np.linalg.norm(B @ B.conj().T - np.eye(len(B)), 2) for B in h)
            if unitary <= ROUNDED:
                defects.append(unitary)
        return float(max(defects))

    def draw(self, rng):
        """The Symmetry of this group, with probes drawn from a numpy Generator."""
        lie = from_rows(self._basis, self.dims, self.dtype)
        probes = _probes(lie, self._unitary, self.accuracy, rng)
        probes = tuple(np.array(Bs) for Bs in zip(*probes, strict=True))
        return Symmetry(tuple(lie), probes, self.accuracy)


def reductive_group(C, max_work=math.inf, accuracy=None):
    """Complete the Lie algebra of a TensorConstraint and check it against the adjoint.

    ``accuracy`` is what the generators are known to, default ``C.accuracy``.

    Raises
    ------
    NotReductive
        If the real span of the Lie algebra is not closed under the adjoint, or a discrete generator is not normal or
        nearly the identity.
    Postponed
        If closing the Lie algebra takes more than ``max_work`` multiply-adds.

    Notes
    -----
    A vector killed by A and B is killed by [A, B], one fixed by h and killed by A is killed by hAh⁻¹, so closing
    the Lie algebra under both leaves the constraint alone. With A = K + P, skew plus Hermitian, exp(K + iP) is an
    element of the compact form. A normal ``h = U|h|`` is given by U and by log|h| in the Lie algebra: ρ(U) and
    ρ(|h|) commute, one is unitary and the other positive definite, so ρ(h) fixes what both fix and no more, and
    ρ(|h|) fixes what drho(log|h|) kills. All replacements hold on every tensor product and keep the intertwiners.
    """
    lie, discrete, dual = _with_duals(C)
    dims = tuple(A.shape[1] for A in lie)
    accuracy = C.accuracy if accuracy is None else accuracy
    # written so that a NaN fails
    if not accuracy <= ROUNDED:
        raise NotReductive(f"its generators are known to {accuracy:.0e} only")
    tolerance = max(CLOSED, 10 * accuracy)
    rows = real_rows(lie)
    first = 3 * len(rows) * rows.size
    if first > max_work:
        raise Postponed(first)
    given = tuple(tuple(zip(*blocks, strict=True)) for blocks in (lie, discrete))
    unitary, positive = _polar_forms(given[1], tolerance, accuracy)
    rows = np.concatenate([rows, real_rows(stacked(positive, dims, C.dtype))])
    basis = orthonormal(rows, tolerance)[0]
    if len(basis):
        rng = np.random.default_rng(0)
        basis = _closed(basis, stacked(unitary, dims, C.dtype), tolerance, rng, max_work - first)
        X = rng.standard_normal((2, len(basis))) @ basis
        if _leaves(_adjoints(X, dims, C.dtype), basis, tolerance).any():
            raise NotReductive(
                "the Lie algebra is not closed under the adjoint, so invariant subspaces need not have "
                "invariant orthogonal complements",
                everywhere=_has_degenerate_trace(basis, dims, C.dtype),
            )
    return ReductiveGroup(C.dtype, dims, tuple(dual), *given, accuracy, basis, tuple(unitary))


def _has_degenerate_trace(basis, dims, dtype):
    """Whether ``Re tr(AB)`` is degenerate on a Lie algebra, as on one with a nilpotent ideal.

    The form is the same in all coordinates, and where these are closed under the adjoint ``tr(A Aᴴ) > 0``.
    """
    cosines = np.linalg.svd(basis @ _adjoints(basis, dims, dtype).T, compute_uv=False)
    return bool(cosines[-1] <= DEGENERATE)


def completed(C, max_work=math.inf):
    """A TensorConstraint with its Lie algebra closed under brackets and under conjugation by discrete generators.

    The nullspace is the same. Where a shear and a rotation in other coordinates generate a classical group, it is the
    Lie algebra of that group that shows its balanced coordinates, not the shear alone. C itself where nothing is added.
    """
    if not (C.lie and C.discrete) or max(C.dims, default=0) > MAX_ATOM:
        return C
    tolerance = max(CLOSED, 10 * C.accuracy)
    lie, discrete = dense_generators(C)
    basis = orthonormal(real_rows(lie), tolerance)[0]
    if not len(basis):
        return C
    closed = _closed(basis, discrete, tolerance, np.random.default_rng(0), max_work)
    if len(closed) == len(basis):
        return C
    lie = [
        [csr_array(A) if A.any() else None for A in As]
        for As in zip(*from_rows(closed, C.dims, C.dtype), strict=True)
    ]
    return TensorConstraint(C.slots, C.dims, lie, C.discrete, C.accuracy)


def _with_duals(C):
    """Dense generators on the atoms and on their duals, lists as in ``spans``; and which atom is dual to which."""
    dims = C.dims
    if not dims or 0 in dims:
        raise NotReductive("there is no slot, or one of size 0, and nothing to take apart")
    if max(dims) > MAX_ATOM:
        raise NotReductive(f"a slot of size {max(dims):,} is too large for dense matrices")
    n_numbers = max(len(C.lie), 1) * sum(d * d for d in dims)
    if n_numbers > MAX_NUMBERS:
        raise NotReductive(
            f"its generators as dense matrices hold {n_numbers:,} numbers, more than {MAX_NUMBERS:,}"
        )
    lie, discrete = dense_generators(C)
    dual = []
    for a in range(len(dims)):
        A, h = -lie[a].swapaxes(1, 2), np.linalg.inv(discrete[a]).swapaxes(1, 2)
        same = (b for b in range(len(lie)) if _are_equal(A, lie[b]) and _are_equal(h, discrete[b]))
        dual.append(next(same, len(lie)))
        if dual[a] == len(lie):
            lie.append(A)
            discrete.append(h)
    return lie, discrete, dual


def _are_equal(left, right):
    return np.array_equal(left, right) or (
        left.shape == right.shape and bool(np.abs(left - right).max() <= 1e-14)
    )


def _adjoints(rows, dims, dtype):
    """The rows of ``Aᴴ``."""
    return real_rows(adjoint(from_rows(rows, dims, dtype)))


def _leaves(rows, basis, tolerance):
    """Which rows leave a span."""
    lengths = np.linalg.norm(outside(rows, basis), axis=1)
    return lengths > tolerance * np.maximum(np.linalg.norm(rows, axis=1), 1)


def _closed(basis, discrete, tolerance, rng, max_work=math.inf):
    """The span closed under brackets and under conjugation by the discrete generators, a list as in ``spans``."""
    dims, dtype = [h.shape[1] for h in discrete], discrete[0].dtype
    inverses = [np.linalg.inv(h) for h in discrete]

    def leaving(n_brackets):
        weights = rng.standard_normal((2 * n_brackets + 1, len(basis))) / np.sqrt(len(basis))
        images = []
        for E, h, g in zip(
            from_rows(weights @ basis, dims, dtype), discrete, inverses, strict=True
        ):
            A, B = E[:-1:2], E[1::2]
            images.append(np.concatenate([A @ B - B @ A, h @ E[-1] @ g]))
        rows = real_rows(images)
        return rows[_leaves(rows, basis, tolerance)]

    quiet = 0
    while quiet < 2:
        if basis.size > MAX_NUMBERS:
            raise NotReductive(
                f"its Lie algebra closes at more than {len(basis)} generators, too many to hold"
            )
        new = leaving(1)
        quiet = 0 if len(new) else quiet + 1
        if len(new):
            # where it grows it often grows to all matrices
            max_work -= 4 * MANY * basis.size + 2 * MANY * sum(d**3 for d in dims)
            if max_work < 0:
                raise Postponed(4 * max(dims) ** 4 * basis.shape[1])
            basis = _extended(basis, np.concatenate([new, leaving(min(len(basis), MANY))]))
    return basis


def _extended(basis, rows):
    """The basis and those directions of some rows that leave its span by most.

    What leaves it by little would be known to few digits only; other brackets will show it better.
    """
    _, s, Vt = svd(outside(rows, basis), full_matrices=False)
    if s[0] < ROUNDED:
        raise NotReductive(
            f"brackets leave the span of the Lie algebra by {s[0]:.0e}, as those of rounded generators do"
        )
    # against the basis once more: what was small in them is not orthogonal to it to all digits
    new = np.linalg.qr(outside(Vt[s > 0.1 * s[0]], basis).T)[0].T
    return np.concatenate([basis, new])


def _polar_forms(discrete, tolerance, accuracy):
    """Normal discrete generators as unitary ones and Hermitian elements of the Lie algebra, on every atom."""
    unitary, positive = [], []
    for h in discrete:
        U, logs, condition = zip(*(_polar(B, tolerance) for B in h), strict=True)
        noise = accuracy * max(condition)
        length = np.linalg.norm([np.linalg.norm(P) for P in logs])
        if length > ITSELF * accuracy:
            # rotations by little are told apart by powers, a stretch by its logarithm
            _require_seen(noise / length, tolerance, "is unitary but for", length)
            positive.append(logs)
        turn = np.linalg.norm([np.linalg.norm(B - np.eye(len(B))) for B in U])
        if turn > ITSELF * accuracy:
            _require_seen(noise / turn, tolerance, "differs from the identity by", turn)
            unitary.append(U)
    return unitary, positive


def _require_seen(error, tolerance, how, size):
    if error > tolerance:
        raise NotReductive(
            f"a discrete generator {how} {size:.0e}, too little for its errors to see what that does"
        )


def _polar(B, tolerance):
    """U and log|B| of a normal matrix ``B = U|B|``, and by how much the latter magnifies relative errors of B.

    A unitary matrix is its own U, to the last bit; entries that stand alone in row and column keep all their digits.
    """
    if np.allclose(B @ B.conj().T, np.eye(len(B)), 0, 1e-13):
        return B, np.zeros_like(B), 1.0
    entries = B != 0
    if (entries.sum(axis=0) == 1).all() and (entries.sum(axis=1) == 1).all():
        modulus = np.abs(B).sum(axis=0)
        if (np.abs(modulus - np.abs(B).sum(axis=1)) <= tolerance * modulus).all():
            return B / modulus, np.diag(np.log(modulus)).astype(B.dtype), 1.0
    # BBᴴ − BᴴB would show the square of a small departure from normality
    upper = np.triu(schur(B, output="complex")[0], 1)
    if np.abs(upper).max(initial=0.0) > tolerance * np.abs(B).max():
        raise NotReductive(
            "a discrete generator is not a normal matrix, so invariant subspaces need not have invariant "
            "orthogonal complements"
        )
    W, sigma, Vh = svd(B)
    return W @ Vh, (Vh.conj().T * np.log(sigma)) @ Vh, sigma[0] / sigma[-1]


def _opening_powers(h, accuracy, rng):
    """Powers of a unitary tuple under which eigenvalues that lie close to each other part; few, often none.

    Its algebra is that of h, but what h shows by differences as small as the angle between its eigenvalues, a power
    shows by differences of order one. Angles that may be errors of h are left alone: a power would make them real.
    """
    angles = np.sort(np.concatenate([[0.0], *(np.angle(np.linalg.eigvals(B)) for B in h)]))
    gaps = np.diff(np.append(angles, angles[0] + 2 * np.pi))
    gaps = np.sort(gaps[(gaps > max(1e-12, TRUE_ANGLE * accuracy)) & (gaps < NARROW)])
    powers = []
    while len(gaps) and len(powers) < POWERS:
        exponent = round(rng.uniform(1.0, 2.0) / gaps[0])
        powers.append([np.linalg.matrix_power(B, exponent) for B in h])
        gaps = gaps[gaps > gaps[0] / NARROW]
    # the nearest unitary matrices
    return [[polar(B)[0] for B in g] for g in powers]


def _probes(lie, unitary, accuracy, rng):
    """Unitary tuples that together generate a dense subgroup of the compact form.

    Parameters
    ----------
    lie : list as in ``spans``; a basis of the Lie algebra
    unitary : sequence of unitary tuples, one matrix per atom
    """

    def exponential():
        weights = rng.standard_normal(len(lie[0]))
        # K + iP is skew-Hermitian; its exponential should be far from the identity
        Z = []
        for A in (np.tensordot(weights, As, 1) for As in lie):
            K, P = (A - A.conj().T) / 2, (A + A.conj().T) / 2
            Z.append(K + 1j * P if np.abs(P).max() > CLOSED else K)
        # a random angle: any fixed one is a full turn for some weights. It is that of the smallest weight, so that
        # large spins are turned about: what varies slowly over a large sphere has eigenvalues in close pairs
        weights = np.abs(np.concatenate([np.linalg.eigvalsh(1j * z) for z in Z]))
        largest = weights.max()
        smallest = weights[weights > largest / WIDEST].min()
        angle = rng.uniform(1.5, 2.5) / smallest
        return [expm(angle * z) for z in Z]

    def product(g, h):
        return [A @ B for A, B in zip(g, h, strict=True)]

    unitary = [*unitary, *(power for h in unitary for power in _opening_powers(h, accuracy, rng))]
    if len(lie[0]):
        return [exponential(), exponential()] + [product(h, exponential()) for h in unitary]
    if not unitary:
        return [[np.eye(A.shape[1]) for A in lie]]
    words = []
    for _ in range(2):
        word = unitary[0]
        for k in rng.integers(len(unitary), size=7):
            word = product(word, unitary[k])
        words.append(word)
    return [*unitary, *words]
