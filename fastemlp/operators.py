"""Matrix-free linear operators: what a group element or generator does to tensors.

All follow the scipy ``LinearOperator`` protocol and act on columns: ``op @ x`` for x of shape (m,),
``op.matmat(X)`` for X of shape (m, b). They compute in the precision of X: a float32 X is never promoted
to float64 (it becomes complex64 where the operator is complex).
"""

import math

import numpy as np
from scipy.sparse import csr_array, issparse
from scipy.sparse.linalg import LinearOperator

from fastemlp._kernels.slots import slot_matmat


class KroneckerOperator(LinearOperator):
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
        self.slots = tuple(None if A is None else csr_array(A) for A in slots)
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

    def _map_slots(self, function):
        return type(self)([None if A is None else function(A) for A in self.slots], self.dims)

    def _adjoint(self):
        return self._map_slots(lambda A: A.conj().T)

    def _transpose(self):
        return self._map_slots(lambda A: A.T)

    def _matvec(self, x):
        return self._matmat(x.reshape(-1, 1)).reshape(x.shape)

    def _active_slots(self):
        """Yield (A, L, d) for every slot that is not the identity."""
        L = 1
        for A, d in zip(self.slots, self.dims, strict=True):
            if A is not None:
                yield A, L, d
            L *= d


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


class DirectSum(LinearOperator):
    """Block-diagonal operator, each block repeated.

    Parameters
    ----------
    blocks : sequence of (square LinearOperator, int); operator and number of consecutive copies
    """

    def __init__(self, blocks):
        self.blocks = tuple((op, int(n)) for op, n in blocks)
        m = sum(n * op.shape[0] for op, n in self.blocks)
        dtype = np.result_type(np.float64, *(op.dtype for op, _ in self.blocks))
        super().__init__(dtype, (m, m))

    def _adjoint(self):
        return DirectSum([(op.H, n) for op, n in self.blocks])

    def _transpose(self):
        return DirectSum([(op.T, n) for op, n in self.blocks])

    def _matvec(self, x):
        return self._matmat(x.reshape(-1, 1)).reshape(x.shape)

    def _matmat(self, X):
        X = _operand(X, self.dtype)
        out = np.empty_like(X)
        b = X.shape[1]
        start = 0
        for op, n in self.blocks:
            m = op.shape[0]
            stop = start + n * m
            # the copies of a block are further columns of one product
            columns = X[start:stop].reshape(n, m, b).transpose(1, 0, 2).reshape(m, n * b)
            out[start:stop] = (
                op.matmat(columns).reshape(m, n, b).transpose(1, 0, 2).reshape(n * m, b)
            )
            start = stop
        return out


class Permuted(LinearOperator):
    """``Pᵀ op P`` with ``(P x) = x[perm]``: an operator written in another order of coordinates."""

    def __init__(self, op, perm):
        self.op = op
        self.perm = np.asarray(perm)
        super().__init__(op.dtype, op.shape)

    def _adjoint(self):
        return Permuted(self.op.H, self.perm)

    def _transpose(self):
        return Permuted(self.op.T, self.perm)

    def _matvec(self, x):
        return self._matmat(x.reshape(-1, 1)).reshape(x.shape)

    def _matmat(self, X):
        inner = self.op.matmat(np.ascontiguousarray(X[self.perm]))
        out = np.empty_like(inner)
        out[self.perm] = inner
        return out


class MinusIdentity(LinearOperator):
    """``op − I``, whose nullspace is what ``op`` leaves in place."""

    def __init__(self, op):
        self.op = op
        super().__init__(op.dtype, op.shape)

    def _adjoint(self):
        return MinusIdentity(self.op.H)

    def _transpose(self):
        return MinusIdentity(self.op.T)

    def _matvec(self, x):
        return self._matmat(x.reshape(-1, 1)).reshape(x.shape)

    def _matmat(self, X):
        return self.op.matmat(X) - X


class Stack(LinearOperator):
    """Operators on one space stacked on top of each other, ``[C_1; C_2; …]``.

    Parameters
    ----------
    operators : sequence of LinearOperator of shape (m_i, m)
    m : int; the common number of columns (needed when there are no operators)
    """

    def __init__(self, operators, m):
        self.operators = tuple(operators)
        for i, op in enumerate(self.operators):
            if op.shape[1] != m:
                raise ValueError(
                    f"Stack: operator {i} has {op.shape[1]} columns, expected {m} like the others."
                )
        rows = sum(op.shape[0] for op in self.operators)
        dtype = np.result_type(np.float64, *(op.dtype for op in self.operators))
        super().__init__(dtype, (rows, m))

    def _matvec(self, x):
        return self._matmat(x.reshape(-1, 1)).reshape(-1)

    def _rmatvec(self, y):
        return self._rmatmat(y.reshape(-1, 1)).reshape(-1)

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


class TensorConstraint(Stack):
    """What the symmetric vectors of a tensor product solve: ``drho(A) v = 0`` and ``(rho(h) − I) v = 0``.

    Parameters
    ----------
    slots : sequence of int; which atom stands in each slot, the last slot varying fastest
    dims : sequence of int; size of each atom
    lie : sequence of D generators A, each a sequence of one (size, size) sparse array per atom, or None for zero
    discrete : sequence of M generators h, in the same way, None for the identity

    Attributes
    ----------
    slots, dims, lie, discrete : as given, tuples

    Notes
    -----
    Acts as the ``Stack`` of one ``KroneckerSum`` per A and one ``KroneckerProduct − I`` per h; keeping the small
    matrices in view is what the combinatorial and representation-theoretic solvers work from.
    """

    def __init__(self, slots, dims, lie, discrete):
        self.slots = tuple(slots)
        self.dims = tuple(dims)
        self.lie = tuple(tuple(A) for A in lie)
        self.discrete = tuple(tuple(h) for h in discrete)
        sizes = [self.dims[i] for i in self.slots]
        sums = [KroneckerSum([A[i] for i in self.slots], sizes) for A in self.lie]
        products = [KroneckerProduct([h[i] for i in self.slots], sizes) for h in self.discrete]
        super().__init__([*sums, *(MinusIdentity(op) for op in products)], math.prod(sizes))

    def part(self, lie, discrete):
        """The constraint of some of the generators: index lists into ``lie`` and ``discrete``."""
        return TensorConstraint(
            self.slots,
            self.dims,
            [self.lie[i] for i in lie],
            [self.discrete[k] for k in discrete],
        )


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
