"""The basis of one tensor type and its certificate: found in this process, on disk, or by solving."""

import math
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from time import perf_counter

import numpy as np

from fastemlp._budget import mib
from fastemlp._progress import progress_bar
from fastemlp._threads import n_cpus, single_threaded_blas
from fastemlp._warnings import warn_user
from fastemlp.bases.constraint import constraint
from fastemlp.exceptions import BudgetError, CertificationError, Status
from fastemlp.isometries import DenseIsometry, Isometry
from fastemlp.operators import MinusIdentity, norm_bound
from fastemlp.reps import Scalar, Vector, drho_operator, rho_operator, slot_rho, slots
from fastemlp.solver import solve_nullspace
from fastemlp.solver.certificate import Certificate
from fastemlp.solver.certify import LARGEST_ANGLE
from fastemlp.solver.recheck import CHECKED_SIZE, defect
from fastemlp.solver.rounded import looks_rounded
from fastemlp.store import default_store
from fastemlp.store import key as store_key

#: Bytes that one Lie algebra generator takes at least, for itself and for its matrix on each kind of slot.
GENERATOR_BYTES = 2500
#: Types of at least this size are solved in parallel.
THREADED_SIZE = 10**5
#: A type that takes at least this many seconds to solve is kept on disk.
WORTH_KEEPING = 0.05
#: Generators with a smaller gap than this are suspected to be rounded.
SMALL_GAP = 1e-6
#: Part of every key on disk: raise it with any change that may alter a basis, its certificate or its warning, so that
#: what an earlier solver wrote is never served.
SOLVER_VERSION = 7


@dataclass(frozen=True, eq=False)
class SolvedType:
    """One tensor type with its solution: an isometry onto the symmetric vectors, its certificate, a warning or ""."""

    isometry: Isometry
    certificate: Certificate
    warning: str = ""

    @cached_property
    def nbytes(self):
        """Bytes held; isometries do not change."""
        return self.isometry.nbytes


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
        return {"n_types": len(_cache), "n_bytes": _held(), "max_bytes": _CACHE_BYTES}


def _held():
    return sum(solved.nbytes for solved in _cache.values())


@dataclass(frozen=True)
class SolveOptions:
    """The parameters of ``equivariant_basis`` of these names."""

    method: str
    tol: float | None
    random_state: int
    store: bool | None
    verbose: int
    memory_budget: int


def solve_types(types, options):
    """The SolvedType of each of some tensor types, in threads where several are large."""
    large = sum(term.size() >= THREADED_SIZE for term in types)
    n_threads = min(large, n_cpus())
    shown = options.verbose and len(types) > 1
    # the many small factorisations inside lose far more to waiting BLAS threads than the large products gain
    with (
        progress_bar(total=len(types), desc="types", delay=1, shown=shown) as bar,
        single_threaded_blas(),
    ):

        def solve(term):
            solved = solve_type(term, options)
            bar.update(1)
            return solved

        if n_threads < 2:
            found = [solve(term) for term in types]
        else:
            with ThreadPoolExecutor(n_threads) as pool:
                found = list(pool.map(solve, types))
    # here, for bases that were found as well as solved: a warning outlives the process that solved them
    for message in dict.fromkeys(solved.warning for solved in found if solved.warning):
        warn_user(message)
    return found


def solve_type(term, options):
    """The SolvedType of one tensor type."""
    if term == Scalar or not term.size():
        exact = Certificate(residual=0.0, orthogonality=0.0, gap=np.inf, strategies=("exact",))
        return SolvedType(DenseIsometry(np.eye(term.size())), exact)
    key = (term, options.method, options.tol, options.random_state)
    with _cache_lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
    solved = _solve(term, options) if options.store is False else _stored(term, options)
    with _cache_lock:
        _cache[key] = solved
        while _held() > _CACHE_BYTES and len(_cache) > 1:
            _cache.popitem(last=False)
    return solved


def _stored(term, options):
    """From the store; where the entry is missing or wrong, solved, and kept there if that took long."""
    store = default_store()
    name = _store_key(term, options)
    found = store.load(name)
    if found is not None:
        solved = _from_store(term, *found)
        if solved is not None:
            return solved
    start = perf_counter()
    solved = _solve(term, options)
    if options.store or perf_counter() - start > WORTH_KEEPING:
        strategies = list(solved.certificate.strategies)
        groups = ", ".join(map(repr, term.groups))
        about = {"rep": f"{term} of {groups}", "strategy": ", ".join(strategies)}
        certificate = {
            **asdict(solved.certificate),
            "strategies": strategies,
            "rank": solved.isometry.rank,
            "warning": solved.warning,
        }
        store.save(name, solved.isometry, certificate, about)
    return solved


def _from_store(term, isometry, entry):
    """A SolvedType from a file, or None if it does not solve its constraint or lacks a part of its certificate."""
    numbers = {field.name for field in fields(Certificate)} - {"strategies"}
    kinds = dict.fromkeys(numbers, (int, float)) | {"strategies": (list,), "warning": (str,)}
    if set(entry) != set(kinds) | {"rank"} or entry["rank"] != isometry.rank:
        return None
    if any(type(entry[name]) not in allowed for name, allowed in kinds.items()):
        return None
    strategies = entry["strategies"]
    if not all(isinstance(name, str) for name in strategies):
        return None
    # a checksum finds accidents; products with C find the rest
    C = constraint(term)
    if defect(C, isometry, C.bound):
        return None
    evidence = {name: entry[name] for name in numbers}
    certificate = Certificate(**evidence, strategies=tuple(strategies))
    return SolvedType(isometry, certificate, entry["warning"])


def _solve(term, options):
    require_writable(term, options.memory_budget)
    C = constraint(term)
    solution = solve_nullspace(
        C,
        method=options.method,
        tol=options.tol,
        random_state=options.random_state,
        verbose=options.verbose,
        memory_budget=options.memory_budget,
    )
    warning = ""
    if solution.gap < SMALL_GAP and looks_rounded(C):
        warning = (
            f"equivariant_basis: the smallest nonzero singular value of the constraint of {term} is {solution.gap:.0e} "
            "of the largest, as when generators were rounded (to float32, say) and symmetries hold only approximately. "
            "They are used as given: vectors that they fix only approximately are not in the basis."
        )
    given = _given_residual(term, C, solution)
    # written so that a NaN fails
    if not given <= max(LARGEST_ANGLE, 10 * (options.tol or 0)):
        raise CertificationError(
            f"equivariant_basis: the generators as given leave a residual of {given:.1e} on the basis of {term}, where "
            f"{LARGEST_ANGLE:.0e} is allowed. Give them in less sheared coordinates, or to more digits.",
            status=Status.BAD_RESIDUAL,
            solution=solution,
        )
    certificate = replace(solution.certificate, residual=max(solution.residual, given))
    return SolvedType(solution.Q, certificate, warning)


def _given_residual(term, C, solution):
    """The residual of the generators as given where C holds others in their place, relative to their norm on the type.

    These are Lie algebra generators that were dropped as redundant (scaled to norm 1) and discrete ones that C holds as
    logarithms. A random combination of the columns stands for the root of the sum of squares over all.
    """
    Q = solution.Q
    if not Q.rank or not solution.norm or Q.shape[0] > CHECKED_SIZE:
        return 0.0
    has_logarithms = len(C.lie) > sum(len(group.orthonormal_lie_algebra) for group in term.groups)
    checks = []
    for group in term.groups:
        given = [A for A in group.sparse_lie_algebra if A.nnz]
        if len(given) != len(group.orthonormal_lie_algebra):
            units = [A / np.linalg.norm(A.data) for A in given]
            checks += [(drho_operator(term, {group: A}), solution.norm) for A in units]
        for h in group.sparse_discrete_generators if has_logarithms else ():
            size = math.prod(norm_bound(slot_rho(a, {group: h}), 1.0) for a in slots(term))
            checks.append((MinusIdentity(rho_operator(term, {group: h})), 1 + size))
    if not checks:
        return 0.0
    v = Q @ np.random.default_rng(0).standard_normal(Q.rank)
    # np.max keeps a NaN
    return float(np.max([np.linalg.norm(op @ v) / size for op, size in checks]))


def require_writable(term, memory_budget):
    """BudgetError if the generators of a type alone would exceed the budget, before any of them is made."""
    n_generators = sum(len(group.sparse_lie_algebra) for group in term.groups)
    n_bytes = n_generators * GENERATOR_BYTES * (1 + len(set(slots(term))))
    if n_bytes > memory_budget:
        raise BudgetError(
            f"equivariant_basis: {n_generators:,} Lie algebra generators on {term} take {mib(n_bytes)} or more, and "
            f"memory_budget is {mib(memory_budget)}. Pass a larger memory_budget= in bytes, or a Group with fewer "
            "generators: brackets of those given need not be listed."
        )


def _store_key(term, options):
    """The name of a type's basis on disk: it follows from generators and structure, never from how anything prints."""
    structure = repr([atom._sort_key() for atom in slots(term)])
    parts = [f"solver {SOLVER_VERSION}", structure, options.method]
    parts += [repr(options.tol), repr(options.random_state)]
    parts += [repr(group.accuracy) for group in term.groups]
    for atom in dict.fromkeys(slots(term)):
        if isinstance(atom, Vector):
            continue
        # the code of a bespoke rep may change under the same name: its matrices decide
        C = constraint(atom)
        for matrices in C.lie + C.discrete:
            parts += [matrix.toarray().tobytes() for matrix in matrices if matrix is not None]
    return store_key(*parts)
