"""From a candidate basis to a certified solution: residual, gap and orthogonality, or an error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastemlp._arrays import chunks
from fastemlp._gap import GAP_RATIO
from fastemlp.exceptions import CertificationError, ConvergenceError, Status
from fastemlp.isometries import DenseIsometry

from .orthonormal import orthonormalise
from .polish import polish
from .solution import NullspaceSolution

#: Sine of the largest angle by which errors of the generators may turn a nullspace.
LARGEST_ANGLE = 1e-8
#: A discrete generator of norm N on the tensor hides its own identity where tol·N is above this.
BLURRED = 1e-5
#: Columns that are measured at a time.
BLOCK = 64
#: Least-squares steps that sharpening takes at most, per round.
POLISHING = 1000


def certified(op, Q, *, norm, gap, tol, strategies, angle=None, **steps):
    """Measure a basis with C itself and return it as a solution, or raise.

    Parameters
    ----------
    op : CountedOperator
    Q : ndarray of shape (m, r)
    norm, gap, tol : float
        ``‖C‖₂``, the smallest nonzero singular value relative to it, the residual allowed.
    angle : float, optional
        A bound on the angle known otherwise, where the gap is that of C in other coordinates.
    **steps : n_steps, n_restarts

    Raises
    ------
    ConvergenceError
        If the gap is within ``GAP_RATIO`` of what the generators are known to: what is zero cannot be told.
    CertificationError
        If a residual exceeds tol, Q is orthonormal to less than ``1e4·eps``, or the span may be off by an angle of
        more than ``LARGEST_ANGLE`` (of what the tolerance asks for, where the caller's is coarser than the default).
    """
    require_clear(op, gap)
    numbers = {"norm": norm, "gap": gap, "strategies": strategies, **steps}
    solution = measured(op, Q, **numbers)
    if angle is not None:
        solution = replace(solution, angle=max(solution.angle, angle))
    elif solution.residual <= tol and solution.angle > 0.5 * LARGEST_ANGLE and op.eps < 1e-10:
        # a small gap turns a small residual into a large angle
        target = 0.1 * LARGEST_ANGLE * gap * norm / np.sqrt(Q.shape[1])
        better = measured(op, _sharpened(op, Q, max(target, op.eps * norm)), **numbers)
        if better.angle < solution.angle:
            solution = better
    # Written so that a NaN fails.
    if not solution.residual <= tol:
        raise CertificationError(
            f"{op.caller}: expected ‖C q‖ / ‖C‖ ≤ {tol:.1e} for each of the {Q.shape[1]} basis "
            f"vectors, got {solution.residual:.2e}. Pass a larger tol, or work in float64.",
            status=Status.BAD_RESIDUAL,
            solution=solution,
        )
    if not solution.orthogonality <= 1e4 * op.eps:
        raise CertificationError(
            f"{op.caller}: expected |QᴴQ − I| ≤ {1e4 * op.eps:.1e}, got "
            f"{solution.orthogonality:.2e}. Please report this operator.",
            status=Status.BAD_ORTHOGONALITY,
            solution=solution,
        )
    require_angle(op, solution, tol)
    return solution


def blur(C, tol):
    """Why comparing singular values with ``tol·‖C‖`` cannot show the nullspace of C, or "".

    Where ρ(h) has entries of 10¹³ the identity in ρ(h) − I, and with it which vectors h fixes, is lost to rounding.
    """
    norm = getattr(C, "discrete_norm", 0.0)
    if tol * norm <= BLURRED:
        return ""
    return (
        f"a discrete generator has norm {norm:.0e} on the tensor, beside which the identity in ρ(h) − I is lost "
        f"at tol = {tol:.0e}"
    )


def require_sharp(caller, C, tol):
    """ConvergenceError where rounding hides which vectors are null."""
    reason = blur(C, tol)
    if reason:
        raise ConvergenceError(
            f"{caller}: {reason}. Use schur, or generators of smaller norm.",
            status=Status.AMBIGUOUS_RANK,
        )


def require_clear(op, gap, accuracy=0.0):
    """ConvergenceError where what is taken as nonzero may be zero, for generators known to so little.

    ``accuracy`` is what they are known to in the coordinates that the gap is seen in, if that is more than ``op``'s.
    """
    accuracy = max(op.accuracy, accuracy)
    if accuracy > op.eps and gap < GAP_RATIO * accuracy:
        raise ConvergenceError(
            f"{op.caller}: the smallest singular value taken as nonzero is {gap:.1e} of the largest, for generators "
            f"known to {accuracy:.1e}: which vectors are null cannot be told. Give the generators to more digits, or "
            "in coordinates that are less sheared.",
            status=Status.AMBIGUOUS_RANK,
        )


def _sharpened(op, Q, target):
    """Q with residuals of at most target, where C can tell."""
    parts = [polish(op, Q[:, part], target, POLISHING) for part in chunks(Q.shape[1], BLOCK)]
    return orthonormalise(np.hstack(parts))


def require_angle(op, solution, tol):
    """CertificationError where the span found may be off by more than ``LARGEST_ANGLE``."""
    limit = LARGEST_ANGLE * max(1.0, op.eps / np.finfo(float).eps)
    if tol > max(1e-11, 10 * op.accuracy):
        # singular values that were asked to count as zero turn the span by as much
        limit = max(limit, 2 * np.sqrt(max(solution.rank, 1)) * tol / solution.gap)
    # written so that a NaN fails
    if not solution.angle <= limit:
        raise CertificationError(
            f"{op.caller}: expected the span of the {solution.rank} vectors found to be within an angle of "
            f"{limit:.0e} of the nullspace, got a bound of {solution.angle:.1e}, at residual {solution.residual:.1e} "
            f"and gap {solution.gap:.1e}, for generators known to {solution.accuracy:.1e}. Use method='auto' or "
            "'dense', or give the generators in coordinates that are less sheared, or to more digits.",
            status=Status.BAD_RESIDUAL,
            solution=solution,
        )


def bounded_angle(residual, gap):
    """Bound on the sine of the angle to the nullspace of C, from ``‖C Q‖ / ‖C‖`` over the span, and the gap."""
    if not residual or gap == np.inf:
        return 0.0
    return min(1.0, residual / gap) if gap > 0 else 1.0


def carried_angle(angle, stretch, carried):
    """Bound on the sine of the angle to a nullspace once the span is carried to other coordinates.

    Parameters
    ----------
    angle : float; the bound in the coordinates it comes from
    stretch : float; the norm of the change of coordinates
    carried : ndarray of shape (k, r); the images of an orthonormal basis of the span, up to an isometry

    Notes
    -----
    A unit vector of the span is carried to a length of at least the smallest singular value, its error to at most
    ``angle · stretch``.
    """
    if not carried.shape[1]:
        return 0.0
    shortest = np.linalg.svd(carried, compute_uv=False)[-1]
    eps = np.finfo(np.float64).eps
    return float(min(1.0, (angle + eps) * stretch / shortest)) if shortest > 0 else 1.0


def require_known(caller, accuracy, gap, rank, where=""):
    """CertificationError where the errors of the generators may have turned a nullspace by more than ``LARGEST_ANGLE``.

    ``accuracy`` is what they are known to, and ``gap`` the smallest nonzero singular value, both relative to the norm;
    ``where`` names the coordinates in which they are known to this.
    """
    angle = accuracy / gap if gap > 0 else np.inf
    # written so that a NaN fails
    if rank and not angle <= LARGEST_ANGLE:
        raise CertificationError(
            f"{caller}: the generators are known to {accuracy:.1e}{where}, which with a gap of {gap:.1e} may turn the "
            f"{rank} vectors found by {angle:.1e}, more than the {LARGEST_ANGLE:.0e} allowed. Give the generators in "
            "coordinates that are less sheared, or to more digits.",
            status=Status.BAD_RESIDUAL,
        )


def measured(op, Q, *, norm, gap, **known):
    """The solution with its numbers and what is ``known`` besides, unchecked. Applies C to blocks of columns."""
    largest = square = 0.0
    for part in chunks(Q.shape[1] if op.n_rows else 0, BLOCK):
        norms = np.linalg.norm(op.apply(Q[:, part]), axis=0).astype(float)
        largest, square = max(largest, float(norms.max())), square + float(norms @ norms)
    isometry = DenseIsometry(Q)
    spread = float(np.sqrt(square)) / norm if norm else 0.0
    return NullspaceSolution(
        Q=isometry,
        residual=largest / norm if norm else largest,
        gap=float(gap),
        orthogonality=isometry.orthogonality(),
        norm=float(norm),
        n_matvecs=op.n_matvecs,
        angle=bounded_angle(spread, float(gap)) if Q.shape[1] else 0.0,
        accuracy=op.accuracy,
        **known,
    )
