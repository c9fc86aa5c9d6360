"""The command line: ``fastemlp demo``."""

import argparse
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.metrics import mean_squared_error
from sklearn.neural_network import MLPRegressor
from tqdm import tqdm

from fastemlp import FastEMLPRegressor, __version__
from fastemlp.datasets import make_o5_synthetic
from fastemlp.testing import equivariance_error

N_TRAIN, N_TEST = 1000, 5000
FIGURE = "fastemlp-demo.png"


def main(argv=None):
    """Entry point of the ``fastemlp`` command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="fastemlp", description="Exactly equivariant networks, fast on ordinary CPUs."
    )
    parser.add_argument("--version", action="version", version=f"fastemlp {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    demo_parser = commands.add_parser(
        "demo", help="fit the O(5) task and compare with scikit-learn's MLPRegressor"
    )
    demo_parser.add_argument("--seed", type=int, default=0, help="seed of data and models")
    demo_parser.add_argument(
        "--figure", type=Path, default=Path(FIGURE), help=f"learning curves (default {FIGURE})"
    )
    arguments = parser.parse_args(argv)
    return demo(arguments.seed, arguments.figure)


def demo(seed, figure):
    """Fit both kinds of model to the same 1,000 samples and print how they compare."""
    X, y, spec = make_o5_synthetic(N_TRAIN + N_TEST, random_state=seed, return_spec=True)
    X, y = X.astype(np.float32), y.astype(np.float32)
    train, test = slice(0, N_TRAIN), slice(N_TRAIN, None)
    print(f"Learning y(x1, x2) on pairs of vectors in R^5, invariant under {spec.group}.")
    print(f"{N_TRAIN:,} training samples, {N_TEST:,} test samples, seed {seed}.\n")

    models = {
        f"FastEMLPRegressor(group={spec.group})": FastEMLPRegressor(
            group=spec.group, verbose=1, random_state=seed
        ),
        "MLPRegressor()": MLPRegressor(random_state=seed),
        "MLPRegressor((384, 384, 384))": MLPRegressor(
            hidden_layer_sizes=(384,) * 3, random_state=seed
        ),
    }
    rows, curves = [], {}
    rep_in, rep_out = spec.rep_in(spec.group), spec.rep_out(spec.group)
    for name, model in tqdm(models.items(), desc="models", file=sys.stderr):
        start = time.perf_counter()
        model.fit(X[train], y[train])
        seconds = time.perf_counter() - start
        mse = mean_squared_error(y[test], model.predict(X[test]))
        error = equivariance_error(model.predict, rep_in, rep_out, X[test], random_state=seed)
        rows.append((name, mse, error, seconds, _n_parameters(model)))
        curves[name] = _loss_curve(model, y[train])
    _print_table(rows)
    best = min(mse for _, mse, *_ in rows[1:])
    print(f"\nTest error {best / rows[0][1]:.0f} times below the better MLP.")
    _save_figure(figure, curves)
    return 0


def _n_parameters(model):
    if isinstance(model, FastEMLPRegressor):
        return model.n_parameters_
    return sum(a.size for a in (*model.coefs_, *model.intercepts_))


def _loss_curve(model, y):
    """Training losses in units of the variance of y."""
    if isinstance(model, FastEMLPRegressor):
        return model.loss_curve_
    # scikit-learn reports half the squared error
    return [2 * loss / np.var(y) for loss in model.loss_curve_]


def _print_table(rows):
    header = ("model", "test MSE", "equivariance error", "seconds", "parameters")
    print("\n{:32s} {:>10s} {:>20s} {:>9s} {:>12s}".format(*header))
    for name, mse, error, seconds, n_parameters in rows:
        print(f"{name:32s} {mse:10.4g} {error:20.1e} {seconds:9.1f} {n_parameters:12,d}")


def _save_figure(path, curves):
    if find_spec("matplotlib") is None:
        print("For a figure of the learning curves: pip install 'fastemlp[plot]'.")
        return
    from fastemlp.plotting import save_learning_curves

    save_learning_curves(path, curves, title="O(5) task: training loss")
    print(f"Learning curves written to {path.resolve()}")
