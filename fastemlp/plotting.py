"""Figures; the only module that needs matplotlib (the ``plot`` extra)."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt


def save_learning_curves(path, curves, *, title):
    """Draw training-loss curves on a logarithmic scale and save them as a PNG.

    Parameters
    ----------
    path : str or Path
    curves : dict of {label: sequence of float}; one loss per epoch
    title : str

    Returns
    -------
    The path.
    """
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for label, losses in curves.items():
        axes.semilogy(range(1, len(losses) + 1), losses, label=label)
    axes.set(xlabel="epoch", ylabel="training loss / variance of y", title=title)
    axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path
