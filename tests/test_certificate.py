"""Certificates: the gap and the angle they state, against a singular value decomposition of the whole constraint."""

import warnings
from itertools import product

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from scipy.sparse import block_diag, csr_array, eye_array
from scipy.sparse.linalg import aslinearoperator

from fastemlp import Group, equivariant_basis
from fastemlp.bases.constraint import constraint
from fastemlp.groups import SL, SO, SU, C, D, O, Parity, S, Sp, Trivial, Z
from fastemlp.operators import TensorConstraint
from fastemlp.reps import T, V
from fastemlp.solver import solve_nullspace
from fastemlp.solver.certificate import Certificate
from fastemlp.solver.rounded import looks_rounded


def turned(group, seed):
    X = np.linalg.qr(np.random.default_rng(seed).standard_normal((group.d, group.d)))[0]
    return (
        group.conjugate(X)
        if hasattr(group, "conjugate")
        else Group(
            [X @ A @ X.T for A in group.lie_algebra],
            [X @ h @ X.T for h in group.discrete_generators],
        )
    )


GROUPS = [
    SO(3),
    O(3),
    SU(2),
    S(3),
    S(4),
    Z(4),
    Z(5),
    C(3),
    C(7),
    D(4),
    D(5),
    Sp(1),
    SL(2),
    SL(3),
    SO(2),
    O(2),
]
GROUPS += [
    Parity(),
    Trivial(2),
    turned(SO(3), 1),
    turned(D(5), 2),
    turned(S(4), 3),
    turned(O(3), 4),
]
WORDS = [(1, 1), (2, 0), (3, 0), (2, 1), (2, 2)]
METHODS = ["auto", "dense", "orbits", "schur", "lanczos"]


def oracle(op):
    """The smallest nonzero singular value over the norm, and a basis of the nullspace."""
    matrix = op.matmat(np.eye(op.shape[1], dtype=op.dtype))
    _, s, Vh = np.linalg.svd(matrix, full_matrices=True)
    s = np.concatenate([s, np.zeros(op.shape[1] - len(s))])
    rank = int((s > 1e-9 * max(s[0], 1)).sum())
    return (s[rank - 1] / s[0] if rank else np.inf), Vh[rank:].conj().T, s[0]


def solved(op, method):
    try:
        return solve_nullspace(op, method)
    except ValueError:
        return None


@pytest.mark.parametrize("group", GROUPS, ids=str)
@pytest.mark.parametrize("word", WORDS, ids=str)
def test_gap_angle_and_residual_are_true(group, word):
    op = constraint(T(*word, group))
    gap, null, norm = oracle(op)
    for method in METHODS:
        solution = solved(op, method)
        if solution is None:
            continue
        Q = solution.Q.to_dense()
        assert Q.shape == null.shape, method
        if "shrink" not in solution.strategies:
            assert 0 < solution.gap <= gap * (1 + 1e-3 * (method in ("auto", "lanczos")) + 1e-6)
        if Q.shape[1]:
            angle = np.sin(subspace_angles(Q, null)).max()
            assert angle <= solution.angle + 1e-13 / min(gap, 1), method
        if norm:
            worst = np.linalg.norm(op.matmat(Q), axis=0).max(initial=0.0) / norm
            assert worst <= 3 * solution.residual + 1e-14, method
        assert solution.angle <= 1e-8


def test_125_products_of_irreducibles_of_rotations_warn_of_nothing():
    """The gap is that of the constraint, and not of a random operator whose eigenvalues may meet."""
    letters = [representation(degree) for degree in range(1, 6)]
    for a, b, c in product(letters, repeat=3):
        op = TensorConstraint(
            range(3),
            [len(x[0]) for x in (a, b, c)],
            [[csr_array(m) for m in g] for g in zip(a, b, c, strict=True)],
            [],
        )
        solution = solve_nullspace(op, "schur")
        assert solution.gap > 0.02
        assert solution.angle < 1e-10
        assert not looks_rounded(op)


def representation(degree):
    """The three generators of SO(3) on the harmonics of degree l, real and skew."""
    l = degree
    m = np.arange(-l, l + 1)
    up = np.diag(np.sqrt(l * (l + 1) - m[:-1] * (m[:-1] + 1.0)), -1)
    spins = (up + up.T) / 2, (up - up.T) / 2j, np.diag(m).astype(complex)
    to_real = np.zeros((2 * l + 1, 2 * l + 1), complex)
    for k in range(-l, l + 1):
        to_real[l + k, l + abs(k)] = (
            (-1) ** k / np.sqrt(2) if k > 0 else 1j / np.sqrt(2) if k else 1
        )
        to_real[l + k, l - abs(k)] = (
            1 / np.sqrt(2) if k > 0 else -1j * (-1) ** k / np.sqrt(2) if k else 1
        )
    # the phases of the harmonics: e_m and its conjugate (−1)^m e_{−m} span the real ones
    for k in range(1, l + 1):
        to_real[l - k, l - k], to_real[l - k, l + k] = 1j / np.sqrt(2), -1j * (-1) ** k / np.sqrt(2)
        to_real[l + k, l - k], to_real[l + k, l + k] = 1 / np.sqrt(2), (-1) ** k / np.sqrt(2)
    real = [(to_real @ (-1j * J) @ to_real.conj().T) for J in spins]
    assert max(np.abs(A.imag).max() for A in real) < 1e-13
    return [np.where(np.abs(A.real) > 1e-14, A.real, 0) for A in real]


# closer to 1 than this, roundoff of the weights turns the span by the 1e-8 that are allowed
NEARLY_COMMENSURATE = [1 + 3e-7, np.sqrt(2), 355 / 113 / np.pi, 1 - 1e-6]


@pytest.mark.parametrize(
    "group",
    [C(10**4), C(10**5), C(10**7)]
    + [
        Group([np.kron(np.diag(w), [[0.0, -1.0], [1.0, 0.0]])])
        for w in [(1.0, x) for x in NEARLY_COMMENSURATE]
    ],
    ids=str,
)
def test_small_angles_are_no_sign_of_rounding(group):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rep in (V, V**2, V**3):
            equivariant_basis(rep(group), store=False)


@pytest.mark.parametrize("n", [3, 4, 5])
def test_rounded_generators_look_rounded(n):
    """A turned orthogonal group in float32: brackets leave the span, and reflections are not quite orthogonal."""
    exact = turned(O(n), n)
    lie, h = exact.lie_algebra, exact.discrete_generators
    X = np.diag(np.arange(1.0, n + 1))
    sheared = [X @ A @ np.linalg.inv(X) for A in turned(SO(n), n).lie_algebra]

    def rounded(matrices):
        return [np.asarray(A, np.float32).astype(float) for A in matrices]

    def looks(lie, h):
        return looks_rounded(constraint(V(Group(lie_algebra=lie, discrete_generators=h))))

    assert looks([], rounded(h))
    assert not looks(list(lie), list(h))
    if n > 2:
        assert looks(rounded(sheared), [])
        assert not looks(sheared, [])


@pytest.mark.parametrize("n", [2000, 8000, 20000])
def test_lobpcg_is_sharpened_where_the_gap_is_small(n):
    """Differences along three rings: gap sin(π/n), residuals far below the tolerance would turn the span."""
    ring = eye_array(n, format="csr") - csr_array(
        (np.ones(n), ((np.arange(n) + 1) % n, np.arange(n)))
    )
    matrix = block_diag([ring] * 3, format="csr")
    solution = solve_nullspace(aslinearoperator(matrix), "lobpcg")
    null = np.kron(np.eye(3), np.ones((n, 1)) / np.sqrt(n))
    angle = np.sin(subspace_angles(solution.Q.to_dense(), null)).max()
    assert angle <= solution.angle + 1e-13 * n
    assert solution.angle <= 1e-8
    assert solution.gap == pytest.approx(np.sin(np.pi / n), rel=0.05)


def certificate(*values):
    names = [
        "residual",
        "orthogonality",
        "gap",
        "completeness",
        "n_matvecs",
        "strategies",
        "angle",
        "accuracy",
    ]
    return Certificate(**dict(zip(names, values, strict=True)))


def test_the_weakest_part_is_what_a_sum_has():
    parts = [
        certificate(1e-16, 0.0, 0.5, 0.0, 3, ("dense",), 1e-15, 2e-16),
        certificate(0.0, 1e-15, 0.1, 1e-13, 4, ("schur",), 1e-13, 1e-12),
    ]
    worst = Certificate.worst(parts)
    assert worst == certificate(1e-16, 1e-15, 0.1, 1e-13, 7, ("dense", "schur"), 1e-13, 1e-12)
    assert "angle to the nullspace at most 1.0e-13" in str(worst)
