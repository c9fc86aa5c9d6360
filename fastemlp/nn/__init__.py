"""Equivariant networks on a tape of a few operations, with hand-written backward and tangent passes.

A layer is a frozen description: ``record(tape, x)`` writes down what it does, ``tape.fusion`` in which form. A
``Network`` runs what its layers recorded: ``forward(theta, x) -> (y, backward)``, ``backward(dy) -> (dx, dtheta)``.
"""

from fastemlp.nn.bilinear import BiLinear
from fastemlp.nn.coordinates import Coordinates
from fastemlp.nn.explain import explain_model
from fastemlp.nn.expressiveness import Expressiveness, expressiveness
from fastemlp.nn.features import Features, FeatureType
from fastemlp.nn.gate import Gate, gated_rep
from fastemlp.nn.hidden import derived_rep
from fastemlp.nn.linear import Linear
from fastemlp.nn.network import EMLP, MLP, EMLPBlock, Network, Workspace, network_ends
from fastemlp.nn.reach import Reach, reach, require_reach
from fastemlp.nn.universality import universality

__all__ = [
    "EMLP",
    "MLP",
    "BiLinear",
    "Coordinates",
    "EMLPBlock",
    "Expressiveness",
    "FeatureType",
    "Features",
    "Gate",
    "Linear",
    "Network",
    "Reach",
    "Workspace",
    "derived_rep",
    "explain_model",
    "expressiveness",
    "gated_rep",
    "network_ends",
    "reach",
    "require_reach",
    "universality",
]
