"""Which equivariant polynomials a network can approximate, against all that there are."""

from functools import reduce
from math import prod

import numpy as np
from numpy.polynomial import chebyshev

from fastemlp._svd import svd
from fastemlp.bases.basis import equivariant_basis
from fastemlp.nn.expressiveness import DRAWS, STILL, Probe, Rank
from fastemlp.reps import Scalar

#: Coefficients of all polynomials of a degree, written out, at most.
LARGEST = 2**22
#: Samples beyond those that the polynomials need to be told apart.
SPARE = 6
#: A network along a line through 0 is a polynomial of this degree to rounding error, so near to 0.
ORDER, RADIUS = 16, 0.4
#: Terms below this are roundoff. Singular values, relative to the largest, count above the second, not below the third.
NOTHING, COUNTS, ROUNDOFF = 1e-10, 1e-7, 3e-8


def universality(network, degree, *, random_state=0):
    """Compare the polynomials of one degree that a network has in its Taylor series with all equivariant ones.

    Parameters
    ----------
    network : Network
    degree : int ≥ 0
    random_state : int; draws samples and parameters

    Returns
    -------
    list of (Rep, Rank); for each type of the output the dimension of what is found, over all parameters, of what
    symmetry allows

    Raises
    ------
    ValueError
        If the polynomials have more than 4 million coefficients.

    Notes
    -----
    A network whose span is full can, with channels enough, approximate every equivariant polynomial of that degree
    near 0; where it is not full, no parameters give some of them. What is allowed is the rank of the solved basis of
    ``rep_in**degree >> kind``, as functions of one x. Terms of the Taylor series are read off values along lines
    through 0. Costs a basis and some ten evaluations of the network for 17 points on each of as many lines as there
    are polynomials.

    Examples
    --------
    >>> from fastemlp.groups import O
    >>> from fastemlp.nn import EMLP
    >>> from fastemlp.reps import V
    >>> ((kind, rank),) = universality(EMLP(V**2, V**2, O(3), channels=60, n_layers=2), 2)
    >>> print(rank)  # A², AAᵀ, AᵀA, AᵀAᵀ, A and Aᵀ times tr(A), and three numbers times 1
    9 of 9
    """
    rng = np.random.default_rng(random_state)
    probe = Probe(network)
    found = []
    for kind in probe.types:
        x, allowed = _all_polynomials(network.rep_in, degree, kind, rng)
        found.append((kind, _span(probe, kind, degree, x, allowed, rng)))
    return found


def _all_polynomials(rep_in, degree, kind, rng):
    """Samples x, (S, n), and an orthonormal basis, (S·size, r), of the values there of all equivariant polynomials."""
    n, size = rep_in.size(), kind.size()
    if n**degree * size > LARGEST:
        raise ValueError(
            f"universality: polynomials of degree {degree} from {rep_in} to {kind} have {n**degree * size:,} "
            f"coefficients, more than {LARGEST:,}. Take a lower degree, or fewer copies of each type."
        )
    Q = equivariant_basis(prod([rep_in] * degree, start=Scalar) >> kind)
    x = rng.standard_normal((Q.rank // size + SPARE, n))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    powers = np.array([reduce(np.kron, [row] * degree, np.ones(1)) for row in x])
    # what is no symmetric tensor vanishes on the powers of x
    values = powers @ Q.to_dense().T.reshape(Q.rank * size, n**degree).T
    values = values.reshape(len(x), Q.rank, size).swapaxes(1, 2).reshape(len(x) * size, Q.rank)
    U, s, _ = svd(values, full_matrices=False)
    return x, U[:, s > COUNTS]


def _span(probe, kind, degree, x, allowed, rng):
    """The Rank of what some draws of parameters give at the samples, as combinations of what is allowed."""
    t = RADIUS * chebyshev.chebpts1(ORDER + 1)
    # from values at t to the coefficient of t^degree, by way of Chebyshev polynomials T, which keep the digits
    T = np.array(
        [np.pad(chebyshev.cheb2poly(e), (0, ORDER))[: ORDER + 1] for e in np.eye(ORDER + 1)]
    )
    weights = (
        np.linalg.solve(chebyshev.chebvander(t / RADIUS, ORDER).T, T[:, degree]) / RADIUS**degree
    )
    rows, history, most = [], [], allowed.shape[1]
    for _ in range(DRAWS):
        y = probe.values(probe.draw(rng), (t[:, None, None] * x).reshape(-1, x.shape[1]))[kind]
        terms = np.tensordot(weights, y.reshape(len(t), len(x), *y.shape[1:]), 1)
        rows.append(terms.swapaxes(0, 1).reshape(y.shape[1], -1) @ allowed)
        history.append(_rank(np.concatenate(rows)))
        counts = [rank.found for rank in history]
        if counts[-1] == most or counts[-1 - STILL :].count(counts[-1]) > STILL:
            break
    return history[-1]


def _rank(rows):
    """The Rank of some rows, each scaled to unit length; those of roundoff are left out."""
    most, norms = rows.shape[1], np.linalg.norm(rows, axis=1)
    rows = rows[norms > NOTHING] / norms[norms > NOTHING, None]
    s = np.linalg.svd(rows, compute_uv=False) if rows.size else np.zeros(1)
    found = int(np.count_nonzero(s > COUNTS * s[0]))
    clear = found == most or (found < len(s) and bool(s[found] <= ROUNDOFF * s[0]))
    return Rank(found, most, most, clear)
