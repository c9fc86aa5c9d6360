"""A Lorentz-invariant matrix element of four particle momenta."""

import numpy as np
from sklearn.utils import check_random_state

from fastemlp.datasets._task import TaskSpec, check_count, check_noise, finish
from fastemlp.groups import O13
from fastemlp.reps import Scalar, V

ETA = np.array([1.0, -1.0, -1.0, -1.0])  # diagonal of the Minkowski metric η


def make_particle_interaction(
    n_samples=1000, *, symmetrized=True, noise=0.0, random_state=None, return_spec=False
):
    """Generate the particle-interaction regression task of Finzi et al. (2021).

    The target is the squared matrix element of electron-muon scattering as a function of four
    4-momenta, invariant under the Lorentz group O(1,3)::

        y = 4 [p1^(μ p3^ν) − (p1·p3 − p1·p1) η^μν] [p2_(μ p4_ν) − (p2·p4 − p2·p2) η_μν]

    where ``a^(μ b^ν) = a^μ b^ν + a^ν b^μ``, ``η = diag(1, −1, −1, −1)`` and ``a·b = aᵀ η b``.

    Parameters
    ----------
    n_samples : int, default=1000
    symmetrized : bool, default=True
        If False, ``a^μ b^ν`` alone stands for ``a^(μ b^ν)``, as in the code published with the
        paper; its figures use that. Either value is exactly invariant.
    noise : float, default=0.0
        Standard deviation of the Gaussian noise added to y.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same samples in every call. The noise is drawn after X.
    return_spec : bool, default=False
        Also return the symmetry of the task.

    Returns
    -------
    X : ndarray of shape (n_samples, 16), float64
        ``p1, p2, p3, p4``, time component first, entries N(0, 1/4²).
    y : ndarray of shape (n_samples,), float64
    spec : TaskSpec
        ``4*V -> Scalar`` under O(1,3). Only if ``return_spec=True``.

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
    >>> from fastemlp.datasets import make_particle_interaction
    >>> X, y = make_particle_interaction(100, random_state=0)
    >>> X.shape, y.shape
    ((100, 16), (100,))
    """
    n_samples = check_count(n_samples, "n_samples", "make_particle_interaction")
    noise = check_noise(noise, "make_particle_interaction")
    rng = check_random_state(random_state)
    X = rng.standard_normal((n_samples, 16)) / 4
    spec = TaskSpec("particle_interaction", O13(), 4 * V, Scalar)
    y = particle_target(X, symmetrized=symmetrized)
    return finish(X, y, spec, noise=noise, rng=rng, return_spec=return_spec)


def particle_target(X, *, symmetrized=True):
    """Return the noise-free y, of shape (n,), for X of shape (n, 16).

    Notes
    -----
    With ``a = p1·p3 − p1·p1`` and ``b = p2·p4 − p2·p2``, η^μν η_μν = 4 and
    p^μ q^ν η_μν = p·q, so the contraction multiplies out to dot products::

        2 [(p1·p2)(p3·p4) + (p1·p4)(p3·p2)] − 2b (p1·p3) − 2a (p2·p4) + 4ab   symmetrized
        (p1·p2)(p3·p4) − b (p1·p3) − a (p2·p4) + 4ab                          as published
    """
    p1, p2, p3, p4 = X.reshape(len(X), 4, 4).transpose(1, 0, 2)
    p13, p24 = minkowski_dot(p1, p3), minkowski_dot(p2, p4)
    a, b = p13 - minkowski_dot(p1, p1), p24 - minkowski_dot(p2, p2)
    products = minkowski_dot(p1, p2) * minkowski_dot(p3, p4)
    traces = b * p13 + a * p24
    if symmetrized:
        exchanged = minkowski_dot(p1, p4) * minkowski_dot(p3, p2)
        products, traces = 2 * (products + exchanged), 2 * traces
    return 4 * (products - traces + 4 * a * b)


def minkowski_dot(p, q):
    """Return ``p·q = pᵀ η q`` for momenta p and q of shape (n, 4)."""
    return np.einsum("ni,i,ni->n", p, ETA, q)
