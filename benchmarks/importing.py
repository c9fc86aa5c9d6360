"""Time of ``import fastemlp`` in a fresh interpreter."""

import subprocess
import sys

from .common import best_of, ratio


def run_import(module):
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)


class Import:
    timeout = 120

    def timeraw_import(self):
        return "import fastemlp"

    def track_ratio_to_sklearn(self):
        ours = best_of(lambda: run_import("fastemlp"))
        return ratio(ours, best_of(lambda: run_import("sklearn.neural_network")))

    track_ratio_to_sklearn.unit = "ratio"
