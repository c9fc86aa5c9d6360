"""scikit-learn's own conformance suite, with no expected failures."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from fastemlp import FastEMLPRegressor
from fastemlp.groups import Trivial

# small networks: the checks fit some hundred models
SMALL = {"channels": 32, "n_layers": 2, "max_iter": 100, "random_state": 0}


@parametrize_with_checks(
    [
        FastEMLPRegressor(**SMALL),
        FastEMLPRegressor(group=Trivial(1), **SMALL),
        FastEMLPRegressor(early_stopping=True, **SMALL),
    ]
)
def test_scikit_learn_check(estimator, check):
    check(estimator)
