"""Which invariants are worth trying: products, angles with lengths, distances, spectra, roots, pairs."""

from itertools import combinations

import numpy as np

from fastemlp.closed_form.invariants import Invariants
from fastemlp.closed_form.pieces import LENGTHS, Columns, Lengths, PairsOfScalars, Products, Roots
from fastemlp.closed_form.polynomials import Limits, PolynomialFeatures
from fastemlp.closed_form.ratios import ratios
from fastemlp.closed_form.spectra import Spectra, side
from fastemlp.exceptions import CertificationError
from fastemlp.reps import Scalar, has_invariant_norm, slots

#: Invariants of one kind, at most so many.
MOST = 1000
#: The same for products of three objects.
MOST_CUBIC = 300
#: Scalars of one object that a function of pairs may have for arguments.
MOST_SCALARS = 3
#: A basis of products may have so many numbers.
_LIMITS = Limits(2**26, 2e9, 3e5)


def families(sources, X):
    """Yield Invariants of several kinds, not yet scaled.

    Parameters
    ----------
    sources : sequence of (type, columns of each copy), as of ``fastemlp.reps.objects``
    X : ndarray of shape (n, n_in); samples that tell which products vary
    """
    scalars = tuple(Columns(columns.ravel()) for kind, columns in sources if kind == Scalar)
    others = [(kind, columns) for kind, columns in sources if kind != Scalar]
    if not others:
        yield Invariants("columns", scalars)
        for of in ("log r", "1/r"):
            if any(np.all(X[:, piece.columns] > 0) for piece in scalars):
                yield Invariants(f"columns, {of}", measured_scalars(scalars, X, of))
        columns = np.concatenate([piece.columns for piece in scalars])
        if len(columns) > 1:
            whole = columns[None]
            each = PolynomialFeatures.build([(Scalar, columns[:, None])], Scalar, 1, 1)
            yield Invariants("shares and log r", (_size(whole), Products(each, (whole,))))
        return
    yield from ratios(scalars, others, X)
    products = products_of(others, 2)
    if products is not None:
        yield Invariants("products", (*scalars, Products(products)))
    cubic = products_of(others, 3, MOST_CUBIC)
    if cubic is not None and (products is None or cubic.rank > products.rank):
        yield Invariants("products of three", (*scalars, Products(cubic)))
    matrices = [columns for kind, columns in others if _is_matrix(kind)]
    if matrices:
        more = () if products is None else (Products(products),)
        general = [not _are_symmetric(X, columns) for columns in matrices]
        for of in ("r", "log r"):
            spectra = [
                Spectra(c, g or of == "log r", of) for c, g in zip(matrices, general, strict=True)
            ]
            name = "spectra" if of == "r" else "logarithms of spectra"
            yield Invariants(name, (*scalars, *spectra, *more))
    measured = [columns for kind, columns in others if has_invariant_norm(kind)]
    if len(measured) < len(others):
        roots, name = products, "products"
        if products is None or Invariants("", (Products(products),)).scaled(X) is None:
            # of points (x, 1) that are moved as well, the distances
            roots, name = products_of(others, 4, MOST_CUBIC), "products of four"
            if roots is not None:
                yield Invariants(name, (*scalars, Products(roots)))
        if roots is not None:
            yield Invariants(f"roots of {name}", (*scalars, Roots(Products(roots))))
            yield Invariants(f"inverse roots of {name}", (*scalars, Roots(Products(roots), True)))
    if not measured:
        return
    if products is not None:
        angles = Products(products, tuple(measured))
        for of in ("r", "log r"):
            lengths = (Lengths(columns, None, of) for columns in measured)
            each = measured_scalars(scalars, X, of)
            yield Invariants(f"angles and {of}", (*each, *lengths, angles))
    shapes = cubic if cubic is not None else products
    if shapes is not None and shapes.rank > 1:
        wholes = tuple(columns.reshape(1, -1) for columns in measured)
        each = measured_scalars(scalars, X, "log r")
        sizes = (_size(whole) for whole in wholes)
        yield Invariants("shapes and log r", (*each, *sizes, Products(shapes, wholes)))
    pairs = [np.array(list(combinations(range(len(c)), 2)), int).reshape(-1, 2) for c in measured]
    if not 0 < sum(map(len, pairs)) <= MOST:
        return
    for of in LENGTHS:
        lengths = [Lengths(columns, None, of) for columns in measured]
        distances = [
            Lengths(columns[pair[:, 0]], columns[pair[:, 1]], of)
            for columns, pair in zip(measured, pairs, strict=True)
            if len(pair)
        ]
        each = measured_scalars(scalars, X, of)
        yield Invariants(f"distances, {of}", (*each, *lengths, *distances))


def pairs(sources):
    """Invariants that two objects have together: their distance, sums and products of their scalars; None without.

    Scalars belong to objects where there are as many, or several times as many: first one of each, then another.
    """
    scalars = [columns.ravel() for kind, columns in sources if kind == Scalar]
    scalars = np.concatenate(scalars) if scalars else np.empty(0, np.intp)
    for kind, columns in sources:
        n = len(columns)
        if kind == Scalar or n < 2 or len(scalars) % n or not has_invariant_norm(kind):
            continue
        n_each = len(scalars) // n
        if not 0 < n_each <= MOST_SCALARS or n * (n - 1) // 2 > MOST:
            continue
        i, j = np.triu_indices(n, 1)
        pieces = [Lengths(columns[i], columns[j], "r")]
        for each in scalars.reshape(n_each, n):
            pieces += [PairsOfScalars(each[i], each[j], product) for product in (False, True)]
        together = np.arange(len(i) * len(pieces)).reshape(len(pieces), -1).T
        alone = np.arange(len(scalars)).reshape(n_each, n) + together.size
        return Invariants(
            "pairs",
            (*pieces, Columns(scalars)),
            orbits=(*together.T, *alone),
            joint=(together, alone.T),
        )
    return None


def _is_matrix(kind):
    """Whether a type is that of matrices which a group of orthogonal matrices turns from both sides."""
    atoms = slots(kind)
    return len(atoms) == 2 and atoms[0] == atoms[1] and has_invariant_norm(atoms[0])


def _are_symmetric(X, columns):
    A = X[:, columns].reshape(len(X), -1, side(columns), side(columns))
    return np.allclose(A, A.swapaxes(2, 3), rtol=0, atol=1e-6 * np.abs(A).max(initial=0))


def _size(columns):
    """The logarithm of the length of all there is of a type, (1, copies·d)."""
    return Lengths(columns, None, "log r")


def measured_scalars(scalars, X, of):
    """Scalars, those that are positive as lengths are: as their logarithms or inverses."""
    pieces = []
    for piece in scalars:
        positive = np.all(X[:, piece.columns] > 0, axis=0) & (of != "r")
        pieces.append(Columns(piece.columns[~positive]))
        pieces.append(Lengths(piece.columns[positive, None], None, of))
    return tuple(piece for piece in pieces if len(piece.columns))


def products_of(sources, degree, most=MOST):
    """The invariant polynomials up to a degree, or None where there are none, too many, or they take too long."""
    try:
        found = PolynomialFeatures.build(sources, Scalar, degree, 1, _LIMITS)
    except (MemoryError, CertificationError):
        return None
    return found if 0 < found.rank <= most else None
