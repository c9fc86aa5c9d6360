"""Small regression tasks that no default was tuned on; ``TASKS`` names them, each a function of (rng, n samples)."""

from unseen_tasks import atoms, discrete, scalars, spoiled, tensors
from unseen_tasks.task import N_TEST, Task
from unseen_tasks.tensors import duct

__all__ = ["N_TEST", "TASKS", "Task", "duct"]

TASKS = {
    **atoms.TASKS,
    **tensors.TASKS,
    **scalars.TASKS,
    **discrete.TASKS,
    **spoiled.TASKS,
}
