"""Which kernel suits data: its invariants, form and length, and what weighs how much in it."""

from dataclasses import replace

import numpy as np

from fastemlp.closed_form.covariants import Covariants
from fastemlp.closed_form.families import families
from fastemlp.closed_form.kernels import PROFILES, Kernel, squares_of
from fastemlp.closed_form.views import probe, views

#: Equations of the fits that choose a kernel, and samples that do, at least, if there are so many.
CHOOSING, FEWEST = 300, 10
#: Lengths that are tried first, in units of the spread of all invariants together; half and double of the best follow.
LENGTHS = (1.0, 4.0, 16.0)
#: Of so many invariants kernels are weighed.
FINALISTS = 4
#: A kernel that is weighed must leave less than this share.
WORTH = 0.95


def best_kernels(rep_in, kind, X, scores, invariants_of=families):
    """The best of all that are tried, of different invariants, not weighed yet.

    Parameters
    ----------
    rep_in, kind : Rep, bound; of inputs and of an output of one type
    X : ndarray of shape (n, n_in); samples that tell what varies
    scores : callable; list of Kernel that differ in form and length alone -> their scores, an iterable
    invariants_of : callable; ``families`` or ``derived``

    Returns
    -------
    list of (score, Kernel); at most ``FINALISTS``, the best first
    """
    tried = []
    for covariants, invariants, turns in ingredients(rep_in, kind, X, invariants_of):
        kernels = [Kernel(covariants, invariants, turns, "rbf", length) for length in LENGTHS]
        tried.append(better((np.inf, None), kernels, scores))
    tried = sorted((one for one in tried if one[1] is not None), key=lambda one: one[0])
    found = []
    for one in tried[:FINALISTS]:
        one = better(one, around(one[1], PROFILES), scores)
        if one[1].covariants.features is not None:
            directed = replace(one[1], covariants=one[1].covariants.directed(X))
            one = better(one, around(directed, PROFILES), scores)
        found.append(one)
    return sorted(found, key=lambda one: one[0])


def around(kernel, forms):
    """Kernels like one, of about its length."""
    lengths = [kernel.length * factor for factor in (0.5, 1.0, 2.0)]
    return [replace(kernel, form=form, length=length) for form in forms for length in lengths]


def better(best, kernels, scores, worth=1.0):
    """The best (score, kernel) of several and of one before, if it leaves less than a share of what that leaves."""
    found = min(zip(scores(kernels), kernels, strict=True), key=lambda one: one[0])
    return found if found[0] < best[0] + np.log(worth) else best


def ingredients(rep_in, kind, X, invariants_of):
    """Yield covariants, invariants and turns that make a kernel equivariant."""
    covariants = Covariants.of(rep_in, kind, X)
    for view in views(rep_in, kind):
        for invariants in invariants_of(view.sources, X):
            if not view.generators:
                choices = [(covariants, invariants.scaled(X), None)]
            else:
                exchanged = invariants.exchanged(view.generators, probe(X.shape[1]))
                averaged = (invariants if exchanged is None else exchanged).scaled(X)
                choices = []
                if (
                    view.turns
                    and averaged is not None
                    and _is_exact(averaged, view.turns, probe(X.shape[1])[:2])
                ):
                    choices.append((Covariants(np.eye(kind.size())), averaged, view.turns))
                if exchanged is not None:
                    for summary in exchanged.summarised():
                        choices.append((covariants, summary.scaled(X), None))
            yield from (one for one in choices if one[0] is not None and one[1] is not None)


def _is_exact(invariants, turns, X):
    """Whether distances of invariants stay as they are when all samples are turned."""
    at = squares_of(invariants(X), invariants(X))
    for a, _ in turns:
        v = invariants(X @ a.T)
        if not np.allclose(squares_of(v, v), at, rtol=1e-9, atol=1e-9 * max(1.0, at.max())):
            return False
    return True
