"""Laws of few terms: ridge regression on polynomials, reweighted until most products drop out."""

import numpy as np

from fastemlp.closed_form.leave_one_out import LeaveOneOutRidge

#: Penalties that are tried, for columns of mean square one.
ALPHAS = 10.0 ** np.arange(-12, 4)
#: Rounds of reweighting at most, and how many without gain end it.
ROUNDS, PATIENCE = 12, 2
#: Products whose weight is this share of the largest drop out.
DROPPED = 1e-7
FOLDS = 5
#: A decomposition that takes more work is done once: all terms stay.
MOST_WORK = 8e8
#: Terms are a law if they are at most this share of the equations, and left-out samples keep to them up to this share
#: of the targets' square.
FEW_TERMS, EXACT = 0.5, 1e-12
#: The same by rough decompositions, before it is looked at closely; and for how many rounds without a tenth less it is
#: looked for.
ALMOST, HOPE = 1e-6, 3


class Reweighted:
    """Ridge regressions in rounds, each of which penalises a product by what little the last one made of it.

    Products are groups of columns: the penalty of group g is ``α ‖c_g‖² / w_g²``, where w_g is the root mean square of
    its coefficients in the round before, so that what a law does not need shrinks to nothing, and what it needs is
    hardly penalised. α is chosen anew in each round by the exact leave-one-out error.

    Parameters
    ----------
    A : ndarray of shape (n, d, r); rows of the design matrix
    Y : ndarray of shape (n, d, c)
    weights, invariants : as for LeaveOneOutRidge
    products : int ndarray of shape (r,); the group of each column, counted from 0
    rough : bool; as for LeaveOneOutRidge

    Attributes
    ----------
    scale : ndarray of shape (r,); w for each column, 0 for those dropped
    rough : bool; of the next round

    Notes
    -----
    R. Chartrand, W. Yin, "Iteratively reweighted algorithms for compressive sensing", ICASSP 2008, for groups. The
    group of a product of objects is all its equivariant maps, so nothing depends on the frame.
    """

    def __init__(self, A, Y, weights, invariants, products, rough=False):
        self._data, self.rough = (A, Y, weights, invariants), rough
        self._products, self._sizes = products, np.bincount(products)
        power = np.einsum("ndr,ndr->r", A, A) / A[..., 0].size
        rms = np.sqrt(np.bincount(products, power) / self._sizes)
        self._unit = np.divide(1, rms, out=np.zeros_like(rms), where=rms > 0)
        self.scale = self._unit[products]

    def round(self):
        """One more round: sets ``problem``, ``alpha``, ``loo_error``, ``coefficients`` (r, c), ``intercept`` (d, c)."""
        A, Y, weights, invariants = self._data
        kept = np.flatnonzero(self.scale)
        scaled = A[..., kept] * self.scale[kept]
        self.problem = LeaveOneOutRidge(scaled, Y, weights, invariants, self.rough)
        errors = self.problem.loo_errors(ALPHAS)
        self.alpha, self.loo_error = float(ALPHAS[np.argmin(errors)]), float(np.min(errors))
        c, self.intercept = self.problem.solve(self.alpha)
        self.coefficients = np.zeros((len(self.scale), Y.shape[2]))
        self.coefficients[kept] = c * self.scale[kept, None]
        self._reweight()

    def _reweight(self):
        square = np.sum(self.coefficients**2, axis=1)
        # in units in which every product has mean square one
        size = np.sqrt(np.bincount(self._products, square) / self._sizes)
        size = np.divide(size, self._unit, out=np.zeros_like(size), where=self._unit > 0)
        largest = size.max(initial=0)
        if largest:
            size /= largest
            size[size < DROPPED] = 0
            self.scale = (size * self._unit)[self._products]


def fit_sparse(A, Y, weights, invariants, products, rng):
    """Reweight for as many rounds as do best on folds that are held out.

    Parameters
    ----------
    A, Y, weights, invariants, products : as for Reweighted
    rng : numpy Generator; draws the folds

    Returns
    -------
    coefficients : ndarray of shape (r, c)
    intercept : ndarray of shape (d, c)
    held_out : ndarray of shape (n, d, c); y minus the prediction of the fit to the other folds
    """
    if _work(A) > MOST_WORK:
        whole = Reweighted(A, Y, weights, invariants, products)
        whole.round()
        return whole.coefficients, whole.intercept, whole.problem.left_out(whole.alpha)
    power = weights @ np.sum(Y**2, axis=(1, 2))
    whole, best = Reweighted(A, Y, weights, invariants, products), None
    is_hopeful = min(rough_errors(A, Y, weights, invariants, products)) <= ALMOST * power
    for _ in range(ROUNDS if is_hopeful else 0):
        whole.round()
        if best is not None and whole.loo_error > 0.1 * best[0]:
            return best[1:]
        few = len(whole.problem.s) <= FEW_TERMS * A[..., 0].size
        if few and whole.loo_error <= EXACT * power:
            left_out = whole.problem.left_out(whole.alpha)
            best = whole.loo_error, whole.coefficients, whole.intercept, left_out
    if best is not None:
        return best[1:]
    n_rounds, held_out = _n_rounds(A, Y, weights, invariants, products, rng)
    whole = Reweighted(A, Y, weights, invariants, products, rough=True)
    for _ in range(n_rounds - 1):
        whole.round()
    whole.rough = False
    whole.round()
    return whole.coefficients, whole.intercept, held_out


def rough_errors(A, Y, weights, invariants, products, n_rounds=2):
    """Weighted leave-one-out errors by rough decompositions: after some rounds, and the least of few terms by more.

    Where one decomposition takes much work a single round tells.
    """
    power = weights @ np.sum(Y**2, axis=(1, 2))
    rough = Reweighted(A, Y, weights, invariants, products, rough=True)
    errors, least, since = [], np.inf, 0
    while len(errors) < ROUNDS and (len(errors) < n_rounds or since < HOPE):
        rough.round()
        since = 0 if rough.loo_error < 0.9 * min(errors, default=np.inf) else since + 1
        errors.append(rough.loo_error)
        if len(rough.problem.s) <= FEW_TERMS * A[..., 0].size:
            least = min(least, rough.loo_error)
        if n_rounds == 1 or _work(A) > MOST_WORK or least <= EXACT * power:
            break
    return errors[min(n_rounds, len(errors)) - 1], least


def _work(A):
    """What a decomposition of a design matrix takes."""
    return A.size * min(A[..., 0].size, A.shape[2])


def refit(data, order, n, columns_of, coefficients, products, constants):
    """Fit n samples with the terms that a few have chosen, penalised as the last round of reweighting would.

    Parameters
    ----------
    data : Observations
    order : int ndarray; the first n are fitted, the others predicted
    n : int
    columns_of : features, for ``data.design``
    coefficients : ndarray of shape (r, c); of the fit to a few
    products : int ndarray of shape (r,); as for ``Reweighted``
    constants : ndarray of shape (equations, r0)

    Returns
    -------
    coefficients : ndarray of shape (r, c)
    intercept : ndarray of shape (equations, c)
    left_out : ndarray of shape (n, equations, c)
    """
    size = np.bincount(products, np.mean(coefficients**2, axis=1)) / np.bincount(products)
    size = np.sqrt(size)[products]
    (kept,) = np.nonzero(size)
    some = data.of(order[:n])
    A = some.design(columns_of)[..., kept] * size[kept]
    unit = np.sqrt(np.mean(A**2)) or 1.0
    least = ALMOST * (some.weights @ np.sum(some.targets**2, axis=(1, 2)))
    for rough in (True, False):
        ridge = LeaveOneOutRidge(A / unit, some.targets, some.weights, constants, rough)
        errors = ridge.loo_errors(ALPHAS)
        if np.min(errors) > least:
            break
    alpha = float(ALPHAS[int(np.argmin(errors))])
    found, intercept = ridge.solve(alpha)
    coefficients = np.zeros_like(coefficients)
    coefficients[kept] = found * size[kept, None] / unit
    return coefficients, intercept, ridge.left_out(alpha)


def spread(left_out, fit, data, order):
    """Residuals of all samples: of the first of ``order`` as given, of the others those of a fit without them."""
    rest = np.empty_like(data.targets)
    n = len(left_out)
    rest[order[:n]] = left_out
    if n < len(data):
        rest[order[n:]] = data.of(order[n:]).residual(fit)
    return rest


def _n_rounds(A, Y, weights, invariants, products, rng):
    """How many rounds predict best, and what is then left of samples that were held out."""
    n_folds = min(FOLDS, len(A))
    fold = rng.permutation(np.arange(len(A)) % n_folds)
    fits = [
        Reweighted(A[fold != k], Y[fold != k], weights[fold != k], invariants, products, rough=True)
        for k in range(n_folds)
    ]
    best, best_error, held_out = 0, np.inf, None
    for t in range(ROUNDS):
        errors = np.empty_like(Y)
        for k, fit in enumerate(fits):
            fit.round()
            errors[fold == k] = Y[fold == k] - A[fold == k] @ fit.coefficients - fit.intercept
        error = weights @ np.sum(errors**2, axis=(1, 2))
        if error < best_error:
            best, best_error, held_out = t, error, errors
        elif t - best >= PATIENCE:
            break
    return best + 1, held_out
