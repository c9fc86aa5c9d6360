"""What all our regressors share: fits that succeed or leave no trace, and a score that weighs outputs by variance."""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import check_array


class EquivariantRegressor(RegressorMixin, BaseEstimator):
    """Base of the estimators. A subclass has ``_fit(X, y, sample_weight)``, which sets attributes as it goes."""

    def _fit_aside(self, X, y, sample_weight):
        """Run ``_fit`` on a copy of the estimator, and take its attributes over in one go once it has succeeded.

        A fit that fails or is interrupted, wherever that happens, leaves the last model as it was.
        """
        aside = object.__new__(type(self))
        aside.__dict__ = dict(self.__dict__)
        aside._fit(X, y, sample_weight)
        self.__dict__ = aside.__dict__
        return self

    def score(self, X, y, sample_weight=None):
        """The share of the variance of y that the predictions explain, all outputs together.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        float
            R², with every output weighed by its variance (``r2_score(..., multioutput="variance_weighted")``): an
            output that does not vary, such as one that the symmetry forces to zero, does not count. Where none
            varies it is 1 for predictions right to roundoff and 0 for others. Under a group that acts orthogonally on
            y it does not depend on the frame.
        """
        prediction = self.predict(X)
        y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
        y = y.reshape(prediction.shape) if y.size == prediction.size else y
        roundoff = 10 * np.finfo(prediction.dtype).eps * np.abs(y).max(initial=0)
        if len(y) > 1 and np.ptp(y, axis=0).max(initial=0) <= roundoff:
            # a prediction is the constant once more through shifts and scales
            return float(np.abs(prediction - y).max(initial=0) <= 10 * roundoff)
        return float(
            r2_score(y, prediction, sample_weight=sample_weight, multioutput="variance_weighted")
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        # targets without the symmetry are followed by no equivariant function
        group = self.group
        tags.regressor_tags.poor_score = group is not None and not str(group).startswith("Trivial")
        return tags
