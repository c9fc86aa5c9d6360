"""``import fastemlp`` is light: no optional dependency, nothing compiled."""

import subprocess
import sys

OPTIONAL = ["matplotlib", "dask", "distributed", "onnx", "pandas", "sympy"]
RIGHT_END = ["fastemlp.plotting", "fastemlp.distributed", "fastemlp.export", "fastemlp.cli"]

# scikit-learn loads pandas by itself where there is one, which is not ours to prevent.
LIST_LOADED = """
import sys
import sklearn.utils.validation
before = set(sys.modules)
import fastemlp
print(*set(sys.modules) - before)
"""

# None in sys.modules makes an import fail as if the package were not installed.
IMPORT_WITHOUT_OPTIONAL = f"""
import sys
sys.modules.update(dict.fromkeys({OPTIONAL}))
import fastemlp
"""

# A lazily compiled numba dispatcher has no signature before its first call.
LIST_COMPILED = """
import importlib, pkgutil, sys
import fastemlp, fastemlp._kernels
for found in pkgutil.iter_modules(fastemlp._kernels.__path__, "fastemlp._kernels."):
    importlib.import_module(found.name)
for name, module in list(sys.modules.items()):
    if name.startswith("fastemlp"):
        for attribute, value in vars(module).items():
            if getattr(value, "signatures", None):
                print(f"{name}.{attribute}")
"""


def run_python(code):
    """Run `code` in a fresh interpreter and return what it prints, split on whitespace."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_import_loads_no_optional_dependency_and_no_end_module():
    loaded = set(run_python(LIST_LOADED))
    assert "fastemlp" in loaded
    assert not loaded.intersection(OPTIONAL + RIGHT_END)


def test_import_needs_no_optional_dependency():
    run_python(IMPORT_WITHOUT_OPTIONAL)


def test_import_compiles_nothing():
    assert run_python(LIST_COMPILED) == []
