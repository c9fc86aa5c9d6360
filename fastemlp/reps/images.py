"""Reps given by the images of the generators, and the checks that they are reps."""

import re
import warnings
from collections.abc import Mapping
from functools import cached_property
from itertools import combinations, islice, product

import numpy as np
from scipy.linalg import expm, logm

from fastemlp.groups import Group
from fastemlp.groups.enumeration import enumerate_elements
from fastemlp.operators import to_dense
from fastemlp.reps.base import Rep
from fastemlp.reps.check import loop_period

#: Finite groups up to this order are enumerated, which makes the check a proof.
MAX_ORDER = 20_000
#: For other discrete groups this many words are tried, and their orders up to this one.
WORDS, LONGEST_ORDER = 300, 1000
#: Words tried where there is a Lie algebra as well; each costs logarithms.
EXPONENTIALS = 60
#: Sums and differences of two commuting elements whose loops are checked.
LOOPS = 200
TOLERANCE = 1e-6


class ImagesRep(Rep):
    """A rep given by the images of the generators of its group; made by ``Rep.from_images``.

    ``rho`` writes any other element as a word in discrete generators times an exponential; ``drho`` is linear.

    Attributes
    ----------
    lie_images, discrete_images : ndarrays of shapes (D, n, n) and (M, n, n), read-only
    """

    def __init__(self, group, lie_images, discrete_images):
        self.G = group
        self.lie_images, self.discrete_images = lie_images, discrete_images

    def _verify(self):
        """Nothing to check: ``rep_from_images`` did."""

    def size(self):
        return (self.lie_images if len(self.lie_images) else self.discrete_images).shape[-1]

    def drho(self, A):
        coordinates, error = self._algebra.coordinates(np.asarray(A))
        if error > 1e-8:
            raise ValueError(
                f"{self!r}: drho of a matrix outside the Lie algebra that the generators span (by {error:.1e} "
                "of its norm)."
            )
        return np.tensordot(coordinates, self._algebra.images, 1)

    def rho(self, g):
        g = np.asarray(g)
        for word, image in zip(*self._words, strict=True):
            found = self._exponential(np.linalg.solve(word, g))
            if found is not None:
                return image @ found
        raise ValueError(
            f"{self!r}: rho is known for products of generators of {self.G} that are not too long, and this matrix "
            "was not recognised as one."
        )

    @cached_property
    def _algebra(self):
        return _Algebra(self.G, self.lie_images, self.discrete_images)

    @cached_property
    def _words(self):
        """Short words in discrete generators with their images: all elements of a finite group."""
        elements = enumerate_elements(self.G, MAX_ORDER)
        if elements is not None:
            images = [np.eye(self.size())]
            for k, j in elements.parent[1:]:
                images.append(self.discrete_images[k] @ images[j])
            return list(elements.elements), images
        letters, images = _letters(self.G, self.discrete_images)
        words, moved = [np.eye(self.G.d)], [np.eye(self.size())]
        for length in (1, 2, 3):
            for chosen in product(range(len(letters)), repeat=length):
                word = _multiply([letters[i] for i in chosen])
                if len(words) < WORDS and not any(np.allclose(word, w) for w in words):
                    words.append(word)
                    moved.append(_multiply([images[i] for i in chosen]))
        return words, moved

    def _exponential(self, g, attempts=6):
        """The image of g if it is one exponential, or two, of the Lie algebra; else None."""
        eye = np.eye(len(g))
        if np.linalg.norm(g - eye) < 1e-8 * len(g):
            return np.eye(self.size())
        if not len(self._algebra.basis):
            return None
        if not self.G.is_complex and np.linalg.slogdet(g)[0] < 0:
            return None  # det exp(A) = exp(tr A) > 0
        rng = np.random.default_rng(0)
        for attempt in range(attempts):
            # from the second attempt on a detour, where the logarithm is not real or not in the algebra
            B = np.zeros_like(eye)
            if attempt:
                c = rng.standard_normal(len(self._algebra.basis))
                B = np.tensordot(0.7 * c / np.linalg.norm(c), self._algebra.basis, 1)
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                A = logm(g @ expm(-B))
            if not np.isfinite(A).all():
                continue
            A = A if self.G.is_complex or np.abs(A.imag).max() > 1e-9 else A.real
            coordinates, error = self._algebra.coordinates(A)
            if error < 1e-7 and np.linalg.norm(expm(A) @ expm(B) - g) < 1e-7 * np.linalg.norm(g):
                image = expm(np.tensordot(coordinates, self._algebra.images, 1))
                return image @ expm(self.drho(B)) if attempt else image
        return None

    def __repr__(self):
        return f"Rep.from_images({self.G!r}, size={self.size()})"


def rep_from_images(group, images):
    """See ``Rep.from_images``."""
    if not isinstance(group, Group):
        raise TypeError(f"Rep.from_images: expected a Group, got {group!r}.")
    D, M = len(group.sparse_lie_algebra), len(group.sparse_discrete_generators)
    names = [f"A{i}" for i in range(D)] + [f"h{k}" for k in range(M)]
    if not names:
        raise ValueError(f"Rep.from_images: {group} has no generators. Write n * Scalar.")
    if not isinstance(images, Mapping):
        images = dict(zip(names, images, strict=False)) if len(images) == len(names) else {}
    given = {_generator_name(key, D, M): matrix for key, matrix in images.items()}
    if set(given) != set(names):
        raise ValueError(
            f"Rep.from_images: {group} has the generators {', '.join(names)}, got images of "
            f"{', '.join(sorted(map(str, given))) or 'none or another number of them'}. Give one matrix for each."
        )
    matrices = {name: _square(name, given[name]) for name in names}
    sizes = {len(matrix) for matrix in matrices.values()}
    if len(sizes) > 1:
        raise ValueError(f"Rep.from_images: all images must have one size, got {sorted(sizes)}.")
    n = sizes.pop()
    dtype = np.result_type(float, *matrices.values())
    lie, discrete = (
        np.array([matrices[name] for name in names if name[0] == kind], dtype).reshape(-1, n, n)
        for kind in "Ah"
    )
    for array in (lie, discrete):
        array.flags.writeable = False
    for k, h in enumerate(discrete):
        if np.linalg.cond(h) > 1e12:
            raise ValueError(f"Rep.from_images: the image of h{k} must be invertible.")
    rep = ImagesRep(group, lie, discrete)
    rep._algebra.check_lifts(rep)
    _check_words(rep)
    return rep


class _Algebra:
    """An orthonormal basis of the Lie algebra generated under brackets and conjugation, and its images."""

    def __init__(self, group, lie_images, discrete_images):
        self.basis = np.zeros((0, group.d, group.d), group.dtype)
        self.images = np.zeros((0, *lie_images.shape[1:]), lie_images.dtype)
        pending = [
            (f"A{i} as a combination of others", A.toarray(), B)
            for i, (A, B) in enumerate(zip(group.sparse_lie_algebra, lie_images, strict=True))
        ]
        h = [(x, np.linalg.inv(x)) for x in group.discrete_generators]
        H = [(X, np.linalg.inv(X)) for X in discrete_images]
        while pending:
            law, A, B = pending.pop()
            coordinates, error = self.coordinates(A)
            if error < 1e-8 or not np.linalg.norm(A):
                expected = np.tensordot(coordinates, self.images, 1)
                _expect(group, law, B, expected, max(1.0, np.linalg.norm(coordinates)))
                continue
            rest = A - np.tensordot(coordinates, self.basis, 1)
            image = B - np.tensordot(coordinates, self.images, 1)
            scale = np.linalg.norm(rest)
            rest, image = rest / scale, image / scale
            for other, moved in zip(self.basis, self.images, strict=True):
                bracket = rest @ other - other @ rest, image @ moved - moved @ image
                pending.append(("a bracket [A, B]", *bracket))
            for k, ((x, x_inv), (X, X_inv)) in enumerate(zip(h, H, strict=True)):
                pending.append((f"h{k} A h{k}⁻¹", x @ rest @ x_inv, X @ image @ X_inv))
            self.basis = np.concatenate([self.basis, rest[None]])
            self.images = np.concatenate([self.images, image[None]])

    def coordinates(self, A):
        """Real coordinates in the basis, and the norm of the part of A outside its span, relative to A."""
        flat = self.basis.reshape(len(self.basis), A.size)
        coordinates = (flat.conj() @ A.ravel()).real
        rest = A.ravel() - coordinates @ flat
        # once more: the basis is orthonormal to roundoff only
        again = (flat.conj() @ rest).real
        rest = rest - again @ flat
        return coordinates + again, np.linalg.norm(rest) / max(np.linalg.norm(A), 1e-300)

    def check_lifts(self, rep):
        """Loops close: where exp(TA) = I, the image B of A satisfies exp(TB) = I; sums of commuting elements too."""
        for A, B in zip(self.basis, self.images, strict=True):
            self._check_loop(rep, A, B)
        for A, B in zip(rep.G.sparse_lie_algebra, rep.lie_images, strict=True):
            self._check_loop(rep, A.toarray(), B)
        # loops of commuting sums may close earlier than those of the generators alone
        pairs = combinations(zip(self.basis, self.images, strict=True), 2)
        commuting = (pair for pair in pairs if _commute(pair[0][0], pair[1][0]))
        for (A, B), (C, D) in islice(commuting, LOOPS // 2):
            for sign in (1, -1):
                self._check_loop(rep, A + sign * C, B + sign * D)

    def _check_loop(self, rep, A, B):
        period = loop_period(A)
        if period is not None:
            _expect(rep.G, "exp(TA) = I, a closed loop", expm(period * B), np.eye(len(B)))


def _commute(A, C):
    return np.linalg.norm(A @ C - C @ A) < 1e-9


def _check_words(rep):
    """Relations between the discrete generators."""
    group, H = rep.G, rep.discrete_images
    if not len(H):
        return
    elements = enumerate_elements(group, MAX_ORDER)
    if elements is not None:
        vectors = np.empty((len(elements), rep.size(), 2), H.dtype)
        vectors[0] = np.random.default_rng(0).standard_normal(vectors[0].shape)
        for i, (k, j) in enumerate(elements.parent[1:], 1):
            vectors[i] = H[k] @ vectors[j]
        for k, row in enumerate(elements.table):
            moved = H[k] @ vectors
            for i, j in enumerate(row):
                _expect(group, "two words for one element", vectors[j], moved[i])
        return
    letters, images = _letters(group, H)
    rng = np.random.default_rng(0)
    words = [list(w) for n in (1, 2) for w in product(range(len(letters)), repeat=n)][:WORDS]
    # h_i and its conjugates by powers of h_j, which include the relations of symmetric groups
    for i, j, p in product(range(len(H)), range(len(H)), range(1, 9)):
        words.append([i] + [j] * p + [i] + [j + len(H)] * p)
        words.append([i] + [j] * p + [i + len(H)] + [j + len(H)] * p)
    words += [rng.integers(len(letters), size=rng.integers(3, 10)).tolist() for _ in range(WORDS)]
    connected = len(rep._algebra.basis) > 0
    seen, moved = [], []
    for word in words[: EXPONENTIALS if connected else 3 * WORDS]:
        g, image = _multiply([letters[i] for i in word]), _multiply([images[i] for i in word])
        twin = next((i for i, known in enumerate(seen) if np.allclose(g, known)), None)
        if twin is not None:
            _expect(group, "two words for one element", image, moved[twin])
            continue
        seen.append(g)
        moved.append(image)
        found = rep._exponential(g, attempts=2) if connected else None
        if found is not None:
            _expect(group, "a word of discrete generators that is an exponential", image, found)
        order = _order(g)
        if order:
            power = np.linalg.matrix_power(image, order)
            _expect(group, f"a word w with w^{order} = I", power, np.eye(len(power)))


def _letters(group, images):
    h = list(group.discrete_generators)
    H = list(images)
    return h + [np.linalg.inv(x) for x in h], H + [np.linalg.inv(X) for X in H]


def _order(g):
    """The least n with gⁿ = I up to ``LONGEST_ORDER``, or None."""
    values = np.linalg.eigvals(g)
    if np.abs(np.abs(values) - 1).max() > 1e-6:
        return None
    phases = np.angle(values) / (2 * np.pi)
    n = np.arange(1, LONGEST_ORDER + 1)[:, None]
    off = np.abs(n * phases - np.round(n * phases)).max(axis=1)
    fitting = np.flatnonzero(off < 1e-7 * n[:, 0])
    if not fitting.size:
        return None
    order = int(fitting[0]) + 1
    closed = np.linalg.norm(np.linalg.matrix_power(g, order) - np.eye(len(g)))
    return order if closed < 1e-7 * len(g) * order else None


def _multiply(matrices):
    out = matrices[0]
    for matrix in matrices[1:]:
        out = out @ matrix
    return out


def _generator_name(key, D, M):
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool) and not (D and M):
        return f"{'A' if D else 'h'}{key}"
    if isinstance(key, str) and re.fullmatch(r"[Ah]\d+", key):
        return key
    raise ValueError(
        f"Rep.from_images: {key!r} names no generator. Write 'A0' for lie_algebra[0], 'h0' for discrete_generators[0]."
    )


def _square(name, matrix):
    matrix = np.atleast_2d(to_dense(matrix) if hasattr(matrix, "shape") else np.asarray(matrix))
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.dtype.kind not in "biufc":
        raise ValueError(
            f"Rep.from_images: the image of {name} must be a square matrix, got {matrix!r}."
        )
    if not np.isfinite(matrix).all():
        raise ValueError(f"Rep.from_images: the image of {name} holds NaN or infinite entries.")
    return matrix


def _expect(group, law, got, expected, scale=1.0):
    error = np.linalg.norm(got - expected) / max(scale, np.linalg.norm(expected))
    if not error <= TOLERANCE:
        raise ValueError(
            f"Rep.from_images: the images are no representation of {group}: {law} does not hold for them, with "
            f"relative error {error:.1e} (allowed {TOLERANCE:.0e})."
        )
