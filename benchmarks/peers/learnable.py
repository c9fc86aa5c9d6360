"""Test R² of the default model on functions that symmetry allows: tensors, sets, images, robots, clusters, a duct.

Run ``python benchmarks/peers/learnable.py``; ``--help`` lists the options. Without noise, 2,000 samples to learn from
and 2,000 to test on. Where a target is no polynomial, hidden types chosen by hand are measured beside the default ones
(``--by-hand``). The seed draws samples and model. ``--duct`` takes the folder of ``squareDuct_1100_mandel.csv.gz``
and ``squareDuct_yz_grid.csv.gz`` of github.com/KevinMoonLab/SymmetryML (MIT): velocity gradients in a square duct, and
the logarithms of Reynolds stresses. Learned on one half of the duct, tested on its mirror image.
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fastemlp import FastEMLPRegressor, equivariant_basis
from fastemlp.bases import irreps
from fastemlp.groups import SO, Group, O, S
from fastemlp.reps import P, Rep, Scalar, V, axial, regular_rep, uniform_rep

N = 2000


class Task(NamedTuple):
    """Samples, what acts on them, and hidden types that somebody may have chosen."""

    X: np.ndarray
    y: np.ndarray
    group: object
    rep_in: object
    rep_out: object
    by_hand: tuple = ()
    n_train: int = N
    is_stress: bool = False


def _matrices(of):
    def make(rng):
        A = rng.standard_normal((2 * N, 3, 3))
        return Task(A.reshape(-1, 9), of(A).reshape(-1, 9), O(3), V**2, V**2)

    return make


def _stretch(A):
    """The traceless part of the square of the symmetric part."""
    S = A + A.swapaxes(1, 2)
    S = S @ S
    return S - np.trace(S, axis1=1, axis2=2)[:, None, None] * np.eye(3) / 3


def cubes(rng):
    """A vector times itself, twice."""
    x = rng.standard_normal((2 * N, 3))
    return Task(x, np.einsum("ni,nj,nk->nijk", x, x, x).reshape(-1, 27), O(3), V, V**3)


def _harmonic(l):
    """The irreducible of SO(3) of l."""
    return next(rep for rep in irreps(V(SO(3)) ** l) if rep.size() == 2 * l + 1)


def l4_input(rng):
    """A matrix that is quadratic in harmonics of l = 4."""
    x, l4 = rng.standard_normal((2 * N, 9)), _harmonic(4)
    Q = equivariant_basis(l4 * l4 >> V(SO(3)) ** 2).to_dense()
    Q = (Q @ np.arange(1, Q.shape[1] + 1)).reshape(9, 9, 9)
    return Task(x, np.einsum("kij,ni,nj->nk", Q, x, x), SO(3), l4, V**2)


def l3_output(rng):
    """Harmonics of l = 3, cubic in two vectors."""
    x, l3 = rng.standard_normal((2 * N, 6)), _harmonic(3)
    a, b = x[:, :3], x[:, 3:]
    abb = np.einsum("ni,nj,nk->nijk", a, b, b).reshape(-1, 27)
    return Task(x, abb @ l3.E, SO(3), 2 * V, l3)


def determinant(rng):
    """The volume that three vectors span, which mirrors turn over."""
    x = rng.standard_normal((2 * N, 9))
    return Task(x, np.linalg.det(x.reshape(-1, 3, 3)), O(3), 3 * V, P)


def cross_product(rng):
    """An axial vector."""
    x = rng.standard_normal((2 * N, 6))
    return Task(x, np.cross(x[:, :3], x[:, 3:]), O(3), 2 * V, axial)


def _sets(n):
    def make(rng):
        x = rng.standard_normal((2 * N, n))
        p1, p2, p3 = ((x**k).mean(1) * n**0.5 for k in (1, 2, 3))
        return Task(x, p2 + p3 + p1 * p2 / n**0.5 + p1**2, S(n), V, Scalar)

    return make


def transposes(rng):
    """The transpose of a matrix on 40 points."""
    x = rng.standard_normal((2 * N, 40, 40))
    y = x.swapaxes(1, 2).reshape(2 * N, -1)
    return Task(x.reshape(2 * N, -1), y, S(40), V**2, V**2)


def _points_in_space(of):
    rotations = np.zeros((6, 4, 4))
    for k, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        rotations[k, i, j], rotations[k, j, i] = 1, -1
        rotations[3 + k, k, 3] = 1
    SE3 = Group(lie_algebra=rotations, name="SE(3)")

    def make(rng):
        x = np.ones((2 * N, 2, 4))
        x[:, :, :3] = rng.standard_normal((2 * N, 2, 3))
        distance = np.linalg.norm(x[:, 0] - x[:, 1], axis=1)
        return Task(x.reshape(-1, 8), of(distance), SE3, 2 * V, Scalar)

    return make


def hexapod(rng):
    """Momentum of a robot with six legs from its joints' angles and speeds; turning and mirroring it permute legs."""
    turn, mirror = np.roll(np.arange(6), -1), -np.arange(6) % 6
    G = Group.from_permutations([turn, mirror], name="hexapod")
    c, s = np.cos(np.pi / 3), np.sin(np.pi / 3)
    rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    space = Rep.from_images(G, [rotation, np.diag([1.0, -1, 1])])
    sideways = Rep.from_images(G, [np.eye(1), -np.eye(1)])
    q, q_dot = rng.uniform(-1, 1, (2, 2 * N, 3, 6))
    yaw, lift, knee = q.swapaxes(0, 1)
    # each leg in its own frame, turned by its place around the body
    at = np.arange(6) * np.pi / 3 + yaw
    reach = 1 + np.cos(lift) + 0.8 * np.cos(lift + knee)
    inward = -np.sin(lift) * q_dot[:, 1] - 0.8 * np.sin(lift + knee) * (q_dot[:, 1] + q_dot[:, 2])
    upward = np.cos(lift) * q_dot[:, 1] + 0.8 * np.cos(lift + knee) * (q_dot[:, 1] + q_dot[:, 2])
    x = inward * np.cos(at) - (reach - 1) * np.sin(at) * q_dot[:, 0]
    y = inward * np.sin(at) + (reach - 1) * np.cos(at) * q_dot[:, 0]
    momentum = np.stack([x.sum(1), y.sum(1), upward.sum(1)], axis=1)
    legs = V(G)
    joints = legs * sideways + 2 * legs
    X = np.hstack([q.reshape(2 * N, -1), q_dot.reshape(2 * N, -1)])
    regular = regular_rep(G)
    by_hand = (
        32 * regular,
        16 * regular,
        100 * Scalar + 16 * legs + 16 * legs * sideways + 10 * space,
    )
    return Task(X, momentum, G, joints + joints, space, by_hand)


def cluster(rng):
    """Energy of five atoms of two species, Morse potentials of each pair."""
    depth, length = np.array([[1.0, 2.0], [2.0, 0.5]]), np.array([[1.0, 1.2], [1.2, 1.5]])
    x = rng.uniform(-1.5, 1.5, (8 * N, 5, 3))
    distances = np.linalg.norm(x[:, :, None] - x[:, None], axis=-1) + 9 * np.eye(5)
    x = x[distances.min((1, 2)) > 0.8][: 2 * N]
    x -= x.mean(1, keepdims=True)
    species = rng.integers(2, size=(2 * N, 5))
    i, j = np.triu_indices(5, 1)
    r = np.linalg.norm(x[:, i] - x[:, j], axis=-1)
    pair = species[:, i], species[:, j]
    energy = (depth[pair] * ((1 - np.exp(-1.5 * (r - length[pair]))) ** 2 - 1)).sum(1)
    X = np.hstack([x.reshape(2 * N, -1), species])
    atoms, space = V(S(5)), V(O(3))
    by_hand = (
        uniform_rep(384, S(5), O(3)),
        100 * Scalar + 20 * atoms + 10 * atoms * space,
        64 * Scalar + 8 * atoms + 8 * atoms**2 + 4 * atoms * space,
        32 * Scalar + 8 * atoms + 8 * atoms**2 + 2 * atoms * space + 2 * atoms * space**2,
        32 * Scalar + 8 * atoms + 4 * atoms**2 + 2 * atoms * space + 2 * atoms**2 * space,
    )
    return Task(X, energy, S(5) * O(3), atoms * space + atoms, Scalar, by_hand)


def images(rng):
    """How far apart three spots are, in pictures of 28 by 28 that may be turned by 90°."""
    pixels = np.arange(784).reshape(28, 28)
    C4 = Group.from_permutations([np.rot90(pixels).ravel()], name="C4")
    spots, width = rng.uniform(5, 23, (2 * N, 3, 2)), rng.uniform(1.5, 3, (2 * N, 3, 1, 1))
    x, y = np.indices((28, 28))
    squares = (x - spots[..., 0, None, None]) ** 2 + (y - spots[..., 1, None, None]) ** 2
    X = np.exp(-squares / (2 * width**2)).sum(1).reshape(2 * N, -1)
    apart = np.linalg.norm(spots - np.roll(spots, 1, axis=1), axis=-1).sum(1)
    regular = regular_rep(C4)
    return Task(X, apart, C4, V, Scalar, (96 * regular, 384 * Scalar, 64 * regular + 128 * Scalar))


def duct(folder):
    """Log Reynolds stress from the gradient of velocity."""
    table = np.genfromtxt(Path(folder) / "squareDuct_1100_mandel.csv.gz", delimiter=",")[1:]
    z = np.genfromtxt(Path(folder) / "squareDuct_yz_grid.csv.gz", delimiter=",")[1:, 1]
    y = np.empty((len(z), 3, 3))
    i, j = np.triu_indices(3)
    y[:, i, j] = table[:, 11:] / np.where(i == j, 1, 2**0.5)
    y[:, j, i] = y[:, i, j]
    half = np.argsort(z > 0, kind="stable")
    X, y = table[half, 2:11], y[half].reshape(-1, 9)
    return Task(X, y, O(3), V**2, V**2, n_train=int(np.sum(z <= 0)), is_stress=True)


TASKS = {
    "A²": _matrices(lambda A: A @ A),
    "AAᵀ": _matrices(lambda A: A @ A.swapaxes(1, 2)),
    "dev S²": _matrices(_stretch),
    "x⊗x⊗x": cubes,
    "l=4 in": l4_input,
    "l=3 out": l3_output,
    "det": determinant,
    "cross": cross_product,
    "S(193)": _sets(193),
    "S(40)": _sets(40),
    "transpose": transposes,
    "SE(3) d²": _points_in_space(np.square),
    "SE(3) d": _points_in_space(lambda d: d),
    "hexapod": hexapod,
    "cluster": cluster,
    "images": images,
}


def r2(task, channels, seed):
    """Of all columns together, on what is left for testing; and processor seconds."""
    train, test = slice(0, task.n_train), slice(task.n_train, None)
    model = FastEMLPRegressor(
        task.group, rep_in=task.rep_in, rep_out=task.rep_out, channels=channels, random_state=seed
    )
    X, y = task.X.astype(np.float32), task.y.astype(np.float32)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X[train], y[train])
    seconds = time.process_time() - start
    found, right = model.predict(X[test]), y[test]
    mean = right.mean(0)
    if task.is_stress:
        # six numbers together, about their common mean, as others who learned the duct count
        found, right = _mandel(found), _mandel(right)
        mean = right.mean()
    return 1 - np.square(found - right).sum() / np.square(right - mean).sum(), seconds


def _mandel(y):
    i, j = np.triu_indices(3)
    return y.reshape(-1, 3, 3)[:, i, j] * np.where(i == j, 1, 2**0.5)


def main():
    """Print one row per run as it ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--by-hand", action="store_true", help="hidden types chosen by hand, too")
    parser.add_argument("--duct", metavar="FOLDER", help="learn turbulent flow in a duct, too")
    arguments = parser.parse_args()
    tasks = {name: TASKS[name] for name in arguments.tasks}
    if arguments.duct:
        tasks["duct"] = lambda rng: duct(arguments.duct)
    print("task        seed            1 − R²   CPU seconds   hidden types")
    for name, make in tasks.items():
        for seed in arguments.seeds:
            task = make(np.random.default_rng(seed))
            for channels in (384, *(task.by_hand if arguments.by_hand else ())):
                found, seconds = r2(task, channels, seed)
                hidden = "default" if channels == 384 else channels
                print(
                    f"{name:10s} {seed:5d} {1 - found:17.2e} {seconds:13.1f}   {hidden}", flush=True
                )


if __name__ == "__main__":
    main()
