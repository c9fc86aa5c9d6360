"""What every task shares: its symmetry, its checks and its noise."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TaskSpec:
    """The symmetry of a task: ``y`` transforms by `rep_out` when ``x`` does by `rep_in`.

    Parameters
    ----------
    name : str
    group : Group
    rep_in, rep_out : Rep
        Unbound representations; ``rep_in(group).size()`` is the number of columns of X and
        ``rep_out(group).size()`` that of y.

    Examples
    --------
    >>> from fastemlp.datasets import make_o5_synthetic
    >>> X, y, spec = make_o5_synthetic(8, random_state=0, return_spec=True)
    >>> spec.rep_in(spec.group).size() == X.shape[1]
    True
    """

    name: str
    group: Any
    rep_in: Any
    rep_out: Any


def check_count(value, name, caller):
    """Return `value` as an int, or raise unless it is a whole number of at least 1."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(
            f"{caller}: {name} must be an integer, got {value!r} of type "
            f"{type(value).__name__}. Pass a whole number such as 1000."
        )
    if value < 1:
        raise ValueError(
            f"{caller}: {name} must be at least 1, got {value}. Pass {name}=1 or more."
        )
    return int(value)


def check_noise(value, caller):
    """Return `value` as a float, or raise unless it is a finite standard deviation."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(
            f"{caller}: noise must be a number, the standard deviation of the noise added to y, "
            f"got {value!r} of type {type(value).__name__}. Pass noise=0.0 for none."
        )
    if not (np.isfinite(value) and value >= 0):
        raise ValueError(
            f"{caller}: noise must be a finite standard deviation of at least 0, got {value}. "
            "Pass noise=0.0 for none."
        )
    return float(value)


def finish(X, y, spec, *, noise, rng, return_spec):
    """Add the noise and assemble what a ``make_*`` function returns.

    The noise is drawn last, so X and the noise-free y depend on the seed alone.
    """
    if noise > 0:
        y = y + noise * rng.standard_normal(y.shape)
    return (X, y, spec) if return_spec else (X, y)
