"""Fitting a network: losses, optimisers, schedules and the loop around them."""

from fastemlp.training.loop import SOLVERS, train
from fastemlp.training.losses import CrossEntropy, Huber, SquaredError, squared_error
from fastemlp.training.monitor import TrainingResult
from fastemlp.training.optimisers import Adam, AdamW, Average
from fastemlp.training.schedules import SCHEDULES, constant, cosine, one_cycle

__all__ = [
    "SCHEDULES",
    "SOLVERS",
    "Adam",
    "AdamW",
    "Average",
    "CrossEntropy",
    "Huber",
    "SquaredError",
    "TrainingResult",
    "constant",
    "cosine",
    "one_cycle",
    "squared_error",
    "train",
]
