"""The symmetry that a point keeps, and the vectors it fixes: what an equivariant function may be there."""

import numpy as np
from scipy.linalg import expm

from fastemlp._svd import svd
from fastemlp.operators import to_dense
from fastemlp.reps import V, drho_operator, rho_operator, slots, terms

#: Singular values below this, relative to the largest, are zero.
ZERO = 1e-9
#: An element keeps a point if it moves it by this much of its length at most, and is then refined.
KEPT, REFINED = 1e-10, 2
#: What such an element moves by less than this is fixed.
FIXED = 1e-6
#: Group elements that the search begins at, and steps from each.
STARTS, STEPS = 32, 25
#: The same for groups of finitely many elements.
FINITE_STARTS = 12
#: Steps that bring an element nearer by less than this share end its search.
LEAST_PROGRESS = 1e-2
#: So many elements in a row that fix all that is left end the search.
IDLE = 10
#: Elements of the stabiliser's Lie algebra that are looked at; random ones stand for more.
MOST = 12
#: Matrices of the Lie algebra are kept up to this many entries.
ENTRIES = 4_000_000
#: Powers of an element that are tried.
POWERS = 60


class Stabiliser:
    """The elements of a group that keep a point x.

    Parameters
    ----------
    rep : Rep, bound; how the group acts on x
    groups : sequence of Group; all that act anywhere
    x : ndarray of shape (rep.size(),)
    rng : numpy Generator

    Attributes
    ----------
    orbit_dim : int; dimension of the orbit of x
    lie : list of {group: A}; elements that span the Lie algebra of the stabiliser, or random ones of it

    Notes
    -----
    What is found is in the stabiliser, so that spaces it fixes are never too small. The Lie algebra is found exactly;
    other elements by Gauss-Newton steps along the group from random ones, or among the powers of these: a component
    that none of them reaches is missed, and the space fixed then too large. Finite groups that x shows faithfully
    keep no generic x.
    """

    def __init__(self, rep, groups, x, rng):
        self._rep, self._x, self._rng = rep, x, rng
        self._groups = tuple(groups)
        self._basis = [
            (group, to_dense(A)) for group in groups for A in group.orthonormal_lie_algebra
        ]
        self._norm = np.linalg.norm(x)
        self._matrices = None
        if len(self._basis) * len(x) ** 2 <= ENTRIES:
            acting = [(group, A) for group, A in self._basis if group in rep.groups]
            self._matrices = [drho_operator(rep, {group: A}) for group, A in acting]
            self._matrices = np.array([to_dense(A) for A in self._matrices])
        T = self._tangents(x)
        kept = _kernel(T)
        self.orbit_dim = T.shape[1] - kept.shape[1]
        if kept.shape[1] > MOST:
            kept = kept @ rng.standard_normal((kept.shape[1], MOST))
        self.lie = [self._element(c) for c in kept.T]

    def fixed(self, rep, enough=0):
        """Vectors of a rep that the stabiliser fixes, orthonormal, ndarray (size, r).

        The search ends when there are no more than ``enough``.
        """
        Q = np.eye(rep.size())
        for A in self.lie:
            Q = Q @ _kernel(rep.drho_dense(A) @ Q)
        idle = 0
        for g in self._elements():
            if Q.shape[1] <= enough or idle == IDLE:
                break
            kept = _kernel(rep.rho_dense(g) @ Q - Q, FIXED)
            idle = idle + 1 if kept.shape[1] == Q.shape[1] else 0
            Q = Q @ kept
        return Q

    def _elements(self):
        """Elements beyond the Lie algebra, as they are found; the same at each call."""
        if not hasattr(self, "_found"):
            self._found, self._search = [], self._searched()
        k = 0
        while True:
            while k < len(self._found):
                yield self._found[k]
                k += 1
            try:
                self._found.append(next(self._search))
            except StopIteration:
                return

    def _searched(self):
        idle = [group for group in self._groups if group not in self._rep.groups]
        for group in idle:
            yield from ({group: h} for h in group.discrete_generators)
        acting = [group for group in self._groups if group in self._rep.groups]
        if not self._basis and _is_faithful(self._rep):
            return
        n = (STARTS if self._basis else FINITE_STARTS) if acting else 0
        drawn = {group: group.samples(n, self._rng) for group in acting}
        for k in range(n):
            # all groups together, then each by itself
            moved = acting if k % 2 else [acting[(k // 2) % len(acting)]]
            g = self._nearest({group: drawn[group][k] for group in moved})
            if g is not None and not _is_identity(g):
                yield g

    def _nearest(self, g):
        """An element near g that keeps x, or a power of g, or None."""
        if not self._basis:
            powers = dict(g)
            for _ in range(POWERS):
                if self._distance(powers) <= KEPT:
                    return powers  # the identity, or what acts as it does
                powers = {group: powers[group] @ h for group, h in g.items()}
            return None
        left, before = None, np.inf
        for _ in range(STEPS):
            y = rho_operator(self._rep, g) @ self._x
            distance = np.linalg.norm(y - self._x)
            if left is None and distance <= KEPT * self._norm:
                left = REFINED
            if left == 0:
                return g
            if left is None and distance > (1 - LEAST_PROGRESS) * before:
                return None
            left, before = None if left is None else left - 1, distance
            step, *_ = np.linalg.lstsq(self._tangents(y), self._x - y, rcond=ZERO)
            step /= max(1, np.linalg.norm(step))
            for group, A in self._element(step).items():
                g[group] = expm(A) @ g.get(group, np.eye(group.d))
        return None

    def _distance(self, g):
        return np.linalg.norm(rho_operator(self._rep, g) @ self._x - self._x) / self._norm

    def _tangents(self, y):
        """How y moves under each element of the Lie algebra, ndarray (size, D)."""
        T = np.zeros((len(y), len(self._basis)))
        acting = [k for k, (group, _) in enumerate(self._basis) if group in self._rep.groups]
        if self._matrices is not None and acting:
            T[:, acting] = (self._matrices @ y).T
            return T
        for k in acting:
            group, A = self._basis[k]
            T[:, k] = drho_operator(self._rep, {group: A}) @ y
        return T

    def _element(self, coefficients):
        found = {}
        for c, (group, A) in zip(coefficients, self._basis, strict=True):
            found[group] = found.get(group, 0) + c * A
        return found


def _is_identity(g):
    return all(np.allclose(h, np.eye(group.d), atol=FIXED) for group, h in g.items())


def _is_faithful(rep):
    """Whether a rep holds the V, or its dual, of every group that acts, so that only the identity acts as such."""
    types = [slots(term) for term, _ in terms(rep.canonical()[0])]
    held = {kind[0] for kind in types if len(kind) == 1}
    return all(V(group) in held or V(group).T in held for group in rep.groups)


def _kernel(M, zero=ZERO):
    """An orthonormal basis of the vectors that M takes to zero, ndarray (n, r)."""
    if not M.size:
        return np.eye(M.shape[1])
    _, s, Vh = svd(M, full_matrices=True)
    # what acts is of scale 1 at the least: elements of the group, or unit ones of its Lie algebra
    rank = np.count_nonzero(s > zero * max(s[0], 1.0))
    return Vh[rank:].T
