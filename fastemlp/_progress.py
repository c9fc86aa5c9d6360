"""Progress bars, shown only where someone can watch them."""

import sys

from tqdm.auto import tqdm


def progress_bar(*args, shown=True, **options):
    """A tqdm bar, silent unless ``shown`` and standard error is a terminal or a notebook.

    In a file a bar would be a line for every tenth of a second.
    """
    return tqdm(*args, disable=not (shown and _is_watched()), **options)


def _is_watched():
    # a notebook draws its own bars, and its standard error is not a terminal
    return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())
