"""What is declared is what is tested and shipped."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
tomllib = pytest.importorskip("tomllib", reason="new in Python 3.11")


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def declared(requirements):
    """The oldest version of each requirement, as numbers."""
    found = (re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)$", text) for text in requirements)
    return {match[1]: numbers(match[2]) for match in found if match}


def numbers(version):
    parts = [int(part) for part in version.split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def test_the_oldest_versions_that_are_tested_are_those_declared(project):
    if not (ROOT / ".ci" / "oldest.txt").exists():
        pytest.skip("a copy of the tests without .ci")
    extras = project["optional-dependencies"]
    promised = declared([*project["dependencies"], *extras["test"], *extras["plot"]])
    lines = (ROOT / ".ci" / "oldest.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    assert promised == {name: numbers(version) for name, version in pins}


def test_every_requirement_names_its_oldest_version(project):
    extras = project["optional-dependencies"]
    for requirements in (project["dependencies"], *extras.values()):
        ours = [text for text in requirements if not text.startswith("fastemlp[")]
        assert len(declared(ours)) == len(ours)


def test_every_extra_has_code_that_uses_it(project):
    assert set(project["optional-dependencies"]) == {"plot", "bench", "test", "lint", "dev"}


def test_the_sdist_takes_the_kernels_sources_and_nothing_generated():
    manifest = (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines()
    assert "include fastemlp/_kernels/*.pyx fastemlp/_kernels/*.h" in manifest
    assert any(line.startswith("global-exclude *.c ") for line in manifest)


def test_the_quick_part_leaves_out_modules_that_exist(pytestconfig):
    conftest = next(p for p in pytestconfig.pluginmanager.get_plugins() if hasattr(p, "SLOW"))
    assert all((ROOT / "tests" / module).is_file() for module in conftest.SLOW)


def test_the_quick_part_is_documented():
    for name in ("README.md", "CONTRIBUTING.md"):
        assert '-m "not slow"' in (ROOT / name).read_text(encoding="utf-8")
