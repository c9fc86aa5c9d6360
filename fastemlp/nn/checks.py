"""What the kernels take on trust, checked once where arrays come in: they look at no bounds."""

import numpy as np


def samples(caller, name, x, width, dtype, n=None):
    """Samples as the kernels read them: C-contiguous, copied if need be.

    Parameters
    ----------
    caller, name : str; for messages
    x : ndarray of shape (batch, width)
    width : int
    dtype : dtype; the network's
    n : int, optional; the batch that is expected

    Raises
    ------
    TypeError
        For another dtype, or what is no ndarray.
    ValueError
        For another shape.
    """
    _require_array(caller, name, x, dtype)
    if x.ndim != 2 or x.shape[1] != width or (n is not None and len(x) != n):
        batch = "batch" if n is None else n
        raise ValueError(
            f"{caller}: {name} must be of shape ({batch}, {width}), one row per sample, got {x.shape}."
        )
    return x if x.flags.c_contiguous else np.ascontiguousarray(x)


def vector(caller, name, x, size, dtype, origin):
    """A contiguous vector of this size: parameters or weights, which come from ``origin``. Raises like ``samples``."""
    _require_array(caller, name, x, dtype)
    if x.shape != (size,):
        raise ValueError(
            f"{caller}: {name} must be of shape ({size},), as from {origin}, got {x.shape}."
        )
    return x if x.flags.c_contiguous else np.ascontiguousarray(x)


def room(caller, name, x, shape, dtype):
    """Refuse an array that cannot be written to in place as it is. Raises like ``samples``."""
    _require_array(caller, name, x, dtype)
    if x.shape != shape:
        raise ValueError(f"{caller}: {name} must be of shape {shape}, got {x.shape}.")
    if not (x.flags.c_contiguous and x.flags.writeable):
        raise ValueError(f"{caller}: {name} is written to and must be C-contiguous and writeable.")


def rows(caller, name, x, n, dtype):
    """Refuse an array of fewer than n rows, or one that cannot be worked on in place. Raises like ``samples``."""
    _require_array(caller, name, x, dtype)
    if x.ndim != 2 or len(x) < n:
        raise ValueError(f"{caller}: {name} must be of shape ({n} or more, batch), got {x.shape}.")
    if not (x.flags.c_contiguous and x.flags.writeable):
        raise ValueError(f"{caller}: {name} must be C-contiguous and writeable.")


def _require_array(caller, name, x, dtype):
    if type(x) is np.ndarray and x.dtype is dtype:
        return  # nearly always
    if not isinstance(x, np.ndarray):
        raise TypeError(
            f"{caller}: {name} must be an ndarray of {dtype}, got {type(x).__name__}. "
            f"Pass np.asarray({name}, np.{dtype})."
        )
    if x.dtype != dtype:
        raise TypeError(
            f"{caller}: {name} must be {dtype}, as the network is, got {x.dtype}. "
            f"Pass {name}.astype(np.{dtype}), or build the network with another dtype."
        )
