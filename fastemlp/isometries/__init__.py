"""Orthonormal bases in factored form: operators whose columns are orthonormal, far smaller than their matrix."""

from fastemlp.isometries.base import Isometry
from fastemlp.isometries.composition import Composition
from fastemlp.isometries.dense import DenseIsometry
from fastemlp.isometries.direct_sum import DirectSumIsometry
from fastemlp.isometries.orbit import OrbitIsometry
from fastemlp.isometries.schur import Chain, Fusion, SchurIsometry

__all__ = [
    "Chain",
    "Composition",
    "DenseIsometry",
    "DirectSumIsometry",
    "Fusion",
    "Isometry",
    "OrbitIsometry",
    "SchurIsometry",
]
