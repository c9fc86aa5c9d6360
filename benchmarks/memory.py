"""Peak memory of a short fit, the interpreter and its libraries included."""

from .common import TASKS, float32_task, regressor


class Fit:
    params = tuple(TASKS)
    param_names = ("task",)
    timeout = 300

    def setup(self, task):
        self.X, self.y, self.spec = float32_task(task, 2000)

    def peakmem_fit(self, task):
        regressor(self.spec, max_iter=2).fit(self.X, self.y)
