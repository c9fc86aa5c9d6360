"""Products of features with each other: every equivariant bilinear map between their irreducibles."""

from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, product

import numpy as np

from fastemlp.nn.features import Block

#: Products of two irreducibles that have more components than this are left out.
LARGEST = 600
#: A multiply-add of the loop over samples takes the time of this many in a matrix product.
LOOP_COST = 4
#: What all products of a layer cost, beside a linear layer between the same features.
BUDGET = 1.5


@dataclass(frozen=True, eq=False)
class _Path:
    """Products in a third irreducible: copies of the second, from ``start`` on, each with a copy of the first.

    Attributes
    ----------
    first, second, target : Block
    T : ndarray (t·d_target, d_second·d_first); t bilinear maps, of unit rows
    n, start, shift : int
        Number of products, the first copy of the second, and how far from it that of the first is, cyclically.
    """

    first: Block
    second: Block
    target: Block
    T: np.ndarray
    n: int = 0
    start: int = 0
    shift: int = 0

    @property
    def irreducibles(self):
        """Of the first, the second and the target."""
        return self.first.irreducible, self.second.irreducible, self.target.irreducible

    @property
    def most(self):
        """Number of products without the same copy of the first in two."""
        return min(self.first.mult, self.second.mult)

    @property
    def size(self):
        """Components of the outer product of two copies."""
        return self.first.dim * self.second.dim

    @property
    def acts(self):
        """Whether the first is turned to maps of the second, as is cheaper for few components, or both multiplied."""
        return len(self.T) <= self.first.dim

    @property
    def scales(self):
        """Whether it is a number times the second."""
        return self.first.dim == 1 and np.array_equal(self.T, np.eye(len(self.T)))

    @property
    def cost(self):
        """Multiply-adds of one product for one sample, those of loops counted by their time."""
        looped = len(self.T) * self.second.dim if self.acts else self.size
        return LOOP_COST * looped + len(self.T) * (self.size + self.target.mult)

    @property
    def shifts(self):
        """Those with which no two products are of the same copies."""
        n = self.first.mult
        if self.first is not self.second:
            return range(n)
        # there and back are the same; without a shift it would be squares alone
        return range(1, n // 2 + 1) if n > 1 else range(1)

    @property
    def factors(self):
        """What the outer product depends on."""
        return self.first, self.second, self.n, self.start, self.shift

    def record(self, tape, x, out, outer):
        """Write the products to rows out; ``outer`` holds the outer products of before, by their factors."""
        left, right = self.first.packed(x), self.second.packed(x)
        right = right.part(self.start * self.second.dim, self.n * self.second.dim)
        copies = (self.start + self.shift + np.arange(self.n)) % self.first.mult
        if self.acts:
            maps = tape.rows(self.first.mult * len(self.T) * self.second.dim)
            tape.change(maps, left, self.T.reshape(-1, self.first.dim))
            entry = np.arange(len(self.T) * self.second.dim).reshape(len(self.T), -1)
            tape.contract(out, maps, right, copies=copies, entry=entry, apart=True, own=True)
            return
        if self.scales:
            tape.outer(out, left, right, copies=copies, size=1)
            return
        if self.factors not in outer:
            outer[self.factors] = tape.rows(self.n * self.size)
            tape.outer(outer[self.factors], left, right, copies=copies, size=self.first.dim)
        tape.change(out, outer[self.factors], self.T)


class BiLinear:
    """``y_k = Σ w · T(x_i, x_j)`` over the equivariant bilinear maps T of all irreducibles i, j to all k.

    Parameters
    ----------
    features_in, features_out : Features in the same Coordinates
    rng : numpy Generator; draws which copies are multiplied
    shortcut_gain : float, optional
        ``y_k = x_k + gain · Σ w · T(x_i, x_j)`` instead, between features that are the same.
    live : set of int, optional; the irreducibles that are not always zero, default all

    Attributes
    ----------
    paths : tuple; of which irreducibles copies are multiplied, and where the products go
    made : set of (int, int, int); the irreducibles of two factors and of their product, for every path
    reached : set of int; the irreducibles that products reach
    n_parameters : int; a weight for every output copy and every product

    Notes
    -----
    Of two irreducibles as many copies are multiplied, each with another, as the one of which there are fewer has; the
    copies are mixtures, so that their products are a quadratic form of that rank. As long as all cost no more than
    ``BUDGET`` linear layers, every path has a product; invariants and then small irreducibles have more, until each
    copy has met all others. Two scalars are not multiplied: gates do that. The bilinear layer of Finzi et al. 2021, §6,
    has contractions of tensors alone.
    """

    def __init__(self, features_in, features_out, rng, shortcut_gain=None, live=None):
        self.features_in = features_in
        self.features_out = features_out
        self.shortcut_gain, self.live = shortcut_gain, live
        read = [block for block in features_in.blocks if live is None or block.irreducible in live]
        budget = BUDGET * _linear_cost(features_in, features_out)
        self.paths = tuple(_chosen(_paths(read, features_out), budget, rng))
        self.made = {path.irreducibles for path in self.paths}
        self.reached = {target for *_, target in self.made}
        self.n_parameters = sum(
            path.n * len(path.T) // path.target.dim * path.target.mult for path in self.paths
        )

    def record(self, tape, x):
        """Apply to features packed in rows x; returns the Rows of the result, at unit scale if x are."""
        shortcut = self.shortcut_gain is not None
        if shortcut and not self.paths:
            return x
        out = tape.rows(self.features_out.size)
        if shortcut:
            tape.copy(out, x)
        by_target, outer = {}, {}
        for path in self.paths:
            by_target.setdefault(path.target, []).append(path)
        for target, paths in by_target.items():
            sizes = [path.n * len(path.T) for path in paths]
            products = tape.rows(sum(sizes))
            for path, rows in zip(paths, products.split(sizes), strict=True):
                path.record(tape, x, rows, outer)
            # what nothing else moves is at unit scale by itself
            alone = self.live is not None and target.irreducible not in self.live
            gain = self.shortcut_gain if shortcut and not alone else 1.0
            tape.mix(target.packed(out), products, target.dim, gain)
        return out

    def __repr__(self):
        return f"BiLinear({self.features_in.rep} -> {self.features_out.rep})"


def products(features):
    """All products of two irreducibles of some features that could be made: set of (int, int, int)."""
    return {path.irreducibles for path in _paths(features.blocks, features)}


def _paths(blocks, features_out):
    """All paths from some blocks, without products yet, those of small factors first."""
    targets = {block.irreducible: block for block in features_out.blocks}
    pairs = [
        (a, b)
        for a, b in combinations_with_replacement(blocks, 2)
        if a.dim * b.dim <= LARGEST and b.irreducible
    ]
    numbers = [(a.irreducible, b.irreducible) for a, b in pairs]
    maps = features_out.coordinates.couplings(numbers, targets)
    paths = [
        # of an outer product, component (j, i) is that of the second and the first
        _Path(a, b, targets[k], T.swapaxes(2, 3).reshape(-1, a.dim * b.dim))
        for (a, b), pair in zip(pairs, numbers, strict=True)
        for k, T in maps[pair].items()
    ]
    return sorted(paths, key=lambda path: (path.size, len(path.T)))


def _linear_cost(features_in, features_out):
    targets = {block.irreducible: block for block in features_out.blocks}
    return sum(
        block.mult * block.dim * targets[block.irreducible].mult
        for block in features_in.blocks
        if block.irreducible in targets
    )


def _chosen(paths, budget, rng):
    """Paths with products, one each at least, that cost about so much together."""
    kept, reached, least = set(), set(), 0
    for path in sorted(paths, key=lambda path: path.cost):
        if least + path.cost <= budget / 2 or path.target not in reached:
            kept.add(path)
            reached.add(path.target)
            least += path.cost
    left = max(budget - least, 0)
    paths = [path for path in paths if path in kept]
    # the same for all that share an outer product
    shifts = {(path.first, path.second): rng.permutation(path.shifts) for path in paths}
    starts = {}
    n_turns = max(map(len, shifts.values()), default=0)
    invariants = [path for path in paths if not path.target.irreducible]
    others = [path for path in paths if path.target.irreducible]
    # invariants feed everything: they come first, with half of what is left
    for some, spare in ((invariants, left / 2), (others, 0)):
        for turn, path in product(range(n_turns), some):
            pair, paid = (path.first, path.second), int(turn == 0)
            n = min(path.most, paid + int(max(left - spare, 0) // path.cost))
            if turn >= len(shifts[pair]) or not n:
                continue
            left -= (n - paid) * path.cost
            if (pair, turn, n) not in starts:
                starts[pair, turn, n] = int(rng.integers(path.second.mult - n + 1))
            yield replace(path, n=n, start=starts[pair, turn, n], shift=int(shifts[pair][turn]))
