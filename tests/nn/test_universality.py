"""Every equivariant polynomial of degree 2 and 3 is in the networks that defaults make, and what is not is told."""

import warnings
from itertools import product

import numpy as np
import pytest

from fastemlp.groups import SL, SO, SU, C, Cube, O, S, SO13p, Sp, Z
from fastemlp.nn import EMLP, universality
from fastemlp.nn.left_out import left_out
from fastemlp.reps import Scalar, V, axial, det

GROUPS = [
    O(2) * S(2),
    SL(2),
    O(3),
    SO(3),
    O(2),
    SO(2),
    SO13p(),
    Sp(1),
    SU(2).realified(),
    S(3),
    S(4),
    C(5),
    Z(4),
    Cube(),
    O(5),
]
IN = [V, 2 * V, V + Scalar, 2 * V + Scalar, V**2]
OUT = [Scalar, V, V**2]
CASES = [
    (group, rep_in, rep_out)
    for group, rep_in, rep_out in product(GROUPS, IN, OUT)
    if group.d < 5 or rep_in != V**2
]


def found(group, rep_in, rep_out, degree, **options):
    network = EMLP(rep_in, rep_out, group, n_layers=2, **options)
    return universality(network, degree)


@pytest.mark.slow
@pytest.mark.parametrize("degree", [2, 3])
@pytest.mark.parametrize("k", range(len(CASES)))
def test_defaults_hold_every_polynomial(k, degree):
    group, rep_in, rep_out = CASES[k]
    n = rep_in(group).size()
    if n**degree * rep_out(group).size() > 5_000:
        pytest.skip("large")
    for kind, rank in found(group, rep_in, rep_out, degree, channels=150):
        assert rank.found <= rank.allowed
        assert rank.is_full or not rank.clear, (group, rep_in, kind, str(rank))


@pytest.mark.parametrize(
    ("rep_in", "rep_out", "degree", "expected"),
    [
        (3 * V, det(O(3)), 3, 1),
        (2 * V, axial(O(3)), 2, 1),
        (V, V**3, 3, 4),
        (2 * V, Scalar, 2, 3),
        (2 * V, Scalar, 3, 0),
        (V**2, V**2, 2, 9),
    ],
)
def test_counts_known_by_hand(rep_in, rep_out, degree, expected):
    ((_, rank),) = found(O(3), rep_in, rep_out, degree, channels=60)
    assert (rank.found, rank.allowed) == (expected, expected)


def test_what_is_missing_is_counted():
    # hidden scalars and vectors alone hold no axial vector
    ((_, rank),) = found(O(3), 2 * V, axial(O(3)), 2, channels="20+10V")
    assert (rank.found, rank.allowed) == (0, 1)
    # one linear layer has no products
    network = EMLP(2 * V, Scalar, O(3), n_layers=0)
    ((_, rank),) = universality(network, 2)
    assert (rank.found, rank.allowed) == (0, 3)


@pytest.mark.parametrize("channels", [15, 30, 60])
@pytest.mark.parametrize(
    ("group", "rep_in", "rep_out"),
    [
        (O(3), V**2, V**2),
        (SO(3), V**2, Scalar),
        (SO13p(), V**2, Scalar),
        (SO(4), V**2, V),
        (O(3), V + V**2, V**2),
        (SU(2).realified(), V, V),
    ],
    ids=str,
)
def test_products_that_lack_are_known_when_a_network_is_made(group, rep_in, rep_out, channels):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        network = EMLP(rep_in, rep_out, group, channels=channels, n_layers=2)
    blocks = network.layers[:-1]
    missing = left_out(blocks, network.features_in, network.features_out)
    assert bool(told) == bool(missing[2] or missing[3])
    full = {degree: all(r.is_full for _, r in universality(network, degree)) for degree in (2, 3)}
    assert full[2] == (not missing[2])
    assert full[3] or missing[3]


def test_polynomials_too_many_to_write_out_are_refused():
    network = EMLP(20 * V, V, O(3), channels=20, n_layers=1)
    with pytest.raises(ValueError, match=r"degree 4 from 20V to V have 38,880,000 coefficients"):
        universality(network, 4)


def test_the_same_seed_finds_the_same():
    network = EMLP(V**2, V, SO(3), channels=40, n_layers=1, dtype=np.float64)
    assert universality(network, 2) == universality(network, 2)
