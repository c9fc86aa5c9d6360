"""Finding the symmetric vectors: time and memory of the problems in ``problems.py``, and how cost grows."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time

import numpy as np
import scipy.sparse as sp

from fastemlp import irreps
from fastemlp.bases.constraint import constraint
from fastemlp.groups import SO, Group, S, Sp, Trivial, Z
from fastemlp.operators import TensorConstraint
from fastemlp.reps import V
from fastemlp.solver import lanczos, lobpcg, make_plan, solve_nullspace

from .common import best_of, growth, ratio
from .problems import PROBLEMS, check, solve

MEMORY = """
import resource
from benchmarks.problems import PROBLEMS, solve
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
basis = solve(PROBLEMS[{name!r}])
print((peak() - before) / 1024)
"""
FIRST_CALL = """
from time import perf_counter
import fastemlp
from benchmarks.problems import PROBLEMS, solve
start = perf_counter()
for name in ("SO(3) T8", "S(4) T6", "conjugated SO(3) T7 lanczos", "SU(3) T(4,4)"):
    solve(PROBLEMS[name])
print(perf_counter() - start)
"""
NILPOTENT = Group([[[0, 1], [0, 0]]], name="nilpotent")
HEXAGON = Group(discrete_generators=[[[-1, 1], [-1, 0]], [[0, 1], [1, 0]]], name="hexagon")
#: A shear and an element of order six.
SIXFOLD = Group(discrete_generators=[[[1, 1], [0, 1]], [[0, -1], [1, 1]]], name="SL(2, Z)")
#: A rep and its rank.
PLANNED = {
    "SL(2, Z) T12": (lambda: (V**12)(SIXFOLD), 132),
    "SL(2, Z) T14": (lambda: (V**14)(SIXFOLD), 429),
    "nilpotent T12": (lambda: (V**12)(NILPOTENT), 924),
    "nilpotent T10": (lambda: (V**10)(NILPOTENT), 252),
    "hexagon T8": (lambda: (V**8)(HEXAGON), 43),
    "hexagon T10": (lambda: (V**10)(HEXAGON), 171),
    "SO(3) T12": (lambda: (V**12)(SO(3)), 4213),
    "Sp(2) T12": (lambda: (V**12)(Sp(2)), 4719),
    "S(3) T12": (lambda: (V**12)(S(3)), 88574),
    "S(3) T20": (lambda: (V**20)(S(3)), 581130734),
    "Trivial(3) T17": (lambda: (V**17)(Trivial(3)), 3**17),
}
#: Families of growing size m, each solved by one method.
FAMILIES = {
    "schur: SO(3) Tk": ("schur", [lambda k=k: (V**k)(SO(3)) for k in (8, 10, 12, 14)]),
    "orbits: Z(n) V>>V": ("orbits", [lambda n=n: (V >> V)(Z(n)) for n in (250, 500, 1000, 2000)]),
    "orbits: S(16) Tk": ("orbits", [lambda k=k: (V**k)(S(16)) for k in (3, 4, 5, 6)]),
    "products: SO(3) Tk": ("products", [lambda k=k: (V**k)(SO(3)) for k in (8, 9, 10, 11)]),
}


class Solve:
    params = tuple(PROBLEMS)
    param_names = ("problem",)
    timeout = 300

    def setup(self, name):
        self.problem = PROBLEMS[name]
        check(self.problem, solve(self.problem))  # also compiles the kernels

    def time_solve(self, name):
        solve(self.problem)

    def track_share_of_target(self, name):
        """Our time over the time to meet: at most 1."""
        return ratio(best_of(lambda: solve(self.problem), repeats=3), self.problem.target)

    def track_peak_mib_above_import(self, name):
        return float(_fresh(MEMORY.format(name=name)))

    track_share_of_target.unit = "share"
    track_peak_mib_above_import.unit = "MiB"


class Growth:
    """The exponent p of ``time ~ mᵖ`` over four sizes; 1 means linear in the size of the space."""

    params = tuple(FAMILIES)
    param_names = ("family",)
    timeout = 300

    def track_exponent(self, family):
        method, make = FAMILIES[family]
        sizes, times = [], []
        for C in (constraint(rep()) for rep in make):
            if method == "products":
                X = np.random.default_rng(0).standard_normal((C.shape[1], 8))
                work = lambda C=C, X=X: C.normal_matmat(X)  # noqa: E731
            else:
                work = lambda C=C: solve_nullspace(C, method)  # noqa: E731
            work()
            sizes.append(C.shape[1])
            times.append(best_of(work))
        return growth(sizes, times)


class MixedPrecision:
    """Lanczos with most of its products in single precision, against double precision alone."""

    params = (8, 9)
    param_names = ("tensor order of SO(3)",)
    timeout = 300

    def setup(self, k):
        self.C = constraint((V**k)(SO(3)))
        for mixed in (True, False):
            solution = lanczos(self.C, mixed=mixed)
            if not solution.residual <= 1e-13:
                raise RuntimeError(f"mixed={mixed}: residual {solution.residual:.1e}")

    def track_ratio_to_double(self, k):
        mixed = best_of(lambda: lanczos(self.C, mixed=True), repeats=3)
        return ratio(mixed, best_of(lambda: lanczos(self.C, mixed=False), repeats=3))

    track_ratio_to_double.unit = "ratio"


class LongCycle:
    """lobpcg against lanczos on a closed chain of n planes, each turned against the next: a gap of about 3/n."""

    params = (300, 1000)
    param_names = ("n",)
    timeout = 300

    def setup(self, n):
        shift = sp.csr_array((np.ones(n), (np.arange(n), (np.arange(n) - 1) % n)), shape=(n, n))
        c, s = np.cos(2 * np.pi / n), np.sin(2 * np.pi / n)
        h = sp.csr_array(sp.kron(shift, np.array([[c, -s], [s, c]])))
        self.C = TensorConstraint([0], [2 * n], [], [[h]])
        for solve_one in (lobpcg, lanczos):
            solution = solve_one(self.C)
            if solution.rank != 2 or not solution.residual <= 1e-12:
                raise RuntimeError(f"expected rank 2, got {solution}")

    def track_ratio_to_lanczos(self, n):
        ours = best_of(lambda: lobpcg(self.C), repeats=3)
        return ratio(ours, best_of(lambda: lanczos(self.C), repeats=2))

    track_ratio_to_lanczos.unit = "ratio"


class Plan:
    """What a plan predicts and what it takes, over problems that every strategy has a share in."""

    params = tuple(PLANNED)
    param_names = ("problem",)
    timeout = 300

    def setup(self, name):
        rep, rank = PLANNED[name]
        self.make = lambda: constraint(rep())
        solution = solve_nullspace(self.make())
        if solution.rank != rank:
            raise RuntimeError(f"{name}: expected rank {rank}, got {solution}")
        self.choice = make_plan(self.make()).choices[0]
        self.seconds = self._processor_seconds(solve_nullspace)

    def _processor_seconds(self, work, repeats=3):
        times = []
        for _ in range(repeats):
            C = self.make()
            start = process_time()
            work(C)
            times.append(process_time() - start)
        return min(times)

    def track_seconds_over_predicted(self, name):
        """At most 3, and at least 1 where the prediction is a lower bound."""
        return ratio(self.seconds, self.choice.seconds)

    def track_plan_milliseconds(self, name):
        """Less than 10, or less than a hundredth of the solve."""
        return 1e3 * self._processor_seconds(make_plan)

    track_seconds_over_predicted.unit = "ratio"
    track_plan_milliseconds.unit = "ms"


class Decompositions:
    """``V**2`` of S(n) taken apart, against the eigenvectors of one symmetric matrix of its size."""

    params = (20, 30, 40, 50)
    param_names = ("n",)
    timeout = 300

    def setup(self, n):
        self.rep = (V**2)(S(n))
        sizes = sorted(irreducible.size() for irreducible in irreps(self.rep))
        if sizes != sorted([1, n - 1, n * (n - 3) // 2, (n - 1) * (n - 2) // 2]):
            raise RuntimeError(f"irreducibles of sizes {sizes}")

    def track_ratio_to_eigh(self, n):
        A = np.random.default_rng(0).standard_normal((n * n, n * n))
        ours = best_of(lambda: irreps(self.rep), repeats=2)
        return ratio(ours, best_of(lambda: np.linalg.eigh(A + A.T), repeats=2))

    track_ratio_to_eigh.unit = "ratio"


class FirstCall:
    """One problem for each kind of solver, in a fresh process that finds compiled kernels or does not."""

    timeout = 300

    def track_seconds_cold(self):
        with tempfile.TemporaryDirectory() as cache:
            return float(_fresh(FIRST_CALL, NUMBA_CACHE_DIR=cache))

    def track_seconds_warm(self):
        with tempfile.TemporaryDirectory() as cache:
            _fresh(FIRST_CALL, NUMBA_CACHE_DIR=cache)
            return float(_fresh(FIRST_CALL, NUMBA_CACHE_DIR=cache))

    track_seconds_cold.unit = track_seconds_warm.unit = "s"


def _fresh(code, **environment):
    """What a snippet prints in a new process, started where the benchmarks are."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
        env={**os.environ, **environment},
    )
    return done.stdout
