"""What a decomposition is worth: every stage of its chains against the generators as they were given."""

from __future__ import annotations

import numpy as np

#: Random combinations of the Lie generators that are looked at; what all kill, one almost surely shows.
COMBINATIONS = 2


def given_residual(lie, discrete, sides):
    """How far the pieces of some words are from carrying the irreducibles they are said to carry.

    Parameters
    ----------
    lie, discrete : sequences over generators of sequences over atoms of ndarray (d, d)
    sides : sequence of (chain, letters); words over the atoms, of one catalogue

    Returns
    -------
    residual : float
        The sum over the letters and the words of the largest ``‖ρ(h) E − E h_μ‖ / (‖h_λ‖‖h_x‖√d_μ)`` over the pieces
        E, and the same for Lie generators, on the scale of those; the largest over the
        generators. Norms of generators are root mean squares of their singular values.
    images : list of dict {irreducible: ndarray (d, d)}; what each generator is on the irreducibles

    Notes
    -----
    A piece of λ ⊗ x carries μ as its first copy does, for every generator itself and not for what stood in for it when
    the pieces were found: O(Σ (d_λ·d_x)³) per discrete generator, and a few combinations of the Lie ones.
    """
    rng = np.random.default_rng(0)
    worst, images, combinations = 0.0, [], []
    for _ in range(COMBINATIONS if lie else 0):
        weights = rng.standard_normal(len(lie)) / np.sqrt(len(lie))
        combinations.append(
            [np.tensordot(weights, A, 1) for A in map(np.array, zip(*lie, strict=True))]
        )
    generators = [(A, True) for A in combinations] + [(h, False) for h in discrete]
    for matrices, is_lie in generators:
        found = {0: np.zeros((1, 1)) if is_lie else np.eye(1)}
        checked = {}
        words = [_word(*side, matrices, is_lie, found, checked) for side in sides]
        worst = max(worst, sum(words))
        images.append(found)
    return worst, images


def pairing_residual(images, units):
    """How far the commutants ``{μ: ndarray (t, d, d)}`` are from commuting with the images of the generators."""
    worst = 0.0
    for found in images:
        for mu, J in units.items():
            h = found[mu]
            defect = np.linalg.norm(h @ J - J @ h, axis=(1, 2)).max(initial=0.0)
            worst = max(worst, defect / max(np.linalg.norm(h), np.sqrt(len(h))))
    return float(worst)


def _word(chain, letters, matrices, is_lie, images, checked):
    total = 0.0
    for stage, letter in zip(chain.stages, letters, strict=True):
        worst = 0.0
        for index, f in stage:
            key = index, letter
            if key not in checked:
                checked[key] = _fusion(
                    chain.fusions[f], images[index], matrices[letter], is_lie, images
                )
            worst = max(worst, checked[key])
        total += worst
    return total


def _fusion(fusion, left, right, is_lie, images):
    """The largest residual over the pieces of one product; new irreducibles enter ``images``."""
    p, q, n = fusion.U.shape
    E = fusion.U.reshape(p * q, n)
    image = np.tensordot(left, fusion.U, 1)
    if is_lie:
        image = image + np.matmul(right, fusion.U)
        scale = max(1.0, _size(left) + _size(right))
    else:
        image = np.matmul(right, image)
        scale = max(1.0, _size(left) * _size(right))
    restricted = E.conj().T @ image.reshape(p * q, n)
    worst, start = 0.0, 0
    for mu, d in fusion.targets:
        piece = slice(start, start + d)
        start += d
        known = images.setdefault(mu, restricted[piece, piece])
        # U is unitary: the norm of what leaves the piece, and of what acts differently on it
        defect = restricted[:, piece].copy()
        defect[piece] -= known
        worst = max(worst, float(np.linalg.norm(defect)) / (scale * np.sqrt(d)))
    return worst


def _size(B):
    return float(np.linalg.norm(B)) / np.sqrt(len(B))
