"""Solved bases kept on disk: found by content, written atomically, checked on every read.

>>> import tempfile
>>> import numpy as np
>>> from fastemlp.isometries import DenseIsometry
>>> from fastemlp.store import BasisStore, key
>>> name = key("SO(3)", "V", "auto")
>>> with tempfile.TemporaryDirectory() as directory:
...     store = BasisStore(directory)
...     saved = store.save(name, DenseIsometry(np.eye(3)), {"residual": 0.0}, {"rep": "V"})
...     isometry, certificate = store.load(name)
>>> isometry.shape, certificate
((3, 3), {'residual': 0.0})
"""

from fastemlp.store.entry import key
from fastemlp.store.layers import BasisStore, default_store

__all__ = ["BasisStore", "default_store", "key"]
