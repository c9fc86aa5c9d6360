"""Bases found in balanced coordinates and carried back: within the angle stated of what exact arithmetic carries."""

import itertools

import mpmath
import numpy as np
import pytest

from fastemlp import equivariant_basis
from fastemlp.exceptions import ConvergenceError
from fastemlp.groups import SO, D, Group, O, S, Sp
from fastemlp.reps import V
from fastemlp.solver.certify import carried_angle

GROUPS = {"S(3)": S(3), "S(4)": S(4), "D(4)": D(4), "SO(3)": SO(3), "O(3)": O(3), "Sp(1)": Sp(1)}
WORDS = {"V>>V": (1, 0), "V2>>V": (1, 1, 0), "T(2,2)": (1, 1, 0, 0)}


def sheared(group, condition, seed):
    """The group in other coordinates, S g S⁻¹, and S."""
    rng = np.random.default_rng(seed)
    U, W = (np.linalg.qr(rng.standard_normal((group.d, group.d)))[0] for _ in "UW")
    scales = np.logspace(0, np.log10(condition), group.d)
    S_, inverse = U * scales @ W, W.T / scales @ U.T
    lie, discrete = (
        [S_ @ np.asarray(g) @ inverse for g in generators]
        for generators in (group.lie_algebra, group.discrete_generators)
    )
    return Group(lie_algebra=lie, discrete_generators=discrete), S_


def exactly_carried(Q, S_, word):
    """An orthonormal basis of ``(⊗S) Q``, S⁻ᵀ on dual slots, by Gram and Schmidt in 50 digits."""
    with mpmath.workdps(50):
        exact = mpmath.matrix(S_.tolist())
        factors = {1: exact, 0: (exact**-1).T}
        d, X = len(S_), np.vectorize(mpmath.mpf, otypes=[object])(Q)
        X = X.reshape((d,) * len(word) + (-1,))
        for j, kind in enumerate(word):
            factor = np.array(factors[kind].tolist(), object).reshape(d, d)
            X = np.moveaxis(np.tensordot(factor, X, axes=(1, j)), 0, j)
        found = []
        for x in X.reshape(len(Q), -1).T:
            for q in found * 2:
                x = x - q * (q @ x)
            found.append(x / mpmath.sqrt(x @ x))
        return np.array(found, float).reshape(-1, len(Q)).T


@pytest.mark.parametrize("condition", [3, 30, 300, 1e5])
@pytest.mark.parametrize(("name", "kind"), list(itertools.product(GROUPS, WORDS)))
def test_a_sheared_group_is_solved_to_the_angle_stated(name, kind, condition):
    word = WORDS[kind]
    rep = V
    for slot in word[1:]:
        rep = rep * (V if slot else V.T)
    group, S_ = sheared(GROUPS[name], condition, seed=len(name + kind))
    expected = exactly_carried(equivariant_basis(rep(GROUPS[name])).to_dense(), S_, word)
    try:
        found = equivariant_basis(rep(group))
    except ConvergenceError:
        assert condition > 30
        return
    Q, certificate = found.to_dense(), found.certificate
    assert Q.shape == expected.shape
    if not expected.shape[1]:
        return
    # rounding S g S⁻¹ to float64 turns the nullspace itself
    rounding = 8 * certificate.accuracy / certificate.gap
    off = np.linalg.norm(expected - Q @ (Q.T @ expected), 2)
    assert off <= certificate.angle + rounding + 1e-14
    assert certificate.angle <= 1e-8


def test_the_angle_grows_by_what_the_change_of_coordinates_stretches():
    carried = np.diag([1.0, 0.1])
    assert carried_angle(1e-12, 5.0, carried) == pytest.approx(5e-11, rel=1e-3)
    assert carried_angle(0.5, 5.0, carried) == 1.0
    assert carried_angle(1e-12, 5.0, np.zeros((2, 1))) == 1.0
    assert carried_angle(1e-12, 5.0, np.zeros((2, 0))) == 0.0
