"""Detecting that training diverges, and going back."""

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastemlp._warnings import warn_user

MAX_RESTARTS = 5
# an epoch has diverged when its loss is this many times the best so far, and this share of both the first loss and that
# of predicting zero: a fit to the last digits may jump by orders of magnitude without harm
_RISE, _SHARE = 10.0, 0.1


class Guard:
    """Keeps the last good parameters and optimiser state, and goes back to them with half the learning rate.

    Parameters
    ----------
    theta, optimiser, average : ndarray, Adam, Average or None; restored in place
    learning_rate : float; for the messages
    power : float; mean square of the targets, which the loss is measured against

    Attributes
    ----------
    factor : float; to multiply the learning rate by
    restarts : list of int; the epochs that diverged
    """

    def __init__(self, theta, optimiser, average, learning_rate, power=0.0):
        self.factor, self.restarts = 1.0, []
        self._learning_rate, self._power = learning_rate, power
        self._live = theta, optimiser, average
        # the epoch before a divergence may have ended with the fatal step, so go back one further
        self._good, self._pending = (_Checkpoint(*self._live) for _ in range(2))
        self._first = self._best = None

    def check(self, epoch, loss, max_iter):
        """Judge an epoch (counted from 1) by its mean loss.

        Raises
        ------
        FloatingPointError
            After ``MAX_RESTARTS`` restarts.
        """
        if self._diverged(loss):
            self._go_back(epoch, loss, max_iter)
            return
        if self._first is None:
            self._first = self._best = loss
        self._best = min(self._best, loss)
        if loss <= 2 * self._best:
            self._good, self._pending = self._pending, self._good
            self._pending.save(*self._live)

    def warn(self):
        """Warn of the restarts, if there were any."""
        if self.restarts:
            warn_user(
                f"Training diverged {_times(self.restarts)} and went on from the last good parameters with half the "
                f"learning rate each time, {self.factor * self._learning_rate:.2g} in the end. Lower "
                f"learning_rate={self._learning_rate:.2g} or max_grad_norm.",
                ConvergenceWarning,
            )

    def _diverged(self, loss):
        if not np.isfinite(loss):
            return True
        if self._best is None:
            return False
        return loss > max(_RISE * self._best, _SHARE * max(self._first, self._power))

    def _go_back(self, epoch, loss, max_iter):
        self.restarts.append(epoch)
        if len(self.restarts) > MAX_RESTARTS:
            best = "none" if self._best is None else f"{self._best:.3g}"
            raise FloatingPointError(
                f"Training diverged {_times(self.restarts)} of {max_iter}: the loss is {loss:.3g} (best before: "
                f"{best}) with learning_rate={self._learning_rate:.3g}, halved {MAX_RESTARTS} times. "
                "Lower learning_rate or max_grad_norm, or look for outliers in X and y."
            )
        self.factor /= 2
        self._good.restore(*self._live)
        self._pending.save(*self._live)


class _Checkpoint:
    """A copy of everything a step changes."""

    def __init__(self, theta, optimiser, average):
        self.theta, self.moments = theta.copy(), optimiser.moments.copy()
        self.average = None if average is None else average.vector.copy()
        self.save(theta, optimiser, average)

    def save(self, theta, optimiser, average):
        np.copyto(self.theta, theta)
        np.copyto(self.moments, optimiser.moments)
        self.t = optimiser.t
        if average is not None:
            np.copyto(self.average, average.vector)
            self.weight = average.weight

    def restore(self, theta, optimiser, average):
        np.copyto(theta, self.theta)
        np.copyto(optimiser.moments, self.moments)
        optimiser.t = self.t
        if average is not None:
            np.copyto(average.vector, self.average)
            average.weight = self.weight


def _times(epochs):
    return f"in epoch{'s' if len(epochs) > 1 else ''} {', '.join(map(str, epochs))}"
