"""Fitting a network: loss, optimiser, schedule and the loop around them."""

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from fastemlp._kernels.layers import adam_update


def squared_error(prediction, target):
    """Mean squared error over samples and outputs, and its gradient.

    Parameters
    ----------
    prediction, target : ndarray of shape (batch, n_out)

    Returns
    -------
    loss : float
    gradient : ndarray of shape (batch, n_out), of the loss with respect to ``prediction``
    """
    difference = prediction - target
    loss = float(np.vdot(difference, difference)) / difference.size
    difference *= difference.dtype.type(2 / difference.size)
    return loss, difference


class Adam:
    """Adam (Kingma & Ba 2015) on one flat parameter vector, updated in place.

    Parameters
    ----------
    size : int
    dtype : float32 or float64
    beta1, beta2, epsilon : float; as in the paper
    """

    def __init__(self, size, dtype, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.m = np.zeros(size, dtype)
        self.v = np.zeros(size, dtype)
        self.t = 0

    def step(self, theta, gradient, learning_rate):
        """Move ``theta`` once against ``gradient``."""
        self.t += 1
        # both bias corrections, folded into the step size and epsilon
        root = np.sqrt(1 - self.beta2**self.t)
        step = learning_rate * root / (1 - self.beta1**self.t)
        adam_update(
            theta, gradient, self.m, self.v, self.beta1, self.beta2, step, self.epsilon * root
        )


def cosine_schedule(progress, warmup=0.05):
    """Learning-rate factor at ``progress`` in [0, 1]: a linear warm-up, then half a cosine down to 0."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + np.cos(np.pi * (progress - warmup) / (1 - warmup)))


class FlatParameters:
    """The nested parameters of a network as views of one contiguous vector.

    Parameters
    ----------
    params : nested tuple of ndarrays

    Attributes
    ----------
    vector : ndarray of shape (size,); a copy of all parameters
    params : nested tuple like the one given, viewing ``vector``
    """

    def __init__(self, params):
        self.vector = flatten(params)
        self.params, _ = _views(params, self.vector, 0)


def flatten(params):
    """All arrays of a nested tuple as one new vector."""
    return np.concatenate([leaf.ravel() for leaf in leaves(params)])


def leaves(params):
    """The arrays of a nested tuple, depth first."""
    if isinstance(params, np.ndarray):
        yield params
    else:
        for part in params:
            yield from leaves(part)


def _views(params, vector, start):
    if isinstance(params, np.ndarray):
        stop = start + params.size
        return vector[start:stop].reshape(params.shape), stop
    parts = []
    for part in params:
        view, start = _views(part, vector, start)
        parts.append(view)
    return tuple(parts), start


@dataclass(frozen=True)
class TrainingResult:
    """What a fit came to.

    Attributes
    ----------
    params : nested tuple of ndarrays; the final parameters, or the best validated ones
    loss_curve : list of float; training loss of each epoch
    validation_curve : list of float; validation loss of each epoch, empty without validation data
    n_iter : int; epochs run
    """

    params: tuple
    loss_curve: list
    validation_curve: list
    n_iter: int


# a step is many small products: more BLAS threads cost more in waiting than they save, above all on a busy machine
@threadpool_limits.wrap(limits=1, user_api="blas")
def train(
    network,
    X,
    y,
    rng,
    *,
    validation=None,
    loss=squared_error,
    learning_rate=3e-3,
    batch_size=100,
    max_iter=200,
    tol=0.0,
    n_iter_no_change=50,
    verbose=0,
):
    """Fit a network by mini-batch Adam on a cosine schedule.

    Parameters
    ----------
    network : Network
    X, y : ndarrays of shape (n, n_in) and (n, n_out), of the network's dtype
    rng : numpy Generator; draws the initial parameters and the batches
    validation : (X, y), optional
        When given, training stops after ``n_iter_no_change`` epochs in which its loss did not fall by ``tol``,
        and the best parameters are returned.
    loss : callable, ``loss(prediction, target) -> (value, gradient)``
    learning_rate : float; the peak of the schedule
    batch_size : int; at most n is used
    max_iter : int; epochs
    verbose : int; 1 shows a progress bar

    Returns
    -------
    TrainingResult

    Raises
    ------
    FloatingPointError
        When the loss stops being finite.

    Notes
    -----
    BLAS runs on one thread meanwhile, so the result does not depend on how many there are.
    """
    flat = FlatParameters(network.init(rng))
    optimiser = Adam(flat.vector.size, flat.vector.dtype)
    n = len(X)
    batch_size = min(batch_size, n)
    n_batches = -(-n // batch_size)
    n_steps = max_iter * n_batches
    loss_curve, validation_curve = [], []
    best = _Best(tol)
    with tqdm(total=max_iter, disable=not verbose, desc="fit", unit="epoch") as bar:
        for epoch in range(max_iter):
            order = rng.permutation(n)
            total = 0.0
            for k, batch in enumerate(np.array_split(order, n_batches)):
                prediction, backward = network.forward(flat.params, X[batch])
                value, gradient = loss(prediction, y[batch])
                _, grads = backward(gradient)
                rate = learning_rate * cosine_schedule((epoch * n_batches + k + 1) / n_steps)
                optimiser.step(flat.vector, flatten(grads), rate)
                total += value * len(batch)
            loss_curve.append(total / n)
            _require_finite(loss_curve, learning_rate)
            bar.update()
            bar.set_postfix(loss=f"{loss_curve[-1]:.2e}", refresh=False)
            if validation is not None:
                value, _ = loss(network(flat.params, validation[0]), validation[1])
                validation_curve.append(value)
                best.offer(value, flat.vector, epoch)
                if epoch - best.epoch >= n_iter_no_change:
                    break
    if best.vector is not None:
        flat.vector[:] = best.vector
    return TrainingResult(flat.params, loss_curve, validation_curve, len(loss_curve))


class _Best:
    """The best parameters so far, and when they last improved by more than ``tol``."""

    def __init__(self, tol):
        self.tol = tol
        self.value = self.reference = np.inf
        self.epoch = 0
        self.vector = None

    def offer(self, value, vector, epoch):
        if value < self.value:
            self.value, self.vector = value, vector.copy()
        if value < self.reference - self.tol:
            self.reference, self.epoch = value, epoch


def _require_finite(loss_curve, learning_rate):
    if np.isfinite(loss_curve[-1]):
        return
    previous = f"{loss_curve[-2]:.3g}" if len(loss_curve) > 1 else "none"
    raise FloatingPointError(
        f"Training diverged in epoch {len(loss_curve)}: the loss is {loss_curve[-1]} (epoch before: {previous}) "
        f"with learning_rate={learning_rate}. Lower learning_rate, or look for outliers in X and y."
    )
