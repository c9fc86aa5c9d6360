"""Couplings: the equivariant bilinear maps that take two irreducibles to a third, as Clebsch-Gordan coefficients do."""

import numpy as np
from scipy.sparse import csr_array

from fastemlp.irreducibles.decompose import decompose_all
from fastemlp.irreducibles.symmetry import reductive_group
from fastemlp.operators import KroneckerProduct, KroneckerSum, TensorConstraint


def couplings(C, sides, commutants, pairs, rng):
    """All couplings of some pairs of irreducibles.

    Parameters
    ----------
    C : TensorConstraint; the group on some atoms
    sides : list of (Chain, word); how words in the atoms fall into irreducibles
    commutants : list over irreducibles of ndarray (t, d, d)
    pairs : list of (int, int), one or more; irreducibles, none of them trivial
    rng : numpy Generator

    Returns
    -------
    dict {(i, j): {k: ndarray (t, d_k, d_i, d_j)}}
        Of squared norm d_k, orthogonal to each other; k is any irreducible that a word ends in.

    Raises
    ------
    CertificationError
        If the products cannot be taken apart to 1e-11, or ten times what the generators are known to.

    Notes
    -----
    The products are taken apart as words whose atoms are the irreducibles: O((d_i·d_j)³) for each pair.
    """
    dims = [unit.shape[1] for unit in commutants]
    largest = max(dims[i] * dims[j] for i, j in pairs)
    ends = {mu for chain, _ in sides for mu in chain.multiplicities()[-1]}
    known = [mu for mu in sorted({0} | ends) if dims[mu] <= largest]
    atoms = {i: at for at, i in enumerate(known)}
    words = [[atoms[i]] for i in known] + [[atoms[i] for i in pair] for pair in pairs]
    _, chains, _ = decompose_all(
        reductive_group(_on_irreducibles(C, sides, commutants, known)),
        words,
        rng,
        tol=max(1e-11, 10 * C.accuracy),
        caller="network",
    )
    columns = [chain.columns() for chain, _ in chains]
    # what each is called there, and the basis it has
    named = {}
    for i, found in zip(known, columns, strict=False):
        ((mu, E),) = found.items()
        named[mu] = i, E[:, 0]
    couplings = {}
    for (i, j), found in zip(pairs, columns[len(known) :], strict=True):
        couplings[i, j] = {}
        for mu in found.keys() & named.keys():
            k, basis = named[mu]
            T = np.einsum("kd,xcd->ckx", basis, found[mu])
            T = np.concatenate([unit @ T for unit in commutants[k]])
            couplings[i, j][k] = T.reshape(*T.shape[:2], dims[i], dims[j])
    return couplings


def _on_irreducibles(C, sides, commutants, known):
    """The group on some irreducibles, each once, in the bases that the sides give them."""
    lie, discrete = ([[None] * len(known) for _ in some] for some in (C.lie, C.discrete))
    for at, mu in enumerate(known):
        if mu == 0:
            continue
        chain, word = next(side for side in sides if mu in side[0].multiplicities()[-1])
        E, sizes = chain.first_copy(mu), [C.dims[a] for a in word]
        for A, images in zip(C.lie, lie, strict=True):
            images[at] = csr_array(E.T @ KroneckerSum([A[a] for a in word], sizes).matmat(E))
        for h, images in zip(C.discrete, discrete, strict=True):
            images[at] = csr_array(E.T @ KroneckerProduct([h[a] for a in word], sizes).matmat(E))
    dims = [commutants[mu].shape[1] for mu in known]
    return TensorConstraint(range(len(known)), dims, lie, discrete, C.accuracy)
