"""The rules of the house: what may import what, public names documented, files and functions of a readable size."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import flopsight

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "flopsight"
FILES = sorted(PACKAGE.rglob("*.py"))
CODE = [*FILES, *sorted((ROOT / "examples").glob("*.py")), *sorted((ROOT / "benchmarks").glob("*.py"))]
FILE_LINES, FUNCTION_LINES = 300, 60

PUBLIC = {
    "errors", "units", "cost", "calls", "record", "profiles", "conventions", "formulas", "tracing", "sources", "views",
    "generation", "sweeping", "closed_form", "loading", "fitting", "devices", "measuring", "metering", "comparing",
    "baselines",
}  # fmt: skip
MAY_IMPORT = {
    "errors": set(),
    "units": set(),
    "cost": {"errors"},
    "formulas": {"cost", "errors"},
    "calls": {"cost"},
    "conventions": {"calls", "cost", "errors"},
    "record": {"conventions", "calls", "cost", "errors"},
    "sizes": set(),
    "schema": {"calls"},
    "devices": {"errors"},
    "saving": {"schema", "record", "calls", "cost", "errors"},
    "analysis": {"devices", "conventions", "record", "calls", "cost", "units", "errors"},
    "views": {"analysis", "devices", "saving", "conventions", "record", "calls", "cost", "units", "errors"},
    "profiles": {"views", "analysis", "devices", "saving", "conventions", "record", "calls"},
    "closed_form": {
        "sizes",
        "profiles",
        "devices",
        "views",
        "saving",
        "conventions",
        "record",
        "calls",
        "cost",
        "units",
        "errors",
    },
    "loading": {"closed_form", "profiles", "saving"},
    "tracing": {"formulas", "closed_form", "sizes", "profiles", "record", "calls", "cost", "errors"},
    "sources": {"tracing", "errors"},
    "generation": {"tracing", "profiles", "views", "analysis", "record", "errors"},
    "fitting": {"tracing", "sources", "profiles", "views", "analysis", "errors"},
    "measuring": {"tracing", "profiles", "views", "analysis", "devices", "cost", "units", "errors"},
    "metering": {"profiles", "analysis", "conventions", "devices", "record", "errors"},
    "baselines": {"analysis", "saving", "errors"},
    "costing": {
        "tracing",
        "baselines",
        "profiles",
        "views",
        "analysis",
        "conventions",
        "record",
        "units",
        "errors",
    },
    "pytest_plugin": {"costing"},
    "comparing": {
        "tracing",
        "sources",
        "loading",
        "closed_form",
        "profiles",
        "views",
        "analysis",
        "record",
        "units",
        "errors",
    },
    "sweeping": {"sources", "tracing", "views", "record", "units", "errors"},
    "coverage": {"sources", "tracing", "formulas", "errors"},
    "compat": PUBLIC | {"analysis"},
    "migrate": {"errors"},
    "cli": PUBLIC | {"analysis", "compat", "migrate"},
    "__main__": {"cli"},
}
"""By room: the rooms it may import. A room is a file or folder of the package."""

TORCH = {"tracing", "sources", "coverage", "generation", "fitting", "measuring", "compat"}


class Import(NamedTuple):
    """A module that is imported, and the line: as the file loads, when called, or for type checkers only."""

    module: str
    line: int


def imports(path: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            inside = PACKAGE.joinpath(*(node.module or "").split(".")[1:])
            if (node.module or "").startswith("flopsight") and inside.is_dir():
                files = {file.stem for file in inside.iterdir()}
                for alias in node.names:
                    of = f".{alias.name}" if alias.name in files or node.module == "flopsight" else ""
                    yield Import(f"{node.module}{of}", node.lineno)
            else:
                yield Import(node.module or "", node.lineno)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    here = room(path)
    for module, line in imports(path):
        top, _, rest = module.partition(".")
        if top == "torch":
            assert here in TORCH, f"{path}:{line}: torch is imported in {', '.join(sorted(TORCH))} only"
        if top != "flopsight" or here == "__init__":
            continue
        there = rest.partition(".")[0]
        public = there == "__version__" or (here in {"compat", "cli"} and there in {"", *flopsight.__all__})
        assert there == here or public or there in MAY_IMPORT[here], f"{path}:{line}: {here} may not import {there}"


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def test_no_files_import_each_other_in_a_circle() -> None:
    """Late imports, and those for type checkers, too; the package's own file, which hands names out, is left out."""
    names = set(map(dotted, FILES)) - {"flopsight"}
    graph = {dotted(path): {module for module, _ in imports(path)} & names - {dotted(path)} for path in FILES}
    tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, with the circle


def test_every_room_has_its_directions() -> None:
    assert {room(path) for path in FILES} - {"__init__"} <= MAY_IMPORT.keys()


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_of_a_readable_size(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= FILE_LINES, f"{path} has {len(text.splitlines())} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= FUNCTION_LINES, f"{path}:{node.lineno}: {node.name} has {lines} lines"


@pytest.mark.parametrize("name", flopsight.__all__)
def test_public_names_exist_and_are_documented(name: str) -> None:
    value = getattr(flopsight, name)
    assert value.__doc__, f"flopsight.{name} has no docstring"
    pages = "\n".join(path.read_text() for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])
    assert f"flopsight.{name}" in pages, f"flopsight.{name} is in no page of the docs"


def test_public_names_are_sorted_and_all_there_is() -> None:
    assert flopsight.__all__ == sorted(flopsight.__all__)
    assert dir(flopsight) == sorted([*flopsight.__all__, "__version__"])


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'profil'"):
        flopsight.profil  # noqa: B018
