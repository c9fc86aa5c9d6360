"""Losses of a batch with their gradients, for outputs that a group acts on.

A loss is ``loss(prediction, target, weight=None, out=None) -> (value, gradient)``:

prediction, target : ndarray of shape (batch, n_out)
weight : ndarray of shape (batch,), optional
    Weights of the samples. The weighted sum is divided by the batch size: weights of mean one give a mean.
out : ndarray like prediction, optional
    Receives the gradient of the value with respect to the prediction; must not alias the others.

Distances are Euclidean in every copy of a type, so the values are invariant under a group that acts orthogonally.
"""

from numbers import Real

import numpy as np

from fastemlp.reps import Rep, Scalar, objects, parse_rep


class SquaredError:
    """Mean squared error over samples and outputs.

    Parameters
    ----------
    rep : Rep, bound; of the outputs. Needed with ``type_weights`` only.
    type_weights : dict, optional
        ``{type: weight}`` for a mixed output such as 3V0+V: the loss is the weighted mean over the types of the mean
        squared error of each. Types are Reps or text; those not named have weight 1. None: all columns count equally.
    """

    def __init__(self, rep=None, type_weights=None):
        self._root = None if type_weights is None else np.sqrt(_column_weights(rep, type_weights))

    def __call__(self, prediction, target, weight=None, out=None):
        difference = np.subtract(prediction, target, out=out)
        self._apply_root_weights(difference, weight)
        value = float(np.vdot(difference, difference)) / difference.size
        difference *= difference.dtype.type(2 / difference.size)
        self._apply_root_weights(difference, weight)
        return value, difference

    def _apply_root_weights(self, difference, weight):
        if self._root is not None:
            difference *= self._root.astype(difference.dtype, copy=False)
        _times_root(difference, weight)


squared_error = SquaredError()


class Huber:
    """Huber's loss of the root mean square r of each object's error: r² up to δ, ``2δr − δ²`` beyond.

    The objects are the copies of the output's types. A componentwise Huber loss would depend on the frame a vector
    is written in; this one is invariant, and equals the mean squared error for δ → ∞.

    Parameters
    ----------
    rep : Rep, bound; of the outputs
    delta : float > 0; in units of one component of the targets
    type_weights : dict, optional; as for ``SquaredError``

    Notes
    -----
    P. J. Huber, Robust Estimation of a Location Parameter, 1964 (there half of this).
    """

    def __init__(self, rep, delta=1.0, type_weights=None):
        self.delta = delta
        columns = [copy for _, copies in objects(rep) for copy in copies]
        self._membership = np.zeros((rep.size(), len(columns)))
        for k, copy in enumerate(columns):
            self._membership[copy, k] = 1
        self._dims = self._membership.sum(0)
        # an object counts as much as its columns together
        self._shares = self._membership.T @ _column_weights(rep, type_weights) / rep.size()

    def __call__(self, prediction, target, weight=None, out=None):
        difference = np.subtract(prediction, target, out=out)
        dtype, n = difference.dtype, len(difference)
        # r[b, k]: an object's root mean square error
        r = np.sqrt((difference * difference) @ (self._membership / self._dims).astype(dtype))
        inside = np.minimum(r, dtype.type(self.delta))
        shares = (self._shares / n).astype(dtype)
        if weight is not None:
            shares = shares * weight[:, None]
        # min(r, δ)·(2r − min(r, δ)) is both cases at once
        value = float(np.sum(shares * inside * (2 * r - inside)))
        # d value / d difference = 2 · share/dim · min(1, δ/r) · difference
        factor = np.divide(inside, r, out=np.ones_like(r), where=r > 0)
        factor *= shares
        difference *= factor @ (2 * self._membership / self._dims).T.astype(dtype)
        return value, difference


class CrossEntropy:
    """Softmax cross-entropy of the outputs against class probabilities, a mean over samples.

    Targets are rows of probabilities, such as one-hot rows.

    Parameters
    ----------
    rep : Rep, bound; of the outputs

    Raises
    ------
    ValueError
        If an output is not a scalar: the softmax of a vector's components would depend on the frame.
    """

    def __init__(self, rep):
        others = [str(kind) for kind, _ in objects(rep) if kind != Scalar]
        if others:
            raise ValueError(
                f"CrossEntropy: the outputs must be scalars, one per class, got rep={rep} with {', '.join(others)}. "
                f"Pass rep={rep.size()}*Scalar."
            )

    def __call__(self, prediction, target, weight=None, out=None):
        # log p = z − log Σ exp z, after subtracting the largest z
        log_p = np.subtract(prediction, prediction.max(1, keepdims=True), out=out)
        log_p -= np.log(np.exp(log_p).sum(1, keepdims=True))
        w = np.ones(len(log_p), log_p.dtype) if weight is None else weight
        w = (w / len(w)).astype(log_p.dtype, copy=False)
        value = -float(np.einsum("b,bj,bj->", w, target, log_p))
        gradient = np.exp(log_p, out=log_p)
        gradient -= target
        gradient *= w[:, None]
        return value, gradient


class DerivativeError:
    """Squared error of the derivatives of each output in all n_in inputs, in units of their mean square in the targets.

    Every derivative counts ``weight`` times as much as an output: on the data that this is made from derivatives of
    zero cost ``weight · n_in``, where constant outputs cost 1, if targets have unit variance.

    Parameters
    ----------
    target : ndarray of shape (n, n_out, n_in); derivatives of the training targets, NaN where they are not known
    sample_weight : ndarray of shape (n,), optional
    weight : float ≥ 0
    rep, type_weights : as for ``SquaredError``

    Attributes
    ----------
    power : float; what derivatives of zero cost: ``weight · n_in``, or 0 where those of the targets are zero

    Notes
    -----
    Distances are Euclidean, so that the value is invariant under a group that acts orthogonally on x and y.
    """

    def __init__(self, target, sample_weight=None, weight=1.0, rep=None, type_weights=None):
        squares = np.nan_to_num(np.asarray(target, np.float64)) ** 2
        columns = 1.0 if type_weights is None else _column_weights(rep, type_weights)
        mean_square = np.average(squares.sum(axis=2), 0, sample_weight)
        total = float(np.sum(columns * mean_square))
        weight = float(weight) * squares.shape[2]
        self.power = weight if total else 0.0
        self._factors = np.broadcast_to(weight * columns / (total or 1.0), mean_square.shape)

    def __call__(self, k, derivative, target, weight=None, out=None):
        """What output k contributes, and its gradient: for ``derivative`` and ``target`` of shape (batch, n_in)."""
        difference = np.subtract(derivative, target, out=out)
        difference[np.isnan(target)] = 0
        _times_root(difference, weight)
        factor = self._factors[k] / len(difference)
        value = factor * float(np.vdot(difference, difference))
        difference *= difference.dtype.type(2 * factor)
        _times_root(difference, weight)
        return value, difference


def _times_root(difference, weight):
    # applied once it weights the squares, twice the gradient
    if weight is not None:
        difference *= np.sqrt(weight)[:, None]


def _column_weights(rep, type_weights):
    """One weight per output column, of mean one; see ``SquaredError``."""
    if type_weights is None:
        return np.ones(rep.size())
    found = objects(rep)
    wanted = {_as_type(key, rep): _as_weight(key, w) for key, w in type_weights.items()}
    unknown = [str(kind) for kind in wanted if all(kind != other for other, _ in found)]
    if unknown:
        raise ValueError(
            f"type_weights names {', '.join(unknown)}, but the outputs {rep} are made of "
            f"{', '.join(str(kind) for kind, _ in found)}. Name these."
        )
    given = [wanted.get(kind, 1.0) for kind, _ in found]
    if not sum(given) > 0:
        raise ValueError(
            "type_weights are all zero. Give at least one type of the outputs a weight."
        )
    weights = np.empty(rep.size())
    for w, (_, columns) in zip(given, found, strict=True):
        weights[columns] = w / sum(given) / columns.size * rep.size()
    return weights


def _as_type(key, rep):
    try:
        kind = parse_rep(key) if isinstance(key, str) else key
    except ValueError as error:
        raise ValueError(
            f"type_weights must map types such as 'V' to weights, got the key {key!r}. {error}"
        ) from error
    if not isinstance(kind, Rep):
        raise TypeError(f"type_weights must map types such as 'V' to weights, got the key {key!r}.")
    if not kind.is_bound and len(rep.groups) == 1:
        kind = kind(rep.groups[0])
    return kind.canonical()[0] if kind.is_bound else kind


def _as_weight(key, weight):
    if not isinstance(weight, Real) or not 0 <= weight < np.inf:
        raise ValueError(f"type_weights must be numbers ≥ 0, got {weight!r} for {key}.")
    return float(weight)
