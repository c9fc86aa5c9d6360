"""What the hidden layers hold, from what the user said."""

import re
from numbers import Integral

from fastemlp.nn.hidden import derived_rep
from fastemlp.reps import Rep, bind, parse_rep


def hidden_reps(channels, n_layers, groups, caller, ends):
    """The rep of each hidden layer.

    Parameters
    ----------
    channels : int, str or Rep, or a list or tuple of these, one per layer
        An int n is ``derived_rep(n, *ends)``; in text a bare number counts scalars: ``"32V+8V2+16"``.
    n_layers : int
    groups : sequence of Group; reps and text with no group of their own are of the one group
    caller : str; whose complaint an error is, such as "EMLP"
    ends : (Rep, Rep); of inputs and outputs, bound

    Returns
    -------
    list of Rep, bound

    Raises
    ------
    ValueError, TypeError
        For what is none of these, a list of another length, or a rep that does not know its group.
    """
    given = widths(channels, n_layers, caller)
    reps = {
        width: _hidden_rep(width, tuple(groups), caller, ends) for width in dict.fromkeys(given)
    }
    return [reps[width] for width in given]


def widths(channels, n_layers, caller):
    """One entry for each layer: a list or tuple as it is, anything else repeated. Raises ValueError for its length."""
    if not isinstance(channels, (list, tuple)):
        return (channels,) * n_layers
    if len(channels) != n_layers:
        raise ValueError(
            f"{caller}: channels lists {len(channels)} layers, expected {n_layers}, one entry for each hidden layer."
        )
    return tuple(channels)


def is_count(value):
    """Whether a value is a number of channels: an int ≥ 1."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= 1


def _hidden_rep(width, groups, caller, ends):
    if is_count(width):
        return derived_rep(width, *ends)
    rep = _parsed(width, caller) if isinstance(width, str) else width
    if not isinstance(rep, Rep):
        raise ValueError(
            f"{caller}: channels must be an int ≥ 1, text such as '16+32V+8V2', a Rep, or a list of these with one "
            f"entry per hidden layer, got {width!r}."
        )
    rep = bind(rep, groups, f"{caller}: channels")
    if not rep.is_bound:
        raise ValueError(
            f"{caller}: channels={rep} does not say which of the groups {', '.join(map(repr, groups))} acts. "
            f"Write V({groups[0]!r}) for V."
            if groups
            else f"{caller}: channels={rep} needs a group, and there is none. Pass group=…, or an int."
        )
    if not rep.size():
        raise ValueError(
            f"{caller}: channels={width!r} is of size 0: nothing would pass the layer."
        )
    return rep


def _parsed(text, caller):
    """Text as a rep; terms that are bare numbers count scalars."""
    terms = re.sub(r"(^|\+)\s*(\d+)\s*(?=\+|$)", r"\1\2*V0", text.strip())
    try:
        return parse_rep(terms)
    except ValueError as error:
        raise ValueError(f"{caller}: channels={text!r} is not understood. {error}") from error
