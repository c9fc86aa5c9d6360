"""The nested parameters of a network as one flat vector."""

import numpy as np


class FlatParameters:
    """The nested parameters of a network as views of one contiguous vector.

    Parameters
    ----------
    params : nested tuple of ndarrays

    Attributes
    ----------
    vector : ndarray of shape (size,); a copy of all parameters
    params : nested tuple like the one given, viewing ``vector``
    """

    def __init__(self, params):
        self.vector = flatten(params)
        self.params, _ = _views(params, self.vector, 0)
        self._leaves = tuple(leaves(self.params))

    def assign(self, params):
        """Copy a nested tuple of the same layout into ``vector``."""
        for own, other in zip(self._leaves, leaves(params), strict=True):
            np.copyto(own, other)


def flatten(params):
    """All arrays of a nested tuple as one new vector."""
    return np.concatenate([leaf.ravel() for leaf in leaves(params)])


def leaves(params):
    """The arrays of a nested tuple, depth first."""
    if isinstance(params, np.ndarray):
        yield params
    else:
        for part in params:
            yield from leaves(part)


def _views(params, vector, start):
    if isinstance(params, np.ndarray):
        stop = start + params.size
        return vector[start:stop].reshape(params.shape), stop
    parts = []
    for part in params:
        view, start = _views(part, vector, start)
        parts.append(view)
    return tuple(parts), start
