"""The canonical order is structural: the same for equal contents, in every process."""

import os
import subprocess
import sys

import numpy as np
import pytest

from fastemlp.groups import SL, SO, Embed, O, S, Z
from fastemlp.reps import Rep, Scalar, SumRep, T, V, slots, terms

PRINT_ORDER = """
import numpy as np
from fastemlp.groups import SL, SO, SU, Embed, S, Z
from fastemlp.reps import Rep, Scalar, T, V

class Power(Rep):
    def __init__(self, k):
        self.k = np.array([k])
    def size(self):
        return 1
    def rho(self, g):
        return np.linalg.det(g).reshape(1, 1) ** self.k

a, b = Embed(SO(2), 3, slice(0, 2)), Embed(SO(2), 3, slice(1, 3))
P, Q = Power(2)(SL(2)), Power(3)(SL(2))
for rep in (
    (V.T * V + V**2 + 3 * Scalar + V.T + V)(SL(2)),
    (V.conj() + V + V * V.T * V)(SU(3)),
    V(S(4)) * V(Z(3)) + V(Z(3)) * V(S(4)) + V(SO(3)) + V(a) + V(b),
    V(b) * V(a) * V(Z(2)),
    Q.T * P + P * Q + V(SL(2)) * Q + P.T + Q.T,
):
    canonical, perm = rep.canonical()
    print(canonical, [group.digest for group in canonical.groups], perm.tolist())
"""


@pytest.mark.slow
def test_order_does_not_depend_on_the_process():
    """Canonical order by `hash()` differs between processes in EMLP, so saved weights misload."""
    printed = set()
    for seed in ("0", "4242"):
        env = os.environ | {"PYTHONHASHSEED": seed}
        run = [sys.executable, "-c", PRINT_ORDER]
        done = subprocess.run(run, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed.add(done.stdout)
    assert len(printed) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (V + Scalar + V, Scalar + 2 * V),
        (V * V.T, V.T * V),
        (V * (V + Scalar), V + V**2),
        (2 * (V + Scalar), 2 * V + 2 * Scalar),
        ((V + V.T) * V.T, V.T * (V.T + V)),
        (V(Z(3)) * V(S(4)) + V(S(4)), V(S(4)) + V(S(4)) * V(Z(3))),
    ],
    ids=str,
)
def test_same_contents_give_the_same_canonical_rep(one, other):
    one, other = (rep if rep.is_bound else rep(SL(3)) for rep in (one, other))
    assert one.canonical()[0] == other.canonical()[0]


def test_types_come_by_rank_with_scalars_first():
    canonical, perm = (V**2 + V + 2 * Scalar)(SO(3)).canonical()
    assert canonical == (2 * Scalar + V + V**2)(SO(3))
    assert perm.tolist() == [12, 13, 9, 10, 11, *range(9)]
    assert perm.dtype.kind == "i"


def test_no_permutation_where_nothing_moves():
    for rep in (V, V**2, 3 * V, 2 * Scalar + 4 * V + V**3, Scalar, 0 * V):
        assert rep(O(3)).canonical() == (rep(O(3)), None)
    # a large type in order costs no memory
    assert (V**12)(SO(4)).canonical() == ((V**12)(SO(4)), None)


def test_copies_of_a_type_keep_their_order():
    _, perm = ((V + Scalar) * (2 * V))(SO(2)).canonical()
    # written: v1 ⊗ (a, b), then (a, b); canonical: a, b, v1 ⊗ a, v1 ⊗ b
    assert perm.tolist() == [8, 9, 10, 11, 0, 1, 4, 5, 2, 3, 6, 7]


class Weight(Rep):
    """Bespoke, with a parameter that its repr does not show."""

    def __init__(self, k):
        self.k = k

    def size(self):
        return 1

    def rho(self, g):
        return np.linalg.det(g).reshape(1, 1) ** self.k


def test_duals_of_bespoke_reps_with_one_repr_are_told_apart():
    a, b = Weight(1)(O(2)).T, Weight(2)(O(2)).T
    assert repr(a) == repr(b)
    assert (a * b).canonical()[0] == (b * a).canonical()[0]
    rep = a * b + b * a + b + a + b
    assert len(terms(rep.canonical()[0])) == 3


def test_canonical_of_a_canonical_type_has_no_sums_inside():
    canonical, _ = ((V + Scalar) * (V + Scalar) * T(0, 1))(SL(2)).canonical()
    assert all(not isinstance(a, SumRep) for term, _ in terms(canonical) for a in slots(term))
    assert [n for _, n in terms(canonical)] == [1, 2, 1]


def test_groups_of_one_repr_are_told_apart():
    a, b = Embed(SO(2), 3, slice(0, 2)), Embed(SO(2), 3, slice(1, 3))
    assert (V(a) + V(b)).canonical()[0] == (V(b) + V(a)).canonical()[0]
    assert len(terms((V(a) + V(b) + V(a)).canonical()[0])) == 2
