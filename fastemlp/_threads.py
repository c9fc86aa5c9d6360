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


def single_threaded_blas():
    """A context in which matrix products keep to the thread that asks for them.

    Many small products lose far more to waiting BLAS threads than large ones gain.
    """
    return _controller().limit(limits=1, user_api="blas")


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
