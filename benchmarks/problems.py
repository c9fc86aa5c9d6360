"""Nullspace problems of known rank, and how an answer is checked."""

from dataclasses import dataclass

import numpy as np

from fastemlp import equivariant_basis, uniform_rep
from fastemlp.bases.basis import Basis
from fastemlp.bases.cache import clear_basis_cache
from fastemlp.bases.constraint import constraint
from fastemlp.groups import (
    SL,
    SO,
    SU,
    Group,
    O,
    RubiksCube,
    S,
    SO13p,
    Sp,
    Z,
    ZksZnxZn,
)
from fastemlp.reps import Rep, T, V

#: Largest residual and orthogonality defect of any answer.
TOLERANCE = 1e-12
#: Answers up to this many numbers are also written out and checked against C itself.
WRITTEN_OUT = 2 * 10**7


def conjugated_so3():
    """SO(3) in the coordinates of a random basis: no generator is skew any more."""
    S = np.random.default_rng(0).standard_normal((3, 3))
    return Group([S @ A @ np.linalg.inv(S) for A in SO(3).lie_algebra], name="conjugated SO(3)")


def layer():
    """The maps of a 384-channel layer of O(5) to itself."""
    U = uniform_rep(384, O(5))
    return U >> U


#: A shear and a quarter turn.
MODULAR = Group(discrete_generators=[[[1, 1], [0, 1]], [[0, -1], [1, 0]]], name="SL(2, Z)")


@dataclass(frozen=True)
class Problem:
    """A rep, the dimension of its symmetric vectors (None where no formula is at hand), and a time to meet."""

    make: callable
    rank: int | None
    target: float
    method: str = "auto"

    def rep(self) -> Rep:
        return self.make()


PROBLEMS = {
    "SO(3) T8": Problem(lambda: (V**8)(SO(3)), 91, 0.01),
    "SO(3) T12": Problem(lambda: (V**12)(SO(3)), 4_213, 0.05),
    "SO(3) T14": Problem(lambda: (V**14)(SO(3)), 30_537, 0.1),
    "SO(3) T16": Problem(lambda: (V**16)(SO(3)), 227_475, 0.5),
    "SO(3) T20": Problem(lambda: (V**20)(SO(3)), 13_393_689, 2),
    "O(5) T6": Problem(lambda: (V**6)(O(5)), 15, 0.05),
    "O(5) T8": Problem(lambda: (V**8)(O(5)), 105, 0.2),
    "O(5) T10": Problem(lambda: (V**10)(O(5)), 945, 1),
    "O(5) T12": Problem(lambda: (V**12)(O(5)), 10_263, 5),
    "SO13p T4>>T4": Problem(lambda: (V**4 >> V**4)(SO13p()), 196, 0.05),
    "SO13p T5>>T5": Problem(lambda: (V**5 >> V**5)(SO13p()), 1_764, 0.2),
    "Sp(2) T4>>T4": Problem(lambda: (V**4 >> V**4)(Sp(2)), 84, 0.1),
    "SL(3) T(4,4)": Problem(lambda: T(4, 4, SL(3)), 23, 0.1),
    "SU(3) T(4,4)": Problem(lambda: T(4, 4, SU(3)), 23, 0.1),
    "SL(2, Z) T16": Problem(lambda: (V**16)(MODULAR), 1_430, 0.1),
    "ZksZnxZn(4,5) V>>V": Problem(lambda: (V >> V)(ZksZnxZn(4, 5)), 100, 0.02),
    "Z(100) V>>V": Problem(lambda: (V >> V)(Z(100)), 100, 0.02),
    "S(4) T6": Problem(lambda: (V**6)(S(4)), 187, 0.02),
    "S(16) T6": Problem(lambda: (V**6)(S(16)), 203, 3),
    "S(100) T4": Problem(lambda: (V**4)(S(100)), 15, 20),
    "Z(1000) V>>V": Problem(lambda: (V >> V)(Z(1000)), 1_000, 0.2),
    "Rubik T3": Problem(lambda: (V**3)(RubiksCube()), 51, 0.05),
    "Rubik T4": Problem(lambda: (V**4)(RubiksCube()), None, 2),
    "conjugated SO(3) T7 lanczos": Problem(
        lambda: (V**7)(conjugated_so3()), 36, 1, method="lanczos"
    ),
    "conjugated SO(3) T9 lanczos": Problem(
        lambda: (V**9)(conjugated_so3()), 232, 20, method="lanczos"
    ),
    "SO(3) T9 lanczos": Problem(lambda: (V**9)(SO(3)), 232, 5, method="lanczos"),
    "O(5) 384-channel U>>U": Problem(layer, None, 0.1),
}


def solve(problem: Problem) -> Basis:
    """Find the basis from nothing: no earlier call and no file helps."""
    clear_basis_cache()
    return equivariant_basis(problem.rep(), method=problem.method, store=False)


def check(problem, basis):
    """Raise unless rank, residual and orthogonality are right: by the certificate, and against C where that fits."""
    found = {
        "residual": basis.certificate.residual,
        "orthogonality": basis.certificate.orthogonality,
    }
    m, rank = basis.shape
    if m * rank <= WRITTEN_OUT:
        C, Q = constraint(basis.rep), basis.to_dense()
        found["true residual"] = max_residual(C, Q)
        found["true orthogonality"] = np.abs(Q.conj().T @ Q - np.eye(rank)).max()
    if problem.rank not in (None, rank) or not max(found.values()) <= TOLERANCE:
        raise RuntimeError(f"{basis}: expected rank {problem.rank}, got {rank} with {found}")


def max_residual(C, Q, n_iter=20):
    """Largest ``‖C q‖ / ‖C‖`` over the columns of Q; ``‖C‖`` by power iteration."""
    x = np.random.default_rng(0).standard_normal((C.shape[1], 1))
    norm = 0.0
    for _ in range(n_iter):
        x = C.normal_matmat(x / np.linalg.norm(x))
        norm = np.sqrt(np.linalg.norm(x))
    residual = np.linalg.norm(C.matmat(np.ascontiguousarray(Q)), axis=0).max(initial=0.0)
    return residual / norm if norm else residual
