"""What vouches for a basis, in numbers."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """The evidence that a basis is right.

    Attributes
    ----------
    residual : float; largest ``‖C q‖ / ‖C‖`` over the basis vectors q, in float64; a bound on it from the factors
        where Q is never written out
    orthogonality : float; largest entry of ``|QᴴQ − I|``, or a bound on it from the factors
    gap : float; smallest nonzero singular value of C over ‖C‖; inf when there is none. See below for how it is known
    completeness : float; norm of the null component left in a fresh random unit vector once the span is taken out;
        0 where the dimension is known by counting
    angle : float; bound on the sine of the largest principal angle between the span and the nullspace of C as given:
        ``‖C Q‖ / ‖C‖`` over the span, over the gap. Above 1e-8 nothing is returned, unless a coarser ``tol`` was asked
        for
    accuracy : float; what the generators are known to, relative to ‖C‖; over the gap, it may turn the nullspace itself
    n_matvecs : int; products with C and Cᴴ that were spent
    strategies : tuple of str; the reductions and strategies that were used, in their order and each once

    Notes
    -----
    Guaranteed: C vanishes on the basis to ``residual``, measured with the generators as given, and nothing is returned
    whose ``angle`` is above 1e-8 by default. Of finite groups with few elements and types from a thousand
    coordinates on, the dimension is also counted, as the mean of the character over all elements. Where shears, glides
    and screws are solved by their logarithms, the residual counts what they themselves leave of the basis.

    The gap is exact for ``dense`` (and for ``lanczos`` on small types); a lower bound for ``orbits``, by
    the lengths of orbits and the smallest weight. For ``schur`` it is a Lanczos value less its residual over an upper
    bound on ‖C‖, on irreducibles of total size up to 40 in each half: an estimate where there are larger ones. For
    ``lanczos`` and ``lobpcg`` it is a Ritz value, which a random start approaches from above. Not guaranteed: that such
    an estimate has met the smallest value. After ``shrink`` it is that of C on the vectors which the monomial
    generators fix, and after ``balance`` that of the balanced constraint. The angle is then the one there, plus
    what the change of coordinates lost of the generators over the gap, times the most that the change stretches an
    error over the least it leaves of a vector of the span; that loss is judged by how far generators known to roundoff
    are from closed under the adjoint. Where this bound is above 1e-8 there is an estimate instead: ten times the angle
    by which new roundings of the generators turn the span for ``schur``, the angle in balanced coordinates for
    ``lanczos``. ``orbits`` reads an entry within the accuracy of a root of unity as that root, and ``angle`` 0 speaks
    of these.
    """

    residual: float
    orthogonality: float
    gap: float
    strategies: tuple
    completeness: float = 0.0
    n_matvecs: int = 0
    angle: float = 0.0
    accuracy: float = 0.0

    def __str__(self):
        return (
            f"certified by {', '.join(self.strategies)}: residual {self.residual:.1e}, angle to the nullspace at most "
            f"{self.angle:.1e}, orthogonality {self.orthogonality:.1e}, gap {self.gap:.1e}, completeness "
            f"{self.completeness:.1e}, generators known to {self.accuracy:.1e}, {self.n_matvecs} products"
        )

    @classmethod
    def worst(cls, certificates):
        """The certificate of a direct sum: the weakest of its parts in every respect."""
        found = list(certificates)
        return cls(
            residual=max((c.residual for c in found), default=0.0),
            orthogonality=max((c.orthogonality for c in found), default=0.0),
            gap=min((c.gap for c in found), default=np.inf),
            completeness=max((c.completeness for c in found), default=0.0),
            n_matvecs=sum(c.n_matvecs for c in found),
            strategies=tuple(dict.fromkeys(s for c in found for s in c.strategies)),
            angle=max((c.angle for c in found), default=0.0),
            accuracy=max((c.accuracy for c in found), default=0.0),
        )
