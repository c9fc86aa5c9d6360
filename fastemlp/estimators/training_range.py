"""How far predictions may go beyond the targets of training: a bound that commutes with the group."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fastemlp._warnings import warn_user
from fastemlp.reps import has_invariant_norm, objects

#: Predictions stay below this many times the largest target, times how far the input is outside the training data.
BEYOND = 4.0
#: The same where some input has no invariant length (under the Lorentz group, say), so that how far outside it is
#: cannot be told: products of such inputs vary more from sample to sample.
BEYOND_UNMEASURED = 20.0
#: The same for a closed form that leaves more than a little of left-out samples.
BEYOND_IN_DOUBT = 1.5


@dataclass(frozen=True)
class TrainingRange:
    """The invariant sizes of inputs and targets in training; predictions are shortened to a multiple of them.

    Attributes
    ----------
    inputs, outputs : tuple of (columns, sizes)
        For each type whose norm the group preserves: ndarray of int (n_copies, d), the columns of its objects, and
        ndarray (n_copies,), the largest norm of each in training.
    factor : float; BEYOND, BEYOND_UNMEASURED or BEYOND_IN_DOUBT
    """

    inputs: tuple
    outputs: tuple
    factor: float

    @classmethod
    def fit(cls, rep_in, X, rep_out, Y):
        """From scaled data: X of shape (n, n_in), Y of shape (n, n_out); what has no invariant norm is left out."""
        # an input that never varied does not tell how far outside another is
        inputs = tuple((c, np.where(size > 0, size, np.inf)) for c, size in _sizes(rep_in, X))
        factor = BEYOND if len(inputs) == len(objects(rep_in)) else BEYOND_UNMEASURED
        return cls(inputs, tuple(_sizes(rep_out, Y)), factor)

    @property
    def in_doubt(self):
        """The same for predictions that are not to be trusted far outside."""
        return replace(self, factor=BEYOND_IN_DOUBT)

    def shorten(self, X, Y):
        """Y, or a copy in which objects longer than ``factor`` times their largest norm in training are cut to that.

        For inputs r times as long as any in training the bound is r times as large: outside the training data
        predictions grow at most linearly. NaN and infinity are left as they are.
        """
        if not self.outputs:
            return Y
        if len(Y) == 1 and np.vdot(Y, Y) <= self._safe * self._safe:
            return Y
        rows = self._perhaps_long(Y)
        if not len(rows):
            return Y
        Y = Y.copy()
        x, y = X[rows].astype(np.float64), Y[rows].astype(np.float64)
        reach = np.ones(len(rows))
        for columns, size in self.inputs:
            reach = np.maximum(reach, (_norms(x, columns) / size).max(axis=1))
        for columns, size in self.outputs:
            norms = _norms(y, columns)
            bound = self.factor * size * reach[:, None]
            over = np.isfinite(norms) & (norms > bound)
            share = np.divide(bound, norms, out=np.ones_like(norms), where=over)
            y[:, columns] *= share[..., None]
        Y[rows] = y
        return Y

    def jacobian(self, X, Y, J):
        """The derivative of ``shorten(X, Y)`` in X, where J, (n, n_out, n_in), is that of Y; J itself if none is long.

        Exact but where a length is at its bound or two inputs are equally far outside, where there is none.
        """
        rows = self._perhaps_long(Y) if self.outputs else ()
        if not len(rows):
            return J
        J = J.copy()
        x, y, D = (a[rows].astype(np.float64) for a in (X, Y, J))
        reach, slope = self._reach_and_gradient(x)
        for columns, size in self.outputs:
            norms, bound = _norms(y, columns), self.factor * size * reach[:, None]
            sample, copy = np.nonzero(np.isfinite(norms) & (norms > bound))
            at, norm = (sample[:, None], columns[copy]), norms[sample, copy, None]
            unit = y[at] / norm
            # y b/|y| with the bound b: across y it shrinks, and along y only b changes
            across = D[at] - unit[..., None] * np.einsum("sd,sdj->sj", unit, D[at])[:, None]
            along = self.factor * size[copy, None] * slope[sample]
            share = (bound[sample, copy, None] / norm)[..., None]
            D[at] = share * across + unit[..., None] * along[:, None]
        J[rows] = D
        return J

    def _reach_and_gradient(self, x):
        """How far outside each input is, as in ``shorten``, (n,), and its derivative, (n, n_in); x in float64."""
        reach, slope = np.ones(len(x)), np.zeros_like(x)
        for columns, size in self.inputs:
            ratios = _norms(x, columns) / size
            copy = np.argmax(ratios, axis=1)
            (further,) = np.nonzero(ratios.max(axis=1) > reach)
            copy, at = copy[further], (further[:, None], columns[copy[further]])
            reach[further] = ratios[further, copy]
            slope[further] = 0
            slope[at] = x[at] / (reach[further] * size[copy] ** 2)[:, None]
        return reach, slope

    def _perhaps_long(self, Y):
        """The samples of which some object may be longer than its bound."""
        # written so that a NaN is not safe
        return np.flatnonzero(~(np.abs(Y).max(axis=1) <= self._safe))

    @cached_property
    def _safe(self):
        """Entries up to this are within the bound whatever the input."""
        return self.factor * min(size.min() / np.sqrt(c.shape[1]) for c, size in self.outputs)


def warn_not_finite(y, caller, what="predictions"):
    """Warn of predictions that are NaN or infinite, from inputs so large that the arithmetic overflows."""
    # fast, and never finite where an entry is not
    if math.isfinite(np.vdot(y, y)):
        return
    lost = ~np.isfinite(y.reshape(len(y), -1)).all(axis=1)
    if lost.any():
        warn_user(
            f"{caller}: {lost.sum()} of {len(y)} {what} are not finite, the first for sample {np.argmax(lost)}: "
            f"its inputs overflow {y.dtype} arithmetic, far outside the training data. Check the units of X"
            f"{', or pass float64' if y.dtype == np.float32 else ''}."
        )


def _sizes(rep, data):
    """The columns of every type with an invariant norm, and the largest norm of an object of it."""
    data = np.asarray(data, np.float64)
    for kind, columns in objects(rep):
        if has_invariant_norm(kind):
            yield columns, _norms(data, columns).max(axis=0, initial=0.0)


def _norms(data, columns):
    """The norm of every object, (n, n_copies); entries are first divided by the largest, whose square may overflow."""
    values = np.abs(data[:, columns])
    largest = values.max(axis=2, keepdims=True, initial=0.0)
    shares = np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)
    return largest[..., 0] * np.sqrt(np.sum(shares * shares, axis=2))
