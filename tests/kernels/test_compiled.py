"""Kernels are cached on disk where that is possible, and work where it is not."""

import errno
import warnings

import numpy as np
import pytest
from numba import config

from fastemlp._kernels import compiled
from fastemlp._kernels.compiled import kernel
from fastemlp.exceptions import KernelCacheWarning

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled, so nothing is cached"),
]


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr(compiled, "_said", [])


def double(x):
    return 2 * x


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_second_process_finds_the_first_ones_code(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    assert kernel(double)(np.float64(3)) == 6
    again = kernel(double)
    assert again(np.float64(4)) == 8
    assert sum(again.stats.cache_hits.values()) == 1


@pytest.mark.parametrize("operation", ["save", "load"])
def test_a_cache_that_fails_later_stands_aside(operation, tmp_path, monkeypatch):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    dispatchers = kernel(double), kernel(fastmath=True)(double)
    for dispatcher in dispatchers:
        monkeypatch.setattr(dispatcher._cache._cache_file, operation, full)
    with pytest.warns(KernelCacheWarning, match=r"No space left.*Set NUMBA_CACHE_DIR") as said:
        results = [each(dtype(3)) for each in dispatchers for dtype in (np.float64, np.float32)]
    assert results == [6, 6, 6, 6]
    assert len(said) == 1


def test_without_any_place_to_write(monkeypatch):
    def nowhere(self, function):
        raise RuntimeError("cannot cache function 'double': no locator available")

    monkeypatch.setattr(compiled._OptionalCache, "__init__", nowhere)
    with pytest.warns(KernelCacheWarning, match="no locator available"):
        dispatcher = kernel(double)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kernel(double)(3) == dispatcher(3) == 6
