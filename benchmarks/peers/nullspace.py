"""The solver beside scipy's, on the same constraint operator, and the table of targets.

Run ``python benchmarks/peers/nullspace.py targets`` (a minute) or ``… scipy`` (10 to 20 minutes). Scipy's routines are
told the rank, which ours find; a routine counts only if its answer has the right rank and residual, and is given up on
after ``--limit`` seconds.
"""

import argparse
import multiprocessing
import os
import sys
import warnings
from pathlib import Path
from time import perf_counter

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh, lobpcg, svds

from fastemlp.bases.constraint import constraint

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.problems import PROBLEMS, check, max_residual, solve

#: Problems with m from 4,096 to 20,000, which is as far as the peers go.
COMPARED = (
    "SO(3) T8",
    "O(5) T6",
    "SL(3) T(4,4)",
    "SU(3) T(4,4)",
    "S(4) T6",
    "Z(100) V>>V",
    "ZksZnxZn(4,5) V>>V",
    "SO(3) T9 lanczos",
)


def gram(C):
    """CᴴC as a LinearOperator."""
    n = C.shape[1]
    return LinearOperator(
        (n, n),
        matvec=lambda v: C.normal_matmat(v.reshape(n, 1)).ravel(),
        matmat=C.normal_matmat,
        dtype=C.dtype,
    )


def by_eigsh(C, rank):
    return eigsh(gram(C), k=rank, which="SA", tol=1e-12)[1]


def by_lobpcg(C, rank):
    start = np.random.default_rng(0).standard_normal((C.shape[1], rank)).astype(C.dtype)
    return lobpcg(gram(C), start, tol=1e-10, maxiter=500, largest=False)[1]


def by_svds(C, rank):
    return svds(C, k=rank, which="SM", solver="lobpcg", tol=1e-10, maxiter=500)[2].conj().T


PEERS = {"eigsh": by_eigsh, "lobpcg": by_lobpcg, "svds": by_svds}


def run_peer(name, peer, results):
    """Seconds and residual of one routine on one problem, into a queue."""
    warnings.simplefilter("ignore")
    C = constraint(PROBLEMS[name].rep())
    rank = PROBLEMS[name].rank
    C.normal_matmat(np.ones((C.shape[1], 1)))  # compiles the kernels
    start = perf_counter()
    Q = PEERS[peer](C, rank)
    seconds = perf_counter() - start
    results.put((seconds, max_residual(C, np.linalg.qr(Q)[0])))


def timed_out(name, peer, limit):
    """The text and the seconds of one routine on one problem; the limit if it takes longer."""
    results = multiprocessing.Queue()
    process = multiprocessing.Process(target=run_peer, args=(name, peer, results))
    process.start()
    try:
        seconds, residual = results.get(timeout=limit)
    except Exception:
        process.terminate()
        return f"> {limit} s", limit
    finally:
        process.join()
    wrong = "" if residual <= 1e-6 else ", wrong"
    return f"{seconds:.2f} s ({residual:.0e}{wrong})", seconds


def median_time(problem, repeats):
    times = []
    for _ in range(repeats):
        start = perf_counter()
        solve(problem)
        times.append(perf_counter() - start)
    return float(np.median(times))


def compare(limit):
    print(f"load {os.getloadavg()[0]:.2f}")
    print("| problem | ours | eigsh | lobpcg | svds | best / ours |\n|---|---|---|---|---|---|")
    for name in COMPARED:
        check(PROBLEMS[name], solve(PROBLEMS[name]))
        ours = median_time(PROBLEMS[name], 5)
        cells = [timed_out(name, peer, limit) for peer in PEERS]
        best = min(seconds for _, seconds in cells)
        texts = " | ".join(text for text, _ in cells)
        print(f"| {name} | {ours:.4f} s | {texts} | {best / ours:,.0f} × |", flush=True)


def targets(repeats):
    print(f"load {os.getloadavg()[0]:.2f}")
    print("| problem | m | rank | s | target s | residual | orthogonality | strategy |")
    print("|---|---|---|---|---|---|---|---|")
    for name, problem in PROBLEMS.items():
        basis = solve(problem)
        check(problem, basis)
        seconds = median_time(problem, repeats)
        m, rank = basis.shape
        proof = basis.certificate
        print(
            f"| {name} | {m:,} | {rank:,} | {seconds:.4f} | {problem.target} | {proof.residual:.1e} | "
            f"{proof.orthogonality:.1e} | {', '.join(proof.strategies)} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("table", choices=("targets", "scipy"))
    parser.add_argument(
        "--limit", type=float, default=120, help="seconds for one peer on one problem"
    )
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    targets(given.repeats) if given.table == "targets" else compare(given.limit)
