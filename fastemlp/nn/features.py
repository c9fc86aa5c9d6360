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

    def packed(self, x):
        """Its Rows among features packed in rows x."""
        return x.part(self.start, self.mult * self.dim)


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
        """Rows of its own coordinates (mult, dim), for features packed in rows x."""
        parts = self.packed(x)
        if self.is_plain:
            return parts[0]
        out = tape.rows(self.mult * self.dim)
        for part, matrix in zip(parts, self.matrices(), strict=True):
            tape.change(out, part, matrix.T)
        return out

    def packed(self, x):
        """For each part its Rows among features packed in rows x."""
        return [x.part(start, d * self.mult) for start, d in self.parts]

    def room(self, tape, x):
        """Rows where its own coordinates are to be written for ``add``."""
        return self.packed(x)[0] if self.is_plain else tape.rows(self.mult * self.dim)

    def add(self, tape, x, natural):
        """Add what was written to its ``room`` to features packed in rows x."""
        if not self.is_plain:
            for part, matrix in zip(self.packed(x), self.matrices(), strict=True):
                tape.change(part, natural, matrix)

    def matrices(self):
        """For each part the map of shape (d, dim) from its own coordinates."""
        U = np.eye(self.dim) if self.U is None else self.U
        return np.split(U, np.cumsum([d for _, d in self.parts])[:-1])


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
        x : Rows; the packed form
        columns : ndarray of int; which of natural order each row that is filled holds
        """
        x = tape.rows(self.size)
        for kind in self.types:
            given = kind.room(tape, x)
            tape.feed(given)
            kind.add(tape, x, given)
        return x, self._columns()

    def write(self, tape, x):
        """Row by row of natural coordinates, for features packed in rows x, and the column that each of them is."""
        found = [
            np.arange(start, start + n) for start, n in (k.natural(tape, x) for k in self.types)
        ]
        return np.concatenate([*found, []]).astype(np.intp), self._columns()

    def find(self, rep):
        """The FeatureType of a rep, or None."""
        return next((t for t in self.types if t.rep == rep), None)

    @property
    def pointwise(self):
        """The irreducibles of scalars and permutation types, on which functions act component by component."""
        types = [kind.rep for kind in self.types if kind.rep.is_permutation]
        return {i for rep in types for i, *_ in self.coordinates.split(rep).parts}

    def _columns(self):
        return np.concatenate([*(kind.index.ravel() for kind in self.types), []]).astype(np.intp)

    def __repr__(self):
        return f"Features({self.rep})"
