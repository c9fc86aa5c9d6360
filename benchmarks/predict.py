"""Time to predict one sample, and how many a second when there are many; the form that linear layers take for it."""

import numpy as np

from fastemlp import FastEMLPRegressor, Group
from fastemlp.groups import SO13, O, S
from fastemlp.nn import Coordinates, Features, Linear, Network, gated_rep
from fastemlp.reps import Scalar, uniform_rep

from .common import TASKS, best_of, check_equivariant, float32_task, ratio, regressor

MANY = 100_000
ONES = 200
#: Of a moving plane, homogeneous coordinates: not reductive.
SE2 = Group(
    lie_algebra=[
        [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]],
    ],
    name="SE2",
)
GROUPS = {"O(5)": O(5), "O(3)": O(3), "SO(1,3)": SO13(), "S(5)": S(5), "SE(2)": SE2}


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


class PredictInClosedForm:
    """Time of a closed form over that of the network alone, in the same run: default settings, 1,000 samples.

    Targets: 2 for one sample, 1 for many.
    """

    params = tuple(TASKS)
    param_names = ("task",)
    timeout = 300

    def setup(self, task):
        self.X, y, spec = float32_task(task, MANY)
        few = self.X[:1000], y[:1000]
        self.network = regressor(spec).fit(*few)
        symmetry = {"group": spec.group, "rep_in": spec.rep_in, "rep_out": spec.rep_out}
        self.form = FastEMLPRegressor(**symmetry, random_state=0).fit(*few)
        if self.form.network_share_:
            raise RuntimeError(f"{task} is not predicted in closed form alone")

    def track_one_sample(self, task):
        rows = [self.X[k : k + 1] for k in range(ONES)]
        return self._of_network(lambda model: [model.predict(x) for x in rows])

    def track_many_samples(self, task):
        return self._of_network(lambda model: model.predict(self.X))

    def _of_network(self, work):
        pairs = [
            [best_of(lambda model=model: work(model), 1) for model in (self.form, self.network)]
            for _ in range(5)
        ]
        return ratio(*np.min(pairs, axis=0))

    track_one_sample.unit = track_many_samples.unit = "ratio"


class Dense:
    """A linear layer as one dense matrix, its entries the parameters."""

    def __init__(self, n_in, n_out):
        self.n_in, self.n_out = n_in, n_out

    def record(self, tape, x):
        y = tape.rows(self.n_out)
        tape.mix(y, x, 1)
        return y


class LinearForms:
    """Time of a hidden layer of 384 channels, written as ``fastemlp`` writes it, over that of its dense matrix.

    The changes between natural and isotypic coordinates count for the former, though a network needs none of them; what
    either form computes once for all samples does not count.
    """

    params = (tuple(GROUPS), (1, 16, 1024))
    param_names = ("group", "batch")

    def track_of_dense(self, group, batch):
        G = GROUPS[group]
        rep = uniform_rep(384, G)
        reps = rep, gated_rep(rep)
        coordinates = Coordinates(reps)
        a, b = (Features(r, coordinates) for r in reps)
        network = Network([Linear(a, b, bias=False)], a, b, np.float32)
        rng = np.random.default_rng(0)
        theta, x = network.init(rng), rng.standard_normal((batch, a.size)).astype(np.float32)
        weights = network.program.weights.of(theta)
        dense = network(theta, np.eye(a.size, dtype=np.float32)).T.ravel()
        # the same rows in, the same rows out, and nothing but a product between
        plain = Network([Dense(a.size, b.size)], *map(_scalars, (a, b)), np.float32)
        y, expected = network(theta, x), plain(dense, x)
        if not np.abs(y - expected).max() < 1e-4 * np.abs(expected).max():
            raise RuntimeError("the two forms of a layer do not agree")
        repeats = max(1, 2000 // batch)

        def seconds(work):
            return best_of(lambda: [work() for _ in range(repeats)], 1)

        pairs = [
            (seconds(lambda: network(theta, x, weights)), seconds(lambda: plain(dense, x)))
            for _ in range(7)
        ]
        return ratio(*np.min(pairs, axis=0))

    track_of_dense.unit = "ratio"


def _scalars(features):
    """Features of the same size that nothing acts on."""
    rep = features.size * Scalar
    return Features(rep, Coordinates([rep]))
