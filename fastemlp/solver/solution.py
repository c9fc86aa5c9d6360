"""What a nullspace solver returns."""

from __future__ import annotations

from dataclasses import dataclass, fields

from fastemlp.exceptions import Status
from fastemlp.isometries import Isometry

from .certificate import Certificate


@dataclass(frozen=True, kw_only=True, eq=False)
class NullspaceSolution(Certificate):
    """An orthonormal basis of ``{v : C v = 0}``, with the evidence for it.

    Attributes
    ----------
    Q : Isometry of shape (m, r)
        Orthonormal columns spanning the nullspace, in factored form; r = 0 is legal.
    norm : float
        The estimate of ``‖C‖₂`` that the numbers of the certificate are relative to.
    n_steps : int
        Lanczos steps over all rounds; 0 for dense.
    n_restarts : int
        Times the Krylov basis hit its memory budget and was compressed.
    status : Status
        ``CONVERGED``, except in the partial result of an error.
    separation : float
        Smallest relative distance between eigenvalues that ``schur`` had to tell apart.
    """

    Q: Isometry
    norm: float
    n_steps: int = 0
    n_restarts: int = 0
    status: Status = Status.CONVERGED
    separation: float = float("inf")

    @property
    def certificate(self):
        """The evidence without the basis: a Certificate."""
        return Certificate(**{f.name: getattr(self, f.name) for f in fields(Certificate)})

    @property
    def rank(self):
        """Dimension of the nullspace, r (not the rank of C)."""
        return self.Q.shape[1]

    def __str__(self):
        return f"nullspace of dimension {self.rank} in {self.Q.shape[0]}, {self.certificate}. {self.status.value}"
