"""What programs are made of."""

from typing import NamedTuple

import numpy as np

from fastemlp._kernels.tape import Kind


class Operation(NamedTuple):
    """One operation on rows of samples.

    Attributes
    ----------
    kind : int; a Kind
    out, a, b, c : int; the first of the rows that are written, and of those that are read
    weights, constants, table : int; where weights w, constants C and indices begin
    m, k, d, p, q : int; sizes
    apart, own : bool; CONTRACT: whether each of the m maps M has a result, and vectors, of its own
    transposed : bool; whether w, C or the table of entries is stored the other way round
    add : bool; whether to add to what is there
    alpha : float

    Notes
    -----
    Every row is one number for each sample, and every operation goes sample by sample but for the last two. The first
    six and the last three are linear in each of the rows they read.

    ==============  ============================================  ==================================================
    kind            rows of out; a; b; c                          out (+)=
    ==============  ============================================  ==================================================
    COPY            m; m                                          a
    CHANGE          m·d; m·k                                      for m copies C a[j], C (d, k)
    SPARSE          m·d; m·k                                      the same for sparse C: constants have its entries, row
                                                                  by row, the table where rows begin, and the columns
    MIX             m·d; k·d                                      alpha Σ_c w[j, c] a[c, i], w (m, k)
    CONTRACT        [m·]J·q; [m·]J·p; d·q·p, J = k, d maps        Σ M[a, (q, p)] v[a, j, p], v at a, M at b; the table
                                                                  has the m maps that act, and the entry (q, p) of M
    MAPS            d·q·p; [m·]J·q; [m·]J·p                       gradient of M: Σ_j dout[a, j, q] v[a, j, p]
    ZERO, ONES      m                                             0, 1
    BIAS            m·d                                           C b, C (d, k), b (k, m) among the weights
    SIGMOID         m; m                                          s(a) = 1 / (1 + exp(−a))
    SLOPE           m; m; m                                       a s′, at the value b of the sigmoid: s′ = b (1 − b)
    BEND            m; m; m; m                                    a c ds′/db = a c (1 − 2b)
    MIX_WEIGHTS     none; m·d; k·d                                gradient of w[j, c]: alpha Σ a[j, i] b[c, i]
    BIAS_WEIGHTS    none; m·d                                     gradient of b[r, j]: Σ C[i, r] a[j, i]
    ==============  ============================================  ==================================================
    """

    kind: int
    out: int = 0
    a: int = 0
    b: int = 0
    c: int = 0
    weights: int = 0
    constants: int = 0
    table: int = 0
    m: int = 0
    k: int = 0
    d: int = 0
    p: int = 0
    q: int = 0
    apart: bool = False
    own: bool = False
    transposed: bool = False
    add: bool = False
    alpha: float = 1.0

    @property
    def writes(self):
        """(first, n) of the rows that are written."""
        return self.out, _SIZES[self.kind](self)[0]

    @property
    def reads(self):
        """{field: (first, n)} of the rows that are read."""
        _, *sizes = _SIZES[self.kind](self)
        return {name: (getattr(self, name), n) for name, n in zip("abc", sizes, strict=False)}

    @property
    def makes(self):
        """(first, n) of the weights that it finds the gradient of, if it is one of WEIGHTS."""
        return self.weights, self.m * self.k


OPERATION = np.dtype(
    [(name, np.float64 if name == "alpha" else np.intp) for name in Operation._fields]
)
WEIGHTS = (Kind.MIX_WEIGHTS, Kind.BIAS_WEIGHTS)  # they find gradients of weights


def _contraction(o):
    results, vectors = ((o.m if each else 1) * o.k for each in (o.apart, o.own))
    return results * o.q, vectors * o.p, o.d * o.q * o.p


def _maps(o):
    results, vectors, maps = _contraction(o)
    return maps, results, vectors


# numbers of rows of out, a, b and c
_SIZES = {
    Kind.ZERO: lambda o: (o.m,),
    Kind.ONES: lambda o: (o.m,),
    Kind.COPY: lambda o: (o.m, o.m),
    Kind.CHANGE: lambda o: (o.m * o.d, o.m * o.k),
    Kind.SPARSE: lambda o: (o.m * o.d, o.m * o.k),
    Kind.MIX: lambda o: (o.m * o.d, o.k * o.d),
    Kind.BIAS: lambda o: (o.m * o.d,),
    Kind.CONTRACT: _contraction,
    Kind.MAPS: _maps,
    Kind.SIGMOID: lambda o: (o.m, o.m),
    Kind.SLOPE: lambda o: (o.m, o.m, o.m),
    Kind.BEND: lambda o: (o.m, o.m, o.m, o.m),
    Kind.MIX_WEIGHTS: lambda o: (0, o.m * o.d, o.k * o.d),
    Kind.BIAS_WEIGHTS: lambda o: (0, o.m * o.d),
}
