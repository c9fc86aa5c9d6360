"""Synthetic regression tasks whose targets are exactly equivariant.

They are those of M. Finzi, M. Welling, A. G. Wilson, "A Practical Method for Constructing Equivariant Multilayer
Perceptrons for Arbitrary Matrix Groups", ICML 2021, section "Synthetic Experiments".
"""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from fastemlp.groups import O13, Group, O
from fastemlp.reps import Rep, Scalar, V

__all__ = ["TaskSpec", "make_inertia", "make_o5_synthetic", "make_particle_interaction"]

ETA = np.array([1.0, -1.0, -1.0, -1.0])  # diagonal of the Minkowski metric η


@dataclass(frozen=True)
class TaskSpec:
    """The symmetry of a task: y transforms by ``rep_out`` when X does by ``rep_in``.

    Attributes
    ----------
    name : str
    group : Group
    rep_in, rep_out : Rep, unbound
        ``rep_in(group).size()`` is the number of columns of X and ``rep_out(group).size()`` that of y.

    Examples
    --------
    >>> from fastemlp.datasets import make_o5_synthetic
    >>> X, y, spec = make_o5_synthetic(8, random_state=0, return_spec=True)
    >>> spec.rep_in(spec.group).size() == X.shape[1]
    True
    """

    name: str
    group: Group
    rep_in: Rep
    rep_out: Rep


def make_o5_synthetic(n_samples=1000, *, noise=0.0, random_state=None, return_spec=False):
    """Generate the O(5)-invariant task of Finzi et al. (2021): a scalar of two vectors.

    The target depends on two vectors of R⁵ through their lengths and angle alone::

        y = sin|x1| − |x2|³/2 + x1·x2 / (|x1| |x2|)

    Parameters
    ----------
    n_samples : int
    noise : float; standard deviation of the Gaussian noise added to y
    random_state : int, RandomState or None; an int gives the same samples in every call, X whatever the noise
    return_spec : bool; whether to return the symmetry of the task as well

    Returns
    -------
    X : ndarray of shape (n_samples, 10), float64
        ``x1`` then ``x2``, entries N(0, 1).
    y : ndarray of shape (n_samples,), float64
    spec : TaskSpec; ``2*V -> Scalar`` under O(5)

    Raises
    ------
    TypeError, ValueError
        If ``n_samples`` is not a whole number ≥ 1, or ``noise`` not a finite number ≥ 0.

    Examples
    --------
    >>> from fastemlp.datasets import make_o5_synthetic
    >>> X, y = make_o5_synthetic(100, random_state=0)
    >>> X.shape, y.shape
    ((100, 10), (100,))
    """
    n_samples = _count(n_samples, "n_samples", "make_o5_synthetic")
    noise = _noise(noise, "make_o5_synthetic")
    rng = check_random_state(random_state)
    X = rng.standard_normal((n_samples, 10))
    spec = TaskSpec("o5_synthetic", O(5), 2 * V, Scalar)
    return _finish(X, o5_target(X), spec, noise, rng, return_spec)


def o5_target(X):
    """The noise-free y, of shape (n,), for X of shape (n, 10)."""
    x1, x2 = X[:, :5], X[:, 5:]
    r1, r2 = np.linalg.norm(x1, axis=1), np.linalg.norm(x2, axis=1)
    cosine = np.einsum("ni,ni->n", x1, x2) / (r1 * r2)
    return np.sin(r1) - r2**3 / 2 + cosine


def make_inertia(n_samples=1000, *, n_masses=5, noise=0.0, random_state=None, return_spec=False):
    """Generate the O(3)-equivariant task of Finzi et al. (2021): the moment of inertia of a few point masses.

    The target is the inertia matrix of the masses about the origin::

        y = Σ_i m_i (|x_i|² I − x_i x_iᵀ)

    Parameters
    ----------
    n_samples : int
    n_masses : int; point masses per sample
    noise : float
        Standard deviation of the Gaussian noise added to every entry of y. Rotating it leaves its distribution
        unchanged, so the task stays equivariant in distribution.
    random_state : int, RandomState or None; an int gives the same samples in every call, X whatever the noise
    return_spec : bool; whether to return the symmetry of the task as well

    Returns
    -------
    X : ndarray of shape (n_samples, 4 * n_masses), float64
        The masses, softplus of N(0, 1) and so positive, then the positions in R³, N(0, 1).
    y : ndarray of shape (n_samples, 9), float64; the matrix in row-major order
    spec : TaskSpec; ``n_masses*Scalar + n_masses*V -> V**2`` under O(3)

    Raises
    ------
    TypeError, ValueError
        If ``n_samples`` or ``n_masses`` is not a whole number ≥ 1, or ``noise`` not a finite number ≥ 0.

    Examples
    --------
    >>> from fastemlp.datasets import make_inertia
    >>> X, y = make_inertia(100, random_state=0)
    >>> X.shape, y.shape
    ((100, 20), (100, 9))
    """
    n_samples = _count(n_samples, "n_samples", "make_inertia")
    n_masses = _count(n_masses, "n_masses", "make_inertia")
    noise = _noise(noise, "make_inertia")
    rng = check_random_state(random_state)
    # softplus(z) = log(1 + e^z)
    masses = np.logaddexp(0.0, rng.standard_normal((n_samples, n_masses)))
    X = np.hstack([masses, rng.standard_normal((n_samples, 3 * n_masses))])
    spec = TaskSpec("inertia", O(3), n_masses * Scalar + n_masses * V, V**2)
    return _finish(X, inertia_target(X, n_masses), spec, noise, rng, return_spec)


def inertia_target(X, n_masses):
    """The noise-free y, of shape (n, 9), for X of shape (n, 4·n_masses)."""
    m, x = X[:, :n_masses], X[:, n_masses:].reshape(len(X), n_masses, 3)
    second_moment = np.einsum("nk,nki,nkj->nij", m, x, x)
    # Σ m_i |x_i|² is the trace of Σ m_i x_i x_iᵀ
    trace = np.einsum("nii->n", second_moment)
    return (trace[:, None, None] * np.eye(3) - second_moment).reshape(len(X), 9)


def make_particle_interaction(
    n_samples=1000, *, symmetrized=True, noise=0.0, random_state=None, return_spec=False
):
    """Generate the Lorentz-invariant task of Finzi et al. (2021): a matrix element of four particle momenta.

    The target is the squared matrix element of electron-muon scattering as a function of four
    4-momenta, invariant under the Lorentz group O(1,3)::

        y = 4 [p1^(μ p3^ν) − (p1·p3 − p1·p1) η^μν] [p2_(μ p4_ν) − (p2·p4 − p2·p2) η_μν]

    where ``a^(μ b^ν) = a^μ b^ν + a^ν b^μ``, ``η = diag(1, −1, −1, −1)`` and ``a·b = aᵀ η b``.

    Parameters
    ----------
    n_samples : int
    symmetrized : bool
        If False, ``a^μ b^ν`` alone stands for ``a^(μ b^ν)``, as in the code published with the paper; its figures use
        that. Either value is exactly invariant.
    noise : float; standard deviation of the Gaussian noise added to y
    random_state : int, RandomState or None; an int gives the same samples in every call, X whatever the noise
    return_spec : bool; whether to return the symmetry of the task as well

    Returns
    -------
    X : ndarray of shape (n_samples, 16), float64
        ``p1, p2, p3, p4``, time component first, entries N(0, 1/4²).
    y : ndarray of shape (n_samples,), float64
    spec : TaskSpec; ``4*V -> Scalar`` under O(1,3)

    Raises
    ------
    TypeError, ValueError
        If ``n_samples`` is not a whole number ≥ 1, or ``noise`` not a finite number ≥ 0.

    Examples
    --------
    >>> from fastemlp.datasets import make_particle_interaction
    >>> X, y = make_particle_interaction(100, random_state=0)
    >>> X.shape, y.shape
    ((100, 16), (100,))
    """
    n_samples = _count(n_samples, "n_samples", "make_particle_interaction")
    noise = _noise(noise, "make_particle_interaction")
    rng = check_random_state(random_state)
    X = rng.standard_normal((n_samples, 16)) / 4
    spec = TaskSpec("particle_interaction", O13(), 4 * V, Scalar)
    return _finish(X, particle_target(X, symmetrized=symmetrized), spec, noise, rng, return_spec)


def particle_target(X, *, symmetrized=True):
    """The noise-free y, of shape (n,), for X of shape (n, 16).

    Notes
    -----
    With ``a = p1·p3 − p1·p1`` and ``b = p2·p4 − p2·p2``, η^μν η_μν = 4 and
    p^μ q^ν η_μν = p·q, so the contraction multiplies out to dot products::

        2 [(p1·p2)(p3·p4) + (p1·p4)(p3·p2)] − 2b (p1·p3) − 2a (p2·p4) + 4ab   symmetrized
        (p1·p2)(p3·p4) − b (p1·p3) − a (p2·p4) + 4ab                          as published
    """
    p1, p2, p3, p4 = X.reshape(len(X), 4, 4).transpose(1, 0, 2)
    p13, p24 = _minkowski_dot(p1, p3), _minkowski_dot(p2, p4)
    a, b = p13 - _minkowski_dot(p1, p1), p24 - _minkowski_dot(p2, p2)
    products = _minkowski_dot(p1, p2) * _minkowski_dot(p3, p4)
    traces = b * p13 + a * p24
    if symmetrized:
        exchanged = _minkowski_dot(p1, p4) * _minkowski_dot(p3, p2)
        products, traces = 2 * (products + exchanged), 2 * traces
    return 4 * (products - traces + 4 * a * b)


def _minkowski_dot(p, q):
    """``p·q = pᵀ η q`` for momenta p and q of shape (n, 4)."""
    return np.einsum("ni,i,ni->n", p, ETA, q)


def _count(value, name, caller):
    """The value as an int, if it is a whole number ≥ 1."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(
            f"{caller}: {name} must be an integer, got {value!r} of type {type(value).__name__}. "
            "Pass a whole number such as 1000."
        )
    if value < 1:
        raise ValueError(
            f"{caller}: {name} must be at least 1, got {value}. Pass {name}=1 or more."
        )
    return int(value)


def _noise(value, caller):
    """The value as a float, if it is a finite standard deviation."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(
            f"{caller}: noise must be a number, the standard deviation of the noise added to y, got {value!r} of type "
            f"{type(value).__name__}. Pass noise=0.0 for none."
        )
    if not (np.isfinite(value) and value >= 0):
        raise ValueError(
            f"{caller}: noise must be a finite standard deviation of at least 0, got {value}. Pass noise=0.0 for none."
        )
    return float(value)


def _finish(X, y, spec, noise, rng, return_spec):
    """Add the noise, drawn last so that X and the noise-free y depend on the seed alone; and the spec if asked for."""
    if noise > 0:
        y = y + noise * rng.standard_normal(y.shape)
    return (X, y, spec) if return_spec else (X, y)
