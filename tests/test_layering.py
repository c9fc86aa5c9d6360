"""Imports point one way: a module sees only what stands to its left.

The order is the architecture (left never imports right)::

    _warnings, exceptions < _kernels, _threads, _progress, _arrays, _budget, _gap, _operator, _svd
             < operators, isometries, groups < orbits < irreducibles < reps, solver < store < bases
             < closed_form, nn < training < estimators < dynamics < testing, datasets
             < fastemlp < plotting, distributed, export < cli < __main__

and inside ``estimators``::

    budget, columns, scaling, training_range < base, diagnosis < regressor, ridge

A new module fails here until it is given its place in ``ORDER``, on purpose.
"""

import ast
import re
from pathlib import Path

import pytest

import fastemlp

PACKAGE = Path(fastemlp.__file__).parent
ROOT = "fastemlp"  # the package's own __init__, which gathers the public names

# Modules of one row never import each other.
ORDER = (
    {"_warnings", "exceptions"},
    {"_kernels", "_threads", "_progress", "_arrays", "_budget", "_gap", "_operator", "_svd"},
    {"operators", "isometries", "groups"},
    {"orbits"},
    {"irreducibles"},
    {"reps", "solver"},
    {"store"},
    {"bases"},
    {"closed_form", "nn"},
    {"training"},
    {"estimators"},
    {"dynamics"},
    {"testing", "datasets"},
    {ROOT},
    {"plotting", "distributed", "export"},
    {"cli"},
    {"__main__"},
)
# Stricter than their row.
SEES_ONLY = {"datasets": {"groups", "reps"}}

ESTIMATORS = f"{ROOT}.estimators"
ORDER_OF_ESTIMATORS = (
    {"budget", "columns", "scaling", "training_range"},
    {"base", "diagnosis"},
    {"regressor", "ridge"},
    {ESTIMATORS},
)

RANK = {name: rank for rank, row in enumerate(ORDER) for name in row}


def imported_names(source, package):
    """Yield the absolute name of everything `source` imports, functions' bodies included.

    `package` is the dotted name that a single leading dot stands for.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*parts, node.module] if node.module else parts)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def cython_imported_names(source):
    """Yield the absolute ``fastemlp`` names on the import lines of a Cython source."""
    for line in re.findall(r"^\s*(?:from|import|cimport)\b.*", source, flags=re.MULTILINE):
        yield from re.findall(r"\bfastemlp(?:\.\w+)*", line)


def top_module(name, known, root):
    """Return which part of the package `root` `name` belongs to, or None if it is not in it."""
    if not f"{name}.".startswith(f"{root}."):
        return None
    module = name[len(root) + 1 :].partition(".")[0]
    return module if module in known else root


def parts_of(package_dir):
    """Return the parts on disk: each module or folder directly below the package."""
    folders = {p.name for p in package_dir.iterdir() if p.is_dir() and any(p.glob("*.py*"))}
    modules = {p.stem for p in package_dir.glob("*.py")} - {"__init__"}
    return (folders | modules) - {"__pycache__"}


def edges(package_dir, root=ROOT):
    """Return every import between two parts of the package `root` as ``(importer, imported, file)``."""
    known = parts_of(package_dir)
    found = set()
    for path in sorted([*package_dir.rglob("*.py"), *package_dir.rglob("*.pyx")]):
        relative = path.relative_to(package_dir)
        importer = relative.with_suffix("").parts[0]
        importer = root if importer == "__init__" else importer
        source = path.read_text(encoding="utf-8")
        if path.suffix == ".pyx":
            names = cython_imported_names(source)
        else:
            names = imported_names(source, ".".join([root, *relative.parent.parts]))
        for name in names:
            imported = top_module(name, known, root)
            if imported is not None and imported != importer:
                found.add((importer, imported, str(relative)))
    return sorted(found)


def complaint(importer, imported):
    """Return why `importer` must not import `imported`, or None if it may."""
    for part in (importer, imported):
        if part not in RANK:
            return f"{part} has no place yet; give it one in ORDER of tests/test_layering.py"
    if importer in SEES_ONLY and imported not in SEES_ONLY[importer]:
        return f"{importer} sees only {', '.join(sorted(SEES_ONLY[importer]))}"
    if RANK[imported] >= RANK[importer]:
        return f"{imported} is not to the left of {importer}"
    return None


def test_every_module_has_a_place():
    unplaced = parts_of(PACKAGE) - set(RANK)
    assert not unplaced, (
        f"no place in ORDER for {sorted(unplaced)}: decide what each may see and add it there"
    )


def test_imports_point_one_way():
    complaints = [
        f"{file}: imports {imported}, but {why}"
        for importer, imported, file in edges(PACKAGE)
        if (why := complaint(importer, imported))
    ]
    assert not complaints, "\n".join(complaints)


def test_imports_inside_the_estimators_point_one_way():
    rank = {name: rank for rank, row in enumerate(ORDER_OF_ESTIMATORS) for name in row}
    folder = PACKAGE / "estimators"
    assert parts_of(folder) | {ESTIMATORS} == set(rank)
    for importer, imported, _ in edges(folder, ESTIMATORS):
        assert rank[imported] < rank[importer], f"{imported} is not to the left of {importer}"


@pytest.mark.parametrize(
    ("source", "package", "expected"),
    [
        ("import fastemlp.reps as r", "fastemlp", ["fastemlp.reps"]),
        ("from fastemlp import reps", "fastemlp", ["fastemlp.reps"]),
        ("from .reps import V", "fastemlp", ["fastemlp.reps.V"]),
        ("from . import krylov", "fastemlp.solver", ["fastemlp.solver.krylov"]),
        ("from ..reps import V", "fastemlp.solver", ["fastemlp.reps.V"]),
        ("from .. import reps", "fastemlp.solver", ["fastemlp.reps"]),
        ("from ...reps import V", "fastemlp.solver.deep", ["fastemlp.reps.V"]),
        ("def f():\n    from ..reps import V", "fastemlp.solver", ["fastemlp.reps.V"]),
    ],
)
def test_every_form_of_import_is_read(source, package, expected):
    assert list(imported_names(source, package)) == expected


def test_cython_imports_are_read():
    source = "cimport numpy as np\nfrom fastemlp.reps cimport x\n    import fastemlp.basis as b"
    assert list(cython_imported_names(source)) == ["fastemlp.reps", "fastemlp.basis"]


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("_kernels", "operators"),
        ("operators", "groups"),
        ("groups", "operators"),
        ("reps", "solver"),
        ("solver", "reps"),
        ("bases", "nn"),
        ("estimators", "dynamics"),
        ("datasets", "operators"),
        ("nn", "datasets"),
        ("estimators", "testing"),
        ("bases", ROOT),
        (ROOT, "plotting"),
        (ROOT, "cli"),
        ("plotting", "export"),
        ("newcomer", "reps"),
        ("reps", "newcomer"),
    ],
)
def test_forbidden_imports_are_refused(importer, imported):
    assert complaint(importer, imported)


def test_a_wrong_import_on_disk_is_found(tmp_path):
    (tmp_path / "solver").mkdir()
    (tmp_path / "solver" / "krylov.py").write_text("def f():\n    from .. import reps\n")
    (tmp_path / "reps.py").write_text("from fastemlp.groups import O\n")
    (tmp_path / "groups.py").write_text("import numpy\n")
    (tmp_path / "__init__.py").write_text("from .reps import V\n")
    file = str(Path("solver") / "krylov.py")
    assert edges(tmp_path) == [
        (ROOT, "reps", "__init__.py"),
        ("reps", "groups", "reps.py"),
        ("solver", "reps", file),
    ]
    assert complaint("solver", "reps") == "reps is not to the left of solver"


def test_contributing_tells_the_order():
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^_kernels  <.*$", text, flags=re.MULTILINE)
    rows = [{RANK[name] for name in row.split(", ")} for row in line.split("  <  ")]
    assert all(len(row) == 1 for row in rows)
    ranks = [min(row) for row in rows]
    assert ranks == sorted(set(ranks))


def module_graph():
    """Every import between two files of the package: dict {module: set of modules}."""
    files = {
        ".".join([ROOT, *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(
            ".__init__"
        ): path
        for path in PACKAGE.rglob("*.py")
    }
    graph = {}
    for module, path in files.items():
        package = module if path.stem == "__init__" else module.rpartition(".")[0]
        names = set(imported_names(path.read_text(encoding="utf-8"), package))
        # a name may be a module, or stand in one
        found = {name if name in files else name.rpartition(".")[0] for name in names}
        graph[module] = (found & set(files)) - {module}
    return graph


def test_files_are_not_tied_in_circles():
    """But for the reps, whose base class makes sums and products of itself."""
    graph = {
        module: {other for other in others if not other.startswith(module)}
        for module, others in module_graph().items()
    }

    def reached(start):
        seen, open_ = set(), [start]
        while open_:
            for other in graph[open_.pop()] - seen:
                seen.add(other)
                open_.append(other)
        return seen

    tied = {module for module in graph if module in reached(module)}
    assert {module.rpartition(".")[0] for module in tied} <= {"fastemlp.reps"}, sorted(tied)
