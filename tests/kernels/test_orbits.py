"""The orbit kernels against a breadth-first search, and products against the matrix of an orbit basis."""

from collections import deque
from itertools import product

import numpy as np
import pytest

from fastemlp._kernels import orbits as kernels

pytestmark = pytest.mark.kernel

DTYPES = [np.float32, np.float64, np.complex64, np.complex128]


def search(generators, n_phases, dead):
    """Labels by first occurrence and phases from the first coordinate of each orbit, −1 and 0 where v vanishes.

    ``generators`` holds pairs (image, phase) of shape (m,): ``v[image[i]] = ω^phase[i] v[i]``.
    """
    m = len(dead)
    neighbours = [[] for _ in range(m)]
    for image, phase in generators:
        for i in range(m):
            neighbours[i].append((image[i], phase[i]))
            neighbours[image[i]].append((i, -phase[i]))
    labels, phases = np.full(m, -2), np.zeros(m, int)
    n_labels = 0
    for start in range(m):
        if labels[start] != -2:
            continue
        orbit, queue, alive = [start], deque([start]), not dead[start]
        labels[start] = n_labels
        while queue:
            i = queue.popleft()
            for j, e in neighbours[i]:
                if labels[j] == -2:
                    labels[j], phases[j] = n_labels, (phases[i] + e) % n_phases
                    orbit.append(j)
                    queue.append(j)
                    alive &= not dead[j]
                alive &= (phases[i] + e - phases[j]) % n_phases == 0
        if alive:
            n_labels += 1
        else:
            labels[orbit], phases[orbit] = -1, 0
    return labels, phases, n_labels


def random_table(rng, L, R, n_phases, moves):
    """The arguments that describe a generator: a few transpositions and phases on each half."""
    halves = []
    for d in (L, R):
        image, phase = np.arange(d), np.zeros(d, np.int64)
        for _ in range(moves):
            i, j = rng.integers(d, size=2)
            image[[i, j]] = image[[j, i]]
            if rng.random() < 0.3:
                phase[rng.integers(d)] = rng.integers(n_phases)
        halves.append((image, phase))
    (left, left_phase), (right, right_phase) = halves
    moved = np.flatnonzero((right != np.arange(R)) | (right_phase != 0))
    return read_only(left * R, right, left_phase, right_phase, moved)


def written_out(table, n_phases):
    """Image and phase of all coordinates."""
    left, right, left_phase, right_phase, _ = table
    return np.add.outer(left, right).ravel(), np.add.outer(
        left_phase, right_phase
    ).ravel() % n_phases


def read_only(*arrays):
    for array in arrays:
        array.flags.writeable = False
    return arrays


def solve(tables, n_phases, m, dead=(), index=np.int32, small=np.int8):
    parent, phase = np.empty(m, index), np.zeros(m if n_phases > 1 else 0, small)
    kernels.plant(parent)
    parent[list(dead)] = -1
    for table in tables:
        kernels.merge(*table, n_phases, parent, phase)
    return kernels.number(parent, phase, n_phases), parent, phase


@pytest.mark.parametrize("n_phases", [1, 2, 3, 4, 12, 64])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (5, 6)])
@pytest.mark.parametrize("seed", range(4))
def test_labels_and_phases_are_those_of_a_search(shape, n_phases, seed):
    rng = np.random.default_rng(seed)
    m = shape[0] * shape[1]
    tables = [random_table(rng, *shape, n_phases, moves=1 + seed) for _ in range(seed)]
    dead = rng.choice(m, size=seed % 2, replace=False)
    rank, labels, phase = solve(tables, n_phases, m, dead)
    expected = search(
        [written_out(t, n_phases) for t in tables], n_phases, np.isin(np.arange(m), dead)
    )
    assert rank == expected[2]
    np.testing.assert_array_equal(labels, expected[0])
    if n_phases > 1:
        np.testing.assert_array_equal(phase, expected[1])
    assert sum(kernels.count_broken(*t, n_phases, labels, phase) for t in tables) == 0


def test_wide_integers():
    table = random_table(np.random.default_rng(0), 4, 5, 720, moves=3)
    rank, labels, phase = solve([table], 720, 20, index=np.int64, small=np.int16)
    expected = search([written_out(table, 720)], 720, np.zeros(20, bool))
    assert rank == expected[2]
    np.testing.assert_array_equal(labels, expected[0])
    np.testing.assert_array_equal(phase, expected[1])


def test_a_broken_label_or_phase_is_counted():
    swap = np.array([1, 0])
    zero = np.zeros(2, np.int64)
    table = (np.zeros(1, np.int64), swap, np.zeros(1, np.int64), zero, np.arange(2))
    no_phase = np.zeros(0, np.int8)
    assert kernels.count_broken(*table, 1, np.array([0, 1]), no_phase) == 2
    assert kernels.count_broken(*table, 1, np.array([0, -1]), no_phase) == 2
    assert kernels.count_broken(*table, 2, np.array([0, 0]), np.array([0, 1], np.int8)) == 2
    assert kernels.count_broken(*table, 2, np.array([-1, -1]), np.array([0, 1], np.int8)) == 0
    assert kernels.count_broken(*table, 2, np.array([0, 0]), np.array([1, 1], np.int8)) == 0


def test_weights_kill_what_does_not_add_up():
    left, right = read_only(np.array([0.0, 1.0, -2.0]), np.array([-1.0, 2.0, 1e-15, 0.5]))
    parent = np.empty(12, np.int32)
    kernels.plant(parent)
    assert kernels.kill(left, right, 1e-12, parent) == (1e-15, 0.5)
    weight = np.add.outer(left, right).ravel()
    np.testing.assert_array_equal(parent, np.where(np.abs(weight) > 1e-12, -1, np.arange(12)))
    assert kernels.count_stray(left, right, 1e-12, parent) == 0
    assert kernels.count_stray(left, right, 1e-12, np.zeros(12, np.int8)) == 9


def test_sizes_are_counted_and_stray_labels_too():
    sizes = np.zeros(3, np.int64)
    assert kernels.count_sizes(np.array([2, -1, 0, 2, 3, -2], np.int8), sizes) == 2
    np.testing.assert_array_equal(sizes, [1, 0, 2])


@pytest.mark.parametrize("b", [0, 1, 3])
@pytest.mark.parametrize(
    ("dtype", "n_phases"), [*product(DTYPES, [1, 2]), (np.complex64, 5), (np.complex128, 5)]
)
def test_products(dtype, b, n_phases):
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 4, size=30).astype(np.int8)
    phase = rng.integers(n_phases, size=30).astype(np.int8)
    omega = np.exp(2j * np.pi * np.arange(n_phases) / n_phases)
    omega = (omega if np.dtype(dtype).kind == "c" else omega.real).astype(dtype)
    matrix = np.zeros((30, 4), dtype)
    matrix[labels >= 0, labels[labels >= 0]] = omega[phase[labels >= 0]]
    X, Y = rng.standard_normal((4, b)).astype(dtype), rng.standard_normal((30, b)).astype(dtype)
    if n_phases == 1:
        phase = phase[:0]
    read_only(labels, phase, omega, X, Y)

    out = np.full((30, b), np.nan, dtype)
    kernels.gather(labels, phase, omega, X, out)
    np.testing.assert_array_equal(out, matrix @ X)

    double = np.zeros((4, b), np.result_type(dtype, np.float64))
    kernels.scatter(labels, phase, omega.conj().astype(double.dtype), Y, double)
    np.testing.assert_allclose(double, matrix.conj().T @ Y, rtol=0, atol=1e-5)
