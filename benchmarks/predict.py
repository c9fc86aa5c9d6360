"""Time to predict one sample, and how many a second when there are many."""

from .common import TASKS, best_of, check_equivariant, float32_task, regressor

MANY = 100_000
ONES = 200


class Predict:
    """Targets on two cores: 150 microseconds for one sample, 500,000 samples a second on O(5)."""

    params = tuple(TASKS)
    param_names = ("task",)
    timeout = 300

    def setup(self, task):
        self.X, y, spec = float32_task(task, MANY)
        self.model = regressor(spec).fit(self.X[:500], y[:500])
        check_equivariant(self.model, self.X[:500], spec)

    def track_one_sample(self, task):
        rows = [self.X[k : k + 1] for k in range(ONES)]
        return best_of(lambda: [self.model.predict(x) for x in rows]) / ONES

    def track_samples_per_second(self, task):
        return MANY / best_of(lambda: self.model.predict(self.X), 3)

    track_one_sample.unit = "seconds"
    track_samples_per_second.unit = "samples/s"
