"""A network is weighed against what predicts without it."""

from types import SimpleNamespace

import numpy as np

from fastemlp.training import trial


def test_a_network_that_learned_the_whole_is_mixed_with_what_else_predicts(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 2))
    y = X[:, :1] ** 2
    wrong, otherwise_wrong = rng.standard_normal((2, 600, 1))
    learned = {row.tobytes(): value for row, value in zip(X, y + wrong, strict=True)}

    def network(_, X):
        return np.array([learned[row.tobytes()] for row in X]) / np.sqrt(np.mean(y**2))

    monkeypatch.setattr(trial, "train", lambda *_, **__: SimpleNamespace(theta=None))
    verdict = trial.try_network(
        network,
        X,
        lambda rows: (-otherwise_wrong[rows], None),
        [(y, None)],
        np.arange(600),
        None,
        rng,
        lambda *_: None,
        max_iter=8,
    )
    # each is wrong by as much, on its own: the mean of both is better than either
    assert verdict.choice == 0
    assert abs(verdict.share - verdict.kept) < 0.15
    assert 0.3 < verdict.share < 0.6


def test_one_bad_sample_does_not_hide_that_all_others_are_better():
    rng = np.random.default_rng(0)
    before = 1e-3 * rng.standard_normal(1000) ** 2
    before[0] = 3.0  # nearly all of the error
    assert trial._is_surely_less(before, before / 100)
    # nothing but this one has changed: that may be chance
    after = before.copy()
    after[0] = 0
    assert not trial._is_surely_less(before, after)
    assert not trial._is_surely_less(
        before, 1e-3 * rng.standard_normal(1000) ** 2 + before[0] / 1e3
    )


def test_samples_that_hardly_weigh_do_not_tell_that_a_network_is_better():
    rng = np.random.default_rng(0)
    before = rng.standard_normal(1000) ** 2
    weights = np.where(np.arange(1000) < 500, 1e-6, 1.0)
    after = np.where(weights < 1, before / 100, 1.01 * before)
    assert trial._is_surely_less(before, after)
    assert not trial._is_surely_less(before, after, weights)
