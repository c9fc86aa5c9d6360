"""A network as a straight line of operations on rows of samples."""

import numpy as np

from fastemlp._kernels.tape import COLLAPSE, COMPOSITION, EXPANSION, OPERATION, Kind
from fastemlp.nn.orbit_maps import OrbitMaps
from fastemlp.nn.program import Forward, Program, Reverse, Weights
from fastemlp.nn.reuse import reuse_rows


class Tape:
    """Records what a network does, once; runs it forward, backward and along a direction.

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
        # of (operation, rows it writes, what it reads); reads are (first row, number, field, whether all are read)
        self._recorded = []
        self._table = []
        self._constants, self._known, self._n_constants = [], {}, 0
        self._inputs = []
        self._written, self._read = _Marks(), _Marks()

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
        self._inputs.append((x, n))
        self._written.add(x, n)

    def copy(self, out, x, n):
        """Add n rows of x to those of out, or set them."""
        self._record("COPY", out, n, [(x, n, "a", True)], m=n)

    def change(self, out, x, C, m):
        """out[c] (+)= C x[c] for m copies, C a constant of shape (rows of out, rows of x) per copy."""
        d, k = C.shape
        self._record(
            "CHANGE",
            out,
            m * d,
            [(x, m * k, "a", True)],
            m=m,
            k=k,
            d=d,
            constants=self._constant(C),
        )

    def ones(self, out, n):
        """Set n rows to 1."""
        self._record("ONES", out, n, [], m=n)

    def mix(self, out, x, m, k, d, alpha=1.0, composed=None):
        """out[j, i] (+)= alpha Σ_c W[j, c] x[c, i], from k copies of size d to m. Returns where W begins.

        W is made of new parameters, or begins at ``composed`` among the composed weights.
        """
        W = self.parameters(m * k) if composed is None else composed
        self._record(
            "MIX",
            out,
            m * d,
            [(x, k * d, "a", True)],
            m=m,
            k=k,
            d=d,
            alpha=alpha,
            parameters=W,
            composed=composed is not None,
        )
        return W

    def bias(self, out, invariants, m):
        """out[j] += invariants b[:, j] for m copies, invariants of shape (d, r). Returns where b, (r, m), begins."""
        d, r = invariants.shape
        b = self.parameters(r * m)
        self.fill(out, m * d)
        self._record(
            "BIAS",
            out,
            m * d,
            [],
            m=m,
            k=r,
            d=d,
            constants=self._constant(invariants),
            parameters=b,
        )
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
        (Q, P), A = entry.shape, len(copies)
        self._record(
            "CONTRACT",
            out,
            (A if apart else 1) * J * Q,
            [
                (v, (A if own else 1) * J * P, "a", True),
                (maps, n_maps * entry.size, "b", n_maps == A),
            ],
            m=A,
            k=J,
            d=entry.size,
            p=P,
            q=Q,
            apart=apart,
            own=own,
            table=len(self._table),
        )
        self._table += [*map(int, copies), *map(int, entry.ravel())]

    def scale(self, out, factors, v, m, d):
        """out[c, i] (+)= factors[c] v[c, i] for m copies of size d."""
        one = np.zeros((1, 1), int)
        self.contract(
            out, factors, v, n_maps=m, copies=range(m), entry=one, J=d, apart=True, own=True
        )

    def sigmoid(self, out, x, n):
        """Set n rows of out to 1 / (1 + exp(-x))."""
        self._record("SIGMOID", out, n, [(x, n, "a", True)], m=n)

    def fill(self, out, n):
        """Zeros where nothing has been written yet among n rows."""
        for start, stop in self._written.gaps(out, n):
            self._record("ZERO", start, stop - start, [], m=stop - start)

    def _constant(self, C):
        """Where an array begins among the constants."""
        key = C.shape, C.tobytes()
        if key not in self._known:
            self._known[key] = self._n_constants
            self._constants.append(C.ravel().astype(self.dtype))
            self._n_constants += C.size
        return self._known[key]

    def _record(self, kind, out, n, reads, **fields):
        if self._read.any(out, n):
            raise RuntimeError(
                f"Tape: {kind} writes to rows {out} to {out + n} after they were read."
            )
        add = self._written.any(out, n)
        if add and kind in ("SIGMOID", "ONES"):
            raise RuntimeError(f"Tape: {kind} sets rows {out} to {out + n}, which hold something.")
        if add:
            self.fill(out, n)
        operation = np.zeros((), OPERATION)
        operation["kind"], operation["out"], operation["add"] = Kind[kind], out, add
        for name, value in fields.items():
            operation[name] = value
        for x, size, field, _ in reads:
            self.fill(x, size)
            self._read.add(x, size)
            operation[field] = x
        self._written.add(out, n)
        self._recorded.append((operation, n, reads))

    def finish(self, outputs):
        """The Program, of which ``outputs``, an int array of rows, are the result."""
        for row in outputs:
            self.fill(row, 1)
        needed, used = self._needed(outputs)
        compositions = np.array(self._compositions, COMPOSITION)
        collapses = np.array(self._collapses, COLLAPSE)
        expansions = np.array(self._expansions, EXPANSION)
        for made in (compositions, collapses, expansions):
            made["v"] += self.n_parameters
        n_weights = self.n_parameters + self._n_composed
        inputs = np.array([x for first, n in self._inputs for x in range(first, first + n)], int)
        constants = np.concatenate([*self._constants, np.empty(0, self.dtype)])
        shared = constants, np.array(self._table, np.intp)
        reverse = self._reversed(needed, outputs)
        frugal = reuse_rows(needed, self._starts, self.n_rows, inputs, outputs)
        frugal_reverse = reuse_rows(reverse, self._starts, self.n_rows, outputs, inputs)
        all_rows = _operations(needed), np.arange(self.n_rows, dtype=np.intp), self.n_rows
        return Program(
            Forward(*all_rows, *shared, n_weights),
            Forward(*frugal, *shared, n_weights),
            Reverse(_operations(reverse), *all_rows[1:]),
            Reverse(*frugal_reverse),
            Weights(
                compositions,
                shared[1],
                collapses,
                expansions,
                constants,
                self.n_parameters,
                n_weights,
            ),
            used.gaps(0, n_weights),
        )

    def _needed(self, outputs):
        """What was recorded, without what no output depends on; and which parameters that uses."""
        live, used, needed = _Marks(), _Marks(), []
        for row in outputs:
            live.add(row, 1)
        for operation, size, reads in reversed(self._recorded):
            wanted = live.span(operation["out"], size)
            if wanted is None:
                continue
            operation, size, reads = _narrowed(operation.copy(), size, reads, *wanted)
            operation["parameters"] += operation["composed"] * self.n_parameters
            live.add(operation["out"], size)
            for x, length, *_ in reads:
                live.add(x, length)
            if operation["kind"] in (Kind.MIX, Kind.BIAS):
                used.add(operation["parameters"], operation["m"] * operation["k"])
            needed.append((operation, size, reads))
        return needed[::-1], used

    def _reversed(self, recorded, outputs):
        """The backward pass, recorded like the forward one: gradients are set where first reached, then added to."""
        reached = _Marks()
        for row in outputs:
            reached.add(row, 1)
        found = []

        def clear(x, size):
            for start, stop in reached.gaps(x, size):
                zero = np.zeros((), OPERATION)
                zero["kind"], zero["out"], zero["m"] = Kind.ZERO, start, stop - start
                found.append((zero, stop - start, []))
            reached.add(x, size)

        for operation, size, reads in reversed(recorded):
            if operation["kind"] in (Kind.ZERO, Kind.ONES):
                continue
            clear(operation["out"], size)
            pulled = operation.copy()
            for x, length, field, whole in reads:
                if not whole or reached.any(x, length):
                    clear(x, length)
                pulled[f"add_{field}"] = reached.any(x, length)
                reached.add(x, length)
            found.append((pulled, size, reads))
        for x, size in self._inputs:
            clear(x, size)
        return found


def _operations(recorded):
    return np.array([operation for operation, *_ in recorded], OPERATION)


def _narrowed(operation, size, reads, first, last):
    """An operation on just the copies that reach rows ``first`` to ``last`` of its result, if each goes by itself."""
    kind, m = operation["kind"], int(operation["m"])
    if kind == Kind.CONTRACT or (kind == Kind.BIAS and operation["k"] > 1):
        return operation, size, reads
    d = size // m
    start, stop = first // d, -(-last // d)
    operation["m"] = stop - start
    operation["out"] += start * d
    if kind in (Kind.MIX, Kind.BIAS):
        operation["parameters"] += start * operation["k"]
        return operation, (stop - start) * d, reads
    found = []
    for x, length, field, whole in reads:
        step = length // m
        operation[field] += start * step
        found.append((x + start * step, (stop - start) * step, field, whole))
    return operation, (stop - start) * d, found


class _Marks:
    """A set of rows."""

    def __init__(self):
        self._marks = np.zeros(64, bool)

    def _range(self, start, n):
        if start + n > len(self._marks):
            self._marks = np.concatenate([self._marks, np.zeros(start + n, bool)])
        return self._marks[start : start + n]

    def add(self, start, n):
        self._range(start, n)[:] = True

    def any(self, start, n):
        return self._range(start, n).any()

    def span(self, start, n):
        """First and last (exclusive) of the rows among n that are in the set, counted from start; None if none is."""
        found = np.flatnonzero(self._range(start, n))
        return (int(found[0]), int(found[-1]) + 1) if len(found) else None

    def gaps(self, start, n):
        """Runs [first, last) of rows that are not in the set."""
        missing = np.concatenate([[0], ~self._range(start, n), [0]]).astype(np.int8)
        edges = start + np.flatnonzero(np.diff(missing))
        return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
