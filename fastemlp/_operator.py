"""The base of every linear operator here: it acts on columns, and a vector is one column."""

from scipy.sparse.linalg import LinearOperator


class Operator(LinearOperator):
    """A scipy LinearOperator that defines ``_matmat``, and ``_rmatmat`` or ``_adjoint``."""

    def _matvec(self, x):
        return self._matmat(x.reshape(-1, 1))

    def _rmatvec(self, x):
        return self._rmatmat(x.reshape(-1, 1))

    def _transpose(self):
        # scipy's own conjugates what comes in and what goes out
        return self.H if self.dtype.kind == "f" else super()._transpose()
