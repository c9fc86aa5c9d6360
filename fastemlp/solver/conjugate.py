"""Conjugate gradients on N = CᴴC, every column on its own, and what they show of the spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from fastemlp._kernels.columns import column_dots, descend, redirect

#: Columns whose recurrence coefficients are kept, to read the spectrum from.
WITNESSES = 4


class SlowError(Exception):
    """Conjugate gradients did not converge in the steps allowed: the spectrum reaches down to zero."""


@dataclass
class Spectrum:
    """The nonzero spectrum of N as met so far: the extreme Ritz values, both from inside."""

    lowest: float = np.inf
    highest: float = 0.0

    def note(self, ritz):
        """Widen to contain these Ritz values, ascending."""
        self.lowest = min(self.lowest, float(ritz[0]))
        self.highest = max(self.highest, float(ritz[-1]))


def least_norm_solution(normal, B, rtol, max_steps, spectrum):
    """The least-norm solution of ``N Y = B`` for B in the range of N.

    Parameters
    ----------
    normal : callable (m, b) -> (m, b), the product with N, in the precision of its argument
    B : ndarray of shape (m, b), C-contiguous; overwritten by the residual
    rtol : float or ndarray of shape (b,); where the residual of the recurrence may stop, relative to B
    max_steps : int
    spectrum : Spectrum, widened by the Ritz values met

    Returns
    -------
    Y : ndarray like B
    steps : int

    Raises
    ------
    SlowError
        If ``max_steps`` do not suffice.

    Notes
    -----
    As many steps as N has distinct nonzero eigenvalues, or ``√κ log(2/rtol)/2`` where they are many; one product with
    N and three passes over (m, b) arrays a step.
    """
    real = B.real.dtype
    Y, P = np.zeros_like(B), B.copy()
    squares, curvature = np.empty(B.shape[1]), np.empty(B.shape[1])
    column_dots(B, B, squares)
    target = rtol**2 * squares
    steps, ratios = [], []
    while (open_ := squares > target).any():
        if len(steps) == max_steps:
            raise SlowError
        W = normal(P)
        column_dots(P, W, curvature)
        open_ &= curvature > 0
        step = np.divide(squares, curvature, out=np.zeros_like(squares), where=open_)
        previous = squares.copy()
        descend(step.astype(real), P, W, Y, B, squares)
        squares[~open_] = 0.0
        ratio = np.divide(squares, previous, out=np.zeros_like(squares), where=open_)
        redirect(ratio.astype(real), B, P)
        steps.append(step[:WITNESSES])
        ratios.append(ratio[:WITNESSES])
    for step, ratio in zip(np.transpose(steps), np.transpose(ratios), strict=True):
        _note_ritz(step[step > 0], ratio[step > 0], spectrum)
    return Y, len(steps)


def _note_ritz(step, ratio, spectrum):
    """The eigenvalues of the Lanczos matrix that the recurrence amounts to (Saad 2003, §6.7.3)."""
    if len(step):
        diagonal = 1 / step
        diagonal[1:] += ratio[:-1] / step[:-1]
        off = np.sqrt(ratio[:-1]) / step[:-1]
        spectrum.note(scipy.linalg.eigvalsh_tridiagonal(diagonal, off))
