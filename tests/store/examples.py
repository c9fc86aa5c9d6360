"""Small isometries of every class the store knows, and a writer of entries that are wrong on purpose."""

import hashlib
import json
import struct

import numpy as np

from fastemlp.irreducibles.chain import Chain, Fusion
from fastemlp.irreducibles.intertwiners import SchurIsometry
from fastemlp.isometries import Composition, DenseIsometry, DirectSumIsometry, OrbitIsometry
from fastemlp.store import key

KEY = key("an entry")


def orthonormal(m, r, dtype):
    rng = np.random.default_rng(0)
    Q = rng.standard_normal((m, r)) + 1j * rng.standard_normal((m, r))
    Q = Q if np.dtype(dtype).kind == "c" else Q.real
    return np.linalg.qr(Q)[0].astype(dtype)


def dense(m=6, r=2, dtype=np.float64):
    return DenseIsometry(orthonormal(m, r, dtype))


def orbits(n_phases=1, dtype=None):
    labels = np.array([0, 1, -1, 0, 1, 1], np.int32)
    phases = np.arange(6, dtype=np.int8) % n_phases if n_phases > 1 else None
    return OrbitIsometry(labels, np.array([2, 3]), phases, n_phases, dtype)


def intertwiners(dtype=np.float64):
    """Maps between two words of one factor each: irreducible 1, of dimension 3, and a trivial one."""
    fusion = Fusion(orthonormal(4, 4, dtype)[None], ((1, 3), (2, 1)))
    chain = Chain((4,), (((0, 0),),), (fusion,))
    return SchurIsometry(
        chain, chain, {1: np.eye(3, dtype=dtype)[None], 2: np.ones((1, 1, 1), dtype)}
    )


ISOMETRIES = {
    "dense": dense(),
    "dense complex": dense(dtype=np.complex128),
    "dense float32": dense(dtype=np.float32),
    "dense complex64": dense(dtype=np.complex64),
    "rank 0": dense(r=0),
    "nothing at all": DenseIsometry(np.zeros((0, 0))),
    "orbits": orbits(),
    "orbits float32": orbits(dtype=np.float32),
    "signed orbits": orbits(2),
    "phased orbits": orbits(3),
    "intertwiners": intertwiners(),
    "complex intertwiners": intertwiners(np.complex64),
    "composition": Composition(dense(9, 6), orbits(2)),
    "direct sum": DirectSumIsometry([(dense(), 2), (orbits(), 3)]),
    "permuted sum": DirectSumIsometry([(dense(), 2), (dense(r=0), 1)], np.arange(18)[::-1]),
    "nested": Composition(DirectSumIsometry([(Composition(dense(9, 6), dense()), 1)]), dense(2, 1)),
}


def forge(fields, body=b"", *, version=1, header_bytes=None, file_bytes=None):
    """An entry with a good checksum whose contents are whatever is asked for."""
    raw = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    n_bytes = 24 + len(raw) + len(body) + 32 if file_bytes is None else file_bytes
    n_header = len(raw) if header_bytes is None else header_bytes
    start = struct.pack("<8sIIQ", b"\x93FEMLPB\n", version, n_header, n_bytes)
    content = start + raw + body
    return content + hashlib.blake2b(content, digest_size=32).digest()


def honest_fields():
    """The header of a 2×1 DenseIsometry, whose body is ``HONEST_BODY``."""
    return {
        "key": KEY,
        "tree": {"class": "DenseIsometry", "meta": {}, "arrays": {"Q": 0}, "children": []},
        "arrays": [["<f8", [2, 1]]],
        "shape": [2, 1],
        "dtype": "float64",
        "certificate": {},
        "description": {},
    }


HONEST_BODY = np.array([0.6, 0.8]).tobytes()
