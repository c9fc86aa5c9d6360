"""What a competent user would try before an equivariant network, on raw columns and on invariants written by hand.

``candidates(task, n, seed)`` yields names and functions without arguments that return predictions for the test samples.
"""

import signal
from contextlib import contextmanager
from functools import partial

import numpy as np
from scipy import linalg
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import RidgeCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from unseen_tasks import N_TEST

from fastemlp import EquivariantRidge
from fastemlp.reps import rho_operator

#: Of the kernel's exponent, in units of one over the median square of distances; and of the ridge.
GAMMAS = (0.003, 0.03, 0.1, 0.3, 1.0, 3.0)
ALPHAS = np.logspace(-12, 1, 14)
#: Rows of the kernel matrix on which γ and α are chosen, and those of the largest one that is solved.
CHOOSING_ROWS, MOST_ROWS = 500, 4000
#: Samples for Gaussian processes, at most.
GP_SAMPLES = 300
#: Seconds for a fit of EquivariantRidge.
PATIENCE = 15


class UnsuitableError(Exception):
    """A baseline that cannot be fitted to this task."""


def bound(task):
    """``rep_in`` and ``rep_out`` of the task's group."""
    reps = task.rep_in, task.rep_out
    return tuple(rep if rep.is_bound else rep(task.group) for rep in reps)


def groups_of(*reps):
    """The groups of which elements have to be drawn."""
    return tuple(dict.fromkeys(group for rep in reps for group in rep.groups))


def act(rep, g, X):
    """ρ(g) on every row of X."""
    return (rho_operator(rep, g) @ X.reshape(len(X), -1).T).T.reshape(X.shape)


def candidates(task, n, seed):
    """All baselines that suit the task."""
    learn, test = slice(0, n), slice(len(task.X) - N_TEST, None)
    X, y, X_test = task.X[learn], task.y[learn], task.X[test]
    is_scalar = y.ndim == 1
    inputs = {"raw": task.X, **{name: of(task.X) for name, of in task.features.items()}}
    for name, F in inputs.items():
        # of vectors and tensors, invariants say nothing about the direction
        if name != "raw" and not is_scalar:
            continue
        for model, make in _models(n, seed, is_scalar, name != "raw", F.shape[1]).items():
            yield f"{model}, {name}", partial(_fitted, make, F[learn], y, F[test])
        yield f"kernel, {name}", partial(kernel_ridge, F[learn], y, F[test])
        few = slice(0, min(n, GP_SAMPLES))
        for process, noise in (("GP", True), ("GP without noise", False)):
            make = partial(_gaussian_process, F.shape[1], noise)
            yield f"{process}, {name}", partial(_fitted, make, F[few], y[few], F[test])
    yield "augmented MLP, raw", partial(augmented, task, X, y, X_test, seed)
    for degree in (1, 2, 3):
        yield f"EquivariantRidge {degree}", partial(_equivariant_ridge, task, X, y, X_test, degree)
    if task.basis is not None:
        B = task.basis(task.X)
        yield "linear, basis", partial(_linear_in_basis, B[learn], y, B[test])
        for name, F in inputs.items():
            if name == "raw":
                continue
            by_basis = F[learn], B[learn], y, F[test], B[test]
            yield f"linear x basis, {name}", partial(_linear_times_basis, *by_basis)
            yield f"kernel x basis, {name}", partial(kernel_in_basis, *by_basis)
    if task.local is not None:
        L = task.local(task.X)
        yield "kernel, local", partial(_per_output, kernel_ridge, L[learn], y, L[test])
        yield "linear, local", partial(_per_output, _ridge, L[learn], y, L[test])


def _scaled(model):
    return TransformedTargetRegressor(
        make_pipeline(StandardScaler(), model), transformer=StandardScaler()
    )


def _single_precision(model):
    return make_pipeline(FunctionTransformer(partial(np.asarray, dtype=np.float32)), _scaled(model))


def _models(n, seed, is_scalar, by_hand, n_features):
    """Functions that make models of scikit-learn."""
    # about 300 steps of the widest perceptron, if there are many samples
    epochs = max(20, min(200, 300 // -(-n // 200)))
    models = {
        "linear": _ridge_model,
        "MLP": lambda: _scaled(MLPRegressor(random_state=seed)),
        "MLP lbfgs": lambda: _scaled(
            MLPRegressor(
                hidden_layer_sizes=(100, 100),
                alpha=1e-2,
                solver="lbfgs",
                max_iter=200,
                random_state=seed,
            )
        ),
    }
    if by_hand or not is_scalar:
        models["MLP wide"] = lambda: _single_precision(
            MLPRegressor(hidden_layer_sizes=(384,) * 3, max_iter=epochs, random_state=seed)
        )
    if is_scalar:
        models["boosting"] = lambda: HistGradientBoostingRegressor(random_state=seed)
    for degree in (2, 3):
        if by_hand and n_features**degree <= 500:
            models[f"polynomial {degree}"] = lambda degree=degree: make_pipeline(
                StandardScaler(), PolynomialFeatures(degree, include_bias=False), _ridge_model()
            )
    return models


def _fitted(make, F, y, F_test):
    return make().fit(F, y).predict(F_test)


def _ridge_model():
    return _scaled(RidgeCV(np.logspace(-9, 5, 15)))


def _ridge(F, y, F_test):
    return _fitted(_ridge_model, F, y, F_test)


def _gaussian_process(n_features, noise):
    kernel = ConstantKernel(1.0, (1e-3, 1e6)) * RBF(2 * n_features**0.5, (1e-2, 1e4))
    if noise:
        kernel = kernel + WhiteKernel(1e-2, (1e-12, 10))
    model = GaussianProcessRegressor(kernel, alpha=1e-10, n_restarts_optimizer=0)
    return _scaled(model)


def _per_output(fit, L, y, L_test):
    """One function of the features of each column, the same for all columns."""
    rows = min(len(L), MOST_ROWS // y.shape[1])
    k = L.shape[2]
    found = fit(L[:rows].reshape(-1, k), y[:rows].ravel(), L_test.reshape(-1, k))
    return found.reshape(len(L_test), -1)


def _linear_in_basis(B, y, B_test):
    """Constant coefficients."""
    n, K, n_out = B.shape
    rows = B.swapaxes(1, 2).reshape(n * n_out, K)
    size = np.sqrt(np.square(rows).mean(0)) + 1e-300
    model = RidgeCV(np.logspace(-9, 5, 15), fit_intercept=False).fit(rows / size, y.ravel())
    return np.einsum("k,nkj->nj", model.coef_ / size, B_test)


def _linear_times_basis(F, B, y, F_test, B_test):
    """Coefficients that are linear in the features."""

    def products(F, B):
        F = np.hstack([np.ones((len(F), 1)), F])
        return np.einsum("nf,nkj->nfkj", F, B).reshape(len(F), -1, B.shape[2])

    return _linear_in_basis(products(F, B), y, products(F_test, B_test))


def kernel_ridge(F, y, F_test):
    """Kernel ridge regression with the RBF kernel; γ and α by the exact leave-one-out error."""
    scaler, target = StandardScaler().fit(F), StandardScaler().fit(y.reshape(len(y), -1))
    F, F_test = scaler.transform(F), scaler.transform(F_test)
    Y = target.transform(y.reshape(len(y), -1))
    unit = _unit(F)
    few = F[:CHOOSING_ROWS]
    gamma, alpha = _choose(lambda g: _rbf(few, few, g / unit), Y[: len(few)], 1)
    weights = _solve(_rbf(F, F, gamma / unit), alpha, Y)
    parts = np.array_split(F_test, 1 + len(F_test) // 1000)
    found = np.vstack([_rbf(part, F, gamma / unit) @ weights for part in parts])
    return target.inverse_transform(found).reshape(-1, *y.shape[1:])


def kernel_in_basis(F, B, y, F_test, B_test):
    """Kernel ridge with Σ_k B_k B_k'ᵀ k(F, F'): y = Σ_k f_k(F) B_k, all f_k from the space of the RBF kernel."""
    n_out = y.shape[1]
    rows = min(len(F), MOST_ROWS // n_out)
    F, B, y = F[:rows], B[:rows], y[:rows]
    scaler = StandardScaler().fit(F)
    F, F_test = scaler.transform(F), scaler.transform(F_test)
    size = np.sqrt(np.square(B).mean((0, 2), keepdims=True)) + 1e-300
    B, B_test = B / size, B_test / size
    unit, scale = _unit(F), np.sqrt(np.square(y).mean())
    Y = (y / scale).reshape(-1, 1)

    def kernel(F1, B1, F2, B2, gamma):
        outer = np.einsum("nka,mkb->namb", B1, B2)
        outer *= _rbf(F1, F2, gamma / unit)[:, None, :, None]
        return outer.reshape(len(F1) * n_out, -1)

    few = min(rows, max(30, CHOOSING_ROWS // n_out))
    chosen = F[:few], B[:few]
    gamma, alpha = _choose(lambda g: kernel(*chosen, *chosen, g), Y[: few * n_out], n_out)
    weights = _solve(kernel(F, B, F, B, gamma), alpha, Y)
    parts = np.array_split(np.arange(len(F_test)), 10)
    found = np.vstack([kernel(F_test[p], B_test[p], F, B, gamma) @ weights for p in parts])
    return scale * found.reshape(-1, n_out)


def _unit(F):
    """The median square of the distance between rows."""
    few = F[:300]
    squares = np.square(few[:, None] - few[None]).sum(-1)
    return np.median(squares[np.triu_indices(len(few), 1)]) + 1e-300


def _rbf(A, B, gamma):
    squares = (A**2).sum(1)[:, None] + (B**2).sum(1) - 2 * A @ B.T
    return np.exp(-gamma * np.maximum(squares, 0))


def _choose(kernel, Y, block):
    """γ and α of the smallest error when ``block`` rows at a time are left out."""
    best = np.inf, None
    for gamma in GAMMAS:
        values, vectors = linalg.eigh(kernel(gamma))
        values = np.maximum(values, 0)
        scale, projected = values.mean(), vectors.T @ Y
        blocks = vectors.reshape(len(Y) // block, block, -1)
        for alpha in ALPHAS * scale:
            # G = (K + α)⁻¹; what is left without a block is G_ii⁻¹ (G Y)_i
            inverse = 1 / (values + alpha)
            GY = vectors @ (inverse[:, None] * projected)
            if block == 1:
                left = GY / (np.square(vectors) @ inverse)[:, None]
            else:
                G = (blocks * inverse) @ blocks.swapaxes(1, 2)
                left = np.linalg.solve(G, GY.reshape(*blocks.shape[:2], -1))
            best = min(best, (np.square(left).mean(), (gamma, alpha)))
    return best[1]


def _solve(K, alpha, Y):
    K[np.diag_indices(len(K))] += alpha
    try:
        return linalg.solve(K, Y, assume_a="pos")
    except linalg.LinAlgError:
        K[np.diag_indices(len(K))] += 1e-10 * np.trace(K) / len(K)
        return linalg.solve(K, Y, assume_a="sym")


def augmented(task, X, y, X_test, seed, copies=10, elements=10):
    """A perceptron on the data and ten copies that the group has moved, each in parts by elements of their own."""
    rng = np.random.default_rng(seed)
    rep_in, rep_out = bound(task)
    groups = groups_of(rep_in, rep_out)
    more_X, more_y = [X], [y]
    for _ in range(copies):
        for part in np.array_split(rng.permutation(len(X)), min(len(X), elements)):
            g = {group: group.sample(rng) for group in groups}
            more_X.append(act(rep_in, g, X[part]))
            more_y.append(act(rep_out, g, y[part]))
    X, y = np.concatenate(more_X).astype(np.float32), np.concatenate(more_y).astype(np.float32)
    # about 1,500 steps
    epochs = max(20, min(200, 1500 // -(-len(X) // 200)))
    model = _scaled(MLPRegressor(hidden_layer_sizes=(100, 100), max_iter=epochs, random_state=seed))
    return model.fit(X, y).predict(X_test.astype(np.float32))


def _equivariant_ridge(task, X, y, X_test, degree):
    model = EquivariantRidge(task.group, rep_in=task.rep_in, rep_out=task.rep_out, degree=degree)
    try:
        with _at_most(PATIENCE):
            return model.fit(X, y).predict(X_test)
    except (MemoryError, TimeoutError, ValueError) as reason:
        # too large, too slow, or no polynomial of this degree is equivariant
        raise UnsuitableError(str(reason)) from reason


@contextmanager
def _at_most(seconds):
    """TimeoutError after so many seconds."""

    def stop(*_):
        raise TimeoutError(f"took longer than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
