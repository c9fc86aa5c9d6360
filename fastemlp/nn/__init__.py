"""Equivariant networks in plain numpy, with hand-written backward passes.

A layer is a frozen description: ``init(rng) -> params``, ``forward(params, x) -> (y, backward)`` and
``backward(dy) -> (dx, grads)`` with grads laid out like params. Activations are packed (see ``Features``).
"""

from fastemlp.nn.alphabet import Alphabet
from fastemlp.nn.bilinear import BiLinear
from fastemlp.nn.features import Features, FeatureType
from fastemlp.nn.gate import Gate, gated_rep
from fastemlp.nn.linear import Linear
from fastemlp.nn.network import EMLP, MLP, EMLPBlock, Network

__all__ = [
    "EMLP",
    "MLP",
    "Alphabet",
    "BiLinear",
    "EMLPBlock",
    "FeatureType",
    "Features",
    "Gate",
    "Linear",
    "Network",
    "gated_rep",
]
