"""The page on versions says what the package asks for, and what CI runs."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROWS = re.findall(r"^\| (\d[\d.]*) \| (\d[\d.]*) \|", (ROOT / "docs" / "versions.md").read_text(), re.MULTILINE)


def parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_the_oldest_versions_are_those_that_the_package_asks_for() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    (torch,) = re.findall(r'"torch>=([\d.]+)"', project)
    (python,) = re.findall(r'requires-python = ">=([\d.]+)"', project)
    assert parts(torch) == min(parts(version) for version, _ in ROWS)[:2]
    assert parts(python) == min(parts(version) for _, version in ROWS)[:2]


def test_what_is_installed_by_default_was_run() -> None:
    (default,) = re.findall(r"^TORCH \?= torch==([\d.]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert default in [version for version, _ in ROWS]
