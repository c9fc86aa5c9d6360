"""What several benchmarks share: a stopwatch and the regression tasks."""

import os
import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

from fastemlp import FastEMLPRegressor
from fastemlp.datasets import TaskSpec, make_inertia, make_o5_synthetic, make_particle_interaction
from fastemlp.groups import S
from fastemlp.reps import V

TASKS = {
    "O(5) scalar": make_o5_synthetic,
    "O(3) inertia": make_inertia,
    "O(1,3) particles": make_particle_interaction,
}
#: Not among them, as it takes far longer.
MATRICES = "S(40) matrices"


def best_of(work, repeats=5):
    """Return the shortest of several runs of `work` in seconds: the one least disturbed."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times)


def ratio(ours, theirs):
    """Return our time as a fraction of theirs, to the digits that mean something."""
    return float(f"{ours / theirs:.3g}")


def growth(sizes, times):
    """Return the exponent p of times ~ sizes**p, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def peak_memory():
    """Return the most bytes this process has held.

    Linux counts from its start; ``getrusage`` alone would begin with what the parent held.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def run_script(script, *arguments, **environment):
    """Return the number that a script prints, run by a Python of its own from the root of the repository."""
    found = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        check=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, **environment},
    )
    return float(found.stdout)


def make_transposes(n_samples, random_state, return_spec):
    """Return matrices on 40 points and their transposes, like the tasks of ``fastemlp.datasets``."""
    X = np.random.default_rng(random_state).standard_normal((n_samples, 40, 40))
    X, y = (a.reshape(n_samples, -1) for a in (X, X.swapaxes(1, 2)))
    spec = TaskSpec("transposes", S(40), V**2, V**2)
    return (X, y, spec) if return_spec else (X, y)


def float32_task(name, n_samples):
    """Return X, y and the symmetry of a task, in single precision."""
    make = {**TASKS, MATRICES: make_transposes}[name]
    X, y, spec = make(n_samples, random_state=0, return_spec=True)
    return X.astype(np.float32), y.astype(np.float32), spec


def regressor(spec, max_iter=1):
    """Return the unfitted model that the benchmarks train: a network alone, of 3 layers of 384 channels."""
    return FastEMLPRegressor(
        group=spec.group,
        rep_in=spec.rep_in,
        rep_out=spec.rep_out,
        polynomial=None,
        kernel=None,
        channels=384,
        n_layers=3,
        batch_size=500,
        max_iter=max_iter,
        early_stopping=False,
        random_state=0,
    )


def check_equivariant(model, X, spec, tolerance=1e-3):
    """Raise unless ``model.predict(ρ_in(g) x) = ρ_out(g) model.predict(x)`` in single precision."""
    rep_in, rep_out = spec.rep_in(spec.group), spec.rep_out(spec.group)
    y = model.predict(X)
    for g in spec.group.samples(3, random_state=0):
        moved = model.predict((X @ rep_in.rho_dense(g).T).astype(X.dtype))
        expected = y.reshape(len(X), -1) @ rep_out.rho_dense(g).T
        error = np.abs(moved.reshape(len(X), -1) - expected).max() / np.abs(expected).max()
        if not error < tolerance:
            raise RuntimeError(f"prediction is not equivariant: relative error {error:.1e}")
