"""Tensor words by induction: each letter more splits only the few irreducibles of the word so far."""

from __future__ import annotations

from fastemlp.isometries import Chain, Fusion


def decompose(catalogue, letters):
    """The change of basis of ``x_1 ⊗ … ⊗ x_k`` to copies of irreducibles.

    Parameters
    ----------
    catalogue : Catalogue
    letters : sequence of int, atoms

    Returns
    -------
    Chain
    splittings : list of Splitting, one per fusion of the chain
    """
    dims, stages, fusions, splittings, position = [], [], [], [], {}
    present = [0]
    for atom in letters:
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
        dims.append(catalogue.symmetry.lie[atom].shape[1])
        stages.append(tuple(stage))
    return Chain(tuple(dims), tuple(stages), tuple(fusions)), splittings
