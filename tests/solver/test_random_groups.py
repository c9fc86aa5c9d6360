"""Groups of a few generators of every kind, in coordinates of every kind: the rank of dense algebra, or a refusal."""

import warnings

import numpy as np
import pytest
from scipy.linalg import block_diag, expm

from fastemlp import equivariant_basis
from fastemlp.exceptions import ConvergenceError
from fastemlp.groups import Group
from fastemlp.reps import V

ANGLES = 2 * np.pi * np.array([1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 7, np.sqrt(2) / 3, 1e-4])


def skew(rng, n):
    A = rng.standard_normal((n, n))
    return A - A.T


def plane_turn(rng, n):
    c, s = np.cos(angle := rng.choice(ANGLES)), np.sin(angle)
    return block_diag(np.array([[c, -s], [s, c]]), np.eye(n - 2))


def motion(rng, n):
    """A signed permutation and a translation, in homogeneous coordinates."""
    h = np.eye(n)
    h[:-1, :-1] = np.eye(n - 1)[rng.permutation(n - 1)] * rng.choice([-1, 1], n - 1)
    h[:-1, -1] = rng.choice([0, 0.25, 0.5, 1], n - 1)
    return h


def integer(rng, n):
    h = rng.integers(-1, 2, (n, n)).astype(float)
    return h if abs(np.linalg.det(h)) > 0.5 else np.eye(n)


def entry(i, j, n):
    return np.outer(np.eye(n)[i], np.eye(n)[j])


DISCRETE = [
    lambda rng, n: np.eye(n) + np.triu(rng.integers(-2, 3, (n, n)), 1),
    lambda rng, n: -np.eye(n) - np.triu(rng.integers(-1, 2, (n, n)), 1),
    lambda rng, n: np.eye(n)[rng.permutation(n)] * rng.choice([-1, 1], n),
    lambda rng, n: expm(skew(rng, n) * rng.choice([1e-6, 1e-3, 0.02, 1, 3])),
    lambda rng, n: np.diag(rng.choice([1, -1, 2, 0.5, 3], n)),
    lambda rng, n: np.eye(n) + rng.choice([1e-8, 1e-5, 1e-2, 1]) * entry(0, n - 1, n),
    lambda rng, n: -np.eye(n),
    plane_turn,
    motion,
    integer,
]
LIE = [
    lambda rng, n: np.triu(rng.integers(-2, 3, (n, n)), 1),
    lambda rng, n: np.diag(rng.integers(-2, 3, n)),
    lambda rng, n: np.rint(skew(rng, n)),
    lambda rng, n: entry(*rng.integers(n, size=2), n),
    skew,
    lambda rng, n: rng.integers(-1, 2, (n, n)),
    lambda rng, n: entry(0, 1, n) + rng.choice([-1, 1]) * entry(1, 0, n),
    lambda rng, n: np.diag(rng.choice([1, -1, np.sqrt(2), 0, 1e-3], n)),
]
COORDINATES = [
    lambda rng, n: np.eye(n),
    lambda rng, n: np.eye(n) + np.triu(rng.integers(-1, 2, (n, n)), 1),
    lambda rng, n: np.linalg.qr(rng.standard_normal((n, n)))[0],
    lambda rng, n: np.eye(n) + 0.5 * rng.standard_normal((n, n)),
]


def random_generators(rng, n):
    lie, discrete = (
        [np.asarray(kinds[rng.integers(len(kinds))](rng, n), float) for _ in range(count)]
        for kinds, count in ((LIE, rng.integers(0, 3)), (DISCRETE, rng.integers(0, 3)))
    )
    X = COORDINATES[rng.choice(4, p=[0.55, 0.15, 0.15, 0.15])](rng, n)
    if np.linalg.cond(X) < 1e3:
        lie, discrete = ([X @ B @ np.linalg.inv(X) for B in Bs] for Bs in (lie, discrete))
    if rng.random() < 0.2:
        lie = [A * rng.choice([1, 1j]) for A in lie]
        discrete = [h * np.exp(2j * np.pi * rng.choice([0, 1 / 2, 1 / 3, 0.123])) for h in discrete]
    return lie, discrete


def dense_constraint(lie, discrete, order, n_duals):
    """``rho(h) − I`` and ``drho(A)`` on tensors of some vectors and duals, written out."""
    rows, eye = [], np.eye
    for h in discrete:
        dual, rho = np.linalg.inv(h).T, np.ones((1, 1))
        for letter in [h] * (order - n_duals) + [dual] * n_duals:
            rho = np.kron(rho, letter)
        rows.append(rho - eye(len(rho)))
    for A in lie:
        n, letters = len(A), [A] * (order - n_duals) + [-A.T] * n_duals
        parts = enumerate(letters)
        rows.append(
            sum(np.kron(np.kron(eye(n**j), B), eye(n ** (order - 1 - j))) for j, B in parts)
        )
    return np.concatenate(rows)


@pytest.mark.parametrize("block", range(8))
def test_right_or_refused(block):
    refused = 0
    for seed in range(100 * block, 100 * block + 60, 2):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 5))
        lie, discrete = random_generators(rng, n)
        if not lie and not discrete:
            continue
        order = int(rng.integers(1, {2: 7, 3: 5, 4: 4}[n]))
        n_duals = int(rng.integers(0, order + 1))
        C = dense_constraint(lie, discrete, order, n_duals)
        sigma = np.linalg.svd(C, compute_uv=False)
        # beside the identity, an element that is nothing but rounding off it is the identity
        scale = max(sigma[0], 1e-3)
        rank = np.count_nonzero(sigma <= 1e-11 * scale)
        clear = not np.any((sigma > 1e-13 * scale) & (sigma < 1e-5 * scale))
        rep = V ** (order - n_duals) * V.T**n_duals
        with warnings.catch_warnings():
            # elements near the identity may look like rounded ones
            warnings.simplefilter("ignore")
            try:
                basis = equivariant_basis(rep(Group(lie, discrete)), store=False)
            except ConvergenceError:
                refused += clear
                continue
        if clear:
            assert basis.rank == rank, seed
        if basis.rank:
            assert np.abs(C @ basis.to_dense()).max() <= 1e-8 * scale, seed
    # elements that are known to 1e-8 or so, too little for the angle that is promised
    assert refused <= 3
