"""From a representation to the linear system that its symmetric vectors solve.

``v`` is symmetric iff ``drho(A) v = 0`` for every Lie algebra generator A and ``(rho(h) − I) v = 0`` for every
discrete generator h (Finzi et al. 2021, theorem 1). Stacked, that is ``C v = 0``.
"""

from fastemlp.operators import EPS, MinusIdentity, Stack, TensorConstraint
from fastemlp.reps import (
    DualRep,
    SumRep,
    Vector,
    drho_operator,
    require_representation,
    rho_operator,
    slot_drho,
    slot_rho,
    slots,
    terms,
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
    if not rep.is_bound:
        raise ValueError(
            f"constraint: {rep} is not bound to a group. Bind it by calling it: rep(G)."
        )
    for atom in _bespoke_atoms(rep):
        require_representation(atom)
    canonical, perm = rep.canonical()
    if perm is None and not isinstance(canonical, SumRep):
        letters = slots(canonical)
        return atom_generators(list(dict.fromkeys(letters)), rep.groups, letters)
    operators = []
    for group in rep.groups:
        operators += [drho_operator(rep, {group: A}) for A in group.orthonormal_lie_algebra]
        operators += [
            MinusIdentity(rho_operator(rep, {group: h})) for h in group.sparse_discrete_generators
        ]
    return Stack(operators, rep.size(), _accuracy(rep.groups))


def atom_generators(atoms, groups, letters=None):
    """The TensorConstraint of a word in some atoms.

    Parameters
    ----------
    atoms : list of distinct Rep, none of them a sum or a product
    groups : sequence of Group; those that act
    letters : sequence of Rep among the atoms; default each once

    Raises
    ------
    ValueError
        If a bespoke atom is not a representation.
    """
    for atom in atoms:
        if not isinstance(_undualised(atom), Vector):
            require_representation(_undualised(atom))
    lie, discrete = [], []
    for group in groups:
        lie += [[slot_drho(a, {group: A}) for a in atoms] for A in group.orthonormal_lie_algebra]
        discrete += [
            [slot_rho(a, {group: h}) for a in atoms] for h in group.sparse_discrete_generators
        ]
    letters = atoms if letters is None else letters
    return TensorConstraint(
        [atoms.index(a) for a in letters],
        [a.size() for a in atoms],
        lie,
        discrete,
        _accuracy(groups),
    )


def _accuracy(groups):
    return max((group.lie_accuracy for group in groups), default=EPS)


def _bespoke_atoms(rep):
    """The user-defined reps inside a rep, each once."""
    canonical, _ = rep.canonical()
    atoms = [atom for term, _ in terms(canonical) for atom in slots(term)]
    undualised = map(_undualised, atoms)
    return [atom for atom in dict.fromkeys(undualised) if not isinstance(atom, Vector)]


def _undualised(atom):
    return atom.rep if isinstance(atom, DualRep) else atom
