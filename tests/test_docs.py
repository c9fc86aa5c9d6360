"""Every example that a reader meets is run: the README's code and the docstrings'."""

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
from pathlib import Path

import pytest

import fastemlp

README = Path(__file__).parents[1] / "README.md"
DOCS = sorted((README.parent / "docs").glob("*.md"))
OPTIONAL = {"fastemlp.plotting"}  # needs the plot extra
MODULES = [
    module.name
    for module in pkgutil.walk_packages(fastemlp.__path__, "fastemlp.")
    if module.name not in OPTIONAL
]


def test_readme_examples_print_what_they_say():
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) >= 3
    namespace = {}
    for block in blocks:
        promised = re.findall(r"^print\(.*\)  # (.*)$", block, flags=re.MULTILINE)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(block, namespace)
        assert printed.getvalue().splitlines() == promised


def test_readme_has_two_commands_of_one_line():
    blocks = re.findall(r"```bash\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert [len(block.splitlines()) for block in blocks] == [1, 1]
    assert "fastemlp demo" in blocks[0]
    assert "pytest" in blocks[1]


@pytest.mark.parametrize(
    "page", [*DOCS, README.parent / "CONTRIBUTING.md"], ids=lambda page: page.name
)
def test_pages_name_files_that_are_there(page):
    text = page.read_text(encoding="utf-8")
    package = Path(fastemlp.__file__).parent
    rooms = {path.name for path in package.iterdir() if path.is_dir()}
    named = re.findall(r"(?<![\w/])((?:fastemlp/)?(\w+)/[\w/]*\w)", text)
    found = {name.removeprefix("fastemlp/") for name, room in named if room in {*rooms, "fastemlp"}}
    assert found
    # an installed kernel is a compiled file
    missing = [name for name in sorted(found) if not any(package.glob(f"{name}*"))]
    assert not missing


@pytest.mark.parametrize("name", ["fastemlp", *MODULES])
def test_docstring_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
