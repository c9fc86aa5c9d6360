"""From a representation to the linear system that its symmetric vectors solve.

``v`` is symmetric iff ``drho(A) v = 0`` for every Lie algebra generator A and ``(rho(h) − I) v = 0`` for every
discrete generator h (Finzi et al. 2021, theorem 1). Stacked, that is ``C v = 0``.
"""

import numpy as np

from fastemlp.groups.generators import is_generalised_permutation
from fastemlp.groups.logarithm import NEAR, jordan_parts, logarithms
from fastemlp.operators import EPS, MinusIdentity, Stack, TensorConstraint
from fastemlp.reps import (
    DualRep,
    Rep,
    SumRep,
    Vector,
    drho_operator,
    require_representation,
    rho_operator,
    slot_accuracy,
    slot_drho,
    slot_rho,
    slots,
    terms,
)

#: A discrete generator whose distance from the identity is this many times its error is the identity: ``ITSELF`` where
#: its direction is clear all the same, ``UNCLEAR`` where errors would decide the direction.
UNCLEAR, ITSELF = 1e3, 64
#: A shear whose logarithm is known less accurately than this is left as it is.
COARSE = 1e-11


def require_bound(rep, caller):
    """TypeError unless this is a Rep, ValueError unless it is bound to a group."""
    if not isinstance(rep, Rep):
        raise TypeError(f"{caller}: expected a Rep, got {rep!r}. Write for example V(SO(3)).")
    if not rep.is_bound:
        raise ValueError(
            f"{caller}: {rep} is not bound to a group. Bind it by calling it: rep(SO(3))."
        )


def constraint(rep):
    """The constraint operator C of a rep, matrix-free.

    Parameters
    ----------
    rep : Rep, bound

    Returns
    -------
    Stack; a TensorConstraint if the rep is one tensor type with its slots in canonical order
        A LinearOperator of shape ((D + M)·m, m), with ``normal_matmat`` for ``Cᴴ C``; float64 or complex128.
        The Lie algebra of each group is orthonormalised first, which leaves the nullspace alone and gives
        ``Cᴴ C`` few distinct eigenvalues.

    Raises
    ------
    ValueError
        If a part is unbound, or a bespoke rep is not a representation.
    """
    require_bound(rep, "constraint")
    canonical, perm = rep.canonical()
    if perm is None and not isinstance(canonical, SumRep):
        word = slots(canonical)
        return atom_generators(list(dict.fromkeys(word)), rep.groups, word)
    atoms = list(dict.fromkeys(atom for term, _ in terms(canonical) for atom in slots(term)))
    seen = atom_generators(atoms, rep.groups)
    operators = []
    for group in rep.groups:
        operators += [drho_operator(rep, {group: A}) for A in group.orthonormal_lie_algebra]
        operators += [
            MinusIdentity(rho_operator(rep, {group: h})) for h in group.sparse_discrete_generators
        ]
    return Stack(operators, rep.size(), seen.accuracy, seen.scale)


def atom_generators(atoms, groups, word=None):
    """The TensorConstraint of a word in some atoms.

    Parameters
    ----------
    atoms : list of distinct Rep, none of them a sum or a product
    groups : sequence of Group; those that act
    word : sequence of Rep among the atoms; default each once

    Raises
    ------
    ValueError
        If a bespoke atom is not a representation.
    """
    for atom in atoms:
        bespoke = atom.rep if isinstance(atom, DualRep) else atom
        if not isinstance(bespoke, Vector):
            require_representation(bespoke)
    accuracy = max((group.lie_accuracy for group in groups), default=EPS)
    lie, discrete, orthogonal = [], [], []
    for group in groups:
        for A in group.orthonormal_lie_algebra:
            lie.append([slot_drho(a, {group: A}) for a in atoms])
            # the unit element A is what the errors of its images are relative to
            errors = (slot_accuracy(a, {group: A}) for a in atoms)
            accuracy = max(accuracy, *errors, 0.0)
        for h in group.sparse_discrete_generators:
            discrete.append([slot_rho(a, {group: h}) for a in atoms])
            orthogonal.append(group.is_orthogonal)
            if any(isinstance(a, Vector) and a.dual and group == a.G for a in atoms):
                # the error of an inverse relative to its norm; one entry a row and column is inverted to all digits
                is_exact = group.is_unitary or is_generalised_permutation(h)
                condition = 1.0 if is_exact else np.linalg.cond(h.toarray())
                accuracy = max(accuracy, group.accuracy * float(condition))
    if word is not None:
        return _from_logarithms(atoms, word, lie, discrete, orthogonal, accuracy)
    sizes = [a.size() for a in atoms]
    return TensorConstraint(range(len(atoms)), sizes, lie, discrete, accuracy)


def word_generators(atoms, groups, words):
    """The generators on some atoms, for decomposing words in them and telling the pieces apart.

    Parameters
    ----------
    atoms, groups : as for ``atom_generators``
    words : sequence of sequences of Rep among the atoms

    Returns
    -------
    TensorConstraint
        With every atom in one slot. A discrete generator near the identity or unipotent is given by its logarithm
        where that fixes the same maps between any two of the words.
    """
    most = {a: max((list(word).count(a) for word in words), default=0) for a in atoms}
    # a map from word to word is a tensor in the slots of both
    word = [a for a in atoms for _ in range(2 * most[a])]
    C = atom_generators(atoms, groups, word)
    return TensorConstraint(range(len(atoms)), C.dims, C.lie, C.discrete, C.accuracy)


def _from_logarithms(atoms, word, lie, discrete, orthogonal, accuracy):
    """The TensorConstraint, with a discrete generator near the identity or unipotent given by its logarithm.

    ``ρ(h) = exp(D)`` with D the sum over slots of their logarithms, and ``exp(D) − I`` has the nullspace of D unless a
    multiple of 2πi is an eigenvalue of D. In ``ρ(h) − I`` it follows from differences of numbers close to 1, with
    singular values as small as these; in the logarithm, scaled to unit norm, with the error of h on that scale. The
    logarithm of a shear also lies in the Lie algebra of the smallest algebraic group that contains the generators,
    often a classical group in which they generate a lattice: SL(2, Z) has the tensors of SL(2).
    """
    slots_ = [atoms.index(a) for a in word]
    kept, known = [], accuracy
    for images, is_orthogonal in zip(discrete, orthogonal, strict=True):
        parts = None if is_orthogonal else jordan_parts(images)
        turn, shear = parts or (None, images)
        found = logarithms(shear, slots_, is_orthogonal)
        if found is None:
            kept.append(images)
            continue
        logs, length, magnified = found
        if length <= (ITSELF if magnified == 1 else UNCLEAR) * known:
            accuracy = max(accuracy, length)
        elif length > NEAR and magnified * known > COARSE:
            kept.append(images)
            continue
        else:
            lie, accuracy = [*lie, logs], max(accuracy, magnified * known)
        if turn is not None:
            kept.append(turn)
    return TensorConstraint(slots_, [a.size() for a in atoms], lie, kept, accuracy)
