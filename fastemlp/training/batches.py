"""Mini-batches in preallocated buffers."""

import numpy as np


class Batches:
    """Data in random order, in batches of nearly equal size: of at most ``batch_size`` rows, the largest of ``size``.

    ``data`` is (X, y, weight, …), of which any but X may be None. A batch is overwritten by the next one. A single
    batch of everything is the data itself, in its own order.
    """

    def __init__(self, data, batch_size):
        self.data = data
        n = len(data[0])
        n_batches = -(-n // batch_size)
        self._bounds = [n * k // n_batches for k in range(n_batches + 1)]
        self.size = -(-n // n_batches)
        self._order = np.arange(n)
        self._buffers = [
            None if a is None else np.empty((self.size, *a.shape[1:]), a.dtype) for a in self.data
        ]

    def __len__(self):
        return len(self._bounds) - 1

    def epoch(self, rng):
        """Yield (X, y, weight, …) batch by batch, every sample once."""
        if len(self) == 1:
            yield self.data
            return
        rng.shuffle(self._order)
        for start, stop in zip(self._bounds[:-1], self._bounds[1:], strict=True):
            yield tuple(self._take(k, self._order[start:stop]) for k in range(len(self.data)))

    def _take(self, k, rows):
        if self.data[k] is None:
            return None
        # "clip" writes directly to out, the default through a copy; all rows are in range
        return np.take(self.data[k], rows, axis=0, out=self._buffers[k][: len(rows)], mode="clip")
