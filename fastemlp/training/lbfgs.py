"""L-BFGS on all data at once, for small problems."""

import numpy as np
from scipy.optimize import minimize


def minimise_lbfgs(objective, data, monitor, max_iter):
    """Run scipy's L-BFGS-B on all ``data = (X, y, weight)`` from ``objective.theta``, which ends at the last iterate.

    scipy works in float64; each evaluation rounds its point to the network's dtype.

    Raises
    ------
    FloatingPointError
        When the loss or its gradient is not finite at some iterate.
    """
    theta, gradient = objective.theta, objective.gradient

    def value_and_gradient(point):
        theta[:] = point
        value = objective.value_and_gradient(*data)
        if not (np.isfinite(value) and np.isfinite(np.vdot(gradient, gradient))):
            raise FloatingPointError(
                f"L-BFGS diverged in iteration {len(monitor.loss_curve) + 1}: the loss is {value:.3g} with a gradient "
                f"of norm {np.linalg.norm(gradient):.3g}. Use solver='adam', or look for outliers in X and y."
            )
        return value, gradient.astype(np.float64)

    def after_iteration(intermediate_result):
        theta[:] = intermediate_result.x
        if monitor.record(float(intermediate_result.fun)):
            raise StopIteration

    result = minimize(
        value_and_gradient,
        theta.astype(np.float64),
        jac=True,
        method="L-BFGS-B",
        callback=after_iteration,
        # ftol: whether the loss still falls is decided in its own precision, not float64's
        options={"maxiter": max_iter, "maxfun": 20 * max_iter, "ftol": np.finfo(theta.dtype).eps},
    )
    theta[:] = result.x
