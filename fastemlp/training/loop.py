"""Training a network from its initial parameters to a result."""

from functools import partial

import numpy as np

from fastemlp.training.batches import Batches
from fastemlp.training.descent import Descent
from fastemlp.training.lbfgs import minimise_lbfgs
from fastemlp.training.losses import squared_error
from fastemlp.training.monitor import Monitor, TrainingResult
from fastemlp.training.objective import DerivativeObjective, Objective
from fastemlp.training.optimisers import Adam, Average, auto_decay
from fastemlp.training.schedules import SCHEDULES

SOLVERS = ("adam", "adamw", "lbfgs")


def train(
    network,
    X,
    y,
    rng,
    *,
    sample_weight=None,
    dy=None,
    dy_loss=None,
    validation=None,
    loss=squared_error,
    solver="adamw",
    learning_rate=3e-3,
    schedule="cosine",
    warmup=None,
    weight_decay=0.03,
    max_grad_norm=1.0,
    ema_decay=None,
    batch_size=128,
    max_iter=200,
    tol=0.0,
    n_iter_no_change=50,
    enough=0.0,
    is_hopeless=None,
    verbose=0,
):
    """Fit a network to data.

    Parameters
    ----------
    network : Network
    X, y : ndarrays of shape (n, n_in) and (n, n_out), of the network's dtype
    rng : numpy Generator; draws the initial parameters and the batches
    sample_weight : ndarray of shape (n,), optional; positive, rescaled to mean one
    dy : ndarray of shape (n, n_out, n_in), optional
        The derivative of y in X, NaN where it is not known; it is fitted as well. Needs ``dy_loss``.
    dy_loss : DerivativeError, optional; what is added to ``loss``
    validation : (X, y), (X, y, sample_weight) or (X, y, sample_weight, dy), optional
        If given, training stops after ``n_iter_no_change`` epochs in which its loss did not fall by ``tol``, and the
        best parameters are returned.
    loss : callable; see ``fastemlp.training.losses``
    solver : {"adam", "adamw", "lbfgs"}
        L-BFGS takes all data at once, for ``max_iter`` iterations; it ignores what follows up to ``batch_size``.
    learning_rate : float; the peak of the schedule
    schedule : {"cosine", "one_cycle", "constant"}
    warmup : float in [0, 1), optional; share of all steps, None for the schedule's default
    weight_decay : float; for "adamw" only
    max_grad_norm : float or None; longer gradients are shortened to this norm
    ema_decay : float in [0, 1), "auto" or None
        If given, the exponential moving average of the parameters is validated and returned in their place, and its
        loss recorded, see ``Descent``; "auto" is ``auto_decay``.
    batch_size : int; at most n is used
    max_iter : int; epochs
    tol, n_iter_no_change : float, int; see ``validation``
    enough : float; training ends when the loss is this share of the targets' mean square
    is_hopeless : callable, optional
        (epoch, parameters) -> whether to stop there, asked after each.
    verbose : int; 1 shows a progress bar on a terminal or in a notebook

    Returns
    -------
    TrainingResult

    Raises
    ------
    FloatingPointError
        When training keeps diverging, see ``Guard``.

    Warns
    -----
    ConvergenceWarning
        When it diverged but succeeded from the last good parameters with a smaller learning rate.

    Notes
    -----
    The shares of a batch run on as many threads as BLAS has, see ``Objective``; the result does not depend on how
    many. A step allocates nothing but what the loss does and, with dy, two arrays like X and y a tile. Training ends
    when the loss is the roundoff of the targets, and at once, with all parameters zero, when the targets are zero and
    the network then predicts zero.
    """
    if solver == "lbfgs":
        batch_size, ema_decay = len(X), None
    data = _weighted(X, y, sample_weight, dy)
    if _is_solved_by_zero(network, loss, *data):
        theta = np.zeros(network.n_parameters, network.dtype)
        return TrainingResult(theta, [0.0], [] if validation is None else [0.0], 1)
    batches = Batches(data, batch_size)
    if dy is None:
        objective = Objective(network, loss, rng, batches.size)
    else:
        objective = DerivativeObjective(network, loss, rng, batches.size, dy_loss)
    # what is validated and returned: the parameters themselves, or their average
    final, average = objective.theta, None
    if ema_decay == "auto":
        ema_decay = partial(auto_decay, len(batches) * max_iter)
    if ema_decay is not None:
        final = final.copy()
        average = Average(final, ema_decay)
    validate = None
    if validation is not None:
        validate = partial(objective.value, final, *_weighted(*validation))
    with (
        objective,
        Monitor(final, validate, tol, n_iter_no_change, max_iter, verbose, is_hopeless) as monitor,
        # overflow is checked for where it matters, and reported with what to do
        np.errstate(over="ignore", invalid="ignore"),
    ):
        if solver == "lbfgs":
            minimise_lbfgs(objective, batches.data, monitor, max_iter)
        else:
            decay = weight_decay if solver == "adamw" else 0.0
            optimiser = Adam(final.size, final.dtype, decay)
            factor = SCHEDULES[schedule]
            factor = factor if warmup is None else partial(factor, warmup=warmup)
            power = objective.power(y)
            descent = Descent(
                objective, optimiser, average, learning_rate, factor, max_grad_norm, power, enough
            )
            descent.run(batches, rng, monitor, max_iter)
    monitor.restore_best()
    return TrainingResult(
        final, monitor.loss_curve, monitor.validation_curve, len(monitor.loss_curve)
    )


def _is_solved_by_zero(network, loss, X, y, weight, *dy):
    """Whether the targets are zero and parameters of zero predict them, so that there is nothing to learn."""
    if any(targets.any() for targets in (y, *dy)):
        return False
    prediction = network(np.zeros(network.n_parameters, network.dtype), X)
    return not prediction.any() and loss(prediction, y, weight)[0] == 0


def _weighted(X, y, sample_weight=None, dy=None):
    """The data with sample weights of mean one, in its precision; dy only if there is one."""
    if sample_weight is not None:
        sample_weight = (sample_weight / np.mean(sample_weight)).astype(y.dtype)
    return (X, y, sample_weight) if dy is None else (X, y, sample_weight, dy)
