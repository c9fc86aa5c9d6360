"""Whether generators look rounded: relations that hold nearly, but not to what the generators are known to."""

from __future__ import annotations

import numpy as np

from fastemlp.irreducibles.spans import (
    dense_generators,
    from_rows,
    orthonormal,
    outside,
    real_rows,
)

#: A defect between so many times what the generators are known to, and this, is that of rounding.
CLEARLY, NEARLY = 1e2, 1e-5
#: What leaves a span by more than this, of unit vectors, is known to enough digits to be another direction.
NEW = 1e-3
#: Numbers in the matrices of a Lie algebra up to which its brackets are looked at.
MAX_NUMBERS = 10**6


def looks_rounded(C):
    """Whether the generators of a TensorConstraint have relations that hold only nearly; a bool.

    A small gap alone is no sign of rounding: rotations by small angles, or by nearly commensurate ones, have one. Signs
    are ``‖hᴴh − I‖`` of a discrete generator, and brackets that leave the span of the Lie algebra, by little.
    """
    smallest = CLEARLY * C.accuracy

    def telling(defect):
        return smallest < defect < NEARLY

    for matrices in C.discrete:
        for h in matrices:
            if h is not None:
                product = (h.conj().T @ h).toarray()
                if telling(np.abs(product - np.eye(len(product))).max()):
                    return True
    return bool(C.lie) and _brackets_leave(C, telling)


def _brackets_leave(C, telling):
    rng = np.random.default_rng(0)
    rows = orthonormal(real_rows(dense_generators(C)[0]), NEW)[0]
    size = 0
    while size < rows.size <= MAX_NUMBERS:
        size, n = rows.size, len(rows)
        X, Y = (
            from_rows(rng.standard_normal((4, n)) @ rows / np.sqrt(n), C.dims, C.dtype)
            for _ in "XY"
        )
        new = real_rows([A @ B - B @ A for A, B in zip(X, Y, strict=True)])
        new = outside(outside(new, rows), rows)
        norms = np.linalg.norm(new, axis=1)
        if any(telling(norm) for norm in norms):
            return True
        rows = np.concatenate([rows, orthonormal(new[norms >= NEW], NEW)[0]])
    return False
