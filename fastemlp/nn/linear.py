"""The general equivariant linear layer."""

from functools import cached_property

import numpy as np


class Linear:
    """``y = W x + b`` with W in the space of equivariant maps and b among the invariants.

    Parameters
    ----------
    features_in, features_out : Features in the same Coordinates
    bias : bool

    Attributes
    ----------
    n_coefficients : int; free parameters of W, the rank of ``rep_in >> rep_out``
    n_bias : int; the rank of ``rep_out``
    n_parameters : int; of both

    Notes
    -----
    By Schur's lemma W is one matrix over multiplicities per irreducible λ, applied to each of its components: cost
    2·Σ d_λ·mult_in·mult_out flops a sample. An irreducible of complex or quaternionic type offers its copies once more
    under each imaginary unit, and types that stand for themselves may have more maps between them than components:
    where a mix of the images under all maps is dearer, as it is with few copies or many maps, it is collapsed to a
    dense matrix, once for all samples. Maps between large permutation types go by way of smaller ones (``Routes``).
    Finzi et al. 2021, §6, for the space; the isotypic form is ours.
    """

    def __init__(self, features_in, features_out, bias=True):
        self.features_in = features_in
        self.features_out = features_out
        self._has_bias = bias
        self.n_coefficients = sum(t.mult * _fan_in(sources) for t, sources, _ in self._paths)
        self.n_bias = sum(t.mult * invariants.shape[1] for t, _, invariants in self._paths)
        self.n_parameters = self.n_coefficients + self.n_bias

    @cached_property
    def _paths(self):
        """By block of the output: what it is mixed from, and its invariants."""
        coordinates, paths = self.features_out.coordinates, []
        for target in self.features_out.blocks:
            k = target.irreducible
            sources = [(s, coordinates.maps(s.irreducible, k)) for s in self.features_in.blocks]
            sources = [(source, J) for source, J in sources if len(J)]
            invariants = coordinates.invariants(k) if self._has_bias else np.zeros((target.dim, 0))
            paths.append((target, sources, invariants))
        return paths

    def reached(self, live):
        """The irreducibles of the output that can move where those of the input in ``live`` can."""
        return {
            target.irreducible
            for target, sources, invariants in self._paths
            if invariants.shape[1] or any(source.irreducible in live for source, _ in sources)
        }

    def record(self, tape, x):
        """Apply to features packed in rows x; returns the Rows of the result, at unit scale if x are."""
        y = tape.rows(self.features_out.size)
        for target, sources, invariants in self._paths:
            maps = [(source.packed(x), J) for source, J in sources]
            # unit-variance features in give unit-variance features out, irreducible by irreducible
            std = max(_fan_in(sources), 1) ** -0.5
            tape.mixture(target.packed(y), maps, invariants, std)
        return y

    def __getstate__(self):
        # the program has what it needs of the maps
        return {name: x for name, x in self.__dict__.items() if name != "_paths"}

    def __repr__(self):
        return f"Linear({self.features_in.rep} -> {self.features_out.rep})"


def _fan_in(sources):
    return sum(len(J) * source.mult for source, J in sources)
