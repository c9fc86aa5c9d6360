"""Coordinates in which the generators of a constraint span something closed under the adjoint, if any exist."""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg
from scipy.sparse import csr_array, eye_array, hstack, vstack
from scipy.sparse.linalg import LinearOperator, cg

from fastemlp._svd import svd
from fastemlp.operators import KroneckerProduct, TensorConstraint

from .spans import adjoint, dense_generators, from_rows, orthonormal, outside, real_rows, unit_rows

#: Generators are normalised, then directions below this are redundant.
REDUNDANT = 1e-10
#: Generators as close to dependent as this are not mixed.
SHARED = 1e-3
#: The gradient at which coordinates count as balanced, per square root of the size.
BALANCED = 1e-14
#: Entries of all generators, written out, beyond which they are left as they are.
LARGE = 2**25
#: Where no balanced coordinates exist S runs off to infinity, and is stopped at this condition number.
MAX_CONDITION = 1e3
#: Longest Newton step, in the logarithm of S Sᴴ.
MAX_STEP = 2.0


def balance(C, *, max_iter=50):
    """Coordinates ``x = (⊗S) y``, one S per atom, that bring the generators nearest to closed under the adjoint.

    Parameters
    ----------
    C : TensorConstraint
    max_iter : int, Newton steps

    Returns
    -------
    S : list of ndarray of shape (d, d), one per atom; None if the generators are balanced as they are
        Hermitian, positive definite, of determinant 1.
    balanced : TensorConstraint
        The generators ``S⁻¹ A S`` and ``S⁻¹ h S``, the Lie ones replaced by an orthonormal basis of their joint
        real span over all atoms, as in ``normalise``. Its nullspace is ``(⊗S)⁻¹`` times that of C. It is C itself
        if there is nothing to change. Its ``accuracy`` is what is known of them there: the errors of the generators
        grow with the condition number of S, and stand out once more where the generators themselves become small.

    Raises
    ------
    ValueError
        If a generator has NaN or infinite entries.

    Notes
    -----
    With ``A = ⊕ A_a`` over the atoms, minimises ``log vol²(A'_1 ∧ … ∧ A'_D) + Σ_k log ‖h'_k‖²``, ``A' = S⁻¹ A S``,
    over block-diagonal S: the norm of one vector in a representation of ``∏ GL(d_a)``, hence convex along the
    geodesics ``S exp(tX)``, with a minimum that is unique up to unitary changes where it is attained (Kempf and Ness
    1979). **The balanced generators are closed under the adjoint to roundoff wherever some S makes them so**: the Lie
    ones of any conjugate of a compact or a classical group, the discrete ones of any conjugate of a finite group.
    Generators so large that this would be most of the work (2²⁵ entries in all) are left alone. For other groups
    (unipotent, affine) the infimum is not attained; S stops at condition number 1e3 and is a preconditioner, no more.
    Newton's method with conjugate gradients inside, each product costing O((D + M)·d³).
    """
    if _is_large(C) or (_has_orthonormal_lie(C) and _is_balanced(C)):
        return None, C
    lie, discrete = dense_generators(C)
    if not all(np.isfinite(A).all() for A in (*lie, *discrete)):
        raise ValueError(
            "balance: expected finite generators, got NaN or infinite entries. Check the generators."
        )
    basis = from_rows(orthonormal(real_rows(lie), REDUNDANT)[0], C.dims, C.dtype)
    factors = _minimise(basis, discrete, max_iter)
    if factors is None:
        return None, normalise(C)
    accuracy = _carried(basis, discrete, factors, C.accuracy)
    lie, discrete = (
        _basis(_conjugate(lie, factors)),
        zip(*_conjugate(discrete, factors), strict=True),
    )
    discrete = [
        [None if B is None else _sparse(h) for B, h in zip(given, hs, strict=True)]
        for given, hs in zip(C.discrete, discrete, strict=True)
    ]
    return factors, TensorConstraint(C.slots, C.dims, lie, discrete, accuracy)


def normalise(C):
    """The same constraint from an orthonormal basis of the joint real span of the Lie generators over all atoms.

    Zero and redundant generators (to 1e-10) are dropped, and the scale of a generator does not matter. C itself if
    there is nothing to change. Generators that are nearly dependent, to between 1e-10 and 1e-3, are left as they are
    except for their scale: a basis would hold magnified roundoff.
    """
    if _is_large(C) or _has_orthonormal_lie(C):
        return C
    lie = _basis(dense_generators(C)[0])
    return TensorConstraint(C.slots, C.dims, lie, C.discrete, C.accuracy)


def change_of_coordinates(factors, word):
    """``⊗S`` over the atoms of a word, and its inverse: two KroneckerProducts."""
    inverses = {a: np.linalg.inv(factors[a]) for a in set(word)}
    sizes = [len(factors[a]) for a in word]
    there, back = ([matrices[a] for a in word] for matrices in (factors, inverses))
    return KroneckerProduct(there, sizes), KroneckerProduct(back, sizes)


def stretch(factors, word):
    """The norm of ``⊗S`` over the atoms of a word: the most that it stretches a vector."""
    return math.prod(np.linalg.norm(factors[a], 2) for a in word)


def _is_large(C):
    """Whether the generators would not fit the memory, or the time, of dense linear algebra."""
    return (len(C.lie) + len(C.discrete)) * sum(d * d for d in C.dims) > LARGE


def _has_orthonormal_lie(C):
    rows = [hstack([_row(A, d) for A, d in zip(As, C.dims, strict=True)]) for As in C.lie]
    if not rows:
        return True
    rows = csr_array(vstack(rows))
    defect = (rows @ rows.conj().T).real - eye_array(len(C.lie))
    return bool(np.abs(defect.data).max(initial=0.0) <= 1e-12)


def _row(A, d):
    return csr_array((1, d * d)) if A is None else A.reshape((1, d * d))


def _is_balanced(C):
    """Whether the gradient of ``balance`` is zero, in sparse arithmetic; the Lie generators are orthonormal."""
    gradient = [csr_array((d, d)) for d in C.dims]
    squares = [1.0] * len(C.lie)
    squares += [
        sum(d if A is None else np.linalg.norm(A.data) ** 2 for A, d in zip(h, C.dims, strict=True))
        for h in C.discrete
    ]
    for generator, square in zip((*C.lie, *C.discrete), squares, strict=True):
        for a, A in enumerate(generator):
            if A is not None and square > 0:
                gradient[a] = gradient[a] + (A.conj().T @ A - A @ A.conj().T) / square
    size = np.sqrt(sum(np.linalg.norm(G.data) ** 2 for G in gradient))
    return bool(size <= BALANCED * np.sqrt(sum(C.dims)))


def _carried(lie, discrete, S, accuracy):
    """What ``S⁻¹ A S`` are known to, relative to their size, for orthonormal A known to ``accuracy``."""
    condition = max(float(np.linalg.cond(s)) for s in S)
    worst = accuracy
    if len(lie[0]):
        # the least that a combination of norm 1 has left
        smallest = np.linalg.svd(real_rows(_conjugate(lie, S)), compute_uv=False)[-1]
        worst = max(worst, accuracy * condition / max(float(smallest), 1e-300))
    for before, after in zip(discrete, _conjugate(discrete, S), strict=True):
        for h, g in zip(before, after, strict=True):
            growth = np.linalg.norm(h, 2) / max(np.linalg.norm(g, 2), 1.0)
            worst = max(worst, accuracy * condition * float(growth))
    return worst


# Below, lists of generators are as in ``spans``.


def _basis(lie):
    """A sparse basis of the real span, orthonormal in ``Re tr(Aᴴ B)``; orthogonal generators are not mixed.

    Or the generators themselves with norm 1, where a basis would magnify roundoff.
    """
    rows = real_rows(lie)
    basis, sine = orthonormal(rows, REDUNDANT)
    basis = basis if sine > SHARED else unit_rows(rows)
    blocks = from_rows(basis, [A.shape[1] for A in lie], lie[0].dtype)
    return [[_sparse(A) for A in As] for As in zip(*blocks, strict=True)]


def _conjugate(generators, S):
    """``S⁻¹ A S`` on every atom."""
    return [np.linalg.solve(s, A @ s) if len(A) else A for A, s in zip(generators, S, strict=True)]


class _Volume:
    """The logarithm of the volume of a list of generators, to second order along ``exp(tX)``.

    Attributes
    ----------
    A : the same span, orthonormal
    """

    def __init__(self, A):
        Q, R = np.linalg.qr(real_rows(A).T)
        self.log = 2 * float(np.log(np.abs(np.diagonal(R))).sum())
        self.rows = Q.T
        self.A = from_rows(self.rows, [B.shape[1] for B in A], A[0].dtype)

    def gradient(self):
        """``Σ AᴴA − AAᴴ``, per atom."""
        return [np.sum(B @ A - A @ B, axis=0) for A, B in zip(self.A, adjoint(self.A), strict=True)]

    def hessian(self, X):
        """``Σ ad_Aᴴ (I − Π) ad_A X``, Π the projection on the span: moving A inside it changes no volume."""
        moved = real_rows([A @ x - x @ A for A, x in zip(self.A, X, strict=True)])
        moved = from_rows(outside(moved, self.rows), [len(x) for x in X], self.A[0].dtype)
        parts = zip(adjoint(self.A), moved, strict=True)
        products = [np.sum(A @ B - B @ A, axis=0) for A, B in parts]
        return [(Y + Y.conj().T) / 2 for Y in products]


def _minimise(lie, discrete, max_iter):
    """The Hermitian factor S on every atom, or None if the identity is a minimum already."""
    singles = [[h[k : k + 1] for h in discrete] for k in range(len(discrete[0]) if discrete else 0)]
    start = [span for span in (lie, *singles) if span and len(span[0])]
    if not start:
        return None
    S = [np.eye(block.shape[1]) for block in start[0]]
    volumes, best = [_Volume(span) for span in start], None
    for _ in range(max_iter):
        gradient = [sum(parts) for parts in zip(*(v.gradient() for v in volumes), strict=True)]
        size = np.linalg.norm(_flat_one(gradient))
        if size <= BALANCED * np.sqrt(sum(len(s) for s in S)):
            break
        X = _newton_step(volumes, gradient, size)
        moved = _line_search(volumes, gradient, X)
        if moved is None:
            break
        t, volumes = moved
        S = [s @ scipy.linalg.expm(t / 2 * x) for s, x in zip(S, X, strict=True)]
        if max(np.linalg.cond(s) for s in S) > MAX_CONDITION:
            break
        best = S
    return None if best is None else [_hermitian_factor(s) for s in best]


def _newton_step(volumes, gradient, size):
    """Minus the inverse Hessian times the gradient, of bounded length; directions without curvature stay out."""

    def product(x):
        X = _unflat_one(x, gradient)
        parts = zip(*(v.hessian(X) for v in volumes), strict=True)
        # the shift keeps directions of no curvature, met through rounding, from blowing up
        return _flat_one([sum(part) for part in parts]) + 1e-12 * x

    b = -_flat_one(gradient)
    hessian = LinearOperator((len(b), len(b)), matvec=product, dtype=float)
    x, _ = cg(hessian, b, rtol=min(0.1, size), maxiter=200)
    X = _unflat_one(x, gradient)
    longest = max(np.linalg.norm(block, 2) for block in X)
    return [block * min(1.0, MAX_STEP / longest) for block in X]


def _line_search(volumes, gradient, X):
    """Step length and the volumes there, or None when the value cannot be lowered any more."""
    slope = float(_flat_one(gradient) @ _flat_one(X))
    for t in 0.5 ** np.arange(20):
        factors = [scipy.linalg.expm(t / 2 * x) for x in X]
        moved = [_Volume(_conjugate(v.A, factors)) for v in volumes]
        # near the minimum the decrease drowns in roundoff; there full steps are right
        if sum(v.log for v in moved) <= 1e-4 * t * slope + 1e-12:
            return t, moved
    return None


def _flat_one(X):
    return real_rows([x[None] for x in X])[0]


def _unflat_one(x, like):
    return [block[0] for block in from_rows(x[None], [len(y) for y in like], like[0].dtype)]


def _hermitian_factor(S):
    """``(S Sᴴ)^½`` with determinant 1: the same coordinates up to a unitary change and scale."""
    U, s, _ = svd(S)
    return (U * (s / np.exp(np.log(s).mean()))) @ U.conj().T


def _sparse(A):
    """Without entries at the level of roundoff; None when nothing is left."""
    A = np.where(np.abs(A) > 1e-15 * len(A) * np.abs(A).max(initial=1e-300), A, 0)
    return csr_array(A) if A.any() else None
