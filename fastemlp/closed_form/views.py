"""How inputs look to a group, and to what is left of it when finite groups are dealt with in other ways."""

from dataclasses import dataclass

import numpy as np

from fastemlp.groups.enumeration import enumerate_elements
from fastemlp.reps import Scalar, objects, rho_operator, slots

#: The most elements that kernels are averaged over.
MAX_ORDER = 200


@dataclass(frozen=True)
class View:
    """What invariants are made of.

    Attributes
    ----------
    sources : list of (type, columns of each copy), under some of the groups
    generators : list of ndarrays; how generators of the other groups, which are finite, act on inputs
    turns : list of pairs of ndarrays, or None
        How each element of the latter acts on inputs and outputs, which is orthogonal; None where these are too many,
        or the others move the output.
    """

    sources: list
    generators: list
    turns: list | None


def probe(n_in):
    """Inputs in general position, ndarray (8, n_in), at which it is seen what a group does.

    In samples coordinates may coincide by chance, as species of atoms or edges of graphs do.
    """
    return np.random.default_rng(0).standard_normal((8, n_in))


def views(rep_in, kind):
    """Yield Views for an output of one type: under all groups, and under those with a Lie algebra alone.

    Parameters
    ----------
    rep_in, kind : Rep, bound
    """
    yield View(objects(rep_in), [], None)
    groups = dict.fromkeys((*rep_in.groups, *kind.groups))
    finite = [group for group in groups if not group.orthonormal_lie_algebra]
    if not finite:
        return
    left = [group for group in groups if group not in finite]
    generators = [
        _action(rep_in, {group: h})
        for group in finite
        if group in rep_in.groups
        for h in group.discrete_generators
    ]
    yield View(_left_to(rep_in, left), generators, _turns(rep_in, kind, finite))


def _turns(rep_in, kind, finite):
    turns = [{}]
    for group in finite:
        elements = enumerate_elements(group, MAX_ORDER // len(turns))
        if elements is None:
            return None
        turns = [{**turn, group: g} for turn in turns for g in elements.elements]
    if any(group not in finite for group in kind.groups):
        return None
    turns = [(_action(rep_in, turn), _action(kind, turn)) for turn in turns]
    if all(np.allclose(a @ a.T, np.eye(len(a)), atol=1e-10) for turn in turns for a in turn):
        return turns
    return None


def _action(rep, turn):
    """The matrix of a group element, ``{group: g}``, on a rep."""
    acting = {group: turn[group] for group in rep.groups if group in turn}
    return rho_operator(rep, acting).matmat(np.eye(rep.size())) if acting else np.eye(rep.size())


def _left_to(rep, groups):
    """The objects of a rep under some of its groups alone."""
    found = {}
    for kind, columns in objects(rep):
        atoms = slots(kind)
        mine = [k for k, atom in enumerate(atoms) if atom.G in groups]
        others = [k for k in range(len(atoms)) if k not in mine]
        part = Scalar
        for k in mine:
            part = part * atoms[k]
        copies = columns.reshape(len(columns), *(atom.size() for atom in atoms))
        copies = copies.transpose(0, *(1 + k for k in others), *(1 + k for k in mine))
        found.setdefault(part, []).append(copies.reshape(-1, part.size()))
    return [(part, np.concatenate(copies)) for part, copies in found.items()]
