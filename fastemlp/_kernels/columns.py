"""The vector operations of conjugate gradients, a scalar for every column."""

from fastemlp._kernels.compiled import kernel


@kernel(fastmath={"contract"})
def column_dots(X, Y, out):
    """Write ``Re ⟨x, y⟩`` of each pair of columns to ``out``, float64 of shape (b,).

    Parameters
    ----------
    X, Y : ndarray of shape (m, b), C-contiguous, real or complex
    """
    m, b = X.shape
    for r in range(b):
        out[r] = 0.0
    for i in range(m):
        for r in range(b):
            out[r] += X[i, r].real * Y[i, r].real + X[i, r].imag * Y[i, r].imag


@kernel(fastmath={"contract"})
def descend(step, P, W, Y, R, squares):
    """``Y += step P`` and ``R −= step W``, column by column; write ``‖r‖²`` to ``squares``.

    Parameters
    ----------
    step : ndarray of shape (b,), the real type of R
    P, W, Y, R : ndarray of shape (m, b), C-contiguous
    squares : float64 array of shape (b,)
    """
    m, b = R.shape
    for r in range(b):
        squares[r] = 0.0
    for i in range(m):
        for r in range(b):
            Y[i, r] += step[r] * P[i, r]
            R[i, r] -= step[r] * W[i, r]
            squares[r] += R[i, r].real * R[i, r].real + R[i, r].imag * R[i, r].imag


@kernel(fastmath={"contract"})
def redirect(ratio, R, P):
    """``P = R + ratio P``, column by column; ratio of shape (b,), the real type of R."""
    m, b = R.shape
    for i in range(m):
        for r in range(b):
            P[i, r] = R[i, r] + ratio[r] * P[i, r]
