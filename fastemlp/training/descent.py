"""Stochastic gradient descent, one mini-batch at a time."""

import math

import numpy as np

from fastemlp.training.divergence import Guard


class Descent:
    """Steps of an optimiser on an objective, on a schedule.

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
        # an average lags behind
        share = max(self.enough, np.finfo(theta.dtype).eps ** 2)
        enough = share * self.power if self.average is None else -1.0
        for epoch in range(max_iter):
            total = rows = 0
            for k, batch in enumerate(batches.epoch(rng)):
                progress = (epoch + (k + 1) / len(batches)) / max_iter
                rate = guard.factor * self.learning_rate * self.schedule(progress)
                total += self._step(batch, rate) * len(batch[0])
                rows += len(batch[0])
                if not math.isfinite(total):
                    break
            loss = total / rows
            guard.check(epoch + 1, loss, max_iter)
            if monitor.record(loss) or loss <= enough:
                break
        guard.warn()

    def _step(self, batch, rate):
        """One step; returns the loss before it, or NaN without moving if loss or gradient is not finite."""
        theta, gradient = self.objective.theta, self.objective.gradient
        value = self.objective.value_and_gradient(*batch)
        norm = math.sqrt(np.vdot(gradient, gradient))
        if not (math.isfinite(value) and math.isfinite(norm)):
            return math.nan
        scale = self.max_grad_norm / norm if norm > self.max_grad_norm else 1.0
        self.optimiser.step(theta, gradient, rate, scale)
        if self.average is not None:
            self.average.update(theta)
        return value
