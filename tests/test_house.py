"""The rules of the house: what may import what, public names documented, files and functions of a readable size."""

from __future__ import annotations

import ast
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

PUBLIC = {"errors", "units", "cost", "record", "saving", "conventions", "formulas", "tracing", "sources", "views"}
MAY_IMPORT = {
    "errors": set(),
    "units": set(),
    "cost": {"errors"},
    "formulas": {"cost", "errors"},
    "record": {"cost", "errors"},
    "schema": set(),
    "saving": {"schema", "record", "cost", "errors"},
    "conventions": {"record", "cost", "errors"},
    "tracing": {"formulas", "record", "cost", "errors"},
    "sources": {"tracing", "errors"},
    "analysis": {"conventions", "record", "cost", "units", "errors"},
    "views": {"analysis", "conventions", "record", "cost", "units", "errors"},
    "compat": PUBLIC | {"analysis"},
    "migrate": {"errors"},
    "cli": PUBLIC | {"analysis", "compat", "migrate"},
    "__main__": {"cli"},
}
"""By room: the rooms it may import. A room is a file or folder of the package."""

LATER = {
    ("record", "saving"),
    ("record", "conventions"),
    ("record", "views"),
    ("record", "analysis"),
    ("analysis", "views"),
    ("tracing", "sources"),
}
"""Methods of a profile, or of what an analysis found, that hand it to a room further on, imported when called; and the
walk over PyTorch's operators, which has torchvision declare its own."""

TORCH = {"tracing", "sources", "compat"}


class Import(NamedTuple):
    """A module that is imported, the line, and whether that happens as the file loads or inside a function."""

    module: str
    line: int
    at_load: bool


def imports(tree: ast.AST, at_load: bool = True) -> Iterator[Import]:
    """All imports of a file, those for type checkers left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from imports(other, at_load)
        elif isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, at_load) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            if node.module == "flopsight":
                yield from (Import(f"flopsight.{alias.name}", node.lineno, at_load) for alias in node.names)
            else:
                yield Import(node.module or "", node.lineno, at_load)
        else:
            yield from imports(node, at_load and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    here = room(path)
    for module, line, at_load in imports(ast.parse(path.read_text())):
        top, _, rest = module.partition(".")
        if top == "torch":
            assert here in TORCH, f"{path}:{line}: torch is imported in {', '.join(sorted(TORCH))} only"
        if top != "flopsight" or here == "__init__":
            continue
        there = rest.partition(".")[0]
        if not at_load and (here, there) in LATER:
            continue
        public = there == "__version__" or (here in {"compat", "cli"} and there in {"", *flopsight.__all__})
        assert there == here or public or there in MAY_IMPORT[here], f"{path}:{line}: {here} may not import {there}"


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
