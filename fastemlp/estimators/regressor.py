"""Regression by an equivariant network."""

from functools import cached_property, partial
from numbers import Integral
from typing import ClassVar

import numpy as np
from sklearn.utils import check_random_state

from fastemlp._threads import single_threaded_blas
from fastemlp.closed_form import fit_to_many
from fastemlp.estimators.base import (
    EquivariantRegressor,
    a_number,
    an_int,
    documented,
    is_int,
    one_of,
    or_else,
)
from fastemlp.estimators.budget import FEW, LEAST_STEPS, SMALL, Budget
from fastemlp.estimators.columns import distinct_rows
from fastemlp.estimators.diagnosis import unexplained, warn_if_astray, warn_if_nothing_learned
from fastemlp.estimators.scaling import (
    EquivariantScaler,
    input_rms,
    scaled_derivative,
    unscaled_derivative,
)
from fastemlp.estimators.training_range import TrainingRange
from fastemlp.nn import EMLP, MLP, network_ends, require_reach
from fastemlp.reps import Rep
from fastemlp.training import (
    SCHEDULES,
    SOLVERS,
    DerivativeError,
    Huber,
    SquaredError,
    train,
    try_network,
)

#: Copies of a single sample are learned once the loss is this share of the target's square.
ONE_SAMPLE_LOSS = 1e-8
#: Of so many rows it is enough to see how well they are fitted, to warn where nothing was learned.
ENOUGH_ROWS = 10_000
#: A closed form that leaves less than this many times the rounding unit of the variance explains all.
ROUNDOFF = 1.0
#: One that leaves less than this share of the variance, over the number of samples, is better than a network would be.
HOPELESS = 1.0
#: One that leaves more than this share may be worse than a network alone.
POOR = 1e-3
#: One that leaves more than this share is kept near the targets of training.
DOUBTFUL = 0.01
#: The parameters that are passed on to ``train`` as they are.
_TRAINING_OPTIONS = (
    "learning_rate",
    "schedule",
    "warmup",
    "max_grad_norm",
    "ema_decay",
    "batch_size",
    "tol",
    "n_iter_no_change",
    "verbose",
)
#: For ``_allowed``.
POSITIVE = a_number("> 0", lambda x: 0 < x < np.inf)
NOT_NEGATIVE = a_number("≥ 0", lambda x: 0 <= x < np.inf)
SHARE = a_number("in [0, 1)", lambda x: 0 <= x < 1)


def _is_precision(dtype):
    try:
        return dtype is None or np.dtype(dtype) in (np.float32, np.float64)
    except TypeError:
        return False


@documented
class FastEMLPRegressor(EquivariantRegressor):
    """Regression that is exactly equivariant under a matrix group: closed forms, and a network for what they leave.

    Parameters
    ----------
    GROUP_AND_REPS
    polynomial : int, "auto" or None
        Degree of equivariant polynomials that are fitted in closed form, sparse where that predicts better. "auto"
        takes the degree that predicts left-out samples best, None no polynomial.
    kernel : {"auto", None}
        Whether kernels of invariants, times equivariant objects, and sums of functions of single invariants are tried
        as well. With ``polynomial=None, kernel=None`` the model is a network alone.
    channels : int, str or Rep, or a list of these, one per hidden layer
        What each hidden layer holds: about how many channels, for types that suit the inputs and outputs
        (``fastemlp.nn.derived_rep``), or the types themselves, for example ``"16+32V+8V2"`` (a bare number counts
        scalars) or ``uniform_rep(384, O(3))``.
    n_layers : int
        Hidden layers.
    loss : {"squared_error", "huber"}
        Both are invariant: Huber's acts on the root mean square error of each object of the output, and tolerates
        outliers.
    huber_delta : float
        Where Huber's loss changes from quadratic to linear, in units of the standard deviation of y.
    type_weights : dict or None
        ``{type: weight}`` for an output of several types, such as ``{"V0": 1, "V": 10}`` for 3V0+V: the loss is the
        weighted mean over the types. None counts every column of y equally.
    gradient_weight : float
        What each derivative counts when ``fit`` is given ``dy``: 1 is as much as a target.
    solver : {"auto", "adam", "adamw", "lbfgs"}
        "adamw" decays parameters; "lbfgs" is for small data: it takes all samples at once, for ``max_iter`` iterations.
        "auto" is "lbfgs" for up to 300 samples, with ``max_iter="auto"`` beside closed forms, and "adamw" otherwise.
    learning_rate : float
        Peak of the schedule. Not used by "lbfgs", like everything down to ``batch_size``.
    schedule : {"cosine", "one_cycle", "constant"}
        The learning rate over ``max_iter`` epochs; each schedule begins with a linear warm-up.
    warmup : float in [0, 1) or None
        The warm-up's share of training; None means 0.45 for "one_cycle" and 0.05 otherwise.
    weight_decay : float or "auto"
        For "adamw" only: parameters shrink by ``learning_rate * weight_decay`` a step. "auto" is 30/n for n different
        samples, at most 0.1, and n/600 below 60: the more samples, the less decay they need.
    max_grad_norm : float or None
        Longer gradients are shortened to this norm; None leaves them as they are. The network is a polynomial of high
        degree in its input, and without this a single unusual sample can throw it off.
    ema_decay : float in [0, 1), "auto" or None
        The model has the exponential moving average of the parameters over the steps; 0.99 averages over about the last
        hundred, "auto" over up to an eighth of all steps in ``max_iter`` epochs, 500 at most, and fewer as the schedule
        lowers the learning rate. The parameters themselves, which None keeps, go up and down: their loss at times
        by orders of magnitude.
    batch_size : int
        Samples per step, at most all of them.
    max_iter : int or "auto"
        Epochs of the network, for "lbfgs" iterations. With "auto" the network is tried on samples held out, for as many
        epochs as make five steps a sample, between 500 and 10,000 (1,000 iterations), and left out unless it helps; of
        a million samples for 80,000. For a network alone "auto" is as many as make 10,000 steps, at
        least 100, but no more than make 100,000 steps. A single sample, once learned to 1e-4, and
        constant targets end training early.
    early_stopping : bool
        Hold out ``validation_fraction`` of the samples, stop when ``n_iter_no_change`` epochs do not improve their
        loss by ``tol``, and keep the best parameters. Copies of one sample are held out together or not at all.
    validation_fraction : float in (0, 1)
    n_iter_no_change : int
    tol : float
        In units of the variance of y.
    dtype : {None, "float32", "float64"}
        Precision of all arithmetic; None follows X.
    verbose : int
        1 shows a progress bar.
    random_state : int, RandomState or None
        Determines architecture, initial parameters, split and batches: same seed, same bits.

    Attributes
    ----------
    rep_in_, rep_out_ : Rep; as used, bound
    closed_form_ : ClosedForm or None
        What predicts scaled targets in closed form, from inputs divided by one scale for each type;
        ``print(model.closed_form_)`` says what it is. None for a network alone.
    network_ : Network
        Where closed forms do without it, it is built when it is first asked for.
    network_share_ : float
        The factor of the network's outputs in predictions of scaled targets; 0 where the network is left out.
    theta_ : ndarray of shape (n_parameters,); the parameters of ``network_``, zero where it is left out, read-only
    loss_curve_ : list of float
        Training loss of each epoch, in units of the variance of y; with ``dy`` plus ``gradient_weight * n_features``
        times that of the derivatives, in units of their mean square. That of averaged parameters is measured after
        every fifth epoch (of more than 1,000 samples more often, on up to 1,000 of them), the others repeat it; without
        an average it is the mean over the batches. Where the network is left out, what the closed form leaves of
        samples held out.
    validation_curve_ : list of float; the same for the held-out samples, empty without early stopping
    n_iter_ : int; epochs run, 1 where the network is left out
    n_features_in_ : int

    Notes
    -----
    For each type of output an equivariant polynomial, a kernel ridge regression and sums of functions of single
    invariants are fitted, degree, terms, kernel and penalties chosen by exact leave-one-out errors, evidence and folds;
    the best of them predicts, or several weighted by what they predict of left-out samples, or a constant where none is
    surely better. The network learns what is left of left-out samples, or the targets themselves, and with
    ``max_iter="auto"`` stays only if that helps on samples it has not seen. Large data are fitted in closed form on
    some thousand samples. ``loss="huber"`` leaves closed forms out unless they are asked for. With ``dy`` polynomials
    and sums of functions are fitted to derivatives as well, kernels are left out.

    Inputs and targets are scaled by one factor per copy of each type and shifted along invariants only: targets to unit
    variance, n objects of the input to a root mean square s = √(2/n) each, between 1/2 and 1, the scalars among them to
    s²/3 (to 1 where all are scalars). Small data need that; steep functions of scalars then take more steps to learn.

    So that predictions cannot run away, unless a closed form explains all but roundoff, objects of one are at most four
    times as long as the longest in training, 1.5 times where a closed form leaves more than 1% (measured from the
    shift; with ``dy``, or as the longest ``dy · x``); for inputs r times as long as the longest in training, that times
    r, so that predictions grow at most linearly there.
    Scaling a whole object by an invariant keeps it equivariant. Where the group preserves no length of some input
    (Lorentz, SL, affine groups) the factor is twenty; output types without an invariant length are not limited.

    A fit to derivatives (Sobolev training; Czarnecki et al. 2017) adds ``gradient_weight * n_features`` times the
    squared error of the model's, between scaled inputs and targets, over the mean square of the given ones;
    ``type_weights`` hold for it, too, ``loss="huber"`` does not. The gradients of this loss are exact (Pearlmutter
    1994). A step takes two to three times as long for each output.

    Only ratios of sample weights matter. With one batch (``batch_size`` ≥ the number of samples) a sample of weight 2
    counts exactly like two.

    Finzi, Welling and Wilson, ICML 2021.

    Examples
    --------
    >>> from fastemlp import FastEMLPRegressor
    >>> from fastemlp.datasets import make_o5_synthetic
    >>> from fastemlp.groups import O
    >>> X, y = make_o5_synthetic(100, random_state=0)
    >>> model = FastEMLPRegressor(group=O(5), random_state=0).fit(X, y)
    >>> model.predict(X[:2]).shape
    (2,)
    >>> print(model.closed_form_)
    functions of angles and r
    """

    _allowed: ClassVar = {
        "dtype": (_is_precision, "None, 'float32' or 'float64'"),
        "channels": (
            lambda value: isinstance(value, (Rep, str, list, tuple)) or is_int(value, 1),
            "an int ≥ 1, text such as '16+32V+8V2', a Rep, or a list of these",
        ),
        "verbose": (
            lambda value: isinstance(value, (Integral, np.bool_)) and value >= 0,
            "an int ≥ 0; 1 shows a progress bar",
        ),
        "loss": one_of("squared_error", "huber"),
        "polynomial": or_else(None, or_else("auto", an_int(1))),
        "kernel": or_else(None, one_of("auto")),
        "solver": one_of("auto", *SOLVERS),
        "schedule": one_of(*SCHEDULES),
        "max_iter": or_else("auto", an_int(1)),
        "batch_size": an_int(1),
        "n_iter_no_change": an_int(1),
        "n_layers": an_int(0),
        "learning_rate": POSITIVE,
        "huber_delta": POSITIVE,
        "weight_decay": or_else("auto", NOT_NEGATIVE),
        "gradient_weight": NOT_NEGATIVE,
        "tol": NOT_NEGATIVE,
        "validation_fraction": a_number("between 0 and 1", lambda x: 0 < x < 1),
        "max_grad_norm": or_else(None, POSITIVE),
        "warmup": or_else(None, SHARE),
        "ema_decay": or_else(None, or_else("auto", SHARE)),
        "type_weights": (
            lambda value: value is None or isinstance(value, dict),
            "a dict such as {'V0': 1, 'V': 10} or None",
        ),
    }

    def __init__(
        self,
        group=None,
        *,
        rep_in=None,
        rep_out=None,
        polynomial="auto",
        kernel="auto",
        channels=384,
        n_layers=3,
        loss="squared_error",
        huber_delta=1.0,
        type_weights=None,
        gradient_weight=1.0,
        solver="auto",
        learning_rate=3e-3,
        schedule="cosine",
        warmup=None,
        weight_decay="auto",
        max_grad_norm=1.0,
        ema_decay="auto",
        batch_size=128,
        max_iter="auto",
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
        self.polynomial = polynomial
        self.kernel = kernel
        self.channels = channels
        self.n_layers = n_layers
        self.loss = loss
        self.huber_delta = huber_delta
        self.type_weights = type_weights
        self.gradient_weight = gradient_weight
        self.solver = solver
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.warmup = warmup
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.ema_decay = ema_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.dtype = dtype
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None, *, dy=None):
        """Fit to training data, and to derivatives where they are known.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : float or array-like of shape (n_samples,), optional
            A sample of weight 2 counts like two samples, one of weight 0 like none.
        dy : array-like of shape (n_samples, n_outputs, n_features), optional
            The derivative of y with respect to X, (n_samples, n_features) for one output; NaN where it is not known.
            Of an energy it is minus the forces.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For data that is not finite and real, widths that do not fit the reps, an output that the symmetry forces
            to zero, or a ``dy`` of another shape, infinite or not known anywhere.
        FloatingPointError
            When training keeps diverging.

        Warns
        -----
        ConvergenceWarning
            When training diverged and went on from the last good parameters with a smaller learning rate.
        UserWarning
            When the model is hardly better than a constant on its own training data, with the likely reasons; or when
            ``dy`` contradicts the symmetry, so that no equivariant function has such derivatives.

        Notes
        -----
        After an error, the estimator is as the last successful fit left it.
        """
        return self._fit_or_leave(X, y, sample_weight, dy)

    def _fit(self, X, y, weight, group, dy=None):
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        if dy is not None:
            warn_if_astray("FastEMLPRegressor.fit", X, y, dy, self.rep_in_, self.rep_out_)
        self._start_network(group, X.dtype, seed)
        self.scaler_in_ = EquivariantScaler.fit(self.rep_in_, X, weight, input_rms(self.rep_in_))
        self.scaler_out_ = EquivariantScaler.fit(self.rep_out_, y, weight)
        self.scaler_natural_ = self.scaler_in_.natural(self.rep_in_)
        first, sample = distinct_rows(X, y)
        natural, X = self.scaler_natural_.transform(X), self.scaler_in_.transform(X)
        y = _without_roundoff(self.scaler_out_.transform(y), y, self.scaler_out_)
        if dy is not None:
            dy = scaled_derivative(dy, self.scaler_in_, self.scaler_out_)
        lengths = y if dy is None else np.vstack([y, _changes(X, dy)])
        self._training_range = TrainingRange.fit(self.rep_in_, X, self.rep_out_, lengths)
        self._loss(self.rep_out_)  # refuses type_weights before anything takes time
        self.closed_form_, left, some = self._fit_closed_form(
            natural, y, weight, dy, first, sample, seed
        )
        rng = np.random.default_rng([seed, 2])
        self._fit_network((X, y, weight, dy), left, some, sample, rng)
        error = unexplained(
            self._predict_scaled(X[some], natural[some]), *_rows_of((y, weight), some)
        )
        steps = None
        if self.network_share_ and self._budget(len(X), len(first)).chosen_solver != "lbfgs":
            steps = self.n_iter_ * -(-len(X) // self.batch_size)
        reps = self.rep_in_, self.rep_out_
        warn_if_nothing_learned("FastEMLPRegressor.fit", (X, y), reps, error, n_steps=steps)

    def _fit_closed_form(self, X, y, weight, dy, first, sample, seed):
        """The closed form, None where none is asked for; what it leaves of targets and slopes; and by which rows.

        Of some rows it leaves (y, dy), see ``Residuals``; those that have chosen it, all but of large data, are a mask.
        """
        asked = {
            name: None if self.loss == "huber" and value == "auto" else value
            for name, value in (("polynomial", self.polynomial), ("kernel", self.kernel))
        }
        if set(asked.values()) == {None} or len(first) == 1 or not y.any():
            some = np.arange(len(X)) % -(-len(X) // ENOUGH_ROWS) == 0
            return None, partial(_rows_of, (y, dy)), some
        # what slopes in natural inputs are to be multiplied with
        stretch = self.scaler_in_.scale / self.scaler_natural_.scale
        if dy is not None and self.gradient_weight:
            power = np.average(np.nansum(dy**2, axis=(1, 2)), weights=weight) or 1.0
            asked["slopes"] = dy[first] / stretch
            asked["slope_weight"] = self.gradient_weight * X.shape[1] * y.shape[1] / power
        with single_threaded_blas():
            found, residuals = fit_to_many(
                (self.rep_in_, self.rep_out_),
                X[first],
                y[first].astype(np.float64),
                np.bincount(sample, weight).astype(np.float64),
                np.random.default_rng([seed, 1]),
                scales=(self.scaler_natural_.scale, self.scaler_out_.scale),
                offset=self.scaler_out_.shift.astype(np.float64) / self.scaler_out_.scale,
                **asked,
            )

        def left(rows):
            with single_threaded_blas():  # the same bits whatever the number of threads
                rest, slopes = residuals(sample[rows])
            return rest, None if slopes is None else slopes * stretch

        return found, left, residuals.have_chosen[sample]

    def _fit_network(self, data, left, some, sample, rng):
        """Train the network on what is left of the targets, or on these, or leave it out."""
        X, y, weight, dy = data
        form, n, everything = self.closed_form_, sample.max() + 1, np.ones(len(X), bool)
        rest = left(some)[0]
        y_some, weight_some = _rows_of((y, weight), some)
        error = unexplained(y_some - rest, y_some, weight_some)
        is_law = bool(form) and error <= ROUNDOFF * np.finfo(y.dtype).eps
        is_enough = is_law or (self.max_iter == "auto" and error <= HOPELESS / n)
        can_help = not (is_enough and self._predicts_all) and self._can_help(X)
        target, share, result = None, 0.0 if is_law or not can_help else 1.0, None
        if form is None or self.max_iter != "auto":
            target = left(everything) if share else None
        elif is_enough or not can_help:
            share = 0.0
        else:
            choices = []
            if form and error > POOR:
                choices.append(((y, dy if self.gradient_weight else None), None))
            # of fewer samples closed forms mostly do better, of more what they leave is harder to learn
            if not choices or FEW <= n <= SMALL:
                choices.append((left(everything), form))
            targets = [one for one, _ in choices]
            verdict = self._try(X, left, targets, weight, sample, rng)
            share, result = verdict.share, verdict.result
            if verdict.choice is not None:
                target, form = choices[verdict.choice]
                if form is None and verdict.kept:
                    form = self.closed_form_.times(verdict.kept)
        self.closed_form_ = form
        # what explains all is not bounded outside the training data
        self._is_law = is_law
        if form and error > DOUBTFUL:
            self._training_range = self._training_range.in_doubt
        is_scaled = share and (form is not None or result is not None)
        unit = _rms(target[0], weight) if is_scaled else 1.0
        self.network_share_ = share * unit
        if share:
            if result is None or self.early_stopping:
                target = [_scaled(a, unit, y.dtype) for a in target]
                result = self._trained(X, target, weight, sample, rng)
            self.theta_, self.n_iter_ = result.theta, result.n_iter
            self.loss_curve_ = [loss * unit**2 for loss in result.loss_curve]
            self.validation_curve_ = [loss * unit**2 for loss in result.validation_curve]
            self._prepare()
        else:
            self.loss_curve_ = [float(np.average(rest**2, 0, weight_some).mean())]
            self.validation_curve_ = []
            self.n_iter_ = 1

    @property
    def _predicts_all(self):
        """Whether the closed form is more than a constant for every type of output."""
        return bool(self.closed_form_) and all(fits for _, fits in self.closed_form_.parts)

    def _can_help(self, X):
        """Whether a network can predict; where it cannot, and closed forms do not either, an error says why."""
        try:
            require_reach(self.network_, "FastEMLPRegressor.fit", X)
        except ValueError:
            if not self._predicts_all:
                raise
            return False
        return True

    def _trained(self, X, targets, weight, sample, rng):
        """The result of training the network."""
        y, dy = targets
        rows, held_out = self._split(sample, weight, rng)
        data = X, y, weight, dy
        X, y, weight, dy = _rows_of(data, rows)
        n_different = len(np.unique(sample[rows]))
        fit = partial(
            train,
            self.network_,
            X,
            y,
            rng,
            sample_weight=weight,
            dy=dy,
            dy_loss=None if dy is None else self._derivative_loss(dy, weight),
            validation=None if held_out is None else _rows_of(data, held_out),
            enough=ONE_SAMPLE_LOSS if n_different == 1 else 0.0,
        )
        options = self._options(self._budget(len(X), n_different))
        try:
            return fit(**options)
        except FloatingPointError:
            if self.solver != "auto" or options["solver"] != "lbfgs":
                raise
            # AdamW goes back where it diverges
            return fit(**options | {"solver": "adamw", "max_iter": LEAST_STEPS})

    def _try(self, X, left, choices, weight, sample, rng):
        """Whether, and towards which targets, to train the network: a Verdict."""

        def slope_loss(dy, weight):
            return None if dy is None else self._derivative_loss(dy, weight)

        budget = self._budget(len(X), sample.max() + 1)
        return try_network(
            self.network_,
            X,
            left,
            choices,
            sample,
            weight,
            rng,
            slope_loss,
            **{**self._options(budget), "verbose": 0},
        )

    def _budget(self, n_samples, n_different):
        return Budget(
            *(self.solver, self.max_iter, self.weight_decay, self.batch_size),
            is_alone=self.polynomial is None and self.kernel is None,
            is_robust=self.loss == "huber",
            n_samples=n_samples,
            n_different=n_different,
        )

    def _options(self, budget):
        """What ``train`` is to do."""
        options = {name: getattr(self, name) for name in _TRAINING_OPTIONS}
        return options | {
            "loss": self._loss(self.rep_out_),
            "solver": budget.chosen_solver,
            "max_iter": budget.n_epochs,
            "weight_decay": budget.decay,
        }

    def _predict(self, X):
        natural, X = self.scaler_natural_.transform(X), self.scaler_in_.transform(X)
        y = self._predict_scaled(X, natural)
        if not self._is_law:
            y = self._training_range.shorten(X, y)
        return self.scaler_out_.inverse_transform(y)

    def _predict_scaled(self, X, natural):
        """Predictions of scaled targets from inputs as the network and the closed form want them, not shortened yet."""
        y = 0.0
        if self.network_share_:
            y = self.network_(self.theta_, X, self._weights())
            y *= y.dtype.type(self.network_share_)
        if self.closed_form_ is not None:
            with single_threaded_blas():  # the same bits whatever the number of threads
                y = (self.closed_form_(natural) + y).astype(self._precision, copy=False)
        return y

    def _jacobian(self, X):
        natural, X = self.scaler_natural_.transform(X), self.scaler_in_.transform(X)
        y = J = 0.0
        if self.network_share_:
            share = self._precision.type(self.network_share_)
            y, J = (share * a for a in self.network_.jacobian(self.theta_, X, self._weights()))
        if self.closed_form_ is not None:
            with single_threaded_blas():
                y = self.closed_form_(natural) + y
                stretch = self.scaler_in_.scale / self.scaler_natural_.scale
                J = self.closed_form_.jacobian(natural) * stretch + J
            y, J = (a.astype(self._precision, copy=False) for a in (y, J))
        if not self._is_law:
            J = self._training_range.jacobian(X, y, J)
        return unscaled_derivative(J, self.scaler_in_, self.scaler_out_)

    @cached_property
    def network_(self):
        if "_architecture" not in vars(self):
            raise AttributeError("FastEMLPRegressor has no network_ before fit.")
        return self._built_network()

    @property
    def _precision(self):
        return self.scaler_out_.scale.dtype

    @cached_property
    def theta_(self):
        theta = np.zeros(self.network_.n_parameters, self._precision)
        theta.flags.writeable = False
        return theta

    def _weights(self):
        """What predictions derive from ``theta_`` alone, or None if that is another one by now."""
        theta, prepared = self._prepared
        return prepared if theta is self.theta_ else None

    @property
    def _fit_dtypes(self):
        return [np.float64, np.float32] if self.dtype is None else [np.dtype(self.dtype)]

    @property
    def _predict_dtypes(self):
        return [self._precision]

    def _prepare(self):
        """Cache what predictions derive from ``theta_`` alone, and make ``theta_`` read-only."""
        self.theta_.flags.writeable = False
        self._prepared = self.theta_, self.network_.program.weights.of(self.theta_)

    def __getstate__(self):
        state = dict(super().__getstate__())  # a copy: it may be the attributes themselves
        state.pop("_prepared", None)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if vars(self).get("network_share_"):
            self._prepare()

    def _start_network(self, group, dtype, seed):
        """Say which network it is; it is built when it is first needed, at once where it may be refused."""
        for name in ("network_", "theta_", "_prepared"):  # of the last fit
            vars(self).pop(name, None)
        ends = self.rep_in_, self.rep_out_
        groups = tuple(dict.fromkeys(group for rep in ends for group in rep.groups))
        if group is not None or groups:
            groups = groups if group is None else group
            _, groups = network_ends(*ends, groups, "FastEMLPRegressor.fit")
        options = {"channels": self.channels, "n_layers": self.n_layers}
        self._architecture = groups, seed, {**options, "dtype": np.dtype(dtype).name}
        if not is_int(self.channels, 1):
            self.network_ = self._built_network()

    def _built_network(self):
        groups, seed, options = self._architecture
        if not groups:
            return MLP(self.rep_in_.size(), self.rep_out_.size(), **options)
        rng = np.random.default_rng(seed)
        return EMLP(self.rep_in_, self.rep_out_, groups, random_state=rng, **options)

    def _split(self, sample, weight, rng):
        """The rows to train on, and those held out or None.

        Copies of a sample stay together and count by their weight, so that a weight of 2 and two copies make the same
        split.
        """
        if not self.early_stopping:
            return slice(None), None
        n = sample.max() + 1
        if n < 2:
            raise ValueError(
                "FastEMLPRegressor.fit: early_stopping needs at least 2 different samples, got "
                f"n_samples = {len(sample)}, {n} of them different."
            )
        order = rng.permutation(n)
        total = np.cumsum(np.bincount(sample, weight)[order])
        n_held_out = 1 + np.argmin(np.abs(total - self.validation_fraction * total[-1]))
        held_out = np.isin(sample, order[: min(n_held_out, n - 1)])
        return ~held_out, held_out

    def _loss(self, rep_out):
        if self.loss == "huber":
            return Huber(rep_out, self.huber_delta, self.type_weights)
        return SquaredError(rep_out, self.type_weights)

    def _derivative_loss(self, dy, weight):
        return DerivativeError(dy, weight, self.gradient_weight, self.rep_out_, self.type_weights)


def _without_roundoff(scaled, y, scaler):
    """Scaled targets; zero where all of y is constant up to roundoff, so that nothing is left to learn."""
    roundoff = 10 * np.finfo(y.dtype).eps * np.abs(y).max()
    return np.zeros_like(scaled) if np.all(np.abs(scaled * scaler.scale) <= roundoff) else scaled


def _rms(values, weight):
    """The root mean square, 1 where that is zero."""
    return float(np.sqrt(np.average(values**2, 0, weight).mean())) or 1.0


def _scaled(values, unit, dtype):
    return None if values is None else (values / unit).astype(dtype)


def _changes(X, dy):
    """How outputs change to first order as inputs shrink to nothing: they may be as long as that, even if y is not."""
    return np.einsum("nkj,nj->nk", np.nan_to_num(dy), X)


def _rows_of(arrays, rows):
    return tuple(None if a is None else a[rows] for a in arrays)
