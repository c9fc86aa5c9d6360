"""The scikit-learn face of the library."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from fastemlp.explain import why_empty
from fastemlp.groups import Group, parse_group
from fastemlp.nn import EMLP, MLP
from fastemlp.reps import Rep, Scalar, V, parse_rep
from fastemlp.scaling import EquivariantScaler
from fastemlp.training import flatten, train

_PREDICT_CHUNK = 2048  # rows a forward pass takes at once: activations stay in cache


class FastEMLPRegressor(RegressorMixin, BaseEstimator):
    """Regression that is exactly equivariant under a matrix group.

    Parameters
    ----------
    group : Group, str or None
        The symmetry, for example ``O(5)`` or ``"O(5)"``. None is a plain MLP on scalars of any width (unless
        ``rep_in`` is bound to a group of its own).
    rep_in : Rep, str or None
        How the group acts on the columns of X, for example ``5*Scalar + 5*V`` or ``"5V0+5V"``. None reads X as
        vectors: its width must be a multiple of ``group.d``.
    rep_out : Rep, str or None
        How the group acts on y. None is for a scalar y, or scalars where nothing else fits the width.
    channels : int or Rep
        Size of each hidden layer; an int is spread over tensor ranks by ``uniform_rep``.
    n_layers : int
        Hidden layers.
    learning_rate : float
        Peak of the schedule (a short warm-up, then a cosine down to zero over ``max_iter``).
    batch_size : int
        Samples per step, at most those there are.
    max_iter : int
        Epochs.
    early_stopping : bool
        Hold out ``validation_fraction`` of the samples, stop when ``n_iter_no_change`` epochs bring no improvement
        by ``tol`` in their loss, and keep the best parameters.
    validation_fraction : float in (0, 1)
    n_iter_no_change : int
    tol : float
        In units of the variance of y.
    dtype : {None, "float32", "float64"}
        Precision of all arithmetic; None follows X.
    verbose : int
        1 shows a progress bar.
    random_state : int, RandomState or None
        Fixes architecture, initial weights, split and batches: same seed, same bits.

    Attributes
    ----------
    rep_in_, rep_out_ : Rep; as used, bound
    network_ : Network
    params_ : nested tuple of ndarrays
    n_parameters_ : int
    loss_curve_ : list of float; training loss of each epoch, in units of the variance of y
    validation_curve_ : list of float; the same for the held-out samples, empty without early stopping
    n_iter_ : int; epochs run
    n_features_in_ : int

    Notes
    -----
    Inputs and targets are scaled by one factor per copy of each type and shifted along invariants only. Finzi, Welling
    and Wilson, ICML 2021.

    Examples
    --------
    >>> from fastemlp import FastEMLPRegressor
    >>> from fastemlp.datasets import make_o5_synthetic
    >>> from fastemlp.groups import O
    >>> X, y = make_o5_synthetic(100, random_state=0)
    >>> model = FastEMLPRegressor(group=O(5), channels=32, max_iter=5, random_state=0).fit(X, y)
    >>> model.predict(X[:2]).shape
    (2,)
    """

    def __init__(
        self,
        group=None,
        *,
        rep_in=None,
        rep_out=None,
        channels=384,
        n_layers=3,
        learning_rate=3e-3,
        batch_size=100,
        max_iter=200,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=50,
        tol=1e-4,
        dtype=None,
        verbose=0,
        random_state=None,
    ):
        self.group = group
        self.rep_in = rep_in
        self.rep_out = rep_out
        self.channels = channels
        self.n_layers = n_layers
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.dtype = dtype
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X, y):
        """Fit to training data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For data that is not finite and real, widths that do not fit the reps, or an output that the symmetry
            forces to zero.
        """
        self._check_parameters()
        X, y = validate_data(
            self, X, y, dtype=self._dtypes(), multi_output=True, y_numeric=True, order="C"
        )
        y = y.astype(X.dtype, copy=False)
        self._y_is_1d = y.ndim == 1
        y = y.reshape(len(y), -1)
        group = parse_group(self.group) if isinstance(self.group, str) else self.group
        self.rep_in_ = _rep_of_inputs(self.rep_in, group, X.shape[1])
        self.rep_out_ = _rep_of_targets(self.rep_out, group, y.shape[1])

        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        self.network_ = self._build_network(group, X.dtype, rng)
        _require_outputs(self.network_)
        self.scaler_in_ = EquivariantScaler.fit(self.rep_in_, X)
        self.scaler_out_ = EquivariantScaler.fit(self.rep_out_, y)
        X, y, validation = self._split(
            self.scaler_in_.transform(X), self.scaler_out_.transform(y), rng
        )
        result = train(
            self.network_,
            X,
            y,
            rng,
            validation=validation,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            max_iter=self.max_iter,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            verbose=self.verbose,
        )
        self.params_ = result.params
        self.n_parameters_ = flatten(result.params).size
        self.loss_curve_ = result.loss_curve
        self.validation_curve_ = result.validation_curve
        self.n_iter_ = result.n_iter
        return self

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs), as y was; of the model's dtype
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=self.network_.dtype, reset=False, order="C")
        y = np.empty((len(X), self.rep_out_.size()), X.dtype)
        for start in range(0, len(X), _PREDICT_CHUNK):
            rows = slice(start, start + _PREDICT_CHUNK)
            scaled = self.network_(self.params_, self.scaler_in_.transform(X[rows]))
            y[rows] = self.scaler_out_.inverse_transform(scaled)
        return y.ravel() if self._y_is_1d else y

    def _build_network(self, group, dtype, rng):
        groups = tuple(dict.fromkeys((*self.rep_in_.groups, *self.rep_out_.groups)))
        if group is None and len(groups) == 1:
            group = groups[0]
        if group is None and not groups:
            return MLP(
                self.rep_in_.size(), self.rep_out_.size(), self.channels, self.n_layers, dtype=dtype
            )
        if group is None and not isinstance(self.channels, Rep):
            raise ValueError(
                f"FastEMLPRegressor.fit: rep_in and rep_out involve {len(groups)} groups "
                f"({', '.join(map(repr, groups))}); pass channels as a Rep, which says what the hidden layers hold."
            )
        return EMLP(
            self.rep_in_,
            self.rep_out_,
            group,
            self.channels,
            self.n_layers,
            dtype=dtype,
            random_state=rng,
        )

    def _split(self, X, y, rng):
        """Training X and y, and the held-out (X, y) or None."""
        if not self.early_stopping:
            return X, y, None
        if len(X) < 2:
            raise ValueError(
                f"FastEMLPRegressor.fit: early_stopping needs at least 2 samples, got n_samples = {len(X)}."
            )
        n_held_out = min(max(1, round(self.validation_fraction * len(X))), len(X) - 1)
        X, X_held_out, y, y_held_out = train_test_split(
            X, y, test_size=n_held_out, random_state=int(rng.integers(2**31 - 1))
        )
        return X, y, (X_held_out, y_held_out)

    def _dtypes(self):
        return [np.float64, np.float32] if self.dtype is None else np.dtype(self.dtype)

    def _check_parameters(self):
        if not (self.group is None or isinstance(self.group, (Group, str))):
            self._refuse("group", "a Group, its name or None")
        if self.dtype is not None and np.dtype(self.dtype) not in (np.float32, np.float64):
            self._refuse("dtype", "None, 'float32' or 'float64'")
        if not isinstance(self.channels, Rep) and not _is_int(self.channels, 1):
            self._refuse("channels", "an int ≥ 1 or a Rep")
        for name, least in (
            ("n_layers", 0),
            ("batch_size", 1),
            ("max_iter", 1),
            ("n_iter_no_change", 1),
        ):
            if not _is_int(getattr(self, name), least):
                self._refuse(name, f"an int ≥ {least}")
        if not (isinstance(self.learning_rate, Real) and 0 < self.learning_rate < np.inf):
            self._refuse("learning_rate", "a number > 0")
        if not (isinstance(self.tol, Real) and 0 <= self.tol < np.inf):
            self._refuse("tol", "a number ≥ 0")
        if not (isinstance(self.validation_fraction, Real) and 0 < self.validation_fraction < 1):
            self._refuse("validation_fraction", "a number between 0 and 1")

    def _refuse(self, name, expected):
        raise ValueError(
            f"FastEMLPRegressor: {name} must be {expected}, got {getattr(self, name)!r}."
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _is_int(value, least):
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= least


def _rep_of_inputs(rep, group, width):
    """The bound rep of X's columns."""
    if rep is not None:
        return _given_rep("rep_in", rep, group, "X", width)
    if group is None:
        return width * Scalar
    if width % group.d:
        raise ValueError(
            f"FastEMLPRegressor.fit: without rep_in the columns of X are read as vectors of {group}, so their number "
            f"must be a multiple of {group.d}, got {width}. Pass rep_in=… of size {width}, for example "
            f"{str(_vectors_and_scalars(width, group.d))!r}."
        )
    return (width // group.d) * V(group)


def _rep_of_targets(rep, group, width):
    """The bound rep of y's columns."""
    if rep is not None:
        return _given_rep("rep_out", rep, group, "y", width)
    if width == 1 or group is None or width < group.d or _acts_trivially(group):
        return width * Scalar
    fitting = [width * Scalar, _vectors_and_scalars(width, group.d)]
    power = round(np.log(width) / np.log(group.d)) if group.d > 1 else 0
    if power > 1 and group.d**power == width:
        fitting.append(V**power)
    raise ValueError(
        f"FastEMLPRegressor.fit: y has {width} columns, which {group} may act on in several ways. "
        f"Pass rep_out, for example {' or '.join(repr(str(r)) for r in dict.fromkeys(fitting))}."
    )


def _acts_trivially(group):
    return not (group.orthonormal_lie_algebra or group.sparse_discrete_generators)


def _vectors_and_scalars(width, d):
    return (width // d) * V + (width % d) * Scalar


def _given_rep(name, rep, group, data, width):
    if isinstance(rep, str):
        rep = parse_rep(rep)
    if not isinstance(rep, Rep):
        raise TypeError(
            f"FastEMLPRegressor.fit: {name} must be a Rep or a string such as '2V+5V0', got {rep!r}."
        )
    if group is not None:
        rep = rep(group)
    if not rep.is_bound:
        raise ValueError(
            f"FastEMLPRegressor.fit: {name}={rep} is not bound to a group. Pass group=… as well."
        )
    if rep.size() != width:
        owner = "" if group is None else f" for {group}"
        raise ValueError(
            f"FastEMLPRegressor.fit: {name}={rep} has size {rep.size()}{owner}, got {data} with {width} "
            f"{'features' if data == 'X' else 'columns'}. Pass {name}=… of size {width}."
        )
    return rep


def _require_outputs(network):
    """Refuse an architecture whose output the symmetry forces to zero; warn when it can only be constant."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, network.rep_in.size())).astype(network.dtype)
    y = network.features_out.pack(network(network.init(rng), x))
    last = network.layers[-1]
    for kind in network.features_out.types:
        if np.any(kind.view(y)):
            continue
        if any(part[0] is kind for part in last.invariants.parts):
            warnings.warn(
                f"Under {_names(network)} the only equivariant functions from {network.rep_in} to {kind.rep} that "
                "this network can express are constant.",
                UserWarning,
                stacklevel=3,
            )
            continue
        raise ValueError(
            f"FastEMLPRegressor.fit: under {_names(network)} the only equivariant function from {network.rep_in} to "
            f"{kind.rep} that this network can express is zero. {why_empty(network.rep_in >> kind.rep)} Check "
            f"rep_in={network.rep_in} and rep_out={network.rep_out}, or use a smaller group."
        )


def _names(network):
    groups = dict.fromkeys((*network.rep_in.groups, *network.rep_out.groups))
    return ", ".join(map(repr, groups)) or "no group"
