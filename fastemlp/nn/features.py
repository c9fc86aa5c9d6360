"""Features: how a layer's activations lie in rows."""

from dataclasses import dataclass

import numpy as np

from fastemlp.reps import Rep, terms


@dataclass(frozen=True)
class Block:
    """All copies of one irreducible among some features.

    Attributes
    ----------
    irreducible : int
    dim, mult : int; size of the irreducible and number of copies
    start : int; first packed row
    """

    irreducible: int
    dim: int
    mult: int
    start: int


@dataclass(frozen=True, eq=False)
class FeatureType:
    """One tensor type among some features.

    Attributes
    ----------
    rep : Rep; the type
    dim, mult : int; size of the type and number of copies
    parts : tuple of (start, d); the irreducibles it is made of: packed rows ``start`` to ``start + d·mult`` hold, copy
        by copy, all its copies of one irreducible
    U : ndarray (dim, dim) or None; from its own coordinates to its irreducibles, see ``Split``
    index : ndarray of int (mult, dim); where its coordinates lie in natural order
    """

    rep: Rep
    dim: int
    mult: int
    parts: tuple
    U: np.ndarray | None
    index: np.ndarray

    @property
    def is_plain(self):
        """Whether its packed rows are its own coordinates, copy by copy."""
        return self.U is None and len(self.parts) == 1

    def natural(self, tape, x):
        """The first row of its own coordinates (mult, dim), for features packed from row x on."""
        if self.is_plain:
            return x + self.parts[0][0]
        out = tape.rows(self.mult * self.dim)
        for (start, _), rows in zip(self.parts, self.matrices(), strict=True):
            tape.change(out, x + start, rows.T, self.mult)
        return out

    def room(self, tape, x):
        """The first row of where its own coordinates are to be written for ``add``."""
        return x + self.parts[0][0] if self.is_plain else tape.rows(self.mult * self.dim)

    def add(self, tape, x, natural):
        """Add what was written to its ``room`` to features packed from row x on."""
        if not self.is_plain:
            for (start, _), rows in zip(self.parts, self.matrices(), strict=True):
                tape.change(x + start, natural, rows, self.mult)

    def matrices(self):
        """For each part the map of shape (d, dim) from its own coordinates."""
        U = np.eye(self.dim) if self.U is None else self.U
        return np.split(U, np.cumsum([d for _, d in self.parts])[:-1])


@dataclass(frozen=True, eq=False)
class Images:
    """What a linear layer mixes the copies of one type from, as objects of that type.

    Attributes
    ----------
    dim, mult : int; size of the type and number of images
    maps : tuple of (start, m, M); ``m`` copies of the layer's input from packed row ``start`` on, and the map M of
        shape (dim, d) of each. A start of None stands for the number 1, which biases multiply.
    index : ndarray of int (copies of the type, mult); which of the layer's parameters is the share that each copy has
        of each image
    """

    dim: int
    mult: int
    maps: tuple
    index: np.ndarray

    def natural(self, tape, x):
        """The first row of the images (mult, dim), for a layer that reads features packed from row x on."""
        sources = [_ones(tape) if start is None else x + start for start, _, _ in self.maps]
        if len(self.maps) == 1 and np.array_equal(self.maps[0][2], np.eye(self.dim)):
            return sources[0]
        out = first = tape.rows(self.mult * self.dim)
        for source, (_, m, M) in zip(sources, self.maps, strict=True):
            tape.change(first, source, M, m)
            first += m * self.dim
        return out


def _ones(tape):
    row = tape.rows(1)
    tape.ones(row, 1)
    return row


class Features:
    """The features ``U = ⊕ n_k τ_k`` of a layer: rows by irreducible, then copy, then component.

    Parameters
    ----------
    rep : Rep, bound
    coordinates : Coordinates that know its types

    Attributes
    ----------
    types : tuple of FeatureType; distinct types in canonical order, scalars first
    blocks : tuple of Block; irreducibles ascending
    """

    def __init__(self, rep, coordinates):
        self.rep = rep
        self.coordinates = coordinates
        self.size = rep.size()
        canonical, perm = rep.canonical()
        perm = np.arange(self.size) if perm is None else perm
        found = [(term, mult, coordinates.split(term)) for term, mult in terms(canonical)]
        mults, dims = {}, {}
        for _, mult, split in found:
            for irreducible, d, m in split.parts:
                mults[irreducible] = mults.get(irreducible, 0) + m * mult
                dims[irreducible] = d
        blocks, start = [], 0
        for irreducible in sorted(mults):
            blocks.append(Block(irreducible, dims[irreducible], mults[irreducible], start))
            start += dims[irreducible] * mults[irreducible]
        self.blocks = tuple(blocks)
        types, start = [], 0
        free = {block.irreducible: block.start for block in blocks}
        for term, mult, split in found:
            parts = []
            for irreducible, d, m in split.parts:
                parts.append((free[irreducible], m * d))
                free[irreducible] += m * d * mult
            stop = start + term.size() * mult
            index = perm[start:stop].reshape(mult, -1)
            types.append(FeatureType(term, term.size(), mult, tuple(parts), split.U, index))
            start = stop
        self.types = tuple(types)

    def read(self, tape):
        """Rows for features in natural order, filled from outside, and their packed form.

        Returns
        -------
        x : int; first packed row
        columns : ndarray of int; which of natural order each row that is filled holds
        """
        x = tape.rows(self.size)
        for kind in self.types:
            given = kind.room(tape, x)
            tape.feed(given, kind.index.size)
            kind.add(tape, x, given)
        return x, self._columns()

    def write(self, tape, x):
        """Rows of features packed from row x on, as natural coordinates, and the column that each of them is."""
        rows = [kind.natural(tape, x) + np.arange(kind.index.size) for kind in self.types]
        return np.concatenate([*rows, []]).astype(np.intp), self._columns()

    def find(self, rep):
        """The FeatureType of a rep, or None."""
        return next((t for t in self.types if t.rep == rep), None)

    def _columns(self):
        return np.concatenate([*(kind.index.ravel() for kind in self.types), []]).astype(np.intp)

    def __repr__(self):
        return f"Features({self.rep})"
