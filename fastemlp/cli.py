"""The command line: ``fastemlp demo`` and ``fastemlp basis``."""

import argparse
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.metrics import mean_squared_error
from sklearn.neural_network import MLPRegressor
from tqdm import tqdm

from fastemlp import (
    FastEMLPRegressor,
    __version__,
    equivariant_basis,
    parse_group,
    parse_rep,
)
from fastemlp.datasets import make_o5_synthetic
from fastemlp.solver import ConvergenceError
from fastemlp.store import default_store
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
    demo_parser.set_defaults(run=lambda given: demo(given.seed, given.figure))
    _add_basis_commands(commands.add_parser("basis", help="the solved bases kept on disk"))
    arguments = parser.parse_args(argv)
    return arguments.run(arguments)


def _add_basis_commands(parser):
    actions = parser.add_subparsers(dest="action", required=True)
    for run, text in (
        (basis_warm, "solve a rep now, so that later processes find its basis"),
        (basis_list, "list the entries, the user's own and the shared ones"),
        (basis_verify, "read and check every entry; exit status 1 if one is damaged"),
        (basis_clear, "remove the user's own entries, never the shared ones"),
    ):
        action = actions.add_parser(run.__name__.removeprefix("basis_"), help=text)
        action.add_argument(
            "--directory", type=Path, help="the user's own, in place of FASTEMLP_BASIS_DIR"
        )
        action.set_defaults(run=lambda given, run=run: _with_store(run, given))
        if run is basis_warm:
            action.add_argument("group", metavar="GROUP", help='for example "O(5)"')
            action.add_argument("rep", metavar="REP", help='for example "T4>>T4", in quotes')


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
        return len(model.theta_)
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


# -- fastemlp basis ------------------------------------------------------------------------------------------------


def _with_store(run, arguments):
    """Run a command with the store of the environment, which ``--directory`` overrides."""
    before = os.environ.get("FASTEMLP_BASIS_DIR")
    if arguments.directory is not None:
        # the environment is where equivariant_basis looks
        os.environ["FASTEMLP_BASIS_DIR"] = str(arguments.directory)
    try:
        store = default_store()
        if store.directory is None:
            return _failed("the store is turned off by FASTEMLP_BASIS_STORE.")
        return run(store, arguments)
    finally:
        if before is not None:
            os.environ["FASTEMLP_BASIS_DIR"] = before
        else:
            os.environ.pop("FASTEMLP_BASIS_DIR", None)


def basis_warm(store, arguments):
    """Solve a rep, which leaves its types in the store."""
    try:
        store.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return _failed(f"cannot make {store.directory}: {error.strerror}.")
    if not os.access(store.directory, os.W_OK):
        return _failed(f"cannot write to {store.directory}. Choose another with --directory.")
    old = {stored.path for stored in store.entries()}
    start = time.perf_counter()
    try:
        rep = parse_rep(arguments.rep, parse_group(arguments.group))
        basis = equivariant_basis(rep, store=True, verbose=1)
    except (ValueError, ConvergenceError, MemoryError) as error:
        return _failed(error)
    seconds = time.perf_counter() - start
    certificate = basis.certificate
    print(
        f"{arguments.rep} of {arguments.group}: size {basis.shape[0]:,}, rank {basis.rank:,}, residual "
        f"{certificate.residual:.1e}, in {seconds:.2f} s by {', '.join(certificate.strategies)}."
    )
    new = [stored for stored in store.entries() if stored.path not in old]
    print(f"{_total(new)} new in {store.directory}.")
    return 0


def basis_list(store, arguments):
    """Print a row for every entry."""
    found = list(store.entries())
    intact = [stored for stored in found if stored.header]
    if intact:
        _print_columns(
            [("key", "rep", "size", "rank", "strategy", "bytes", "created", "directory")]
            + [_row(stored) for stored in intact]
        )
    for stored in found:
        if stored.problem:
            print(f"damaged: {stored.path}: {stored.problem}")
    print(f"{_total(found)} in {', '.join(map(str, store.directories))}.")
    return 0


def basis_verify(store, arguments):
    """Check every entry and name the damaged ones."""
    checked, damaged = [], 0
    for stored, problem in tqdm(store.verify(), desc="entries", file=sys.stderr, leave=False):
        checked.append(stored)
        if problem:
            damaged += 1
            tqdm.write(f"damaged: {stored.path}: {problem}", file=sys.stdout)
    print(
        f"{_total(checked)} checked in {', '.join(map(str, store.directories))}: {damaged} damaged."
    )
    return 1 if damaged else 0


def basis_clear(store, arguments):
    """Remove the user's own entries."""
    n_files, n_bytes = store.clear()
    print(f"{n_files:,} files, {_readable(n_bytes)} removed from {store.directory}.")
    left = sum(stored.directory == store.directory for stored in store.entries())
    return _failed(f"{left:,} entries could not be removed.") if left else 0


def _failed(reason):
    print(f"fastemlp basis: {reason}", file=sys.stderr)
    return 1


def _row(stored):
    header = stored.header
    rep, strategy, created = (
        _printable(header.description.get(name, "?")) for name in ("rep", "strategy", "created")
    )
    size, rank = map(str, header.shape)
    n_bytes = _readable(stored.n_bytes)
    return header.key[:12], rep, size, rank, strategy, n_bytes, created, str(stored.directory)


def _printable(value, longest=40):
    """Text of a file, which may say anything: short, and no control characters for the terminal."""
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _print_columns(rows):
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print(
            "  ".join(f"{text:{width}s}" for text, width in zip(row, widths, strict=True)).rstrip()
        )


def _total(found):
    n_bytes = sum(stored.n_bytes for stored in found)
    return f"{len(found):,} {'entry' if len(found) == 1 else 'entries'}, {_readable(n_bytes)}"


def _readable(n_bytes):
    if n_bytes < 1000:
        return f"{n_bytes} bytes"
    power = min(int(np.log10(n_bytes)) // 3, 3)
    return f"{n_bytes / 1000**power:.1f} {('', 'kB', 'MB', 'GB')[power]}"
