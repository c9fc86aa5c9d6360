"""Progress bars are drawn where someone watches, and write nothing anywhere else."""

import io
import sys

import numpy as np
import pytest

from fastemlp import FastEMLPRegressor, clear_basis_cache, equivariant_basis
from fastemlp._progress import progress_bar
from fastemlp.groups import SL, O
from fastemlp.reps import V


class Terminal(io.StringIO):
    def isatty(self):
        return True


def fit():
    X = np.random.default_rng(0).standard_normal((40, 6))
    FastEMLPRegressor(group=O(3), channels=8, max_iter=300, verbose=1).fit(X, X[:, 0] ** 2)


def solve(method):
    clear_basis_cache()
    equivariant_basis((V**3)(SL(2)), method=method, verbose=1, store=False)


CALLS = {
    "fit": fit,
    **{m: lambda m=m: solve(m) for m in ("auto", "schur", "lanczos", "lobpcg", "dense")},
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_nothing_is_written_where_no_one_watches(call, capfd):
    call()
    assert capfd.readouterr() == ("", "")


def test_without_standard_error(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress_bar(range(3))) == [0, 1, 2]


def test_a_terminal_sees_the_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    fit()
    assert "300/300" in sys.stderr.getvalue()


@pytest.mark.parametrize("shown", [0, False])
def test_a_terminal_sees_no_bar_that_was_not_asked_for(shown, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(progress_bar(range(3), shown=shown)) == [0, 1, 2]
    assert sys.stderr.getvalue() == ""


def test_a_notebook_sees_the_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    assert not progress_bar(range(3)).disable
