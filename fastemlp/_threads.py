"""How many threads there are, and work spread over them."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _controller():
    # loading the library list takes a millisecond; every limit after that takes microseconds
    return ThreadpoolController()


class _CountedLimit:
    """One limit for whoever asks: set by the first to enter, lifted by the last to leave, in whatever order."""

    def __init__(self):
        self._lock = threading.Lock()
        self._n_holders, self._limit = 0, None

    def __enter__(self):
        with self._lock:
            if not self._n_holders:
                self._limit = _controller().limit(limits=1, user_api="blas")
            self._n_holders += 1

    def __exit__(self, *_):
        with self._lock:
            self._n_holders -= 1
            if not self._n_holders:
                self._limit.restore_original_limits()


_one_thread = _CountedLimit()


def single_threaded_blas():
    """A context in which matrix products keep to the thread that asks for them; others may hold it at the same time.

    Many small products lose far more to waiting BLAS threads than large ones gain. The number of threads belongs to
    the process, so it comes back when the last one leaves.
    """
    return _one_thread


def n_cpus():
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def n_threads():
    """Threads worth using here: as many as BLAS and OpenMP were given, so OMP_NUM_THREADS and the like count.

    1 outside the main thread, where joblib or Dask are taken to run as many of us as there are processors, and in
    joblib's processes. Call it outside ``single_threaded_blas``.
    """
    if threading.current_thread() is not threading.main_thread():
        return 1
    return max(1, min([n_cpus(), *(info["num_threads"] for info in _controller().info())]))


def in_threads(work, items, n=None):
    """Call ``work(share)`` for n interleaved shares of the items (None: ``n_threads()``), one thread each.

    BLAS, where the work calls it, keeps to one thread within each.
    """
    n = min(len(items), n_threads() if n is None and len(items) > 1 else n or 1)
    with single_threaded_blas():
        if n < 2:
            work(items)
            return
        with ThreadPoolExecutor(n) as pool:
            list(pool.map(work, [items[k::n] for k in range(n)]))
