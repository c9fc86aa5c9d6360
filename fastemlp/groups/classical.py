"""The classical Lie groups, given by sparse generators of their Lie algebras."""

from itertools import combinations

import numpy as np
import scipy.sparse as sp

from fastemlp.groups.generators import check_int
from fastemlp.groups.group import Group


def Trivial(n):
    """Trivial group on R^n: no generators, every vector is symmetric."""
    n = check_int("Trivial", "n", n, 1)
    return Group(d=n, name=f"Trivial({n})")


def SO(n):
    """Rotations of R^n; SO(1) is trivial."""
    n = check_int("SO", "n", n, 1)
    _require_room(f"SO({n})", n * (n - 1) // 2, n)
    return Group(_rotations(n), d=n, name=f"SO({n})")


def O(n):  # noqa: E743 - its name in every textbook
    """Rotations and reflections of R^n: SO(n) and the reflection of the first axis."""
    n = check_int("O", "n", n, 1)
    _require_room(f"O({n})", n * (n - 1) // 2, n)
    return Group(_rotations(n), [_reflection(n)], name=f"O({n})")


def Scaling(n):
    """Dilations ``x -> e^t x`` of R^n."""
    n = check_int("Scaling", "n", n, 1)
    return Group([sp.eye(n)], name=f"Scaling({n})")


def Parity():
    """Reflection of space in spacetime (t, x, y, z): diag(1, -1, -1, -1)."""
    return Group(discrete_generators=[np.diag([1, -1, -1, -1])], name="Parity()")


def TimeReversal():
    """Reflection of time in spacetime (t, x, y, z): diag(-1, 1, 1, 1)."""
    return Group(discrete_generators=[np.diag([-1, 1, 1, 1])], name="TimeReversal()")


def SO13p():
    """Proper orthochronous Lorentz group on (t, x, y, z): the component of the identity."""
    return Group(_lorentz(), name="SO13p()")


def SO13():
    """Proper Lorentz group, of determinant 1: SO13p and -I."""
    return Group(_lorentz(), [-np.eye(4)], name="SO13()")


def O13():
    """Full Lorentz group, all four components: SO13p, -I and parity."""
    return Group(_lorentz(), [-np.eye(4), np.diag([1, -1, -1, -1])], name="O13()")


def Lorentz():
    """Full Lorentz group; another name of O13."""
    return Group(_lorentz(), O13().sparse_discrete_generators, name="Lorentz()")


def SO11p():
    """Boosts of the plane (t, x)."""
    return Group([_matrix(2, (0, 1, 1), (1, 0, 1))], name="SO11p()")


def O11():
    """Lorentz group of the plane (t, x), all four components: SO11p, -I and parity."""
    boost = SO11p().sparse_lie_algebra
    return Group(boost, [-np.eye(2), np.diag([1, -1])], name="O11()")


def Sp(m):
    """Real symplectic group on R^2m, (q, p): ``gᵀ J g = J`` with ``J = [[0, I], [-I, 0]]``.

    Notes
    -----
    The Lie algebra is ``[[a, b], [c, -aᵀ]]`` with b and c symmetric, of dimension m(2m + 1).
    """
    m = check_int("Sp", "m", m, 1)
    _require_room(f"Sp({m})", m * (2 * m + 1), 2 * m)
    d, pairs = 2 * m, [(i, j) for i in range(m) for j in range(i, m)]
    a = [_matrix(d, (i, j, 1), (m + j, m + i, -1)) for i in range(m) for j in range(m)]
    b = [_symmetric(d, i, m + j, j, m + i) for i, j in pairs]
    c = [_symmetric(d, m + i, j, m + j, i) for i, j in pairs]
    return Group(a + b + c, name=f"Sp({m})")


def SL(n):
    """Real matrices of determinant 1; SL(1) is trivial."""
    n = check_int("SL", "n", n, 1)
    _require_room(f"SL({n})", n**2, n)
    return Group(_off_diagonal(n) + _traceless(n), d=n, name=f"SL({n})")


def GL(n):
    """Real matrices of positive determinant, the component of the identity of GL(n, R)."""
    n = check_int("GL", "n", n, 1)
    _require_room(f"GL({n})", n**2, n)
    return Group(_off_diagonal(n) + [_matrix(n, (i, i, 1)) for i in range(n)], name=f"GL({n})")


def U(n):
    """Unitary group on C^n."""
    n = check_int("U", "n", n, 1)
    _require_room(f"U({n})", n**2, n)
    diagonal = [_matrix(n, (i, i, 1j)) for i in range(n)]
    return Group(_skew_hermitian(n) + diagonal, name=f"U({n})")


def SU(n):
    """Special unitary group on C^n; SU(1) is trivial, and complex all the same."""
    n = check_int("SU", "n", n, 1)
    _require_room(f"SU({n})", n**2, n)
    generators = _skew_hermitian(n) + [1j * A for A in _traceless(n)]
    return Group(generators or np.zeros((0, n, n), complex), name=f"SU({n})")


def SO2eR3():
    """Rotations of R^3 about the z axis."""
    return Group([_matrix(3, (1, 0, 1), (0, 1, -1))], name="SO2eR3()")


def O2eR3():
    """Rotations of R^3 about the z axis, and the reflection of the x axis."""
    return Group(SO2eR3().sparse_lie_algebra, [_reflection(3)], name="O2eR3()")


def _matrix(d, *entries):
    """Sparse d×d matrix with the entries (row, column, value)."""
    rows, columns, values = zip(*entries, strict=True)
    return sp.coo_array((np.array(values), (rows, columns)), shape=(d, d))


def _reflection(n):
    return sp.diags(np.array([-1.0] + [1.0] * (n - 1)))


def _require_room(name, dimension, d):
    """Refuse a Lie algebra whose generators alone take more than 1 GiB, before minutes are spent on them."""
    # the objects of a sparse matrix and the pointers of its rows
    n_bytes = dimension * (2000 + 8 * d)
    if n_bytes > 2**30:
        raise MemoryError(
            f"{name}: its {dimension:,} generators of size {d:,} × {d:,} take {n_bytes / 2**30:.1f} GiB, expected at "
            "most 1 GiB. Choose a smaller group, or one generated by few matrices: Group(lie_algebra=[…])."
        )


def _rotations(n):
    return [_matrix(n, (j, i, 1), (i, j, -1)) for i, j in combinations(range(n), 2)]


def _lorentz():
    boosts = [_matrix(4, (0, i, 1), (i, 0, 1)) for i in (1, 2, 3)]
    rotations = [_matrix(4, (j, i, 1), (i, j, -1)) for i, j in combinations((1, 2, 3), 2)]
    return boosts + rotations


def _symmetric(d, i, j, k, l):
    """Unit entry at (i, j) and, if it is another one, at (k, l)."""
    return _matrix(d, (i, j, 1)) if (i, j) == (k, l) else _matrix(d, (i, j, 1), (k, l, 1))


def _off_diagonal(n):
    return [_matrix(n, (i, j, 1)) for i in range(n) for j in range(n) if i != j]


def _traceless(n):
    return [_matrix(n, (i, i, 1), (i + 1, i + 1, -1)) for i in range(n - 1)]


def _skew_hermitian(n):
    pairs = list(combinations(range(n), 2))
    real = [_matrix(n, (j, i, 1 + 0j), (i, j, -1 + 0j)) for i, j in pairs]
    return real + [_matrix(n, (j, i, 1j), (i, j, 1j)) for i, j in pairs]
