"""What every test shares: a store of bases and a working directory of its own.

No test sees another session's files, and no Python that a test starts the sources beside the tests.
"""

import os
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # as many processes as processors: more threads would only wait for each other (numpy is not yet loaded)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

#: What takes longer than some seconds each; ``-m "not slow"`` leaves them out.
SLOW = {
    *("closed_form/test_closed_form.py", "closed_form/test_pruning.py"),
    *("groups/test_parsing.py", "nn/test_expressiveness.py", "nn/test_hidden.py"),
    *("nn/test_orbit_maps.py", "nn/test_reach.py", "nn/test_routes.py"),
    *("reps/test_binding.py", "reps/test_given_reps.py", "reps/test_uniform.py"),
    *("solver/test_agreement.py", "solver/test_carried.py", "solver/test_dependent.py"),
    *("solver/test_costs.py", "solver/test_lanczos.py", "solver/test_planted.py"),
    *("solver/test_random_groups.py", "solver/test_schur.py", "solver/test_unipotent.py"),
    *("store/test_writing.py", "test_accuracy.py", "test_certificate.py", "test_cli.py"),
    *("test_constrained_data.py", "test_diagnosis.py"),
    *("test_decomposition_certificates.py", "test_decomposition_families.py"),
    *("test_decomposition_random.py", "test_gradients.py", "test_hard_cases.py"),
    *("test_isotypic.py", "test_merged_irreps.py", "test_threads.py", "test_training_range.py"),
}

#: Of a test with more cases than the first, the quick part takes one in so many.
MANY, ONE_IN = 6, 12


def pytest_report_header():
    return f"fastemlp: {find_spec('fastemlp').origin}"


def pytest_collection_modifyitems(items):
    """Mark the tests of the slow modules, and most cases of quick tests that have many."""
    cases = defaultdict(list)
    for item in items:
        if item.path.relative_to(Path(__file__).parent).as_posix() in SLOW:
            item.add_marker(pytest.mark.slow)
        elif not item.get_closest_marker("slow"):
            cases[item.path, item.cls, getattr(item, "originalname", item.name)].append(item)
    for same in cases.values():
        if len(same) > MANY:
            for k, item in enumerate(same):
                if k % ONE_IN:
                    item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True, scope="session")
def _own_directories(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("started_here"))
        patch.setenv("FASTEMLP_BASIS_DIR", str(tmp_path_factory.mktemp("bases")))
        patch.delenv("FASTEMLP_BASIS_PATH", raising=False)
        patch.delenv("FASTEMLP_BASIS_STORE", raising=False)
        yield
