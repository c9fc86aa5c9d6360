"""Losses: values by definition, gradients by central differences, invariance under the group."""

import numpy as np
import pytest

from fastemlp.groups import SO, O, S
from fastemlp.reps import Rep, Scalar, V, objects
from fastemlp.training import CrossEntropy, Huber, SquaredError
from fastemlp.training.losses import squared_error

MIXED = (V + 2 * Scalar + V**2 + V)(O(3))
WEIGHTS = {"V0": 1, V: 5.0, "V2": 0.5}
LOSSES = {
    "squared": squared_error,
    "squared by type": SquaredError(MIXED, WEIGHTS),
    "huber": Huber(MIXED, 0.7),
    "huber by type": Huber(MIXED, 0.7, WEIGHTS),
    "huber, all inside": Huber(MIXED, 100.0),
    "huber, all outside": Huber(MIXED, 1e-3),
}


def batch(n=6, rep=MIXED, dtype=np.float64):
    rng = np.random.default_rng(0)
    prediction, target = rng.standard_normal((2, n, rep.size())).astype(dtype)
    return prediction, target, rng.random(n).astype(dtype) + 0.1


def probabilities(prediction):
    return np.exp(prediction) / np.exp(prediction).sum(1, keepdims=True)


def check_gradient(loss, prediction, target, weight):
    direction = np.random.default_rng(1).standard_normal(prediction.shape)
    h = 1e-5
    up, down = (loss(prediction + s * h * direction, target, weight)[0] for s in (1, -1))
    _, gradient = loss(prediction, target, weight)
    assert np.vdot(gradient, direction) == pytest.approx((up - down) / (2 * h), rel=1e-7)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients(name, weighted):
    prediction, target, weight = batch()
    check_gradient(LOSSES[name], prediction, target, weight if weighted else None)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_of_cross_entropy(weighted):
    prediction, target, weight = batch(rep=4 * Scalar)
    loss = CrossEntropy(4 * Scalar)
    check_gradient(loss, prediction, probabilities(target), weight if weighted else None)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_out_is_filled_inputs_are_left_and_precision_is_kept(name, dtype):
    prediction, target, weight = batch(dtype=dtype)
    before = prediction.copy(), target.copy(), weight.copy()
    out = np.full_like(prediction, np.nan)
    value, gradient = LOSSES[name](prediction, target, weight, out=out)
    assert gradient is out
    expected_value, expected = LOSSES[name](prediction, target, weight)
    assert (value, expected.dtype) == (expected_value, dtype)
    np.testing.assert_array_equal(gradient, expected)
    for array, old in zip((prediction, target, weight), before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_invariant(name):
    prediction, target, weight = batch()
    rng = np.random.default_rng(2)
    value, gradient = LOSSES[name](prediction, target, weight)
    for _ in range(5):
        rho = MIXED.rho(O(3).sample(rng))
        rho = rho @ np.eye(MIXED.size())
        moved, moved_gradient = LOSSES[name](prediction @ rho.T, target @ rho.T, weight)
        assert moved == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(moved_gradient, gradient @ rho.T, atol=1e-13)


@pytest.mark.parametrize("name", [*LOSSES, "cross-entropy"])
def test_a_weight_is_as_many_copies(name):
    loss = CrossEntropy(MIXED.size() * Scalar) if name == "cross-entropy" else LOSSES[name]
    prediction, target, _ = batch()
    target = probabilities(target)
    times = np.array([2, 1, 0, 3, 0, 1])
    value, gradient = loss(prediction, target, times / times.mean())
    rows = np.repeat(np.arange(6), times)
    copies_value, copies_gradient = loss(prediction[rows], target[rows])
    assert value == pytest.approx(copies_value, rel=1e-13)
    summed = np.zeros_like(gradient)
    np.add.at(summed, rows, copies_gradient)
    np.testing.assert_allclose(gradient, summed, atol=1e-14)


def test_squared_error_is_the_mean():
    prediction, target, _ = batch()
    value, _ = squared_error(prediction, target)
    assert value == pytest.approx(np.mean((prediction - target) ** 2), rel=1e-14)


def test_type_weights_make_a_weighted_mean_over_types():
    prediction, target, _ = batch()
    squares = (prediction - target) ** 2
    scalars, vectors, tensors = squares[:, 3:5], squares[:, [0, 1, 2, 14, 15, 16]], squares[:, 5:14]
    expected = (scalars.mean() + 5 * vectors.mean() + 0.5 * tensors.mean()) / 6.5
    assert SquaredError(MIXED, WEIGHTS)(prediction, target)[0] == pytest.approx(expected)
    # types not named weigh 1
    expected = (scalars.mean() + 3 * vectors.mean() + tensors.mean()) / 5
    assert SquaredError(MIXED, {"V": 3})(prediction, target)[0] == pytest.approx(expected)


def test_huber_by_its_definition():
    prediction, target, _ = batch()
    total = 0.0
    for row in prediction - target:
        for _, copies in objects(MIXED):
            for copy in copies:
                r, delta = np.sqrt(np.mean(row[copy] ** 2)), 0.7
                total += len(copy) * (r**2 if r <= delta else delta * (2 * r - delta))
    assert Huber(MIXED, 0.7)(prediction, target)[0] == pytest.approx(total / prediction.size)


def test_huber_with_a_large_delta_is_the_squared_error():
    prediction, target, weight = batch()
    value, gradient = squared_error(prediction, target, weight)
    huber_value, huber_gradient = Huber(MIXED, 1e3)(prediction, target, weight)
    assert huber_value == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(huber_gradient, gradient, rtol=1e-13)


def test_huber_of_a_perfect_prediction():
    prediction, _, _ = batch()
    value, gradient = Huber(MIXED, 0.7)(prediction, prediction)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_cross_entropy_by_its_definition_and_without_overflow():
    prediction, target, _ = batch(rep=4 * Scalar)
    target = probabilities(target)
    expected = -(target * np.log(probabilities(prediction))).sum(1).mean()
    loss = CrossEntropy(4 * Scalar)
    assert loss(prediction, target)[0] == pytest.approx(expected)
    value, gradient = loss(np.array([[1e4, 0, -1e4]]), np.array([[1.0, 0, 0]]))
    assert value == 0
    assert np.isfinite(gradient).all()


def test_cross_entropy_refuses_other_types():
    with pytest.raises(
        ValueError, match=r"outputs must be scalars.*got rep=V0\+V with V.*4\*Scalar"
    ):
        CrossEntropy((Scalar + V)(O(3)))

    class Sign(Rep):
        def size(self):
            return 1

        def rho(self, g):
            return np.sign(np.linalg.det(g)).reshape(1, 1)

    with pytest.raises(ValueError, match="outputs must be scalars"):
        CrossEntropy((2 * Sign())(O(3)))


@pytest.mark.parametrize(
    ("weights", "error", "match"),
    [
        ({"V3": 1}, ValueError, r"names V3, but the outputs .* are made of V0, V, V2"),
        ({"V": -1}, ValueError, r"≥ 0, got -1 for V"),
        ({"V": np.nan}, ValueError, r"≥ 0, got nan"),
        ({"V": 0, "V0": 0, "V2": 0}, ValueError, "all zero"),
        ({3: 1}, TypeError, "got the key 3"),
    ],
)
def test_bad_type_weights(weights, error, match):
    with pytest.raises(error, match=match):
        SquaredError(MIXED, weights)


def test_objects_are_the_copies_in_natural_order():
    found = {str(kind): columns.tolist() for kind, columns in objects(MIXED)}
    assert found["V0"] == [[3], [4]]
    assert found["V"] == [[0, 1, 2], [14, 15, 16]]
    assert found["V2"] == [list(range(5, 14))]
    mixed_groups = 2 * V(S(2)) + V(SO(3))
    assert sorted(c.shape for _, c in objects(mixed_groups)) == [(1, 3), (2, 2)]
    # types of several groups are named by bound reps
    loss = SquaredError(mixed_groups, {V(SO(3)): 3})
    ones = np.ones((1, 7))
    assert loss(ones, 0 * ones)[0] == pytest.approx(1)
