"""The smallest nonzero singular value of a constraint, from what its generators are on small irreducibles."""

from __future__ import annotations

import math

import numpy as np

#: Irreducibles of each half are looked at, the smallest first, up to this total size.
LARGEST = 40
#: Lanczos steps, and the share of the estimate that its residual may be.
STEPS, SHARP = 60, 1e-9


def spectral_gap(norm, group, symmetry, catalogue, left, right, images):
    """Smallest nonzero ``‖C W‖ / ‖C‖`` over intertwiner spaces ``Hom(μ, λ)``, from below; inf where C vanishes.

    Parameters
    ----------
    norm : float; an upper bound on ``‖C‖``
    group, symmetry, catalogue : ReductiveGroup, its Symmetry and the Catalogue
    left, right : iterable of int; the irreducibles λ and μ in the two halves
    images : list of dict {irreducible: ndarray}; the discrete generators as given

    Notes
    -----
    On the copies of μ* times those of λ, C is ``W ↦ (A_λ W − W A_μ, h_λ W h_μ⁻¹ − W)``, up to unitary factors. Lanczos
    on its square from a random W outside the null space; the Ritz value minus its residual is divided by the norm.
    Only irreducibles of total size ``LARGEST`` in each half are looked at.
    """
    rows, columns = _smallest(catalogue, left), _smallest(catalogue, right)
    lie = _lie_images(group, symmetry, catalogue, {*rows, *columns})
    discrete = {i: np.array([A[i] for A in images]) for i in {*rows, *columns}} if images else {}
    return _gap(catalogue, rows, columns, lie, discrete, norm or 1.0, symmetry.dtype)


def probed_gap(symmetry, catalogue, left, right):
    """The same of the unitary probes that stand in for the group: their null space is the same."""
    rows, columns = _smallest(catalogue, left), _smallest(catalogue, right)
    probes = {i: catalogue.irreducibles[i].probes for i in {*rows, *columns}}
    norm = 2 * math.sqrt(len(symmetry.probes[0]))
    return _gap(catalogue, rows, columns, {}, probes, norm, symmetry.dtype)


def _gap(catalogue, rows, columns, lie, discrete, norm, dtype):
    """The gap on some irreducibles, from their generators ``{irreducible: ndarray (n, d, d)}``."""
    if not lie and not discrete:
        return math.inf
    dtype = np.result_type(*(A[i] for A in (lie, discrete) if A for i in rows), dtype)

    def stacked(generators, indices):
        size = sum(catalogue.irreducibles[i].dim for i in indices)
        if not generators:
            return np.zeros((0, size, size), dtype)
        out = np.zeros((len(generators[indices[0]]), size, size), dtype)
        stop = 0
        for i in indices:
            start, stop = stop, stop + catalogue.irreducibles[i].dim
            out[:, start:stop, start:stop] = generators[i]
        return out

    A, h = stacked(lie, rows), stacked(discrete, rows)
    B, k = (A, h) if rows == columns else (stacked(lie, columns), stacked(discrete, columns))
    g = np.linalg.inv(k)
    AH, BH, hH, gH = (M.conj().swapaxes(1, 2) for M in (A, B, h, g))
    null = _null(catalogue, rows, columns, dtype)

    def normal(W):
        D, E = A @ W - W @ B, h @ W @ g - W
        out = (AH @ D - D @ BH).sum(axis=0) + (hH @ E @ gH - E).sum(axis=0)
        out = out.ravel()
        return out - null @ (null.conj().T @ out)

    lowest = _lowest(normal, null, (A.shape[1], B.shape[1]), dtype, norm**2)
    return math.sqrt(lowest) / norm if lowest < np.inf else math.inf


def _smallest(catalogue, present):
    """The smallest irreducibles, in total up to ``LARGEST``; at least one."""
    kept, total = [], 0
    for index in sorted(present, key=lambda i: (catalogue.irreducibles[i].dim, i)):
        total += catalogue.irreducibles[index].dim
        if kept and total > LARGEST:
            break
        kept.append(index)
    return kept


def _lie_images(group, symmetry, catalogue, indices):
    """The Lie generators as given, as combinations of the basis of the completed Lie algebra, on some irreducibles."""
    if not len(group.lie) or not len(symmetry.lie[0]):
        return {}
    basis = np.hstack([B.reshape(len(B), -1) for B in symmetry.lie])
    given = np.array([np.concatenate([A.ravel() for A in As]) for As in group.lie])
    weights = (given @ basis.conj().T).real
    return {i: np.tensordot(weights, catalogue.irreducibles[i].lie, 1) for i in indices}


def _null(catalogue, rows, columns, dtype):
    """Orthonormal null vectors W, flattened, as columns: the commutant of each irreducible that both have."""
    sizes = [catalogue.irreducibles[i].dim for i in rows]
    widths = [catalogue.irreducibles[i].dim for i in columns]
    found = []
    for r, i in enumerate(rows):
        for c, j in enumerate(columns):
            if i == j:
                for J in catalogue.irreducibles[i].commutant:
                    W = np.zeros((sum(sizes), sum(widths)), dtype)
                    p, q = sum(sizes[:r]), sum(widths[:c])
                    W[p : p + len(J), q : q + len(J)] = J / np.linalg.norm(J)
                    found.append(W.ravel())
    return np.array(found).reshape(-1, sum(sizes) * sum(widths)).T


def _lowest(normal, null, shape, dtype, scale):
    """The smallest eigenvalue of a positive operator outside its known null space, less the residual; inf if 0."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).ravel().astype(dtype)
    if dtype.kind == "c":
        x = x + 1j * rng.standard_normal(len(x))
    x -= null @ (null.conj().T @ x)
    if len(x) == null.shape[1] or np.linalg.norm(x) < 1e-10:
        return math.inf
    V = np.zeros((STEPS + 1, len(x)), dtype)
    T = np.zeros((STEPS + 1, STEPS + 1))
    V[0] = x / np.linalg.norm(x)
    for n in range(1, STEPS + 1):
        w = normal(V[n - 1].reshape(shape))
        T[n - 1, n - 1] = np.vdot(V[n - 1], w).real
        for _ in range(2):
            w = w - (V[:n].conj() @ w) @ V[:n]
        b = float(np.linalg.norm(w))
        values, vectors = np.linalg.eigh(T[:n, :n])
        residual = b * abs(vectors[-1, 0])
        if b <= 1e-12 * scale or residual <= SHARP * values[0]:
            break
        T[n, n - 1] = T[n - 1, n] = b
        V[n] = w / b
    # on its square a small singular value is lost in roundoff: a lower bound still
    floor = 1e-15 * scale
    return max(float(values[0]) * (1 - 1e-12) - residual - floor, floor * 1e-4)
