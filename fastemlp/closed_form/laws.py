"""Equivariant polynomials, plain or sparse, to a degree that held-out errors choose."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fastemlp.bases import equivariant_basis
from fastemlp.closed_form.expansion import Expansion
from fastemlp.closed_form.polynomials import Limits, PolynomialFeatures, row_chunks
from fastemlp.closed_form.sparse import EXACT, fit_sparse, refit, spread
from fastemlp.exceptions import CertificationError

MAX_DEGREE = 6
#: Work of one decomposition while terms and degree are chosen, and of the last one; numbers of a design matrix.
CHOOSING_WORK, FITTING_WORK, MAX_NUMBERS = 2e8, 5e9, 2.5e7
#: The numbers that all samples together are multiplied out to.
MOST_PRODUCTS = 1e9
#: What bases of products may take; those of permutations are found fast, and larger up to some degree.
LIMITS, LIMITS_OF_PERMUTATIONS = Limits(2**26, 2e10, 3e5), Limits(2**29, 2e10, 3e5)
LARGE_DEGREE = 3
#: So many polynomials at most.
MOST = 4000
#: Samples that tell what is roundoff.
SEEN = 300
#: A higher degree must leave less than this share of the error of the best one below.
WORTH = 0.95


@dataclass(frozen=True)
class PolynomialFit:
    """``W φ(x) + b`` with polynomials φ.

    Attributes
    ----------
    features : PolynomialFeatures
    coefficients : ndarray of shape (rank, c)
    intercept : ndarray of shape (d, c)
    degree : int
    """

    features: PolynomialFeatures
    coefficients: np.ndarray
    intercept: np.ndarray
    degree: int

    is_bounded = False

    @property
    def name(self):
        """For people."""
        return f"polynomial of degree {self.degree}"

    @property
    def n_coefficients(self):
        """The numbers that were fitted."""
        return self.coefficients.size + self.intercept.size

    def __call__(self, X):
        """Predictions of shape (n, d, c)."""
        if self._expansion is not None:
            return self._expansion(X).reshape(-1, *self.intercept.shape) + self.intercept
        y = np.empty((len(X), *self.intercept.shape))
        for rows in row_chunks(len(X), self.features.rank * self.features.dim):
            y[rows] = self.features(X[rows]) @ self.coefficients
        return y + self.intercept

    @cached_property
    def _expansion(self):
        return Expansion.if_faster(self.features, self.coefficients)

    def jacobian(self, X):
        """Their derivatives, (n, d, c, n_in)."""
        return self.features.jacobian(X, self.coefficients)

    def within(self, X):
        """Itself: it has no invariants to be kept near those of samples X."""
        return self

    def refitted(self, data, order, constants):
        """The same polynomials fitted to as many of ``data[order]`` as can be afforded, and what is left of these."""
        n, products = _affordable(self.features, data, FITTING_WORK), self.features.products
        c, b, left_out = refit(
            data, order, n, self.features, self.coefficients, products, constants
        )
        return replace(self, coefficients=c, intercept=b[: self.features.dim]), left_out


class Degrees:
    """Degrees and the polynomials up to these, each found once: iterates over pairs (int, PolynomialFeatures).

    Parameters
    ----------
    sources : list of (type, columns), as of ``fastemlp.reps.objects``
    kind : Rep, bound; the type of the output
    degree : int, or "auto": as long as polynomials are few and found fast
    """

    def __init__(self, sources, kind, degree):
        self.kind, self.is_auto = kind, degree == "auto"
        self._found, self._others = [], _degrees(sources, kind, degree)

    def __iter__(self):
        yield from self._found
        for one in self._others:
            self._found.append(one)
            yield one


def fit_polynomial(degrees, data, rng):
    """The polynomial, sparse where that predicts better, to the best of several degrees.

    Parameters
    ----------
    degrees : Degrees
    data : Observations; scaled
    rng : numpy Generator; draws folds, and samples where there are too many

    Returns
    -------
    PolynomialFit or None
    left_out : ndarray of shape (n, equations, c); the residual of fits without the sample
    """
    order = rng.permutation(len(data))
    constants = data.constants(equivariant_basis(degrees.kind, dtype=np.float64).to_dense())
    best, best_error = None, np.inf
    for k, every in degrees:
        features = every.but_for_roundoff(data.X[order[:SEEN]])
        if not features.rank:
            continue
        n_some = _affordable(features, data, CHOOSING_WORK)
        few = n_some < len(data) and n_some * data.equations < 2 * features.rank
        if degrees.is_auto and few:
            break
        if best is not None and features.rank == best[1].rank:
            continue
        some = data.of(order[:n_some])
        found = fit_sparse(
            some.design(features), some.targets, some.weights, constants, features.products, rng
        )
        error = some.weights @ np.sum(found[2] ** 2, axis=(1, 2))
        if error / n_some < WORTH * best_error:
            best, best_error = (k, features, found, n_some), error / n_some
        if error <= EXACT * (some.weights @ np.sum(some.targets**2, axis=(1, 2))):
            break
    return (None, None) if best is None else _refitted(*best, data, constants, order)


def _degrees(sources, kind, degree):
    if degree != "auto":
        features = PolynomialFeatures.build(sources, kind, degree, 1)
        if features.rank:
            yield degree, features
        return
    permutes = all(source.is_permutation for source, _ in sources)
    features = PolynomialFeatures.build(sources, kind, 0, 1)
    for k in range(1, MAX_DEGREE + 1):
        limits = LIMITS_OF_PERMUTATIONS if permutes and k <= LARGE_DEGREE else LIMITS
        try:
            features = features.extended(sources, kind, k, 1, limits)
        except (MemoryError, CertificationError):
            return
        if features.rank > MOST:
            return
        if features.rank:
            yield k, features


def _refitted(degree, features, found, n_some, data, constants, order):
    """On all samples, with the terms that a few have chosen."""
    c, b, left_out = found
    kept = np.bincount(features.products, np.any(c, axis=1)) > 0
    columns = kept[features.products]
    features, c = features.only(kept), c[columns]
    fit = PolynomialFit(features, c, b[: features.dim], degree)
    if n_some < len(data):
        fit, left_out = fit.refitted(data, order, constants)
    return fit, spread(left_out, fit, data, order)


def _affordable(features, data, work):
    """So many of the samples that a decomposition takes no more than so much work."""
    n, r, d = len(data), max(features.rank, 1), data.equations
    n = max(1, min(n, int(MAX_NUMBERS / (r * d)), int(MOST_PRODUCTS / max(features.width, 1))))
    if n * d >= r:
        n = max(min(n, int(work / (d * r * r))), min(n, -(-r // d)))
    if n * d < r:
        n = min(n, int(np.sqrt(work / r) / d))
    return max(n, 1)
