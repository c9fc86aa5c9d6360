"""What a decomposition is worth: every stage of its chains against the generators as they were given."""

from __future__ import annotations

import numpy as np

from .split import Members, is_shown_irreducible, undecided

#: Random combinations of the Lie generators that are looked at; what all kill, one almost surely shows.
COMBINATIONS = 2
#: Random elements by which a piece is shown irreducible under the generators as given, and products of two in them.
DRAWS, MANY_MOVES = 5, 16
#: Products larger than this are looked at through so many random vectors, where that is enough.
LARGE, SAMPLES = 512, 16


def given_residual(lie, discrete, sides, sampled=False):
    """How far the pieces of some words are from carrying the irreducibles they are said to carry.

    Parameters
    ----------
    lie, discrete : sequences over generators of sequences over atoms of ndarray (d, d)
    sides : sequence of (chain, word); words over the atoms, of one catalogue
    sampled : bool
        Estimate the norms of products larger than 512 from 16 Gaussian vectors; the chance that an estimate is less
        than a third of the truth is below 1e-5. Then some images are functions that apply the matrix.

    Returns
    -------
    residual : float
        The sum over the factors and the words of the largest ``‖ρ(h) E − E h_μ‖ / (‖h_λ‖‖h_x‖√d_μ)`` over the pieces
        E, and the same for Lie generators, on the scale of those; the largest over the
        generators. Norms of generators are root mean squares of their singular values.
    images : list of dict {irreducible: ndarray (d, d)}; what each generator is on the irreducibles

    Notes
    -----
    A piece of λ ⊗ x carries μ as its first copy does, for every generator itself and not for what stood in for it when
    the pieces were found: O(Σ (d_λ·d_x)³) per discrete generator, and a few combinations of the Lie ones. From samples
    O(Σ (d_λ·d_x)²).
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
        words = [_word(*side, matrices, is_lie, found, checked, sampled) for side in sides]
        worst = np.maximum(worst, sum(words))  # unlike max, keeps a NaN
        images.append(found)
    return float(worst), images


def pairing_residual(images, units):
    """How far the commutants ``{μ: ndarray (t, d, d)}`` are from commuting with the images of the generators."""
    worst = 0.0
    for found in images:
        for mu, J in units.items():
            h = _matrix(found, mu, len(J[0]))
            defect = np.linalg.norm(h @ J - J @ h, axis=(1, 2)).max(initial=0.0)
            worst = np.maximum(worst, defect / max(np.linalg.norm(h), np.sqrt(len(h))))
    return float(worst)


def require_irreducible_as_given(irreducibles, images, accuracy):
    """Show every irreducible irreducible under discrete generators as they were given, not under powers of them.

    CertificationError where random elements of the algebra that they generate leave a piece in parts, or in doubt.

    Parameters
    ----------
    irreducibles : list of Irreducible; those in ``images`` are looked at
    images : list of dict {irreducible: ndarray (d, d)}, one per generator
    accuracy : float; generators closer than this to acting trivially are left out
    """
    for mu, known in enumerate(irreducibles):
        if known.dim == 1:
            continue
        generators = [np.asarray(found[mu]) for found in images if mu in found]
        if len(generators) < len(images):
            continue  # of another word
        # the identity is in the algebra anyway: what a generator near it does shows in the difference
        moves = [h - np.eye(known.dim) for h in generators]
        sizes = [_size(A) for A in moves]
        seen = [
            (A / size, size) for A, size in zip(moves, sizes, strict=True) if size > 64 * accuracy
        ]
        moves = [A for A, _ in seen]
        noise = accuracy / min((size for _, size in seen), default=1.0)
        if not moves or not _is_one(moves, known, noise):
            raise undecided(
                f"the generators as given do not show a piece of size {known.dim} to be irreducible, with a commutant "
                f"of dimension {known.type_dim}."
            )


def _is_one(moves, known, accuracy):
    """Whether some random elements have one isotypic part, of the type's multiplicity."""
    is_complex = known.commutant.dtype.kind == "c"
    rng = np.random.default_rng(0)
    elements = np.array([*moves, *[A @ B for A in moves for B in moves][:MANY_MOVES]])
    return any(
        is_shown_irreducible(
            elements, Members(len(elements), is_complex, rng, 2, accuracy), known.type_dim
        )
        for _ in range(DRAWS)
    )


def _word(chain, word, matrices, is_lie, images, checked, sampled):
    total = 0.0
    for stage, factor in zip(chain.stages, word, strict=True):
        worst = 0.0
        for index, f in stage:
            key = index, factor
            if key not in checked:
                fusion = chain.fusions[f]
                measure = _sampled if sampled and fusion.U.shape[2] > LARGE else _fusion
                left = _matrix(images, index, fusion.U.shape[0])
                checked[key] = measure(fusion, left, matrices[factor], is_lie, images)
            worst = np.maximum(worst, checked[key])
        total += worst
    return total


def _fusion(fusion, left, right, is_lie, images):
    """The largest residual over the pieces of one product; new irreducibles enter ``images``."""
    p, q, n = fusion.U.shape
    image, scale = _action(left, right, is_lie, fusion.U)
    image = image.reshape(p * q, n)
    worst = 0.0
    for mu, piece in fusion.pieces():
        E = np.ascontiguousarray(fusion.U.reshape(p * q, n)[:, piece])
        if mu not in images:
            images[mu] = E.conj().T @ image[:, piece]
        defect = image[:, piece] - E @ _matrix(images, mu, E.shape[1])
        worst = np.maximum(worst, np.linalg.norm(defect) / (scale * np.sqrt(E.shape[1])))
    return worst


def _sampled(fusion, left, right, is_lie, images):
    """As ``_fusion``, from random vectors of each piece."""
    x = np.random.default_rng(0).standard_normal((fusion.U.shape[2], SAMPLES))
    worst = 0.0
    for mu, piece in fusion.pieces():
        E, x_piece = fusion.U[:, :, piece], x[piece]

        def on_piece(z, E=E):
            image, scale = _action(left, right, is_lie, E @ z)
            return image, scale, np.tensordot(E.conj(), image, axes=((0, 1), (0, 1)))

        image, scale, inside = on_piece(x_piece)
        if mu in images:
            known = images[mu]
            inside = known(x_piece) if callable(known) else known @ x_piece
        else:
            images[mu] = lambda z, on_piece=on_piece: on_piece(z)[2]
        defect = np.linalg.norm(image - E @ inside) / np.sqrt(SAMPLES)
        worst = np.maximum(worst, defect / (scale * np.sqrt(E.shape[2])))
    return worst


def _action(left, right, is_lie, X):
    """What a generator does to X (p, q, b), and the scale of its errors."""
    image = np.tensordot(left, X, 1)
    if is_lie:
        return image + np.matmul(right, X), max(1.0, _size(left) + _size(right))
    return np.matmul(right, image), max(1.0, _size(left) * _size(right))


def _matrix(images, mu, d):
    """The image of a generator on an irreducible of size d, written out and kept so."""
    if callable(images[mu]):
        images[mu] = images[mu](np.eye(d))
    return images[mu]


def _size(B):
    return float(np.linalg.norm(B)) / np.sqrt(len(B))
