"""Targets that are far off: with less weight where all others are then predicted better."""

from dataclasses import replace

import numpy as np

#: A sample is far off if more than so many times the median is left of it.
FAR = 4.0
#: No more than this share of the samples may be, but they must make up this share of all that is left.
MOST, LEAST = 0.2, 0.5
#: What leaves less than this share of the variance has no outliers, and need not be mixed with other forms.
CLEAR = 0.01
ROUNDS = 3


def without_outliers(fit, data):
    """The better of a fit to all samples and of fits with less weight for what is far off.

    Parameters
    ----------
    fit : callable; Observations -> (something, left_out), as of ``fit_polynomial``
    data : Observations

    Returns
    -------
    Like those of ``fit``.

    Notes
    -----
    Left-out samples decide, with the weights that were given. One that is far off because the target is steep there
    tells of others that are: without it they are predicted worse, and that counts as much as what is gained elsewhere,
    but for what may be chance. One that is wrong tells nothing. Sizes s beyond ``FAR`` medians weigh as their square
    less, so that the influence of a sample falls with its distance (as of Cauchy's loss; Huber, Robust Statistics,
    1981).
    """
    best = fit(data)
    for _ in range(ROUNDS):
        far = _far_off(best[1], data)
        if far is None:
            break
        robust = fit(replace(data, weights=_with_less(data.weights, best[1], far)))
        if not _is_better(robust[1], best[1], far, data.weights):
            break
        best = robust
    return best


def total(e, weights):
    """The weighted sum of squares of residuals (n, equations, c)."""
    return float(weights @ np.sum(e**2, axis=(1, 2)))


def _sizes(e):
    return np.sqrt(np.sum(e**2, axis=(1, 2)))


def _far_off(e, data):
    """The few samples that most of a residual e is of: bool ndarray (n,); None where there are no such."""
    sizes, error = _sizes(e), total(e, data.weights)
    far = sizes > FAR * np.median(sizes)
    if not 0 < np.count_nonzero(far) <= MOST * len(far):
        return None
    if total(e[far], data.weights[far]) < LEAST * error:
        return None
    return None if error <= CLEAR * total(data.targets, data.weights) else far


def _with_less(weights, e, far):
    """Weights of mean one, less for what is far off."""
    sizes, weights = _sizes(e), weights.copy()
    weights[far] *= (FAR * np.median(sizes) / sizes[far]) ** 2
    return weights / weights.mean()


def _is_better(after, before, far, weights):
    """Whether others are predicted better by more than what is far off is surely predicted worse."""
    change = weights * (_sizes(after) ** 2 - _sizes(before) ** 2)
    doubt = np.sqrt(np.sum(change[far] ** 2))
    return np.sum(change[~far]) + max(0.0, np.sum(change[far]) - doubt) < 0
