"""Hidden types that suit the inputs and outputs of a network."""

from itertools import product
from math import prod

import numpy as np

from fastemlp.bases.basis import equivariant_basis
from fastemlp.bases.isotypic import irreps
from fastemlp.bases.socle import socle_irreps
from fastemlp.exceptions import CertificationError, NotReductive
from fastemlp.groups.enumeration import enumerate_elements
from fastemlp.reps import Scalar, regular_rep, slots, terms

#: Copies that a type has at least, whatever its size.
FEWEST = 4
#: The same where there are few equivariant maps from it to itself, so that copies are all that tells functions apart.
FEWEST_OF_SETS, FEW_MAPS = 16, 4
#: The same for pairs of points that one group permutes while another acts on each, and what is read beside them.
FEWEST_BESIDE_PAIRS = 8
#: A finite group permutes its elements in a hidden type if so many copies of that fit.
REGULAR = 8
#: Products larger than this are there if there are channels for them, however large the inputs and outputs.
LARGE = 24
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
        Of about ``channels`` components, a third of them for scalars, which gate, one for the types of inputs, one for
        the others. Every type has four copies at least, points of a set 16, so large types take more than asked.

    Notes
    -----
    The types are products, over the groups, of types of one group:

    - A finite group with few elements permutes these: pointwise functions of that type, ``regular``, are universal.
    - Where inputs and outputs are permutations, they and their products by two stay that, if only beside other groups
      for a group of few elements.
    - Where all generators are closed under the adjoint, the irreducibles of inputs, outputs and products of two inputs.
      What a central element such as −1 forbids is in none of them.
    - Otherwise, and where these are large, the types of inputs and outputs, and products of two inputs.

    What inputs and outputs hold is always there, and of their products what is no larger, or small enough for half the
    channels. Pairs of points that a group permutes, while another acts on each, come before other products, up to half
    as many as channels: they have functions of distances.
    """
    words_in, words_out = (
        [slots(term) for term, _ in terms(rep.canonical()[0])] for rep in (rep_in, rep_out)
    )
    groups = list(dict.fromkeys(atom.G for word in words_in + words_out for atom in word))
    by_group = []
    for group in groups:
        inside, outside = (_parts_of(group, words) for words in (words_in, words_out))
        regular = _regular(group, channels)
        if regular and len(groups) == 1:
            # what is the same in every component stands for a scalar
            return max(FEWEST, round(channels / regular.size())) * regular
        # points that a group permutes, while another acts on each, are no more than that
        if regular and not all(rep.is_permutation for rep in inside + outside):
            some = [(regular, INPUT)]
        else:
            some = _types(inside, outside)
        by_group.append([(Scalar, INPUT), *some])
    together = [{atom.G for atom in word} for word in words_in + words_out]
    found = []
    for some in product(*by_group):
        rep = prod((part for part, _ in some), start=Scalar)
        known = set(rep.groups) in together
        found.append((rep, max((role for _, role in some), default=0) if known else PRODUCT))
    ends, pairs, products = _fitting([one for one in found if one[0] != Scalar], channels)
    inputs = [rep for rep, role in ends if role == INPUT]
    others = [rep for rep, role in ends if role == OUTPUT]
    # as many channels for scalars, for what the inputs hold, and for the rest; fewer scalars where they gate nothing
    sets = all(rep.is_permutation for rep in [*inputs, *others, *products])
    others += pairs or products
    scalars = 0.5 if sets else 1.0
    share = channels / (scalars + bool(inputs) + bool(others))
    hidden = max(1, round(scalars * share)) * Scalar
    for some in (inputs, others):
        for rep in some:
            fewest = FEWEST_BESIDE_PAIRS if pairs else FEWEST
            if sets and equivariant_basis(rep >> rep).rank <= FEW_MAPS:
                fewest = FEWEST_OF_SETS
            hidden += max(fewest, round(share / len(some) / rep.size())) * rep
    if pairs:
        hidden += sum((FEWEST * rep for rep in products), 0 * Scalar)
    return hidden


def _fitting(found, channels):
    """Of types and where they are from, those of inputs and outputs, pairs of points, and products as there is room."""
    ends = [(rep, role) for rep, role in found if role < PRODUCT]
    largest = min(max((rep.size() for rep, _ in ends), default=0), LARGE)
    room = channels / (2 * FEWEST) - sum(rep.size() for rep, _ in ends)
    pairs, products = [], []
    sets = all(rep.is_permutation for rep, _ in ends)
    for rep in sorted((rep for rep, role in found if role == PRODUCT), key=lambda rep: rep.size()):
        if rep.is_permutation and not sets:
            pairs += [rep] if rep.size() <= channels / 2 else []
        # products no larger than what they are needed for are always there
        elif rep.size() <= max(largest, room):
            products.append(rep)
            room -= rep.size()
    return ends, pairs, products


def _parts_of(group, words):
    """What the factors of one group make of some words: list of Rep, each once."""
    parts = (tuple(atom for atom in word if group == atom.G) for word in words)
    return [prod(part[1:], start=part[0]) for part in dict.fromkeys(parts) if part]


def _regular(group, channels):
    """The rep in which a finite group permutes its elements, if they are few; else None."""
    if len(group.lie_algebra):
        return None
    elements = enumerate_elements(group, channels // REGULAR)
    return None if elements is None or len(elements) == 1 else regular_rep(group)


def _types(inside, outside):
    """Types of one group but the trivial one: list of (Rep, where it is from)."""
    ends, alone = [*inside, *outside], []
    if not all(rep.is_permutation for rep in ends) and max(rep.size() for rep in ends) <= LARGEST:
        try:
            return _irreducible_types(inside, outside)
        except NotReductive:
            alone = _alone(ends)
        except CertificationError:
            pass
    return [
        *((rep, INPUT) for rep in inside),
        *((rep, OUTPUT) for rep in outside if rep not in inside),
        *((irrep, INPUT) for irrep in alone),
        *((a * b, PRODUCT) for a in inside for b in inside),
    ]


def _alone(ends):
    """Irreducibles that have no complement in some types, but sit there on their own."""
    try:
        found = [irrep for rep in ends for irrep in socle_irreps(rep)]
    except (NotReductive, CertificationError):
        return []
    return [irrep for irrep in dict.fromkeys(found) if not _is_trivial(irrep)]


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
