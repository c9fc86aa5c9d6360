"""From generators to a set that is closed under the adjoint: what makes representations completely reducible."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm, schur
from scipy.sparse import csr_array

from fastemlp.exceptions import NotReductive
from fastemlp.operators import TensorConstraint

#: Relative tolerance of every "lies in the span" and "is unitary" below.
CLOSED = 1e-10
#: Largest total size of the Lie algebra's matrices, in numbers, and largest atom: all are dense here.
MAX_NUMBERS, MAX_ATOM = 2 * 10**7, 500
#: Rows from which it pays to see first whether they are orthogonal as they are.
ORTHOGONAL_FROM = 100
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
    is_complex : bool; whether intertwiners have complex coefficients
    lie : tuple over atoms of ndarray (D, d, d); joint orthonormal basis of the Lie algebra
    probes : tuple over atoms of ndarray (J, d, d); unitary, an intertwiner of all J is one of the group
    accuracy : float; what they are known to
    """

    is_complex: bool
    lie: tuple
    probes: tuple
    accuracy: float = 0.0

    @property
    def dtype(self):
        return np.dtype(np.complex128 if self.is_complex else np.float64)


@dataclass(frozen=True, eq=False)
class ReductiveGroup:
    """The generators of a constraint on its atoms and their duals, completed and found closed under the adjoint.

    Attributes
    ----------
    is_complex : bool
    dims : tuple of int; sizes of the atoms, those of the constraint first
    dual : tuple of int; ``dual[a]`` is the atom dual to atom a of the constraint, itself where they are the same
    lie, discrete : tuples over generators of lists over atoms of ndarray (d, d); as given, to check results against
    accuracy : float; what these are known to
    """

    is_complex: bool
    dims: tuple
    dual: tuple
    lie: tuple
    discrete: tuple
    accuracy: float
    _basis: np.ndarray
    _unitary: tuple

    def adjoint_defect(self):
        """How far the Lie algebra is from closed under the adjoint, discrete generators from normal or unitary."""
        joint = _Joint(self.dims, self.is_complex)
        adjoints = joint.adjoints(self._basis)
        outside = adjoints - (adjoints @ self._basis.T) @ self._basis
        defects = [0.0, *np.linalg.norm(outside, axis=1)]
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
        joint = _Joint(self.dims, self.is_complex)
        probes = _probes(joint, self._basis, self._unitary, self.accuracy, rng)
        matrices = [joint.unflat(row) for row in self._basis]
        return Symmetry(
            self.is_complex,
            tuple(
                np.array([A[a] for A in matrices], joint.dtype).reshape(-1, d, d)
                for a, d in enumerate(self.dims)
            ),
            tuple(np.array([u[a] for u in probes]) for a in range(len(self.dims))),
            self.accuracy,
        )


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
    lie, discrete, dual, dims = _with_duals(C)
    accuracy = C.accuracy if accuracy is None else accuracy
    # written so that a NaN fails
    if not accuracy <= ROUNDED:
        raise NotReductive(f"its generators are known to {accuracy:.0e} only")
    joint = _Joint(dims, C.dtype.kind == "c", max(CLOSED, 10 * accuracy))
    width = sum(d * d for d in dims) * joint.dtype.itemsize // 8
    first = 3 * len(lie) ** 2 * width
    if first > max_work:
        raise Postponed(first)
    given = tuple(joint.blocks(As) for As in lie), tuple(joint.blocks(hs) for hs in discrete)
    unitary, positive = _polar_forms(given[1], joint.tolerance, accuracy)
    basis = joint.orthonormal([joint.flat(As) for As in [*lie, *positive]])
    rng = np.random.default_rng(0)
    basis = _closed(joint, basis, unitary, rng, max_work - first)
    for _ in range(2 if len(basis) else 0):
        X = joint.unflat(rng.standard_normal(len(basis)) @ basis)
        if joint.outside(basis, joint.flat([B.conj().T for B in X])):
            raise NotReductive(
                "the Lie algebra is not closed under the adjoint, so invariant subspaces need not have "
                "invariant orthogonal complements",
                everywhere=_has_degenerate_trace(joint, basis),
            )
    return ReductiveGroup(
        C.dtype.kind == "c", tuple(dims), tuple(dual), *given, accuracy, basis, tuple(unitary)
    )


def _has_degenerate_trace(joint, basis):
    """Whether ``Re tr(AB)`` is degenerate on a Lie algebra, as on one with a nilpotent ideal.

    The form is the same in all coordinates, and where these are closed under the adjoint ``tr(A Aᴴ) > 0``.
    """
    cosines = np.linalg.svd(basis @ joint.adjoints(basis).T, compute_uv=False)
    return bool(cosines[-1] <= DEGENERATE)


def completed(C, max_work=math.inf):
    """A TensorConstraint with its Lie algebra closed under brackets and under conjugation by discrete generators.

    The nullspace is the same. Where a shear and a rotation in other coordinates generate a classical group, it is the
    Lie algebra of that group that shows its balanced coordinates, not the shear alone. C itself where nothing is added.
    """
    if not (C.lie and C.discrete) or max(C.dims, default=0) > MAX_ATOM:
        return C
    joint = _Joint(C.dims, C.dtype.kind == "c", max(CLOSED, 10 * C.accuracy))
    lie, discrete = (
        [[_dense(B, d, C.dtype, one) for B, d in zip(Bs, C.dims, strict=True)] for Bs in generators]
        for generators, one in ((C.lie, 0), (C.discrete, 1))
    )
    basis = joint.orthonormal([joint.flat(As) for As in lie])
    closed = _closed(joint, basis, discrete, np.random.default_rng(0), max_work)
    if len(closed) == len(basis):
        return C
    lie = [[csr_array(A) if A.any() else None for A in joint.unflat(row)] for row in closed]
    return TensorConstraint(C.slots, C.dims, lie, C.discrete, C.accuracy)


def _with_duals(C):
    """Dense generators on the atoms and on their duals: lie, discrete (lists over generators of lists over atoms)."""
    dims = list(C.dims)
    if not dims or 0 in dims:
        raise NotReductive("there is no slot, or one of size 0, and nothing to take apart")
    if max(dims, default=0) > MAX_ATOM:
        raise NotReductive(f"a slot of size {max(dims):,} is too large for dense matrices")
    n_numbers = max(len(C.lie), 1) * sum(d * d for d in dims)
    if n_numbers > MAX_NUMBERS:
        raise NotReductive(
            f"its generators as dense matrices hold {n_numbers:,} numbers, more than {MAX_NUMBERS:,}"
        )
    lie = [[_dense(A, d, C.dtype, 0) for A, d in zip(As, dims, strict=True)] for As in C.lie]
    discrete = [
        [_dense(h, d, C.dtype, 1) for h, d in zip(hs, dims, strict=True)] for hs in C.discrete
    ]
    dual = []
    for a in range(len(dims)):
        dual_lie = [-As[a].T for As in lie]
        dual_discrete = [np.linalg.inv(hs[a]).T for hs in discrete]
        same = (
            b
            for b in range(len(dims))
            if dims[a] == dims[b]
            and _are_equal(dual_lie, [As[b] for As in lie])
            and _are_equal(dual_discrete, [hs[b] for hs in discrete])
        )
        b = next(same, None)
        if b is None:
            b = len(dims)
            dims.append(dims[a])
            for As, A in zip(lie, dual_lie, strict=True):
                As.append(A)
            for hs, h in zip(discrete, dual_discrete, strict=True):
                hs.append(h)
        dual.append(b)
    return lie, discrete, dual, dims


def _are_equal(left, right):
    return bool(np.abs(np.subtract(left, right)).max(initial=0.0) <= 1e-14)


class _Joint:
    """Tuples of one matrix per atom as real vectors, so that spans over the reals are linear algebra."""

    def __init__(self, dims, is_complex, tolerance=CLOSED):
        self.dims = dims
        self.tolerance = tolerance
        self.dtype = np.dtype(np.complex128 if is_complex else np.float64)
        self.stops = np.cumsum([0] + [d * d for d in dims])

    def blocks(self, matrices):
        return [np.asarray(B, self.dtype) for B in matrices]

    def flat(self, matrices):
        row = np.concatenate([np.ravel(B) for B in matrices]).astype(self.dtype)
        return row.view(np.float64)

    def unflat(self, row):
        row = np.ascontiguousarray(row).view(self.dtype)
        return [
            row[i:j].reshape(d, d)
            for i, j, d in zip(self.stops[:-1], self.stops[1:], self.dims, strict=True)
        ]

    def adjoints(self, rows):
        """The rows of ``Aᴴ``."""
        found = [self.flat([A.conj().T for A in self.unflat(row)]) for row in rows]
        return np.array(found).reshape(rows.shape)

    def orthonormal(self, rows):
        """Orthonormal basis of the real span of some rows, dependent ones dropped."""
        if not len(rows):
            return np.zeros((0, int(self.stops[-1]) * self.dtype.itemsize // 8))
        rows = np.array(rows)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
        if len(rows) >= ORTHOGONAL_FROM and _have_disjoint_supports(rows):
            return rows[norms[:, 0] > 0]
        _, s, Vt = np.linalg.svd(rows, full_matrices=False)
        return Vt[s > self.tolerance * max(s[0], 1e-300)]

    def outside(self, basis, row):
        """Whether a row leaves the span."""
        rest = row - (row @ basis.T) @ basis
        return np.linalg.norm(rest) > self.tolerance * max(np.linalg.norm(row), 1)


def _have_disjoint_supports(rows):
    """Whether no column has two nonzero entries, so that rows are orthogonal without any arithmetic."""
    return bool((np.count_nonzero(rows, axis=0) <= 1).all())


def _closed(joint, basis, discrete, rng, max_work=math.inf):
    """The span closed under brackets and under conjugation by the discrete generators."""
    inverses = [[np.linalg.inv(B) for B in h] for h in discrete]

    def element():
        return joint.unflat(rng.standard_normal(len(basis)) @ basis / np.sqrt(len(basis)))

    def leaving(n_brackets):
        pairs = [(element(), element()) for _ in range(n_brackets)]
        found = [[A @ B - B @ A for A, B in zip(X, Y, strict=True)] for X, Y in pairs]
        X = element()
        found += [
            [h @ A @ g for h, A, g in zip(hs, X, gs, strict=True)]
            for hs, gs in zip(discrete, inverses, strict=True)
        ]
        rows = np.array([joint.flat(A) for A in found])
        rest = rows - (rows @ basis.T) @ basis
        limit = joint.tolerance * np.maximum(np.linalg.norm(rows, axis=1), 1)
        return list(rows[np.linalg.norm(rest, axis=1) > limit])

    quiet = 0
    while len(basis) and quiet < 2:
        if basis.size > MAX_NUMBERS:
            raise NotReductive(
                f"its Lie algebra closes at more than {len(basis)} generators, too many to hold"
            )
        new = leaving(1)
        quiet = 0 if new else quiet + 1
        if new:
            # where it grows it often grows to all matrices
            max_work -= 4 * MANY * basis.size + 2 * MANY * sum(d**3 for d in joint.dims)
            if max_work < 0:
                raise Postponed(4 * (max(joint.dims) ** 2) ** 2 * basis.shape[1])
            basis = _extended(basis, np.array(new + leaving(min(len(basis), MANY))))
    return basis


def _extended(basis, rows):
    """The basis and those directions of some rows that leave its span by most.

    What leaves it by little would be known to few digits only; other brackets will show it better.
    """
    rest = rows - (rows @ basis.T) @ basis
    _, s, Vt = np.linalg.svd(rest, full_matrices=False)
    if s[0] < ROUNDED:
        raise NotReductive(
            f"brackets leave the span of the Lie algebra by {s[0]:.0e}, as those of rounded generators do"
        )
    new = Vt[s > 0.1 * s[0]]
    # against the basis once more: what was small in them is not orthogonal to it to all digits
    new = np.linalg.qr((new - (new @ basis.T) @ basis).T)[0].T
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
    W, sigma, Vh = np.linalg.svd(B)
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
    return [[_nearest_unitary(B) for B in g] for g in powers]


def _nearest_unitary(B):
    W, _, Vh = np.linalg.svd(B)
    return W @ Vh


def _probes(joint, basis, unitary, accuracy, rng):
    """Unitary tuples that together generate a dense subgroup of the compact form."""

    def exponential():
        X = joint.unflat(rng.standard_normal(len(basis)) @ basis)
        # K + iP is skew-Hermitian; its exponential should be far from the identity
        Z = []
        for A in X:
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
    if len(basis):
        return [exponential(), exponential()] + [product(h, exponential()) for h in unitary]
    if not unitary:
        return [[np.eye(d) for d in joint.dims]]
    words = []
    for _ in range(2):
        word = unitary[0]
        for k in rng.integers(len(unitary), size=7):
            word = product(word, unitary[k])
        words.append(word)
    return [*unitary, *words]


def _dense(B, d, dtype, diagonal):
    return diagonal * np.eye(d, dtype=dtype) if B is None else B.toarray().astype(dtype)
