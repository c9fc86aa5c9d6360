"""Conjugate gradients on N = CᴴC, every column on its own, and what they show of the spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from fastemlp._kernels.columns import column_dots, descend, redirect

#: Columns whose recurrence coefficients are kept, to read the spectrum from.
WITNESSES = 4
#: A step as many times longer than all before it goes along a null direction.
LONG = 30.0


class SlowError(Exception):
    """Conjugate gradients did not converge in the steps allowed: the spectrum reaches down to zero."""


@dataclass(frozen=True)
class Spectrum:
    """The nonzero spectrum of N as met so far: the extreme Ritz values, both from inside."""

    lowest: float = np.inf
    highest: float = 0.0

    def union(self, other):
        """What contains both."""
        return Spectrum(min(self.lowest, other.lowest), max(self.highest, other.highest))


def least_norm_solution(normal, B, rtol, max_steps):
    """The least-norm solution of ``N Y = B`` for B in the range of N.

    Parameters
    ----------
    normal : callable (m, b) -> (m, b), the product with N, in the precision of its argument
    B : ndarray of shape (m, b), C-contiguous; overwritten by the residual
    rtol : float or ndarray of shape (b,); where the residual of the recurrence may stop, relative to B
    max_steps : int

    Returns
    -------
    Y : ndarray like B
    steps : int
    spectrum : Spectrum; of the Ritz values met

    Raises
    ------
    SlowError
        If ``max_steps`` do not suffice, or N is not positive to working precision.

    Notes
    -----
    As many steps as N has distinct nonzero eigenvalues, or ``√κ log(2/rtol)/2`` where they are many; one product with
    N and three passes over (m, b) arrays a step.
    """
    real = B.real.dtype
    Y, P = np.zeros_like(B), B.copy()
    squares, curvature = np.empty(B.shape[1]), np.empty(B.shape[1])
    column_dots(B, B, squares)
    target, diverged = rtol**2 * squares, 1e8 * squares.max(initial=0.0)
    plateau, longest = np.finfo(real).eps * squares, np.zeros_like(squares)
    steps, ratios = [], []
    while (open_ := squares > target).any():
        if len(steps) == max_steps or squares.max() > diverged:
            raise SlowError
        W = normal(P)
        column_dots(P, W, curvature)
        open_ &= curvature > 0
        step = np.divide(squares, curvature, out=np.zeros_like(squares), where=open_)
        # the null component that roundoff gave to B is all that is left: to follow it leads away
        step[(squares <= plateau) & (step > LONG * longest)] = 0.0
        open_ &= step > 0
        longest = np.maximum(longest, step)
        previous = squares.copy()
        descend(step.astype(real), P, W, Y, B, squares)
        squares[~open_] = 0.0
        ratio = np.divide(squares, previous, out=np.zeros_like(squares), where=open_)
        redirect(ratio.astype(real), B, P)
        steps.append(step[:WITNESSES])
        ratios.append(ratio[:WITNESSES])
    spectrum = Spectrum()
    for step, ratio in zip(np.transpose(steps), np.transpose(ratios), strict=True):
        spectrum = spectrum.union(_ritz(step[step > 0], ratio[step > 0]))
    return Y, len(steps), spectrum


def preconditioned_solution(normal, precondition, B, rtol, max_steps):
    """A solution of ``N Y = B`` for B in the range of N, not the least one; as ``least_norm_solution``.

    Parameters
    ----------
    precondition : callable (m, b) -> (m, b), the product with a definite approximation of the inverse of N

    Returns
    -------
    Y : ndarray like B
    steps : int
    """
    Y, R = np.zeros_like(B), B
    start = np.linalg.norm(B, axis=0)
    P = Z = precondition(R)
    product = _products(R, Z)
    for steps in range(max_steps):
        open_ = (np.linalg.norm(R, axis=0) > rtol * start) & (product > 0)
        if not open_.any():
            return Y, steps
        W = normal(P)
        curvature = _products(P, W)
        open_ &= curvature > 0
        step = np.divide(product, curvature, out=np.zeros_like(product), where=open_)
        Y = Y + step * P
        R = R - step * W
        Z = precondition(R)
        product, previous = np.where(open_, _products(R, Z), 0.0), product
        P = Z + np.divide(product, previous, out=np.zeros_like(product), where=open_) * P
    raise SlowError


def _products(X, Y):
    return np.einsum("ij,ij->j", X.conj(), Y).real


def _ritz(step, ratio):
    """The eigenvalues of the Lanczos matrix that the recurrence amounts to (Saad 2003, §6.7.3)."""
    if not len(step):
        return Spectrum()
    diagonal = 1 / step
    diagonal[1:] += ratio[:-1] / step[:-1]
    off = np.sqrt(ratio[:-1]) / step[:-1]
    values = scipy.linalg.eigvalsh_tridiagonal(diagonal, off)
    return Spectrum(float(values[0]), float(values[-1]))
