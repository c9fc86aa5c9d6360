"""What trains a network, for how long and with what decay, where that is left to "auto"."""

from dataclasses import dataclass

import numpy as np

#: What max_iter="auto" means for a network alone: at least this many steps and epochs, or iterations of L-BFGS.
AUTO_STEPS, AUTO_EPOCHS, AUTO_ITERATIONS = 10_000, 100, 1_000
#: But no more steps than this, however many epochs that is.
MOST_STEPS = 100_000
#: The same where a closed form may do instead: steps a sample, no fewer than this and no more than ``AUTO_STEPS``.
STEPS_PER_SAMPLE, LEAST_STEPS = 5.0, 500
#: Of many samples it takes more to prove better: so many a sample, up to this.
MORE_PER_SAMPLE, MOST_MORE = 0.08, 80_000
#: Up to so many samples L-BFGS trains it beside a closed form, for so many iterations, half of them below ``FEW``.
SMALL, FEW, FEW_ITERATIONS = 300, 100, 200
#: weight_decay="auto" is ``AUTO_DECAY / n`` for n samples, at most ``MAX_AUTO_DECAY`` and at most ``n / FEW_DECAY``, so
#: that decay does not drown what very few samples say.
AUTO_DECAY, MAX_AUTO_DECAY, FEW_DECAY = 30.0, 0.1, 600.0


@dataclass(frozen=True)
class Budget:
    """Of an estimator with its parameters, for some data.

    Attributes
    ----------
    solver, max_iter, weight_decay : as the estimator has them, or "auto"
    batch_size : int
    is_alone : bool; whether no closed form is tried beside the network
    is_robust : bool; whether the loss is one for outliers
    n_samples, n_different : int; rows, and how many of them are different
    """

    solver: str
    max_iter: int | str
    weight_decay: float | str
    batch_size: int
    is_alone: bool
    is_robust: bool
    n_samples: int
    n_different: int

    @property
    def chosen_solver(self):
        """What was asked for; with "auto" it is "lbfgs" for few samples and "adamw" otherwise."""
        if self.solver != "auto":
            return self.solver
        is_small = self.n_different <= SMALL and self.max_iter == "auto"
        return "lbfgs" if is_small and not self.is_alone and not self.is_robust else "adamw"

    @property
    def n_epochs(self):
        """Epochs, of "lbfgs" iterations."""
        if self.max_iter != "auto":
            return self.max_iter
        if self.chosen_solver == "lbfgs":
            if self.solver == "lbfgs":
                return AUTO_ITERATIONS
            return FEW_ITERATIONS if self.n_different >= FEW else FEW_ITERATIONS // 2
        n_batches = -(-self.n_samples // self.batch_size)
        if self.is_alone:
            epochs = max(-(-AUTO_STEPS // n_batches), AUTO_EPOCHS)
            return min(epochs, -(-MOST_STEPS // n_batches))
        steps = np.clip(STEPS_PER_SAMPLE * self.n_samples, LEAST_STEPS, AUTO_STEPS)
        steps = max(steps, min(MORE_PER_SAMPLE * self.n_samples, MOST_MORE))
        return max(1, round(steps / n_batches))

    @property
    def decay(self):
        """How strongly parameters decay."""
        if self.weight_decay != "auto":
            return self.weight_decay
        n = self.n_different
        return min(AUTO_DECAY / n, MAX_AUTO_DECAY, n / FEW_DECAY)
