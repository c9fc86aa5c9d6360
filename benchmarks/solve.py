"""Time to find every invariant of a representation, alone and beside scipy."""

import warnings

import numpy as np
from scipy.linalg import null_space
from scipy.sparse.linalg import LinearOperator, lobpcg

from fastemlp import equivariant_basis
from fastemlp.solving import clear_basis_cache
from fastemlp.constraint import constraint
from fastemlp.groups import SO, O, S, SO13p, Sp
from fastemlp.reps import V

from .common import best_of, ratio

# representation and its known number of invariants
CASES = {
    "SO(3): V**6": (lambda: (V**6)(SO(3)), 15),
    "O(5): V**4": (lambda: (V**4)(O(5)), 3),
    "SO(1,3)+: V**2 >> V**2": (lambda: (V**2 >> V**2)(SO13p()), 4),
    "S(6): V**3": (lambda: (V**3)(S(6)), 5),
    "Sp(2): V**2 >> V**2": (lambda: (V**2 >> V**2)(Sp(2)), 3),
}


def solve(rep):
    """Find the basis from nothing: what an earlier call left in the cache does not count."""
    clear_basis_cache()
    return equivariant_basis(rep)


def check_basis(Q, C, rank, tolerance=1e-10):
    """Raise unless the columns of Q are `rank` orthonormal null vectors of C."""
    if Q.shape[1] != rank:
        raise RuntimeError(f"expected {rank} invariants, got {Q.shape[1]}")
    residual = np.abs(C.matmat(Q)).max()
    defect = np.abs(Q.T @ Q - np.eye(rank)).max()
    if not max(residual, defect) < tolerance:
        raise RuntimeError(f"residual {residual:.1e}, orthogonality defect {defect:.1e}")


def dense_null_space(C):
    """Return the nullspace by scipy's dense routine, on CᵀC: far smaller than C itself."""
    return null_space(C.normal_matmat(np.eye(C.shape[1])))


def lobpcg_null_space(C, rank):
    """Return the nullspace by scipy's matrix-free routine, which has to be told the rank.

    ARPACK (``eigsh``, ``svds``) is no peer: started from a single vector it misses copies of a
    repeated eigenvalue, and here the wanted one is repeated `rank` times.
    """
    n = C.shape[1]
    gram = LinearOperator(
        (n, n),
        matvec=lambda v: C.normal_matmat(v.reshape(n, 1)).ravel(),
        matmat=C.normal_matmat,
        dtype=np.float64,
    )
    start = np.random.default_rng(0).standard_normal((n, rank))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the tolerance; we check the answer
        return lobpcg(gram, start, tol=1e-9, maxiter=200, largest=False)[1]


class Solve:
    params = tuple(CASES)
    param_names = ("rep",)
    timeout = 300

    def setup(self, case):
        make_rep, self.rank = CASES[case]
        self.rep = make_rep()
        self.C = constraint(self.rep)
        check_basis(solve(self.rep).to_dense(), self.C, self.rank)  # also compiles the kernels

    def time_solve(self, case):
        solve(self.rep)

    def track_ratio_to_null_space(self, case):
        check_basis(dense_null_space(self.C), self.C, self.rank)
        ours = best_of(lambda: solve(self.rep))
        return ratio(ours, best_of(lambda: dense_null_space(self.C), repeats=3))

    def track_ratio_to_lobpcg(self, case):
        check_basis(lobpcg_null_space(self.C, self.rank), self.C, self.rank, tolerance=1e-6)
        ours = best_of(lambda: solve(self.rep))
        return ratio(ours, best_of(lambda: lobpcg_null_space(self.C, self.rank), repeats=3))

    track_ratio_to_null_space.unit = "ratio"
    track_ratio_to_lobpcg.unit = "ratio"
