"""How many threads to use, and work spread over them."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _controller():
    # loading the library list takes a millisecond
    return ThreadpoolController()


class _OneThread:
    """A limit of one thread for BLAS, as of ``threadpoolctl``, whose own takes as long as predicting one sample."""

    def __init__(self):
        libraries = [one for one in _controller().lib_controllers if one.user_api == "blas"]
        before = [(library, library.get_num_threads()) for library in libraries]
        self._before = [(library, n) for library, n in before if n not in (None, 1)]
        for library, _ in self._before:
            library.set_num_threads(1)

    def restore_original_limits(self):
        for library, n in self._before:
            library.set_num_threads(n)


class _Holder:
    """A block that limits BLAS: the first to enter sets the limit, the last to leave lifts it, in whatever order."""

    # reentrant, as a holder may be collected while another enters
    _lock = threading.RLock()
    _n_inside = _n_main_inside = 0
    _limit, _set_by_main = None, False

    _is_inside = _in_main = False

    def __enter__(self):
        shared = _Holder
        with shared._lock:
            self._in_main = threading.current_thread() is threading.main_thread()
            if shared._limit is None:
                shared._limit = _OneThread()
                shared._set_by_main = self._in_main
            shared._n_inside += 1
            shared._n_main_inside += self._in_main
            self._is_inside = True

    def __exit__(self, *_):
        shared = _Holder
        with shared._lock:
            if not self._is_inside:
                return
            self._is_inside = False
            shared._n_inside -= 1
            shared._n_main_inside -= self._in_main
            # OpenBLAS lets no other thread change what the main thread has set: that lifts its own limit
            is_last = not (shared._n_main_inside if shared._set_by_main else shared._n_inside)
            if is_last and shared._limit is not None:
                shared._limit.restore_original_limits()
                shared._limit = None

    def __del__(self):
        # an interrupt may come between the end of a block and its exit
        self.__exit__()


def single_threaded_blas():
    """A context in which BLAS uses one thread; contexts in several threads may overlap.

    Many small products lose far more to waiting BLAS threads than large ones gain. The number of threads belongs to
    the process, so it is restored when the last context is left.
    """
    return _Holder()


def n_cpus():
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def n_threads():
    """Threads worth using here: as many as BLAS and OpenMP may use, so OMP_NUM_THREADS and the like count.

    1 in joblib's processes and outside the main thread, where joblib or Dask presumably runs one of us per processor.
    Call it outside ``single_threaded_blas``.
    """
    if threading.current_thread() is not threading.main_thread():
        return 1
    return max(1, min([n_cpus(), *(info["num_threads"] for info in _controller().info())]))


def in_threads(work, items, n=None):
    """Call ``work(share)`` for n interleaved shares of the items (None: ``n_threads()``), each in a thread of its own.

    BLAS uses one thread within each.
    """
    n = min(len(items), n_threads() if n is None and len(items) > 1 else n or 1)
    with single_threaded_blas():
        if n < 2:
            work(items)
            return
        with ThreadPoolExecutor(n) as pool:
            list(pool.map(work, [items[k::n] for k in range(n)]))
