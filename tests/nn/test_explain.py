"""What a network says of itself."""

import numpy as np
import pytest

from fastemlp import FastEMLPRegressor, explain_model
from fastemlp.groups import O
from fastemlp.nn import EMLP, MLP
from fastemlp.reps import Scalar, V, det


def test_every_product_of_a_fitted_model_is_listed(capsys):
    X = np.random.default_rng(0).standard_normal((40, 9))
    model = FastEMLPRegressor(
        O(3), rep_in=3 * V, rep_out=det(O(3)), channels=60, n_layers=2, max_iter=2
    ).fit(X, np.linalg.det(X.reshape(40, 3, 3)))
    capsys.readouterr()
    explain_model(model)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"3V -> det of O(3): {model.network_.n_parameters:,} parameters"
    assert sum(line.startswith("layer ") for line in lines) == 2
    listed = sum(int(line.split(": ")[1]) for line in lines if " -> " in line and line[0] == " ")
    assert listed == sum(p.n for b in model.network_.layers[:2] for p in b.bilinear.paths)
    # vectors, axial vectors, and numbers with and without a sign
    assert any("3 × 3 -> 3'" in line or "3' × 3' -> 3" in line for line in lines)
    assert any("1'" in line for line in lines)
    assert lines[-1] == "closed form: polynomial of degree 3; the network is left out"


def test_networks_without_groups_and_things_that_are_none(capsys):
    explain_model(MLP(3, 1, channels=4, n_layers=1))
    assert capsys.readouterr().out.startswith("3V0 -> V0 of no group: ")
    explain_model(EMLP(V, Scalar, O(3), n_layers=0))
    with pytest.raises(TypeError, match=r"expected a Network or a fitted .* got str\. Call fit"):
        explain_model("network")
