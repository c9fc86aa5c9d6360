"""A warning points at the line of the user that led to it, however deep in the library it was found."""

import warnings

import numpy as np
import pytest

from fastemlp import EquivariantRidge, FastEMLPRegressor, equivariant_basis
from fastemlp.groups import C, Group, S
from fastemlp.nn import EMLP, require_reach
from fastemlp.reps import Scalar, V

# turns that are fifths of a circle to seven digits only, and not said to be
FIFTHS = Group(discrete_generators=[C(5).discrete_generators[0].astype(np.float32)])
X = np.random.default_rng(0).standard_normal((20, 3))
# no symmetric function tells these pairs apart
BOTH = np.vstack([X, X[:, [1, 0, 2]]])


@pytest.mark.parametrize(
    "call",
    [
        lambda: equivariant_basis((V**5)(FIFTHS), store=False),
        lambda: EquivariantRidge(group=S(3), rep_in=V, degree=1).fit(X, X[:, 0] - X[:, 1]),
        lambda: FastEMLPRegressor(group=S(3), rep_in=V, max_iter=3).fit(
            BOTH, BOTH[:, 0] - BOTH[:, 1]
        ),
        lambda: require_reach(EMLP(V, Scalar, S(3), channels=[Scalar, Scalar, Scalar]), "here"),
    ],
)
def test_warnings_point_at_the_user(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert caught
    assert {w.filename for w in caught} == {__file__}


def test_names_of_the_papers_library_are_taken_with_a_word():
    with pytest.warns(FutureWarning, match="EMLP: ch is called channels here"):
        network = EMLP(V, V, S(3), ch=10, num_layers=1)
    assert network.n_parameters == EMLP(V, V, S(3), channels=10, n_layers=1).n_parameters
    with pytest.raises(TypeError, match="EMLP: ch is called channels here; got both"):
        EMLP(V, V, S(3), ch=10, channels=20)
