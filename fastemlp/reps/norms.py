"""Whether a group preserves lengths in a rep."""

import numpy as np

from fastemlp.reps.algebra import Scalar, drho_operator, rho_operator


def has_invariant_norm(kind):
    """Whether the group preserves the norm of a type: for scalars always, else tested on random vectors to 1e-8."""
    if kind == Scalar:
        return True
    v = np.random.default_rng(0).standard_normal((kind.size(), 2))
    squares = np.sum(v * v, axis=0)
    for group in kind.groups:
        for A in group.orthonormal_lie_algebra:
            image = drho_operator(kind, {group: A}).matmat(v)
            if np.any(np.abs(np.sum(v * image, axis=0)) > 1e-8 * squares):
                return False
        for h in group.sparse_discrete_generators:
            image = rho_operator(kind, {group: h}).matmat(v)
            if np.any(np.abs(np.sum(image * image, axis=0) - squares) > 1e-8 * squares):
                return False
    return True
