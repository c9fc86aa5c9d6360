"""scikit-learn's own conformance suite, under groups of several kinds."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from fastemlp import EquivariantRidge, FastEMLPRegressor
from fastemlp.groups import O, Scaling, Trivial

# small networks: the checks fit some hundred models
SMALL = {
    "polynomial": None,
    "kernel": None,
    "channels": 32,
    "n_layers": 2,
    "max_iter": 100,
    "random_state": 0,
}


def ambiguous(estimator):
    """Several columns of y may be scalars or vectors under a group that acts on lines: only ``rep_out`` tells."""
    if estimator.group is None or str(estimator.group).startswith("Trivial"):
        return {}
    return {"check_regressor_multioutput": "rep_out has to say how the group acts on five columns"}


@parametrize_with_checks(
    [
        FastEMLPRegressor(**SMALL),
        FastEMLPRegressor(group=Trivial(1), **SMALL),
        FastEMLPRegressor(early_stopping=True, **SMALL),
        FastEMLPRegressor(group=O(1), **SMALL),
        EquivariantRidge(group=O(1), alphas=0.1),
        EquivariantRidge(group="O(1)", degree=3),
        EquivariantRidge(group=Scaling(1), alphas=0.1),
    ],
    expected_failed_checks=ambiguous,
)
def test_scikit_learn_check(estimator, check):
    check(estimator)
