"""Split a unitary representation into irreducibles, by the matrices of a few group elements alone.

Let 𝒜 be the algebra that the elements generate. A random Hermitian member S of 𝒜 has, on each irreducible λ, the
same eigenvalues in every copy, so its eigenspaces show multiplicities: an eigenvalue of λ is repeated ``c = m·t`` times
for m copies, with t = 1, 2, 4 where λ is of real, complex or quaternionic type (over the complex numbers always 1). A
second member of 𝒜 links the eigenspaces that belong together and carries vectors from one to the next in the same
way for every copy; carried around a loop it acts on an eigenspace by the division algebra of λ. This is the MeatAxe
(Holt and Rees 1994) in floating point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from fastemlp.exceptions import CertificationError, Status

#: Random members of the algebra: one to diagonalise, one to link, the others for loops.
N_MEMBERS = 5
#: Probes that are known to some accuracy couple what is apart, and part what is one, by up to so many times that.
NOISE = 100
#: Eigenvalues closer than this, relative to the largest, are one.
SAME = 1e-9
#: Eigenspaces are linked by entries above this, relative to the largest, ...
LINKED = 1e-9
#: ... and above this over the distance to the nearest other eigenvalue: by so much roundoff mixes an eigenvector with
#: its neighbour, whose links it then shows.
MIXED = 1e-13
#: Eigenvectors of eigenvalues nearer than this are looked at for roundoff that mixed them, so many times.
NEAR, UNMIXING_ROUNDS = 1e-5, 3


def undecided(what):
    """The error of a random draw that does not tell what is one and what is not."""
    return CertificationError(f"irreducibles: {what}", status=Status.AMBIGUOUS_RANK)


class Members:
    """Fixed random quadratic expressions in the probes: the same members of 𝒜 on every representation."""

    def __init__(self, n_probes, is_complex, rng, n_members=N_MEMBERS, accuracy=0.0):
        self.is_complex = is_complex
        #: what probes known to ``accuracy`` show by chance
        self.noise = NOISE * accuracy
        shape = (3, n_members, 2 * n_probes)
        self.coefficients = rng.standard_normal(shape) / np.sqrt(2 * n_probes)
        if is_complex:
            self.coefficients = self.coefficients + 1j * rng.standard_normal(shape) / np.sqrt(
                2 * n_probes
            )

    def __call__(self, probes, count=None):
        """Members of 𝒜, or the first ``count`` of them, from probes (J, n, n): ndarray (count, n, n).

        The first two are Hermitian.
        """
        J, n, _ = probes.shape
        parts = probes.reshape(J, -1)
        coefficients = self.coefficients[:, :count, :J]
        if not self.is_complex and np.iscomplexobj(probes):
            # real and imaginary parts both lie in the real algebra
            parts = np.concatenate([parts.real, parts.imag])
            coefficients = self.coefficients[:, :count]
        a, b, c = (coefficients[i] @ parts for i in range(3))
        members = np.matmul(a.reshape(-1, n, n), b.reshape(-1, n, n)) + c.reshape(-1, n, n)
        for r in range(min(2, len(members))):
            members[r] = (members[r] + members[r].conj().T) / 2
        return members


@dataclass(frozen=True, eq=False)
class Isotypic:
    """All copies of one irreducible inside a representation of size n.

    Attributes
    ----------
    values : ndarray (k,); the eigenvalues of S on the irreducible, ascending, each counted once
    V : ndarray (n, k, c); their eigenvectors
    members : ndarray (N_MEMBERS, k, c, k, c); the members of 𝒜 on them
    gap : float; the smallest distance between different eigenvalues of S, here or to another part, relative to
        the largest
    """

    values: np.ndarray
    V: np.ndarray
    members: np.ndarray
    gap: float


@dataclass(frozen=True, eq=False)
class Recipe:
    """How to build the standard frame of an irreducible: the same steps give isomorphic copies equal matrices.

    Attributes
    ----------
    tree : tuple of (parent, child); links between eigenspaces, in the order of use
    loops : tuple of flat indices of loops that give the imaginary units
    type_dim : int; 1, 2 or 4
    """

    tree: tuple
    loops: tuple
    type_dim: int


def isotypic_parts(probes, members):
    """The isotypic parts of a representation given by unitary probes (J, n, n).

    Parameters
    ----------
    members : Members

    Returns
    -------
    list of Isotypic
    """
    M = members(probes)
    w, V = np.linalg.eigh(M[0])
    steps = np.diff(w) / max(1.0, np.abs(w).max())
    apart = steps > max(SAME, members.noise)
    gap = float(steps[apart].min(initial=np.inf))
    starts = np.flatnonzero(np.append(True, apart))
    sizes = np.diff(np.append(starts, len(w)))
    M = np.matmul(np.matmul(V.conj().T, M), V)
    label = components(_linked(M, w, starts, members.noise))
    V, M = _unmixed(V, M, w, np.repeat(label, sizes))
    parts = []
    for component in range(label.max() + 1):
        mine = np.flatnonzero(label == component)
        c = sizes[mine[0]]
        if (sizes[mine] != c).any():
            raise undecided(
                f"eigenvalues of one irreducible are repeated {sorted(set(sizes[mine].tolist()))} times, expected one "
                "number. Two of them nearly coincide."
            )
        index = (starts[mine][:, None] + np.arange(c)).ravel()
        k = len(mine)
        parts.append(
            Isotypic(
                w[starts[mine]],
                V[:, index].reshape(-1, k, c),
                M[:, index[:, None], index].reshape(-1, k, c, k, c),
                gap,
            )
        )
    return parts


def is_shown_irreducible(probes, members, type_dim):
    """Whether random members show one isotypic part, of one copy of an irreducible of this type."""
    try:
        parts = isotypic_parts(probes, members)
    except CertificationError:
        return False  # two of its eigenvalues nearly coincide in this draw
    return len(parts) == 1 and parts[0].V.shape[2] == type_dim


def _linked(M, w, starts, noise):
    """Which eigenspaces belong to one irreducible, a symmetric-or-not boolean array."""
    squares = np.sum(np.abs(M[1:]) ** 2, axis=0)
    strength = np.sqrt(np.add.reduceat(np.add.reduceat(squares, starts, axis=0), starts, axis=1))
    steps = np.diff(w[starts]) / max(1.0, np.abs(w).max())
    nearest = np.minimum(np.append(np.inf, steps), np.append(steps, np.inf))
    mixed = MIXED / np.minimum.outer(nearest, nearest)
    np.fill_diagonal(mixed, 0.0)
    return strength > np.maximum(max(LINKED, noise), mixed) * strength.max()


def _unmixed(V, M, w, label):
    """Eigenvectors V and members ``Vᴴ M V`` without what roundoff mixed between parts that have eigenvalues in common.

    Where ``v_i`` of one part has a share θ of ``v_j`` of another, 𝒜 carries it into the other part as it carries
    ``θ v_j``: regression of column i of M on column j, over the rows of the part of j and the other way around.
    """
    order = np.argsort(w, kind="stable")
    scale = max(1.0, np.abs(w).max())
    pairs = []
    for shift in range(1, len(w)):
        i, j = order[:-shift], order[shift:]
        near = np.abs(w[j] - w[i]) < NEAR * scale
        if not near.any():
            break
        near &= label[i] != label[j]
        pairs.append((i[near], j[near]))
    i, j = (np.concatenate(side) for side in zip(*pairs, strict=True)) if pairs else ([], [])
    if not len(i):
        return V, M
    for _ in range(UNMIXING_ROUNDS):
        theta = np.empty(len(i), M.dtype)
        for rows in np.array_split(np.arange(len(i)), 1 + len(i) * len(w) * len(M) // 10**7):
            a, b = i[rows], j[rows]
            share = _share(M, label, a, b)
            back = _share(M, label, b, a)
            theta[rows] = (share - back.conj()) / 2
        Theta = csr_array(
            (np.append(theta, -theta.conj()), (np.append(j, i), np.append(i, j))), M.shape[1:]
        )
        V = V - (Theta.T @ V.T).T
        M = np.array([m - (Theta.T @ m.T).T for m in M])
        M = np.array([m - Theta.conj().T @ m for m in M])
        if np.abs(theta).max() < LINKED:
            break
    return V, M


def _share(M, label, i, j):
    """By how much of column j column i of M is explained, over the rows of the part of j but for j itself."""
    rows = label[:, None] == label[None, j]
    rows[j, np.arange(len(j))] = False
    seen, source = M[:, :, i], np.where(rows, M[:, :, j], 0)
    power = np.sum(np.abs(source) ** 2, axis=(0, 1))
    product = np.sum(source.conj() * seen, axis=(0, 1))
    return np.divide(product, power, out=np.zeros_like(product), where=power > 0)


def components(linked):
    """The label of each node's component in an undirected graph, from a boolean matrix; 0 for the first node's.

    Dense, as these graphs are small: a sparse one takes longer to make than to walk.
    """
    linked = linked | linked.T
    label = np.full(len(linked), -1)
    found = 0
    while (rest := np.flatnonzero(label < 0)).size:
        reached = np.zeros(len(linked), bool)
        new = rest[:1]
        while new.size:
            reached[new] = True
            new = np.flatnonzero(linked[new].any(axis=0) & ~reached)
        label[reached] = found
        found += 1
    return label


def _spanning_tree(strength):
    """The spanning tree of the strongest links, (parent, child) each, parents first (Prim 1957)."""
    tree = []
    best, parent = strength[0].copy(), np.zeros(len(strength), int)
    best[0] = -np.inf
    for _ in range(len(strength) - 1):
        child = int(np.argmax(best))
        tree.append((int(parent[child]), child))
        stronger = (strength[child] > best) & (best > -np.inf)
        best[stronger], parent[stronger] = strength[child][stronger], child
        best[child] = -np.inf
    return tuple(tree)


def choose_recipe(part, is_complex):
    """A recipe for the irreducible of an isotypic part."""
    tree = _spanning_tree(np.linalg.norm(part.members[1], axis=(1, 3)))
    if is_complex or part.V.shape[2] == 1:
        return Recipe(tree, (), 1)
    skew = _skew_loops(part, _carry(part, tree))
    loops, units = [], []
    while True:
        norms = np.linalg.norm(skew, axis=(1, 2))
        pick = int(np.argmax(norms > 0.5 * norms.max())) if len(norms) else 0
        if len(norms) == 0 or norms[pick] < 1e-7 * np.sqrt(skew.shape[1]):
            break
        if len(loops) == 2:
            raise undecided(
                "an eigenspace carries more than four dimensions of loops, so its irreducibles nearly coincide."
            )
        loops.append(pick)
        units = _units(skew, units, pick)
        skew = _without(skew, units)
    return Recipe(tree, tuple(loops), 1 if not loops else 2 * len(loops))


def frames(part, recipe):
    """Aligned orthonormal frames of all copies, ndarray of shape (m, n, d).

    In frame coordinates every copy has the same matrices, and so has every other representation framed by the
    same recipe if it is isomorphic.
    """
    n, k, c = part.V.shape
    W = _carry(part, recipe.tree)
    t = recipe.type_dim
    if c == 1:
        return (part.V[:, :, 0] * W[:, 0, 0])[None]
    units = [np.eye(c, dtype=W.dtype)]
    if t > 1:
        skew = _skew_loops(part, W)
        imaginary = []
        for pick in recipe.loops:
            imaginary = _units(skew, imaginary, pick)
            skew = _without(skew, imaginary)
        units = units + imaginary
    lines = _lines(np.array(units))
    carried = np.einsum("nkc,kcd->nkd", part.V, W)
    F = np.einsum("nkd,mdt->nmkt", carried, lines).reshape(n, -1)
    # one Newton step to the nearest orthonormal frame takes out what the tree and the loops accumulated
    F = 1.5 * F - 0.5 * (F @ (F.conj().T @ F))
    return np.ascontiguousarray(F.reshape(n, len(lines), k * t).swapaxes(0, 1))


def commutant_units(recipe, k):
    """Orthonormal-up-to-scale basis of the commutant of an irreducible in its frame, ndarray (t, d, d), orthogonal."""
    i2 = np.array([[0.0, -1.0], [1.0, 0.0]])
    if recipe.type_dim == 1:
        units = [np.eye(1)]
    elif recipe.type_dim == 2:
        units = [np.eye(2), i2]
    else:
        # multiplication from the right by 1, i, j, k on the quaternions with basis 1, i, j, k
        units = [
            np.eye(4),
            np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, -1, 0]], float),
            np.array([[0, 0, -1, 0], [0, 0, 0, -1], [1, 0, 0, 0], [0, 1, 0, 0]], float),
            np.array([[0, 0, 0, -1], [0, 0, 1, 0], [0, -1, 0, 0], [1, 0, 0, 0]], float),
        ]
    return np.array([np.kron(np.eye(k), u) for u in units])


def _carry(part, tree):
    """Isometries (k, c, c) from the first eigenspace to each, along the tree."""
    k, c = part.V.shape[1:]
    W = np.empty((k, c, c), part.members.dtype)
    W[0] = np.eye(c)
    links = part.members[1]
    for parent, child in tree:
        step = links[child, :, parent] @ W[parent]
        W[child] = step * (np.sqrt(c) / np.linalg.norm(step))
    return W


def _skew_loops(part, W):
    """The skew parts of what 𝒜 does to the first eigenspace, ndarray (N, c, c)."""
    direct = np.einsum("kdc,rkdke,kef->rkcf", W.conj(), part.members, W)
    returned = np.einsum("kdc,rkde->rkce", W.conj(), part.members[:, :, :, 0])
    L = np.concatenate([direct, returned]).reshape(-1, *W.shape[1:])
    return (L - L.conj().swapaxes(1, 2)) / 2


def _units(skew, units, pick):
    """Append the unit along ``skew[pick]``; the second brings the third along as their product."""
    c = skew.shape[1]
    unit = skew[pick] * (np.sqrt(c) / np.linalg.norm(skew[pick]))
    return [*units, unit] if not units else [*units, unit, units[0] @ unit]


def _without(skew, units):
    """The loops with their parts along the units taken out."""
    c = skew.shape[1]
    for unit in units:
        skew = skew - np.einsum("nij,ij->n", skew, unit)[:, None, None] * (unit / c)
    return skew


def _lines(units):
    """Split R^c into c/t orthogonal lines over the division algebra: ndarray (m, c, t)."""
    t, c, _ = units.shape
    rest = np.eye(c, dtype=units.dtype)
    lines = []
    for _ in range(c // t):
        u = rest[:, np.argmax(np.linalg.norm(rest, axis=0))]
        line = np.stack([unit @ (u / np.linalg.norm(u)) for unit in units], axis=1)
        lines.append(line)
        rest = rest - line @ (line.conj().T @ rest)
    return np.array(lines)
