"""The moment of inertia of a few point masses, an O(3)-equivariant matrix."""

import numpy as np
from sklearn.utils import check_random_state

from fastemlp.datasets._task import TaskSpec, check_count, check_noise, finish
from fastemlp.groups import O
from fastemlp.reps import Scalar, V


def make_inertia(n_samples=1000, *, n_masses=5, noise=0.0, random_state=None, return_spec=False):
    """Generate the moment-of-inertia regression task of Finzi et al. (2021).

    The target is the inertia matrix of point masses about the origin::

        y = Σ_i m_i (|x_i|² I − x_i x_iᵀ)

    Parameters
    ----------
    n_samples : int, default=1000
    n_masses : int, default=5
        Number of point masses per sample.
    noise : float, default=0.0
        Standard deviation of the Gaussian noise added to every entry of y. Rotating it leaves
        its distribution unchanged, so the task stays equivariant in distribution.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same samples in every call. The noise is drawn after X.
    return_spec : bool, default=False
        Also return the symmetry of the task.

    Returns
    -------
    X : ndarray of shape (n_samples, 4 * n_masses), float64
        The masses, softplus of N(0, 1) and so positive, then the positions in R³, N(0, 1).
    y : ndarray of shape (n_samples, 9), float64
        The matrix in row-major order.
    spec : TaskSpec
        ``n_masses*Scalar + n_masses*V -> V**2`` under O(3). Only if ``return_spec=True``.

    Raises
    ------
    TypeError, ValueError
        If `n_samples` or `n_masses` is not a whole number of at least 1, or `noise` not a
        finite number of at least 0.

    References
    ----------
    M. Finzi, M. Welling, A. G. Wilson, "A Practical Method for Constructing Equivariant
    Multilayer Perceptrons for Arbitrary Matrix Groups", ICML 2021, "Synthetic Experiments".

    Examples
    --------
    >>> from fastemlp.datasets import make_inertia
    >>> X, y = make_inertia(100, random_state=0)
    >>> X.shape, y.shape
    ((100, 20), (100, 9))
    """
    n_samples = check_count(n_samples, "n_samples", "make_inertia")
    n_masses = check_count(n_masses, "n_masses", "make_inertia")
    noise = check_noise(noise, "make_inertia")
    rng = check_random_state(random_state)
    # softplus(z) = log(1 + e^z)
    masses = np.logaddexp(0.0, rng.standard_normal((n_samples, n_masses)))
    X = np.hstack([masses, rng.standard_normal((n_samples, 3 * n_masses))])
    spec = TaskSpec("inertia", O(3), n_masses * Scalar + n_masses * V, V**2)
    y = inertia_target(X, n_masses)
    return finish(X, y, spec, noise=noise, rng=rng, return_spec=return_spec)


def inertia_target(X, n_masses):
    """Return the noise-free y, of shape (n, 9), for X of shape (n, 4·n_masses)."""
    m, x = X[:, :n_masses], X[:, n_masses:].reshape(len(X), n_masses, 3)
    second_moment = np.einsum("nk,nki,nkj->nij", m, x, x)
    # Σ m_i |x_i|² is the trace of Σ m_i x_i x_iᵀ
    trace = np.einsum("nii->n", second_moment)
    return (trace[:, None, None] * np.eye(3) - second_moment).reshape(len(X), 9)
