"""Isometries as plain data: a tree of JSON values beside a list of arrays."""

import numpy as np

from fastemlp.irreducibles import SchurIsometry
from fastemlp.isometries import Composition, DenseIsometry, DirectSumIsometry, OrbitIsometry

#: The classes an entry may hold, by name. A new Isometry can be stored once it is listed here.
CLASSES = {
    cls.__name__: cls
    for cls in (Composition, DenseIsometry, DirectSumIsometry, OrbitIsometry, SchurIsometry)
}

#: The array types an entry may hold; never objects.
CODES = ["|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f4", "<f8", "<c8", "<c16"]
DTYPES = {code: np.dtype(code) for code in CODES}


def flatten(isometry):
    """An isometry as a tree, whose nodes name their arrays by position, and a list of little-endian arrays.

    Raises
    ------
    TypeError
        If a class is not in ``CLASSES``, or the dtype of an array is not in ``DTYPES``.
    """
    arrays = []
    return _node(isometry, arrays), arrays


def _node(isometry, arrays):
    name = type(isometry).__name__
    if CLASSES.get(name) is not type(isometry):
        raise TypeError(
            f"basis store: cannot store a {name}, expected one of {', '.join(CLASSES)}. "
            "Add the class to CLASSES in fastemlp/store/tree.py."
        )
    meta, named, children = isometry.state()
    positions = {}
    for label, array in named.items():
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
        if little.dtype.str not in DTYPES:
            raise TypeError(
                f"basis store: cannot store array {label!r} of {name}, of dtype {array.dtype}; "
                f"expected one of {', '.join(DTYPES)}."
            )
        positions[label] = len(arrays)
        arrays.append(little)
    below = [_node(child, arrays) for child in children]
    return {"class": name, "meta": meta, "arrays": positions, "children": below}


def rebuild(tree, arrays):
    """The inverse of ``flatten``; raises whatever a class makes of a state that is not one of its own."""
    cls = CLASSES[tree["class"]]
    named = {label: arrays[position] for label, position in tree["arrays"].items()}
    children = tuple(rebuild(child, arrays) for child in tree["children"])
    isometry = cls.from_state(tree["meta"], named, children)
    if cls is OrbitIsometry:
        # compiled loops index with these unchecked
        _require_indices("labels", isometry.labels, isometry.shape[0], -1, isometry.rank)
        if isometry.phases is not None:
            _require_indices("phases", isometry.phases, isometry.shape[0], 0, isometry.n_phases)
    return isometry


def _require_indices(name, array, length, start, stop):
    if array.shape != (length,) or array.dtype.kind not in "iu":
        raise ValueError(f"{name} are {array.dtype} of shape {array.shape}, not {length} integers")
    if length and not start <= array.min() <= array.max() < stop:
        raise ValueError(
            f"{name} reach from {array.min()} to {array.max()}, not {start} to {stop - 1}"
        )
