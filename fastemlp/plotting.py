"""Figures; the only module that needs matplotlib (the ``plot`` extra)."""

import io
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt


def figure_path(path, name="figure.png"):
    """The file that a figure is written to for ``path``, after checking that it can be written.

    Parameters
    ----------
    path : str or Path
        A file, whose suffix is the format (PNG without one), or a directory
    name : str; the file in a directory

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If matplotlib cannot write files with this suffix; an empty figure is tried.
    OSError
        If the directory is missing or no file can be written in it.
    """
    path = Path(path)
    if path.is_dir():
        path = path / name
    elif not path.suffix:
        path = path.with_name(path.name + ".png")
    figure = plt.figure(figsize=(1, 1))
    try:
        figure.savefig(io.BytesIO(), format=path.suffix[1:])
    except Exception as error:  # a format's writer may need programs or libraries
        raise ValueError(
            f"matplotlib cannot write a figure as {path.suffix!r} here. Use .png, .pdf or .svg."
        ) from error
    finally:
        plt.close(figure)
    if path.exists():
        with open(path, "r+b"):
            pass
    else:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    return path


def save_learning_curves(path, curves, *, title):
    """Draw training-loss curves on a logarithmic scale and save them.

    Parameters
    ----------
    path : str or Path; as for ``figure_path``
    curves : dict of {label: sequence of float}; one loss per epoch; a single one is drawn as a line
    title : str

    Returns
    -------
    The path written.
    """
    path = figure_path(path)
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for label, losses in curves.items():
        if len(losses) == 1:  # no training, a closed form
            axes.axhline(losses[0], label=label, linestyle="--")
        else:
            axes.semilogy(range(1, len(losses) + 1), losses, label=label)
    axes.set(xlabel="epoch", ylabel="training loss / variance of y", title=title)
    axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path
