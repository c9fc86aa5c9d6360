"""The Group: generators in, everything else derived."""

import hashlib
import math
import numbers
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from fastemlp.groups.generators import (
    TOLERANCE,
    adjoint_defect,
    canonical,
    check_int,
    check_invertible,
    from_csr_parts,
    is_generalised_permutation,
    read_generators,
    rounding_of,
)
from fastemlp.groups.lie import orthonormal_span, skew_defect
from fastemlp.groups.monomial import permutation_group_order, signed_permutations
from fastemlp.groups.sampling import Flow, check_random_state, sample_elements

_EPS = float(np.finfo(np.float64).eps)
#: Generators known to less than this are no symmetry.
_COARSEST = 1e-3
#: Generators of a direct product may take this much.
PRODUCT_BYTES = 2**30


class Group:
    """A matrix group, given by generators of its Lie algebra and discrete generators.

    Parameters
    ----------
    lie_algebra : sequence of D matrices of shape (d, d), default ()
        Generators A_i; the group contains exp(A) for every A in their real span.
    discrete_generators : sequence of M invertible matrices of shape (d, d), default ()
        Group elements h_k.
    name : str, optional
        How the group prints. It plays no part in comparisons.
    d : int, optional
        Dimension; needed only when there are no generators.
    accuracy : float, optional
        What measured or rounded generators are known to, relative to their norm (1e-10 for ten decimals). Vectors that
        they fix to within this are in the basis, and its certificate says how far that may lead. By default they are
        taken at their word; see the attribute of this name.

    Raises
    ------
    TypeError
        If a generator is not a matrix of numbers.
    ValueError
        If accuracy is not a number between 0 and 1e-3;
        If a generator is not square, not finite, of another size than the others or, among the
        discrete ones, singular; if d is missing or contradicts the generators.

    Notes
    -----
    A generator may be an array, scipy sparse, or an operator with ``shape`` and ``matmat`` or
    ``matvec``. Real numbers are kept as float64, complex ones as complex128; one complex generator
    makes the group complex. An empty array of shape (0, d, d) tells d and the dtype.

    The group is immutable and compares by its generators, in order. Two sets of generators of the
    same abstract group are two different ``Group`` values.

    Examples
    --------
    >>> from fastemlp.groups import Group
    >>> G = Group(lie_algebra=[[[0, -1], [1, 0]]], discrete_generators=[[[-1, 0], [0, 1]]])
    >>> G
    Group(d=2, lie_algebra=1, discrete_generators=1)
    >>> G.is_orthogonal
    True
    """

    def __init__(self, lie_algebra=(), discrete_generators=(), name=None, d=None, accuracy=None):
        if name is not None and not isinstance(name, str):
            raise TypeError(f"Group: name must be a str or None, got {name!r}.")
        lie, d_lie, complex_lie = read_generators("lie_algebra", lie_algebra)
        discrete, d_discrete, complex_h = read_generators(
            "discrete_generators", discrete_generators
        )
        dtype = np.dtype(np.complex128 if complex_lie or complex_h else np.float64)
        discrete = tuple(canonical(h, dtype) for h in discrete)
        self.__dict__.update(
            _name=name,
            _d=_common_size(d, d_lie, d_discrete),
            _dtype=dtype,
            _lie=tuple(canonical(A, dtype) for A in lie),
            _discrete=discrete,
            _declared=_declared(accuracy),
        )
        for k, h in enumerate(discrete):
            check_invertible(f"Group: discrete_generators[{k}]", h)

    @classmethod
    def from_permutations(cls, permutations, name=None):
        """The group that some permutations of n points generate, as permutation matrices.

        Parameters
        ----------
        permutations : sequence of M sequences of the ints 0, …, n − 1; at least one
            Each is the list of images: ``[1, 2, 0]`` sends point 0 to 1, 1 to 2 and 2 to 0.
        name : str, optional

        Returns
        -------
        Group of dimension n

        Raises
        ------
        ValueError
            If one is no permutation of 0, …, n − 1, or their lengths differ.

        Examples
        --------
        >>> from fastemlp.groups import Group, S
        >>> Group.from_permutations([[1, 0, 2], [1, 2, 0]]) == S(3)
        True
        """
        images = [np.asarray(image) for image in permutations]
        if not images:
            raise ValueError(
                "Group.from_permutations: no permutation, so the number of points is unknown. Use Trivial(n)."
            )
        n = images[0].size
        for k, image in enumerate(images):
            fits = image.ndim == 1 and image.dtype.kind in "iu" and image.size == n > 0
            if not fits or not np.array_equal(np.sort(image), np.arange(n)):
                raise ValueError(
                    f"Group.from_permutations: permutations[{k}] must list each of 0, …, {max(n - 1, 0)} once, the "
                    f"images of the points, got {np.array2string(image, threshold=20)}."
                )
        generators = [sp.coo_array((np.ones(n), (i, np.arange(n))), shape=(n, n)) for i in images]
        return cls(discrete_generators=generators, name=name)

    @property
    def d(self):
        """Dimension of the space the group acts on."""
        return self._d

    @property
    def dtype(self):
        """``float64`` for a real group, ``complex128`` for a complex one."""
        return self._dtype

    @property
    def is_complex(self):
        """Whether the generators are complex."""
        return self._dtype.kind == "c"

    @property
    def name(self):
        """The name given, or None."""
        return self._name

    @property
    def factors(self):
        """The groups that a direct product ``G1 * G2`` was declared as, flat; ``(self,)`` for any other group."""
        return self.__dict__.get("_factors") or (self,)

    @property
    def sparse_lie_algebra(self):
        """The Lie algebra generators: tuple of D csr_array of shape (d, d)."""
        return self._lie

    @property
    def sparse_discrete_generators(self):
        """The discrete generators: tuple of M csr_array of shape (d, d)."""
        return self._discrete

    @cached_property
    def lie_algebra(self):
        """The Lie algebra generators as a dense, read-only array of shape (D, d, d)."""
        return self._dense(self._lie)

    @cached_property
    def discrete_generators(self):
        """The discrete generators as a dense, read-only array of shape (M, d, d)."""
        return self._dense(self._discrete)

    @cached_property
    def accuracy(self):
        """What the generators are known to, relative to their norm: every decision about them is taken with it.

        Roundoff of float64 unless it was declared, or unless they are orthogonal or unitary up to more than that (see
        ``is_orthogonal``): then half a unit of their last decimal where all entries are written to a number of
        decimals, or else four times the measured defect. The generators stay as they are given: the nearest orthogonal
        matrix would be as far from the true one as they are, and groups compare by what was given.
        """
        return max(_EPS, self._declared or self._measured)

    @cached_property
    def _measured(self):
        for flag, conjugate in ((self.is_orthogonal, False), (self.is_unitary, True)):
            if flag:
                defect = self._defect(conjugate)
                roundoff = 16 * _EPS * np.sqrt(self._d)
                # several entries add up to an error in norm
                rounding = rounding_of(self._lie + self._discrete) * self._d
                return max(rounding, 4 * defect) if defect > roundoff else 0.0
        return 0.0

    @property
    def orthonormal_lie_algebra(self):
        """Basis of the real span of the Lie algebra generators, orthonormal in Re tr(Aᴴ B).

        Tuple of csr_array of shape (d, d); empty if all generators are zero. The scale of a
        generator does not matter, and redundant ones (to 1e-10) are dropped. The span is real
        because conjugate representations are not linear over the complex numbers.
        """
        return self._span[0]

    @property
    def lie_accuracy(self):
        """How well ``orthonormal_lie_algebra`` is known: ``accuracy``, or more where generators are nearly dependent.

        Two generators at an angle φ determine the direction between them to accuracy/φ and no better.
        """
        return self._span[1]

    @cached_property
    def _span(self):
        return orthonormal_span(self._lie, self._d, self.accuracy)

    @cached_property
    def is_orthogonal(self):
        """Whether ``hᵀ h = I`` and ``A + Aᵀ = 0``: the dual representation is the same one.

        The transpose is plain also for complex groups. To about 1e-12·d, or ten times a declared accuracy.
        """
        return self._preserves_form(conjugate=False)

    @cached_property
    def is_unitary(self):
        """Whether ``hᴴ h = I`` and ``A + Aᴴ = 0``; to as much as ``is_orthogonal``."""
        return self._preserves_form(conjugate=True)

    @cached_property
    def is_monomial(self):
        """Whether the group is generated by matrices with one ±1 in each row and column.

        Exact, without tolerance: what is monomial is handled as integers. Zero Lie algebra
        generators are ignored.
        """
        return all(A.nnz == 0 for A in self._lie) and all(
            is_generalised_permutation(h) and bool(np.all((h.data == 1) | (h.data == -1)))
            for h in self._discrete
        )

    @cached_property
    def is_permutation(self):
        """Whether the group is generated by permutation matrices; exact."""
        return self.is_monomial and all(bool(np.all(h.data == 1)) for h in self._discrete)

    @cached_property
    def digest(self):
        """Hex digest (blake2b) of d, dtype, generators and a declared accuracy: the same in every process."""
        state = hashlib.blake2b(digest_size=20)
        head = (self._d, self._dtype.name, len(self._lie), len(self._discrete))
        state.update(repr(head if self._declared is None else (*head, self._declared)).encode())
        for matrix in self._lie + self._discrete:
            state.update(matrix.indptr.astype("<i8").tobytes())
            state.update(matrix.indices.astype("<i8").tobytes())
            state.update(matrix.data.astype(self._dtype.newbyteorder("<")).tobytes())
        return state.hexdigest()

    def samples(self, n, random_state=None):
        """Draw group elements.

        Parameters
        ----------
        n : int
        random_state : None, int, RandomState or Generator
            An int gives the same elements each time. The global numpy state is never used.

        Returns
        -------
        ndarray of shape (n, d, d), dtype of the group
            Well conditioned (below 1e4) also for non-compact groups, in the group to about 1e-12;
            exact integers for monomial groups. Of a finite group that is unitary only in other
            coordinates, of condition number k, to about 1e-14·k² of their size, as products magnify
            the rounding of the generators. Not uniform: meant for tests and augmentation.

        Notes
        -----
        See :func:`fastemlp.groups.sampling.sample_elements`.
        """
        n = check_int("Group.samples", "n", n, 0)
        return sample_elements(self, n, check_random_state(random_state))

    def sample(self, random_state=None):
        """Draw one group element, an ndarray of shape (d, d); see :meth:`samples`."""
        return self.samples(1, random_state)[0]

    def order(self):
        """Count the elements of a finite group of (signed) permutations.

        Returns
        -------
        int, exact

        Raises
        ------
        ValueError
            If the group is not monomial; its order may be infinite.
        ImportError
            If sympy is missing.
        """
        if not self.is_monomial:
            raise ValueError(
                f"Group.order: {self!r} is not generated by (signed) permutation matrices alone, "
                "so its elements cannot be counted exactly. Check is_monomial first."
            )
        if not self._discrete:
            return 1
        images = signed_permutations(self._discrete, self._d)
        return permutation_group_order(images[:, : self._d] if self.is_permutation else images)

    def realified(self):
        """Return the same group acting on R^2d, ``x + iy -> (x, y)``; self if already real.

        Every matrix becomes ``[[Re, -Im], [Im, Re]]``.
        """
        if not self.is_complex:
            return self
        name = f"({self._name})" if self._name and "*" in self._name else self._name
        return Group(
            lie_algebra=[_realify(A) for A in self._lie],
            discrete_generators=[_realify(h) for h in self._discrete],
            name=f"{name}.realified()" if name else None,
            d=2 * self._d,
            accuracy=self._declared,
        )

    def __mul__(self, other):
        """Direct product ``G1 * G2``, acting on the Kronecker product of the two spaces.

        Dimension d1·d2; generators ``h1 ⊗ I`` and ``I ⊗ h2``, ``A1 ⊗ I`` and ``I ⊗ A2``.
        """
        if not isinstance(other, Group):
            return NotImplemented
        return direct_product([self, other])

    def __eq__(self, other):
        if not isinstance(other, Group):
            return NotImplemented
        return self is other or self.digest == other.digest

    def __hash__(self):
        return int(self.digest[:15], 16)

    def __repr__(self):
        if self._name is not None:
            return self._name
        return (
            f"Group(d={self._d}, lie_algebra={len(self._lie)}, "
            f"discrete_generators={len(self._discrete)})"
        )

    def __setattr__(self, attribute, value):
        raise AttributeError(
            f"Group.{attribute} cannot be set: groups are immutable. Make a new Group instead."
        )

    def __delattr__(self, attribute):
        raise AttributeError(f"Group.{attribute} cannot be deleted: groups are immutable.")

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __getstate__(self):
        """Plain arrays, so that a pickle depends on numpy alone."""
        parts = [[(m.data, m.indices, m.indptr) for m in ms] for ms in (self._lie, self._discrete)]
        return {
            "name": self._name,
            "d": self._d,
            "dtype": self._dtype.name,
            "generators": parts,
            "factors": self.__dict__.get("_factors"),
            "accuracy": self._declared,
        }

    def __setstate__(self, state):
        lie, discrete = (
            tuple(from_csr_parts(*parts, state["d"]) for parts in matrices)
            for matrices in state["generators"]
        )
        self.__dict__.update(
            _name=state["name"],
            _d=state["d"],
            _dtype=np.dtype(state["dtype"]),
            _lie=lie,
            _discrete=discrete,
            _factors=state.get("factors"),
            _declared=state.get("accuracy"),
        )

    @cached_property
    def _flow(self):
        """What sampling needs of a non-zero Lie algebra."""
        basis = self.orthonormal_lie_algebra
        defect = skew_defect(basis, self._d, conjugate=True)
        return Flow(basis, self._d, is_compact=defect <= TOLERANCE * self._d)

    def _preserves_form(self, conjugate):
        tolerance = max(TOLERANCE, 10 * (self._declared or 0.0))
        return self._defect(conjugate) <= tolerance * self._d

    def _defect(self, conjugate):
        """How far the generators are from orthogonal (unitary if ``conjugate``) ones."""
        return self._defects[1] if conjugate and self.is_complex else self._defects[0]

    @cached_property
    def _defects(self):
        """The largest entry of ``hᵀh − I`` and of ``A + Aᵀ`` beside A; for complex groups also of the adjoint."""
        return [
            max(
                skew_defect(self._lie, self._d, conjugate),
                max((adjoint_defect(h, conjugate) for h in self._discrete), default=0.0),
            )
            for conjugate in ((False, True) if self.is_complex else (False,))
        ]

    def _dense(self, matrices):
        out = np.zeros((len(matrices), self._d, self._d), dtype=self._dtype)
        for dense, matrix in zip(out, matrices, strict=True):
            dense[...] = matrix.toarray()
        out.flags.writeable = False
        return out


def direct_product(groups):
    """The product ``G1 * G2 * …`` of one or more groups, each generator made once.

    Raises
    ------
    MemoryError
        If the generators on the product space take more than 1 GiB.
    """
    if len(groups) == 1:
        return groups[0]
    sizes = [group._d for group in groups]
    d = math.prod(sizes)
    entries = sum(
        max(matrix.nnz, 1) * (d // group._d)
        for group in groups
        for matrix in (*group._lie, *group._discrete)
    )
    if 16 * max(entries, d) > PRODUCT_BYTES:
        raise MemoryError(
            f"Group: a direct product of {len(groups)} groups acts on a space of dimension {_short(d)}, and its "
            f"generators take {_short(16 * max(entries, d) // 2**30)} GiB, more than the {PRODUCT_BYTES // 2**30} GiB "
            "allowed. Let each group act on its own part instead, as in V(G1) * V(G2)."
        )
    lie, discrete, before = [], [], 1
    for group in groups:
        left, right = sp.eye(before), sp.eye(d // (before * group._d))
        lie += [_between(left, A, right) for A in group._lie]
        discrete += [_between(left, h, right) for h in group._discrete]
        before *= group._d
    names = [group._name for group in groups]
    product = assemble(
        lie,
        discrete,
        name="*".join(names) if all(names) else None,
        d=d,
        dtype=np.result_type(*(group._dtype for group in groups)),
        accuracy=declared_accuracy(*groups),
    )
    product.__dict__["_factors"] = tuple(f for group in groups for f in group.factors)
    return product


def _between(left, matrix, right):
    return sp.kron(sp.kron(left, matrix), right)


def _short(n):
    return f"{n:,}" if n < 10**9 else f"about 1e{len(str(n)) - 1}"


def assemble(lie_algebra, discrete_generators, name, d, dtype, accuracy=None):
    """Group of a given dtype, whichever generators there are: lists of sparse (d, d) matrices."""
    return Group(
        [A.astype(dtype) for A in lie_algebra] or np.zeros((0, d, d), dtype),
        [h.astype(dtype) for h in discrete_generators],
        name=name,
        accuracy=accuracy,
    )


def declared_accuracy(*groups):
    """The accuracy to declare for a group made of others: None where they are taken at their word."""
    return max((G._declared for G in groups if G._declared is not None), default=None)


def _declared(accuracy):
    if accuracy is None:
        return None
    if isinstance(accuracy, bool) or not isinstance(accuracy, numbers.Real):
        raise TypeError(f"Group: accuracy must be a number or None, got {accuracy!r}.")
    # written so that a NaN fails
    if not 0 <= accuracy <= _COARSEST:
        raise ValueError(
            f"Group: accuracy must be between 0 and {_COARSEST}, relative to the norm of the generators, got "
            f"{accuracy}. Pass what they are known to, for example 1e-10 for ten decimals."
        )
    return float(accuracy)


def _common_size(d, d_lie, d_discrete):
    if d is not None:
        d = check_int("Group", "d", d, 1)
    sizes = {"d": d, "lie_algebra": d_lie, "discrete_generators": d_discrete}
    known = {source: size for source, size in sizes.items() if size is not None}
    if not known:
        raise ValueError(
            "Group: the dimension is unknown, as there are no generators. Pass d=…, for example "
            "Group(d=3) for the trivial group on R^3."
        )
    if len(set(known.values())) > 1:
        told = ", ".join(f"{source} says {size}" for source, size in known.items())
        raise ValueError(f"Group: all generators must act on one space of dimension d, but {told}.")
    size = next(iter(known.values()))
    return check_int("Group", "d", size, 1)


def _realify(matrix):
    return sp.bmat([[matrix.real, -matrix.imag], [matrix.imag, matrix.real]])
