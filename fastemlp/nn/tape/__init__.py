"""The tape: a network recorded once as a table of operations; passes over the table; one loop that runs any of them."""

from fastemlp.nn.tape.record import Tape
from fastemlp.nn.tape.rows import Rows

__all__ = ["Rows", "Tape"]
