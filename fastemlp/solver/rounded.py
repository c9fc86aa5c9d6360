"""Whether generators look rounded: relations that hold nearly, but not to what the generators are known to."""

from __future__ import annotations

import numpy as np

from fastemlp.irreducibles.spans import from_rows, real_rows

#: A defect between so many times what the generators are known to, and this, is that of rounding.
CLEARLY, NEARLY = 1e2, 1e-5
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
    blocks = [
        np.array([np.zeros((d, d)) if As[a] is None else As[a].toarray() for As in C.lie])
        for a, d in enumerate(C.dims)
    ]
    rows = _orthonormal(real_rows(blocks))
    while rows.size <= MAX_NUMBERS:
        n = len(rows)
        X, Y = (from_rows(rng.standard_normal((4, n)) @ rows / np.sqrt(n), blocks) for _ in "XY")
        new = real_rows([A @ B - B @ A for A, B in zip(X, Y, strict=True)])
        for _ in range(2):
            new = new - (new @ rows.T) @ rows
        norms = np.linalg.norm(new, axis=1)
        if any(telling(norm) for norm in norms):
            return True
        new = new[norms >= NEARLY]
        if not len(new):
            return False
        rows = _orthonormal(np.concatenate([rows, new]))
    return False


def _orthonormal(rows):
    _, s, Vt = np.linalg.svd(rows, full_matrices=False)
    return Vt[s > 1e-3 * s[0]]
