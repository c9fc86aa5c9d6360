"""A sparse basis of a space, in small integers where there is one: for reading and drawing."""

from itertools import combinations
from math import comb

import numpy as np
from scipy.linalg import qr
from scipy.sparse import coo_array, csc_array
from scipy.sparse.csgraph import connected_components

from fastemlp._svd import svd

#: Entries closer than this to an integer are rounded to it; spans are verified to ``VERIFIED``.
TOLERANCE, VERIFIED = 1e-8, 1e-10
#: Vectors are scaled to integers up to this.
LARGEST = 60
#: Up to this many sets of rows, all are tried; beyond, this many random orders, each of which gives r vectors.
SETS, ORDERS = 2000, 60


def sparsify(basis):
    """A sparse basis of the span of a basis, with entries 0, ±1 and other small integers where possible.

    Parameters
    ----------
    basis : Basis, or array_like of shape (m, r) with independent columns

    Returns
    -------
    csc_array of shape (m, r)
        Its columns span the same space; they are not orthonormal. int64 where all entries are integers (relatively
        prime in each column, the first one positive), else float64 or complex128 with the largest entry of a column 1.

    Raises
    ------
    ValueError
        If the columns are dependent, or the sparse basis does not span the same space to 1e-10 (ill-conditioned input).
    MemoryError
        If the basis written out takes more than 8 GiB.

    Notes
    -----
    The sparsest basis is found greedily from vectors of least support (a matroid), each of which vanishes on r − 1
    independent rows. The space is first split into independent parts and parallel rows are merged, which leaves few
    sets of rows. Up to 2,000 sets all are tried; beyond, those of 60 random orders, and the result is sparse but
    perhaps not the sparsest. Cost O(m r²), and 60 inverses of size r.

    Examples
    --------
    >>> from fastemlp import equivariant_basis
    >>> from fastemlp.groups import SO
    >>> from fastemlp.reps import V
    >>> from fastemlp import sparsify
    >>> sparsify(equivariant_basis((V**3)(SO(3)))).toarray().ravel()[[5, 7, 11, 15, 19, 21]]  # Levi-Civita
    array([ 1, -1, -1,  1,  1, -1])
    """
    Q = np.asarray(basis.to_dense() if hasattr(basis, "to_dense") else basis)
    if Q.ndim != 2:
        raise ValueError(
            f"sparsify: expected a Basis or an array of shape (m, r), got shape {Q.shape}."
        )
    Q = Q.astype(np.result_type(Q.dtype, np.float64), copy=False)
    m, r = Q.shape
    if r == 0:
        return csc_array((m, 0), dtype=np.int64)
    Q, R = np.linalg.qr(Q)
    pivots = np.abs(np.diagonal(R))
    if m < r or not pivots.min() > 1e-12 * pivots.max():
        raise ValueError(f"sparsify: the {r} columns of length {m} are not independent.")
    columns = []
    for rows, part in _independent_parts(Q):
        W = part @ _sparsest(part)
        columns += [(rows, _tidy(w)) for w in W.T]
    columns.sort(key=lambda column: column[0][np.flatnonzero(column[1])].tolist())
    S = _assemble(columns, m)
    _verify(Q, S)
    return S


def _independent_parts(Q):
    """Split the span into parts on disjoint rows: pairs (rows, orthonormal basis of the part on these)."""
    rows = np.flatnonzero(np.abs(Q).max(axis=1) > TOLERANCE)
    # two rows belong together if the projector links them, which the echelon form shows
    reduced = _reduced_echelon(Q[rows])
    links = np.abs(reduced) > TOLERANCE
    i, j = np.nonzero(links)
    n, r = reduced.shape
    graph = coo_array((np.ones(len(i)), (i, n + j)), shape=(n + r, n + r))
    _, label = connected_components(graph, directed=False)
    for part in np.unique(label[n:]):
        inside = rows[label[:n] == part]
        columns = reduced[label[:n] == part][:, label[n:] == part]
        yield inside, np.linalg.qr(columns)[0]


def _reduced_echelon(Q):
    """The basis of the span that is the identity on r well-chosen rows."""
    _, _, order = qr(Q.conj().T, mode="economic", pivoting=True)
    return Q @ np.linalg.inv(Q[order[: Q.shape[1]]])


def _sparsest(Q):
    """Coefficients (r, r) of a sparse basis of the span of Q: greedily, vectors with the fewest entries first."""
    r = Q.shape[1]
    if r == 1:
        return np.eye(1)
    classes, count = _row_classes(Q)
    W = np.hstack([*_candidates(classes, r), np.eye(r)])
    values = classes @ W
    largest = np.abs(values).max(axis=0)
    n_entries = count @ (np.abs(values) > TOLERANCE * largest)
    W = W / np.linalg.norm(W, axis=0)
    return W[:, _independent_rows(W.T, np.argsort(n_entries, kind="stable"), r)]


def _row_classes(Q):
    """Rows that are multiples of each other, merged: a row of each class, and how many there are."""
    norms = np.linalg.norm(Q, axis=1)
    rows = Q / norms[:, None]
    first = np.argmax(np.abs(rows) > 0.5 / np.sqrt(Q.shape[1]), axis=1)
    lead = rows[np.arange(len(rows)), first]
    rows = np.ascontiguousarray(rows * (np.abs(lead) / lead)[:, None])
    keys = np.round(rows.view(np.float64).reshape(len(rows), -1), 6) + 0.0
    _, index, count = np.unique(keys, axis=0, return_index=True, return_counts=True)
    return rows[index] * norms[index, None], count


def _candidates(classes, r):
    """Yield coefficients of vectors of small support, arrays (r, k): each vanishes on r − 1 independent rows."""
    n = len(classes)
    if comb(n, r - 1) <= SETS:
        for chosen in combinations(range(n), r - 1):
            _, s, Vh = svd(classes[list(chosen)])
            if s[-1] > 1e-7:
                yield Vh[-1:].conj().T
        return
    rng = np.random.default_rng(0)
    size = np.linalg.norm(classes, axis=1) if r > 1 else np.ones(n)
    spread = (np.abs(classes) > TOLERANCE).sum(axis=1)
    for k in range(ORDERS):
        # rows with few entries first, then in any order, then rows with many
        rank = (spread * size, np.zeros(n), -spread * size)[k % 3]
        order = np.argsort(rank + rng.random(n) * (1 + np.ptp(rank) * (k // 3) / ORDERS))
        yield np.linalg.inv(classes[_independent_rows(classes, order, r)])


def _independent_rows(rows, order, k):
    """Indices of the first k independent rows, in the order given."""
    basis, chosen = np.zeros((0, rows.shape[1]), rows.dtype), []
    for i in order:
        rest = rows[i] - basis.T @ (basis.conj() @ rows[i])
        norm = np.linalg.norm(rest)
        if norm < 0.5 * np.linalg.norm(rows[i]):
            # cancellation leaves a part in the span: once more
            rest = rest - basis.T @ (basis.conj() @ rest)
            norm = np.linalg.norm(rest)
        if norm > 1e-6:
            basis = np.vstack([basis, rest / norm])
            chosen.append(i)
            if len(chosen) == k:
                break
    return chosen


def _tidy(v):
    """A vector as integers if it is a multiple of such; else with its largest entry 1."""
    v = v / v[np.argmax(np.abs(v))]
    v = np.where(np.abs(v) < TOLERANCE, 0, v)
    if v.dtype.kind == "c" and np.abs(v.imag).max() < TOLERANCE:
        v = v.real
    first = v[np.flatnonzero(v)[0]]
    sign = np.abs(first) / first if v.dtype.kind == "c" else np.sign(first)
    smallest = np.abs(v[v != 0]).min()
    for n in range(1, LARGEST + 1):
        trial = v * (sign * n / smallest)
        whole = np.round(trial)
        if (
            np.abs(trial - whole).max() < TOLERANCE * n / smallest
            and np.abs(whole).max() <= LARGEST
        ):
            return whole
    return v * sign


def _assemble(columns, m):
    vectors = [v for _, v in columns]
    whole = all(v.dtype.kind == "f" and np.array_equal(v, np.round(v)) for v in vectors)
    index = [np.flatnonzero(v) for v in vectors]
    data = np.concatenate([v[i] for v, i in zip(vectors, index, strict=True)])
    row = np.concatenate([rows[i] for (rows, _), i in zip(columns, index, strict=True)])
    column = np.repeat(np.arange(len(columns)), [len(i) for i in index])
    data = data.astype(np.int64) if whole else data
    return csc_array((data, (row, column)), shape=(m, len(columns)))


def _verify(Q, S):
    dense = S.toarray()
    dense = dense / np.linalg.norm(dense, axis=0)
    outside = np.linalg.norm(dense - Q @ (Q.conj().T @ dense), axis=0).max()
    inside = np.linalg.svd(Q.conj().T @ dense, compute_uv=False).min()
    if not (outside <= VERIFIED and inside > 1e-8):
        raise ValueError(
            f"sparsify: the sparse vectors found leave the span by {outside:.1e} (allowed {VERIFIED:.0e}), or do not "
            f"fill it (smallest singular value {inside:.1e}). The basis is too inaccurate: keep the orthonormal one."
        )
