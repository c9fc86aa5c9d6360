"""What a Lie algebra holds that is combinatorial: diagonal elements (weights), and quarter turns.

A Lie algebra is given as in ``TensorConstraint.lie``: D generators, each one sparse matrix per atom, None for zero.
Only its real span matters here, so elements may be hidden in combinations of generators.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg
from scipy.sparse import csc_array, csr_array, vstack
from scipy.sparse.csgraph import connected_components

from fastemlp.isometries.orbit import roots_of_unity

#: Entries this small beside the largest one are rounding, where generators are known to float64's.
ROUNDING = 1e-14
#: However little is known of the generators, nothing larger than this is rounding.
COARSEST = 1e-7
#: Generators that share entries are combined by dense linear algebra, up to this many at once.
LARGEST_CLUSTER = 500
#: Exponentials are taken of blocks of at most this size.
LARGEST_BLOCK = 64


def rounding(accuracy):
    """Beside the largest entry of a generator known to this accuracy, what counts as rounding."""
    return min(max(ROUNDING, 10 * accuracy), COARSEST)


def entries(part):
    """Row, column and value of every entry of a csr_array."""
    row = np.repeat(np.arange(part.shape[0]), np.diff(part.indptr))
    return row, part.indices.astype(np.int64), part.data


def diagonal(A, dims, rounding=ROUNDING):
    """The diagonals of one generator, a list of one ndarray (d,) per atom; None if some atom has anything off it.

    Entries up to ``rounding`` times the largest one are zero.
    """
    diagonals = []
    for part, d in zip(A, dims, strict=True):
        if part is None:
            diagonals.append(np.zeros(d))
            continue
        row, column, value = entries(part)
        if np.abs(value[row != column]).max(initial=0.0) > rounding * _largest(A):
            return None
        diagonals.append(part.diagonal())
    return diagonals


def diagonal_elements(lie, dims, rounding=ROUNDING):
    """A basis of the diagonal elements in the real span of the generators.

    Returns
    -------
    list of elements, each a list of one diagonal, an ndarray of shape (d,), per atom
    """

    def off_diagonal(row, column, value):
        off = row != column
        return row[off], column[off], value[off]

    combined = (
        _combine(lie, members, c, rounding)
        for members, c in _null_combinations(lie, dims, off_diagonal, rounding)
    )
    elements = [
        [np.zeros(d) if part is None else part.diagonal() for part, d in zip(A, dims, strict=True)]
        for A in combined
    ]
    return [element for element in elements if any(w.any() for w in element)]


def quarter_turns(lie, dims):
    """Signed permutations in the connected group: ``exp(t A)`` for skew-Hermitian A, t a quarter or half period.

    Returns
    -------
    list of group elements, each a list of one csr_array, or None for the identity, per atom

    Notes
    -----
    For so(n) these are the rotations by 90° in n or so coordinate planes, which generate all others. Only elements
    that are signed permutations on all atoms at once, to 1e-12, are returned; none need be found.
    """

    def hermitian_part(row, column, value):
        return (
            np.concatenate([row, column]),
            np.concatenate([column, row]),
            np.concatenate([value, value.conj()]),
        )

    bases = [lie, *_sparse_basis(lie, dims)]
    candidates = (
        _combine(basis, members, c)
        for basis in bases
        for members, c in _null_combinations(basis, dims, hermitian_part)
    )
    n_points = sum(dims)
    component = np.arange(n_points)
    turns = []
    for A in candidates:
        row, column = _entry_positions(A, dims)
        # enough turns are as good as all: those that link coordinates, and a few others
        if len(turns) < n_points or np.any(component[row] != component[column]):
            turn = _signed_exponential(A, dims)
            if turn is not None:
                turns.append(turn)
                links = csr_array(
                    (np.ones(len(row)), (component[row], component[column])), (n_points,) * 2
                )
                component = connected_components(links, directed=False)[1][component]
    return turns


def representatives(lie, dims, monomials):
    """One generator of each class under conjugation by some monomial group elements.

    A vector that ``h`` fixes has ``‖drho(h A h⁻¹) v‖ = ‖drho(A) v‖``, so one A stands for its class, times the
    root of its size.
    """
    E = _columns(lie, dims)
    squares = np.bincount(np.repeat(np.arange(len(lie)), np.diff(E.indptr)), np.abs(E.data) ** 2)
    links = [np.zeros((2, 0), int)]
    for h in monomials:
        moved = _conjugated(E, dims, h)
        overlap = (E.conj().T @ moved).tocoo()
        factor = overlap.data / squares[overlap.row]
        # equal up to a unit factor: one pair at most in each column, verified entry by entry
        alike = np.abs(np.abs(factor) - 1) < 1e-8
        i, j, factor = overlap.row[alike], overlap.col[alike], factor[alike]
        difference = abs(moved[:, j] - E[:, i] * factor)
        same = difference.max(axis=0).toarray().ravel() <= 1e-13 * np.sqrt(squares[i])
        links.append(np.stack([i[same], j[same]]))
    i, j = np.concatenate(links, axis=1)
    alike = csr_array((np.ones(len(i)), (i, j)), (len(lie), len(lie)))
    n, label = connected_components(alike, directed=False)
    first = np.unique(label, return_index=True)[1]
    size = np.bincount(label, minlength=n)
    return [
        [None if part is None else math.sqrt(size[c]) * part for part in lie[first[c]]]
        for c in range(n)
    ]


def _conjugated(E, dims, h):
    """The columns of ``h A h⁻¹``: entry (i, j) goes to (image i, image j) with phase i less phase j."""
    index, phase = [], []
    start = 0
    for image, e, d in zip(h.images, h.phases, dims, strict=True):
        index.append(start + np.add.outer(d * image, image).ravel())
        phase.append(np.subtract.outer(e, e).ravel())
        start += d * d
    index, phase = np.concatenate(index), np.concatenate(phase)
    data = E.data
    if h.order > 1:
        omega = roots_of_unity(h.order)
        omega = omega.real if h.order == 2 else omega
        data = data * omega[phase[E.indices] % h.order]
    return csc_array((data, index[E.indices], E.indptr), E.shape)


def _null_combinations(lie, dims, part, rounding=ROUNDING):
    """Real c with ``Σ_i c_i part(A_i) = 0`` on all atoms, a sparse basis: pairs of generator indices and values."""
    if not lie:
        return
    stacked = _real(_columns(lie, dims, part, rounding))
    for members in _clusters(stacked):
        if len(members) == 1:
            if stacked.indptr[members[0]] == stacked.indptr[members[0] + 1]:
                yield members, np.ones(1)
        elif len(members) <= LARGEST_CLUSTER:
            rows = _nonzero_rows(stacked[:, members])
            null = scipy.linalg.null_space(
                rows, rcond=max(1e-12, rounding), lapack_driver="gesvd"
            ).T
            for c in _echelon(null, null.shape[1]):
                yield members, c


def _sparse_basis(lie, dims):
    """Other elements with the same real span and few entries, which undoes a mixing of elementary generators.

    A list of one basis, or of none if no generators share entries.
    """
    if not lie:
        return []
    stacked = _real(_columns(lie, dims))
    clusters = _clusters(stacked)
    if len(clusters) == len(lie):
        return []
    basis = []
    for members in clusters:
        if 1 < len(members) <= LARGEST_CLUSTER:
            rows = _nonzero_rows(stacked[:, members]).T
            reduced = _echelon(np.hstack([rows, np.eye(len(members))]), rows.shape[1])
            basis += [_combine(lie, members, c) for c in reduced[:, rows.shape[1] :]]
        else:
            basis += [lie[i] for i in members]
    return [basis]


def _clusters(stacked):
    """Groups of columns that share rows, directly or through others: a list of index arrays."""
    pattern = csc_array((np.ones(stacked.nnz), stacked.indices, stacked.indptr), stacked.shape)
    n, label = connected_components(pattern.T @ pattern, directed=False)
    order = np.argsort(label, kind="stable")
    return np.split(order, np.cumsum(np.bincount(label, minlength=n))[:-1])


def _nonzero_rows(block):
    return block[np.unique(block.indices)].toarray()


def _largest(A):
    """The largest entry of a generator on any atom, in absolute value."""
    return max((np.abs(part.data).max(initial=0.0) for part in A if part is not None), default=0.0)


def _columns(lie, dims, part=None, rounding=ROUNDING):
    """The entries of ``part(A)``, or A, on every atom, one column per generator, without rounding errors."""
    blocks = []
    start = 0
    for a, d in enumerate(dims):
        for i, A in enumerate(lie):
            if A[a] is not None:
                row, column, value = part(*entries(A[a])) if part else entries(A[a])
                blocks.append(
                    (start + row.astype(np.int64) * d + column, np.full(len(row), i), value)
                )
        start += d * d
    if not blocks:
        return csc_array((start, len(lie)))
    row, column, value = (np.concatenate(x) for x in zip(*blocks, strict=True))
    out = csc_array((value, (row, column)), shape=(start, len(lie)))
    scale = np.repeat([_largest(A) for A in lie], np.diff(out.indptr))
    out.data[np.abs(out.data) <= rounding * scale] = 0
    out.eliminate_zeros()
    return out


def _real(columns):
    """Complex columns as real ones, of twice the length: only real combinations are of interest."""
    if columns.dtype.kind != "c":
        return columns
    out = csc_array(vstack([columns.real, columns.imag]))
    out.eliminate_zeros()
    return out


def _echelon(rows, n_pivots):
    """Another basis of the row space with many zeros: Gauss-Jordan with complete pivoting in the first columns."""
    rows = rows.copy()
    largest = np.abs(rows[:, :n_pivots]).max(initial=0.0)
    for k in range(len(rows)):
        head = np.abs(rows[k:, :n_pivots])
        if head.max() <= 1e-10 * largest:
            return rows[:k]
        i, j = np.unravel_index(np.argmax(head), head.shape)
        rows[[k, k + i]] = rows[[k + i, k]]
        rows[k] /= rows[k, j]
        others = np.arange(len(rows)) != k
        rows[others] -= np.outer(rows[others, j], rows[k])
    rows[np.abs(rows) < 1e-13] = 0  # a pivot is 1
    return rows


def _combine(lie, members, c, rounding=ROUNDING):
    """``Σ_i c_i A_i`` on every atom, without rounding errors."""
    if len(members) == 1:
        return [None if part is None else c[0] * part for part in lie[members[0]]]
    members, c = members[c != 0], c[c != 0]
    # beside what is added up, not beside the sum: that of dependent generators is nothing but rounding
    largest = max(abs(x) * _largest(lie[i]) for i, x in zip(members, c, strict=True))
    out = []
    for a in range(len(lie[0])):
        parts = [x * lie[i][a] for i, x in zip(members, c, strict=True) if lie[i][a] is not None]
        out.append(csr_array(sum(parts[1:], start=parts[0])) if parts else None)
    for part in out:
        if part is not None:
            part.data[np.abs(part.data) <= 10 * rounding * largest] = 0
            part.eliminate_zeros()
    return out


def _entry_positions(A, dims):
    """Rows and columns of the entries of A, the coordinates of all atoms numbered through."""
    rows, columns, start = [np.empty(0, int)], [np.empty(0, int)], 0
    for part, d in zip(A, dims, strict=True):
        if part is not None:
            row, column, _ = entries(part)
            rows.append(row + start)
            columns.append(column + start)
        start += d
    return np.concatenate(rows), np.concatenate(columns)


def _signed_exponential(A, dims):
    """``exp(t A)`` on every atom if that is a signed permutation for t a quarter or half period, else None."""
    blocks = []
    for part in A:
        support = np.empty(0, int) if part is None else np.unique(entries(part)[0])
        if len(support) > LARGEST_BLOCK:
            return None
        block = part[support][:, support].toarray() if len(support) else np.zeros((0, 0))
        blocks.append((support, block))
    frequencies = [np.abs(np.linalg.eigvalsh(1j * block)) for _, block in blocks if len(block)]
    frequencies = np.concatenate(frequencies) if frequencies else np.zeros(0)
    frequencies = frequencies[frequencies > 1e-8 * frequencies.max(initial=0.0)]
    if not len(frequencies):
        return None
    for angle in (np.pi / 2, np.pi):
        exact = [scipy.linalg.expm(angle / frequencies.min() * block) for _, block in blocks]
        rounded = [np.rint(h.real) for h in exact]
        errors = [np.abs(h - r).max(initial=0.0) for h, r in zip(exact, rounded, strict=True)]
        if max(errors) <= 1e-12:
            supports = [support for support, _ in blocks]
            return [_embed(*part) for part in zip(rounded, supports, dims, strict=True)]
    return None


def _embed(block, support, d):
    """The identity of size d with a block on some coordinates; None where there are none."""
    if not len(support):
        return None
    rest = np.setdiff1d(np.arange(d), support)
    i, j = np.nonzero(block)
    rows, columns = np.r_[rest, support[i]], np.r_[rest, support[j]]
    return csr_array((np.r_[np.ones(len(rest)), block[i, j]], (rows, columns)), shape=(d, d))
