"""``import fastemlp`` is light: no optional dependency, nothing compiled."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import fastemlp

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


# Everything that keeps files of its own: compiled loops, solved bases, matplotlib's fonts.
USE_ALL_CACHES = """
import sys
from fastemlp import EquivariantRidge, equivariant_basis
from fastemlp.groups import O, S, SO
from fastemlp.reps import V
import numpy as np
print(equivariant_basis((V**3)(S(4))).rank)
print(equivariant_basis((V**3)(SO(3)), store=True, method="lanczos").rank)
x = np.random.default_rng(0).standard_normal((30, 6))
print(EquivariantRidge(group=O(3)).fit(x, (x[:, :3] * x[:, 3:]).sum(1)).n_features_in_)
if sys.argv[1:]:
    from fastemlp.plotting import save_learning_curves
    save_learning_curves(sys.argv[1], {"a": [1, 0.1]}, title="t")
"""


def run_python(code):
    """Run `code` in a fresh interpreter and return what it prints, split on whitespace."""
    return python("-c", code).stdout.split()


def python(*arguments, **options):
    done = subprocess.run(
        [sys.executable, *arguments],
        **{"capture_output": True, "text": True, "timeout": 300, "check": False, **options},
    )
    assert done.returncode == 0, done.stderr
    return done


def test_import_loads_no_optional_dependency_and_no_end_module():
    loaded = set(run_python(LIST_LOADED))
    assert "fastemlp" in loaded
    assert not loaded.intersection(OPTIONAL + RIGHT_END)


def test_import_needs_no_optional_dependency_and_compiles_nothing():
    assert run_python(IMPORT_WITHOUT_OPTIONAL + LIST_COMPILED) == []


@pytest.fixture
def unwritable(tmp_path):
    """A copy of the package whose folders refuse caches, and an environment without a home to write to.

    A file where a directory should be made refuses root too, as permissions would not.
    """
    copy = tmp_path / "site" / "fastemlp"
    ignored = shutil.ignore_patterns("__pycache__", "*.c", "*.pyx")
    shutil.copytree(Path(fastemlp.__file__).parent, copy, ignore=ignored)
    for folder in [copy, *(p for p in copy.rglob("*") if p.is_dir())]:
        (folder / "__pycache__").touch()
    removed = ("NUMBA_CACHE_DIR", "FASTEMLP_BASIS_DIR", "MPLCONFIGDIR")
    env = {name: value for name, value in os.environ.items() if name not in removed}
    return env | {
        "HOME": os.devnull,
        "XDG_CACHE_HOME": os.devnull,
        "XDG_CONFIG_HOME": os.devnull,
        "PYTHONPATH": str(copy.parent),
    }


def test_a_read_only_install_without_a_home_works_and_says_so_once(unwritable, tmp_path):
    figure = [str(tmp_path / "figure.png")] if find_spec("matplotlib") else []
    done = python("-c", USE_ALL_CACHES, *figure, env=unwritable, cwd=tmp_path)
    assert done.stdout.split() == ["5", "1", "6"]
    assert done.stderr.count("KernelCacheWarning: fastemlp: compiled loops cannot be kept") == 1
    assert done.stderr.count("Set NUMBA_CACHE_DIR to a directory that can be written") == 1
    assert done.stderr.count("BasisStoreWarning: basis store: cannot write to /dev/null") == 1
    assert all(Path(path).exists() for path in figure)


def test_a_cache_directory_ends_the_warning(unwritable, tmp_path):
    unwritable["NUMBA_CACHE_DIR"] = str(tmp_path / "numba")
    done = python("-c", "import fastemlp; print(fastemlp.__file__)", env=unwritable, cwd=tmp_path)
    assert done.stdout.startswith(str(tmp_path / "site"))
    assert done.stderr == ""


def test_a_user_without_a_home_gets_no_directory_named_tilde(tmp_path):
    code = (
        "import os; os.path.expanduser = lambda path: path\n"
        "from fastemlp.store import default_store; print(default_store().directory)"
    )
    env = {n: v for n, v in os.environ.items() if n not in ("XDG_CACHE_HOME", "FASTEMLP_BASIS_DIR")}
    done = python("-c", code, env=env, cwd=tmp_path)
    assert done.stdout.strip() == "None"
