"""``python -m fastemlp``: the command line where the ``fastemlp`` script is not on the path."""

import sys

from fastemlp.cli import main

if __name__ == "__main__":
    sys.exit(main())
