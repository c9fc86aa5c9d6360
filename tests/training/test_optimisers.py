"""Optimisers by their papers' formulas; averages and schedules by their definitions."""

import numpy as np
import pytest

from fastemlp.training.optimisers import Adam, Average, auto_decay
from fastemlp.training.schedules import SCHEDULES, constant, cosine, one_cycle


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_adam_and_adamw_follow_their_papers(decay, scale):
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(7)
    expected, m, v = theta.copy(), np.zeros(7), np.zeros(7)
    optimiser = Adam(7, np.float64, weight_decay=decay)
    for t in range(1, 6):
        g = rng.standard_normal(7)
        optimiser.step(theta, g, 0.01, scale)
        m = 0.9 * m + 0.1 * scale * g
        v = 0.999 * v + 0.001 * (scale * g) ** 2
        expected *= 1 - 0.01 * decay
        expected -= 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(theta, expected, rtol=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999])
def test_average_is_the_normalised_geometric_sum(decay):
    thetas = np.random.default_rng(0).standard_normal((20, 5))
    average = Average(np.full(5, 1e6), decay)
    for t in range(1, 21):
        average.update(thetas[t - 1])
        weights = decay ** np.arange(t)[::-1] if decay else np.eye(t)[-1]
        expected = weights @ thetas[:t] / weights.sum()
        np.testing.assert_allclose(average.vector, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("n_steps", "factor", "window"), [(1, 1, 1), (80, 0, 1), (800, 0.5, 50), (10**5, 1, 500)]
)
def test_the_average_is_over_fewer_steps_the_smaller_they_are(n_steps, factor, window):
    assert 1 / (1 - auto_decay(n_steps, factor)) == pytest.approx(window)


def test_average_weighs_by_the_products_of_decays():
    rng = np.random.default_rng(0)
    thetas, factors = rng.standard_normal((20, 5)), rng.uniform(0, 1, 20)
    average = Average(np.full(5, 1e6), lambda factor: 1 - factor / 2)
    for theta, factor in zip(thetas, factors, strict=True):
        average.update(theta, factor)
    weights = np.append(np.cumprod((1 - factors / 2)[:0:-1])[::-1], 1)
    np.testing.assert_allclose(average.vector, weights @ thetas / weights.sum(), rtol=1e-9)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.2, 0.95])
def test_schedules_warm_up_linearly_and_stay_within_bounds(name, warmup):
    p = np.linspace(0, 1, 401)[1:]
    values = np.array([SCHEDULES[name](x, warmup) for x in p])
    assert (values >= 0).all()
    assert values.max() <= 1 + 1e-12
    if warmup:
        rise = values[p < warmup]
        np.testing.assert_allclose(np.diff(rise, 2), 0, atol=1e-12)
        assert (np.diff(rise) > 0).all()
        assert SCHEDULES[name](warmup, warmup) == pytest.approx(1)
    assert (np.diff(values[p >= warmup]) <= 1e-15).all()


def test_where_schedules_start_and_end():
    assert [s(0) for s in (cosine, constant)] == [0, 0]
    assert one_cycle(0) == 1 / 25
    assert [s(1) for s in (cosine, one_cycle)] == pytest.approx([0, 0], abs=1e-12)
    assert constant(1) == constant(0.05) == 1
    assert cosine(0.525) == pytest.approx(0.5)
    assert one_cycle(0.89) == pytest.approx(1 / 25)
    assert one_cycle(0.45) == 1
