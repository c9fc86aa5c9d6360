"""Groups with shears: lattices in classical groups, and what fixes the tensors that their shears fix."""

import numpy as np
import oracles
import pytest

from fastemlp import equivariant_basis
from fastemlp.bases.constraint import constraint
from fastemlp.exceptions import ConvergenceError
from fastemlp.groups import SL, Group, Sp
from fastemlp.groups.logarithm import _vanishes
from fastemlp.reps import V

SHEAR, TURN = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[0.0, -1.0], [1.0, 0.0]])


def elementary(n, i, j, t=1):
    h = np.eye(n)
    h[i, j] = t
    return h


def symplectic_shears(n):
    """Generators of Sp(n, ℤ), of size 2n."""
    zero, one = np.zeros((n, n)), np.eye(n)
    corner = np.diag([1.0] + [0.0] * (n - 1))
    shears = [np.block([[one, corner], [zero, one]]), np.block([[zero, -one], [one, zero]])]
    for i in range(n - 1):
        A = elementary(n, i, i + 1)
        shears.append(np.block([[A, zero], [zero, np.linalg.inv(A).T]]))
        P = np.eye(n)[[*range(i), i + 1, i, *range(i + 2, n)]]
        shears.append(np.block([[P, zero], [zero, P]]))
    return shears


LATTICES = {
    "SL(2,Z)": ([SHEAR, TURN], SL(2)),
    "SL(2,Z) by a shear and an element of order 6": ([SHEAR, TURN @ SHEAR], SL(2)),
    "SL(2,Z) by two shears": ([SHEAR, SHEAR.T], SL(2)),
    "a free subgroup of SL(2,Z)": ([elementary(2, 0, 1, 2), elementary(2, 1, 0, 2)], SL(2)),
    "SL(3,Z)": ([elementary(3, 0, 1), np.eye(3)[[1, 2, 0]]], SL(3)),
    "Sp(1,Z)": (symplectic_shears(1), Sp(1)),
    "Sp(2,Z)": (symplectic_shears(2), Sp(2)),
}


@pytest.mark.parametrize("name", LATTICES)
@pytest.mark.parametrize("skew", [False, True])
def test_lattices_have_the_tensors_of_their_closures(name, skew):
    """Borel's density theorem, to orders where the lattice itself would have to be solved for a long time."""
    generators, closure = LATTICES[name]
    X = np.eye(len(generators[0]), k=1) + np.eye(len(generators[0])) if skew else None
    if skew:
        generators = [X @ h @ np.linalg.inv(X) for h in generators]
    for rep in (V**4, V**6, V**2 >> V**2, V.T**3, V**8 if len(generators[0]) == 2 else V**5):
        b = equivariant_basis(rep(Group([], generators)), store=False)
        expected = equivariant_basis(rep(closure), store=False)
        assert b.rank == expected.rank
        assert b.certificate.angle <= 1e-8
        if not skew and b.rank:
            Q, P = b.to_dense(), expected.to_dense()
            assert np.abs(P @ (P.T @ Q) - Q).max() <= 1e-9


def random_shears(rng):
    """Integer matrices: unipotent ones or their negatives, perhaps one of finite order besides."""
    n = int(rng.integers(2, 5))
    generators = []
    for _ in range(rng.integers(1, 3)):
        strict = np.triu(rng.integers(-2, 3, (n, n)), 1) * (rng.random((n, n)) < 0.6)
        change = np.eye(n)
        for _ in range(rng.integers(0, 3)):
            i, j = rng.choice(n, 2, replace=False)
            change = change @ elementary(n, i, j, rng.choice([-1, 1]))
        generators.append(change @ (np.eye(n) + strict) @ np.rint(np.linalg.inv(change)))
    if rng.random() < 0.5:
        generators.append(rng.permutation(np.eye(n)) * rng.choice([-1, 1], n))
    if rng.random() < 0.3:
        generators[0] = -generators[0]
    return n, generators


@pytest.mark.parametrize("block", range(8))
def test_random_integer_shears_against_arithmetic_modulo_a_prime(block):
    for seed in range(30 * block, 30 * block + 30, 2):
        rng = np.random.default_rng(seed)
        n, generators = random_shears(rng)
        order = int(rng.integers(1, {2: 7, 3: 5, 4: 4}[n]))
        n_duals = int(rng.integers(0, order + 1))
        rep = V ** (order - n_duals) * V.T**n_duals
        try:
            b = equivariant_basis(rep(Group([], generators)), store=False)
        except ConvergenceError:
            # as hard as shears by products of shears may be, never wrong
            continue
        duals = [np.rint(np.linalg.inv(h)).T for h in generators]
        rows = []
        for h, dual in zip(generators, duals, strict=True):
            rho = np.ones((1, 1))
            for letter in [h] * (order - n_duals) + [dual] * n_duals:
                rho = np.kron(rho, letter)
            rows.append(rho - np.eye(n**order))
        C = np.concatenate(rows)
        assert b.rank == oracles.nullity_modulo_a_prime(C), seed
        if b.rank:
            Q = b.to_dense()
            assert np.abs(C @ Q).max() <= 1e-9 * max(1.0, np.abs(C).max()), seed


def homogeneous(A, t):
    h = np.eye(len(A) + 1)
    h[:-1, :-1], h[:-1, -1] = A, t
    return h


SIXFOLD = [[1.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("motion", "turn"),
    [
        (homogeneous(np.diag([1.0, -1.0]), [0.5, 0.0]), 2),
        (homogeneous(np.diag([1.0, -1.0]), [0.25, 2.0]), 2),
        (homogeneous(np.diag([-1.0, -1.0, 1.0]), [0, 0, 0.5]), 2),
        (homogeneous(SIXFOLD, [0, 0, 0.5]), 6),
        (homogeneous(SIXFOLD, [1, 2, 0.25]), 6),
        (homogeneous(np.eye(3)[[1, 2, 0]], [0.5, 0, 0]), 3),
        (-SHEAR, 2),
        (np.kron(TURN, SHEAR), 4),
    ],
    ids=str,
)
def test_glide_reflections_and_screws(motion, turn):
    """Their tensors are those that dense algebra finds; their turn is of finite order, their shear a Lie generator."""
    group = Group([], [motion])
    C = constraint(V(group))
    assert len(C.lie) == 1
    (images,) = C.discrete
    assert (
        np.abs(np.linalg.matrix_power(images[0].toarray(), turn) - np.eye(len(motion))).max()
        <= 1e-13
    )
    for k in range(1, 5 if len(motion) < 4 else 4):
        rho = np.ones((1, 1))
        for _ in range(k):
            rho = np.kron(rho, motion)
        C = rho - np.eye(len(rho))
        sigma = np.linalg.svd(C, compute_uv=False)
        b = equivariant_basis((V**k)(group), store=False)
        assert b.rank == np.count_nonzero(sigma <= 1e-9 * sigma[0])
        if b.rank:
            assert np.abs(C @ b.to_dense()).max() <= 1e-9 * np.abs(C).max()


@pytest.mark.parametrize("n", [2, 4, 24, 33, 64, 200])
def test_rounding_is_no_shear_however_often_it_is_multiplied_by_itself(n):
    noise = 1e-14 * np.random.default_rng(n).standard_normal((n, n))
    noise -= np.trace(noise) / n * np.eye(n)
    assert not _vanishes(noise)
    for scale in (1e-300, 1e-14, 1.0, 1e200):
        assert _vanishes(scale * np.triu(np.ones((n, n)), 1))


@pytest.mark.parametrize("seed", range(20))
def test_shears_become_their_logarithms_and_nothing_else(seed):
    n = 2 + seed % 3
    strict = np.triu(np.random.default_rng(seed).standard_normal((n, n)), 1)
    for t in (1e-4, 0.3, 1.0):
        C = constraint((V * V.T)(Group([], [np.eye(n) + t * strict])))
        assert len(C.lie) == 1
        assert not C.discrete


def test_a_shear_whose_logarithm_would_be_rounding_is_left_as_it_is():
    N = np.triu(np.full((5, 5), 30.0), 1)
    wild = Group([], [np.eye(5) + N + N @ N / 2])
    assert not constraint(V(wild)).lie
    far = Group([], [elementary(6, 0, 3, 1e6)])
    assert len(constraint(V(far)).lie) == 1
    assert not constraint(V(far)).discrete
    assert equivariant_basis(V(far), store=False).rank == 5
