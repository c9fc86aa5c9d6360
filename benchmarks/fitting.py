"""Time of a default fit beside a Gaussian process on invariants that somebody wrote for the task, and its error."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from fastemlp import FastEMLPRegressor
from fastemlp.datasets import make_o5_synthetic
from fastemlp.groups import O

from .common import best_of, ratio


class DefaultFit:
    """The O(5) task: pairs of vectors, of which a user would write lengths and the cosine."""

    params = (100, 300, 1000)
    param_names = ("samples",)
    timeout = 600

    def setup(self, n):
        warnings.simplefilter("ignore", ConvergenceWarning)
        self.X, self.y = make_o5_synthetic(n + 1000, random_state=0)
        a, b = self.X[:, :5], self.X[:, 5:]
        lengths = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
        self.written = np.c_[(*lengths, np.sum(a * b, axis=1) / np.prod(lengths, axis=0))]
        self.n = n
        model = self.ours()
        error = np.mean((model.predict(self.X[n:]) - self.y[n:]) ** 2)
        if error > 1e-3:
            raise RuntimeError(f"the fit to {n} samples is off by {error:.1e}")

    def ours(self):
        return FastEMLPRegressor(O(5), random_state=0).fit(self.X[: self.n], self.y[: self.n])

    def gaussian_process(self):
        kernel = ConstantKernel() * RBF(np.ones(3))
        return GaussianProcessRegressor(kernel, normalize_y=True).fit(
            self.written[: self.n], self.y[: self.n]
        )

    def track_ratio_to_gaussian_process(self, n):
        pairs = [(best_of(self.ours, 1), best_of(self.gaussian_process, 1)) for _ in range(3)]
        return ratio(*np.median(pairs, axis=0))

    def track_seconds(self, n):
        return best_of(self.ours, 2)

    track_ratio_to_gaussian_process.unit = "ratio"
    track_seconds.unit = "seconds"
