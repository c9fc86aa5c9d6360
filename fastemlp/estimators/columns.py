"""How a group acts on the columns of X and y, and which of their rows are copies."""

import numpy as np

from fastemlp.reps import Rep, Scalar, V, bind, parse_rep


def rep_of_inputs(rep, group, width, caller):
    """How a group acts on the columns of X: a bound Rep of size ``width``.

    Parameters
    ----------
    rep : Rep, str or None; None reads the columns as vectors
    group : Group or None; None is for a bound rep, or scalars
    width : int; number of columns
    caller : str; the start of an error message

    Raises
    ------
    ValueError, TypeError
        If ``rep`` is not a rep, is not bound or does not fit.
    """
    if rep is not None:
        return _given_rep("rep_in", rep, group, "X", width, caller)
    if group is None:
        return width * Scalar
    if width % group.d:
        raise ValueError(
            f"{caller}: without rep_in the columns of X are read as vectors of {group}, so their number "
            f"must be a multiple of {group.d}, got {width}. Pass rep_in=… of size {width}, for example "
            f"{str(_vectors_and_scalars(width, group.d))!r}."
        )
    return (width // group.d) * V(group)


def rep_of_targets(rep, group, width, caller):
    """How a group acts on the columns of y: see ``rep_of_inputs``. None: a scalar, or where only scalars fit."""
    if rep is not None:
        return _given_rep("rep_out", rep, group, "y", width, caller)
    if width == 1 or group is None or width < group.d or _acts_trivially(group):
        return width * Scalar
    fitting = [width * Scalar, _vectors_and_scalars(width, group.d)]
    power = round(np.log(width) / np.log(group.d)) if group.d > 1 else 0
    if power > 1 and group.d**power == width:
        fitting.append(V**power)
    raise ValueError(
        f"{caller}: y has {width} columns, which {group} may act on in several ways. "
        f"Pass rep_out, for example {' or '.join(repr(str(r)) for r in dict.fromkeys(fitting))}."
    )


def _acts_trivially(group):
    return not (group.orthonormal_lie_algebra or group.sparse_discrete_generators)


def _vectors_and_scalars(width, d):
    return (width // d) * V + (width % d) * Scalar


def _given_rep(name, rep, group, data, width, caller):
    if isinstance(rep, str):
        rep = parse_rep(rep)
    if not isinstance(rep, Rep):
        raise TypeError(
            f"{caller}: {name} must be a Rep or a string such as '2V+5V0', got {rep!r}."
        )
    rep = bind(rep, () if group is None else (group,), f"{caller}: {name}")
    if not rep.is_bound:
        raise ValueError(f"{caller}: {name}={rep} is not bound to a group. Pass group=… as well.")
    if rep.size() != width:
        owner = "" if group is None else f" for {group}"
        raise ValueError(
            f"{caller}: {name}={rep} has size {rep.size()}{owner}, got {data} with {width} "
            f"{'features' if data == 'X' else 'columns'}. Pass {name}=… of size {width}."
        )
    return rep


def distinct_rows(X, y):
    """Which samples are distinct: ``(first, sample)``, a row of each, and which of them every row is a copy of."""
    # rows sort fast as bytes; + 0.0 removes the sign of zero
    rows = np.hstack([X, y]) + 0.0
    rows = rows.view(f"V{rows.strides[0]}").ravel()
    _, first, sample = np.unique(rows, return_index=True, return_inverse=True)
    return first, sample
