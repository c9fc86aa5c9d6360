"""Progress bars, for those who can see them move."""

import sys

from tqdm.auto import tqdm


def progress_bar(*args, shown=True, **options):
    """A tqdm bar, if it is asked for and standard error is a terminal or a notebook; else one that stays silent.

    Parameters
    ----------
    *args, **options : of ``tqdm``
    shown : bool; whether it is asked for

    Notes
    -----
    In a file, a bar is a line for every tenth of a second.
    """
    return tqdm(*args, disable=not (shown and _is_watched()), **options)


def _is_watched():
    # a notebook draws bars of its own, and its standard error is no terminal
    return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())
