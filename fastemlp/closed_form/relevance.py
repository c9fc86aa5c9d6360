"""How much each invariant and covariant counts in a kernel, by the evidence: automatic relevance determination."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.optimize import minimize

from fastemlp.closed_form.kernels import ALPHAS, PROFILES, Kernel, squares_of

#: Iterations of L-BFGS, and scales that may be found, at most.
ITERATIONS, MOST = 25, 300
#: Standard deviation of the logarithms of scales before there are data, and how far these may go.
DOUBT, BOUND = 2.0, 7.0
#: The noise that is tried first.
NOISE = 1e-3
#: Instead of a value that roundoff decides.
HOPELESS = 1e10


def likeliest(kernel, X, Y, weights, constants):
    """A kernel like one, whose scales make the data most likely.

    Parameters
    ----------
    kernel : Kernel
    X, Y, weights : ndarrays of shape (n, n_in), (n, d, c) and (n,)
    constants : ndarray of shape (d, r0); as ``invariants`` of LeaveOneOutRidge

    Returns
    -------
    Kernel, or None where there is nothing to find, or too much

    Notes
    -----
    Targets are a Gaussian process whose covariance is the kernel plus a noise, times the size that is the likeliest;
    logarithms of scales are normal. Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 5.4.
    An evaluation takes O((n·d)³ + n²·p).
    """
    evidence = _Evidence.of(kernel, X, Y, weights, constants)
    start = evidence.start
    if not 1 < len(start) <= MOST:
        return None
    bounds = [(-BOUND, BOUND)] * (len(start) - 1) + [tuple(np.log(ALPHAS[[0, -1]]))]
    found = minimize(
        evidence, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": ITERATIONS}
    )
    return evidence.kernel_at(found.x) if np.isfinite(found.x).all() else None


@dataclass(frozen=True)
class _Evidence:
    """The evidence of kernels like one, as a function of logarithms: of scales and, the last one, of the noise.

    Attributes
    ----------
    kernel : Kernel
    used : int ndarray of shape (p,); the invariants that count
    group : int ndarray of shape (p,); which of them share a scale
    u : ndarray of shape (n, p); the invariants of samples
    images : list of ndarrays of shape (n, p); the same of samples that every element has turned
    phi : ndarray of shape (n, d, r); the covariants
    y : ndarray of shape (n·d, c); targets, times the roots of weights
    root : ndarray of shape (n·d,); the roots
    """

    kernel: Kernel
    used: np.ndarray
    group: np.ndarray
    u: np.ndarray
    images: list
    phi: np.ndarray
    y: np.ndarray
    root: np.ndarray

    @classmethod
    def of(cls, kernel, X, Y, weights, constants):
        d = Y.shape[1]
        scale = kernel.invariants.scale
        (used,) = np.nonzero(np.isfinite(scale))
        group = np.arange(len(scale))
        if kernel.invariants.summary is None:
            for orbit in kernel.invariants.orbits:
                group[orbit] = orbit[0]
        _, group = np.unique(group[used], return_inverse=True)
        unit = np.sqrt(kernel.unit)
        u = kernel.invariants(X)[:, used] / unit
        images = [kernel.invariants(x)[:, used] / unit for x, _ in kernel.images(X)]
        mean = constants @ (constants.T @ np.tensordot(weights / weights.sum(), Y, 1))
        root = np.repeat(np.sqrt(weights), d)
        y = root[:, None] * (Y - mean).reshape(len(root), -1)
        return cls(kernel, used, group, u, images, kernel.covariants(X), y, root)

    @property
    def n_covariants(self):
        """Whose scales are looked for."""
        return self.phi.shape[2] if self.kernel.turns is None and self.phi.shape[2] > 1 else 0

    @property
    def start(self):
        """Logarithms of factors of the scales, and of the noise."""
        n = self.group.max(initial=-1) + 1 + self.n_covariants
        return np.append(np.zeros(n), np.log(NOISE))

    def _factors(self, theta):
        n = self.group.max(initial=-1) + 1
        return np.exp(theta[:n][self.group]), np.exp(theta[n:-1]), np.exp(theta[-1])

    def kernel_at(self, theta):
        """The kernel with these scales."""
        invariants, covariants = self.kernel.invariants, self.kernel.covariants
        factors, more, _ = self._factors(theta)
        scale = np.array(invariants.scale)
        scale[self.used] /= factors
        if len(more):
            more = more / np.sqrt(np.mean(more**2))
            covariants = replace(
                covariants, scale=np.broadcast_to(covariants.scale, len(more)) / more
            )
        return replace(
            self.kernel, covariants=covariants, invariants=replace(invariants, scale=scale)
        )

    def __call__(self, theta):
        """Twice the negative logarithm of the evidence, over the number of targets, and its derivatives."""
        factors, more, alpha = self._factors(theta)
        (n, d), (size, c) = self.phi.shape[:2], self.y.shape
        phi = self.phi * (more if len(more) else 1.0)
        profile = PROFILES[self.kernel.form]
        parts, K = [], np.zeros((n, d, n, d))
        v = self.u * factors
        for k, image in enumerate(self.images):
            w = image * factors
            values, slopes, _ = profile(squares_of(v, w))
            if self.kernel.turns is None:
                C = np.einsum("ndr,mer->ndme", phi, phi, optimize=True)
            else:
                C = np.broadcast_to(
                    (self.kernel.turns[k][1] / len(self.images))[:, None], (n, d, n, d)
                )
            K += values[:, None, :, None] * C
            parts.append((w, values, slopes, C))
        K = K.reshape(size, size) * self.root[:, None] * self.root
        K[np.diag_indices(size)] += alpha
        L, failed = dpotrf(K, lower=True, overwrite_a=True)
        if failed:
            return HOPELESS, np.zeros_like(theta)
        n_all, half_log_det = size * c, np.sum(np.log(np.diag(L)))
        M, _ = dpotri(L, lower=True, overwrite_c=True)
        M = np.tril(M) + np.tril(M, -1).T
        b = M @ self.y
        fit = np.vdot(self.y, b)
        value = np.log(fit / n_all) + 2 * half_log_det / size
        M /= size
        M -= (b @ b.T) / fit
        noise = alpha * np.trace(M)
        M = (M * self.root[:, None] * self.root).reshape(n, d, n, d)
        slope_u = np.zeros(len(factors))
        slope_phi = np.zeros(len(more))
        for w, values, slopes, C in parts:
            Q = np.einsum("ndme,ndme->nm", M, C) * slopes
            slope_u += 2 * (Q.sum(1) @ v**2 + Q.sum(0) @ w**2 - 2 * np.einsum("np,np->p", v, Q @ w))
            if len(more):
                Z = np.einsum("ndme,mer->ndr", M * values[:, None, :, None], phi, optimize=True)
                slope_phi += 2 * np.einsum("ndr,ndr->r", phi, Z)
        gradient = np.concatenate([np.bincount(self.group, slope_u), slope_phi, [noise]])
        prior = theta[:-1] / DOUBT
        value += np.sum(prior**2) / n_all
        gradient[:-1] += 2 * prior / (DOUBT * n_all)
        return value, gradient
