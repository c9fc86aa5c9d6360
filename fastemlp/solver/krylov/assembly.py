"""Constraints written out as sparse matrices, and what factorises or coarsens them."""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg
from scipy.sparse import csr_array, csr_matrix, eye_array, issparse, kron, vstack
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import LinearOperator

from fastemlp.operators import TensorConstraint

#: The shift that makes CᴴC definite, relative to its norm.
SHIFT = 1e-11
#: Relaxed random vectors that show the multigrid what its coarse spaces have to hold, and sweeps over them.
CANDIDATES, SWEEPS = 8, 50


def assemble(C, memory_budget):
    """C, a TensorConstraint or ``aslinearoperator`` of a sparse matrix, as a csr_array; else, or if too large, None."""
    if not isinstance(C, TensorConstraint):
        matrix = getattr(C, "A", None)
        return csr_array(matrix) if issparse(matrix) else None
    if assembled_bytes(C) > memory_budget:
        return None
    m, sizes = C.shape[1], [C.dims[a] for a in C.slots]
    blocks = [_kronecker_sum([A[a] for a in C.slots], sizes) for A in C.lie]
    blocks += [
        _kronecker_product([h[a] for a in C.slots], sizes) - eye_array(m) for h in C.discrete
    ]
    return csr_array(vstack(blocks, format="csr")) if blocks else csr_array((0, m))


def assembled_bytes(C):
    """About what the matrix of a TensorConstraint, its adjoint and their product CᴴC take, by counting entries."""
    m = C.shape[1]
    entries = 0.0
    for As in C.lie:
        fill = sum(A.nnz / d for A, d in _filled(As, C))
        entries += 2 * m * fill + m * min(m, fill**2)
    for h in C.discrete:
        fill = math.prod(A.nnz / d for A, d in _filled(h, C))
        squares = {
            a: (abs(h[a]).T @ abs(h[a])).nnz / C.dims[a] for a in set(C.slots) if h[a] is not None
        }
        square = math.prod(squares.get(a, 1.0) for a in C.slots)
        entries += 2 * m * (1 + fill) + m * min(m, 1 + 2 * fill + square)
    return (np.dtype(C.dtype).itemsize + 4) * entries


def _filled(matrices, C):
    """The (matrix, size) of every slot that has one."""
    return [(matrices[a], C.dims[a]) for a in C.slots if matrices[a] is not None]


def _kronecker_product(slots, sizes):
    product = eye_array(1)
    for A, d in zip(slots, sizes, strict=True):
        product = kron(product, eye_array(d) if A is None else A, format="csr")
    return csr_array(product)


def _kronecker_sum(slots, sizes):
    total = csr_array((int(np.prod(sizes)),) * 2)
    for j, A in enumerate(slots):
        if A is not None:
            total = total + _kronecker_product(
                [A if i == j else None for i in range(len(sizes))], sizes
            )
    return total


def banded_order(N):
    """An order of the coordinates that brings the entries of a Hermitian N near the diagonal, and how near."""
    order = np.asarray(reverse_cuthill_mckee(csr_matrix(N), symmetric_mode=True), np.intp)
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    rows, columns = N.nonzero()
    width = int(np.abs(position[rows] - position[columns]).max(initial=0))
    return order, width


def banded_inverse(N, order, width, norm):
    """``(N + ε‖N‖)⁻¹`` as an operator, by a banded Cholesky factorisation; (width + 1)·m numbers."""
    permuted = csr_array(N[order][:, order]).tocoo()
    lower = permuted.row >= permuted.col
    band = np.zeros((width + 1, N.shape[0]), N.dtype)
    band[permuted.row[lower] - permuted.col[lower], permuted.col[lower]] = permuted.data[lower]
    band[0] += SHIFT * norm
    factor = scipy.linalg.cholesky_banded(band, overwrite_ab=True, lower=True, check_finite=False)

    def solve(X):
        out = np.empty(X.shape, np.result_type(X, N))
        out[order] = scipy.linalg.cho_solve_banded((factor, True), X[order], check_finite=False)
        return out

    return LinearOperator(N.shape, matvec=solve, matmat=solve, dtype=N.dtype)


def multigrid(N, rng):
    """One V-cycle of smoothed aggregation (pyamg), coarse spaces built on relaxed random vectors."""
    # takes a quarter of a second to import
    from pyamg import smoothed_aggregation_solver

    B = rng.standard_normal((N.shape[0], CANDIDATES))
    diagonal = N.diagonal().real
    relax = np.divide(0.6, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)[:, None]
    if N.dtype.kind == "c":
        B = B + 1j * rng.standard_normal(B.shape)
    for _ in range(SWEEPS):
        B = np.linalg.qr(B - relax * (N @ B))[0]
    hierarchy = smoothed_aggregation_solver(
        csr_matrix(N), B=B, symmetry="hermitian", max_coarse=200
    )
    cycle = hierarchy.aspreconditioner(cycle="V")

    def solve(X):
        return np.stack([cycle.matvec(x) for x in X.reshape(len(X), -1).T], axis=1).reshape(X.shape)

    return LinearOperator(N.shape, matvec=solve, matmat=solve, dtype=N.dtype)
