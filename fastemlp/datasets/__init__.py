"""Synthetic regression tasks whose targets are exactly equivariant."""

from fastemlp.datasets._task import TaskSpec
from fastemlp.datasets.inertia import make_inertia
from fastemlp.datasets.o5 import make_o5_synthetic
from fastemlp.datasets.particle import make_particle_interaction

__all__ = ["TaskSpec", "make_inertia", "make_o5_synthetic", "make_particle_interaction"]
