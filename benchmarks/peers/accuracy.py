"""Test error against scikit-learn's MLPRegressor on the three synthetic tasks, same training samples.

Run ``python benchmarks/peers/accuracy.py`` (about 10 minutes); ``--help`` lists the options. Of the peers (default and
width 384×3, on data as it is and standardised) the best on the test set is quoted, which favours them.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import mean_squared_error
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastemlp import FastEMLPRegressor
from fastemlp.datasets import make_inertia, make_o5_synthetic, make_particle_interaction
from fastemlp.testing import equivariance_error

TASKS = {
    "o5": make_o5_synthetic,
    "inertia": make_inertia,
    "particle": make_particle_interaction,
}
N_TEST = 5000


def peers(seed):
    """The MLPs to beat."""
    for sizes in ((100,), (384,) * 3):
        plain = MLPRegressor(hidden_layer_sizes=sizes, random_state=seed)
        yield plain
        yield TransformedTargetRegressor(
            make_pipeline(StandardScaler(), plain), transformer=StandardScaler()
        )


def compare(task, n_samples, seed):
    """Test MSE of ours and of the best peer, our seconds, and our equivariance error over 100 elements."""
    X, y, spec = TASKS[task](n_samples + N_TEST, random_state=seed, return_spec=True)
    X, y = X.astype(np.float32), y.astype(np.float32)
    train, test = slice(0, n_samples), slice(n_samples, None)
    model = FastEMLPRegressor(
        spec.group, rep_in=spec.rep_in, rep_out=spec.rep_out, random_state=seed
    )
    start = time.perf_counter()
    model.fit(X[train], y[train])
    seconds = time.perf_counter() - start
    ours = mean_squared_error(y[test], model.predict(X[test]))
    error = equivariance_error(
        model.predict, model.rep_in_, model.rep_out_, X[test], n_elements=100, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = min(
            mean_squared_error(y[test], peer.fit(X[train], y[train]).predict(X[test]))
            for peer in peers(seed)
        )
    return ours, theirs, seconds, error


def main():
    """Print one row per task and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=1000)
    arguments = parser.parse_args()
    print("task      seed   test MSE   best MLP   ratio   seconds   equivariance error")
    for task in arguments.tasks:
        for seed in arguments.seeds:
            ours, theirs, seconds, error = compare(task, arguments.samples, seed)
            print(
                f"{task:9s} {seed:4d} {ours:10.3e} {theirs:10.3e} {theirs / ours:7.0f} "
                f"{seconds:9.1f} {error:20.1e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
