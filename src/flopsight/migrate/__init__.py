"""Where a code base uses the older tools, and the line to write instead.

    from thop import profile              from flopsight.compat.thop import profile
    import thop                           import flopsight.compat.thop as thop
    from fvcore.nn import FlopCountAnalysis, smooth_l1_loss
                                          from flopsight.compat.fvcore import FlopCountAnalysis
                                          from fvcore.nn import smooth_l1_loss

Only import lines change: the functions take the same arguments and return the same types.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from flopsight.errors import InputError, MissingLibraryError

_SKIPPED = {"__pycache__", "node_modules", "site-packages", "build", "dist"}


@dataclass(frozen=True)
class Finding:
    """An import or a call of one of the tools.

    kind: `import` or `call`. old: the line as it is. new: what to write instead; the same where nothing is to be done.
    note: what has to be done by hand.
    """

    path: Path
    line: int
    kind: str
    old: str
    new: str
    note: str = ""

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}: {self.kind}"
        if self.kind == "call":
            return f"{where}, stays as it is\n    {self.old}"
        lines = [where + (f", by hand: {self.note}" if self.note else "")]
        if self.old != self.new:
            lines += [
                *(f"  - {line}" for line in self.old.splitlines()),
                *(f"  + {line}" for line in self.new.splitlines()),
            ]
        return "\n".join(lines)


@dataclass
class Report:
    """What was found; `changed`: files that were written; `unreadable`: files that are not Python, and why."""

    findings: list[Finding] = field(default_factory=list)
    changed: list[Path] = field(default_factory=list)
    unreadable: dict[Path, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """One paragraph for each finding, and what to do next."""
        imports = [finding for finding in self.findings if finding.old != finding.new]
        by_hand = sum(bool(finding.note) for finding in self.findings)
        files = len({finding.path for finding in imports})
        lines = [*map(str, self.findings), *(f"{path}: not read: {why}" for path, why in self.unreadable.items())]
        done = "changed" if self.changed else "to change"
        lines.append(f"Import lines {done}: {len(imports)}, in {files} of the files; to look at by hand: {by_hand}.")
        if imports and not self.changed:
            lines.append("Nothing was written; run it again with --write to edit the import lines.")
        return "\n".join(lines)


def migrate(path: str | os.PathLike[str], *, write: bool = False) -> Report:
    """Look through a Python file, or all below a folder; with `write`, edit the import lines.

    Raises: InputError where there is no such path; MissingLibraryError without libcst.
    """
    if not importlib.util.find_spec("libcst"):
        raise MissingLibraryError(
            "migrate needs the library libcst, which is not installed. "
            "Install it with: pip install 'flopsight[migrate]'"
        )
    root = Path(path)
    if not root.exists():
        raise InputError(f"There is no file or folder {root}.")
    report = Report()
    for file in _files(root):
        source = file.read_bytes()
        _migrate_file(file, source, report, write=write)
    return report


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        if (Path(folder) / "pyvenv.cfg").exists():
            folders.clear()
            continue
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))


def _migrate_file(file: Path, source: bytes, report: Report, *, write: bool) -> None:
    import libcst as cst

    from flopsight.migrate.rewriter import TOOLS, Rewriter

    if not any(tool.encode() in source for tool in TOOLS):
        return
    try:
        module = cst.parse_module(source)
    except (cst.ParserSyntaxError, UnicodeDecodeError) as error:
        report.unreadable[file] = str(error).partition("\n")[0]
        return
    rewriter = Rewriter(module.code.splitlines())
    new = cst.MetadataWrapper(module).visit(rewriter)
    found = [Finding(file, *each) for each in dict.fromkeys(sorted(rewriter.found))]
    report.findings += found
    if write and any(finding.old != finding.new for finding in found):
        file.write_bytes(new.bytes)
        report.changed.append(file)
