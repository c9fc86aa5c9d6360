"""The scikit-learn face of the library."""

from fastemlp.estimators.regressor import FastEMLPRegressor
from fastemlp.estimators.ridge import EquivariantRidge

__all__ = ["EquivariantRidge", "FastEMLPRegressor"]
