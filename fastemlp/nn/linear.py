"""The general equivariant linear layer."""

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
    dense matrix, once for all samples. Finzi et al. 2021, §6, for the space; the isotypic form is ours.
    """

    def __init__(self, features_in, features_out, bias=True):
        self.features_in = features_in
        self.features_out = features_out
        coordinates = features_out.coordinates
        # by block of the output: what it is mixed from, and its invariants
        self._paths = []
        self.n_coefficients = self.n_bias = 0
        for target in features_out.blocks:
            sources = [
                (s, coordinates.maps(s.irreducible, target.irreducible)) for s in features_in.blocks
            ]
            sources = [(source, J) for source, J in sources if len(J)]
            invariants = (
                coordinates.invariants(target.irreducible) if bias else np.zeros((target.dim, 0))
            )
            self._paths.append((target, sources, invariants))
            self.n_coefficients += target.mult * _fan_in(sources)
            self.n_bias += target.mult * invariants.shape[1]
        self.n_parameters = self.n_coefficients + self.n_bias

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

    def __repr__(self):
        return f"Linear({self.features_in.rep} -> {self.features_out.rep})"


def _fan_in(sources):
    return sum(len(J) * source.mult for source, J in sources)
