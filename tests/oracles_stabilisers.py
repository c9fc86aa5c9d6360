"""Stabilisers of points, known in closed form or by counting, and what they fix."""

import numpy as np
from oracles import finite_group_elements


def fixed_dimension_by_counting(rep_in, rep_out, x, group):
    """Dimension of what the stabiliser of x in a finite group fixes: the mean trace of its elements."""
    elements = finite_group_elements(group.discrete_generators)
    kept = [g for g in elements if np.allclose(rep_in.rho_dense(g) @ x, x, atol=1e-8)]
    return round(np.mean([np.trace(rep_out.rho_dense(g)) for g in kept]))


def fixed_dimension(rep_out, kept):
    """Dimension of what some elements fix."""
    rows = [rep_out.rho_dense(g) - np.eye(rep_out.size()) for g in kept]
    s = np.linalg.svd(np.concatenate(rows), compute_uv=False)
    return int(rep_out.size() - np.count_nonzero(s > 1e-8))


def rotations_about(vectors, rng, proper, n=12):
    """Random elements of O(d), or SO(d), that keep some vectors of R^d: products of reflections beside them."""
    d = vectors.shape[1]
    Q, _ = np.linalg.qr(vectors.T)
    kept = [np.eye(d)]
    for _ in range(n if Q.shape[1] < d else 0):
        g = np.eye(d)
        for _ in range(2 if proper else 1):
            u = rng.standard_normal(d)
            u -= Q @ (Q.T @ u)
            u /= np.linalg.norm(u)
            g = g @ (np.eye(d) - 2 * np.outer(u, u))
        if not proper or Q.shape[1] < d - 1:
            kept.append(g)
    return kept


def signs_in_the_eigenbasis(S):
    """Elements of O(d) that keep a symmetric matrix with distinct eigenvalues, by conjugation."""
    _, E = np.linalg.eigh(S)
    signs = 1 - 2 * np.eye(len(S))
    return [E @ np.diag(s) @ E.T for s in signs]


def shears_along(x):
    """Elements of SL(2) that keep one vector of R²."""
    return [np.eye(2) + t * np.outer(x, [-x[1], x[0]]) for t in (0.7, -1.3)]
