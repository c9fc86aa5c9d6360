"""Nullspaces by counting: orbits of monomial generators, weights of diagonal ones.

A discrete generator that maps basis vectors to basis vectors, up to a root of unity, makes a symmetric vector
constant along its orbits up to phases; a loop whose phases do not cancel makes it vanish there. A diagonal Lie
algebra generator makes it vanish wherever the weights of the slots do not add up to zero. Both are exact, cost
O(m) per generator, and hold nothing but one label (and one phase) per coordinate.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.sparse.linalg import LinearOperator

from fastemlp._kernels import orbits as kernels
from fastemlp.isometries import OrbitIsometry
from fastemlp.isometries.orbit import roots_of_unity
from fastemlp.operators import TensorConstraint, norm_bound

from .budget import BudgetError
from .certify import split_rank
from .solution import CertificationError, NullspaceSolution, Status
from .weights import (
    ROUNDING,
    diagonal,
    diagonal_elements,
    entries,
    quarter_turns,
    representatives,
    rounding,
)

#: Entries of one generator must be roots of unity of at most this order, those of all together of this one.
LARGEST_ORDER, LARGEST_COMMON_ORDER = 720, 2**14
#: Below this size labels are not worth a narrower type.
NARROW_LABELS = 2**20


def orbits(C, *, tol=None, memory_budget=2**30, random_state=0, verbose=0):
    """Basis of ``{v : C v = 0}`` when every generator is monomial (discrete) or diagonal (Lie algebra).

    Parameters
    ----------
    C : TensorConstraint
    tol : float, optional
        Weights that add up to less than ``tol`` times the sum of the largest of each slot count as zero; default 1e-12,
        or ten times what the generators are known to.
    memory_budget : int
        Bytes allowed for the labels and phases.
    random_state, verbose
        Unused: nothing is drawn, nothing iterates.

    Returns
    -------
    NullspaceSolution
        Q is an OrbitIsometry with columns in the order of their first coordinate; real unless C is complex or a
        generator has entries other than 0 and ±1.

    Raises
    ------
    ValueError
        If a generator is neither, saying which; if the labels exceed the budget.
    ConvergenceError
        If weights are neither clearly zero nor clearly not.

    Notes
    -----
    Union-find over the m coordinates, O(m) for each of the M + D generators, 4 bytes a coordinate, 1 or 2 more if
    there are phases. DESIGN.md §2, fact 3.
    """
    return _solve(C, *readable(C), tol, memory_budget, "orbits")


def readable(C, caller="orbits"):
    """The weights and monomials that every generator is read as, if ``orbits`` fits C.

    Returns
    -------
    weights : list of D elements, each a list of one diagonal per atom
    monomials : list of M Monomial

    Raises
    ------
    ValueError
        If a generator is neither diagonal (Lie algebra) nor monomial (discrete), saying which.
    """
    _require_tensor(C, caller)
    weights = []
    for k, A in enumerate(C.lie):
        weights.append(diagonal(A, C.dims, rounding(C.accuracy)))
        if weights[-1] is None:
            raise ValueError(
                f"{caller}: expected Lie algebra generators that are diagonal, but generator "
                f"{k} of {len(C.lie)} has entries off the diagonal. Solve with "
                "shrink, which uses what is diagonal and leaves the rest to another method."
            )
    monomials = [Monomial.read(h, C.dims, rounding(C.accuracy)) for h in C.discrete]
    if None in monomials:
        raise ValueError(
            f"{caller}: expected discrete generators with one root of unity, of order at most "
            f"{LARGEST_ORDER}, in each row and column, but generator {monomials.index(None)} of "
            f"{len(C.discrete)} is not of that form. Solve with shrink, which uses those that are "
            "and leaves the rest to another method."
        )
    return weights, monomials


def weights(C, *, tol=None, memory_budget=2**30, random_state=0, verbose=0):
    """Basis of ``{v : C v = 0}`` when every Lie algebra generator is diagonal and there is no discrete one.

    The coordinates whose weights add up to zero under every generator; parameters and errors as ``orbits``.
    """
    _require_tensor(C, "weights")
    for k, h in enumerate(C.discrete):
        monomial = Monomial.read(h, C.dims, rounding(C.accuracy))
        if monomial is None or not monomial.is_identity:
            raise ValueError(
                f"weights: expected no discrete generators, but generator {k} of {len(C.discrete)} "
                "is not the identity. Use orbits if they are monomial."
            )
    elements, _ = readable(C, "weights")
    return _solve(C, elements, [], tol, memory_budget, "weights")


def shrink(C, *, tol=None, memory_budget=2**30):
    """Solve the combinatorial part of any constraint exactly, and say what is left.

    Parameters
    ----------
    C : TensorConstraint
    tol, memory_budget : as ``orbits``

    Returns
    -------
    O : OrbitIsometry of shape (m, k), or None if there is nothing to shrink with
    rest : TensorConstraint
        The nullspace of C is O applied to that of ``rest @ O``, see ``Restricted``.

    Notes
    -----
    O spans what is fixed by the monomial discrete generators, the diagonal elements in the span of the Lie algebra
    generators, and quarter turns in the connected group. The last two are consequences of C, so O contains its
    nullspace. ``rest`` leaves out generators that vanish on O, as a random vector tells, and has one Lie algebra
    generator for all that those group elements conjugate to each other, scaled to leave the singular values of
    ``rest @ O`` as they were.
    """
    _require_tensor(C, "shrink")
    monomials = [Monomial.read(h, C.dims, rounding(C.accuracy)) for h in C.discrete]
    left_discrete = [k for k, h in enumerate(monomials) if h is None]
    monomials = [h for h in monomials if h is not None]
    if math.lcm(*(h.order for h in monomials)) > LARGEST_COMMON_ORDER:
        left_discrete, monomials = range(len(C.discrete)), []
    left_lie = [i for i, A in enumerate(C.lie) if diagonal(A, C.dims, rounding(C.accuracy)) is None]
    monomials += [Monomial.read(h, C.dims) for h in quarter_turns(C.lie, C.dims)]
    monomials = [h for h in monomials if not h.is_identity]
    elements = diagonal_elements(C.lie, C.dims, rounding(C.accuracy))
    if not monomials and not elements:
        return None, C.part(left_lie, left_discrete)
    O = _solve(C, elements, monomials, tol, memory_budget, "shrink").Q
    lie = representatives([C.lie[i] for i in left_lie], C.dims, monomials)
    discrete = [C.discrete[k] for k in left_discrete]
    return O, _alive(TensorConstraint(C.slots, C.dims, lie, discrete, C.accuracy), O)


def _alive(C, O):
    """The generators that do not vanish on the range of O, where a solver would only see their rounding errors."""
    x = np.random.default_rng(0).standard_normal(O.rank)
    v = O.matvec(x / max(np.linalg.norm(x), 1.0))
    # ‖drho(A)‖ ≤ Σ ‖A‖ and ‖rho(h) − I‖ ≤ 1 + Π ‖h‖ over the slots
    norms = [sum(norm_bound(A[a], 0.0) for a in C.slots) for A in C.lie]
    norms += [1 + math.prod(norm_bound(h[a], 1.0) for a in C.slots) for h in C.discrete]
    alive = [
        i
        for i, (op, norm) in enumerate(zip(C.operators, norms, strict=True))
        if np.linalg.norm(op.matvec(v)) > max(1e-13, 10 * C.accuracy) * norm
    ]
    D = len(C.lie)
    return C.part([i for i in alive if i < D], [i - D for i in alive if i >= D])


class Restricted(LinearOperator):
    """``C @ O``: a constraint on the range of an isometry, in its coordinates, with ``normal_matmat``."""

    def __init__(self, C, O):
        self.C, self.O = C, O
        self.accuracy, self.scale = C.accuracy, C.scale
        super().__init__(np.result_type(C.dtype, O.dtype), (C.shape[0], O.shape[1]))

    def _matvec(self, x):
        return self._matmat(x.reshape(-1, 1)).reshape(-1)

    def _rmatvec(self, y):
        return self._rmatmat(y.reshape(-1, 1)).reshape(-1)

    def _matmat(self, X):
        return self.C.matmat(self.O.matmat(X))

    def _rmatmat(self, Y):
        return self.O.rmatmat(self.C.rmatmat(Y))

    def normal_matmat(self, X):
        """``Oᴴ Cᴴ C O X``."""
        return self.O.rmatmat(self.C.normal_matmat(self.O.matmat(X)))


class Monomial:
    """A generator that sends ``e_j`` to ``ω^phase[j] e_image[j]``, ``ω = exp(2πi / order)``, on every atom.

    Attributes
    ----------
    images, phases : tuple of one int64 ndarray of shape (d,) per atom
    order : int
    error : float; how far its entries are from these
    """

    def __init__(self, images, phases, order, error):
        self.images, self.phases = tuple(images), tuple(phases)
        self.order, self.error = order, error

    @classmethod
    def read(cls, h, dims, rounding=ROUNDING):
        """From one (d, d) sparse array, or None for the identity, per atom; None if h is not of this form."""
        images, values = [], []
        for part, d in zip(h, dims, strict=True):
            image, value = np.arange(d), np.ones(d)
            if part is not None:
                row, column, entry = entries(part)
                kept = np.abs(entry) > rounding
                row, column = row[kept], column[kept]
                if not (_is_permutation(row, d) and _is_permutation(column, d)):
                    return None
                image[column] = row
                value = np.empty(d, part.dtype)
                value[column] = entry[kept]
            images.append(image)
            values.append(value)
        order, error = _common_order(np.unique(np.concatenate(values)), rounding)
        if order is None:
            return None
        phases = [np.rint(np.angle(v) * (order / (2 * np.pi))).astype(int) % order for v in values]
        return cls(images, phases, order, error)

    @property
    def is_identity(self):
        """Whether the generator leaves every coordinate of every atom alone."""
        return self.order == 1 and all(
            np.array_equal(image, np.arange(len(image))) for image in self.images
        )

    def tables(self, halves, order):
        """What the kernels walk along: images and phases of the two halves of the slots."""
        left, right = halves
        R = math.prod(len(self.images[a]) for a in right)
        factor = order // self.order
        left_image, right_image = _flat_image(self.images, left), _flat_image(self.images, right)
        left_phase, right_phase = (
            factor * _outer_sum(self.phases, half) % order for half in halves
        )
        moved = np.flatnonzero((right_image != np.arange(R)) | (right_phase != 0))
        return R * left_image, right_image, left_phase, right_phase, moved


def _solve(C, weights, monomials, tol, memory_budget, caller):
    """The space fixed by monomial generators and of weight zero, certified."""
    order = math.lcm(*(h.order for h in monomials))
    if order > LARGEST_COMMON_ORDER:
        raise ValueError(
            f"{caller}: the entries of the generators are roots of unity of common order {order}, "
            f"more than the {LARGEST_COMMON_ORDER} allowed. Use another method."
        )
    parent, phase = _allocate(C.shape[1], order, memory_budget, caller)
    halves = _halves(C)
    tables = [h.tables(halves, order) for h in monomials]
    real = [part for element in weights for part in _real_parts(element, C.slots)]
    sums = [[_outer_sum(w, half) for half in halves] for w, _ in real]
    scales = [scale for _, scale in real]
    tol = max(1e-12, 10 * C.accuracy) if tol is None else tol
    limits = [tol * scale for scale in scales]

    kernels.plant(parent)
    zero, nonzero = 0.0, np.inf
    for (left, right), scale, limit in zip(sums, scales, limits, strict=True):
        largest, smallest = kernels.kill(left, right, limit, parent)
        sigma = np.array([largest, smallest])
        split_rank(sigma, scale, tol, C.accuracy, caller)
        zero, nonzero = max(zero, largest), min(nonzero, smallest)
    for table in tables:
        kernels.merge(*table, order, parent, phase)
    Q = _isometry(parent, phase, order, is_complex=order > 2 or C.dtype.kind == "c")

    norm = math.hypot(*scales, *[2.0] * len(tables))
    error = max([zero, *(len(C.slots) * h.error for h in monomials)])
    solution = NullspaceSolution(
        Q=Q,
        residual=error / norm if norm else 0.0,
        gap=_gap_bound(Q, order, tables, nonzero) / norm if norm else math.inf,
        orthogonality=Q.orthogonality(),
        norm=norm,
        n_matvecs=0,
        strategy=caller,
        accuracy=C.accuracy,
    )
    return _checked(solution, tables, sums, limits, caller)


def _gap_bound(Q, order, tables, weight):
    """A lower bound on the nonzero singular values, given the smallest nonzero weight.

    On an orbit CᴴC is the Laplacian of a graph with phases, whose spectrum is in that of its cyclic cover: of at
    most N vertices, so that what is not zero is at least ``4 sin²(π/2N)``, the path's (Fiedler 1973). A weight that
    kills an orbit whose phases agree leaves ``1 / (N(1/ℓ + 1/w²) + 1/ℓ)``. Orbits that are killed keep no size of
    their own; together they are as large as all coordinates that are killed.
    """
    if not tables:
        return weight
    largest = int(Q.sizes.max(initial=0))
    n = max(largest, Q.shape[0] - int(Q.sizes.sum()), 1)
    if n * order == 1:
        return weight
    path = 4 * math.sin(math.pi / (2 * n * order)) ** 2
    if weight < math.inf:
        path = 1 / (n * (1 / path + 1 / weight**2) + 1 / path)
    return math.sqrt(path)


def _isometry(parent, phase, order, is_complex):
    """Orbit indicators from the forest, which is overwritten."""
    rank = kernels.number(parent, phase, order)
    labels = parent.astype(narrow(rank), copy=False) if len(parent) >= NARROW_LABELS else parent
    sizes = np.zeros(rank, parent.dtype)
    kernels.count_sizes(labels, sizes)
    return OrbitIsometry(
        labels,
        sizes,
        phase if order > 1 else None,
        order,
        np.complex128 if is_complex else np.float64,
    )


def _checked(solution, tables, sums, limits, caller):
    """The solution, once every generator was seen to preserve it."""
    Q = solution.Q
    phase = np.zeros(0, np.int8) if Q.phases is None else Q.phases
    broken = sum(kernels.count_broken(*table, Q.n_phases, Q.labels, phase) for table in tables)
    stray = sum(
        kernels.count_stray(left, right, limit, Q.labels)
        for (left, right), limit in zip(sums, limits, strict=True)
    )
    if broken or stray:
        raise CertificationError(
            f"{caller}: expected every coordinate and its image in one orbit, got {broken} that are "
            f"not, and {stray} of nonzero weight that are alive, of {Q.shape[0]}. Please report this.",
            status=Status.BAD_RESIDUAL,
            solution=solution,
        )
    return solution


def _require_tensor(C, caller):
    if not isinstance(C, TensorConstraint):
        raise ValueError(
            f"{caller}: expected a TensorConstraint, the constraint of one tensor type, which shows "
            f"its generators; got {type(C).__name__}. Solve term by term, or use another method."
        )


def _allocate(m, order, memory_budget, caller):
    """The arrays of m parents and, if there are any, phases."""
    index = np.dtype(np.int32 if m < 2**31 else np.int64)
    small = np.dtype(np.int8 if order <= 64 else np.int16)
    # the narrower copy of the labels takes one or two bytes more in most cases
    n_bytes = m * (index.itemsize + (small.itemsize if order > 1 else 0) + 2)
    if n_bytes > memory_budget:
        raise BudgetError(
            f"{caller}: {m} coordinates need {n_bytes / 2**20:.0f} MiB for their labels, more than "
            f"memory_budget = {memory_budget / 2**20:.0f} MiB. Raise memory_budget."
        )
    return np.empty(m, index), np.zeros(m if order > 1 else 0, small)


def narrow(rank):
    """The smallest integer type for labels −1 … rank − 1."""
    return next(t for t in (np.int8, np.int16, np.int32, np.int64) if rank - 1 <= np.iinfo(t).max)


def _halves(C):
    """The slots cut in two so that tables of both halves are small."""
    sizes = [C.dims[a] for a in C.slots]
    cut = min(range(len(sizes) + 1), key=lambda k: math.prod(sizes[:k]) + math.prod(sizes[k:]))
    return C.slots[:cut], C.slots[cut:]


def _flat_image(images, slots):
    """Where a generator sends the coordinates of some slots, the last one varying fastest."""
    out = np.zeros(1, np.int64)
    for a in slots:
        out = np.add.outer(len(images[a]) * out, images[a]).ravel()
    return out


def _outer_sum(parts, slots):
    """Sums over slots of one number per coordinate of each atom."""
    out = np.zeros(1, parts[0].dtype if parts else np.int64)
    for a in slots:
        out = np.add.outer(out, parts[a]).ravel()
    return out


def _real_parts(diagonals, slots):
    """Nonzero real and imaginary parts of a diagonal element, and what their errors are relative to.

    That is the sum over slots of the largest weight, complex as it is: of an imaginary one the real part is roundoff.
    """
    scale = float(sum(np.abs(diagonals[a]).max(initial=0.0) for a in slots))
    parts = [[w.real for w in diagonals], [w.imag for w in diagonals]]
    return [
        ([np.ascontiguousarray(w) for w in part], scale)
        for part in parts
        if any(part[a].any() for a in slots)
    ]


def _is_permutation(index, d):
    return len(index) == d and np.array_equal(np.sort(index), np.arange(d))


def _common_order(values, rounding):
    """The smallest N with every value an N-th root of unity, and the largest deviation; (None, inf) if none."""
    for n in range(1, LARGEST_ORDER + 1):
        e = np.rint(np.angle(values) * (n / (2 * np.pi))).astype(int) % n
        error = float(np.abs(values - roots_of_unity(n)[e]).max(initial=0.0))
        if error <= rounding:
            return n, error
    return None, math.inf
