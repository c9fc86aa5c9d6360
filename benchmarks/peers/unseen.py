"""Test errors of the default model on tasks that nothing was tuned on, over those of the best of many baselines.

Run ``python benchmarks/peers/unseen.py``; ``--help`` lists the options, ``--check`` tests the tasks themselves. The
baselines are what a user would try first (``unseen_baselines.py``): perceptrons, boosting, kernels, Gaussian processes
and linear models on the columns and on invariants written by hand, perceptrons on data that the group has moved,
kernels times equivariant objects, ``EquivariantRidge``. Of these the best is quoted: that of the smallest median test
error for this task and number of samples, chosen in hindsight, which favours them.

An error is the mean square over all outputs and 1,000 test samples, over the variance of the test targets. The seed
draws samples and model. Ratios are of errors floored to 1e-9 (``--floor``), so that no exact polynomial decides their
mean.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
from unseen_baselines import UnsuitableError, act, bound, candidates, groups_of
from unseen_tasks import N_TEST, TASKS, duct

from fastemlp import FastEMLPRegressor


def relative_error(task, found):
    """Mean square error on the test samples over their variance."""
    right = (task.y if task.clean is None else task.clean)[-N_TEST:]
    return float(np.square(found - right).mean() / right.var(0).mean())


def ours(task, n, seed):
    """Error and processor seconds of the default model."""
    model = FastEMLPRegressor(
        task.group, rep_in=task.rep_in, rep_out=task.rep_out, random_state=seed
    )
    X, y = task.X.astype(np.float32), task.y.astype(np.float32)
    start = time.process_time()
    model.fit(X[:n], y[:n])
    seconds = time.process_time() - start
    return relative_error(task, model.predict(X[-N_TEST:])), seconds


class Cache:
    """Errors of baselines by task, samples, seed and baseline; kept in a file if there is one."""

    def __init__(self, path):
        self.path = path and Path(path)
        self.errors = json.loads(self.path.read_text()) if path and self.path.exists() else {}

    def of(self, name, task, n, seed, refresh):
        """Errors of all baselines, computed where they are not known."""
        found = {}
        for baseline, predict in candidates(task, n, seed):
            key = f"{name} | {n} | {seed} | {baseline}"
            if key not in self.errors and refresh:
                self.errors[key] = _error_or_none(task, predict)
            # None is a model that does not suit the task
            if self.errors.get(key) is not None:
                found[baseline] = self.errors[key]
        if refresh:
            self._save()
        return found

    def _save(self):
        if self.path:
            part = self.path.with_suffix(".part")
            part.write_text(json.dumps(self.errors, indent=0))
            os.replace(part, self.path)


def _error_or_none(task, predict):
    try:
        error = relative_error(task, predict())
    except (UnsuitableError, np.linalg.LinAlgError) as reason:
        print(f"    skipped: {type(reason).__name__}: {str(reason)[:100]}", flush=True)
        return None
    return error if np.isfinite(error) else None


def check(tasks, n=40):
    """Raise unless targets and bases are equivariant, features invariant and samples fit the reps."""
    for name, make in tasks.items():
        rng = np.random.default_rng(0)
        task = make(rng, n + N_TEST)
        rep_in, rep_out = bound(task)
        X = task.X[:n]
        sizes = X.shape[1], task.y.reshape(len(task.y), -1).shape[1]
        if (rep_in.size(), rep_out.size()) != sizes or len(task.X) != n + N_TEST:
            raise ValueError(f"{name}: reps of sizes {rep_in.size()}, {rep_out.size()}, {sizes=}")
        worst = {}
        for _ in range(5):
            g = {group: group.sample(rng) for group in groups_of(rep_in, rep_out)}
            moved = act(rep_in, g, X)
            if task.target is not None:
                _record(worst, "target", task.target(moved), act(rep_out, g, task.target(X)))
            for kind, of in task.features.items():
                _record(worst, kind, of(moved), of(X), axis=0)
            if task.basis is not None:
                objects = task.basis(X)
                expected = act(rep_out, g, objects.reshape(-1, objects.shape[2]))
                _record(worst, "basis", task.basis(moved), expected.reshape(objects.shape))
            if task.local is not None:
                rows = task.local(X)
                columns = rows.swapaxes(1, 2).reshape(-1, rows.shape[1])
                expected = act(rep_out, g, columns).reshape(rows.swapaxes(1, 2).shape)
                _record(worst, "local", task.local(moved), expected.swapaxes(1, 2))
        print(f"{name:15s}", "  ".join(f"{kind} {e:.0e}" for kind, e in worst.items()), flush=True)
        if not all(error < 1e-8 for error in worst.values()):
            raise ValueError(f"{name} is not equivariant: {worst}")


def _record(worst, kind, found, expected, axis=None):
    error = np.abs(found - expected).max(axis) / np.abs(expected).max(axis)
    worst[kind] = float(np.maximum(worst.get(kind, 0.0), error.max()))


def measure(tasks, arguments):
    """Print runs as they end; the rows of the last table."""
    cache, rows = Cache(arguments.cache), []
    for n in arguments.samples:
        for name, make in tasks.items():
            errors, seconds, baselines = [], [], {}
            for seed in arguments.seeds:
                start = time.process_time()
                task = make(np.random.default_rng(seed), n + N_TEST)
                found = cache.of(name, task, n, seed, "baselines" in arguments.models)
                for baseline, error in found.items():
                    baselines.setdefault(baseline, []).append(error)
                spent = time.process_time() - start
                line = f"{name:15s} {n:5d} {seed:3d}"
                if found:
                    best = min(found, key=found.get)
                    line += f"   best baseline {found[best]:.2e} {best} ({spent:.1f} s for all)"
                if "ours" in arguments.models:
                    error, spent = ours(task, n, seed)
                    errors.append(error)
                    seconds.append(spent)
                    line += f"   ours {error:.2e} {spent:.1f} s"
                print(line, flush=True)
            # a baseline that failed for one seed is out
            medians = {
                b: np.median(e) for b, e in baselines.items() if len(e) == len(arguments.seeds)
            }
            best = min(medians, key=medians.get) if medians else ""
            mine = np.median(errors) if errors else np.nan
            spent = np.median(seconds) if seconds else np.nan
            rows.append((name, n, mine, medians.get(best, np.nan), best, spent))
    return rows


def report(rows, floor):
    """Print the table and what it comes to."""
    print(f"\n{'task':15s}     n       ours   baseline     ratio  CPU s   best baseline")
    ratios = {}
    for name, n, mine, theirs, best, seconds in rows:
        ratio = np.maximum(mine, floor) / np.maximum(theirs, floor)
        ratios[name, n] = ratio
        mark = "  above the variance" if mine > 1 else ""
        print(
            f"{name:15s} {n:5d} {mine:10.2e} {theirs:10.2e} {ratio:9.3g} {seconds:6.1f}   {best}{mark}"
        )
    for n in (*dict.fromkeys(row[1] for row in rows), None):
        some = {key: r for key, r in ratios.items() if n in (None, key[1]) and np.isfinite(r)}
        if not some:
            continue
        values = np.array(list(some.values()))
        worst = max(some, key=some.get)
        above = sum(row[2] > 1 for row in rows if n in (None, row[1]))
        print(
            f"{f'n = {n}' if n else 'all':9s} geometric mean of {len(values)} ratios "
            f"{np.exp(np.log(values).mean()):.3f}; above 1.2: {np.sum(values > 1.2)}, above 1.3: "
            f"{np.sum(values > 1.3)}; worst {some[worst]:.3g} ({worst[0]}, {worst[1]}); "
            f"errors above the variance: {above}"
        )


def main():
    """Print one row per run as it ends, then the medians over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--samples", nargs="+", type=int, default=[30, 100, 300, 1000])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--models", nargs="+", choices=["ours", "baselines"], default=["ours", "baselines"]
    )
    parser.add_argument("--cache", metavar="FILE", help="JSON that keeps the baselines' errors")
    parser.add_argument("--floor", type=float, default=1e-9, help="errors below it count as it")
    parser.add_argument("--check", action="store_true", help="only test that tasks are equivariant")
    parser.add_argument("--duct", metavar="FOLDER", help="learn turbulent flow in a duct, too")
    arguments = parser.parse_args()
    tasks = {name: TASKS[name] for name in arguments.tasks}
    if arguments.duct:
        tasks["duct"] = duct(arguments.duct)
    if arguments.check:
        check(tasks)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report(measure(tasks, arguments), arguments.floor)


if __name__ == "__main__":
    main()
