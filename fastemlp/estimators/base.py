"""What the estimators share: checks of parameters and data, fits that succeed or change nothing, and the score."""

import inspect
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from fastemlp.estimators.columns import rep_of_inputs, rep_of_targets
from fastemlp.estimators.training_range import warn_not_finite
from fastemlp.groups import Group, parse_group
from fastemlp.reps import require_shared

#: What ``documented`` puts where the docstring of an estimator names it.
GROUP_AND_REPS = """\
group : Group, str or None
    The symmetry, for example ``O(5)`` or ``"O(5)"``. None is for scalars of any number, without symmetry (unless
    ``rep_in`` is bound to a group itself).
rep_in : Rep, str or None
    How the group acts on the columns of X, for example ``5*Scalar + 5*V`` or ``"5V0+5V"``. None reads X as
    vectors: its width must be a multiple of ``group.d``.
rep_out : Rep, str or None
    How the group acts on y. None is for a scalar y, or for scalars where nothing else fits the number of columns."""


def documented(estimator):
    """Class decorator: expand ``GROUP_AND_REPS`` in the docstring."""
    if estimator.__doc__:  # python -OO keeps none
        doc = inspect.cleandoc(estimator.__doc__)
        estimator.__doc__ = doc.replace("GROUP_AND_REPS", GROUP_AND_REPS)
    return estimator


class EquivariantRegressor(RegressorMixin, BaseEstimator):
    """Base of the estimators.

    A subclass has parameters ``group``, ``rep_in`` and ``rep_out``, and

    - ``_fit(X, y, weight, group)``, which sets attributes as it goes; one that fits derivatives too takes ``dy`` last,
    - ``_predict(X)``, an ndarray of shape (n_samples, n_outputs), and its derivative ``_jacobian(X)``, of shape
      (n_samples, n_outputs, n_features),
    - ``_fit_dtypes`` and ``_predict_dtypes``, which X may have there; anything else becomes the first,
    - ``_allowed``, ``{parameter: (test of a value, description of what passes)}``.
    """

    def fit(self, X, y, sample_weight=None):
        """Fit to training data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : float or array-like of shape (n_samples,), optional
            A sample of weight 2 counts like two samples, one of weight 0 like none.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For data that is not finite and real, widths that do not fit the reps, or an output that the symmetry
            forces to zero.
        FloatingPointError
            When the training of a network keeps diverging.
        MemoryError
            When a design matrix or a basis of polynomials would exceed ``DESIGN_BYTES``; the message gives the numbers.

        Warns
        -----
        ConvergenceWarning
            When the training of a network diverged and went on from the last good parameters with a smaller learning
            rate.
        UserWarning
            When the model is hardly better than a constant on its own training data, with the likely reasons.

        Notes
        -----
        After an error, the estimator is as the last successful fit left it.
        """
        return self._fit_or_leave(X, y, sample_weight)

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs), as y was
            In the precision of the model's network, or of X where there is no network.

        Warns
        -----
        UserWarning
            When predictions overflow and are NaN or infinite.
        """
        y = self._predict(self._inputs(X))
        warn_not_finite(y, f"{type(self).__name__}.predict")
        return y.ravel() if self._y_is_1d else y

    def jacobian(self, X):
        """The derivative of predictions with respect to X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_outputs, n_features)
            ``[i, k, j]`` is the derivative of output k of sample i in its feature j, in the precision of ``predict``.
            Under the group it transforms as ``rep_out_ * rep_in_.T``.

        Warns
        -----
        UserWarning
            When derivatives overflow and are NaN or infinite.

        Notes
        -----
        Exact to rounding, for what ``predict`` does outside the training data, too.
        """
        X = self._inputs(X)
        with np.errstate(over="ignore", invalid="ignore"):  # told below
            J = self._jacobian(X)
        warn_not_finite(J, f"{type(self).__name__}.jacobian", "derivatives of predictions")
        return J

    def gradient(self, X):
        """The derivative of the predictions of a single output with respect to X; of an energy, minus the forces.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the precision of ``predict``. Under the group it transforms as ``rep_in_.T``, if the output is invariant.

        Raises
        ------
        ValueError
            For several outputs, which have a ``jacobian``.
        """
        check_is_fitted(self)
        n = self.rep_out_.size()
        if n != 1:
            raise ValueError(
                f"{type(self).__name__}.gradient: expected a model of one output, this one has {n}. "
                f"Use jacobian(X), of shape (n_samples, {n}, n_features)."
            )
        return self.jacobian(X)[:, 0]

    def score(self, X, y, sample_weight=None):
        """The share of the variance of y that the predictions explain, over all outputs together.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        float
            R², with every output weighted by its variance (``r2_score(..., multioutput="variance_weighted")``): an
            output that does not vary, such as one that the symmetry forces to zero, does not count. Where none varies
            it is 1 for predictions correct to roundoff and 0 for others. Under a group that acts orthogonally on y it
            does not depend on the frame.
        """
        prediction = self.predict(X)
        y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
        y = y.reshape(prediction.shape) if y.size == prediction.size else y
        roundoff = 10 * np.finfo(prediction.dtype).eps * np.abs(y).max(initial=0)
        if len(y) > 1 and np.ptp(y, axis=0).max(initial=0) <= roundoff:
            # a prediction is the constant after scaling and back
            return float(np.abs(prediction - y).max(initial=0) <= 10 * roundoff)
        return float(
            r2_score(y, prediction, sample_weight=sample_weight, multioutput="variance_weighted")
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        # no equivariant function can fit targets without the symmetry
        group = self.group
        tags.regressor_tags.poor_score = group is not None and not str(group).startswith("Trivial")
        return tags

    def _fit_or_leave(self, X, y, sample_weight, dy=None):
        # attributes change all at once, when nothing can fail or be interrupted any more
        fitted = object.__new__(type(self))
        fitted.__dict__ = dict(self.__dict__)
        fitted._check_parameters()
        X, y, weight, *more = fitted._check_data(X, y, sample_weight, dy)
        group = fitted._bind_reps(X.shape[1], y.shape[1])
        fitted._fit(X, y, weight, group, *more)
        self.__dict__ = fitted.__dict__
        return self

    def _check_parameters(self):
        if not (self.group is None or isinstance(self.group, (Group, str))):
            self._refuse("group", "a Group, its name or None")
        for name, (is_allowed, words) in self._allowed.items():
            if not is_allowed(getattr(self, name)):
                self._refuse(name, words)

    def _refuse(self, name, words):
        raise ValueError(
            f"{type(self).__name__}: {name} must be {words}, got {getattr(self, name)!r}."
        )

    def _check_data(self, X, y, sample_weight, dy=None):
        """X and y as matrices of one dtype, and float64 sample weights or None, without the samples of weight 0.

        And dy, if it is given, in that dtype and of shape (n_samples, n_outputs, n_features).
        """
        X, y = validate_data(
            self, X, y, dtype=self._fit_dtypes, multi_output=True, y_numeric=True, order="C"
        )
        self._y_is_1d = y.ndim == 1
        y = y.astype(X.dtype, copy=False).reshape(len(y), -1)
        caller = f"{type(self).__name__}.fit"
        more = () if dy is None else (check_derivative(dy, X, y, caller),)
        if sample_weight is None:
            return X, y, None, *more
        weight = check_weight(sample_weight, len(X), caller)
        present = weight > 0
        data = (X, y, weight, *more)
        return data if present.all() else tuple(a[present] for a in data)

    def _bind_reps(self, n_in, n_out):
        """Set ``rep_in_`` and ``rep_out_``; returns the group, or None."""
        caller = f"{type(self).__name__}.fit"
        group = parse_group(self.group) if isinstance(self.group, str) else self.group
        self.rep_in_ = rep_of_inputs(self.rep_in, group, n_in, caller)
        self.rep_out_ = rep_of_targets(self.rep_out, group, n_out, caller)
        require_shared(self.rep_in_, self.rep_out_, caller)
        return group

    def _inputs(self, X):
        """X as ``_predict`` takes it."""
        if self._is_ready(X):
            return X
        check_is_fitted(self)
        return validate_data(self, X, dtype=self._predict_dtypes, reset=False, order="C")

    def _is_ready(self, X):
        """Whether scikit-learn's checks of X, which take longer than predicting one sample, would change nothing."""
        return (
            hasattr(self, "n_features_in_")
            and type(X) is np.ndarray
            and X.ndim == 2
            and X.shape[0] > 0
            and X.shape[1] == self.n_features_in_
            and X.dtype in self._predict_dtypes
            and X.flags.c_contiguous
            and not hasattr(self, "feature_names_in_")
            and bool(np.isfinite(X).all())
        )


def check_weight(sample_weight, n, caller):
    """The sample weights as a float64 vector of n entries ≥ 0, not all zero; an error starts with ``caller``."""
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n, sample_weight)
    weight = check_array(
        sample_weight, dtype=np.float64, ensure_2d=False, input_name="sample_weight"
    )
    if weight.shape != (n,):
        raise ValueError(
            f"{caller}: sample_weight must have one entry per sample, shape ({n},), got {weight.shape}."
        )
    if weight.min() < 0 or not weight.any():
        raise ValueError(
            f"{caller}: sample_weight must be ≥ 0 and not zero throughout, got values from "
            f"{weight.min():.3g} to {weight.max():.3g}."
        )
    return weight


def check_derivative(dy, X, y, caller):
    """The derivative of y in X, of shape (n, n_out, n_in) and X's dtype; NaN, not all, where it is not known."""
    dy = check_array(
        dy,
        dtype=X.dtype,
        order="C",
        allow_nd=True,
        ensure_2d=False,
        ensure_all_finite="allow-nan",
        input_name="dy",
    )
    shape = n, n_out, n_in = (len(X), y.shape[1], X.shape[1])
    if dy.shape != shape and not (n_out == 1 and dy.shape == (n, n_in)):
        wanted = f"(n_samples, n_features) = {n, n_in}"
        if n_out > 1:
            wanted = f"(n_samples, n_outputs, n_features) = {shape}"
        raise ValueError(
            f"{caller}: dy must be the derivative of y with respect to X, of shape {wanted}, got {dy.shape}. "
            "Pass one number for each output and feature of each sample, NaN where it is not known."
        )
    if np.isnan(dy).all():
        raise ValueError(
            f"{caller}: dy must be known somewhere, got NaN throughout. Leave dy out to fit y alone."
        )
    return dy.reshape(shape)


def is_int(value, least):
    """Whether a value is an int ≥ ``least``; True and False are not."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= least


def an_int(least):
    """For ``_allowed``: an int ≥ ``least``."""
    return lambda value: is_int(value, least), f"an int ≥ {least}"


def a_number(words, holds):
    """For ``_allowed``: a real number for which ``holds``, as ``words`` say."""
    return lambda value: isinstance(value, Real) and holds(value), f"a number {words}"


def one_of(*choices):
    """For ``_allowed``: one of several strings."""
    words = " or ".join(map(repr, choices))
    return lambda value: isinstance(value, str) and value in choices, words


def or_else(other, allowed):
    """For ``_allowed``: one more value, None or a string, besides the ``allowed`` ones."""
    passes, words = allowed
    same = type(other)
    return lambda x: (isinstance(x, same) and x == other) or passes(x), f"{words} or {other!r}"
