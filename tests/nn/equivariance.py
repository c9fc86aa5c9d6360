"""Whether a network commutes with its group."""

import numpy as np


def assert_equivariant(network, theta, rng):
    """By random elements of every group that acts, on random samples."""
    x = rng.standard_normal((6, network.rep_in.size()))
    y = network(theta, x)
    groups = dict.fromkeys((*network.rep_in.groups, *network.rep_out.groups))
    for seed in range(3):
        g = {group: group.sample(seed) for group in groups}
        moved = network(theta, x @ network.rep_in.rho_dense(g).T)
        expected = y @ network.rep_out.rho_dense(g).T
        np.testing.assert_allclose(moved, expected, atol=1e-11 * max(1, abs(expected).max()))
