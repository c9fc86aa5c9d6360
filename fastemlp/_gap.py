"""Which singular values are zero: only a clear gap decides."""

from __future__ import annotations

import numpy as np

from fastemlp.exceptions import ConvergenceError, Status

#: The largest zero and the smallest nonzero singular value must differ by this factor.
GAP_RATIO = 1e3


def split_rank(sigma, norm, tol, floor, caller):
    """Number of singular values that are zero, refusing to guess when it is not clear.

    Parameters
    ----------
    sigma : ndarray of shape (k,), ascending
    norm : float, ``‖C‖₂``
    tol : float; values up to ``tol·norm`` count as zero
    floor : float; the accuracy of the values: a zero is taken as ``floor·norm`` at least

    Raises
    ------
    ConvergenceError
        If the values on the two sides of the cut differ by less than ``GAP_RATIO``.
    """
    n_zero = int(np.searchsorted(sigma, tol * norm, side="right"))
    if n_zero < len(sigma):
        zero, nonzero = sigma[n_zero - 1] if n_zero else 0.0, sigma[n_zero]
        if nonzero < GAP_RATIO * max(zero, floor * norm):
            raise ConvergenceError(
                f"{caller}: expected a gap of at least {GAP_RATIO:.0e} between zero and nonzero "
                f"singular values, got {zero / norm:.2e} (taken as zero) and {nonzero / norm:.2e} "
                f"(taken as nonzero), both relative to ‖C‖ = {norm:.2e}, at tol = {tol:.1e}. The "
                "constraints hold only approximately: check the generators, or choose tol inside "
                "a real gap of the spectrum.",
                status=Status.AMBIGUOUS_RANK,
            )
    return n_zero
