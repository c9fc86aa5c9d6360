"""The command line: ``fastemlp demo`` and ``fastemlp basis``."""

import argparse
import os
import re
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.metrics import mean_squared_error
from sklearn.neural_network import MLPRegressor

from fastemlp import FastEMLPRegressor, __version__, equivariant_basis, parse_group, parse_rep
from fastemlp._budget import DEFAULT_BUDGET
from fastemlp._progress import progress_bar
from fastemlp.datasets import make_o5_synthetic
from fastemlp.exceptions import ConvergenceError
from fastemlp.store import default_store
from fastemlp.testing import equivariance_error

N_TRAIN, N_TEST = 1000, 5000
FIGURE = "fastemlp-demo.png"
EXIT_STATUS = (
    "exit status: 0 done; 1 failed, damaged entries found, or the output closed; "
    "2 invalid arguments; 130 interrupted"
)


def main(argv=None):
    """Entry point of the ``fastemlp`` command.

    Returns
    -------
    int
        The exit status: 0 done; 1 failed, damaged entries found, or a closed pipe; 130 interrupted. Invalid arguments
        raise argparse's ``SystemExit(2)``.
    """
    try:
        try:
            return _run(argv)
        finally:
            # here, where the error of a closed pipe is still caught
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        _write_nowhere()
        return 1
    except KeyboardInterrupt:
        return _failed("interrupted.", status=130)
    except (OSError, MemoryError) as error:
        return _failed(_reason(error))


def _run(argv):
    parser = argparse.ArgumentParser(
        prog="fastemlp",
        description="Exactly equivariant networks, fast on ordinary CPUs.",
        epilog=EXIT_STATUS,
    )
    parser.add_argument("--version", action="version", version=f"fastemlp {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    demo_parser = commands.add_parser(
        "demo", help="fit the O(5) task and compare with scikit-learn's MLPRegressor"
    )
    demo_parser.add_argument("--seed", type=_seed, default=0, help="seed of data and models")
    demo_parser.add_argument(
        "--figure",
        type=Path,
        default=Path(FIGURE),
        help=f"file or directory for the learning curves (default {FIGURE})",
    )
    demo_parser.set_defaults(run=lambda given: demo(given.seed, given.figure))
    _add_basis_commands(commands.add_parser("basis", help="the solved bases kept on disk"))
    arguments = parser.parse_args(argv)
    return arguments.run(arguments)


def _seed(text):
    # the range of numpy's and scikit-learn's seeds
    if not (text.isdecimal() and int(text) < 2**32):
        raise argparse.ArgumentTypeError(
            f"expected a whole number from 0 to {2**32 - 1}, got {text!r}"
        )
    return int(text)


def _n_bytes(text):
    match = re.fullmatch(r"(\d+(?:\.\d+)?) *(?:([kMGT])(i?))?B?", text, re.ASCII)
    power = "kMGT".index(match[2]) + 1 if match and match[2] else 0
    size = int(float(match[1]) * (1024 if match[3] else 1000) ** power) if match else 0
    if size < 1:
        raise argparse.ArgumentTypeError(f"expected a size such as 500MB or 4GiB, got {text!r}")
    return size


def _write_nowhere():
    """Discard what is still buffered for a closed pipe; the interpreter would complain of it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # no stream, or not a file
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _failed(reason, status=1):
    with suppress(OSError):  # standard error is closed, too
        print(f"fastemlp: {reason}", file=sys.stderr)
    return status


def _reason(error):
    if isinstance(error, OSError) and error.strerror:
        named = "" if error.filename is None else f"{error.filename}: "
        return f"{named}{error.strerror}."
    return str(error) or type(error).__name__  # a MemoryError may have no message


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
            action.add_argument(
                "--memory-budget",
                type=_n_bytes,
                default=DEFAULT_BUDGET,
                metavar="SIZE",
                help='the most that solving may take, such as "500MB" or "4GiB" (default 1GiB)',
            )


def demo(seed, figure):
    """Fit both kinds of model to the same 1,000 samples and print how they compare."""
    draws = find_spec("matplotlib") is not None
    if draws:
        from fastemlp.plotting import figure_path, save_learning_curves

        try:
            figure = figure_path(figure, FIGURE)
        except (OSError, ValueError) as error:
            return _failed(f"--figure {figure}: {getattr(error, 'strerror', None) or error}")
    X, y, spec = make_o5_synthetic(N_TRAIN + N_TEST, random_state=seed, return_spec=True)
    X, y = X.astype(np.float32), y.astype(np.float32)
    train, test = slice(0, N_TRAIN), slice(N_TRAIN, None)
    print(f"Learning y(x1, x2) on pairs of vectors in R^5, invariant under {spec.group}.")
    print(
        f"{N_TRAIN:,} training samples, {N_TEST:,} test samples, random_state={seed}.\n", flush=True
    )

    # each label is the call that makes its model, apart from the random state
    models = {
        f"FastEMLPRegressor(group={spec.group})": FastEMLPRegressor(
            group=spec.group, verbose=1, random_state=seed
        ),
        "MLPRegressor()": MLPRegressor(random_state=seed),
        "MLPRegressor(hidden_layer_sizes=[384] * 3)": MLPRegressor(
            hidden_layer_sizes=[384] * 3, random_state=seed
        ),
    }
    rows, curves = [], {}
    rep_in, rep_out = spec.rep_in(spec.group), spec.rep_out(spec.group)
    for name, model in progress_bar(models.items(), desc="models"):
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
    if draws:
        save_learning_curves(figure, curves, title="O(5) task: training loss")
        print(f"Learning curves written to {figure.resolve()}")
    else:
        print("For a figure of the learning curves: pip install 'fastemlp[plot]'.")
    return 0


def _n_parameters(model):
    if isinstance(model, FastEMLPRegressor):
        form = model.closed_form_
        n_of_form = 0 if form is None else form.n_coefficients
        return n_of_form + (len(model.theta_) if model.network_share_ else 0)
    return sum(a.size for a in (*model.coefs_, *model.intercepts_))


def _loss_curve(model, y):
    """Training losses in units of the variance of y."""
    if isinstance(model, FastEMLPRegressor):
        return model.loss_curve_
    # scikit-learn reports half the squared error
    return [2 * loss / np.var(y) for loss in model.loss_curve_]


def _print_table(rows):
    header = ("model", "test MSE", "equivariance error", "seconds", "parameters")
    width = max(len(name) for name, *_ in rows)
    print("\n{:{width}s} {:>9s} {:>19s} {:>8s} {:>11s}".format(*header, width=width))
    for name, mse, error, seconds, n_parameters in rows:
        print(f"{name:{width}s} {mse:9.3g} {error:19.1e} {seconds:8.1f} {n_parameters:11,d}")


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
            return _failed(
                "the store is turned off by FASTEMLP_BASIS_STORE, or there is no home directory to keep it in. "
                "Name one with --directory."
            )
        for directory in store.directories:
            try:
                # otherwise a file, or an unreadable directory, would pass for an empty store
                next(os.scandir(directory), None)
            except FileNotFoundError:
                pass  # not made yet
            except (OSError, ValueError) as error:
                return _failed(f"basis store: {_reason(error)}")
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
        basis = equivariant_basis(rep, store=True, verbose=1, memory_budget=arguments.memory_budget)
    except (ValueError, TypeError, ConvergenceError, MemoryError) as error:
        return _failed(_reason(error))
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
    bar = progress_bar(store.verify(), desc="entries", leave=False)
    for stored, problem in bar:
        checked.append(stored)
        if problem:
            damaged += 1
            bar.write(f"damaged: {stored.path}: {problem}", file=sys.stdout)
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


def _row(stored):
    header = stored.header
    rep, strategy, created = (
        _printable(header.description.get(name, "?")) for name in ("rep", "strategy", "created")
    )
    size, rank = map(str, header.shape)
    n_bytes = _readable(stored.n_bytes)
    return header.key[:12], rep, size, rank, strategy, n_bytes, created, str(stored.directory)


def _printable(value, longest=40):
    """Text from a file, which may hold anything, shortened and without control characters."""
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
