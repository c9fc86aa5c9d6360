"""The directories of entries: shared ones to read, and the user's own to read and write."""

import os
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import platformdirs

from fastemlp._warnings import warn_user
from fastemlp.exceptions import BasisStoreWarning
from fastemlp.store import entry, files

#: ``verify`` applies a basis to a vector up to this many rows.
PROBE_ROWS = 2**26
_OFF = {"0", "off", "no", "false"}


@dataclass(frozen=True)
class StoredFile:
    """An entry as it lies on disk."""

    path: Path
    directory: Path  # the layer it was found in
    n_bytes: int
    header: entry.Header | None  # None if it is damaged
    problem: str  # what is wrong with it, or ""


class BasisStore:
    """Solved bases in files named by their key.

    Parameters
    ----------
    directory : path-like or None; read and written. With None nothing is written.
    shared : sequence of path-like; searched first, in this order, and never written

    Notes
    -----
    Safe for any number of processes at once: a file appears completely or not at all. What is read is verified against
    its checksum, which detects accidents but not forgery, so share only directories whose writers you trust. Nothing
    that is read is ever executed.
    """

    def __init__(self, directory, shared=()):
        self.directory = None if directory is None else Path(directory)
        self.shared = tuple(Path(each) for each in shared)
        self._has_warned = False

    @property
    def directories(self):
        """Every directory once, in the order of search."""
        own = () if self.directory is None else (self.directory,)
        return tuple(dict.fromkeys((*self.shared, *own)))

    def load(self, key):
        """What was saved under a key.

        Returns
        -------
        (isometry, certificate), or None
            None if there is no such entry, or none that is intact; then a ``BasisStoreWarning`` says which file is
            damaged and how.
        """
        for directory in self.directories:
            path = files.entry_path(directory, key)
            try:
                return entry.read(path, key)
            except FileNotFoundError:
                continue
            except (entry.DamagedEntry, OSError, MemoryError) as error:
                warn_user(
                    f"basis store: {path} is not used: {_reason(error)}. The basis is "
                    "solved anew. `fastemlp basis verify` looks through every entry.",
                    BasisStoreWarning,
                )
        return None

    def save(self, key, isometry, certificate, description):
        """Keep a solved type under its key, replacing any earlier entry.

        Parameters
        ----------
        key : str, from ``store.key``
        isometry : Isometry
        certificate : dict of str to number or str; inf is allowed
        description : dict of str to number or str, for people: ``rep``, ``strategy``, …; ``size``, ``rank``,
            ``created`` and ``version`` are added

        Returns
        -------
        bool
            False if it could not be written (no space, no permission, …); the first time, a ``BasisStoreWarning`` says
            why.

        Raises
        ------
        TypeError
            If a class or a value cannot be stored.
        """
        if self.directory is None:
            return False
        path = files.entry_path(self.directory, key)
        size, rank = isometry.shape
        created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        about = {"size": size, "rank": rank, "created": created, "version": _package_version()}
        try:
            files.write(path, entry.encode(key, isometry, certificate, {**about, **description}))
        except OSError as error:
            if not self._has_warned:
                self._has_warned = True
                warn_user(
                    f"basis store: cannot write to {self.directory} ({error.strerror or error}); solved "
                    "bases are not kept for later. Set FASTEMLP_BASIS_DIR to a directory with room, or "
                    "FASTEMLP_BASIS_STORE=0 to keep none.",
                    BasisStoreWarning,
                )
            return False
        files.remove(path.parent, files.is_abandoned)
        return True

    def entries(self):
        """Yield a StoredFile for every entry of every directory, from its header alone."""
        for directory in self.directories:
            for path in sorted(directory.glob(f"{files.FOLDERS}/*{files.ENTRY}")):
                try:
                    n_bytes = path.stat().st_size
                    header, problem = entry.read_header(path), ""
                except FileNotFoundError:  # removed since it was listed
                    continue
                except (entry.DamagedEntry, OSError) as error:
                    header, problem = None, _reason(error)
                yield StoredFile(path, directory, n_bytes, header, problem)

    def verify(self):
        """Read every entry whole and check it; yield ``(StoredFile, what is wrong or "")``.

        Checked are checksum and key, then the isometry itself: ``orthogonality()``, up to 2²⁶ rows ``QᴴQ x = x`` for a
        random x, and its rank against the certificate. That it solves its constraint is checked when it is next loaded,
        where the constraint is known.
        """
        for stored in self.entries():
            problem = stored.problem
            if not problem:
                try:
                    isometry, certificate = entry.read(stored.path, stored.path.stem)
                    problem = _defect(isometry)
                    rank = certificate.get("rank", isometry.rank)
                    if not problem and rank != isometry.rank:
                        problem = f"its certificate is of rank {rank}, its basis of {isometry.rank}"
                except FileNotFoundError:
                    continue
                except (entry.DamagedEntry, OSError, MemoryError) as error:
                    problem = _reason(error)
            yield stored, problem

    def clear(self):
        """Remove the user's own entries and temporary files, damaged ones too; never shared ones.

        Returns
        -------
        n_files, n_bytes : int; removed
        """
        if self.directory is None:
            return 0, 0
        folders = self.directory.glob(files.FOLDERS)
        removed = [files.remove(folder, files.is_ours) for folder in folders]
        return sum(n for n, _ in removed), sum(n_bytes for _, n_bytes in removed)

    def __repr__(self):
        return f"BasisStore({self.directory}, shared={list(map(str, self.shared))})"


def default_store(directory=None):
    """The store that the environment variables describe, read anew at each call.

    Parameters
    ----------
    directory : path-like, optional; in place of the user's own

    Notes
    -----
    ``FASTEMLP_BASIS_STORE=0`` turns it off: nothing is found and nothing is kept. ``FASTEMLP_BASIS_PATH`` lists shared
    directories, separated as in PATH, which are searched first and never written. ``FASTEMLP_BASIS_DIR`` is the user's
    own directory, by default ``bases`` in the platform's cache directory; a user without a home directory has none, and
    nothing is kept.
    """
    if os.environ.get("FASTEMLP_BASIS_STORE", "").strip().lower() in _OFF:
        return _store(None, ())
    shared = os.environ.get("FASTEMLP_BASIS_PATH", "").split(os.pathsep)
    own = directory or os.environ.get("FASTEMLP_BASIS_DIR")
    own = os.path.expanduser(own) if own else _cache_directory()
    return _store(own, tuple(os.path.expanduser(each) for each in shared if each))


def _cache_directory():
    """The user's own directory by default, or None without a home directory."""
    try:
        directory = platformdirs.user_cache_dir("fastemlp")
    except RuntimeError:
        return None
    # older versions return what they could not expand
    return None if directory.startswith("~") else os.path.join(directory, "bases")


@lru_cache(maxsize=16)
def _store(directory, shared):
    # one object per setting, so that it remembers that it has warned
    return BasisStore(directory, shared)


@lru_cache(maxsize=1)
def _package_version():
    try:
        return version("fastemlp")
    except PackageNotFoundError:
        return "unknown"


def _reason(error):
    return str(error) or type(error).__name__  # a MemoryError may have no message


def _defect(isometry):
    """What is wrong with a basis, or ""."""
    size, rank = isometry.shape
    try:
        # the solvers' own limit, plus the rounding of sums over all rows
        limit = 1e4 * np.finfo(isometry.dtype).eps + size * np.finfo(np.float64).eps
        worst = isometry.orthogonality()
        # orthogonality() looks at the factors alone, so check a product too
        if worst <= limit and rank and size <= PROBE_ROWS:
            Q = isometry.astype(np.result_type(isometry.dtype, np.float64))
            x = np.random.default_rng(0).standard_normal(rank)
            worst = np.linalg.norm(Q.H @ (Q @ x) - x) / np.linalg.norm(x)
    except Exception as error:  # with damaged factors any class may raise anything
        return f"its isometry cannot be applied ({type(error).__name__}: {error})"
    # written so that a NaN fails
    return "" if worst <= limit else f"|QᴴQ − I| reaches {worst:.1e}, expected at most {limit:.1e}"
