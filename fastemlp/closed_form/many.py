"""Closed forms of many samples: some choose the form, more are fitted by it, and what it leaves is found on demand."""

from dataclasses import dataclass

import numpy as np

from fastemlp.bases import equivariant_basis
from fastemlp.closed_form.choice import ClosedForm, fit_closed_form
from fastemlp.closed_form.observations import Observations
from fastemlp.reps import objects

#: At most so many samples choose. A kernel is fitted to fewer, but the rare ones at the edge of the data are needed to
#: tell forms that end there from those that go on.
MOST = 30_000


@dataclass(frozen=True)
class Residuals:
    """What a closed form leaves of targets, and of their derivatives.

    Attributes
    ----------
    form : ClosedForm
    data : (X, Y, slopes), of n samples each; slopes may be None
    have_chosen : bool ndarray of shape (n,); the samples by which the form was chosen
    left_out : (Y, slopes); what fits without the sample leave of these, in their order
    """

    form: ClosedForm
    data: tuple
    have_chosen: np.ndarray
    left_out: tuple

    def __call__(self, samples):
        """Of some samples, an int ndarray: (Y, slopes). Where they have chosen the form, as they were left out of it.

        Others are predicted: they are so many that a fit cannot bend to each.
        """
        known = self.have_chosen[samples]
        place = (np.cumsum(self.have_chosen) - 1)[samples]
        X, Y, slopes = self.data
        rest = np.empty((len(samples), Y.shape[1]))
        rest[known] = self.left_out[0][place[known]]
        new = samples[~known]
        rest[~known] = Y[new] - self.form(X[new])
        if slopes is None:
            return rest, None
        rest_of_slopes = np.empty((len(samples), *slopes.shape[1:]))
        rest_of_slopes[known] = self.left_out[1][place[known]]
        rest_of_slopes[~known] = slopes[new] - self.form.jacobian(X[new])
        return rest, rest_of_slopes


def fit_to_many(reps, X, Y, weights, rng, *, slopes=None, slope_weight=1.0, **options):
    """The same as ``fit_closed_form``, in a time that hardly grows with the number of samples beyond ``MOST``.

    Random ones choose; then the coefficients of what they have chosen are found again from as many as can be afforded.

    Returns
    -------
    ClosedForm
    Residuals
    """
    n = len(X)
    order = np.arange(n) if n <= MOST else rng.permutation(n)
    some = np.sort(order[:MOST])
    form, *left_out = fit_closed_form(
        reps,
        X[some],
        Y[some],
        weights[some],
        rng,
        slopes=None if slopes is None else slopes[some],
        slope_weight=slope_weight,
        **options,
    )
    if n > MOST:
        form = _refitted(form, reps[1], (X, Y, weights, slopes), np.sqrt(slope_weight), order)
    return form, Residuals(form, (X, Y, slopes), np.isin(np.arange(n), some), tuple(left_out))


def _refitted(form, rep_out, data, slope_factor, order):
    X, Y, weights, slopes = data
    parts = []
    for (kind, _), (columns, fits) in zip(objects(rep_out), form.parts, strict=True):
        of_kind = None if slopes is None else slopes[:, columns.T]
        observed = Observations(X, Y[:, columns.T], weights / weights.mean(), of_kind, slope_factor)
        constants = observed.constants(equivariant_basis(kind, dtype=np.float64).to_dense())
        found = tuple((share, fit.refitted(observed, order, constants)[0]) for share, fit in fits)
        parts.append((columns, found))
    return ClosedForm(tuple(parts))
