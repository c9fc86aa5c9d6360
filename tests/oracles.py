"""Slow, obviously right versions of what the package does fast.

A rep expression is a tree of tuples, so that it can be evaluated here as it was written, whatever normal form the
package brings it to::

    ("V", i)  ("0",)  ("+", a, b)  ("*", a, b)  ("n", n, a)  ("^", a, k)  ("T", a)  ("conj", a)

``i`` counts groups; ("0",) is the trivial rep.
"""

import itertools
import operator
from functools import reduce

import numpy as np
from hypothesis import strategies as st
from scipy.linalg import block_diag
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fastemlp.reps import Scalar, V

# -- kernels ------------------------------------------------------------------------------------------------------


def slot_matmat(A, X):
    """``(I ⊗ A ⊗ I) X`` for dense A (d, d) and X (L, d, R)."""
    return np.einsum("ij,ljr->lir", A, X)


def gate_forward(x, sigma, source, gate):
    return x[:, source] * sigma[:, gate]


def gate_backward(x, sigma, source, gate, dy):
    dx, dsigma = np.zeros_like(x), np.zeros_like(sigma)
    dx[:, source] = dy * sigma[:, gate]
    for i, channel in enumerate(gate):
        dsigma[:, channel] += dy[:, i] * x[:, source[i]]
    return dx, dsigma


def adam_update(theta, gradient, m, v, beta1, beta2, step, epsilon):
    """The new (theta, m, v)."""
    m = beta1 * m + (1 - beta1) * gradient
    v = beta2 * v + (1 - beta2) * gradient**2
    return theta - step * m / (np.sqrt(v) + epsilon), m, v


# -- Kronecker operators ------------------------------------------------------------------------------------------


def kron_product(matrices):
    return reduce(np.kron, matrices, np.eye(1))


def kron_sum(matrices):
    """``Σ_j I ⊗ A_j ⊗ I``."""
    dims = [len(A) for A in matrices]
    out = np.zeros((np.prod(dims, dtype=int),) * 2)
    for j, A in enumerate(matrices):
        slots = [A if j == k else np.eye(d) for k, d in enumerate(dims)]
        out = out + kron_product(slots)
    return out


# -- rep expressions ----------------------------------------------------------------------------------------------


def trees(dims, largest=120):
    """Hypothesis strategy: expressions in ``len(dims)`` groups, of size at most ``largest``."""
    leaves = st.sampled_from([("V", i) for i in range(len(dims))] * 2 + [("0",)])

    def grow(smaller):
        return st.one_of(
            st.tuples(st.sampled_from("+*"), smaller, smaller),
            st.tuples(st.just("n"), st.integers(0, 3), smaller),
            st.tuples(st.just("^"), smaller, st.integers(0, 3)),
            st.tuples(st.sampled_from(["T", "conj"]), smaller),
        )

    return st.recursive(leaves, grow, max_leaves=6).filter(lambda t: size(t, dims) <= largest)


def build(tree, atoms=(V,)):
    """The Rep of an expression, with ``atoms[i]`` for ("V", i)."""
    match tree:
        case ("V", i):
            return atoms[i]
        case ("0",):
            return Scalar
        case ("+", a, b):
            return build(a, atoms) + build(b, atoms)
        case ("*", a, b):
            return build(a, atoms) * build(b, atoms)
        case ("n", n, a):
            return n * build(a, atoms)
        case ("^", a, k):
            return build(a, atoms) ** k
        case ("T", a):
            return build(a, atoms).T
        case ("conj", a):
            return build(a, atoms).conj()
    raise ValueError(f"not an expression: {tree!r}")


def size(tree, dims):
    """The dimension of an expression, ``dims[i]`` that of ("V", i)."""
    match tree:
        case ("V", i):
            return dims[i]
        case ("0",):
            return 1
        case ("+", a, b):
            return size(a, dims) + size(b, dims)
        case ("*", a, b):
            return size(a, dims) * size(b, dims)
        case ("n", n, a):
            return n * size(a, dims)
        case ("^", a, k):
            return size(a, dims) ** k
        case ("T" | "conj", a):
            return size(a, dims)
    raise ValueError(f"not an expression: {tree!r}")


def rho(tree, g):
    """The dense matrix of group elements ``g[i]``, coordinates in the order written."""
    match tree:
        case ("V", i):
            return np.asarray(g[i])
        case ("0",):
            return np.eye(1)
        case ("+", a, b):
            return _block_diag(rho(a, g), rho(b, g))
        case ("*", a, b):
            return np.kron(rho(a, g), rho(b, g))
        case ("n", n, a):
            return _block_diag(*[rho(a, g)] * n)
        case ("^", a, k):
            return kron_product([rho(a, g)] * k)
        case ("T", a):
            return np.linalg.inv(rho(a, g)).T
        case ("conj", a):
            return rho(a, g).conj()
    raise ValueError(f"not an expression: {tree!r}")


def drho(tree, A):
    """The dense matrix of Lie algebra elements ``A[i]``."""
    match tree:
        case ("V", i):
            return np.asarray(A[i])
        case ("0",):
            return np.zeros((1, 1))
        case ("+", a, b):
            return _block_diag(drho(a, A), drho(b, A))
        case ("*", a, b):
            return kron_sum([drho(a, A), drho(b, A)])
        case ("n", n, a):
            return _block_diag(*[drho(a, A)] * n)
        case ("^", a, k):
            return kron_sum([drho(a, A)] * k) if k else np.zeros((1, 1))
        case ("T", a):
            return -drho(a, A).T
        case ("conj", a):
            return drho(a, A).conj()
    raise ValueError(f"not an expression: {tree!r}")


def _block_diag(*blocks):
    # scipy reads no block at all as one block of shape (1, 0)
    return block_diag(*blocks) if blocks else np.zeros((0, 0))


# -- ranks --------------------------------------------------------------------------------------------------------


def n_orbits(permutations):
    """Orbits of the group generated by index arrays of one length m."""
    m = len(permutations[0])
    rows = np.tile(np.arange(m), len(permutations))
    links = coo_array((np.ones(len(rows)), (rows, np.concatenate(permutations))), shape=(m, m))
    return connected_components(links, directed=False)[0]


def finite_group_elements(generators, limit=200):
    """All elements of a finite matrix group, by closing the generators under products."""
    generators = [np.asarray(h) for h in generators]
    found = {}
    new = [np.eye(len(generators[0]))]
    while new:
        found |= {_label(g): g for g in new}
        if len(found) > limit:
            raise ValueError(f"more than {limit} elements")
        products = itertools.starmap(operator.matmul, itertools.product(new, generators))
        new = list({_label(g): g for g in products if _label(g) not in found}.values())
    return list(found.values())


def _label(g):
    return tuple((np.round(g, 6) + 0.0).ravel().tolist())


def rank_by_characters(tree, elements):
    """Dimension of the invariants of a finite group: the mean trace of rho."""
    return round(float(np.mean([np.trace(rho(tree, [g])).real for g in elements])))


def stirling2(n, k):
    if n == k:
        return 1
    return 0 if k in (0, n + 1) or k > n else k * stirling2(n - 1, k) + stirling2(n - 1, k - 1)


def nullity_modulo_a_prime(C, prime=2**31 - 1):
    """The dimension of the nullspace of an integer matrix over the field of a large prime; that over ℚ, all but surely.

    Elimination in exact integers, column by column.
    """
    A = np.rint(C).astype(np.int64) % prime
    rank = 0
    for column in range(A.shape[1]):
        candidates = np.flatnonzero(A[rank:, column])
        if not len(candidates):
            continue
        pivot = rank + candidates[0]
        A[[rank, pivot]] = A[[pivot, rank]]
        # products of two residues stay below 2⁶²
        A[rank] = A[rank] * pow(int(A[rank, column]), -1, prime) % prime
        below = rank + 1 + np.flatnonzero(A[rank + 1 :, column])
        A[below] = (A[below] - A[below, column, None] * A[rank] % prime) % prime
        rank += 1
        if rank == len(A):
            break
    return A.shape[1] - rank
