"""One solved tensor type as one file, which is used only if every byte is as it was written.

Layout, all numbers little-endian::

    magic, 8 bytes | format version, u32 | bytes of the header, u32 | bytes of the file, u64
    header: JSON with key, tree, arrays [[dtype, shape], …], shape, dtype, certificate, description
    body: the arrays in order, C-contiguous, each starting at a multiple of 16
    blake2b of everything before, 32 bytes

Positions follow from dtypes and shapes, so a header holds no offsets that could be wrong.
"""

import errno
import hashlib
import json
import math
import os
import struct
from dataclasses import dataclass

import numpy as np

from fastemlp.store.tree import DTYPES, flatten, rebuild

FORMAT = 1
MAGIC = b"\x93FEMLPB\n"
PREFIX = struct.Struct("<8sIIQ")
DIGEST_BYTES = 32
ALIGN = 16
#: Larger headers and files are neither written nor read.
HEADER_BYTES = 2**24
FILE_BYTES = 2**33


class DamagedEntry(ValueError):
    """A file is not an intact entry; the message says what is wrong."""


@dataclass(frozen=True)
class Header:
    """What an entry says about itself."""

    key: str
    tree: dict  # see ``store.tree``
    arrays: tuple  # of (dtype, shape, position in the body)
    body_bytes: int
    shape: tuple  # of the isometry, as is the dtype
    dtype: str
    certificate: dict
    description: dict


def key(*parts):
    """The name of an entry: a digest of everything that determines the basis, the same in every process.

    Parameters
    ----------
    *parts : str or bytes; ``key("ab", "c")`` and ``key("a", "bc")`` differ

    Returns
    -------
    str of 64 hexadecimal digits
    """
    digest = hashlib.blake2b(f"fastemlp basis {FORMAT}".encode(), digest_size=32)
    for part in parts:
        if not isinstance(part, str | bytes):
            raise TypeError(f"store.key: expected parts of str or bytes, got {part!r}.")
        kind, raw = (b"s", part.encode()) if isinstance(part, str) else (b"b", part)
        digest.update(kind + struct.pack("<Q", len(raw)))
        digest.update(raw)
    return digest.hexdigest()


def encode(name, isometry, certificate, description):
    """The bytes of an entry, as a list of buffers to be written in order.

    Raises
    ------
    TypeError
        If the isometry cannot be stored, or a value in the dicts is not JSON.
    OSError
        EFBIG if the entry is larger than 8 GiB, or its header than 16 MiB.
    """
    tree, arrays = flatten(isometry)
    fields = {
        "key": name,
        "tree": tree,
        "arrays": [[array.dtype.str, array.shape] for array in arrays],
        "shape": isometry.shape,
        "dtype": isometry.dtype.name,
        "certificate": certificate,
        "description": description,
    }
    header = json.dumps(fields, default=_plain, separators=(",", ":")).encode()
    body = []
    for array in arrays:
        body += [array.reshape(-1).view(np.uint8), bytes(-array.nbytes % ALIGN)]
    n_bytes = PREFIX.size + len(header) + sum(len(piece) for piece in body) + DIGEST_BYTES
    if len(header) > HEADER_BYTES or n_bytes > FILE_BYTES:
        raise OSError(errno.EFBIG, f"an entry of {n_bytes:,} bytes is larger than entries may be")
    chunks = [PREFIX.pack(MAGIC, FORMAT, len(header), n_bytes), header, *body]
    return [*chunks, _checksum(chunks)]


def read_header(path):
    """The header of an entry, checked by itself and against the size of the file; no array is read."""
    with open(path, "rb") as file:
        return _read_header(file)[0]


def read(path, name):
    """The isometry, with read-only arrays, and the certificate that a file keeps under the key ``name``.

    Raises
    ------
    DamagedEntry
        If anything in the file is not as it was written; the message says what.
    OSError
    """
    with open(path, "rb") as file:
        header, raw = _read_header(file)
        body = file.read(header.body_bytes)
        digest = file.read(DIGEST_BYTES)
    if digest != _checksum([*raw, body]):
        raise DamagedEntry("its checksum does not match: some bytes have changed")
    if header.key != name:
        raise DamagedEntry(f"it holds the key {header.key!r} and not {name!r}")
    try:
        arrays = [
            np.ndarray(shape, dtype, body, start).astype(dtype.newbyteorder("="), copy=False)
            for dtype, shape, start in header.arrays
        ]
        isometry = rebuild(header.tree, arrays)
    except Exception as error:  # with a forged tree any class may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise DamagedEntry(f"its isometry cannot be rebuilt ({reason})") from error
    got = isometry.shape, isometry.dtype.name
    if got != (header.shape, header.dtype):
        raise DamagedEntry(f"its isometry is {got}, expected {(header.shape, header.dtype)}")
    return isometry, header.certificate


def _read_header(file):
    """The Header, and the bytes of prefix and header as they were read."""
    n_file = os.fstat(file.fileno()).st_size
    prefix = file.read(PREFIX.size)
    if len(prefix) < PREFIX.size or not prefix.startswith(MAGIC):
        raise DamagedEntry("it does not begin as an entry does")
    _, version, n_header, n_bytes = PREFIX.unpack(prefix)
    if version != FORMAT:
        raise DamagedEntry(f"its format version is {version}, expected {FORMAT}")
    if n_bytes != n_file:
        raise DamagedEntry(f"it should be {n_bytes:,} bytes long and is {n_file:,}")
    if n_bytes > FILE_BYTES or n_header > min(HEADER_BYTES, n_file):
        raise DamagedEntry(f"its sizes are not believable: header {n_header:,}, file {n_bytes:,}")
    raw = file.read(n_header)
    try:
        header = _parse(raw)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DamagedEntry(f"its header is not understood ({error})") from error
    expected = PREFIX.size + n_header + header.body_bytes + DIGEST_BYTES
    if expected != n_file:
        raise DamagedEntry(f"its header describes a file of {expected:,} bytes, it has {n_file:,}")
    return header, (prefix, raw)


def _parse(raw):
    fields = json.loads(raw.decode("ascii"))
    arrays, position = [], 0
    for code, lengths in fields["arrays"]:
        if code not in DTYPES:
            raise ValueError(f"dtype {code!r} is not allowed")
        shape = _shape(lengths)
        arrays.append((DTYPES[code], shape, position))
        n_bytes = math.prod(shape) * DTYPES[code].itemsize
        position += n_bytes + -n_bytes % ALIGN
    for name, kind in (("key", str), ("tree", dict), ("certificate", dict), ("description", dict)):
        if type(fields[name]) is not kind:
            raise TypeError(f"{name} is not a {kind.__name__}")
    size, rank = _shape(fields["shape"])
    as_given = {
        name: fields[name] for name in ("key", "tree", "dtype", "certificate", "description")
    }
    return Header(arrays=tuple(arrays), body_bytes=position, shape=(size, rank), **as_given)


def _shape(lengths):
    if type(lengths) is not list or not all(type(n) is int and n >= 0 for n in lengths):
        raise TypeError(f"{lengths!r} is not a shape")
    return tuple(lengths)


def _plain(value):
    """Python's own number for one of numpy's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(
        f"basis store: expected numbers, strings and lists in an entry, got {value!r} of type "
        f"{type(value).__name__}."
    )


def _checksum(chunks):
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()
