"""Matrix-free linear operators: what a group element or generator does to tensors.

All follow the scipy ``LinearOperator`` protocol and act on columns: ``op @ x`` for x of shape (m,),
``op.matmat(X)`` for X of shape (m, b). They compute in the precision of X: a float32 X is never promoted
to float64 (it becomes complex64 where the operator is complex).
"""

import math
from functools import cached_property
from itertools import combinations

import numpy as np
from scipy.sparse import csr_array, eye_array, issparse, kron

from fastemlp._arrays import copies_below, copies_beside, unpermuted
from fastemlp._kernels.pairs import pair_matmat
from fastemlp._kernels.slots import slot_matmat
from fastemlp._operator import Operator

EPS = float(np.finfo(np.float64).eps)
#: Building the two-slot form of CᴴC takes up to this many products of entries.
PAIR_TERMS = 2**21
#: The one-slot form makes more passes: one multiplication of it takes the time of this many of the two-slot form.
PAIR_GAIN = 2
#: The norms of matrices up to this size are taken by a singular value decomposition.
SMALL = 8


class KroneckerOperator(Operator):
    """Base of the two operators given by one small square matrix per tensor slot.

    Parameters
    ----------
    slots : sequence of (d, d) array-likes or sparse arrays, or None for the identity
    dims : sequence of int; the size d of each slot

    Notes
    -----
    The space has m = prod(dims) coordinates, the last slot varying fastest.
    """

    def __init__(self, slots, dims):
        self.dims = tuple(int(d) for d in dims)
        self.slots = tuple(_each_once(csr_array, slots))
        if len(self.slots) != len(self.dims):
            raise ValueError(
                f"{type(self).__name__}: expected one matrix per slot, "
                f"got {len(self.slots)} matrices for {len(self.dims)} slots."
            )
        for j, (A, d) in enumerate(zip(self.slots, self.dims, strict=True)):
            if A is not None and A.shape != (d, d):
                raise ValueError(
                    f"{type(self).__name__}: slot {j} needs a matrix of shape ({d}, {d}), "
                    f"got {A.shape}."
                )
        m = math.prod(self.dims)
        dtype = np.result_type(np.float64, *(A.dtype for A in self.slots if A is not None))
        super().__init__(dtype, (m, m))

    @cached_property
    def _conjugate_transpose(self):
        return type(self)(_each_once(lambda A: A.conj().T, self.slots), self.dims)

    def _adjoint(self):
        return self._conjugate_transpose

    def _active_slots(self):
        """Yield (A, L, d) for every slot that is not the identity."""
        L = 1
        for A, d in zip(self.slots, self.dims, strict=True):
            if A is not None:
                yield A, L, d
            L *= d


def _each_once(function, matrices):
    """The function of every matrix, None left as it is; a matrix in several slots again becomes one object."""
    seen = {}
    for A in matrices:
        if A is not None and id(A) not in seen:
            seen[id(A)] = function(A)
    return [None if A is None else seen[id(A)] for A in matrices]


class KroneckerSum(KroneckerOperator):
    """``Σ_j I ⊗ A_j ⊗ I``: how a Lie algebra element acts on a tensor product.

    Slots given as None contribute nothing (the derivative of the identity action).

    Notes
    -----
    Cost Σ_j 2·nnz(A_j)/d_j·m flops a column. Finzi et al. 2021, §5.1.
    """

    def _matmat(self, X):
        X = _operand(X, self.dtype)
        out = np.zeros_like(X)
        for A, L, d in self._active_slots():
            _apply_slot(A, X, L, d, out)
        return out


class KroneckerProduct(KroneckerOperator):
    """``A_1 ⊗ A_2 ⊗ … ⊗ A_k``: how a group element acts on a tensor product.

    Notes
    -----
    Cost Σ_j 2·nnz(A_j)/d_j·m flops a column.
    """

    def _matmat(self, X):
        X = _operand(X, self.dtype)
        if all(A is None for A in self.slots):
            return X.copy()
        for A, L, d in self._active_slots():
            out = np.zeros_like(X)
            _apply_slot(A, X, L, d, out)
            X = out
        return X


class DirectSum(Operator):
    """Block-diagonal operator, each block repeated.

    Parameters
    ----------
    blocks : sequence of (square LinearOperator, int); operator and number of consecutive copies
    """

    def __init__(self, blocks):
        self.blocks = tuple((op, int(n)) for op, n in blocks if n)
        m = sum(n * op.shape[0] for op, n in self.blocks)
        dtype = np.result_type(np.float64, *(op.dtype for op, _ in self.blocks))
        super().__init__(dtype, (m, m))

    def _adjoint(self):
        return DirectSum([(op.H, n) for op, n in self.blocks])

    def _matmat(self, X):
        X = _operand(X, self.dtype)
        out, start = np.empty_like(X), 0
        for op, n in self.blocks:
            stop = start + n * op.shape[0]
            # the copies of a block are columns of one product
            out[start:stop] = copies_below(op.matmat(copies_beside(X[start:stop], n)), n)
            start = stop
        return out


class Permuted(Operator):
    """``Pᵀ op P`` with ``(P x) = x[perm]``: an operator written in another order of coordinates."""

    def __init__(self, op, perm):
        self.op = op
        self.perm = np.asarray(perm)
        super().__init__(op.dtype, op.shape)

    def _adjoint(self):
        return Permuted(self.op.H, self.perm)

    def _matmat(self, X):
        return unpermuted(self.op.matmat(np.ascontiguousarray(X[self.perm])), self.perm)


class MinusIdentity(Operator):
    """``op − I``, whose nullspace is what ``op`` fixes."""

    def __init__(self, op):
        self.op = op
        super().__init__(op.dtype, op.shape)

    def _adjoint(self):
        return MinusIdentity(self.op.H)

    def _matmat(self, X):
        return self.op.matmat(X) - X


class Stack(Operator):
    """Operators on one space stacked on top of each other, ``[C_1; C_2; …]``.

    Parameters
    ----------
    operators : sequence of LinearOperator of shape (m_i, m)
    m : int; the common number of columns (needed when there are no operators)
    accuracy : float; relative error of the operators themselves: to a finer tolerance the nullspace means nothing
    scale : float, optional
        What that error is relative to, where that is more than ‖C‖: for ρ(h) − I the norm of ρ(h), for a sum over slots
        that of each slot. By default 1 where there is a ρ(h), else 0.
    """

    def __init__(self, operators, m, accuracy=EPS, scale=None):
        self.operators = tuple(operators)
        self.accuracy = float(accuracy)
        if scale is None:
            scale = float(any(isinstance(op, MinusIdentity) for op in self.operators))
        self.scale = float(scale)
        for i, op in enumerate(self.operators):
            if op.shape[1] != m:
                raise ValueError(
                    f"Stack: operator {i} has {op.shape[1]} columns, expected {m} like the others."
                )
        rows = sum(op.shape[0] for op in self.operators)
        dtype = np.result_type(np.float64, *(op.dtype for op in self.operators))
        super().__init__(dtype, (rows, m))

    def _matmat(self, X):
        X = _operand(X, self.dtype)
        out = np.empty((self.shape[0], X.shape[1]), X.dtype)
        start = 0
        for op in self.operators:
            out[start : start + op.shape[0]] = op.matmat(X)
            start += op.shape[0]
        return out

    def _rmatmat(self, Y):
        Y = _operand(Y, self.dtype)
        out = np.zeros((self.shape[1], Y.shape[1]), Y.dtype)
        start = 0
        for op in self.operators:
            out += op.rmatmat(np.ascontiguousarray(Y[start : start + op.shape[0]]))
            start += op.shape[0]
        return out

    def normal_matmat(self, X):
        """``Cᴴ C X`` one operator at a time, so that no (rows, b) array is ever formed."""
        X = _operand(X, self.dtype)
        out = np.zeros_like(X)
        for op in self.operators:
            out += op.rmatmat(op.matmat(X))
        return out


class PairSum(Operator):
    """``Σ_{j<l} Ω_jl``, a matrix on every pair of slots of a tensor product, applied in one pass.

    Parameters
    ----------
    dims : sequence of int; the sizes of the slots, at least two
    pairs : dict of (j, l), j < l, to sparse array of shape (d_j·d_l, d_j·d_l)

    Attributes
    ----------
    row_cost : float; multiplications per coordinate
    """

    def __init__(self, dims, pairs):
        self.dims = np.array(dims, np.intp)
        strides = [math.prod(dims[j + 1 :]) for j in range(len(dims))]
        self._slots = [np.array(slots, np.intp) for slots in zip(*pairs, strict=True)]
        indptr, shifts, data, starts = [np.zeros(1, np.intp)], [], [], []
        self.row_cost, fullest, n_rows, nnz = 0.0, 3, 0, 0
        for (j, l), matrix in pairs.items():
            matrix = csr_array(matrix)
            counts = np.diff(matrix.indptr)
            row = np.divmod(np.repeat(np.arange(len(counts)), counts), dims[l])
            column = np.divmod(matrix.indices, dims[l])
            shifts.append((column[0] - row[0]) * strides[j] + (column[1] - row[1]) * strides[l])
            data.append(matrix.data)
            indptr.append(nnz + matrix.indptr[1:])
            starts.append(n_rows)
            n_rows, nnz = n_rows + len(counts), nnz + matrix.nnz
            self.row_cost += matrix.nnz / len(counts)
            fullest += int(counts.max())
        self._rows = [np.concatenate(parts).astype(np.intp) for parts in ([starts], indptr, shifts)]
        self._data, self._fullest = np.concatenate(data), fullest
        m = math.prod(dims)
        super().__init__(np.result_type(np.float64, self._data), (m, m))

    def _matmat(self, X):
        X = _operand(X, self.dtype)
        out = np.empty_like(X)
        workspace = (
            np.empty(len(self.dims), np.intp),
            np.empty(self._fullest, np.intp),
            np.empty(self._fullest, X.dtype),
        )
        data = self._data.astype(X.dtype, copy=False)
        pair_matmat(self.dims, *self._slots, *self._rows, data, *workspace, X, out)
        return out


class TensorConstraint(Stack):
    """What the symmetric vectors of a tensor product solve: ``drho(A) v = 0`` and ``(rho(h) − I) v = 0``.

    Parameters
    ----------
    slots : sequence of int; which atom stands in each slot, the last slot varying fastest
    dims : sequence of int; size of each atom
    lie : sequence of D generators A, each a sequence of one (size, size) sparse array per atom, or None for zero
    discrete : sequence of M generators h, in the same way, None for the identity
    accuracy : float; as for ``Stack``

    Attributes
    ----------
    slots, dims, lie, discrete : as given, tuples

    Notes
    -----
    Acts as the ``Stack`` of one ``KroneckerSum`` per A and one ``KroneckerProduct − I`` per h; the combinatorial and
    representation-theoretic solvers work from the small matrices, which it keeps.
    """

    def __init__(self, slots, dims, lie, discrete, accuracy=EPS):
        self.slots = tuple(slots)
        self.dims = tuple(dims)
        self.lie = tuple(tuple(A) for A in lie)
        self.discrete = tuple(tuple(h) for h in discrete)
        sizes = [self.dims[i] for i in self.slots]
        sums = [KroneckerSum([A[i] for i in self.slots], sizes) for A in self.lie]
        products = [KroneckerProduct([h[i] for i in self.slots], sizes) for h in self.discrete]
        operators = [*sums, *(MinusIdentity(op) for op in products)]
        lengths = [_longest(A[a]) for A in self.lie for a in set(self.slots)]
        scale = max(lengths + [1.0] * bool(products), default=0.0)
        super().__init__(operators, math.prod(sizes), accuracy, scale)

    def normal_matmat(self, X):
        """``Cᴴ C X``; the Lie part, a Casimir operator, in one pass over pairs of slots where that is cheaper."""
        casimir = self._casimir
        if casimir is None:
            return super().normal_matmat(X)
        out = casimir.matmat(_operand(X, self.dtype))
        for op in self.operators[len(self.lie) :]:
            out += op.rmatmat(op.matmat(X))
        return out

    @cached_property
    def pair_terms(self):
        """Products of entries in the two-slot form of the Lie part of ``CᴴC``."""
        nnz = np.array([[0 if A is None else A.nnz for A in As] for As in self.lie], np.int64)
        nnz = nnz.reshape(len(self.lie), len(self.dims))[:, list(set(self.slots))]
        return int(np.sum(nnz.sum(axis=1) ** 2))

    @cached_property
    def _casimir(self):
        """``Σ_i drho(A_i)ᴴ drho(A_i) = Σ_{j,l} Σ_i A_i^(j)ᴴ A_i^(l)`` by pairs of slots, or None if that costs more."""
        sizes = [self.dims[a] for a in self.slots]
        if len(sizes) < 2 or not 0 < self.pair_terms <= PAIR_TERMS:
            return None
        atoms = sorted(set(self.slots))
        omega = {(a, c): self._pair(a, c) for a in atoms for c in atoms}
        squares = {a: [A[a].conj().T @ A[a] for A in self.lie if A[a] is not None] for a in atoms}
        single = {a: _total(squares[a], self.dims[a]) for a in atoms}
        slots = enumerate(self.slots)
        pairs = {(j, l): omega[a, c] for (j, a), (l, c) in combinations(slots, 2)}
        for j, a in enumerate(self.slots):
            # a one-slot term is added to a pair of neighbours
            left = min(j - j % 2, len(sizes) - 2)
            before, after = eye_array(sizes[left]), eye_array(sizes[left + 1])
            term = kron(single[a], after) if j == left else kron(before, single[a])
            pairs[left, left + 1] = pairs[left, left + 1] + term
        casimir = PairSum(sizes, pairs)
        parts = [(A[a], self.dims[a]) for A in self.lie for a in self.slots if A[a] is not None]
        by_slots = 2 * sum(part.nnz / d for part, d in parts)
        return casimir if casimir.row_cost <= PAIR_GAIN * by_slots else None

    def _pair(self, a, c):
        """``Σ_i A_i^(a)ᴴ ⊗ A_i^(c) + A_i^(a) ⊗ A_i^(c)ᴴ``."""
        both = [(A[a], A[c]) for A in self.lie if A[a] is not None and A[c] is not None]
        terms = [kron(A.conj().T, B) + kron(A, B.conj().T) for A, B in both]
        return _total(terms, self.dims[a] * self.dims[c])

    @property
    def lie_norms(self):
        """Bounds on the norms of ``drho(A)``, quick to take; list of float."""
        return [sum(norms) for norms in self._slot_norms(self.lie, 0.0, norm_bound)]

    @cached_property
    def discrete_norms(self):
        """Bounds on the norms of ``rho(h)``, quick to take; list of float."""
        return [math.prod(norms) for norms in self._slot_norms(self.discrete, 1.0, norm_bound)]

    @property
    def discrete_norm(self):
        """The largest of ``discrete_norms``; 0 if there is none."""
        return max(self.discrete_norms, default=0.0)

    @property
    def bound(self):
        """A bound on ‖C‖, from the norms of all generators on small atoms; a float."""
        lie = self._slot_norms(self.lie, 0.0, _norm)
        discrete = self._slot_norms(self.discrete, 1.0, _norm)
        return math.hypot(*map(sum, lie), *(1 + math.prod(norms) for norms in discrete))

    def _slot_norms(self, generators, missing, norm):
        """A norm of every generator on every slot: list of lists of float."""
        found = ({a: norm(g[a], missing) for a in set(self.slots)} for g in generators)
        return [[norms[a] for a in self.slots] for norms in found]

    def part(self, lie, discrete):
        """The constraint of some of the generators: index lists into ``lie`` and ``discrete``."""
        lie, discrete = [self.lie[i] for i in lie], [self.discrete[k] for k in discrete]
        return TensorConstraint(self.slots, self.dims, lie, discrete, self.accuracy)


def _longest(A):
    """The norm of the longest column of a sparse array, at most its spectral norm; 0 for None."""
    if A is None:
        return 0.0
    return math.sqrt(np.bincount(A.indices, np.abs(A.data) ** 2, A.shape[1]).max(initial=0.0))


def norm_bound(A, default):
    """A bound on the spectral norm of a csr_array, the root of ``‖A‖₁ ‖A‖_∞``; the default for None."""
    if A is None:
        return default
    sizes = np.abs(A.data)
    rows = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
    columns_and_rows = (np.bincount(where, sizes).max(initial=0.0) for where in (A.indices, rows))
    return math.sqrt(math.prod(columns_and_rows))


def _norm(A, default):
    """The spectral norm of a csr_array, of a large one ``norm_bound``; the default for None."""
    if A is None or A.shape[0] > SMALL or not np.isfinite(A.data).all():
        return norm_bound(A, default)
    return float(np.linalg.norm(A.toarray(), 2))


def _total(matrices, size):
    """The sum of sparse (size, size) matrices, without entries at the level of roundoff."""
    total = csr_array(sum(matrices, start=csr_array((size, size))))
    total.data[np.abs(total.data) <= 1e-15 * np.abs(total.data).max(initial=0.0)] = 0
    total.eliminate_zeros()
    return total


def to_dense(op):
    """The matrix of an operator or sparse array, an ndarray of shape ``op.shape``; ndarrays pass through."""
    if isinstance(op, np.ndarray):
        return op
    if issparse(op):
        return op.toarray()
    return op.matmat(np.eye(op.shape[1], dtype=op.dtype))


def _operand(X, dtype):
    """X, contiguous, in its own precision, made complex where the operator is complex."""
    X = np.asarray(X)
    # the kernels know four types, in native byte order; anything else becomes double
    double = np.complex128 if X.dtype.kind == "c" else np.float64
    precision = np.dtype(X.dtype.char if X.dtype.char in "fdFD" else double)
    if np.issubdtype(dtype, np.complexfloating):
        precision = np.result_type(precision, np.complex64)
    return np.ascontiguousarray(X, precision)


def _apply_slot(A, X, L, d, out):
    shape = (L, d, X.size // (L * d) if X.size else 0)
    slot_matmat(
        A.indptr.astype(np.intp, copy=False),
        A.indices.astype(np.intp, copy=False),
        A.data.astype(X.dtype, copy=False),
        X.reshape(shape),
        out.reshape(shape),
    )
