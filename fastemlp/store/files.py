"""Writing a file completely or not at all, and removing our own files."""

import os
import re
import secrets
import time
from contextlib import suppress

KEY = re.compile(r"[0-9a-f]{64}")
ENTRY, TEMPORARY = ".basis", ".tmp"
#: A directory spreads its entries over folders named by the first two digits of their keys.
FOLDERS = "[0-9a-f][0-9a-f]"
#: Seconds without a write after which a temporary file counts as abandoned.
ABANDONED = 3600


def entry_path(directory, key):
    """Where the entry of a key lies; ValueError if it is not a key."""
    if not (isinstance(key, str) and KEY.fullmatch(key)):
        raise ValueError(
            f"basis store: expected a key of 64 hexadecimal digits from store.key(…), got {key!r}."
        )
    return directory / key[:2] / (key + ENTRY)


def write(path, chunks):
    """Make the file appear completely or not at all, whenever this process or the machine stops."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.stem}-{os.getpid()}-{secrets.token_hex(8)}{TEMPORARY}")
    try:
        with open(temporary, "xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            # otherwise the name could reach the disk before the data
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def remove(folder, condition):
    """Remove the files of a folder that satisfy a condition; returns their number and their bytes."""
    n_files = n_bytes = 0
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            with suppress(OSError):  # gone already, or not ours to remove
                size = path.stat().st_size
                if condition(path):
                    path.unlink()
                    n_files, n_bytes = n_files + 1, n_bytes + size
    return n_files, n_bytes


def is_ours(path):
    """Whether the store wrote a file; its directory may hold other files of the user's."""
    return KEY.match(path.name) is not None and path.suffix in (ENTRY, TEMPORARY)


def is_abandoned(path):
    """Whether a file was left behind by a killed writer."""
    is_temporary = is_ours(path) and path.suffix == TEMPORARY
    return is_temporary and time.time() - path.stat().st_mtime > ABANDONED
