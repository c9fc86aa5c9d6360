"""Graphs of a few dozen nodes, against scipy's graph routines."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from fastemlp.irreducibles.split import _spanning_tree as spanning_tree
from fastemlp.irreducibles.split import components


@pytest.mark.parametrize("n", [1, 2, 3, 7, 20, 64, 100])
@pytest.mark.parametrize("degree", [0.0, 0.3, 1.0, 3.0, np.inf])
def test_components(n, degree):
    for seed in range(5):
        linked = np.random.default_rng([n, seed]).random((n, n)) < degree / n
        given = linked.copy()
        expected = connected_components(csr_array(linked), directed=False)[1]
        np.testing.assert_array_equal(components(linked), expected)
        np.testing.assert_array_equal(linked, given)


@pytest.mark.parametrize("shift", [1, -1])
def test_a_path_is_one_component(shift):
    assert not components(np.eye(64, k=shift, dtype=bool)).any()


@pytest.mark.parametrize("n", [1, 2, 3, 8, 40, 90])
def test_strongest_tree(n):
    for seed in range(5):
        strength = np.random.default_rng([n, seed]).random((n, n)) + 1e-3
        strength = strength + strength.T
        tree = spanning_tree(strength)
        reached = [0]
        for parent, child in tree:
            assert parent in reached
            reached.append(child)
        assert sorted(reached) == list(range(n))
        expected = -minimum_spanning_tree(csr_array(-strength)).sum() if n > 1 else 0
        np.testing.assert_allclose(sum(strength[edge] for edge in tree), expected)


def test_a_tree_holds_what_is_not_linked_at_all():
    tree = spanning_tree(np.zeros((4, 4)))
    assert sorted(child for _, child in tree) == [1, 2, 3]
