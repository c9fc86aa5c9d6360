"""Random elements of a matrix group, well conditioned and in the group to roundoff."""

import numbers

import numpy as np
import scipy.linalg

from fastemlp.groups.generators import is_inverse_of_adjoint
from fastemlp.groups.lie import compact_coefficients, real_rows
from fastemlp.groups.monomial import monomial_matrices, signed_permutations

# Continuous and discrete factors alternate this often: enough to mix what neither mixes alone.
_ROUNDS = 4
# Total spectral norm of the Hermitian parts of all exponents: the continuous factors together
# have condition number at most exp(2·_STRETCH).
_STRETCH = 1.0
_WIDEST_ANGLE = 4 * np.pi
_WORD_CONDITION = 1e3
_MIN_SLOTS = 8
_CHUNK = 2**24


def check_random_state(random_state):
    """A numpy Generator from None, an int, a SeedSequence, RandomState or Generator.

    None draws entropy from the system; the global numpy state is never touched. A RandomState is advanced, a Generator
    used as it is. TypeError or ValueError for anything else, or a negative seed.
    """
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(0, 2**31 - 1, size=4).tolist())
    is_seed = isinstance(random_state, numbers.Integral) and not isinstance(random_state, bool)
    if is_seed and random_state < 0:
        raise ValueError(f"Group.samples: random_state must be >= 0, got {random_state}.")
    known = (np.random.Generator, np.random.SeedSequence)
    if random_state is None or is_seed or isinstance(random_state, known):
        return np.random.default_rng(random_state)
    raise TypeError(
        "Group.samples: random_state must be None, an int, a RandomState or a Generator, "
        f"got {random_state!r}."
    )


def sample_elements(group, n, rng):
    """Draw group elements, ndarray of shape (n, d, d), dtype of the group, from a numpy Generator.

    Exact integers for monomial groups; condition number below 1e4 unless a discrete generator's own is above 1e3.

    Notes
    -----
    Monomial: product replacement (Celler et al., *Generating random elements of a finite group*,
    1995) on permutations. Otherwise a product of rounds, each a wide random compact element
    ``exp(K)``, a short one ``exp(X)`` in all directions, and a discrete one: by product replacement
    if the discrete generators are unitary, else a random word whose condition number stays bounded.
    The continuous parts cost O(n·d³) per round.
    """
    generators = group.sparse_discrete_generators
    if group.is_monomial:
        # Permutations carry no roundoff, so they can be scrambled for long.
        words = np.broadcast_to(np.arange(2 * group.d), (n, 2 * group.d))
        if generators:
            images = signed_permutations(generators, group.d)
            words = _words(images, n, rng, _compose, _invert, scrambling=16)
        return monomial_matrices(words, group.dtype)
    dense = group.discrete_generators
    rounds = _ROUNDS if group.orthonormal_lie_algebra else 1
    unitary = all(is_inverse_of_adjoint(h, conjugate=True) for h in generators)
    if generators and unitary:
        # Every letter of a word adds its roundoff; (1 + 1/slots)^(4·slots) letters are few enough.
        words = _words(dense, n * rounds, rng, np.matmul, _adjoint, scrambling=4)
        words = words.reshape(rounds, n, group.d, group.d)
    g = np.broadcast_to(np.eye(group.d, dtype=group.dtype), (n, group.d, group.d))
    for r in range(rounds):
        if group.orthonormal_lie_algebra:
            g = g @ _continuous(group._flow, n, rng, _STRETCH / rounds)
        if generators and unitary:
            g = g @ words[r]
        elif generators:
            g = _bounded_walk(g, dense, rng, steps=10 + 40 // rounds)
    return g


class Flow:
    """Random one-parameter elements of a Lie algebra of orthonormal basis, compact directions apart.

    ``is_compact`` tells that every element is skew-Hermitian.
    """

    def __init__(self, basis, d, is_compact):
        self.d = d
        self.dtype = basis[0].dtype
        self.is_compact = is_compact
        self.every = real_rows(basis, d)
        self.compact = self.every
        if not is_compact:
            self.compact = compact_coefficients(basis, d) @ self.every

    def draw(self, rows, n, rng):
        """Gaussian combinations of the rows, as (n, d, d) matrices."""
        flat = rng.standard_normal((n, rows.shape[0])) @ rows
        if self.dtype.kind == "c":
            flat = flat[:, : self.d**2] + 1j * flat[:, self.d**2 :]
        return flat.reshape(n, self.d, self.d)


def _continuous(flow, n, rng, stretch):
    g = np.eye(flow.d)
    if flow.compact.shape[0]:
        K = flow.draw(flow.compact, n, rng)
        g = _expm_skew(K, _WIDEST_ANGLE * rng.random(n))
    if flow.is_compact:
        return g
    X = flow.draw(flow.every, n, rng)
    hermitian = np.abs(np.linalg.eigvalsh((X + _adjoint(X)) / 2)).max(axis=1)
    norm = np.linalg.norm(X, 2, axis=(1, 2))
    # cond(exp X) <= exp(2‖X + Xᴴ‖/2), the logarithmic norm; the second bound is for near-rotations.
    longest = 1 / np.maximum(hermitian / stretch, norm / _WIDEST_ANGLE)
    return g @ scipy.linalg.expm((longest * rng.random(n))[:, None, None] * X)


def _expm_skew(K, angle):
    """``exp(t K)`` for skew-Hermitian K, with t such that the largest angle is the given one."""
    values, U = np.linalg.eigh(-1j * K)
    phase = np.exp(1j * values * (angle / np.abs(values).max(axis=1))[:, None])
    g = (U * phase[:, None, :]) @ _adjoint(U)
    return g if K.dtype.kind == "c" else g.real


def _words(generators, n, rng, compose, invert, scrambling):
    """Draw n independent product-replacement words, an array of shape (n, *element shape)."""
    slots = max(_MIN_SLOTS, len(generators) + 1)
    chunk = max(1, _CHUNK // (slots * generators[0].size))
    sizes = [min(chunk, n - start) for start in range(0, n, chunk)] or [0]
    steps = scrambling * slots
    parts = [_replace(generators, size, slots, steps, rng, compose, invert) for size in sizes]
    return np.concatenate(parts)


def _replace(generators, n, slots, steps, rng, compose, invert):
    """Product replacement: n lists of slots, each step multiplying one slot by another."""
    chain = np.arange(n)
    x = generators[np.arange(slots) % len(generators)]
    x = np.repeat(x[None], n, axis=0)
    start = rng.integers(slots, size=n)
    word = x[chain, start]
    shape = (n,) + (1,) * (generators.ndim - 1)
    for _ in range(steps):
        i = rng.integers(slots, size=n)
        j = (i + rng.integers(1, slots, size=n)) % slots
        on_left, inverted = rng.random((2, n)) < 0.5
        a, b = x[chain, i], x[chain, j]
        b = np.where(inverted.reshape(shape), invert(b), b)
        side = on_left.reshape(shape)
        a = compose(np.where(side, b, a), np.where(side, a, b))
        x[chain, i] = a
        word = compose(word, a)
    return word


def _bounded_walk(g, generators, rng, steps):
    """Multiply by random letters, refusing those that would leave the well-conditioned region."""
    n, d = g.shape[0], g.shape[-1]
    # The identity is a letter too: without it, words of one length may miss half of the group.
    letters = np.concatenate([np.eye(d)[None], generators, np.linalg.inv(generators)])
    bound = max(_WORD_CONDITION, np.linalg.cond(letters).max())
    for _ in range(steps + 4 * len(generators)):
        trial = g @ letters[rng.integers(len(letters), size=n)]
        accepted = np.linalg.cond(trial) <= bound
        g = np.where(accepted[:, None, None], trial, g)
    return g


def _compose(a, b):
    return np.take_along_axis(a, b, axis=1)


def _invert(a):
    return np.argsort(a, axis=1)


def _adjoint(a):
    return a.conj().swapaxes(-1, -2)
