"""A network as a straight line of operations on rows of samples."""

import numpy as np

from fastemlp._kernels.tape import COLLAPSE, COMPOSITION, EXPANSION, Kind
from fastemlp.nn.orbit_maps import OrbitMaps
from fastemlp.nn.tape.operations import OPERATION, Operation
from fastemlp.nn.tape.program import Passes, Program, Weights
from fastemlp.nn.tape.writer import Writer


class Tape:
    """Records what a network does, once, as a Program.

    Every intermediate is a run of rows of one array (rows, batch), named by its first row. Samples lie fastest: an
    equivariant linear map is one matrix product over all components of an irreducible, everything else runs along
    contiguous memory, and nothing is ever transposed. As the order is known beforehand, so is what a backward pass
    may overwrite and what it has to add to; as all memory is one array, nothing is allocated on the way.

    Parameters
    ----------
    dtype : float32 or float64; of the constants

    Attributes
    ----------
    n_rows, n_parameters : int

    Notes
    -----
    Operations add when their rows have been written before; ``sigmoid`` and ``ones`` set new ones. Rows that have been
    read cannot be written any more.
    """

    def __init__(self, dtype):
        self.dtype = np.dtype(dtype)
        self.n_rows = self.n_parameters = self._n_composed = 0
        self._starts = []
        self._compositions, self._collapses, self._expansions = [], [], []
        self._writer = Writer()
        self._table = []
        self._constants, self._known, self._n_constants = [], {}, 0
        self._inputs = []

    def rows(self, n):
        """The first of n new rows."""
        self._starts.append(self.n_rows)
        self.n_rows += n
        return self.n_rows - n

    def parameters(self, n):
        """The first of n new parameters."""
        self.n_parameters += n
        return self.n_parameters - n

    def compose(self, w, index, *, m, n, next_w, into, next_v):
        """Weights for a product with B: v[j, a, x] = Σ_i w[j, a, i] B[i, x], composed once, not sample by sample.

        Parameters
        ----------
        w : first of the parameters w, m rows of shape (n, k), ``next_w`` apart
        index : ndarray of int (k, r); which parameter B[i, x] is
        into : first of the results v, as from ``composed``, rows ``next_v`` apart
        """
        k, r = index.shape
        self._compositions.append((w, into, next_w, next_v, len(self._table), m, n, k, r))
        self._table += index.T.ravel().tolist()

    def collapse(self, maps, m):
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
            w = self.parameters(m * t * k)
            if isinstance(J, OrbitMaps):
                C = self._constant(J.coefficients)
                self._expansions.append((w, v, next_v, self._labels(J), C, m, k, t, q, p))
            else:
                self._collapses.append((w, v, next_v, self._constant(J), m, k, t, q, p))
            v += k * p
        return first

    def _labels(self, J):
        """Where the labels of OrbitMaps begin in the table."""
        key = "labels", J.labels.shape, J.labels.tobytes()
        if key not in self._known:
            self._known[key] = len(self._table)
            self._table += J.labels.ravel().tolist()
        return self._known[key]

    def composed(self, n):
        """The first of n new weights that are made of parameters, for ``mix``."""
        self._n_composed += n
        return self._n_composed - n

    def feed(self, x, n):
        """Say that n rows are filled from outside."""
        self._inputs += range(x, x + n)
        self._writer.written.add(x, n)

    def copy(self, out, x, n):
        """Add n rows of x to those of out, or set them."""
        self._put(Kind.COPY, out, x, m=n)

    def change(self, out, x, C, m):
        """out[c] (+)= C x[c] for m copies, C a constant of shape (rows of out, rows of x) per copy."""
        d, k = C.shape
        self._put(Kind.CHANGE, out, x, m=m, k=k, d=d, constants=self._constant(C))

    def ones(self, out, n):
        """Set n rows to 1."""
        self._put(Kind.ONES, out, m=n)

    def mix(self, out, x, m, k, d, alpha=1.0, composed=None):
        """out[j, i] (+)= alpha Σ_c W[j, c] x[c, i], from k copies of size d to m. Returns where W begins.

        W is made of new parameters, or begins at ``composed`` among the composed weights.
        """
        W = self.parameters(m * k) if composed is None else composed
        # composed weights count from −1 downwards until the number of parameters is known
        weights = W if composed is None else ~W
        self._put(Kind.MIX, out, x, m=m, k=k, d=d, alpha=alpha, weights=weights)
        return W

    def bias(self, out, invariants, m):
        """out[j] += invariants b[:, j] for m copies, invariants of shape (d, r). Returns where b, (r, m), begins."""
        d, r = invariants.shape
        b = self.parameters(r * m)
        self._put(Kind.BIAS, out, m=m, k=r, d=d, constants=self._constant(invariants), weights=b)
        return b

    def contract(self, out, maps, v, *, n_maps, copies, entry, J, apart, own):
        """out[a, j, q] (+)= Σ_p M[a, (q, p)] v[a, j, p]

        Parameters
        ----------
        maps : first of the rows of ``n_maps`` objects, those of ``copies`` act
        entry : ndarray of int (Q, P); which component of a map is its entry (q, p)
        J : int; vectors each map acts on
        apart : bool; whether a result belongs to one map, or is summed over all
        own : bool; whether each map has vectors of its own
        """
        q, p = entry.shape
        sizes = {"m": len(copies), "k": J, "d": n_maps, "p": p, "q": q}
        table = len(self._table)
        self._put(Kind.CONTRACT, out, v, maps, **sizes, apart=apart, own=own, table=table)
        self._table += [*map(int, copies), *map(int, entry.ravel())]

    def scale(self, out, factors, v, m, d):
        """out[c, i] (+)= factors[c] v[c, i] for m copies of size d."""
        one = np.zeros((1, 1), int)
        self.contract(
            out, factors, v, n_maps=m, copies=range(m), entry=one, J=d, apart=True, own=True
        )

    def sigmoid(self, out, x, n):
        """Set n rows of out to 1 / (1 + exp(-x))."""
        self._put(Kind.SIGMOID, out, x, m=n)

    def fill(self, out, n):
        """Zeros where nothing has been written yet among n rows."""
        self._writer.fill(out, n)

    def _put(self, kind, *rows, **fields):
        self._writer.put(Operation(kind, *rows, **fields))

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
        for row in outputs:
            self.fill(row, 1)
        n_parameters, n_weights = self.n_parameters, self.n_parameters + self._n_composed
        operations = [
            op if op.weights >= 0 else op._replace(weights=n_parameters + ~op.weights)
            for op in self._writer.operations
        ]
        made = [
            np.array(some, dtype)
            for some, dtype in (
                (self._compositions, COMPOSITION),
                (self._collapses, COLLAPSE),
                (self._expansions, EXPANSION),
            )
        ]
        for some in made:
            some["v"] += n_parameters
        constants = np.concatenate([*self._constants, np.empty(0, self.dtype)])
        table = np.array(self._table, np.intp)
        weights = Weights(made[0], table, *made[1:], constants, n_parameters, n_weights)
        program = Program(
            np.array(operations, OPERATION),
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
