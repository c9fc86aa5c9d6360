"""The general equivariant linear layer."""

import numpy as np


class Linear:
    """``y = W x + b`` with W in the space of equivariant maps and b among the invariants.

    Parameters
    ----------
    features_in, features_out : Features of one Alphabet
    bias : bool

    Attributes
    ----------
    n_coefficients : int; free parameters of W, the rank of ``rep_in >> rep_out``
    n_bias : int; the rank of ``rep_out``
    n_parameters : int; of both, W's first for each letter of the output

    Notes
    -----
    By Schur's lemma W is one matrix over multiplicities per irreducible λ, applied to each of its components: cost
    2·Σ d_λ·mult_in·mult_out flops a sample. A letter of complex or quaternionic type offers its copies once more under
    each imaginary unit. Finzi et al. 2021, §6, for the space; the isotypic form is ours.
    """

    def __init__(self, features_in, features_out, bias=True):
        self.features_in = features_in
        self.features_out = features_out
        alphabet = features_out.alphabet
        # by block of the output: what it is mixed from, and its invariants
        self._paths = []
        self.n_coefficients = self.n_bias = 0
        for target in features_out.blocks:
            sources = [(s, alphabet.maps(s.letter, target.letter)) for s in features_in.blocks]
            sources = [(source, J) for source, J in sources if len(J)]
            invariants = alphabet.invariants(target.letter) if bias else np.zeros((target.dim, 0))
            self._paths.append((target, sources, invariants))
            self.n_coefficients += target.mult * _fan_in(sources)
            self.n_bias += target.mult * invariants.shape[1]
        self.n_parameters = self.n_coefficients + self.n_bias

    def init(self, rng):
        """Initial parameters: unit-variance features in give unit-variance features out, letter by letter."""
        parts = []
        for target, sources, invariants in self._paths:
            fan_in = _fan_in(sources)
            parts.append(rng.standard_normal(target.mult * fan_in) / np.sqrt(max(fan_in, 1)))
            parts.append(np.zeros(target.mult * invariants.shape[1]))
        return np.concatenate([*parts, []])

    def record(self, tape, x):
        """Apply to features packed from row x on; returns the first row of the result."""
        y = tape.rows(self.features_out.size)
        for target, sources, invariants in self._paths:
            out = y + target.start
            for source, J in sources:
                rows = x + source.start
                if not _is_identity(J):
                    image = tape.rows(J.shape[0] * source.mult * target.dim)
                    for k, unit in enumerate(J):
                        first = image + k * source.mult * target.dim
                        tape.change(first, rows, unit, source.mult)
                    rows = image
                tape.mix(out, rows, target.mult, len(J) * source.mult, target.dim)
            if invariants.shape[1]:
                tape.bias(out, invariants, target.mult)
        return y

    def __repr__(self):
        return f"Linear({self.features_in.rep} -> {self.features_out.rep})"


def _fan_in(sources):
    return sum(len(J) * source.mult for source, J in sources)


def _is_identity(J):
    return len(J) == 1 and np.array_equal(J[0], np.eye(*J[0].shape))
