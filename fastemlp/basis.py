"""From a representation to an orthonormal basis of its symmetric vectors.

A rep is split into distinct tensor types; each type is solved once and reused for every copy, here and in
every later call in this process (see ``clear_basis_cache``).
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator
from threadpoolctl import threadpool_limits

from fastemlp.constraint import constraint
from fastemlp.isometries import DenseIsometry, DirectSumIsometry
from fastemlp.reps import Rep, Scalar, terms
from fastemlp.solver import solve_nullspace


@dataclass(frozen=True)
class Certificate:
    """The evidence that a basis is right.

    Attributes
    ----------
    residual : float; largest ``‖C q‖ / ‖C‖`` over the basis vectors q, in float64
    orthogonality : float; largest entry of ``|QᴴQ − I|``
    gap : float; smallest nonzero singular value of C over ‖C‖ (inf when there is none)
    n_matvecs : int; products with ``CᴴC`` that were spent
    strategies : tuple of str; the solvers that were used, each once
    """

    residual: float
    orthogonality: float
    gap: float
    n_matvecs: int
    strategies: tuple

    @classmethod
    def worst(cls, certificates):
        """The certificate of a direct sum: the weakest of its parts in every respect."""
        found = list(certificates)
        return cls(
            residual=max((c.residual for c in found), default=0.0),
            orthogonality=max((c.orthogonality for c in found), default=0.0),
            gap=min((c.gap for c in found), default=np.inf),
            n_matvecs=sum(c.n_matvecs for c in found),
            strategies=tuple(dict.fromkeys(s for c in found for s in c.strategies)),
        )


class Basis(LinearOperator):
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

    def astype(self, dtype):
        """The same basis in another precision."""
        return Basis(self.rep, self.isometry.astype(dtype), self.certificate)

    def _matmat(self, X):
        return self.isometry.matmat(X)

    def _rmatmat(self, X):
        return self.isometry.rmatmat(X)

    def _matvec(self, x):
        return self._matmat(x.reshape(-1, 1)).reshape(-1)

    def _rmatvec(self, x):
        return self._rmatmat(x.reshape(-1, 1)).reshape(-1)

    def __repr__(self):
        return f"Basis(rep={self.rep}, size={self.shape[0]}, rank={self.rank})"


def equivariant_basis(rep, *, method="auto", tol=None, dtype=None, random_state=0, verbose=0):
    """An orthonormal basis of the symmetric vectors of ``rep``.

    For ``rep = rep_in >> rep_out`` these are the equivariant linear maps, each an (n_out, n_in) matrix
    flattened row-major.

    Parameters
    ----------
    rep : Rep, bound to its group or groups
    method : {"auto", "dense", "block_lanczos"}
        How a type is solved; "auto" takes an SVD where the type is small and block Lanczos elsewhere.
    tol : float, optional; singular values of C up to ``tol·‖C‖`` count as zero
    dtype : dtype, optional; of the result. Solving is in float64 or complex128 whatever this is.
    random_state : int; seeds the start vectors of block Lanczos
    verbose : int; 1 shows progress

    Returns
    -------
    Basis
        With ``shape``, ``rank``, ``Q @ coef``, ``Q.H @ v``, ``project``, ``to_dense()``, ``certificate``.

    Raises
    ------
    ConvergenceError
        When no certified basis is reached; its message gives the numbers.
    ValueError
        If ``rep`` is unbound, a bespoke rep in it is not a representation, or ``dtype`` is real and the
        basis complex.

    Notes
    -----
    Distinct types are solved once per process and kept (``clear_basis_cache``). Method: Finzi et al. 2021, §5.

    Examples
    --------
    >>> from fastemlp.groups import SO
    >>> from fastemlp.reps import V
    >>> equivariant_basis((V >> V)(SO(3))).rank
    1
    """
    if not isinstance(rep, Rep):
        raise TypeError(
            f"equivariant_basis: expected a Rep, got {rep!r}. Write for example V(SO(3))."
        )
    if not rep.is_bound:
        raise ValueError(
            f"equivariant_basis: {rep} is not bound to a group. Bind it by calling it: rep(SO(3))."
        )
    canonical, perm = rep.canonical()
    parts = [
        (_type_basis(term, method, tol, random_state, verbose), n) for term, n in terms(canonical)
    ]
    if perm is None and len(parts) == 1 and parts[0][1] == 1:
        basis = parts[0][0]
    else:
        isometry = DirectSumIsometry([(part.isometry, n) for part, n in parts], perm)
        basis = Basis(rep, isometry, Certificate.worst(part.certificate for part, _ in parts))
    return basis if dtype is None else _cast(basis, np.dtype(dtype))


def equivariant_projector(rep, **options):
    """The orthogonal projector ``P = Q Qᴴ`` onto the symmetric vectors of ``rep``, matrix-free.

    Parameters
    ----------
    rep : Rep, bound
    **options : as for ``equivariant_basis``

    Returns
    -------
    LinearOperator of shape (size, size)
    """
    basis = equivariant_basis(rep, **options)
    return LinearOperator(
        (basis.shape[0],) * 2,
        matvec=basis.project,
        rmatvec=basis.project,
        matmat=basis.project,
        rmatmat=basis.project,
        dtype=basis.dtype,
    )


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


# -- the cache: the only global state of the package --------------------------------------------------------------

_CACHE_BYTES = 2**30
_cache = OrderedDict()
_cache_lock = threading.Lock()


def clear_basis_cache():
    """Forget every solved basis of this process."""
    with _cache_lock:
        _cache.clear()


def basis_cache_info():
    """How many solved types this process keeps, and their bytes (at most 1 GiB; the least recently used go).

    Returns
    -------
    dict with keys "n_types", "n_bytes", "max_bytes"
    """
    with _cache_lock:
        n_bytes = sum(basis.nbytes for basis in _cache.values())
        return {"n_types": len(_cache), "n_bytes": n_bytes, "max_bytes": _CACHE_BYTES}


def _type_basis(term, method, tol, random_state, verbose):
    """The basis of one tensor type, from the cache or solved now."""
    key = (term, method, tol, random_state)
    with _cache_lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
    basis = _solve_type(term, method, tol, random_state, verbose)
    with _cache_lock:
        _cache[key] = basis
        while sum(b.nbytes for b in _cache.values()) > _CACHE_BYTES and len(_cache) > 1:
            _cache.popitem(last=False)
    return basis


def _solve_type(term, method, tol, random_state, verbose):
    if term == Scalar:
        one = DenseIsometry(np.ones((1, 1)))
        return Basis(term, one, Certificate(0.0, 0.0, np.inf, 0, ("exact",)))
    options = {} if tol is None else {"tol": tol}
    C = constraint(term)
    # the many small factorisations inside lose far more to waiting BLAS threads than the large products gain
    with threadpool_limits(1, "blas"):
        solution = solve_nullspace(
            C, method=method, random_state=random_state, verbose=verbose, **options
        )
    certificate = Certificate(
        solution.residual,
        solution.orthogonality,
        solution.gap,
        solution.n_matvecs,
        (solution.strategy,),
    )
    return Basis(term, solution.Q, certificate)
