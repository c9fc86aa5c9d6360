"""Time of one training step, alone and beside scikit-learn's perceptron of the same width."""

import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from .common import TASKS, best_of, check_equivariant, float32_task, ratio, regressor

BATCH = 500
STEPS = 20


class TrainingStep:
    params = tuple(TASKS)
    param_names = ("task",)
    timeout = 600

    def setup(self, task):
        warnings.simplefilter("ignore", ConvergenceWarning)  # a few steps never converge
        self.X, self.y, self.spec = float32_task(task, BATCH)
        model = self.fit(1)  # solves for the bases and compiles the kernels
        check_equivariant(model, self.X, self.spec)

    def fit(self, steps):
        """One batch is the whole data set, so an epoch is a step."""
        model = regressor(self.spec, max_iter=steps).fit(self.X, self.y)
        if model.n_iter_ != steps:
            raise RuntimeError(f"expected {steps} steps, got {model.n_iter_}")
        return model

    def step_time(self):
        # the difference leaves out building the network
        return (best_of(lambda: self.fit(1 + STEPS), 3) - best_of(lambda: self.fit(1), 3)) / STEPS

    def track_step(self, task):
        return self.step_time()

    def track_ratio_to_mlp(self, task):
        mlp = MLPRegressor(hidden_layer_sizes=(384, 384, 384), batch_size=BATCH, random_state=0)
        mlp.partial_fit(self.X, self.y)
        if mlp.coefs_[0].dtype != self.X.dtype:
            raise RuntimeError("the perceptron does not train in single precision")

        def steps():
            for _ in range(STEPS):
                mlp.partial_fit(self.X, self.y)

        return ratio(self.step_time(), best_of(steps, 3) / STEPS)

    track_step.unit = "seconds"
    track_ratio_to_mlp.unit = "ratio"
