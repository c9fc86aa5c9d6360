"""One pass for a sum of small matrices, each applied to two slots of a tensor: the Casimir operator."""

from fastemlp._kernels.compiled import kernel


# contracting a·x + y to one instruction is the only liberty taken
@kernel(fastmath={"contract"})
def pair_matmat(dims, first, second, start, indptr, shift, data, digits, source, weight, X, out):
    """Write ``Σ_{j<l} (Ω_jl acting on slots j and l) X`` to ``out``.

    Parameters
    ----------
    dims : intp array of shape (k,); the sizes of the slots, the last varying fastest
    first, second : intp arrays of shape (n_pairs,); the slots j and l
    start : intp array of shape (n_pairs,); where in ``indptr`` the rows of Ω_jl start
    indptr, shift, data : the matrices Ω_jl of shape (d_j·d_l, d_j·d_l), one after the other in CSR form; in place of
        a column index, how far in X its row lies from the diagonal. data has the dtype of X
    digits, source, weight : workspace; intp of shape (k,), intp and the dtype of X of at least the number of terms
        in the fullest row of the sum, plus 3
    X : ndarray of shape (m, b), C-contiguous
    out : ndarray like X, must not alias X

    Notes
    -----
    Cost 2·Σ nnz(Ω_jl)/(d_j·d_l)·size(X) flops; X is read row by row, ``out`` written once.
    """
    m, b = X.shape
    n_pairs = first.size
    for j in range(dims.size):
        digits[j] = 0
    for i in range(m):
        n = 0
        for p in range(n_pairs):
            row = start[p] + digits[first[p]] * dims[second[p]] + digits[second[p]]
            for e in range(indptr[row], indptr[row + 1]):
                weight[n] = data[e]
                source[n] = i + shift[e]
                n += 1
        # a multiple of four terms, so that out[i] is read and written once for four
        while n % 4:
            weight[n] = 0
            source[n] = i
            n += 1
        for r in range(b):
            out[i, r] = 0
        for q in range(0, n, 4):
            a0, a1, a2, a3 = weight[q], weight[q + 1], weight[q + 2], weight[q + 3]
            s0, s1, s2, s3 = source[q], source[q + 1], source[q + 2], source[q + 3]
            # out[i, :] += Σ Ω[i, s] X[s, :]
            for r in range(b):
                out[i, r] += a0 * X[s0, r] + a1 * X[s1, r] + a2 * X[s2, r] + a3 * X[s3, r]
        j = dims.size - 1
        while j >= 0:
            digits[j] += 1
            if digits[j] < dims[j]:
                break
            digits[j] = 0
            j -= 1
