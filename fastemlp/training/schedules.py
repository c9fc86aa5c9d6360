"""Learning-rate factors in [0, 1] as functions of the progress of training in [0, 1].

Each begins with a linear warm-up over the share ``warmup`` of all steps.
"""

import numpy as np

_BASE = 1 / 25  # where the one-cycle policy starts and ends its triangle
_TAIL = 0.2  # the last share of its descent, in which the rate goes from there to zero


def constant(progress, warmup=0.05):
    """1 after the warm-up."""
    return progress / warmup if progress < warmup else 1.0


def cosine(progress, warmup=0.05):
    """Half a cosine down to 0 (Loshchilov & Hutter 2017, without restarts)."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + np.cos(np.pi * (progress - warmup) / (1 - warmup)))


def one_cycle(progress, warmup=0.45):
    """From 1/25 up to 1 and back, both linear, and in the last fifth of the descent to 0 (Smith & Topin 2018)."""
    turn = 1 - _TAIL * (1 - warmup)
    return float(np.interp(progress, (0, warmup, turn, 1), (_BASE, 1, _BASE, 0)))


SCHEDULES = {"cosine": cosine, "one_cycle": one_cycle, "constant": constant}
