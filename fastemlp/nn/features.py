"""Packed features: how a layer's activations lie in memory."""

from dataclasses import dataclass

import numpy as np

from fastemlp.reps import Rep, terms


@dataclass(frozen=True)
class Block:
    """All copies of one letter among some features.

    Attributes
    ----------
    letter : int
    dim, mult : int; size of the letter and number of copies
    start : int; first packed row
    """

    letter: int
    dim: int
    mult: int
    start: int

    @property
    def rows(self):
        """The packed rows of this block, a slice of length dim·mult."""
        return slice(self.start, self.start + self.dim * self.mult)

    def view(self, x):
        """Packed x of shape (size, batch) seen as this block's (dim, mult, batch)."""
        return x[self.rows].reshape(self.dim, self.mult, -1)


@dataclass(frozen=True, eq=False)
class FeatureType:
    """One tensor type among some features.

    Attributes
    ----------
    rep : Rep; the type
    dim, mult : int; size of the type and number of copies
    parts : tuple of (Block, first, m); the type's copies take columns ``first`` to ``first + m·mult`` of the block,
        copies of the letter slowest
    U : ndarray (dim, dim) or None; see ``Split``
    index : ndarray of int (mult, dim); where its coordinates lie in natural order
    """

    rep: Rep
    dim: int
    mult: int
    parts: tuple
    U: np.ndarray | None
    index: np.ndarray

    def natural(self, x):
        """The type's own coordinates of packed x, ndarray (dim, mult, batch); a view where nothing is to be done."""
        pieces = [self._piece(x, part) for part in self.parts]
        if len(pieces) == 1 and self.U is None and len(pieces[0]) == 1:
            return pieces[0][0]
        rows = np.concatenate([p.reshape(-1, self.mult, p.shape[-1]) for p in pieces])
        if self.U is None:
            return rows
        return (self.U.T @ rows.reshape(self.dim, -1)).reshape(rows.shape)

    def add_natural(self, x, v):
        """Add the type's own coordinates v, (dim, mult, batch), to packed x."""
        batch = v.shape[-1]
        rows = v if self.U is None else self.U @ np.ascontiguousarray(v).reshape(self.dim, -1)
        rows = rows.reshape(self.dim, self.mult, batch)
        start = 0
        for part in self.parts:
            piece = self._piece(x, part)
            stop = start + piece.shape[0] * piece.shape[1]
            piece += rows[start:stop].reshape(piece.shape)
            start = stop

    def slices(self, x):
        """Views (d, m, mult, batch) of packed x, one per letter of the type."""
        return [self._piece(x, part).swapaxes(0, 1) for part in self.parts]

    def _piece(self, x, part):
        """The view (m, d, mult, batch) of one part."""
        block, first, m = part
        found = block.view(x)[:, first : first + m * self.mult]
        return found.reshape(block.dim, m, self.mult, -1).swapaxes(0, 1)


class Features:
    """The features ``U = ⊕ n_k τ_k`` of a layer: packed by letter, component, copy and sample, the sample fastest.

    With samples fastest every elementwise pass runs over contiguous memory, an equivariant linear map is one matrix
    product per component of a letter, and nothing is ever transposed between layers.

    Parameters
    ----------
    rep : Rep, bound
    alphabet : Alphabet that knows its types
    dtype : float32 or float64; of the matrices that pack

    Attributes
    ----------
    types : tuple of FeatureType; distinct types in canonical order, scalars first
    blocks : tuple of Block; letters ascending
    """

    def __init__(self, rep, alphabet, dtype=np.float32):
        self.rep = rep
        self.alphabet = alphabet
        self.dtype = np.dtype(dtype)
        self.size = rep.size()
        canonical, perm = rep.canonical()
        perm = np.arange(self.size) if perm is None else perm
        mults, dims = {}, {}
        types, start = [], 0
        for term, mult in terms(canonical):
            split = alphabet.split(term)
            parts = []
            for letter, d, m in split.parts:
                first = mults.get(letter, 0)
                parts.append((letter, first, m))
                mults[letter] = first + m * mult
                dims[letter] = d
            stop = start + term.size() * mult
            types.append((term, mult, parts, split.U, perm[start:stop].reshape(mult, -1)))
            start = stop
        blocks, start = {}, 0
        for letter in sorted(mults):
            blocks[letter] = Block(letter, dims[letter], mults[letter], start)
            start += dims[letter] * mults[letter]
        self.blocks = tuple(blocks.values())
        self.types = tuple(
            FeatureType(
                term,
                term.size(),
                mult,
                tuple((blocks[letter], first, m) for letter, first, m in parts),
                None if U is None else np.ascontiguousarray(U, self.dtype),
                index,
            )
            for term, mult, parts, U, index in types
        )

    def pack(self, x):
        """Natural order (batch, size) to packed (size, batch)."""
        out = np.zeros((self.size, len(x)), self.dtype)
        for kind in self.types:
            kind.add_natural(out, x.T[kind.index.T.ravel()].reshape(kind.dim, kind.mult, len(x)))
        return out

    def unpack(self, x):
        """Packed (size, batch) back to natural order (batch, size)."""
        out = np.empty((x.shape[1], self.size), x.dtype)
        for kind in self.types:
            out[:, kind.index.T.ravel()] = kind.natural(x).reshape(-1, x.shape[1]).T
        return out

    def find(self, rep):
        """The FeatureType of a rep, or None."""
        return next((t for t in self.types if t.rep == rep), None)

    def __repr__(self):
        return f"Features({self.rep})"
