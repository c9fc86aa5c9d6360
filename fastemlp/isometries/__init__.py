"""Orthonormal bases in factored form: operators with orthonormal columns that take far less memory than a matrix."""

from fastemlp.isometries.base import Isometry
from fastemlp.isometries.composition import Composition
from fastemlp.isometries.dense import DenseIsometry
from fastemlp.isometries.direct_sum import DirectSumIsometry
from fastemlp.isometries.orbit import OrbitIsometry

__all__ = [
    "Composition",
    "DenseIsometry",
    "DirectSumIsometry",
    "Isometry",
    "OrbitIsometry",
]
