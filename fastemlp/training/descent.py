"""Stochastic gradient descent, one mini-batch at a time."""

import math

import numpy as np

from fastemlp.training.divergence import Guard

#: The loss of averaged parameters is measured on so many samples at most, for each in so many that a step is taken on.
MOST_MEASURED, STEPS_PER_MEASURED = 1000, 5


class Descent:
    """Steps of an optimiser on an objective, on a schedule.

    The loss of an epoch is the mean over its batches, each before its step. With an average it is that of the average
    after the epoch, at the first, the last and so many others that it takes little time; the others repeat it. Where
    the parameters themselves have learned enough, they are the average.

    Parameters
    ----------
    objective : Objective; its ``theta`` moves
    optimiser : Adam
    average : Average or None; follows ``theta``
    learning_rate : float; the peak
    schedule : callable; progress in [0, 1] -> factor of the learning rate
    max_grad_norm : float or None
    power : float; what predicting zero costs, the mean square of the targets
    enough : float; training ends when the loss is this share of ``power``, or its roundoff
    """

    def __init__(
        self, objective, optimiser, average, learning_rate, schedule, max_grad_norm, power, enough
    ):
        self.objective, self.optimiser, self.average = objective, optimiser, average
        self.learning_rate, self.schedule = learning_rate, schedule
        self.power, self.enough = power, enough
        self.max_grad_norm = math.inf if max_grad_norm is None else max_grad_norm

    def run(self, batches, rng, monitor, max_iter):
        """Train for up to ``max_iter`` epochs; see ``Guard`` for what is raised and warned about."""
        theta = self.objective.theta
        guard = Guard(theta, self.optimiser, self.average, self.learning_rate, self.power)
        enough = max(self.enough, np.finfo(theta.dtype).eps ** 2) * self.power
        measured = _some(batches.data)
        every = -(-STEPS_PER_MEASURED * len(measured[0]) // len(batches.data[0]))
        averaged = math.nan
        for epoch in range(max_iter):
            total = rows = 0
            for k, batch in enumerate(batches.epoch(rng)):
                progress = (epoch + (k + 1) / len(batches)) / max_iter
                factor = guard.factor * self.schedule(progress)
                total += self._step(batch, factor) * len(batch[0])
                rows += len(batch[0])
                if not math.isfinite(total):
                    break
            loss = total / rows
            guard.check(epoch + 1, loss, max_iter)
            if self.average is not None and loss <= enough:
                np.copyto(self.average.vector, theta)  # an average lags behind
            elif self.average is not None:
                if epoch % every == 0 or epoch + 1 == max_iter:
                    averaged = self.objective.value(self.average.vector, *measured)
                loss = averaged
            if monitor.record(loss) or loss <= enough:
                break
        guard.warn()

    def _step(self, batch, factor):
        """One step; returns the loss before it, or NaN without moving if loss or gradient is not finite."""
        theta, gradient = self.objective.theta, self.objective.gradient
        value = self.objective.value_and_gradient(*batch)
        norm = math.sqrt(np.vdot(gradient, gradient))
        if not (math.isfinite(value) and math.isfinite(norm)):
            return math.nan
        scale = self.max_grad_norm / norm if norm > self.max_grad_norm else 1.0
        self.optimiser.step(theta, gradient, factor * self.learning_rate, scale)
        if self.average is not None:
            self.average.update(theta, factor)
        return value


def _some(data):
    """Evenly spaced rows, ``MOST_MEASURED`` at most."""
    stride = -(-len(data[0]) // MOST_MEASURED)
    return tuple(None if a is None else np.ascontiguousarray(a[::stride]) for a in data)
