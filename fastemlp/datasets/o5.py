"""An O(5)-invariant scalar of two vectors."""

import numpy as np
from sklearn.utils import check_random_state

from fastemlp.datasets._task import TaskSpec, check_count, check_noise, finish
from fastemlp.groups import O
from fastemlp.reps import Scalar, V


def make_o5_synthetic(n_samples=1000, *, noise=0.0, random_state=None, return_spec=False):
    """Generate the O(5)-invariant regression task of Finzi et al. (2021).

    The target depends on two vectors of R⁵ through their lengths and angle alone::

        y = sin|x1| − |x2|³/2 + x1·x2 / (|x1| |x2|)

    Parameters
    ----------
    n_samples : int, default=1000
    noise : float, default=0.0
        Standard deviation of the Gaussian noise added to y.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same samples in every call. The noise is drawn after X.
    return_spec : bool, default=False
        Also return the symmetry of the task.

    Returns
    -------
    X : ndarray of shape (n_samples, 10), float64
        ``x1`` then ``x2``, entries N(0, 1).
    y : ndarray of shape (n_samples,), float64
    spec : TaskSpec
        ``2*V -> Scalar`` under O(5). Only if ``return_spec=True``.

    Raises
    ------
    TypeError, ValueError
        If `n_samples` is not a whole number of at least 1, or `noise` not a finite number of
        at least 0.

    References
    ----------
    M. Finzi, M. Welling, A. G. Wilson, "A Practical Method for Constructing Equivariant
    Multilayer Perceptrons for Arbitrary Matrix Groups", ICML 2021, "Synthetic Experiments".

    Examples
    --------
    >>> from fastemlp.datasets import make_o5_synthetic
    >>> X, y = make_o5_synthetic(100, random_state=0)
    >>> X.shape, y.shape
    ((100, 10), (100,))
    """
    n_samples = check_count(n_samples, "n_samples", "make_o5_synthetic")
    noise = check_noise(noise, "make_o5_synthetic")
    rng = check_random_state(random_state)
    X = rng.standard_normal((n_samples, 10))
    spec = TaskSpec("o5_synthetic", O(5), 2 * V, Scalar)
    return finish(X, o5_target(X), spec, noise=noise, rng=rng, return_spec=return_spec)


def o5_target(X):
    """Return the noise-free y, of shape (n,), for X of shape (n, 10)."""
    x1, x2 = X[:, :5], X[:, 5:]
    r1, r2 = np.linalg.norm(x1, axis=1), np.linalg.norm(x2, axis=1)
    cosine = np.einsum("ni,ni->n", x1, x2) / (r1 * r2)
    return np.sin(r1) - r2**3 / 2 + cosine
