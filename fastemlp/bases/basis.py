"""From a representation to an orthonormal basis of its symmetric vectors.

A rep is split into distinct tensor types; each type is solved once and reused for every copy, here and in
every later call in this process (see ``clear_basis_cache``).
"""

import numpy as np

from fastemlp._arrays import unit_columns
from fastemlp._budget import DEFAULT_BUDGET, checked_budget
from fastemlp._operator import Operator
from fastemlp.bases.cache import SolveOptions, solve_types
from fastemlp.bases.constraint import require_bound
from fastemlp.bases.sparse import sparsify
from fastemlp.isometries import DirectSumIsometry
from fastemlp.isometries.base import require_memory
from fastemlp.reps import terms
from fastemlp.solver.certificate import Certificate


class Basis(Operator):
    """An orthonormal basis Q of the symmetric vectors of a rep, as an operator of shape (size, rank).

    ``Q @ coef`` synthesises, ``Q.H @ v`` analyses (``Q.T`` where real). Coefficients of a direct sum run over
    types in canonical order, then copies, then the basis of the type.

    Attributes
    ----------
    rep : Rep
    isometry : Isometry; Q in factored form
    certificate : Certificate
    """

    def __init__(self, rep, isometry, certificate):
        self.rep = rep
        self.isometry = isometry
        self.certificate = certificate
        super().__init__(isometry.dtype, isometry.shape)

    @property
    def rank(self):
        """Number of independent symmetric vectors."""
        return self.shape[1]

    @property
    def nbytes(self):
        """Bytes held by the factors."""
        return self.isometry.nbytes

    def project(self, v):
        """The symmetric part ``Q Qᴴ v`` of v, of shape (size,) or (size, b)."""
        return self.isometry.project(v)

    def to_dense(self):
        """Q as an ndarray of shape (size, rank); MemoryError beyond 8 GiB."""
        return self.isometry.to_dense()

    def to_sparse(self):
        """Q as a csc_array of shape (size, rank)."""
        return self.isometry.to_sparse()

    def sparsify(self):
        """A sparse basis of the same span, in small integers where possible, as a csc_array; see ``sparsify``.

        Examples
        --------
        >>> from fastemlp.groups import O
        >>> from fastemlp.reps import V
        >>> Q = equivariant_basis((V**4)(O(3)))  # pairings of indices: 11 22, 12 12 and 12 21
        >>> Q.sparsify().toarray().reshape(3, 3, 3, 3, 3)[0, 0, 1, 1]
        array([1, 0, 0])
        """
        return sparsify(self)

    def __getitem__(self, key):
        """Entries of Q as an ndarray: ``Q[:, i]`` is a basis vector, ``Q[rows, columns]`` a submatrix.

        Only whole columns (or rows, for ``Q[i]``) are computed.
        """
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        if not isinstance(key, tuple) or _is_all(columns):
            index = np.atleast_1d(np.arange(self.shape[0])[rows])
            if _is_all(rows) or len(index) > self.rank:
                return self.to_dense()[rows]
            part = self.rmatmat(unit_columns(self.shape[0], index, self.dtype)).conj().T
            return part[0] if np.ndim(np.arange(self.shape[0])[rows]) == 0 else part
        chosen = np.arange(self.rank)[columns]
        part = self.matmat(unit_columns(self.rank, np.atleast_1d(chosen), self.dtype))[rows]
        return part[..., 0] if chosen.ndim == 0 else part

    def astype(self, dtype):
        """The same basis in another precision."""
        return Basis(self.rep, self.isometry.astype(dtype), self.certificate)

    def _matmat(self, X):
        return self.isometry.matmat(X)

    def _rmatmat(self, X):
        return self.isometry.rmatmat(X)

    def __repr__(self):
        hint = "" if self.rank else "; why_empty(rep) says why"
        return f"Basis(rep={self.rep}, size={self.shape[0]}, rank={self.rank}{hint})"


def equivariant_basis(
    rep,
    *,
    method="auto",
    tol=None,
    dtype=None,
    random_state=0,
    store=None,
    verbose=0,
    memory_budget=DEFAULT_BUDGET,
):
    """An orthonormal basis of the symmetric vectors of ``rep``.

    For ``rep = rep_in >> rep_out`` these are the equivariant linear maps, each an (n_out, n_in) matrix
    flattened row-major.

    Parameters
    ----------
    rep : Rep, bound to its group or groups
    method : {"auto", "orbits", "schur", "lanczos", "lobpcg", "dense"}
        How a type is solved; "auto" chooses by predicted cost (``explain`` shows how), the others force one
        strategy on the whole space.
    tol : float, optional; singular values of C up to ``tol·‖C‖`` count as zero
    dtype : dtype, optional; of the result. Solving is in float64 or complex128 in any case.
    random_state : int; seeds what is random in a solver
    store : bool, optional; whether solved types are looked up and kept on disk (``fastemlp basis list``). By default
        they are looked up, and kept if solving took longer than 0.05 s.
    verbose : int; 1 shows the progress of anything that takes more than a second
    memory_budget : int
        Bytes that solving one type may take, 2**30 (1 GiB) by default. What would take more is refused before it
        starts; a larger budget never changes a result, only which types can be solved.

    Returns
    -------
    Basis
        With ``shape``, ``rank``, ``Q @ coef``, ``Q.H @ v``, ``project``, ``to_dense()``, ``certificate``.

    Raises
    ------
    ConvergenceError
        When no certified basis is reached; its message gives the numbers of every strategy tried.
    BudgetError
        A ValueError: no strategy fits ``memory_budget``; it says what each would take.
    ValueError
        If ``rep`` is unbound, a bespoke rep in it is not a representation, ``method`` does not fit, or ``dtype`` is
        real and the basis complex.

    Notes
    -----
    Distinct types are solved once per process and kept (``clear_basis_cache``), in threads where that pays. The
    constraint is that of Finzi et al. 2021, §5.

    Examples
    --------
    >>> from fastemlp.groups import SO
    >>> from fastemlp.reps import V
    >>> equivariant_basis((V >> V)(SO(3))).rank
    1
    """
    require_bound(rep, "equivariant_basis")
    memory_budget = checked_budget(memory_budget, "equivariant_basis")
    canonical, perm = rep.canonical()
    types = terms(canonical)
    options = SolveOptions(method, tol, random_state, store, verbose, memory_budget)
    solved = solve_types([term for term, _ in types], options)
    if perm is None and len(types) == 1 and types[0][1] == 1:
        isometry = solved[0].isometry
    else:
        parts = [(part.isometry, n) for part, (_, n) in zip(solved, types, strict=True)]
        isometry = DirectSumIsometry(parts, perm)
    basis = Basis(rep, isometry, Certificate.worst(part.certificate for part in solved))
    return basis if dtype is None else _cast(basis, np.dtype(dtype))


def equivariant_projector(rep, **options):
    """The orthogonal projector ``P = Q Qᴴ`` onto the symmetric vectors of ``rep``, matrix-free.

    Parameters
    ----------
    rep : Rep, bound
    **options : as for ``equivariant_basis``

    Returns
    -------
    Projector
        A LinearOperator of shape (size, size), with ``to_dense()``.

    Examples
    --------
    >>> from fastemlp.groups import SO
    >>> from fastemlp.reps import V
    >>> P = equivariant_projector((V >> V)(SO(3)))
    >>> round(float(P.to_dense().trace()), 9)
    1.0
    """
    return Projector(equivariant_basis(rep, **options))


class Projector(Operator):
    """The orthogonal projector ``P = Q Qᴴ`` onto the span of a Basis Q, of shape (size, size)."""

    def __init__(self, basis):
        self.basis = basis
        super().__init__(basis.dtype, (basis.shape[0],) * 2)

    def to_dense(self):
        """P as an ndarray of shape (size, size); MemoryError beyond 8 GiB."""
        require_memory("Projector.to_dense", self, "P @ v")
        Q = self.basis.to_dense()
        return Q @ Q.conj().T

    def _matmat(self, X):
        return self.basis.project(X)

    def _adjoint(self):
        return self

    def __repr__(self):
        return f"Projector({self.basis!r})"


def _is_all(key):
    return isinstance(key, slice) and key == slice(None)


def _cast(basis, dtype):
    if dtype.kind not in "fc":
        raise TypeError(
            f"equivariant_basis: dtype must be a real or complex floating type, got {dtype}."
        )
    if basis.dtype.kind == "c" and dtype.kind == "f":
        raise ValueError(
            f"equivariant_basis: the basis of {basis.rep} is complex, got dtype={dtype}. "
            "Pass complex64 or complex128, or bind the rep to G.realified()."
        )
    return basis.astype(dtype)
