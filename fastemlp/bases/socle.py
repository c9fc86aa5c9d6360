"""The irreducibles that sit in a rep on their own, where its group is not reductive and leaves them no complement."""

import numpy as np

from fastemlp._svd import svd
from fastemlp.bases.isotypic import Irrep, irreps
from fastemlp.groups import Group
from fastemlp.reps import V

#: Reps of more components are not looked at: the algebra has up to their square of dimensions.
LARGEST = 12
#: What counts as zero, for matrices of unit norm.
TOL = 1e-9


def socle_irreps(rep):
    """The irreducible reps in the socle of a rep, the sum of its minimal invariant subspaces, and in its square.

    Parameters
    ----------
    rep : Rep, bound to one real group

    Returns
    -------
    list of Irrep, each once; empty for reps of more than 12 components

    Raises
    ------
    NotReductive, CertificationError
        Where the generators do not show what acts on the socle to be reductive.

    Notes
    -----
    Of SE(3) on homogeneous coordinates (x, 1) the socle is the directions (x, 0), on which translations do not act. It
    is the kernel of the radical of the algebra that the group generates, and the radical is that of the form tr(ab)
    (Dickson's criterion). O(g·size⁴) of memory and O(g·size⁶) of time for g generators.

    Examples
    --------
    >>> import numpy as np
    >>> from fastemlp.bases.socle import socle_irreps
    >>> from fastemlp.groups import Group
    >>> from fastemlp.reps import V
    >>> turn, shift = np.zeros((2, 3, 3))
    >>> turn[0, 1], turn[1, 0], shift[0, 2] = 1, -1, 1
    >>> [irrep.size() for irrep in socle_irreps(V(Group(lie_algebra=[turn, shift])))]
    [1, 2, 2]
    """
    group, d = rep.G, rep.size()
    if d > LARGEST:
        return []
    lie = [rep.drho_dense(A) for A in group.lie_algebra]
    discrete = [rep.rho_dense(h) for h in group.discrete_generators]
    E = _kernel(_radical(_algebra([*lie, *discrete])))
    acting = Group(
        lie_algebra=[_rounded(E.T @ A @ E) for A in lie],
        discrete_generators=[_rounded(E.T @ h @ E) for h in discrete],
        d=E.shape[1],
    )
    whole = Irrep(rep, E, "real", group)
    parents = {V(acting): whole, V(acting) ** 2: whole * whole}
    return [
        Irrep(parents[found.parent], found.E, found.type, group, found.left_inverse)
        for found in irreps((V + V**2)(acting))
        if found.parent in parents
    ]


def _algebra(matrices):
    """An orthonormal basis, rows (n, d²), of the span of all products of some matrices, the empty one among them."""
    d = len(matrices[0])
    matrices = [A / max(np.linalg.norm(A), TOL) for A in matrices]
    basis = new = np.eye(d).reshape(1, -1) / d**0.5
    while len(new) and len(basis) < d * d:
        products = np.concatenate([new.reshape(-1, d, d) @ A for A in matrices]).reshape(-1, d * d)
        new = _span(products - products @ basis.T @ basis)
        # what is small beside the products is not orthogonal to the basis before a second time
        new = _span(new - new @ basis.T @ basis)
        basis = np.concatenate([basis, new])
    return basis


def _radical(basis):
    d = int(basis.shape[1] ** 0.5)
    a = basis.reshape(-1, d, d)
    form = np.einsum("aij,bji->ab", a, a)
    values, vectors = np.linalg.eigh(form)
    return np.tensordot(vectors[:, np.abs(values) < TOL].T, a, 1)


def _kernel(matrices):
    """An orthonormal basis, (d, r), of what all matrices take to zero."""
    d = matrices.shape[-1]
    _, s, Vh = svd(np.concatenate([np.zeros((d, d)), matrices.reshape(-1, d)]))
    return Vh[s < TOL].T


def _span(rows):
    _, s, Vh = svd(rows, full_matrices=False)
    return Vh[s > TOL]


def _rounded(A):
    """Without the roundoff that would be taken for a generator."""
    return np.where(np.abs(A) < 1e-13 * np.abs(A).max(initial=1), 0, A)
