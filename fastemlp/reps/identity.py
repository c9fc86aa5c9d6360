"""How two reps of one class are compared: by the content of their attributes, types included."""

import re
from functools import cached_property, lru_cache

import numpy as np
import scipy.sparse as sp

#: Attributes of a rep that are not part of its value.
_NOT_VALUE = {"G", "_canonical", "_checked", "_size"}


def attribute_key(rep):
    """The attributes of a rep as a hashable value: equal only where types and contents are.

    ``True``, ``1`` and ``1.0`` are three values, as a rep may use each differently; so are dicts in another order.

    Raises
    ------
    TypeError
        Naming the attribute that cannot be compared.
    """
    stored = {**rep.__dict__, **slot_values(rep)}
    key = []
    for name in sorted(set(stored) - derived_names(type(rep))):
        value = stored[name]
        try:
            key.append((name, content(value)))
        except TypeError as error:
            raise TypeError(
                f"{type(rep).__name__}: the attribute {name!r} is of type {type(value).__name__} and cannot be "
                f"compared ({error}), so equal reps would not be known as such. Store numbers, strings, arrays, "
                "tuples, lists, dicts or sets of these, or define __hash__ for it."
            ) from error
    return tuple(key)


def content(value):
    """A hashable stand-in for a value, equal for equal type and content; TypeError if a part of it has no hash."""
    kind = type(value)
    if value is None or kind in (bool, int, str, bytes):
        return (kind.__name__, value)
    if kind in (float, complex):
        return (kind.__name__, repr(value))  # tells -0.0 from 0.0, and a nan is itself
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        held = tuple(map(content, array.ravel())) if array.dtype.hasobject else array.tobytes()
        return (kind.__qualname__, array.dtype.str, array.shape, held)
    if sp.issparse(value):
        entries = sp.coo_array(value)
        parts = (*entries.coords, entries.data)
        return (kind.__qualname__, value.shape, *map(content, parts))
    if isinstance(value, dict):
        return (kind.__qualname__, tuple((content(k), content(v)) for k, v in value.items()))
    if isinstance(value, (set, frozenset)):
        return (kind.__qualname__, tuple(sorted(map(content, value), key=repr)))
    if isinstance(value, (list, tuple)):
        return (kind.__qualname__, tuple(map(content, value)))
    if isinstance(value, (bytearray, slice)):
        return (kind.__qualname__, repr(value))
    hash(value)
    return (kind.__qualname__, value)


def stable_text(key):
    """A key as text without addresses of objects, which differ between processes."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(key))


def slot_values(rep):
    """What is stored in ``__slots__`` of the classes of a rep, as a dict."""
    found = {}
    for cls in type(rep).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(rep, name):
                found[name] = getattr(rep, name)
    return found


@lru_cache(maxsize=1024)
def derived_names(cls):
    """The attributes that are not part of the value of a rep of this class: the group, and what is derived."""
    derived = set(_NOT_VALUE)
    for base in cls.__mro__:
        derived |= {name for name, v in base.__dict__.items() if isinstance(v, cached_property)}
    return derived
