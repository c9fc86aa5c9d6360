"""Equivariant ridge regression: the exact, closed-form baseline."""

from numbers import Real
from typing import ClassVar

import numpy as np

from fastemlp._warnings import warn_user
from fastemlp.bases import equivariant_basis, why_empty
from fastemlp.closed_form import LeaveOneOutRidge, PolynomialFeatures
from fastemlp.closed_form.polynomials import row_chunks, type_name
from fastemlp.estimators.base import EquivariantRegressor, an_int, documented
from fastemlp.estimators.columns import distinct_rows
from fastemlp.estimators.diagnosis import warn_if_nothing_learned
from fastemlp.estimators.scaling import EquivariantScaler, unscaled_derivative
from fastemlp.reps import objects


@documented
class EquivariantRidge(EquivariantRegressor):
    """Ridge regression on polynomials that are exactly equivariant under a matrix group, in closed form.

    Fits ``y ≈ W φ(x) + b`` where ``φ(x) = x ⊕ x⊗x ⊕ … ⊕ x^{⊗degree}``, W is equivariant, b among
    the invariants of ``rep_out``, by ``min Σ_i ‖y_i − W φ(x_i) − b‖² + α‖W‖²``.
    Without a group it is plain ridge regression.

    Parameters
    ----------
    GROUP_AND_REPS
    degree : int
        Highest tensor power of x.
    alphas : float or sequence of float, > 0
        Penalties to choose from, by the exact leave-one-out error.
    fit_intercept : bool
        Whether there is an invariant b, which is not penalised.

    Attributes
    ----------
    coef_ : ndarray of shape (n_coefficients,)
        W in an orthonormal basis: types of ``rep_out``, then their copies, then the equivariant polynomials.
    intercept_ : ndarray of shape (n_outputs,)
        b. Both act between scaled inputs and scaled targets.
    alpha_ : float; the chosen penalty
    alphas_ : ndarray of shape (n_alphas,)
    loo_error_ : ndarray of shape (n_alphas,)
        Mean squared error of every sample when predicted by the fit to all others, in units of the variance of y; exact
        for types of up to 100 components.
        NaN for a single sample, inf where roundoff makes a sample's leverage 1.
    rep_in_, rep_out_ : Rep; as used, bound
    n_features_in_ : int

    Notes
    -----
    Inputs and targets are scaled by one factor per copy of each type and shifted along invariants only, and
    ``x^{⊗k}`` is divided by ``√n_features^(k−1)`` so that one α suits all degrees. All arithmetic is in float64.

    The ``x^{⊗k}`` span only symmetric tensors, so W is sought among maps that are symmetric in their slots, and a
    product of different columns is computed once. That changes neither the minimiser nor ‖W‖. Distinct copies of a type
    in ``rep_out`` are independent right-hand sides of one least-squares problem.

    What is left out is a sample with its weight, all outputs together; copies of a sample count as one of their summed
    weight, as a copy left behind would give the answer away. With the hat matrix H and
    the residual e of one fit, the residual without sample i is ``(I − H_ii)⁻¹ e_i``, H_ii of shape (n_out, n_out);
    the scaling is not refitted. One thin SVD of the design matrix, ``n·d_out`` rows for an output type of size d_out,
    serves every α.

    Examples
    --------
    >>> from fastemlp import EquivariantRidge
    >>> from fastemlp.datasets import make_inertia
    >>> X, y, spec = make_inertia(400, random_state=0, return_spec=True)
    >>> model = EquivariantRidge(spec.group, rep_in=spec.rep_in, rep_out=spec.rep_out, degree=3)
    >>> bool(model.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.999)
    True
    >>> model.coef_.shape
    (295,)
    """

    _allowed: ClassVar = {
        "degree": an_int(1),
        "fit_intercept": (lambda value: isinstance(value, (bool, np.bool_)), "True or False"),
    }
    _fit_dtypes = (np.float64,)
    _predict_dtypes = (np.float64, np.float32)

    def __init__(
        self,
        group=None,
        *,
        rep_in=None,
        rep_out=None,
        degree=1,
        alphas=(1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0),
        fit_intercept=True,
    ):
        self.group = group
        self.rep_in = rep_in
        self.rep_out = rep_out
        self.degree = degree
        self.alphas = alphas
        self.fit_intercept = fit_intercept

    def _check_parameters(self):
        super()._check_parameters()
        alphas = (self.alphas,) if isinstance(self.alphas, Real) else self.alphas
        alphas = list(alphas) if np.iterable(alphas) and not isinstance(alphas, str) else []
        if not alphas or not all(isinstance(a, Real) and 0 < a < np.inf for a in alphas):
            self._refuse("alphas", "a number > 0 or a sequence of them")
        self.alphas_ = np.array(alphas, np.float64)

    def _fit(self, X, y, weight, group):
        alphas = self.alphas_
        for G in (*self.rep_in_.groups, *self.rep_out_.groups):
            if G.is_complex:
                raise ValueError(
                    f"EquivariantRidge.fit: X and y are real, but {G} is complex. "
                    "Pass its real form, group.realified(), whose V has twice the size."
                )
        first, sample = distinct_rows(X, y)
        X, y = X[first], y[first]
        weights = np.bincount(sample, weight)  # summed over the copies of a sample
        if len(X) == 1 and len(alphas) > 1:
            raise ValueError(
                f"EquivariantRidge.fit: choosing among {len(alphas)} alphas leaves samples out in turn, which needs at "
                "least 2 different samples of weight > 0, got n_samples = 1 of them. Pass a single alpha."
            )
        self.scaler_in_ = EquivariantScaler.fit(self.rep_in_, X, weights)
        self.scaler_out_ = EquivariantScaler.fit(self.rep_out_, y, weights)

        sources = objects(self.rep_in_)
        self._targets = []
        problems = []
        scaled, targets = self.scaler_in_.transform(X), self.scaler_out_.transform(y)
        for rep, columns in objects(self.rep_out_):
            features = PolynomialFeatures.build(sources, rep, self.degree, len(X))
            invariants = equivariant_basis(rep, dtype=np.float64).to_dense()
            invariants = invariants if self.fit_intercept else invariants[:, :0]
            self._require_output(features, invariants, rep)
            Y = targets[:, columns.T]
            problems.append(LeaveOneOutRidge(features(scaled), Y, weights, invariants))
            self._targets.append((features, columns))

        self.loo_error_ = _loo_errors(problems, alphas, weights) / y.shape[1]
        self.alpha_ = float(alphas[0 if len(alphas) == 1 else np.argmin(self.loo_error_)])
        self.intercept_ = np.zeros(y.shape[1])
        self._coefficients = []
        for problem, (_, columns) in zip(problems, self._targets, strict=True):
            coefficients, self.intercept_[columns.T] = problem.solve(self.alpha_)
            self._coefficients.append(coefficients)
        self.coef_ = np.concatenate([c.T.ravel() for c in self._coefficients])
        power = np.sum(weights @ targets**2)
        squares = sum(problem.squared_error(self.alpha_) for problem in problems)
        error = squares / power if power else 0.0
        reps = self.rep_in_, self.rep_out_
        warn_if_nothing_learned("EquivariantRidge.fit", (scaled, targets), reps, error)

    def _predict(self, X):
        y = np.empty((len(X), self.rep_out_.size()), X.dtype)
        widest = max(features.rank * features.dim for features, _ in self._targets)
        for rows in row_chunks(len(X), widest):
            x = self.scaler_in_.transform(X[rows].astype(np.float64, copy=False))
            scaled = np.empty((len(x), y.shape[1]))
            with np.errstate(over="ignore", invalid="ignore"):  # ``predict`` warns of it
                for (features, columns), c in zip(self._targets, self._coefficients, strict=True):
                    scaled[:, columns.T] = features(x) @ c
            y[rows] = self.scaler_out_.inverse_transform(scaled + self.intercept_)
        return y

    def _jacobian(self, X):
        x = self.scaler_in_.transform(X.astype(np.float64, copy=False))
        J = np.empty((len(x), self.rep_out_.size(), x.shape[1]))
        for (features, columns), c in zip(self._targets, self._coefficients, strict=True):
            J[:, columns.T] = features.jacobian(x, c)
        J = unscaled_derivative(J, self.scaler_in_, self.scaler_out_)
        return J.astype(X.dtype, copy=False)

    def _require_output(self, features, invariants, rep):
        """Refuse an output that the symmetry forces to zero; warn when it can only be constant."""
        if features.rank:
            return
        names = ", ".join(map(repr, dict.fromkeys((*self.rep_in_.groups, *rep.groups))))
        what = f"equivariant polynomial of degree ≤ {self.degree} from {self.rep_in_} to {type_name(rep)}"
        if invariants.shape[1]:
            warn_user(f"Under {names} every {what} is constant.")
            return
        raise ValueError(
            f"EquivariantRidge.fit: under {names} the only {what} is zero. "
            f"{why_empty(self.rep_in_ >> rep)} Raise degree, check rep_in={self.rep_in_} and "
            f"rep_out={self.rep_out_}, or use a smaller group."
        )


def _loo_errors(problems, alphas, weights):
    """Mean leave-one-out error for each penalty, all outputs together."""
    if len(weights) == 1:
        return np.full(len(alphas), np.nan)
    return sum(problem.loo_errors(alphas) for problem in problems) / weights.sum()
