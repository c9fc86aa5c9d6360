"""The gated nonlinearity."""

from fastemlp.nn.features import Features
from fastemlp.reps import Scalar, terms


def gated_rep(rep):
    """``rep`` with one more scalar for every object that needs a gate of its own.

    Scalars and permutation types gate themselves; the new scalars come last, in canonical order of the objects.
    """
    canonical, _ = rep.canonical()
    return rep + _n_gates(canonical) * Scalar


def _n_gates(canonical):
    return sum(n for term, n in terms(canonical) if not term.is_permutation)


class Gate:
    """Swish on scalars and permutation types; every other object is scaled by the sigmoid of its own gate.

    Takes features of ``gated_rep(rep)`` to features of ``rep``. It has no parameters.

    Parameters
    ----------
    features_out : Features of ``rep``

    Notes
    -----
    A pointwise function of any other type would not be equivariant. Weiler et al. 2018; Finzi et al. 2021, §6.
    """

    def __init__(self, features_out):
        self.features_out = features_out
        self.features_in = Features(gated_rep(features_out.rep), features_out.coordinates)

    def reached(self, live):
        """The irreducibles of the output that can move where those of the input in ``live`` can."""
        coordinates, found = self.features_out.coordinates, set(live)
        for kind in self.features_out.types:
            parts = {irreducible for irreducible, *_ in coordinates.split(kind.rep).parts}
            # pointwise functions leave no irreducible of a permutation to itself
            if kind.rep.is_permutation and parts & found:
                found |= parts
        return found

    def record(self, tape, x):
        """Apply to features packed in rows x; returns the Rows of the result."""
        y = tape.rows(self.features_out.size)
        scalars = self.features_out.find(Scalar)
        n_scalars = 0 if scalars is None else scalars.mult
        n_sigmoids = n_scalars + _n_gates(self.features_out.rep.canonical()[0])
        # scalars and then gates are the first rows of irreducible 0
        gates = tape.rows(n_sigmoids)
        tape.sigmoid(gates, x.part(0, n_sigmoids))
        first = 0
        for kind in self.features_out.types:
            twin = self.features_in.find(kind.rep)
            if kind.rep.is_permutation and kind.rep != Scalar:
                _swish(tape, kind, twin, x, y)
                continue
            # the gated twin may have more scalars
            for out, (start, _) in zip(kind.packed(y), twin.parts, strict=True):
                tape.scale(out, gates.part(first, kind.mult), x.part(start, out.n))
            first += kind.mult
        return y

    def __repr__(self):
        return f"Gate({self.features_out.rep})"


def _swish(tape, kind, twin, x, y):
    v, out = twin.natural(tape, x), kind.room(tape, y)
    sigma = tape.rows(v.n)
    tape.sigmoid(sigma, v)
    tape.scale(out, sigma, v)
    kind.add(tape, y, out)
