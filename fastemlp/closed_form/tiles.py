"""How many samples are predicted at a time: so many that what they need stays in the processor's cache."""

from fastemlp._arrays import chunks

#: Numbers that are worked on at a time, and so many at most where samples would be too few for loops to be long.
CACHED, MOST = 2**16, 2**22
FEWEST = 32


def tiles(n, numbers_per_sample):
    """Slices of n samples."""
    width = max(1, numbers_per_sample)
    return chunks(n, max(1, CACHED // width, min(FEWEST, MOST // width)))
