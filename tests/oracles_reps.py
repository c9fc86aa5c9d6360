"""Reps written out as plain functions of matrices: right ones made at random, and ways to spoil them."""

import numpy as np

from fastemlp.groups import (
    GL,
    SL,
    SO,
    C,
    Cube,
    D,
    DkeR3,
    Group,
    O,
    S,
    SO13p,
    Sp,
    WreathProduct,
    Z,
    ZksZnxZn,
)
from fastemlp.reps import Rep

GROUPS = (
    *(C(5), D(3), D(4), D(7), Z(6), S(3), S(4), S(6), Cube(), DkeR3(4), ZksZnxZn(4, 2)),
    *(WreathProduct(Z(2), S(3)), WreathProduct(SO(2), S(2)), WreathProduct(D(3), Z(2))),
    *(SO(2), SO(3), O(2), O(3), SO(4), SL(2), Sp(1), SO13p(), GL(2), SO(2) * S(3)),
    Group(discrete_generators=[[[1, 1], [0, 1]], [[0, 1], [-1, 0]]], name="SL(2,Z)"),
    Group([[[0, 1.0], [0, 0]]], [np.diag([-1.0, 1.0])], name="shears"),
)


class Function(Rep):
    """A rep that is a function of the group element, and no more."""

    def __init__(self, function, tag):
        self.function, self.tag = function, tag

    def rho(self, g):
        return self.function(g)

    def __repr__(self):
        return self.tag


def random_word(rng, d, depth=2):
    """(function, text) of a random true rep of dimension below 40, and whether it is not abelian in general."""
    kind = rng.integers(6) if depth else rng.integers(3)
    if kind == 0:
        return (lambda g: g), "V", d
    if kind == 1:
        return (lambda g: np.linalg.inv(g).T), "V*", d
    if kind == 2:
        power = int(rng.integers(1, 3))
        return (lambda g: np.linalg.det(g).reshape(1, 1) ** power), f"det^{power}", 1
    a, name_a, size_a = random_word(rng, d, depth - 1)
    b, name_b, size_b = random_word(rng, d, depth - 1)
    if kind == 3 and size_a * size_b <= 16:
        return (lambda g: np.kron(a(g), b(g))), f"{name_a}x{name_b}", size_a * size_b
    if kind == 4:
        M = np.linalg.qr(rng.standard_normal((size_a, size_a)))[0] + 0.1 * np.eye(size_a)
        inverse = np.linalg.inv(M)
        return (lambda g: M @ a(g) @ inverse), f"~({name_a})", size_a
    return (lambda g: _block(a(g), b(g))), f"({name_a}+{name_b})", size_a + size_b


def _block(a, b):
    out = np.zeros((len(a) + len(b),) * 2, np.result_type(a, b))
    out[: len(a), : len(a)], out[len(a) :, len(a) :] = a, b
    return out


def spoilt(rng, function, size):
    """(function, what was done) of a rep that is none any more, whatever the group, if it is not trivial there."""
    kind = rng.integers(4)
    if kind == 0:
        return (lambda g: 1.01 * function(g)), "scaled"
    if kind == 1:
        i, j = rng.integers(size, size=2)
        bump = np.zeros((size, size))
        bump[i, j] = 1e-3

        def moved(g):
            far = np.linalg.norm(g - np.eye(len(g))) > 1e-9
            return function(g) + bump * far

        return moved, "one entry off"
    if kind == 2:

        def signed(g):
            return function(g) * (-1 if np.trace(g) < len(g) - 1e-9 else 1)

        return signed, "minus away from the identity"
    N = rng.standard_normal((size, size))
    return (lambda g: function(g) + 1e-4 * np.linalg.norm(g - np.eye(len(g))) * N), "noise"


def closure(generators, d):
    """All elements that some matrices of a finite group generate, by brute force."""
    known = {_rounded(np.eye(d)): np.eye(d)}
    frontier = [np.eye(d)]
    while frontier:
        products = [h @ g for g in frontier for h in generators]
        frontier = []
        for g in products:
            if _rounded(g) not in known:
                known[_rounded(g)] = g
                frontier.append(g)
    return list(known.values())


def double_cosets(elements, H, K):
    """The number of double cosets K g H, by brute force."""
    d = len(elements[0])
    H, K = closure(H, d), closure(K, d)
    left = {_rounded(g): g for g in elements}
    count = 0
    while left:
        g = left[next(iter(left))]
        for k in K:
            for h in H:
                left.pop(_rounded(k @ g @ h), None)
        count += 1
    return count


def _rounded(g):
    return (np.round(g, 6) + 0.0).tobytes()
