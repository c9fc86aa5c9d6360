"""How a loop is compiled: at its first call, and kept on disk where there is a place for it."""

from numba import njit
from numba.core.caching import FunctionCache

from fastemlp._warnings import warn_user
from fastemlp.exceptions import KernelCacheWarning


def kernel(function=None, **options):
    """Compile a loop at its first call: ``njit(nogil=True)``, cached on disk if that is possible.

    Parameters
    ----------
    function : function
    **options : of ``numba.njit``, such as ``fastmath``

    Returns
    -------
    The dispatcher; the function itself under ``NUMBA_DISABLE_JIT=1``.

    Warns
    -----
    KernelCacheWarning
        Once in a process, where neither the package nor the user's cache directory can be written.
    """
    if function is None:
        return lambda function: kernel(function, **options)
    dispatcher = njit(nogil=True, **options)(function)
    if dispatcher is not function:
        try:
            # what njit(cache=True) does, with a cache that may fail
            dispatcher._cache = _OptionalCache(function)
        except (RuntimeError, OSError) as error:
            _say_once(error)
    return dispatcher


class _OptionalCache(FunctionCache):
    """A cache that stands aside when its files cannot be read or written (a full disk, a lost mount)."""

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except OSError as error:
            return self._stand_aside(error)

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except OSError as error:
            self._stand_aside(error)

    def _stand_aside(self, error):
        self.disable()
        _say_once(error)


_said = []


def _say_once(error):
    if not _said:
        _said.append(error)
        warn_user(
            "fastemlp: compiled loops cannot be kept on disk, so that every process compiles those it needs, a second "
            f"or so each ({error}). Set NUMBA_CACHE_DIR to a directory that can be written.",
            KernelCacheWarning,
        )
