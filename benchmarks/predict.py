"""Time to predict one sample and many."""

from .common import TASKS, check_equivariant, float32_task, regressor


class Predict:
    params = (tuple(TASKS), (1, 10_000))
    param_names = ("task", "n_samples")
    timeout = 300

    def setup(self, task, n_samples):
        X, y, spec = float32_task(task, 500)
        self.model = regressor(spec).fit(X, y)
        check_equivariant(self.model, X, spec)
        self.X = float32_task(task, n_samples)[0]
        self.model.predict(self.X)

    def time_predict(self, task, n_samples):
        self.model.predict(self.X)
