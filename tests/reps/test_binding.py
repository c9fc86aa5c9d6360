"""A rep is bound once, and every door that takes a group and reps refuses reps of another group."""

import itertools
import pickle

import numpy as np
import pytest

from fastemlp import EquivariantRidge, FastEMLPRegressor, equivariant_basis, irreps
from fastemlp.groups import SL, SO, Group, O, S, SO13p, Z
from fastemlp.nn import EMLP
from fastemlp.reps import Rep, Scalar, T, V, parse_rep
from fastemlp.testing import equivariance_error

GROUPS = [SO(3), O(3), S(3), Z(3), SL(3), SO(3) * S(2), S(2) * SO(3), Group(d=3)]
EXPRESSIONS = [
    *(
        V,
        V.T,
        2 * V,
        V + Scalar,
        V**2,
        T(1, 1),
        V >> V + Scalar,
        3 * (V + V**2),
        Scalar + V * (V + V),
    ),
]


class Sign(Rep):
    def rho(self, g):
        return np.sign(np.linalg.det(g)).reshape(1, 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [pair for pair in itertools.permutations(GROUPS, 2) if pair[0] not in pair[1].factors],
    ids=repr,
)
@pytest.mark.parametrize("rep", [*EXPRESSIONS, Sign(), Sign().T, Sign() * V], ids=str)
def test_a_bound_rep_is_not_bound_again(rep, one, other):
    bound = rep(one)
    assert bound(one) == bound
    with pytest.raises(
        ValueError, match=r"is bound to .*, not to .*, which would be another, indep"
    ):
        bound(other)


@pytest.mark.parametrize("rep", EXPRESSIONS, ids=str)
def test_a_factor_of_a_declared_product_is_part_of_it(rep):
    product = SO(3) * S(4) * Z(2)
    assert product.factors == (SO(3), S(4), Z(2))
    assert pickle.loads(pickle.dumps(product)).factors == product.factors
    for factor in product.factors:
        assert rep(factor)(product) == rep(factor)
    assert SO(3).factors == (SO(3),)


def test_what_waits_for_a_group_gets_it():
    rep = (V(Z(3)) * V + V)(S(4))
    assert rep == V(Z(3)) * V(S(4)) + V(S(4))
    assert Scalar(O(3)) == Scalar
    assert (2 * Scalar)(O(3)) == 2 * Scalar
    with pytest.raises(TypeError, match=r"expected a Group to bind to, got 'O\(3\)'"):
        V(SO(3))("O(3)")


def test_irreps_are_bound_to_their_group():
    (irrep,) = irreps(V(SO(3)))
    assert irrep(SO(3)) == irrep
    with pytest.raises(ValueError, match="which would be another, independent group"):
        irrep(O(3))


DOORS = {
    "EMLP": lambda group, a, b: EMLP(a, b, group, channels=8, n_layers=1),
    "FastEMLPRegressor": lambda group, a, b: FastEMLPRegressor(
        group, rep_in=a, rep_out=b, channels=8, n_layers=1, max_iter=1
    ).fit(*_data(a, b)),
    "EquivariantRidge": lambda group, a, b: EquivariantRidge(group, rep_in=a, rep_out=b).fit(
        *_data(a, b)
    ),
    "parse_rep": lambda group, a, b: [parse_rep("V(SO(3))+V0", group), b(group)],
}


def _data(a, b):
    rng = np.random.default_rng(0)
    size_a, size_b = ((rep if rep.is_bound else rep(SO(3))).size() for rep in (a, b))
    return rng.standard_normal((8, size_a)), rng.standard_normal((8, size_b))


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize("group", [O(3), S(3), SO13p(), Group(d=3), SL(3)], ids=repr)
@pytest.mark.parametrize(
    ("a", "b"),
    [
        (5 * Scalar + 5 * V(SO(3)), V(SO(3))),
        (V(SO(3)) + V, V),
        (V(SO(3)) * V(SO(3)), Scalar),
    ],
    ids=str,
)
def test_reps_of_another_group_than_the_one_given_are_refused(door, group, a, b):
    with pytest.raises(ValueError, match=r"is bound to SO\(3\), not to .* Write the rep unbound"):
        door(group, a, b)


@pytest.mark.parametrize("group", ["O(3)", "S(3)"])
@pytest.mark.parametrize("estimator", [FastEMLPRegressor, EquivariantRidge])
@pytest.mark.parametrize("text", ["2V(SO(3))+V0", "V(SO(3))*V(SO(3))-V", "V+V(SO(3))+V0"])
def test_texts_too(estimator, group, text):
    text = text.replace("-", "+")
    width = 7 if "+V0" in text else 12
    model = estimator(group, rep_in=text)
    with pytest.raises(ValueError, match=rf"{estimator.__name__}\.fit: rep_in: .* is bound to SO"):
        model.fit(np.eye(5, width), np.ones(5))


@pytest.mark.parametrize("estimator", [FastEMLPRegressor, EquivariantRidge])
def test_inputs_and_outputs_of_different_groups_are_refused(estimator):
    model = estimator(rep_in=2 * V(SO(3)), rep_out=V(O(3)))
    with pytest.raises(
        ValueError, match="two independent groups: nothing transforms inputs and outputs"
    ):
        model.fit(np.eye(5, 6), np.eye(5, 3))
    with pytest.raises(ValueError, match=r"equivariance_error: .* two independent groups"):
        equivariance_error(lambda x: x, V(SO(3)), V(O(3)), np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"EMLP: .* two independent groups"):
        EMLP(V(SO(3)), V(O(3)), (SO(3), O(3)), channels=Scalar, n_layers=1)


@pytest.mark.parametrize("factors", list(itertools.permutations([S(5), SO(3), Z(2)], 2)), ids=repr)
@pytest.mark.parametrize("k", [0, 1])
def test_a_group_is_not_mixed_with_a_product_that_contains_it(factors, k):
    one, other = factors
    whole, part = one * other, factors[k]
    message = r"act together, but reps take them as independent: .* In place of V\(.*\) write V\("
    for mix in (
        lambda: V(part) + V(whole),
        lambda: V(whole) * V(part),
        lambda: V(whole) >> V(part),
        lambda: (V + V(whole))(part),
        lambda: (V(part) * V + Scalar)(whole),
        lambda: EMLP(V(part), V(whole), whole, channels=8),
        lambda: equivariance_error(lambda x: x, V(part), V(whole), np.ones((2, part.d))),
    ):
        with pytest.raises(ValueError, match=message):
            mix()
    # what the message advises is the same space
    advised = V(one) * V(other)
    assert (
        equivariant_basis(advised >> advised).rank == equivariant_basis(V(whole) >> V(whole)).rank
    )
    assert equivariant_basis(V(part) >> advised).rank >= 0


@pytest.mark.parametrize("factors", list(itertools.permutations([S(4), O(3), Z(2)], 2)), ids=repr)
def test_a_declared_product_is_its_factors_to_a_network(factors):
    one, other = factors
    rep_in, rep_out = V(one) * V(other) + V(one), V(other) + Scalar
    network = EMLP(rep_in, rep_out, one * other, channels=60, n_layers=1, dtype=np.float64)
    twin = EMLP(rep_in, rep_out, factors, channels=60, n_layers=1, dtype=np.float64)
    theta = network.init(np.random.default_rng(0))
    np.testing.assert_array_equal(theta, twin.init(np.random.default_rng(0)))
    X = np.random.default_rng(1).standard_normal((4, rep_in.size()))
    error = equivariance_error(lambda x: network(theta, x), rep_in, rep_out, X)
    assert error < 1e-11
