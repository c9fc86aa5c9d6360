"""Whether a network would do better than what is there already, tried on samples that are held out."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import nnls

from fastemlp.training.loop import train
from fastemlp.training.monitor import TrainingResult

#: This share of few samples is held out, or of many.
HELD_OUT, HELD_OUT_OF_MANY, MANY = 0.3, 0.15, 300
#: At most so many are.
MOST_HELD_OUT = 1000
#: Where no more than this share is, nobody misses them, and the network need not be trained again.
NOT_MISSED = 0.05
#: A network must be better by so many standard errors, and by a share of the error that is there without it: this over
#: the root of the number of samples held out, within these bounds.
SURE = 1.5
GAIN, LEAST_GAIN, MOST_GAIN = 2.0, 0.1, 0.6
#: Beside other predictions a network must have brought this part of the gain after that part of its training: what they
#: leave is learned late.
HOPE, LOOK = 0.25, 4


@dataclass(frozen=True)
class Verdict:
    """The best of several targets for a network.

    Attributes
    ----------
    choice : int or None; which targets, None where none is worth it
    share : float; the factor of the network's predictions that is best
    kept : float
        The factor of what else predicts, where the network learned the whole and not what this leaves.
    result : TrainingResult or None; of the trial, where training on all samples would be no better
    """

    choice: int | None
    share: float
    kept: float = 0.0
    result: TrainingResult | None = None


def try_network(network, X, left, choices, sample, weight, rng, slope_loss, **options):
    """Train a network on most samples towards each of several targets, and compare what is left of the others.

    Parameters
    ----------
    network : Network
    X : ndarray of shape (n, n_in)
    left : callable; bool ndarray of rows -> (y, dy), ndarrays of shape (n, n_out) and (n, n_out, n_in)
        What is left of their targets and derivatives without a network; dy may be None.
    choices : list of (y, dy)
        What the network may learn; whatever else is predicted is taken off already.
    sample : int ndarray of shape (n,); rows of one sample are held out together
    weight : ndarray of shape (n,) or None
    rng : numpy Generator; draws the split, initial parameters and batches
    slope_loss : callable; (dy, weight) -> the DerivativeError of ``train``, None where dy is
    options : of ``train``

    Returns
    -------
    Verdict
    """
    n = sample.max() + 1
    held_share = HELD_OUT if n < MANY else HELD_OUT_OF_MANY
    n_held_out = min(max(1, round(held_share * n)), MOST_HELD_OUT)
    held_out = np.isin(sample, rng.permutation(n)[:n_held_out])
    rows = ~held_out
    w, w_rows = (None, None) if weight is None else (weight[held_out], weight[rows])
    first_y, first_dy = left(held_out)
    before = _errors(first_y, first_dy, first_y, first_dy)
    gain = np.clip(GAIN / np.sqrt(n_held_out), LEAST_GAIN, MOST_GAIN)
    best, limit = Verdict(None, 0.0), (1 - gain) * np.average(before, weights=w)
    look = options["max_iter"] // LOOK
    for k, (y, dy) in enumerate(choices):
        unit = np.sqrt(np.average(np.square(y), 0, weight).mean()) or 1.0
        slopes = None if dy is None else (dy[rows] / unit).astype(X.dtype)
        # what else predicts, unless it is taken off already
        mix = _Mix(network, X[held_out], y[held_out], y[held_out] - first_y, unit, w)
        is_hopeless = None
        if mix.others.any():
            is_hopeless = partial(_is_hopeless, mix, look, 1 - HOPE * gain)
        try:
            result = train(
                network,
                X[rows],
                (y[rows] / unit).astype(X.dtype),
                rng,
                sample_weight=w_rows,
                dy=slopes,
                dy_loss=slope_loss(slopes, w_rows),
                is_hopeless=is_hopeless,
                **options,
            )
        except FloatingPointError:  # a network that diverges does not help
            continue
        share, kept, rest = mix(result.theta)
        J = None
        if dy is not None:
            J = first_dy + (1 - kept) * (dy[held_out] - first_dy)
            J = J - share * unit * network.jacobian(result.theta, X[held_out])[1]
        after = _errors(rest, J, first_y, first_dy)
        error = np.average(after, weights=w)
        if error < limit and _is_surely_less(before, after, w):
            is_final = n_held_out <= NOT_MISSED * n
            best, limit = Verdict(k, share, kept, result if is_final else None), error
    return best


@dataclass(frozen=True)
class _Mix:
    """What a network and others predict together of samples held out.

    Attributes
    ----------
    network : Network; of targets divided by ``unit``
    X, y, others : ndarrays of shape (n, n_in), (n, n_out) and (n, n_out)
    unit : float
    weight : ndarray of shape (n,) or None
    """

    network: object
    X: np.ndarray
    y: np.ndarray
    others: np.ndarray
    unit: float
    weight: np.ndarray | None

    def __call__(self, theta):
        """The best factors of both, and what is left."""
        predicted = self.unit * self.network(theta, self.X)
        share, kept = _shares(predicted, self.others, self.y, self.weight)
        return share, kept, self.y - share * predicted - kept * self.others


def _is_surely_less(before, after, weights=None):
    """Whether squares have shrunk by more than chance, on average: themselves, or their roots where a few are all."""
    weights = 1.0 if weights is None else weights / np.mean(weights)
    gains = weights * (before - after), weights * (np.sqrt(before) - np.sqrt(after))
    return any(np.mean(gain) > SURE * np.std(gain) / np.sqrt(len(gain)) for gain in gains)


def _is_hopeless(mix, look, enough, epoch, theta):
    """Whether after ``look`` epochs more than a share is left of what others leave."""
    if epoch != look:
        return False
    left = (np.square(y).mean(axis=1) for y in (mix(theta)[2], mix.y - mix.others))
    now, before = (np.average(squares, weights=mix.weight) for squares in left)
    return now > enough * before


def _shares(predicted, others, y, weight):
    """The factors ≥ 0 and at most 1 of two predictions with which they are together nearest to y."""
    root = 1.0 if weight is None else np.sqrt(weight)[:, None]
    A = np.stack([(root * p).ravel() for p in (predicted, others)], axis=1).astype(np.float64)
    shares, _ = nnls(A, (root * y).ravel().astype(np.float64))
    return tuple(map(float, np.minimum(shares, 1)))


def _errors(y, dy, y_before, dy_before):
    """What is left of each sample, of values and derivatives alike, in units of what is left without a network."""
    errors = np.square(y).mean(axis=1, dtype=np.float64) / (np.mean(np.square(y_before)) or 1.0)
    if dy is None:
        return errors
    squares = np.nansum(np.square(dy, dtype=np.float64), axis=(1, 2))
    return errors + squares / (np.nansum(np.square(dy_before)) / len(dy) or 1.0)
