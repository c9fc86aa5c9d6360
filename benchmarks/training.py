"""Time of one training step, alone and beside scikit-learn's perceptron of the same width; its growth; its memory."""

import warnings
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from fastemlp.nn import EMLP
from fastemlp.training.losses import squared_error
from fastemlp.training.objective import Objective
from fastemlp.training.optimisers import Adam

from .common import (
    MATRICES,
    TASKS,
    best_of,
    check_equivariant,
    float32_task,
    growth,
    ratio,
    regressor,
    run_script,
)

BATCH, FEW = 500, 128
STEPS = 20
SIZES = {"channels": (96, 192, 384, 768, 1536), "batch": (64, 256, 1024, 2048, 8192)}


class Stepper:
    """Training steps of a network on one batch, the optimiser included."""

    def __init__(self, task, batch=BATCH, channels=384, dtype=np.float32):
        X, y, spec = float32_task(task, batch)
        self.X, self.y = X.astype(dtype), y.reshape(batch, -1).astype(dtype)
        network = EMLP(spec.rep_in, spec.rep_out, spec.group, channels, 3, dtype=dtype)
        self.objective = Objective(network, squared_error, np.random.default_rng(0), batch)
        self.optimiser = Adam(network.n_parameters, np.dtype(dtype))

    def step(self):
        value = self.objective.value_and_gradient(self.X, self.y, None)
        self.optimiser.step(self.objective.theta, self.objective.gradient, 1e-4)
        return value

    def time(self, repeats=3):
        """Return seconds per step, once the loss has been seen to fall."""
        with self.objective:
            first = self.step()
            seconds = best_of(lambda: [self.step() for _ in range(STEPS)], repeats) / STEPS
            if not self.step() < first:
                raise RuntimeError("the loss does not fall")
        return seconds


def ratio_to_mlp(stepper):
    """Return the time of a step as a fraction of that of scikit-learn's perceptron of as many channels."""
    X, y = stepper.X, stepper.y
    mlp = MLPRegressor(hidden_layer_sizes=(384, 384, 384), batch_size=len(X), random_state=0)
    y = y.ravel() if y.shape[1] == 1 else y
    mlp.partial_fit(X, y)
    if mlp.coefs_[0].dtype != X.dtype:
        raise RuntimeError("the perceptron does not train in single precision")

    def perceptron():
        return best_of(lambda: [mlp.partial_fit(X, y) for _ in range(STEPS)], 1) / STEPS

    # in turns, so that both see the machine in the same state
    pairs = [(stepper.time(1), perceptron()) for _ in range(5)]
    return ratio(*np.median(pairs, axis=0))


class TrainingStep:
    """Targets on two cores: 10, 15 and 12 ms, no longer than the perceptron's."""

    params = tuple(TASKS)
    param_names = ("task",)
    timeout = 600

    def setup(self, task):
        warnings.simplefilter("ignore", ConvergenceWarning)  # a few steps never converge
        self.X, self.y, spec = float32_task(task, BATCH)
        check_equivariant(regressor(spec).fit(self.X, self.y), self.X, spec)
        self.stepper = Stepper(task)

    def track_step(self, task):
        return self.stepper.time()

    def track_ratio_to_mlp(self, task):
        return ratio_to_mlp(self.stepper)

    def track_double_over_single(self, task):
        double = Stepper(task, dtype=np.float64)
        pairs = [(double.time(1), self.stepper.time(1)) for _ in range(3)]
        return ratio(*np.median(pairs, axis=0))

    track_step.unit = "seconds"
    track_ratio_to_mlp.unit = "ratio"
    track_double_over_single.unit = "ratio"


class StepOnMatrices:
    """The same for transposes of matrices on 40 points. Target: twice the perceptron's.

    At as many channels a layer has 128 scalars and four matrices, 17 times as many components as the perceptron's.
    """

    timeout = 600

    def setup(self):
        warnings.simplefilter("ignore", ConvergenceWarning)
        X, y, spec = float32_task(MATRICES, FEW)
        check_equivariant(regressor(spec).fit(X, y), X, spec)
        self.stepper = Stepper(MATRICES, FEW)

    def track_step(self):
        return self.stepper.time()

    def track_ratio_to_mlp(self):
        return ratio_to_mlp(self.stepper)

    track_step.unit = "seconds"
    track_ratio_to_mlp.unit = "ratio"


class StepGrowth:
    """Exponents of a step's time in channels and in batch size, from the smallest to the largest."""

    params = (("channels", "batch"), tuple(TASKS))
    param_names = ("of", "task")
    timeout = 600

    def times(self, of, task):
        fixed = {"channels": {"batch": 128}, "batch": {"channels": 384}}[of]
        return [Stepper(task, **fixed, **{of: size}).time(2) for size in SIZES[of]]

    def track_exponent(self, of, task):
        return growth(SIZES[of], self.times(of, task))

    track_exponent.unit = "exponent"


class Construction:
    """Seconds to build the network of 3 layers of 384 channels in a new process. Targets: 1 cold, 0.2 warm."""

    params = (("cold", "warm"), tuple(TASKS))
    param_names = ("store", "task")
    timeout = 300
    SCRIPT = """
import sys
from time import perf_counter
from benchmarks.common import TASKS
from fastemlp.nn import EMLP
*_, spec = TASKS[sys.argv[1]](2, return_spec=True)
start = perf_counter()
EMLP(spec.rep_in, spec.rep_out, spec.group, 384, 3)
print(perf_counter() - start)
"""

    def track_first(self, store, task):
        with TemporaryDirectory() as directory:
            for _ in range(1 + (store == "warm")):
                seconds = run_script(self.SCRIPT, task, FASTEMLP_BASIS_DIR=directory)
        return seconds

    track_first.unit = "seconds"


class StepMemory:
    """Mebibytes that training takes above what its imports took. Target: 150."""

    params = tuple(TASKS)
    param_names = ("task",)
    timeout = 300

    SCRIPT = """
import sys
from benchmarks.common import float32_task, peak_memory, regressor
X, y, spec = float32_task(sys.argv[1], 1000)
before = peak_memory()
regressor(spec, max_iter=5).fit(X, y)
print((peak_memory() - before) / 2**20)
"""

    def track_above_import(self, task):
        return run_script(self.SCRIPT, task)

    track_above_import.unit = "MiB"
