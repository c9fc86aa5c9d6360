"""The general equivariant linear layer."""

import numpy as np

from fastemlp.nn.features import Images
from fastemlp.nn.orbit_maps import OrbitMaps

#: A multiply-add of a change of coordinates takes the time of this many in a matrix product.
CHANGE_COST = 4
#: A dense matrix is made anew for every step, so it has to be cheaper by this factor.
LEAST_GAIN = 1.5


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
    n_parameters : int; of both, W's first for each irreducible of the output

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

    def n_images(self, kind):
        """How many Images there are of a FeatureType."""
        found = 0
        for start, size in kind.parts:
            _, target, sources, invariants = self._path_to(start)
            found += size // target.dim * (_fan_in(sources) + invariants.shape[1])
        return found

    def images(self, kind):
        """The Images that the layer mixes a FeatureType of its output from; indices count from its first parameter."""
        maps, index = [], [np.empty((kind.mult, 0), np.intp)]
        for (start, size), rows in zip(kind.parts, kind.matrices(), strict=True):
            at, target, sources, invariants = self._path_to(start)
            d = target.dim
            copies = (start - target.start) // d + size // d * np.arange(kind.mult)[:, None]
            for c, embedding in enumerate(rows.reshape(-1, d, kind.dim)):
                first, row = at, copies + c
                for source, J in sources:
                    width = len(J) * source.mult
                    for k, unit in enumerate(J):
                        maps.append((source.start, source.mult, embedding.T @ unit))
                        index.append(first + row * width + k * source.mult + np.arange(source.mult))
                    first += target.mult * width
                for r, invariant in enumerate(invariants.T):
                    maps.append((None, 1, embedding.T @ invariant[:, None]))
                    index.append(first + r * target.mult + row)
        index = np.hstack(index)
        return Images(kind.dim, index.shape[1], tuple(maps), index)

    def _path_to(self, row):
        """The first parameter of the path that ends in a block with this row, and the path."""
        first = 0
        for target, sources, invariants in self._paths:
            if target.start <= row < target.start + target.dim * target.mult:
                return first, target, sources, invariants
            first += target.mult * (_fan_in(sources) + invariants.shape[1])

    def init(self, rng):
        """Initial parameters: unit-variance features in give unit-variance features out, irreducible by irreducible."""
        parts = []
        for target, sources, invariants in self._paths:
            fan_in = _fan_in(sources)
            parts.append(rng.standard_normal(target.mult * fan_in) / np.sqrt(max(fan_in, 1)))
            parts.append(np.zeros(target.mult * invariants.shape[1]))
        return np.concatenate([*parts, []])

    def record(self, tape, x):
        """Apply to features packed in rows x; returns the Rows of the result."""
        y = tape.rows(self.features_out.size)
        tape.sign(y, self, x)
        for target, sources, invariants in self._paths:
            out = target.packed(y)
            for run, dense in _runs(sources, target.mult):
                if dense:
                    _mix_collapsed(tape, out, x, target, run)
                else:
                    _mix_images(tape, out, x, target, *run[0])
            if invariants.shape[1]:
                tape.bias(out, invariants)
        return y

    def __repr__(self):
        return f"Linear({self.features_in.rep} -> {self.features_out.rep})"


def _fan_in(sources):
    return sum(len(J) * source.mult for source, J in sources)


def _mix_images(tape, out, x, target, source, J):
    """Add a mix of the images of the source's copies under every map J."""
    x = source.packed(x)
    if not _is_identity(J):
        size = source.mult * target.dim
        image = tape.rows(len(J) * size)
        for part, unit in zip(image.split([size] * len(J)), J, strict=True):
            tape.change(part, x, unit)
        x = image
    tape.mix(out, x, target.dim)


def _mix_collapsed(tape, out, x, target, run):
    """The same for neighbouring sources at once, by one dense matrix."""
    W = tape.collapse([(J, source.mult) for source, J in run], target.mult)
    n_in = sum(source.mult * source.dim for source, _ in run)
    tape.mix(out, x.part(run[0][0].start, n_in), 1, composed=W)


def _runs(sources, mult_out):
    """(sources, whether they collapse to a dense matrix): all neighbours that do, the others one by one."""
    found, end = [], None
    for source, J in sources:
        dense = _collapses(J, mult_out)
        if dense and found and found[-1][1] and end == source.start:
            found[-1][0].append((source, J))
        else:
            found.append(([(source, J)], dense))
        end = source.start + source.mult * source.dim
    return found


def _collapses(J, mult_out):
    """Whether a dense matrix takes less time than images under every map, sample by sample, and a mix of them."""
    if isinstance(J, OrbitMaps):
        return True
    t, _, d_in = J.shape
    mixed, dense = t * (mult_out + CHANGE_COST * d_in), d_in * mult_out
    return not _is_identity(J) and mixed > LEAST_GAIN * dense


def _is_identity(J):
    if isinstance(J, OrbitMaps) or len(J) != 1:
        return False
    # a map to fewer components may look like one: (1, 0, 0)
    return J.shape[1] == J.shape[2] and np.array_equal(J[0], np.eye(J.shape[1]))
