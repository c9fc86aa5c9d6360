"""Lists of matrices as rows of real numbers, so that spans over the reals are linear algebra.

A list of n generators is a list over the atoms of arrays (n, d, d).
"""

import numpy as np


def real_rows(blocks):
    """One row of real numbers per generator, so that dot products are ``Re tr(Aᴴ B)`` summed over the atoms."""
    rows = [block.reshape(len(block), block.shape[1] ** 2) for block in blocks]
    parts = [(row.real, row.imag) if np.iscomplexobj(row) else (row,) for row in rows]
    return np.hstack([part for pair in parts for part in pair])


def from_rows(rows, like):
    """The inverse of ``real_rows``, with the shapes and dtypes of ``like``."""
    blocks, start = [], 0
    for block in like:
        d, size = block.shape[1], block.shape[1] ** 2
        part = rows[:, start : start + size]
        start += size
        if np.iscomplexobj(block):
            part = part + 1j * rows[:, start : start + size]
            start += size
        blocks.append(part.reshape(len(rows), d, d))
    return blocks
