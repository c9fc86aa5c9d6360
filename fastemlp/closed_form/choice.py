"""Which closed form predicts best: a constant, a polynomial, a kernel, a sum of terms, or some together."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import nnls

from fastemlp.closed_form.derived import derived
from fastemlp.closed_form.families import families
from fastemlp.closed_form.gradients import GradientObservations
from fastemlp.closed_form.kernel_ridge import KernelFit, fit_kernel
from fastemlp.closed_form.laws import Degrees, PolynomialFit, fit_polynomial
from fastemlp.closed_form.logarithms import Exponential, log_targets
from fastemlp.closed_form.observations import Observations
from fastemlp.closed_form.outliers import CLEAR, total, without_outliers
from fastemlp.closed_form.potentials import fit_potential
from fastemlp.closed_form.sparse import EXACT
from fastemlp.closed_form.terms import search_terms
from fastemlp.reps import Rep, Scalar, objects

#: The error of sums that may grow without bound outside the data, beside that of others: left-out samples tell little
#: of how they do there, and they are chosen among many. Polynomials are so by their degree alone.
UNBOUNDED = 3.0
#: Fits that leave so many times what the best does are not mixed with it: left-out samples tell too little of how much.
COMPARABLE = 3.0
#: Outputs are no gradient if a kernel fitted to them as such leaves so many times what other fits do.
HOPE = 4.0
#: Where less than this share is left, invariants of derived objects are looked at for sums alone, which must leave less
#: than so much of what others do.
GOOD, FAR = 1e-4, 1e-4
#: Fits that weigh less than this are left out.
LEAST = 0.05
#: A fit must explain this share of the variance, over the root of the number of samples, or be better than a constant
#: by so many standard errors, which are themselves not known from few samples.
SURE, VERY_SURE, UNKNOWN = 2.5, 3.0, 5.0


@dataclass(frozen=True)
class ClosedForm:
    """Predictions in closed form, between scaled inputs and scaled targets.

    Attributes
    ----------
    parts : tuple of (columns, fits)
        For each type of output the columns of its objects, (c, d), and what predicts them: a tuple of (weight, fit).
        None is a constant, zero.
    """

    parts: tuple

    def __call__(self, X):
        """Predictions of shape (n, n_out), float64."""
        X = np.asarray(X, np.float64)
        y = np.zeros((len(X), sum(columns.size for columns, _ in self.parts)))
        for columns, fits in self.parts:
            for weight, fit in fits:
                y[:, columns.T] += weight * fit(X)
        return y

    def jacobian(self, X):
        """Their derivatives, (n, n_out, n_in), float64."""
        X = np.asarray(X, np.float64)
        J = np.zeros((len(X), sum(columns.size for columns, _ in self.parts), X.shape[1]))
        for columns, fits in self.parts:
            for weight, fit in fits:
                J[:, columns.T] += weight * fit.jacobian(X)
        return J

    def times(self, factor):
        """The same times a factor."""
        parts = ((c, tuple((factor * w, fit) for w, fit in fits)) for c, fits in self.parts)
        return ClosedForm(tuple(parts))

    @property
    def n_coefficients(self):
        """The numbers that were fitted."""
        return sum(fit.n_coefficients for _, fits in self.parts for _, fit in fits)

    def __bool__(self):
        return any(fits for _, fits in self.parts)

    def __str__(self):
        return "; ".join(
            " + ".join(fit.name for _, fit in fits) or "constant" for _, fits in self.parts
        )


def fit_closed_form(
    reps,
    X,
    Y,
    weights,
    rng,
    *,
    scales=None,
    offset=None,
    slopes=None,
    slope_weight=1.0,
    polynomial="auto",
    kernel="auto",
):
    """Fit polynomials and kernels to each type of output and keep what predicts left-out samples best.

    Parameters
    ----------
    reps : pair of Rep, bound; of inputs and outputs
    X, Y : ndarrays of shape (n, n_in) and (n, n_out); scaled, different samples, float64
    weights : ndarray of shape (n,), > 0
    rng : numpy Generator
    scales : pair of ndarrays of shape (n_in,) and (n_out,), optional; what inputs and outputs were divided by
    offset : ndarray of shape (n_out,), optional
        Logarithms of ``Y + offset`` are fitted, too, where it is positive.
    slopes : ndarray of shape (n, n_out, n_in), optional
        The derivatives of Y in X, NaN where they are not known.
    slope_weight : float
        What the squared error of derivatives counts, beside that of Y.
    polynomial : int, "auto" or None; the degree
    kernel : "auto" or None; whether kernels of invariants and sums of their functions are tried

    Returns
    -------
    ClosedForm
    left_out : ndarray of shape (n, n_out); Y minus predictions of fits without the sample
    slopes_left_out : ndarray of shape (n, n_out, n_in) or None; the same for derivatives
    """
    rep_in, rep_out = reps
    scales = scales or (np.ones(X.shape[1]), np.ones(Y.shape[1]))
    offset = np.zeros(Y.shape[1]) if offset is None else offset
    weights = weights / weights.mean()
    parts, left_out = [], np.empty_like(Y)
    slopes_left_out = None if slopes is None else np.full_like(slopes, np.nan)
    factor = np.sqrt(slope_weight)
    for kind, columns in objects(rep_out):
        d = kind.size()
        of_kind = None if slopes is None else slopes[:, columns.T]
        data = Observations(X, Y[:, columns.T], weights, of_kind, factor)
        candidates = _Candidates(
            rep_in, kind, columns, scales, offset[columns[:, 0]], polynomial, kernel, rng
        )
        fits, rest = without_outliers(candidates.best, data)
        parts.append((columns, fits))
        left_out[:, columns.T] = rest[:, :d]
        if slopes is not None:
            below = np.moveaxis(rest[:, d:].reshape(len(X), d, X.shape[1], -1), 2, 3) / factor
            slopes_left_out[:, columns.T] = np.where(np.isnan(of_kind), np.nan, below)
    return ClosedForm(tuple(parts)), left_out, slopes_left_out


@dataclass(frozen=True)
class _Candidates:
    """What may predict outputs of one type.

    Attributes
    ----------
    rep_in, kind : Rep, bound
    columns : int ndarray (c, d); of the outputs
    scales, polynomial, kernel, rng : as for ``fit_closed_form``
    offset : ndarray of shape (c,); of each output's first column
    """

    rep_in: Rep
    kind: Rep
    columns: np.ndarray
    scales: tuple
    offset: np.ndarray
    polynomial: int | str | None
    kernel: str | None
    rng: np.random.Generator

    @cached_property
    def _degrees(self):
        return Degrees(objects(self.rep_in), self.kind, self.polynomial)

    def best(self, data):
        """The best fits to Observations with their weights, and what they leave."""
        found = []
        if self.polynomial is not None and data.targets.any():
            found += _tried(fit_polynomial, self._degrees, data, self.rng)
        if self.kernel is not None and not _is_explained(found, data.targets):
            found += self._of_logarithms(data)
            found += of_invariants(self.rep_in, self.kind, data, self.rng, others=found)
            found += self._gradients(data, found)
            found += self._of_derived(data, found)
        found = [(fit, e) for fit, e in found if np.isfinite(e).all()]
        return _best(found, data)

    def _of_derived(self, data, others):
        """Of invariants of derived objects; where others do well, sums alone that do far better."""
        if _is_explained(others, data.targets):
            return []
        is_good = _is_explained(others, data.targets, GOOD)
        found = of_invariants(
            self.rep_in, self.kind, data, self.rng, derived, others, kernels=not is_good
        )
        most = FAR * _least_error(others, data.weights) if is_good else np.inf
        return [one for one in found if _least_error([one], data.weights) <= most]

    def _of_logarithms(self, data):
        logarithms = log_targets(data, self.offset) if self.kind == Scalar else None
        if logarithms is None:
            return []
        found = of_invariants(self.rep_in, self.kind, logarithms, self.rng)
        return [Exponential.of_logarithms(fit, e, data, self.offset) for fit, e in found]

    def _gradients(self, data, others):
        gradient = GradientObservations.of_outputs(
            self.rep_in, self.kind, self.columns, self.scales, data
        )
        if gradient is None:
            return []
        found = _tried(fit_potential, self.rep_in, gradient, self.rng)
        if found and _may_be_better(found[0][1], others, data.weights):
            found += _solved(_searched(self.rep_in, Scalar, gradient, self.rng), self.rng)
        return [(fit, e.reshape(data.Y.shape)) for fit, e in found]


def of_invariants(rep_in, kind, data, rng, invariants_of=families, others=(), kernels=True):
    """Kernels and sums of functions of invariants, or sums alone: list of (fit, left_out)."""
    sums = _searched(rep_in, kind, data, rng, invariants_of)
    least = min(_least_error(others, data.weights), sums[0].least if sums else np.inf)
    found = []
    if kernels and data.slopes is None:
        found = _tried(fit_kernel, rep_in, kind, data, rng, invariants_of, least)
    elif kernels and kind == Scalar:
        found = _tried(fit_potential, rep_in, data, rng, invariants_of)
    return found + _solved(sums, rng, _least_error([*others, *found], data.weights))


def _searched(*arguments):
    """The Search for terms, as a list, empty if a decomposition does not converge."""
    with suppress(np.linalg.LinAlgError):
        return [search_terms(*arguments)]
    return []


def _solved(searches, rng, least=np.inf):
    with suppress(np.linalg.LinAlgError):
        return [one for search in searches for one in search.fits(rng, least)]
    return []


def _least_error(fits, weights):
    """What the best of (fit, left_out) leaves of a sample, on average."""
    errors = [total(e, weights) / weights.sum() for _, e in fits]
    return min((error for error in errors if np.isfinite(error)), default=np.inf)


def _tried(fit, *arguments):
    """A list of what it returns, empty if that is None or a decomposition does not converge."""
    with suppress(np.linalg.LinAlgError):
        found = fit(*arguments)
        return [found] if found[0] is not None else []
    return []


def _is_explained(candidates, y, share=EXACT):
    if not y.any():
        return True
    return any(np.vdot(e, e) <= share * np.vdot(y, y) for _, e in candidates)


def _may_be_better(e, candidates, weights):
    """Whether other fits of a kind, whose kernel leaves e, may be better: beside other kernels, if there are any."""
    kernels = [one for one in candidates if isinstance(one[0], KernelFit)]
    return total(e, weights) <= HOPE * min(
        (total(other, weights) for _, other in kernels or candidates), default=np.inf
    )


def _best(candidates, data):
    """The fits and their weights, and the residual; () and the targets where a constant is as good."""
    y, weights = data.targets, data.weights
    if not candidates:
        return (), y
    errors = np.array([total(e, weights) for _, e in candidates])
    doubted = errors * [_doubt(fit) for fit, _ in candidates]
    fit, e = candidates[int(np.argmin(doubted))]
    if total(e, weights) <= CLEAR * total(y, weights):
        return ((1.0, fit),), e
    near = np.flatnonzero(doubted <= COMPARABLE * doubted.min())
    mixed = [(candidates[k][0].within(data.X), candidates[k][1]) for k in near]
    # weights ≥ 0 of predictions for samples left out (Wolpert 1992; Breiman 1996): they shrink what fits noise; the
    # doubt in each is an error of its own
    root = np.sqrt(weights)[:, None, None]
    predicted = [y - e for _, e in mixed]
    A = np.stack([(root * p).ravel() for p in predicted], axis=1)
    own = np.diag(np.sqrt(doubted - errors)[near])
    shares, _ = nnls(np.vstack([A, own]), np.append(root * y, np.zeros(len(near))))
    shares = np.where(shares < LEAST, 0, shares) / max(1.0, shares.sum())
    e = y - sum(share * p for share, p in zip(shares, predicted, strict=True))
    fits = tuple((float(w), fit) for w, (fit, _) in zip(shares, mixed, strict=True) if w)
    return (fits, e) if _is_better(y, e, weights) else ((), y)


def _doubt(fit):
    """What the squared error of samples left out of a fit is multiplied with, before it is compared."""
    return 1.0 if fit.is_bounded or isinstance(fit, PolynomialFit) else UNBOUNDED


def _is_better(y, e, weights):
    """Whether a residual e is surely smaller than the targets."""
    squares = weights * np.sum(y**2, axis=(1, 2))
    gain = squares - weights * np.sum(e**2, axis=(1, 2))
    is_clear = np.sum(gain) > SURE / np.sqrt(len(gain)) * np.sum(squares)
    doubt = (1 + UNKNOWN / len(gain)) * np.std(gain) / np.sqrt(len(gain))
    return is_clear or np.mean(gain) > VERY_SURE * doubt
