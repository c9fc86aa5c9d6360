"""The one loop under every representation: a small matrix applied to one slot of a tensor."""

from fastemlp._kernels.compiled import kernel


@kernel
def slot_matmat(indptr, indices, data, X, out):
    """Add ``(I ⊗ A ⊗ I) X`` to ``out``, for a sparse A of shape (d, d).

    Parameters
    ----------
    indptr, indices, data : A in CSR form; intp, intp and the dtype of X
    X : ndarray of shape (L, d, R), C-contiguous; L and R run over the slots before and after
    out : ndarray like X, must not alias X

    Notes
    -----
    Cost 2·nnz(A)/d·size(X) flops, one pass over X and ``out`` per entry in a row of A.
    """
    L, d, R = X.shape
    for l in range(L):
        for i in range(d):
            for p in range(indptr[i], indptr[i + 1]):
                j = indices[p]
                a = data[p]
                # out[l, i, :] += A[i, j] X[l, j, :]
                for r in range(R):
                    out[l, i, r] += a * X[l, j, r]
