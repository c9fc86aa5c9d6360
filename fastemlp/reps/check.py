"""Is a bespoke rep really a representation? A wrong one would silently give nonsense."""

from itertools import product

import numpy as np
from scipy.linalg import expm

from fastemlp.groups.enumeration import enumerate_elements
from fastemlp.operators import to_dense
from fastemlp.reps.base import Rep

#: Finite groups up to this order are checked completely: every generator times every element.
FULL_ORDER = 128
#: At most this many ordered pairs of generators are tried, and this many random products.
PAIRS, RANDOM_PRODUCTS = 64, 24
#: Exponentials are taken up to this many operations, but at least three.
EXPONENTIAL_WORK = 1e9
#: Closed loops ``exp(tA)`` are checked at these shares of their period.
LOOP_SHARES = (0.2, 0.3, 0.45, 0.5, 0.7, 0.85, 1.0)
#: Frequencies of a generator up to this multiple of their common unit make a loop.
_WINDINGS = 24
_ROUNDOFF = 1e3 * np.finfo(np.float64).eps


def check_rep(rep, *, tol=1e-6, random_state=0):
    """Raise unless ``rho`` is a homomorphism, ``drho`` is its derivative, and the rep's declarations hold.

    Parameters
    ----------
    rep : Rep, bound to one group
    tol : float; allowed error relative to the size of the matrices involved
    random_state : int, Generator or None; draws the group elements tried

    Raises
    ------
    ValueError
        With the law that fails, and by how much.

    Notes
    -----
    Every law is tried on:

    - all products of a generator and an element, for finite groups of up to 128 elements: this is a proof;
    - otherwise all ordered pairs of generators, their inverses and exponentials (up to 64 of them), and 24 products
      of random elements;
    - ``rho(exp(tA)) = exp(t drho(A))`` along each generator A, all the way round where ``exp(tA)`` is a closed loop,
      which catches two-valued maps that turn by half the angle; and linearity of drho in a random combination;
    - ``is_permutation``, ``T`` and ``conj``, where the rep declares them, on all these generators.

    Products are compared on four random vectors. Cost: about 200 + 2M evaluations of rho and of products with a
    matrix of its size, and exponentials of 1e9 operations in all (but at least three). Only for groups of more than 128
    elements can a map pass all of these and yet fail to be a homomorphism.
    """
    if rep.G is None:
        raise ValueError(f"check_rep: {rep!r} is not bound to one group. Bind it: rep(SO(3)).")
    trial = _Trial(rep, tol, np.random.default_rng(random_state))
    trial.identity()
    enumeration = enumerate_elements(rep.G, FULL_ORDER)
    if enumeration is not None:
        trial.all_products(enumeration)
    else:
        trial.some_products()
    trial.derivative()
    trial.declarations()


def require_representation(rep):
    """``check_rep`` with its defaults, once for each rep object; our own classes define ``_verify`` instead."""
    if not rep.__dict__.get("_checked"):
        verify = getattr(rep, "_verify", None)
        check_rep(rep) if verify is None else verify()
        object.__setattr__(rep, "_checked", True)


class _Trial:
    """The laws, each tried on a rep of one group."""

    def __init__(self, rep, tol, rng):
        self.rep, self.tol, self.rng = rep, tol, rng
        self.group = rep.G
        self.size = rep.size()
        # all maps are linear, so real vectors show whatever complex ones would
        self.vectors = rng.standard_normal((self.size, 4))
        h = list(self.group.discrete_generators)
        self.lie = [A.toarray() for A in self.group.orthonormal_lie_algebra]
        self.letters = h + [np.linalg.inv(x) for x in h]
        self.letters += [expm(rng.uniform(1, 3) * A) for A in self._some(self.lie)]

    def identity(self):
        """rho(I) = I, and shapes."""
        image = self.rep.rho(np.eye(self.group.d, dtype=self.group.dtype))
        self._expect_shape("rho", np.shape(image))
        self._expect_close("rho(I) = I", to_dense(image), np.eye(self.size))

    def all_products(self, enumeration):
        """Every generator times every element, which is a proof."""
        moved = [self._image(g) @ self.vectors for g in enumeration.elements]
        for h, row in zip(self.group.discrete_generators, enumeration.table, strict=True):
            image = self._image(h)
            for v, j in zip(moved, row, strict=True):
                self._expect_close(_PRODUCT, moved[j], image @ v)

    def some_products(self):
        """Pairs of generators in both orders, and random elements."""
        pairs = list(product(range(len(self.letters)), repeat=2))
        if len(pairs) > PAIRS:
            pairs = [pairs[i] for i in self.rng.choice(len(pairs), PAIRS, replace=False)]
        images = [self._image(x) for x in self.letters]
        for i, j in pairs:
            self._expect_product(self.letters[i], self.letters[j], images[i], images[j])
        x = self.group.samples(RANDOM_PRODUCTS, self.rng)
        y = self.group.samples(RANDOM_PRODUCTS, self.rng)
        for k, (a, b) in enumerate(zip(x, y, strict=True)):
            if k % 4 == 0:
                b = np.linalg.inv(a)
            elif k % 4 == 1 and self.letters:
                b = self.letters[k // 4 % len(self.letters)]
            self._expect_product(a, b, self._image(a), self._image(b))

    def derivative(self):
        """Linearity of drho, and rho(exp(tA)) = exp(t drho(A)), around closed loops too."""
        images = []
        for A in self.lie:
            image = self.rep.drho(A)
            self._expect_shape("drho", np.shape(image))
            images.append(to_dense(image))
        if not images:
            return
        lie, images = np.array(self.lie), np.array(images)
        c = self.rng.standard_normal(len(images)) / np.sqrt(len(images))
        A, B = np.tensordot(c, lie, 1), np.tensordot(c, images, 1)
        linear = to_dense(self.rep.drho(A))
        self._expect_close("drho is linear", linear @ self.vectors, B @ self.vectors)
        self._expect_exponential(A, B)
        given = [A.toarray() for A in self.group.sparse_lie_algebra if A.nnz]
        for A in self._some(given):
            c = np.tensordot(lie.conj(), A, 2).real  # A in the orthonormal basis
            self._expect_exponential(A, np.tensordot(c, images, 1))

    def declarations(self):
        """What the class declares besides rho and drho."""
        kind = type(self.rep)
        if self.rep.is_permutation:
            self._expect_permutations()
        if kind.T is not Rep.T:
            dual = self.rep.T
            for x in self.letters:
                expected = np.linalg.inv(self._image(x)).T
                self._expect_close("T is the dual", to_dense(dual.rho(x)), expected)
        if kind.conj is not Rep.conj:
            other = self.rep.conj()
            for x in self.letters:
                expected = self._image(x).conj()
                self._expect_close("conj() is the conjugate", to_dense(other.rho(x)), expected)

    def _expect_permutations(self):
        for x in self.letters:
            image = self._image(x)
            largest = np.abs(image) > 0.5
            exact = np.all(largest.sum(axis=0) == 1) and np.all(largest.sum(axis=1) == 1)
            error = float(np.abs(image - largest).max(initial=0.0))
            if not exact or not error <= self.tol:
                raise ValueError(
                    f"{self.rep!r} declares is_permutation=True, but under {self.group} it is not: rho of a generator "
                    f"differs by {error:.1e} from a permutation matrix (allowed {self.tol:.0e}). Pointwise functions "
                    "would not be equivariant. Leave is_permutation False."
                )

    def _expect_product(self, x, y, image_x, image_y):
        xy = self._image(x @ y) @ self.vectors
        inner = image_y @ self.vectors
        # roundoff of the product itself, where the factors are large
        slack = _ROUNDOFF * np.linalg.norm(image_x) * np.linalg.norm(inner)
        self._expect_close(_PRODUCT, xy, image_x @ inner, slack)

    def _expect_exponential(self, A, B):
        t = 1 / max(1.0, np.linalg.norm(A, 2))
        law = "rho(exp(A)) = exp(drho(A))"
        E = expm(t * B)
        self._expect_close(law, self._image(expm(t * A)) @ self.vectors, E @ self.vectors)
        period = loop_period(A)
        if period is None:
            return
        small = expm(0.05 * period * B)
        values, done = self.vectors, 0
        for share in LOOP_SHARES:
            while done < round(20 * share):
                values, done = small @ values, done + 1
            image = self._image(expm(0.05 * done * period * A))
            law = "rho(exp(tA)) = exp(t drho(A)) along a closed loop"
            self._expect_close(law, image @ self.vectors, values)

    def _image(self, g):
        image = to_dense(self.rep.rho(g))
        self._expect_shape("rho", image.shape)
        return image

    def _some(self, matrices):
        """As many of the matrices as exponentials are affordable, evenly spread."""
        affordable = max(3, int(EXPONENTIAL_WORK / (30 * max(self.size, 1) ** 3)))
        if len(matrices) <= affordable:
            return matrices
        chosen = np.linspace(0, len(matrices) - 1, affordable).round().astype(int)
        return [matrices[i] for i in chosen]

    def _expect_shape(self, name, shape):
        if tuple(shape) != (self.size, self.size):
            raise ValueError(
                f"{self.rep!r}: {name} returns shape {shape}, expected ({self.size}, {self.size})."
            )

    def _expect_close(self, law, got, expected, slack=0.0):
        scale = max(1.0, np.linalg.norm(expected))
        error = np.linalg.norm(got - expected)
        if not error <= self.tol * scale + slack:
            raise ValueError(
                f"{self.rep!r} is not a representation of {self.group}: {law} fails with relative error "
                f"{error / scale:.1e} (allowed {self.tol:.0e}). Correct its rho or drho."
            )


_PRODUCT = "rho(gh) = rho(g) rho(h)"


def loop_period(A):
    """The least T > 0 with ``exp(TA) = I``, or None where there is none or the fastest frequency turns over 24 times.

    Parameters
    ----------
    A : ndarray of shape (d, d)

    Notes
    -----
    ``exp(TA) = I`` iff A is diagonalisable and its eigenvalues are ``2πi n / T`` with integers n.
    """
    frequencies = np.linalg.eigvals(A)
    largest = np.abs(frequencies).max(initial=0.0)
    if not largest > 0 or np.abs(frequencies.real).max() > 1e-9 * largest:
        return None
    ratios = np.abs(frequencies.imag) / largest
    for n in range(1, _WINDINGS + 1):
        if np.abs(n * ratios - np.round(n * ratios)).max() < 1e-9 * n:
            period = 2 * np.pi * n / largest
            closed = np.linalg.norm(expm(period * A) - np.eye(len(A)))
            return period if closed <= 1e-8 * len(A) else None
    return None
