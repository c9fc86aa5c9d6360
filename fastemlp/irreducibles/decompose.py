"""Tensor words by induction: each factor more splits only the few irreducibles of the word so far."""

from __future__ import annotations

import numpy as np

from fastemlp._budget import DEFAULT_BUDGET as BUDGET
from fastemlp._threads import single_threaded_blas
from fastemlp.exceptions import CertificationError, Status

from .catalogue import Catalogue
from .chain import Chain, Fusion
from .characters import character, generated_elements, whole_mean
from .check import given_residual, pairing_residual, require_irreducible_as_given
from .monomial import MonomialCatalogue, Unsuitable
from .orbitals import MonomialGroup
from .split import undecided

#: Random draws that are tried before giving up.
ATTEMPTS = 6


def decompose(catalogue, word):
    """The change of basis of ``x_1 ⊗ … ⊗ x_k`` to copies of irreducibles.

    Parameters
    ----------
    catalogue : Catalogue or MonomialCatalogue
    word : sequence of int, atoms

    Returns
    -------
    Chain
    splittings : list of Splitting, one per fusion of the chain
    """
    dims, stages, fusions, splittings, position = [], [], [], [], {}
    present = [0]
    for atom in word:
        stage, after = [], set()
        for index in present:
            if (index, atom) not in position:
                position[index, atom] = len(fusions)
                splitting = catalogue.split(index, atom)
                targets = tuple((mu, catalogue.irreducibles[mu].dim) for mu in splitting.targets)
                splittings.append(splitting)
                fusions.append(Fusion(splitting.U, targets))
            stage.append((index, position[index, atom]))
            after.update(mu for mu, _ in fusions[position[index, atom]].targets)
        present = sorted(after)
        dims.append(catalogue.dims[atom])
        stages.append(tuple(stage))
    return Chain(tuple(dims), tuple(stages), tuple(fusions)), splittings


def decompose_all(group, words, rng, *, tol, also=None, caller):
    """Take several words apart with one catalogue, and check every piece against the generators.

    Parameters
    ----------
    group : ReductiveGroup
    words : list of lists of int, atoms
    rng : numpy Generator
    tol : float; the residual allowed
    also : (lie, discrete), optional; other generators of the group on its atoms to check against, as dense matrices
    caller : str, for the message

    Returns
    -------
    Catalogue or MonomialCatalogue
    sides : list of (Chain, word)
    residual : float

    Raises
    ------
    CertificationError
        If six random draws fail.
    """
    for _ in range(ATTEMPTS):
        try:
            with single_threaded_blas():
                catalogue, found = _decomposed(group, words, rng)
        except CertificationError as error:
            failure = error.message.rstrip(".")
            continue
        sides = [(chain, word) for (chain, _), word in zip(found, words, strict=True)]
        units = {
            mu: irreducible.commutant
            for mu, irreducible in enumerate(catalogue.irreducibles)
            if irreducible.type_dim > 1
        }
        shown = None
        defects = [sum(s.residual + s.orthogonality for s in pieces) for _, pieces in found]
        for generators in ((group.lie, group.discrete), also):
            if generators is not None:
                given, images = given_residual(*generators, sides, sampled=True)
                defects += [given, pairing_residual(images, units)]
                shown = images if shown is None else shown
        residual = float(np.max(defects))
        # written so that a NaN, which np.max keeps, fails
        if not residual <= tol:
            failure = f"the pieces found are off by {residual:.1e}"
            continue
        if isinstance(catalogue, Catalogue) and not group.lie:
            try:
                _require_counted(group, catalogue, sides)
                require_irreducible_as_given(catalogue.irreducibles, shown, group.accuracy)
            except CertificationError as error:
                failure = error.message.rstrip(".")
                continue
        return catalogue, sides, residual
    raise CertificationError(
        f"{caller}: expected pieces that the generators leave alone to {tol:.1e}, but in {ATTEMPTS} random draws "
        f"{failure}. Give the generators to more digits, or their accuracy as Group(..., accuracy=...); "
        "equivariant_basis(rep >> rep) needs no decomposition.",
        status=Status.BAD_RESIDUAL,
    )


def _require_counted(group, catalogue, sides):
    """CertificationError where the maps between two words are not as many as characters count, for a finite group.

    ``Σ m n t`` over the irreducibles, of multiplicities m and n and a commutant of dimension t, is the dimension of
    these maps; the mean of ``χ conj(ψ)`` over all elements is, too. Equal irreducibles taken for different ones, and
    sums taken for irreducibles, change it.
    """
    elements = generated_elements(group.discrete, group.dims, group.dtype)
    if elements is None:
        return
    characters = [character(elements, word) for _, word in sides]
    multiplicities = [chain.multiplicities()[-1] for chain, _ in sides]
    for i, (chi, left) in enumerate(zip(characters, multiplicities, strict=True)):
        for psi, right in zip(characters[: i + 1], multiplicities[: i + 1], strict=True):
            expected = whole_mean(chi * psi.conj())
            found = sum(
                n * right.get(mu, 0) * catalogue.irreducibles[mu].type_dim for mu, n in left.items()
            )
            if expected is not None and found != expected:
                raise undecided(
                    f"between two types {found} maps were found where characters count {expected}"
                )


def _decomposed(group, words, rng):
    """A catalogue, and ``decompose`` of every word; by counting where the group is monomial."""
    monomial = MonomialGroup.of(group, sorted({a for word in words for a in word}), BUDGET)
    if monomial is not None:
        try:
            catalogue = MonomialCatalogue(monomial, rng, BUDGET)
            return catalogue, [decompose(catalogue, word) for word in words]
        except Unsuitable:
            pass
    catalogue = Catalogue(group.draw(rng), rng, BUDGET)
    return catalogue, [decompose(catalogue, word) for word in words]
