"""Why a fit learned nothing, with the reasons that the data suggest; and derivatives that contradict the symmetry."""

import numpy as np

from fastemlp._warnings import warn_user
from fastemlp.reps import Scalar, drho_operator, has_invariant_norm, objects

#: A model that explains no more than this of the variance of its training targets has learned nothing.
LEARNED = 0.1
#: Objects lie to one side of the origin if the square of their mean is this share of their mean square.
OFF_CENTRE = 0.5
#: Fewer samples than this tell nothing.
FEW = 10
#: Fewer training steps than this may be too few.
SHORT = 1000
#: Derivatives along the motions of a group are off by no more than this share of what unrelated ones would be.
ASTRAY = 1 / 3


def unexplained(predicted, Y, weight=None):
    """Mean squared error over the mean square of the targets Y (n, n_out), both in float64; 0 where Y is zero."""
    Y = np.asarray(Y, np.float64)
    power = np.average(Y**2, 0, weight).sum()
    return float(np.average((predicted - Y) ** 2, 0, weight).sum() / power) if power else 0.0


def warn_if_nothing_learned(caller, data, reps, error, n_steps=None):
    """Warn where a fit is hardly better on its training data than a constant, with the likely reasons.

    Parameters
    ----------
    caller : str; the start of the message
    data : pair of ndarrays (n, n_in), (n, n_out); scaled inputs and targets, shifted only along invariants
    reps : pair of Rep, of inputs and targets
    error : float; mean squared error on the training data over the mean square of the targets
    n_steps : int, optional; training steps, where their number may be the reason
    """
    X, _ = data
    # written so that a NaN warns
    if len(X) < FEW or error <= 1 - LEARNED:
        return
    reasons = [*_off_centre(*data, *reps), *_reflections(*reps)]
    if n_steps is not None and n_steps < SHORT:
        reasons.append(f"training was short, {n_steps} steps; raise max_iter")
    reasons.append(
        "y may be noise, depend on what X does not hold, or not transform as rep_out under the group"
    )
    warn_user(
        f"{caller}: on its training data the model explains {max(0.0, 1 - error):.0%} of the variance of y, "
        f"hardly more than a constant does. Likely reasons: {'; '.join(reasons)}."
    )


def warn_if_astray(caller, X, Y, dy, rep_in, rep_out):
    """Warn of derivatives dy (n, n_out, n_in) of Y in X that no equivariant function can have, even with some noise.

    Where a Lie algebra element A moves x by ``A x``, an equivariant y moves by ``A y``, hence ``dy · A x = A y``. That
    is tested for a random element of each group.
    """
    known = np.isfinite(dy).all(axis=(1, 2))
    X, Y, dy = (np.asarray(a[known], np.float64) for a in (X, Y, dy))
    for group in dict.fromkeys((*rep_in.groups, *rep_out.groups)):
        generators = group.orthonormal_lie_algebra
        weights = np.random.default_rng(0).standard_normal(len(generators))
        if not len(generators):
            continue
        A = sum(w * generator for w, generator in zip(weights, generators, strict=True))
        X_dot, Y_dot = (
            drho_operator(rep, {group: A}).matmat(data.T).T
            for rep, data in ((rep_in, X), (rep_out, Y))
        )
        error = np.einsum("nkj,nj->nk", dy, X_dot) - Y_dot
        unrelated = np.mean(X_dot**2, axis=1) @ np.sum(dy**2, axis=(1, 2)) + np.vdot(Y_dot, Y_dot)
        share = np.sqrt(np.vdot(error, error) / (unrelated or 1.0))
        if share > ASTRAY:
            warn_user(
                f"{caller}: dy contradicts the symmetry: as {group} moves X, y would have to change by dy · dX, which "
                f"is off by {share:.0%} of what unrelated derivatives give. Pass the derivative of y with respect to "
                "the columns of X, in their order, units and frame; of an energy, minus the forces."
            )
            return


def _off_centre(X, Y, rep_in, rep_out):
    """Inputs or targets that lie to one side of the origin, which the group fixes."""
    for name, data, rep in (("X", X, rep_in), ("y", Y, rep_out)):
        for kind, columns in objects(rep):
            if kind == Scalar or not has_invariant_norm(kind):
                continue
            values = np.asarray(data, np.float64)[:, columns]
            power = np.mean(values**2, axis=0).sum(axis=1)
            share = np.sum(np.mean(values, axis=0) ** 2, axis=1) / np.where(power > 0, power, 1)
            copy = int(np.argmax(share))
            if share[copy] > OFF_CENTRE:
                ratio = np.sqrt(share[copy] / max(1 - share[copy], 1e-30))
                where = _span(columns[copy])
                yield (
                    f"columns {where} of {name}, an object of type {kind}, have a mean {ratio:.2g} times their "
                    "spread, but the group fixes the origin: centre them (subtract each sample's own "
                    "reference point, or the mean)"
                )
                break


def _span(columns):
    return f"{columns[0]}" if len(columns) == 1 else f"{columns[0]} to {columns[-1]}"


def _reflections(rep_in, rep_out):
    """Groups with reflections, under which vectors and axial vectors differ and are easily confused."""
    for group in dict.fromkeys((*rep_in.groups, *rep_out.groups)):
        reflects = any(np.linalg.det(h) < 0 for h in group.discrete_generators)
        if reflects and not group.is_permutation:
            yield (
                f"{group} contains reflections, under which a cross product, torque or magnetic field is an axial "
                "vector and a signed volume a pseudoscalar: say so in rep_in and rep_out (fastemlp.reps.axial, det), "
                "or take the group of rotations alone"
            )
            return
