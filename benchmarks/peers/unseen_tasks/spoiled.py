"""Targets with noise, outliers or a symmetry that is slightly broken, and targets that are nothing but noise."""

import numpy as np

from fastemlp.groups import O
from fastemlp.reps import Scalar, V
from unseen_tasks import atoms, scalars, tensors
from unseen_tasks.task import Task, of_vectors


def _noisy(make, size=0.3, every=1):
    """Noise of ``size`` standard deviations on one in ``every`` so many targets; what is tested is free of it."""

    def make_noisy(rng, n):
        task = make(rng, n)
        noise = size * task.y.std() * rng.standard_normal(task.y.shape)
        noise[np.arange(n) % every > 0] = 0
        return task._replace(y=task.y + noise, clean=task.y)

    return make_noisy


def _broken(make, share):
    """Symmetric, and a share of one column."""

    def make_broken(rng, n):
        task = make(rng, n)
        column = task.X[:, 0] / task.X[:, 0].std()
        return task._replace(y=task.y / task.y.std() + share * column, target=None)

    return make_broken


def _nothing(rep_out, shape):
    """Targets that have nothing to do with X."""

    def make(rng, n):
        X, y = rng.standard_normal((n, 6)), rng.standard_normal((n, *shape))
        return Task(X, y, O(3), 2 * V, rep_out, of_vectors())

    return make


TASKS = {
    "O(5) noisy": _noisy(scalars.o5),
    "Morse noisy": _noisy(atoms.morse),
    "inertia noisy": _noisy(tensors.inertia),
    "O(5) outliers": _noisy(scalars.o5, 3, every=20),
    "Morse outliers": _noisy(atoms.morse, 3, every=20),
    "broken 0.1": _broken(scalars.o5, 0.1),
    "broken 0.3": _broken(scalars.o5, 0.3),
    "noise": _nothing(Scalar, ()),
    "noise V": _nothing(V, (3,)),
}
