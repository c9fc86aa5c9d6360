"""Hidden types that suit the inputs and outputs of a network."""

from itertools import product
from math import prod

import numpy as np

from fastemlp.bases.isotypic import irreps
from fastemlp.exceptions import CertificationError, NotReductive
from fastemlp.groups.enumeration import enumerate_elements
from fastemlp.reps import Scalar, regular_rep, slots, terms

#: Copies that a type has at least, whatever its size.
FEWEST = 4
#: A finite group permutes its elements in a hidden type if so many copies of that fit.
REGULAR = 8
#: Products larger than this are there if there are channels for them, however large the inputs and outputs.
LARGE = 16
#: Inputs, outputs and products of two inputs that have more components are not taken apart.
LARGEST = 400
#: Where a type is from: of the inputs, of the outputs, of products of two inputs.
INPUT, OUTPUT, PRODUCT = 0, 1, 2


def derived_rep(channels, rep_in, rep_out):
    """A rep for the hidden layers of a network from rep_in to rep_out: every type read, written, or multiplied.

    Parameters
    ----------
    channels : int ≥ 1
    rep_in, rep_out : Rep, bound and real

    Returns
    -------
    Rep
        Of about ``channels`` components, the same number for every type, twice as many scalars where these gate. Every
        type has four copies at least, so large types, such as ``V(S(200))``, take more channels than asked.

    Notes
    -----
    The types are products, over the groups, of types of one group:

    - A finite group with few elements permutes these: pointwise functions of that type, ``regular``, are universal.
    - Where inputs and outputs are permutations, they and their products by two stay that.
    - Where all generators are closed under the adjoint, the irreducibles of inputs, outputs and products of two inputs.
      What a central element such as −1 forbids is in none of them.
    - Otherwise, and where these are large, the types of inputs and outputs, and products of two inputs.

    What inputs and outputs hold is always there, and of their products what is no larger, or small enough for half the
    channels.
    """
    words_in, words_out = (
        [slots(term) for term, _ in terms(rep.canonical()[0])] for rep in (rep_in, rep_out)
    )
    groups = list(dict.fromkeys(atom.G for word in words_in + words_out for atom in word))
    by_group = []
    for group in groups:
        inside, outside = (_parts_of(group, words) for words in (words_in, words_out))
        by_group.append([(Scalar, INPUT), *_types(group, inside, outside, channels)])
    found = [
        (prod((rep for rep, _ in some), start=Scalar), max((role for _, role in some), default=0))
        for some in product(*by_group)
    ]
    ends = [rep.size() for rep, role in found if role < PRODUCT]
    types, room = [], channels / (2 * FEWEST)
    for rep, role in sorted(found, key=lambda one: (one[1] == PRODUCT, one[0].size())):
        # products no larger than what they are needed for are always there
        if rep != Scalar and (role < PRODUCT or rep.size() <= max(min(max(ends), LARGE), room)):
            types.append((rep, role))
            room -= rep.size()
    # as many channels for scalars, for what the inputs hold, and for the rest; fewer scalars where they gate nothing
    inputs, others = (
        [rep for rep, role in types if (role == INPUT) == is_in] for is_in in (True, False)
    )
    scalars = 0.5 if all(rep.is_permutation for rep, _ in types) else 1.0
    share = channels / (scalars + bool(inputs) + bool(others))
    hidden = max(1, round(scalars * share)) * Scalar
    for some in (inputs, others):
        for rep in some:
            hidden += max(FEWEST, round(share / len(some) / rep.size())) * rep
    return hidden


def _parts_of(group, words):
    """What the factors of one group make of some words: list of Rep, each once."""
    parts = (tuple(atom for atom in word if group == atom.G) for word in words)
    return [prod(part[1:], start=part[0]) for part in dict.fromkeys(parts) if part]


def _types(group, inside, outside, channels):
    """Types of one group but the trivial one: list of (Rep, where it is from)."""
    if not len(group.lie_algebra):
        elements = enumerate_elements(group, channels // REGULAR)
        if elements is not None and len(elements) > 1:
            return [(regular_rep(group), INPUT)]
    ends = [*inside, *outside]
    if not all(rep.is_permutation for rep in ends) and max(rep.size() for rep in ends) <= LARGEST:
        try:
            return _irreducible_types(inside, outside)
        except (NotReductive, CertificationError):
            pass
    return [
        *((rep, INPUT) for rep in inside),
        *((rep, OUTPUT) for rep in outside if rep not in inside),
        *((a * b, PRODUCT) for a in inside for b in inside),
    ]


def _irreducible_types(inside, outside):
    found = {}
    for role, some in ((INPUT, inside), (OUTPUT, outside), (PRODUCT, None)):
        if some is None:
            first = [irrep for irrep in found if found[irrep] == INPUT]
            small = sum(irrep.size() for irrep in first) ** 2 <= LARGEST
            some = [a * b for a in first for b in first if small]
        for irrep in irreps(sum([*found, *some], 0 * Scalar)) if some else ():
            # what was known is found as itself, the smallest rep that holds it
            if irrep.parent not in found and not _is_trivial(irrep):
                found[irrep] = role
    return list(found.items())


def _is_trivial(irrep):
    """Whether every element acts as 1."""
    group = irrep.G
    return irrep.size() == 1 and (
        np.allclose([irrep.rho(h) for h in group.discrete_generators], 1)
        and np.allclose([irrep.drho(A) for A in group.lie_algebra], 0)
    )
