"""Fitting a network: losses, optimisers, schedules and the loop around them."""

from fastemlp.training.loop import SOLVERS, train
from fastemlp.training.losses import CrossEntropy, DerivativeError, Huber, SquaredError
from fastemlp.training.schedules import SCHEDULES
from fastemlp.training.trial import try_network

__all__ = [
    "SCHEDULES",
    "SOLVERS",
    "CrossEntropy",
    "DerivativeError",
    "Huber",
    "SquaredError",
    "train",
    "try_network",
]
