"""A network as a straight line of operations on rows of samples."""

import numpy as np
from scipy.sparse import issparse

from fastemlp._kernels.tape import COLLAPSE, Kind
from fastemlp.nn.orbit_maps import OrbitMaps
from fastemlp.nn.tape.fusion import Mixture, fuse
from fastemlp.nn.tape.operations import OPERATION, Operation
from fastemlp.nn.tape.program import Passes, Program, Weights
from fastemlp.nn.tape.rows import Rows
from fastemlp.nn.tape.writer import Writer


class Tape:
    """Records what a network does, once, as a Program.

    Every intermediate is a run of ``Rows`` of one array (rows, batch). Samples lie fastest: an equivariant linear map
    is one matrix product over all components of an irreducible, everything else runs along contiguous memory, and
    nothing is ever transposed. As the order is known beforehand, so is what a pass may overwrite and what it has to
    add to (``Writer``); as all memory is one array, nothing is allocated on the way.

    Parameters
    ----------
    dtype : float32 or float64; of the constants

    Attributes
    ----------
    n_rows, n_parameters : int
    statements : list of Operation and ``fusion.Mixture``, in their order
    """

    def __init__(self, dtype):
        self.dtype = np.dtype(dtype)
        self.n_rows = self.n_parameters = self._n_composed = self._n_constants = 0
        self.statements, self._starts, self._table, self._inputs, self._stds = [], [], [], [], []
        self._collapses, self._constants, self._known = [], [], {}

    def rows(self, n):
        """Make n new Rows."""
        self._starts.append(self.n_rows)
        self.n_rows += n
        return Rows(self.n_rows - n, n)

    def parameters(self, n, std=0.0):
        """The first of n new parameters, of this standard deviation in the beginning."""
        self._stds.append((n, std))
        self.n_parameters += n
        return self.n_parameters - n

    def collapse(self, maps, m, std=0.0):
        """Weights of a map to m copies that is mixed of several: v[(j, q), (c, p)] = Σ_t w[j, t, c] J[t, q, p].

        Parameters
        ----------
        maps : list of (J, k)
            Constants J of shape (t, q, p) or OrbitMaps, and the number of copies c they act on; their v lie side by
            side. The w are new parameters, those of the first J first.
        m : int

        Returns
        -------
        int; where v begins among the composed weights
        """
        q = maps[0][0].shape[1]
        next_v = sum(k * J.shape[2] for J, k in maps)
        first = v = self.composed(m * q * next_v)
        for J, k in maps:
            t, _, p = J.shape
            w = self.parameters(m * t * k, std)
            orbits = isinstance(J, OrbitMaps)
            constants = self._constant(J.coefficients if orbits else J)
            table = self._indices(J.labels) if orbits else -1
            self._collapses.append((w, v, next_v, constants, table, m, k, t, q, p))
            v += k * p
        return first

    def _indices(self, *arrays):
        """Where arrays of int begin in the table, one after the other."""
        indices = np.concatenate([array.ravel() for array in arrays])
        key = "indices", indices.tobytes()
        if key not in self._known:
            self._known[key] = len(self._table)
            self._table += indices.tolist()
        return self._known[key]

    def composed(self, n):
        """The first of n new weights that are made of parameters, for ``mix``."""
        self._n_composed += n
        return self._n_composed - n

    def feed(self, x):
        """Say that rows are filled from outside."""
        self._inputs += range(x.start, x.start + x.n)

    def copy(self, out, x):
        """Add rows x to rows out, or set them."""
        self._put(Kind.COPY, out, x, m=x.n)

    def change(self, out, x, C):
        """out[c] (+)= C x[c] for every copy c, C a constant of shape (rows of out, rows of x) per copy.

        C is an ndarray or a csr_array.
        """
        d, k = C.shape
        sizes = {"m": x.n // k, "k": k, "d": d}
        if issparse(C):
            constants, table = self._constant(C.data), self._indices(C.indptr, C.indices)
            self._put(Kind.SPARSE, out, x, **sizes, constants=constants, table=table)
        else:
            self._put(Kind.CHANGE, out, x, **sizes, constants=self._constant(C))

    def ones(self, out):
        """Set rows to 1."""
        self._put(Kind.ONES, out, m=out.n)

    def mix(self, out, x, d, alpha=1.0, *, std=None, composed=None):
        """out[j, i] (+)= alpha Σ_c W[j, c] x[c, i], all copies of size d. Returns where W begins.

        W begins at ``composed`` among the composed weights, or is new parameters; these keep unit variance, or are of
        standard deviation ``std`` in the beginning.
        """
        m, k = out.n // d, x.n // d
        std = max(k, 1) ** -0.5 if std is None else std
        W = self.parameters(m * k, std) if composed is None else composed
        # composed weights count from −1 downwards until the number of parameters is known
        weights = W if composed is None else ~W
        self._put(Kind.MIX, out, x, m=m, k=k, d=d, alpha=alpha, weights=weights)
        return W

    def bias(self, out, invariants):
        """out[j] += invariants b[:, j] for every copy j, invariants (d, r). Returns where b, (r, m), begins."""
        d, r = invariants.shape
        m = out.n // d
        b = self.parameters(r * m)
        self._put(Kind.BIAS, out, m=m, k=r, d=d, constants=self._constant(invariants), weights=b)
        return b

    def contract(self, out, maps, v, *, copies, entry, apart, own):
        """out[a, j, q] (+)= Σ_p M[a, (q, p)] v[a, j, p]

        Parameters
        ----------
        maps : Rows of objects of which those of ``copies`` act
        entry : ndarray of int (Q, P); which component of a map is its entry (q, p)
        apart : bool; whether a result belongs to one map, or is summed over all
        own : bool; whether each map has vectors of its own
        """
        (q, p), m = entry.shape, len(copies)
        sizes = {"m": m, "k": out.n // ((m if apart else 1) * q), "d": maps.n // entry.size}
        table = len(self._table)
        self._put(Kind.CONTRACT, out, v, maps, **sizes, p=p, q=q, apart=apart, own=own, table=table)
        self._table += [*map(int, copies), *map(int, entry.ravel())]

    def outer(self, out, a, b, *, copies, size):
        """out[c, j, i] (+)= a[copies[c], i] b[c, j] for every copy c of b; a copy of a is of this size."""
        entry = np.arange(size)[:, None]
        self.contract(out, a, b, copies=copies, entry=entry, apart=True, own=True)

    def scale(self, out, factors, v):
        """out[c, i] (+)= factors[c] v[c, i] for every factor."""
        one, copies = np.zeros((1, 1), int), range(factors.n)
        self.contract(out, factors, v, copies=copies, entry=one, apart=True, own=True)

    def sigmoid(self, out, x):
        """Set rows out to 1 / (1 + exp(-x))."""
        self._put(Kind.SIGMOID, out, x, m=x.n)

    def mixture(self, out, sources, invariants, std):
        """A general equivariant map: see ``fusion.Mixture``."""
        self.statements.append(Mixture(out, sources, invariants, std))

    def _put(self, kind, *rows, **fields):
        self.statements.append(Operation(kind, *(x.start for x in rows), **fields))

    def _constant(self, C):
        """Where an array begins among the constants."""
        key = C.shape, C.tobytes()
        if key not in self._known:
            self._known[key] = self._n_constants
            self._constants.append(C.ravel().astype(self.dtype))
            self._n_constants += C.size
        return self._known[key]

    def finish(self, outputs):
        """The Passes of the program of which ``outputs``, an int array of rows, are the result."""
        fuse(self)
        n_parameters, n_weights = self.n_parameters, self.n_parameters + self._n_composed
        writer = Writer(self._inputs)
        for op in self.statements:
            writer.put(op if op.weights >= 0 else op._replace(weights=n_parameters + ~op.weights))
        for row in outputs:
            writer.fill(row, 1)
        collapses = np.array(self._collapses, COLLAPSE)
        collapses["v"] += n_parameters
        constants = np.concatenate([*self._constants, np.empty(0, self.dtype)])
        table = np.array(self._table, np.intp)
        weights = Weights(collapses, table, constants, self._stds, n_weights)
        program = Program(
            np.array(writer.operations, OPERATION),
            self.n_rows,
            np.array(self._inputs, np.intp),
            np.array(outputs, np.intp),
            np.array(self._starts, np.intp),
            constants,
            table,
            n_weights,
            np.array([[0, n_weights]]),
        )
        return Passes(program, weights)
