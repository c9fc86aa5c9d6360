"""What a nullspace solver returns."""

from __future__ import annotations

from dataclasses import dataclass

from fastemlp.exceptions import Status
from fastemlp.isometries import Isometry


@dataclass(frozen=True, eq=False)
class NullspaceSolution:
    """An orthonormal basis of ``{v : C v = 0}`` together with its certificate.

    Attributes
    ----------
    Q : Isometry of shape (m, r)
        Orthonormal columns spanning the nullspace, in factored form; r = 0 is legal.
    residual : float
        ``max_j ‖C q_j‖₂ / ‖C‖₂``, in the precision of C; on the factors where Q is never written out.
    gap : float
        Smallest nonzero singular value of C relative to ``‖C‖₂``, or a lower bound on it; ``inf`` when there is none.
        See ``Certificate`` for how each strategy knows it.
    orthogonality : float
        Largest entry of ``|QᴴQ − I|``.
    norm : float
        The estimate of ``‖C‖₂`` that the other numbers are relative to.
    n_matvecs : int
        Products with C and with Cᴴ, one per vector (``CᴴC x`` counts as two).
    strategy : str
        The method, and why it was chosen.
    n_steps : int
        Lanczos steps over all rounds; 0 for the dense method.
    n_restarts : int
        Times the Krylov basis hit its memory budget and was compressed.
    completeness : float
        Norm of the null component left in a fresh random unit vector once the span is projected out; 0
        where the dimension is known by counting.
    status : Status
        ``CONVERGED``, except in the partial result of an error.
    angle : float
        Bound on the sine of the largest principal angle between the span of Q and the nullspace.
    accuracy : float
        What C is known to, relative to ``‖C‖₂``.
    separation : float
        Smallest relative distance between eigenvalues that ``schur`` had to tell apart.
    """

    Q: Isometry
    residual: float
    gap: float
    orthogonality: float
    norm: float
    n_matvecs: int
    strategy: str
    n_steps: int = 0
    n_restarts: int = 0
    completeness: float = 0.0
    status: Status = Status.CONVERGED
    angle: float = 0.0
    accuracy: float = 0.0
    separation: float = float("inf")

    @property
    def rank(self):
        """Dimension of the nullspace, r (not the rank of C)."""
        return self.Q.shape[1]

    def __str__(self):
        return (
            f"nullspace of dimension {self.rank} in {self.Q.shape[0]} by {self.strategy}: residual "
            f"{self.residual:.1e}, gap {self.gap:.1e}, angle {self.angle:.1e}, "
            f"orthogonality {self.orthogonality:.1e}, {self.n_matvecs} products. {self.status.value}"
        )
