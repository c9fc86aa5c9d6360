"""Sums of terms: covariants times functions of invariants, as pair potentials are, or monomials."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fastemlp.bases import equivariant_basis
from fastemlp.closed_form.covariants import Covariants
from fastemlp.closed_form.families import families, pairs
from fastemlp.closed_form.functions import JOINT_POINTS, Monomials, Sum
from fastemlp.closed_form.invariants import Invariants
from fastemlp.closed_form.polynomials import row_chunks
from fastemlp.closed_form.sparse import ALMOST, MOST_WORK, fit_sparse, refit, rough_errors, spread
from fastemlp.closed_form.tiles import tiles
from fastemlp.closed_form.views import probe, views

#: Degrees of monomials.
DEGREES = (1, 2, 3)
#: Equations of the fits that choose, work of the decomposition in the last one, numbers of a design matrix.
CHOOSING, FITTING_WORK, MAX_NUMBERS = 400, 1e10, 5e7
#: Samples that choose, at least.
FEWEST = 10
#: Equations and columns of a design matrix with which terms are chosen, at most.
MOST = 4000
#: Rounds of reweighting by which sums are compared.
TRIED = 3
#: Sums of a family that are compared by more than one round, and equations that tell which.
FINALISTS, SCREENING = 5, 200
#: A law that more rounds find must leave so much less than the best by these rounds does by more.
FAR = 0.03
#: A sum is not looked into if it leaves so many times what other fits do.
HOPE = 1.3


@dataclass(frozen=True)
class TermsFit:
    """``Σ_kt c_kt φ_k(x) f_t(u(x))``, plus a constant, for covariants φ, invariants u and functions f.

    Attributes
    ----------
    invariants : Invariants
    covariants : Covariants
    functions : Sum or Monomials
    coefficients : ndarray of shape (R, r, c)
    intercept : ndarray of shape (d, c)
    """

    invariants: Invariants
    covariants: Covariants
    functions: Sum | Monomials
    coefficients: np.ndarray | None = None
    intercept: np.ndarray | None = None

    @property
    def is_bounded(self):
        """Whether predictions stay bounded far from the data, but for the covariants."""
        return self.functions.family == "local" or self.invariants.bounds is not None

    @property
    def name(self):
        """For people."""
        what = "functions" if isinstance(self.functions, Sum) else "monomials"
        return f"{what} of {self.invariants.name}"

    @property
    def n_coefficients(self):
        """The numbers that were fitted."""
        return self.coefficients.size + self.intercept.size

    def __call__(self, X):
        """Predictions of shape (n, d, c)."""
        y = np.empty((len(X), *self.intercept.shape))
        r, c = self.coefficients.shape[1:]
        for rows in tiles(len(X), self._combination.width + r * (c + len(self.intercept))):
            x = np.asfortranarray(X[rows])
            S = self._factors(self.invariants(x))
            y[rows] = np.einsum("ndr,nrc->ndc", self.covariants(x), S)
        y += self.intercept
        return y

    def pruned(self):
        """The same without the functions, covariants and invariants that have no coefficients."""
        if not self.coefficients.any():
            return self
        functions, rows = self.functions.only(self.coefficients.any(axis=(1, 2)))
        covariants, columns = self.covariants.only(self.coefficients.any(axis=(0, 2)))
        used = np.zeros(len(self.invariants.scale), bool)
        used[functions.columns] = True
        invariants, kept = self.invariants.only(used)
        functions = functions.renumbered(np.cumsum(kept) - 1)
        coefficients = self.coefficients[rows][:, columns]
        return TermsFit(invariants, covariants, functions, coefficients, self.intercept)

    def within(self, X):
        """The same with invariants kept near those of samples X."""
        return replace(self, invariants=self.invariants.within(X))

    def jacobian(self, X):
        """Their derivatives, (n, d, c, n_in), at real inputs, or complex ones where covariants are constant."""
        R, r, c = self.coefficients.shape
        J = np.empty((len(X), *self.intercept.shape, X.shape[1]), X.dtype)
        for rows in row_chunks(len(X), self._width * X.shape[1]):
            x = X[rows]
            u = self.invariants(x)
            slopes = self.functions.slopes(u, self.coefficients.reshape(R, -1))
            slopes = (slopes @ self.invariants.jacobian(x)).reshape(-1, r, c, X.shape[1])
            J[rows] = np.einsum("ndr,nrcj->ndcj", self.covariants(x), slopes)
            if self.covariants.features is not None:
                J[rows] += self.covariants.jacobian(x, self._factors(u))
        return J

    def values(self, X):
        """All functions times all covariants, ndarray (n, d, R·r)."""
        values, phi = self.functions(self.invariants(X)), self.covariants(X)
        return np.einsum("nR,ndr->ndRr", values, phi).reshape(*phi.shape[:2], -1)

    def slopes(self, X):
        """Their derivatives, ndarray (n, d, R·r, n_in)."""
        u, phi = self.invariants(X), self.covariants(X)
        values = self.functions(u)
        slopes = self.functions.slopes(u, np.eye(values.shape[1])) @ self.invariants.jacobian(X)
        J = np.einsum("nRj,ndr->ndRrj", slopes, phi)
        J += np.einsum("nR,ndrj->ndRrj", values, self.covariants.slopes(X))
        return J.reshape(*phi.shape[:2], -1, X.shape[1])

    @property
    def kinds(self):
        """The function and covariant of each column of the design: int ndarray (R·r,), counted from 0."""
        r = self.covariants.rank
        return (self.functions.kinds[:, None] * r + np.arange(r)).ravel()

    def solved(self, coefficients, intercept):
        """The same with its coefficients, (R·r, c)."""
        shape = -1, self.covariants.rank, coefficients.shape[1]
        return replace(self, coefficients=coefficients.reshape(shape), intercept=intercept)

    def refitted(self, data, order, constants):
        """The same terms fitted to as many of ``data[order]`` as can be afforded, and what is left of these."""
        c = self.coefficients.reshape(len(self.kinds), -1)
        kept = np.count_nonzero(c.any(axis=1))
        n = min(FITTING_WORK / max(kept**2, 1), MAX_NUMBERS / len(c)) / data.equations
        n = min(len(data), max(FEWEST, CHOOSING // data.equations, int(n)))
        c, b, left_out = refit(data, order, n, self, c, self.kinds, constants)
        return data.solved(self, c, b), left_out

    def _factors(self, u):
        """What multiplies the covariants, (n, r, c)."""
        r, c = self.coefficients.shape[1:]
        return self._combination(u).reshape(-1, r, c)

    @cached_property
    def _combination(self):
        return self.functions.times(self.coefficients.reshape(len(self.coefficients), -1))

    @property
    def _width(self):
        R, r, c = self.coefficients.shape
        return JOINT_POINTS * np.size(self.invariants.scale) + R + r * (c + len(self.intercept))


@dataclass(frozen=True)
class Search:
    """Sums of functions of single invariants, and of monomials, those of each kind that suit data best.

    Attributes
    ----------
    data : Observations
    order : int ndarray of shape (n,); the first ``n_some`` samples have chosen
    n_some : int
    constants : ndarray of shape (equations, r0)
    found : list of (error, TermsFit)
        Without coefficients; and what each leaves of a sample that is left out, roughly.
    """

    data: object
    order: np.ndarray
    n_some: int
    constants: np.ndarray
    found: list

    @property
    def least(self):
        """The least error."""
        return min((error for error, _ in self.found), default=np.inf)

    def fits(self, rng, least=np.inf):
        """The sums, sparse where that predicts better: list of (TermsFit, left_out).

        Parameters
        ----------
        rng : numpy Generator; draws folds
        least : float
            What other fits leave of a sample that is left out, on average over weighted samples.

        Returns
        -------
        list of (TermsFit, left_out)
            ``left_out``, an ndarray of shape (n, equations, c), is the residual of fits without the sample.
        """
        return [self._solved(fit, rng) for error, fit in self.found if error <= HOPE * least]

    def _solved(self, fit, rng):
        data, order, constants = self.data, self.order, self.constants
        some = data.of(order[: self.n_some])
        c, b, left_out = fit_sparse(
            some.design(fit), some.targets, some.weights, constants, fit.kinds, rng
        )
        if self.n_some < len(data):
            # on all samples, with the terms that a few have chosen
            fit, left_out = fit.solved(c, None).refitted(data, order, constants)
        else:
            fit = data.solved(fit, c, b)
        fit = fit.pruned()
        return fit, spread(left_out, fit, data, order)


def search_terms(rep_in, kind, data, rng, invariants_of=families):
    """Look for sums that suit data.

    Parameters
    ----------
    rep_in, kind : Rep, bound; of inputs and of an output of one type
    data : Observations; scaled
    rng : numpy Generator; draws samples where there are too many
    invariants_of : callable; ``families`` or ``derived``

    Returns
    -------
    Search
    """
    n_some = min(len(data), max(FEWEST, CHOOSING // data.equations))
    order = rng.permutation(len(data))
    constants = data.constants(equivariant_basis(kind, dtype=np.float64).to_dense())
    covariants = None
    if n_some * data.equations <= MOST:
        covariants = Covariants.of(rep_in, kind, data.X)
    if covariants is None:
        return Search(data, order, n_some, constants, [])
    some = data.of(order[:n_some])
    few = some.of(slice(max(FEWEST, SCREENING // data.equations)))
    tried = {}
    for fit in _candidates(rep_in, kind, covariants, some, invariants_of):
        ones = tried.setdefault(fit.functions.family, [])
        ones.append((_errors(fit, few, constants, 1)[0], fit))
        ones.sort(key=lambda one: one[0])
        del ones[FINALISTS:]
    power = np.average(np.sum(some.targets**2, axis=(1, 2)), weights=some.weights)
    found = []
    for ones in tried.values():
        errors = np.array([_errors(fit, some, constants, TRIED) for _, fit in ones])
        best, law = errors.argmin(axis=0)
        if errors[law, 1] <= min(ALMOST * power, FAR * errors[best, 1]):
            best = law
        found.append((errors.min(), ones[best][1]))
    return Search(data, order, n_some, constants, found)


def _errors(fit, data, constants, n_rounds):
    """What rounds of reweighting leave of a left-out sample, on average, and more rounds with few terms."""
    problem = data.design(fit), data.targets, data.weights, constants, fit.kinds
    return np.array(rough_errors(*problem, n_rounds)) / data.weights.sum()


def _candidates(rep_in, kind, covariants, data, invariants_of):
    """Yield TermsFit without coefficients."""
    X, equations = data.X, len(data) * data.equations
    choices = covariants, covariants.generators(rep_in)
    most = min(MOST, int(MOST_WORK / min(equations, CHOOSING) ** 2))
    for invariants, exchanges in _exchanged(rep_in, kind, X, invariants_of):
        u = invariants(X)
        some = list(Sum.of(invariants, u))
        if not exchanges:
            fewest = choices[1].rank
            some += [Monomials.of(invariants, degree, most // fewest) for degree in DEGREES]
        for functions in some:
            if functions is None or not len(functions.kinds):
                continue
            # all covariants where that is affordable
            for each in choices:
                if len(functions.kinds) * each.rank <= most:
                    yield TermsFit(invariants, each, functions)
                    break


def _exchanged(rep_in, kind, X, invariants_of=families):
    """Yield scaled Invariants with the orbits that share a function, and whether there are any."""
    for view in views(rep_in, kind):
        for invariants in invariants_of(view.sources, X):
            if view.generators:
                shared = [invariants.exchanged(view.generators, probe(X.shape[1]))]
                alone = [] if shared[0] is None else shared[0].summarised()
            else:
                # copies of an object may do alike, such as all pairs of atoms
                shared, alone = [invariants.alike()], [invariants]
            for each in shared:
                yield from _scaled(each, X, True)
            for each in alone:
                yield from _scaled(each, X, False)
        joint = pairs(view.sources) if invariants_of is families else None
        if joint is not None and joint.is_invariant(view.generators, probe(X.shape[1])):
            yield from _scaled(joint, X, True)


def _scaled(invariants, X, are_shared):
    scaled = invariants and invariants.scaled(X)
    if scaled:
        yield scaled, are_shared
