"""Invariants as coordinates for kernels and functions: side by side, scaled, and what exchanges them."""

from dataclasses import dataclass, replace

import numpy as np

#: Powers of coordinates that a group exchanges.
MOMENTS = (1, 2, 3, 4)
#: An invariant varies if its spread is more than this share of its mean; less may be roundoff of inputs.
VARIES = 1e-6
#: Values that are kept in the range of training may leave it by this share of it.
ROOM = 0.1


@dataclass(frozen=True)
class Invariants:
    """Invariants side by side, each divided by its scale.

    Attributes
    ----------
    name : str; what they are, for people
    pieces : tuple
    orbits : tuple of int arrays
        Coordinates that finite groups exchange, of those together that are invariant under the others alone.
    summary : {None, "sorted", "moments"}
        What makes invariants of those of an orbit: they are sorted, or their moments taken, up to ``MOMENTS``.
    scale : ndarray of shape (p,)
    joint : tuple of int arrays (m, k)
        The arguments of functions of k coordinates that are summed over m terms.
    bounds : pair of ndarrays of shape (p,), or None
        What is less or more is taken for these.
    """

    name: str
    pieces: tuple
    orbits: tuple = ()
    summary: str | None = None
    scale: np.ndarray | float = 1.0
    joint: tuple = ()
    bounds: tuple | None = None

    def __call__(self, X):
        """Their values: ndarray of shape (n, p)."""
        # samples side by side: loops over them are long, and a column is one run of memory
        X = np.asfortranarray(X)
        u = np.concatenate([piece(X).T for piece in self.pieces])
        if self.summary == "moments":
            moments = [np.mean(u[orbit] ** k, axis=0) for orbit in self.orbits for k in MOMENTS]
            u = np.stack(moments)
        elif self.summary == "sorted":
            for orbit in self.orbits:
                u[orbit] = np.sort(u[orbit], axis=0)
        u /= np.reshape(self.scale, (-1, 1))
        if self.bounds is not None:
            kept = np.clip(u.real, *(bound[:, None] for bound in self.bounds))
            u = np.where(kept == u.real, u, kept)
        return u.T

    def only(self, kept):
        """Those that ``kept`` says, bool ndarray (p,), and what is computed with them; to be called when scaled.

        Returns
        -------
        Invariants
        kept : bool ndarray (p,); which these are
        """
        orbits, labels = self.orbits, [piece.together for piece in self.pieces]
        raw = kept
        if self.summary == "moments":
            kept = np.repeat(kept.reshape(len(orbits), -1).any(axis=1), len(MOMENTS))
            orbits = [o for o, some in zip(orbits, kept[:: len(MOMENTS)], strict=True) if some]
            raw = np.zeros(sum(map(len, labels)), bool)
            raw[np.concatenate(orbits)] = True
        elif self.summary == "sorted":
            raw = kept.copy()
            for orbit in orbits:
                raw[orbit] = kept[orbit].any()
        elif self.joint:
            raw = kept.copy()
            for terms in self.joint:
                raw[terms] = kept[terms].any()
        pieces, first, found = [], 0, []
        for piece, label in zip(self.pieces, labels, strict=True):
            some = np.bincount(label, raw[first : first + len(label)]) > 0
            if some.any():
                pieces.append(piece.only(some))
            found.append(some[label])
            first += len(label)
        raw = np.concatenate(found)
        place = np.cumsum(raw) - 1
        orbits = tuple(place[o[raw[o]]] for o in orbits if raw[o].any())
        joint = tuple(place[terms] for terms in self.joint if raw[terms].all())
        kept = kept if self.summary == "moments" else raw
        found = replace(
            self, pieces=tuple(pieces), orbits=orbits, scale=self.scale[kept], joint=joint
        )
        if self.bounds is not None:
            found = replace(found, bounds=tuple(bound[kept] for bound in self.bounds))
        return found, kept

    def jacobian(self, X):
        """Their derivatives in X: ndarray of shape (n, p, n_in)."""
        J = np.concatenate([piece.jacobian(X) for piece in self.pieces], axis=1)
        if self.summary:
            u = np.hstack([piece(X) for piece in self.pieces])
        if self.summary == "moments":
            slopes = [(k * u[:, orbit] ** (k - 1), orbit) for orbit in self.orbits for k in MOMENTS]
            J = np.stack([np.einsum("no,noj->nj", s, J[:, o]) / len(o) for s, o in slopes], axis=1)
        elif self.summary == "sorted":
            for orbit in self.orbits:
                order = orbit[np.argsort(u[:, orbit], axis=1)]
                J[:, orbit] = np.take_along_axis(J, order[..., None], axis=1)
        J = J / np.reshape(self.scale, (-1, 1))
        if self.bounds is not None:
            u = replace(self, bounds=None)(X)
            J[self(X) != u] = 0
        return J

    def scaled(self, X):
        """The same with the scale that gives them variance one over samples X; None where none varies."""
        u = self(X)
        power, mean = np.var(u, axis=0), np.mean(u, axis=0)
        if self.summary is None:
            for orbit in self.orbits:
                # what is exchanged has one scale
                power[orbit] = np.mean(u[:, orbit] ** 2) - np.mean(u[:, orbit]) ** 2
        varies = (power > VARIES**2 * mean**2) & ~self._is_roundoff(X)
        if not varies.any():
            return None
        # what is constant does not tell samples apart
        return replace(self, scale=np.where(varies, np.sqrt(np.maximum(power, 0)), np.inf))

    def _is_roundoff(self, X):
        """Which values are nothing but roundoff: bool ndarray (p,)."""
        found = np.concatenate([piece.is_roundoff(X) for piece in self.pieces])
        for orbit in self.orbits:
            found[orbit] = found[orbit].all()
        if self.summary == "moments":
            found = np.repeat([found[orbit[0]] for orbit in self.orbits], len(MOMENTS))
        return found

    def within(self, X):
        """The same, their values kept near those of samples X; what shares a function has one range."""
        u = self(X)
        least, most = u.min(axis=0), u.max(axis=0)
        for terms in self.shared:
            least[terms], most[terms] = least[terms].min(axis=0), most[terms].max(axis=0)
        room = ROOM * (most - least)
        return replace(self, bounds=(least - room, most + room))

    def summarised(self):
        """The same, sorted, and its moments."""
        yield replace(self, summary="sorted")
        yield replace(self, summary="moments", name=f"moments of {self.name}")

    def alike(self):
        """The same, as if copies of an object could be exchanged; None if all are different anyway."""
        orbits, first = [], 0
        for piece in self.pieces:
            kinds = piece.kinds
            orbits += [first + np.flatnonzero(kinds == k) for k in np.unique(kinds)]
            first += len(kinds)
        if len(orbits) == first:
            return None
        return replace(self, name=f"{self.name}, alike", orbits=tuple(orbits))

    @property
    def shared(self):
        """The coordinates that functions have to be summed over, (m, k): the orbits, or each on its own."""
        if self.joint:
            return self.joint
        if self.orbits and self.summary is None:
            return tuple(orbit[:, None] for orbit in self.orbits)
        return tuple(np.arange(len(self.scale))[:, None, None])

    def is_invariant(self, generators, X):
        """Whether matrices that act on X do no more than exchange the terms of each sum."""
        for h in generators:
            for terms in self.joint:
                u, v = self(X)[:, terms], self(X @ h.T)[:, terms]
                apart = np.abs(u[:, :, None] - v[:, None]).max(axis=(0, 3))
                if np.any(apart.min(axis=1) > 1e-9 * max(1.0, np.abs(u).max())):
                    return False
        return True

    def exchanged(self, generators, X):
        """The same with its orbits under matrices that act on X; None if these do not exchange coordinates."""
        u = self(X)
        p = u.shape[1]
        label = np.arange(p)
        for h in generators:
            v = self(X @ h.T)
            apart = np.max(np.abs(u[:, :, None] - v[:, None]), axis=0)
            image = np.argmin(apart, axis=1)
            if np.any(apart[np.arange(p), image] > 1e-9 * max(1.0, np.abs(u).max())):
                return None
            for i, j in enumerate(image):
                a, b = sorted((label[i], label[j]))
                label[label == b] = a
        orbits = tuple(np.flatnonzero(label == a) for a in np.unique(label))
        return replace(self, orbits=orbits)
