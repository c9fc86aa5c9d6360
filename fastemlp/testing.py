"""Checks that users can run on their own models: is it equivariant, and how exactly?"""

import numpy as np

from fastemlp.reps import Rep, require_shared, rho_operator


def equivariance_error(function, rep_in, rep_out, X, *, n_elements=10, random_state=None):
    """The relative error ``‖f(ρ_in(g) x) − ρ_out(g) f(x)‖ / ‖f(x)‖``, worst over sampled group elements.

    Parameters
    ----------
    function : callable, (n, n_in) -> (n, n_out) or (n,)
    rep_in, rep_out : Rep, bound to the same groups
    X : ndarray of shape (n, n_in)
    n_elements : int; group elements tried
    random_state : int, Generator or None

    Returns
    -------
    float
        Norms are over all samples together; transformed inputs are first rounded to X's dtype.

    Raises
    ------
    TypeError, ValueError
        If a rep is not bound, or no group acts on both, so that nothing transforms inputs and outputs together.
    """
    for name, rep in (("rep_in", rep_in), ("rep_out", rep_out)):
        if not isinstance(rep, Rep) or not rep.is_bound:
            raise TypeError(f"equivariance_error: {name} must be a bound Rep, got {rep!r}.")
    require_shared(rep_in, rep_out, "equivariance_error")
    X = np.asarray(X)
    y = np.asarray(function(X)).reshape(len(X), -1)
    groups = tuple(dict.fromkeys((*rep_in.groups, *rep_out.groups)))
    rng = np.random.default_rng(random_state)
    worst = 0.0
    # all at once, which takes about as long as one
    drawn = {group: group.samples(n_elements, rng) for group in groups}
    for k in range(n_elements):
        g = {group: elements[k] for group, elements in drawn.items()}
        moved = np.asarray(function(_apply(rep_in, g, X))).reshape(len(X), -1)
        expected = _apply(rep_out, g, y)
        scale = max(np.linalg.norm(expected), np.linalg.norm(y), np.finfo(y.dtype).tiny)
        # np.maximum, unlike max, lets a NaN through
        worst = np.maximum(worst, np.linalg.norm(moved - expected) / scale)
    return float(worst)


def assert_equivariant(function, rep_in, rep_out, X, *, tol=None, n_elements=10, random_state=None):
    """Raise AssertionError when ``equivariance_error`` exceeds ``tol`` (1e-5 in float32, 1e-11 in float64)."""
    if tol is None:
        tol = 1e-5 if np.asarray(X).dtype == np.float32 else 1e-11
    error = equivariance_error(
        function, rep_in, rep_out, X, n_elements=n_elements, random_state=random_state
    )
    if not error <= tol:
        raise AssertionError(
            f"Not equivariant from {rep_in} to {rep_out}: relative error {error:.1e}, allowed {tol:.0e}."
        )


def _apply(rep, g, X):
    """ρ(g) applied to every row of X, in X's dtype."""
    return np.ascontiguousarray(
        rho_operator(rep, g).matmat(np.asarray(X, np.float64).T).T.astype(X.dtype)
    )
