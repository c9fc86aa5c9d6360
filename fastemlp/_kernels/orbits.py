"""Orbits of tensor coordinates under monomial generators, and products with their indicators.

A generator says ``v[j] = ω^e v[i]`` with ``j = left_image[a] + right_image[b]``, ``e = left_phase[a] + right_phase[b]``
for the coordinate ``i = a·R + b``: the slots fall into two halves of L and R coordinates, each with one table, so
nothing of size m but the result is ever formed. ``ω = exp(2πi / n_phases)``; without phases n_phases is 1 and the
array ``phase`` is empty.

``parent`` is a forest: ``v[i] = ω^phase[i] v[parent[i]]`` with ``parent[i] < i``, and a root has ``parent[i] = i``, or
−1 where v must vanish.
"""

import numpy as np

from fastemlp._kernels.compiled import kernel


@kernel
def plant(parent):
    """Make every coordinate a root."""
    for i in range(len(parent)):
        parent[i] = i


@kernel
def kill(left, right, tol, parent):
    """Set ``parent[i] = −1`` where the weight ``left[a] + right[b]`` exceeds tol.

    Returns
    -------
    largest, smallest : float; the absolute weights next to tol, below (or 0) and above (or inf)
    """
    largest, smallest = 0.0, np.inf
    R = len(right)
    for a in range(len(left)):
        for b in range(R):
            w = abs(left[a] + right[b])
            if w > tol:
                parent[a * R + b] = -1
                smallest = min(smallest, w)
            else:
                largest = max(largest, w)
    return largest, smallest


@kernel
def count_stray(left, right, tol, labels):
    """How many coordinates have a label although their weight ``left[a] + right[b]`` exceeds tol."""
    n = 0
    R = len(right)
    for a in range(len(left)):
        for b in range(R):
            if abs(left[a] + right[b]) > tol and labels[a * R + b] >= 0:
                n += 1
    return n


@kernel
def merge(left_image, right_image, left_phase, right_phase, moved, n_phases, parent, phase):
    """Join every coordinate with its image.

    Parameters
    ----------
    left_image, left_phase : int64 ndarrays of shape (L,); images are multiples of R
    right_image, right_phase : int64 ndarrays of shape (R,)
    moved : int64 ndarray; the b with ``right_image[b] != b`` or ``right_phase[b] != 0``, all that is left to do
        where the left half stays in place
    n_phases : int
    parent : int ndarray of shape (L·R,), in and out
    phase : int ndarray of shape (L·R,), or (0,) if n_phases is 1; in and out

    Notes
    -----
    Union-find with path halving. The smaller index becomes the root, so that labels follow first occurrence.
    """
    R = len(right_image)
    with_phases = n_phases > 1
    for a in range(len(left_image)):
        start, to, e = a * R, left_image[a], left_phase[a]
        in_place = to == start and e == 0
        for t in range(len(moved) if in_place else R):
            b = moved[t] if in_place else t
            i, j = start + b, to + right_image[b]
            if with_phases:
                _join_phases(parent, phase, n_phases, i, j, e + right_phase[b])
            elif i != j:
                _join(parent, i, j)


@kernel
def _root(parent, i):
    while True:
        p = parent[i]
        if p == i or p < 0:
            return i
        q = parent[p]
        if q == p or q < 0:
            return p
        parent[i] = q
        i = q


@kernel
def _join(parent, i, j):
    x, y = _root(parent, i), _root(parent, j)
    if x == y:
        return
    if x > y:
        x, y = y, x
    dead = parent[x] < 0 or parent[y] < 0
    parent[y] = x
    if dead:
        parent[x] = -1


@kernel
def _root_phase(parent, phase, n_phases, i):
    """The root x of i and the e with ``v[i] = ω^e v[x]``."""
    e = np.int64(0)  # not the narrow type of phase
    while True:
        p = parent[i]
        if p == i or p < 0:
            return i, e
        e += phase[i]
        q = parent[p]
        if q == p or q < 0:
            return p, e
        parent[i] = q
        phase[i] = (phase[i] + phase[p]) % n_phases
        e += phase[p]
        i = q


@kernel
def _join_phases(parent, phase, n_phases, i, j, e):
    x, ex = _root_phase(parent, phase, n_phases, i)
    y, ey = _root_phase(parent, phase, n_phases, j)
    # v[j] = ω^e v[i] reads v[y] = ω^f v[x]
    f = (e + ex - ey) % n_phases
    if x == y:
        if f != 0:
            parent[x] = -1
        return
    if x > y:
        x, y, f = y, x, (n_phases - f) % n_phases
    dead = parent[x] < 0 or parent[y] < 0
    parent[y] = x
    phase[y] = f
    if dead:
        parent[x] = -1


@kernel
def number(parent, phase, n_phases):
    """Turn the forest, in place, into labels numbered by first occurrence (−1 where dead) and phases from the root.

    Returns
    -------
    int; the number of labels
    """
    with_phases = n_phases > 1
    r = 0
    for i in range(len(parent)):
        p = parent[i]
        if p == i:
            parent[i] = r
            r += 1
        elif p >= 0:
            # p < i, so parent[p] is a label already
            parent[i] = parent[p]
            if with_phases:
                phase[i] = (phase[i] + phase[p]) % n_phases
        if with_phases and parent[i] < 0:
            phase[i] = 0
    return r


@kernel
def count_sizes(labels, sizes):
    """Add to ``sizes[l]`` the number of coordinates with label l; return how many labels are out of range."""
    outside = 0
    for i in range(len(labels)):
        l = labels[i]
        if 0 <= l < len(sizes):
            sizes[l] += 1
        elif l != -1:
            outside += 1
    return outside


@kernel
def count_broken(left_image, right_image, left_phase, right_phase, moved, n_phases, labels, phase):
    """How many coordinates differ from their image, in label or, where alive, in phase; arguments as in ``merge``."""
    R = len(right_image)
    with_phases = n_phases > 1
    n = 0
    for a in range(len(left_image)):
        start, to, e = a * R, left_image[a], left_phase[a]
        in_place = to == start and e == 0
        for t in range(len(moved) if in_place else R):
            b = moved[t] if in_place else t
            i, j = start + b, to + right_image[b]
            if labels[i] != labels[j]:
                n += 1
            elif with_phases and labels[i] >= 0:
                n += (phase[i] + e + right_phase[b] - phase[j]) % n_phases != 0
    return n


@kernel
def gather(labels, phase, omega, X, out):
    """``out[i, :] = omega[phase[i]] · X[labels[i], :]``, zero where the label is −1.

    Parameters
    ----------
    labels : int ndarray of shape (m,)
    phase : int ndarray of shape (m,), or (0,) for no factor
    omega : ndarray of the dtype of X
    X : ndarray of shape (r, b), C-contiguous
    out : ndarray of shape (m, b), overwritten, must not alias X
    """
    b = X.shape[1]
    for i in range(len(labels)):
        l = labels[i]
        if l < 0:
            for c in range(b):
                out[i, c] = 0
        elif len(phase) == 0:
            for c in range(b):
                out[i, c] = X[l, c]
        else:
            w = omega[phase[i]]
            for c in range(b):
                out[i, c] = w * X[l, c]


@kernel
def scatter(labels, phase, omega, X, out):
    """``out[labels[i], :] += omega[phase[i]] · X[i, :]``, nothing where the label is −1.

    Parameters
    ----------
    labels, phase : as in ``gather``
    omega : ndarray of the dtype of ``out``; conjugate for the adjoint of ``gather``
    X : ndarray of shape (m, b), C-contiguous
    out : ndarray of shape (r, b); give it double precision, an orbit can have 1e8 coordinates
    """
    b = X.shape[1]
    for i in range(len(labels)):
        l = labels[i]
        if l >= 0:
            if len(phase) == 0:
                for c in range(b):
                    out[l, c] += X[i, c]
            else:
                w = omega[phase[i]]
                for c in range(b):
                    out[l, c] += w * X[i, c]
