"""Choose a nullspace strategy, and say which."""

from __future__ import annotations

from dataclasses import replace

from .block_lanczos import block_lanczos
from .dense import dense

#: Below this size an SVD takes about half a second at most, whatever the spectrum.
DENSE_LIMIT = 500
#: A tall operator is not worth forming beyond this many bytes.
DENSE_BYTES = 2**28


def solve_nullspace(C, method="auto", *, tol=None, random_state=0, memory_budget=2**30, verbose=0):
    """Orthonormal basis of ``{v : C v = 0}``.

    Parameters
    ----------
    C : operator of shape (n_rows, m), scipy LinearOperator protocol
    method : {"auto", "dense", "block_lanczos"}
        "auto" takes the SVD for small m and block Lanczos otherwise; the choice and its reason are
        in ``strategy``.
    tol : float, optional
        Singular values up to ``tol·‖C‖`` are zero; the default is the method's own.
    random_state : int, numpy Generator or None
        Used by block Lanczos only.
    memory_budget : int
        Bytes for the matrix of C or the Krylov basis.
    verbose : int

    Returns
    -------
    NullspaceSolution

    Raises
    ------
    ValueError
        For an unknown method, or a budget too small for it.
    ConvergenceError, CertificationError
        If the answer cannot be vouched for.
    """
    if method not in ("auto", "dense", "block_lanczos"):
        raise ValueError(
            f"solve_nullspace: expected method 'auto', 'dense' or 'block_lanczos', got {method!r}."
        )
    chosen, reason = (method, "") if method != "auto" else _choose(C, memory_budget)
    if chosen == "dense":
        solution = dense(C, tol=tol, memory_budget=memory_budget)
    else:
        solution = block_lanczos(
            C, tol=tol, memory_budget=memory_budget, random_state=random_state, verbose=verbose
        )
    return replace(solution, strategy=solution.strategy + reason)


def _choose(C, memory_budget):
    n_rows, m = C.shape
    n_bytes = n_rows * m * 8
    if m > DENSE_LIMIT:
        return "block_lanczos", f" (auto: m = {m} > {DENSE_LIMIT})"
    if n_bytes > min(DENSE_BYTES, memory_budget):
        return "block_lanczos", f" (auto: a {n_rows} × {m} matrix takes {n_bytes / 2**20:.0f} MiB)"
    return "dense", f" (auto: m = {m} ≤ {DENSE_LIMIT})"
