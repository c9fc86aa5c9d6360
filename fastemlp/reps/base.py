"""What every representation is and can do; subclass ``Rep`` to define your own."""

import copy

import numpy as np
from scipy.linalg import expm, logm

from fastemlp.operators import to_dense
from fastemlp.reps.binding import require_group
from fastemlp.reps.identity import attribute_key, derived_names, slot_values, stable_text

#: The step t of a first estimate of a derivative: what turns up to 1e4 times as fast as A does not come full circle.
_SHORT_STEP = 2.0**-13


class Rep:
    """A finite-dimensional representation of a matrix group.

    To define your own, subclass with ``rho(g)``; ``size()`` is that of ``rho(I)`` and ``drho(A)`` is derived from
    ``rho`` to full precision unless you define them too. It is checked once, when it is first solved (``check_rep``).
    Instances must be immutable: reps are equal if what ``__init__`` stores, apart from ``G``, is equal, types included
    (``K(True)`` is not ``K(1)``). Arrays, lists, dicts and sets are compared by content.

    Attributes
    ----------
    G : Group or None
        The group this rep is bound to; None while unbound.

    Examples
    --------
    >>> import numpy as np
    >>> from fastemlp.groups import O
    >>> from fastemlp.reps import Rep, V
    >>> class PseudoScalar(Rep):
    ...     def rho(self, g):
    ...         return np.sign(np.linalg.det(g)).reshape(1, 1)
    >>> (3 * V + PseudoScalar())(O(3)).size()
    10
    """

    G = None
    __array_ufunc__ = None  # numpy integers leave n * rep to us

    def size(self):
        """Dimension of the space acted on, an int; by default that of ``rho(I)`` once the rep is bound."""
        cached = self.__dict__.get("_size")
        if cached is None:
            name = type(self).__name__
            if type(self).rho is Rep.rho:
                raise TypeError(f"{name}: a Rep must define size(), or rho(g) that tells it.")
            if self.G is None:
                raise ValueError(
                    f"{name} is not bound to a group, so its size, that of rho(I), is unknown. Bind it by calling "
                    "it: rep(SO(3)); or define size()."
                )
            cached = int(np.shape(self.rho(np.eye(self.G.d, dtype=self.G.dtype)))[0])
            object.__setattr__(self, "_size", cached)
        return cached

    def rho(self, g):
        """Matrix of the group element g.

        Parameters
        ----------
        g : ndarray of shape (d, d); or for reps of several groups a mapping {group: g}, identity where absent

        Returns
        -------
        LinearOperator or ndarray of shape (size, size)
        """
        raise TypeError(f"{type(self).__name__}: a Rep must define rho(g).")

    def drho(self, A):
        """Matrix of the Lie algebra element A: the derivative of ``rho(exp(tA))`` at t = 0.

        Parameters
        ----------
        A : ndarray of shape (d, d); or for reps of several groups a mapping {group: A}, zero where absent

        Returns
        -------
        LinearOperator or ndarray of shape (size, size)

        Notes
        -----
        This default takes a matrix logarithm: ``rho(exp(tA)) = exp(t·drho(A))`` holds for all t, so there is no
        truncation error, only roundoff, and entries no larger than roundoff are set to zero.
        """
        return derived_drho(self, A)[0]

    @staticmethod
    def from_images(group, images):
        """The rep that sends the generators of a group to given matrices, checked to be one.

        Parameters
        ----------
        group : Group
        images : mapping {generator: matrix}, or sequence of matrices in the order of the generators
            A generator is named ``"A0"``, ``"A1"``, … for ``lie_algebra`` and ``"h0"``, ``"h1"``, … for
            ``discrete_generators``, or by its number where the group has only one kind. In a sequence the images of
            the Lie algebra come first. All have the same size n.

        Returns
        -------
        Rep, bound, of size n

        Raises
        ------
        ValueError
            If a generator is missing or a relation between generators does not hold for the images: see Notes.

        Notes
        -----
        Checked to 1e-6: for finite groups of up to 20,000 elements that all words for an element agree, which is a
        proof; brackets and linear relations in the Lie algebra, closed loops ``exp(TA) = I``, how discrete generators
        act on the Lie algebra; for other discrete groups the orders of some hundred short words.

        Examples
        --------
        The triangle's symmetries, turning twice as fast:

        >>> from fastemlp import equivariant_basis
        >>> from fastemlp.groups import D
        >>> from fastemlp.reps import Rep, V
        >>> turn, flip = D(5).discrete_generators
        >>> rep = Rep.from_images(D(5), {"h0": turn @ turn, "h1": flip})
        >>> equivariant_basis((V(D(5)) * V(D(5))) >> rep).rank
        1
        """
        from fastemlp.reps.images import rep_from_images

        return rep_from_images(group, images)

    def rho_dense(self, g):
        """``rho(g)`` as an ndarray of shape (size, size)."""
        return to_dense(algebra.rho_operator(self, g))

    def drho_dense(self, A):
        """``drho(A)`` as an ndarray of shape (size, size)."""
        return to_dense(algebra.drho_operator(self, A))

    def __call__(self, G):
        """The same rep with every unbound part bound to the group G.

        Raises
        ------
        ValueError
            If the rep is bound to another group already, unless G is a product ``G1 * G2`` that contains it.
        """
        if self.G is not None:
            require_group(self, G)
            return self
        bound = copy.copy(self)
        # bespoke reps may be frozen dataclasses
        object.__setattr__(bound, "G", G)
        return bound

    @property
    def is_bound(self):
        """Whether every part knows its group."""
        return self.G is not None

    @property
    def groups(self):
        """The distinct groups that act, in order of first appearance."""
        return () if self.G is None else (self.G,)

    @property
    def is_permutation(self):
        """Whether every group element permutes coordinates, so that pointwise functions are equivariant."""
        return False

    def canonical(self):
        """The rep with its parts sorted by type, and the permutation that takes vectors there.

        Returns
        -------
        canonical : Rep
            A sum with one entry per distinct tensor type, in a structural order that is the same in every process.
        perm : ndarray of int, shape (size,), or None for the identity
            ``x[perm]`` lives in ``canonical`` when x lives in this rep.
        """
        from fastemlp.reps.canonical import canonical_form

        cached = self.__dict__.get("_canonical")
        if cached is None:
            cached = canonical_form(self)
            object.__setattr__(self, "_canonical", cached)
        return cached

    # -- value semantics ----------------------------------------------------------------------------------------

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        # a dataclass would generate its own from its fields alone, and leave the group out
        for name in ("__eq__", "__hash__", "__getstate__", "__setstate__"):
            if name not in cls.__dict__:
                setattr(cls, name, getattr(cls, name))

    def _key(self):
        """What two reps of this class are compared by: hashable, the same in every process."""
        return attribute_key(self)

    def _sort_key(self):
        """A string order of types that does not depend on the process."""
        group = "" if self.G is None else self.G.digest
        return (type(self).__qualname__, group, stable_text(self._key()))

    def __eq__(self, other):
        if not isinstance(other, Rep):
            return NotImplemented
        if self is other:
            return True
        return type(self) is type(other) and self.G == other.G and self._key() == other._key()

    def __hash__(self):
        return hash((type(self).__qualname__, self.G, self._key()))

    def __getstate__(self):
        # derived values may hold a hash, which differs between processes
        derived = derived_names(type(self))
        state = {**self.__dict__, **slot_values(self)}
        return {name: value for name, value in state.items() if name not in derived or name == "G"}

    def __setstate__(self, state):
        for name, value in state.items():
            object.__setattr__(self, name, value)

    def __repr__(self):
        group = "" if self.G is None else f"({self.G!r})"
        return f"{type(self).__name__}{group}"

    # -- as a sequence of summands ------------------------------------------------------------------------------

    def __len__(self):
        """Number of summands, counting copies: 3 for ``2 * V + Scalar``, 1 unless it is a sum, 0 for ``0 * V``."""
        if not isinstance(self, algebra.SumRep):
            return 1
        return sum(n * len(rep) for rep, n in self.terms)

    def __bool__(self):
        return True

    def __iter__(self):
        """The summands in order, copies one by one."""
        if not isinstance(self, algebra.SumRep):
            yield self
            return
        for rep, n in self.terms:
            for _ in range(n):
                yield from rep

    # -- the algebra: implemented in algebra.py, where the composite reps are -----------------------------------

    def __add__(self, other):
        return algebra.direct_sum(self, other)

    def __radd__(self, other):
        return algebra.direct_sum(other, self)

    def __mul__(self, other):
        return algebra.tensor_product(self, other)

    def __rmul__(self, other):
        return self * other

    def __pow__(self, power):
        return algebra.tensor_power(self, power)

    def __rshift__(self, rep_out):
        """Linear maps from this rep to ``rep_out``: matrices (n_out, n_in), flattened row-major."""
        return rep_out * self.T if isinstance(rep_out, Rep) else NotImplemented

    def __lshift__(self, rep_in):
        """Linear maps from ``rep_in`` to this rep."""
        return self * rep_in.T if isinstance(rep_in, Rep) else NotImplemented

    @property
    def T(self):
        """The dual rep, ``rho(g⁻¹)ᵀ``."""
        return algebra.DualRep(self)

    def conj(self):
        """The complex conjugate rep; a bespoke rep must define its own."""
        raise TypeError(f"{type(self).__name__}: a Rep must define conj() to be conjugated.")


def _approach(rep, A, t):
    """``rho(exp(tA))`` for the given t, halved until it is near the identity: (t, image)."""
    identity = np.eye(rep.size())
    for _ in range(60):
        image = to_dense(rep.rho(expm(t * A)))
        if np.linalg.norm(image - identity) < 0.8:
            return t, image
        t /= 2
    raise ValueError(
        f"{type(rep).__name__}.drho: rho(exp(tA)) does not approach the identity as t -> 0 "
        f"(t={t:.1e}, distance {np.linalg.norm(image - identity):.1e}). "
        "rho must be continuous with rho(I) = I; or define drho yourself."
    )


def derived_drho(rep, A):
    """``drho(A)`` from ``rho`` by a matrix logarithm, and its error.

    Returns
    -------
    derivative : ndarray of shape (size, size); real and imaginary parts below the error are zero
    error : float
        A bound on the error of its entries: the roundoff of ``rho(exp(tA))``, of norm about 1, over t; or the
        difference from the result for t/2, where rho itself is less accurate.
    """
    size = rep.size()
    if not size:
        return np.zeros((0, 0)), 0.0
    A = np.asarray(A)
    # a coarse estimate from a step too short to go around a circle, then the longest step the logarithm can resolve
    t, image = _approach(rep, A, _SHORT_STEP / max(1.0, np.linalg.norm(A)))
    speed = np.linalg.norm(image - np.eye(size)) / t
    t, image = _approach(rep, A, 1 / max(1.0, np.linalg.norm(A), 2 * speed))
    derivative = logm(image) / t
    again = logm(to_dense(rep.rho(expm(t / 2 * A)))) / (t / 2)
    roundoff = 8 * np.finfo(np.float64).eps * max(size, len(A)) / t
    error = float(max(roundoff, 4 * np.abs(again - derivative).max()))
    real, imag = (np.where(np.abs(x) > error, x, 0.0) for x in (derivative.real, derivative.imag))
    return (real + 1j * imag if np.iscomplexobj(image) else real), error


# last, as it takes Rep from here
from fastemlp.reps import algebra  # noqa: E402
