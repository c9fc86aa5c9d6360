"""Random groups in skew coordinates, products and spins taken apart: as their characters and known tables say."""

from collections import Counter
from itertools import combinations_with_replacement

import numpy as np
import pytest
from oracles_irreps import binary_tetrahedral, elements, quaternions, require_irreducible
from scipy.linalg import block_diag

from fastemlp import irreps, isotypic_decomposition
from fastemlp.exceptions import CertificationError, NotReductive
from fastemlp.groups import SO, SU, C, D, Group, O, S
from fastemlp.reps import V


def signed_permutations(rng):
    """One to three random signed permutations of two to four axes."""
    n = rng.integers(2, 5)
    signs = rng.choice([-1, 1], (3, n)) if rng.random() < 0.6 else np.ones((3, n))
    return [signs[i] * np.eye(n)[rng.permutation(n)] for i in range(rng.integers(1, 4))]


def small_group(rng, digits):
    """A random group, alone or beside another rep, and its elements, in coordinates of condition up to 10^digits."""
    generators = signed_permutations(rng) if rng.random() < 0.8 else quaternions()
    beside = rng.choice(["nothing", "sign", "itself"])
    if beside == "sign":
        generators = [block_diag(h, round(np.linalg.det(h))) for h in generators]
    elif beside == "itself" and len(generators[0]) < 4:
        generators = [block_diag(h, h) for h in generators]
    d = len(generators[0])
    Q, R = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    stretch = 10 ** (digits * rng.random(d))
    P, inverse = Q * stretch @ R, R.T / stretch @ Q.T
    # counted where entries are whole, then carried over
    return [P @ h @ inverse for h in generators], P @ elements(generators) @ inverse


REPS = {
    "V": (V, lambda t, dual: t),
    "V*V": (V * V, lambda t, dual: t * t),
    "V+V.T": (V + V.T, lambda t, dual: t + dual),
    "V>>V": (V >> V, lambda t, dual: t * dual),
}


@pytest.mark.parametrize("digits", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", REPS)
def test_random_finite_groups_agree_with_their_characters(name, seed, digits):
    rng = np.random.default_rng([seed, digits, *name.encode()])
    generators, group = small_group(rng, digits)
    rep, character = REPS[name]
    trace = np.trace(group, axis1=1, axis2=2)
    dual = np.trace(np.linalg.inv(group), axis1=1, axis2=2)
    try:
        found = isotypic_decomposition(
            rep(Group(discrete_generators=generators)), random_state=seed
        )
    except (CertificationError, NotReductive):
        assert digits > 2
        return
    # traces of sheared elements are known to fewer digits; a wrong piece is off by whole numbers
    require_irreducible(found, group, character(trace, dual), 1e-8 if digits < 3 else 1e-3)
    if digits < 3:
        require_equivariant_projections(found, group[:: max(1, len(group) // 5)])


def require_equivariant_projections(found, group):
    """The projections on the isotypic parts commute with the group, and sum to the identity."""
    m = found.rep.size()
    U, inverse = found.U.matmat(np.eye(m)), found.inverse.matmat(np.eye(m))
    ends = np.cumsum(
        [i.size() * n for i, n in zip(found.irreps, found.multiplicities, strict=True)]
    )
    np.testing.assert_allclose(U @ inverse, np.eye(m), atol=1e-8)
    for a, b in zip([0, *ends[:-1]], ends, strict=True):
        P = U[:, a:b] @ inverse[a:b]
        for g in group:
            rho = found.rep.rho_dense(g)
            scale = max(1.0, np.abs(rho).max() * np.abs(P).max())
            np.testing.assert_allclose(rho @ P, P @ rho, rtol=0, atol=1e-9 * scale)


def kinds(found):
    return sorted(
        (i.size(), i.type, n) for i, n in zip(found.irreps, found.multiplicities, strict=True)
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", range(1, 6))
def test_spins_as_real_matrices(k, seed):
    # R⁴ is spin 1/2 twice over the complex numbers: V^k holds spin j 2^k w times, w the walks from 0 to j
    walks = {0: 1}
    for _ in range(k):
        after = Counter()
        for j, count in walks.items():
            after.update({i: count for i in (j - 1, j + 1) if i >= 0})
        walks = after
    # integer spins are real; half-integer ones quaternionic, of twice the size and half as often
    expected = [
        (2 * (j + 1), "quaternionic", 2 ** (k - 1) * w) if j % 2 else (j + 1, "real", 2**k * w)
        for j, w in walks.items()
    ]
    found = isotypic_decomposition((V**k)(SU(2).realified()), random_state=seed)
    assert kinds(found) == sorted(expected)


# one generator set on each factor of a block-diagonal product: V is the sum of both, V*V all pairs
FACTORS = {
    "S(3)": [np.asarray(h, float) for h in S(3).discrete_generators],
    "C(3)": [np.asarray(h, float) for h in C(3).discrete_generators],
    "D(4)": [np.asarray(h, float) for h in D(4).discrete_generators],
    "Q8": quaternions(),
    "2T": binary_tetrahedral(),
}


@pytest.mark.parametrize(("first", "second"), list(combinations_with_replacement(FACTORS, 2)))
def test_products_side_by_side(first, second):
    a, b = FACTORS[first], FACTORS[second]
    m, n = len(a[0]), len(b[0])
    generators = [block_diag(h, np.eye(n)) for h in a] + [block_diag(np.eye(m), h) for h in b]
    group = elements(generators, 600)
    trace = np.trace(group, axis1=1, axis2=2)
    found = isotypic_decomposition((V * V)(Group(discrete_generators=generators)))
    require_irreducible(found, group, trace**2)


@pytest.mark.parametrize(("first", "second"), list(combinations_with_replacement(FACTORS, 2)))
def test_outer_products(first, second):
    a, b = FACTORS[first], FACTORS[second]
    m, n = len(a[0]), len(b[0])
    generators = [np.kron(h, np.eye(n)) for h in a] + [np.kron(np.eye(m), h) for h in b]
    group = elements(generators, 600)
    found = isotypic_decomposition(V(Group(discrete_generators=generators)))
    require_irreducible(found, group, np.trace(group, axis1=1, axis2=2))


@pytest.mark.parametrize(
    ("first", "second"), [(la, lb) for la in range(1, 4) for lb in range(1, 4)]
)
def test_pairs_of_spins(first, second):
    G = SO(3)

    def spin(ell):
        return max(irreps((V**ell)(G)), key=lambda i: i.size())

    found = kinds(isotypic_decomposition(spin(first) * spin(second)))
    spins = range(abs(first - second), first + second + 1)
    assert found == [(2 * ell + 1, "real", 1) for ell in spins]


@pytest.mark.parametrize("group", [O(3), SO(3)], ids=str)
def test_a_reflection_keeps_its_parity(group):
    # −1 tells V from the axial part of V*V only under O(3)
    sizes = [(i.size(), n) for i, n in zip(*_parts((V + V * V)(group)), strict=True)]
    axial = [(3, 1), (3, 1)] if "SO" not in str(group) else [(3, 2)]
    assert sorted(sizes) == sorted([(1, 1), (5, 1), *axial])


def _parts(rep):
    found = isotypic_decomposition(rep)
    return found.irreps, found.multiplicities
