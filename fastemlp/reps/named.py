"""Small reps with names: pseudoscalars, determinants and axial vectors."""

from dataclasses import dataclass

import numpy as np

from fastemlp.reps.algebra import V
from fastemlp.reps.base import Rep


class Named(Rep):
    """A bespoke rep that prints as a symbol, which ``parse_rep`` reads back."""

    symbol = None
    suffix = ""

    def _verify(self):
        """Nothing to check: it is a representation of every group."""

    def __repr__(self):
        from fastemlp.reps.printing import rep_string

        return rep_string(self)


@dataclass(frozen=True, repr=False)
class Pseudoscalar(Named):
    """The sign of the determinant, written ``P``: −1 for elements that reverse the orientation.

    For O(n) this is a pseudoscalar, for S(n) the sign of a permutation; for the Lorentz group it changes sign under
    parity and under time reversal. Real groups only.

    Examples
    --------
    >>> from fastemlp import equivariant_basis
    >>> from fastemlp.groups import O
    >>> from fastemlp.reps import P, V
    >>> equivariant_basis((V**3 >> P)(O(3))).rank  # the triple product
    1
    """

    symbol = "P"

    def size(self):
        return 1

    def __call__(self, G):
        bound = super().__call__(G)
        if bound.G.is_complex:
            raise ValueError(
                f"P: a determinant has a sign for real groups only, and {G} is complex. Use det, its determinant, or "
                "G.realified()."
            )
        return bound

    def rho(self, g):
        return np.array([[np.linalg.slogdet(g)[0]]])

    def drho(self, A):
        return np.zeros((1, 1))

    @property
    def T(self):
        return self

    def conj(self):
        return self


@dataclass(frozen=True, repr=False)
class Determinant(Named):
    """The determinant to some power, written ``det`` and ``det.T``; for O(n) the same as ``P``.

    Attributes
    ----------
    power : int
    conjugate : bool
    """

    power: int = 1
    conjugate: bool = False

    symbol = "det"

    @property
    def suffix(self):
        """What stands behind the symbol."""
        return (".T" if self.power < 0 else "") + (".conj()" if self.conjugate else "")

    def size(self):
        return 1

    def rho(self, g):
        value = np.linalg.det(g).reshape(1, 1) ** self.power
        return value.conj() if self.conjugate else value

    def drho(self, A):
        diagonal = np.diagonal(A)
        value = self.power * diagonal.sum().reshape(1, 1)
        # where the sum should vanish, what is left is roundoff and not a generator
        value[np.abs(value) <= 16 * np.finfo(float).eps * np.abs(diagonal).sum()] = 0
        return value.conj() if self.conjugate else value

    @property
    def T(self):
        return Determinant(-self.power, self.conjugate)._of(self.G)

    def conj(self):
        """The complex conjugate; itself under a real group."""
        if self.G is not None and not self.G.is_complex:
            return self
        return Determinant(self.power, not self.conjugate)._of(self.G)

    def _of(self, G):
        return self if G is None else self(G)


P = Pseudoscalar()
det = Determinant()
#: Axial vectors, or pseudovectors, such as cross products: they rotate like vectors but ignore point reflections.
axial = P * V
