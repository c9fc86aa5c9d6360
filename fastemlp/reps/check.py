"""Is a bespoke rep really a representation? A wrong one would give confident nonsense downstream."""

import numpy as np
from scipy.linalg import expm

from fastemlp.operators import to_dense


def check_rep(rep, *, tol=1e-6, random_state=0):
    """Raise unless ``rho`` is a homomorphism and ``drho`` is its derivative.

    Parameters
    ----------
    rep : Rep, bound to one group
    tol : float; allowed error relative to the size of the matrices involved
    random_state : int, Generator or None; draws the two group elements tried

    Raises
    ------
    ValueError
        Saying which law fails and by how much.

    Notes
    -----
    Products are tried between two random elements, and of each of them and each discrete generator with
    itself, its inverse and the first random element.
    """
    group = rep.G
    if group is None:
        raise ValueError(f"check_rep: {rep!r} is not bound to one group. Bind it: rep(SO(3)).")
    g, h = group.samples(2, random_state)
    size = rep.size()
    _expect_shape(rep, "rho", np.shape(rep.rho(g)), size)
    _expect_close(rep, "rho(I) = I", to_dense(rep.rho(np.eye(group.d))), np.eye(size), tol)
    for x in (h, g, *group.discrete_generators):
        for y in (g, x, np.linalg.inv(x)):
            image = to_dense(rep.rho(x)) @ to_dense(rep.rho(y))
            _expect_close(rep, "rho(gh) = rho(g) rho(h)", to_dense(rep.rho(x @ y)), image, tol)
    for A in group.orthonormal_lie_algebra:
        A = A.toarray()
        _expect_shape(rep, "drho", np.shape(rep.drho(A)), size)
        image = to_dense(rep.rho(expm(A)))
        _expect_close(rep, "rho(exp(A)) = exp(drho(A))", image, expm(to_dense(rep.drho(A))), tol)


def _expect_shape(rep, name, shape, size):
    if shape != (size, size):
        raise ValueError(f"{rep!r}: {name} returns shape {shape}, expected ({size}, {size}).")


def _expect_close(rep, law, got, expected, tol):
    error = np.linalg.norm(got - expected) / max(1.0, np.linalg.norm(expected))
    if not error <= tol:
        raise ValueError(
            f"{rep!r} is not a representation of {rep.G}: {law} fails with relative error {error:.1e} "
            f"(allowed {tol:.0e}). Mend its rho or drho."
        )
