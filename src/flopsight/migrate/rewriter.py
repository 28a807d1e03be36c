"""The edit of one file: imports of the tools become imports of `flopsight.compat`."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import libcst as cst
from libcst.helpers import get_full_name_for_node
from libcst.metadata import PositionProvider

TOOLS = ("flopth", "fvcore", "ptflops", "thop", "torchinfo", "torchstat")

_COMPAT = "flopsight.compat"
_NOT_OURS = {"fvcore"}
"""Libraries of which the cost counters are a part: what else is imported from them stays."""
_COUNTERS = {"fvcore": "fvcore.nn"}
"""Where a library's counters are, if that is not its top."""

SmallStatement = cst.BaseSmallStatement


class Found(NamedTuple):
    """Line, kind (`import` or `call`), the line as it is, what to write instead, and what is to be done by hand."""

    line: int
    kind: str
    old: str
    new: str
    note: str = ""


@cache
def offered(tool: str) -> frozenset[str]:
    """The names that `flopsight.compat` has of a tool, read without importing it."""
    there = Path(__file__).parents[1] / "compat" / tool
    file = there / "__init__.py" if there.is_dir() else there.with_suffix(".py")
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


def _tool(module: str) -> str | None:
    top = module.partition(".")[0]
    return top if top in TOOLS else None


def _dotted(name: str) -> cst.Name | cst.Attribute:
    parsed = cst.parse_expression(name)
    assert isinstance(parsed, (cst.Name, cst.Attribute))
    return parsed


class Rewriter(cst.CSTTransformer):
    """Notes imports and calls of the tools in `found`, and rewrites the imports."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__()
        self.found: list[Found] = []
        self._lines = lines
        self._functions: set[str] = set()
        self._modules: dict[str, str] = {}

    def _line(self, node: cst.CSTNode) -> int:
        line: int = self.get_metadata(PositionProvider, node).start.line
        return line

    def _note(self, original: cst.CSTNode, new: Sequence[cst.CSTNode], note: str = "") -> None:
        code = cst.Module([]).code_for_node
        texts = [code(node).strip().rstrip(";") for node in new]
        self.found.append(
            Found(self._line(original), "import", code(original).strip().rstrip(";"), "\n".join(texts), note)
        )

    def leave_Import(self, original_node: cst.Import, updated_node: cst.Import) -> cst.Import:
        """`import thop` becomes `import flopsight.compat.thop as thop`."""
        names, notes = [], []
        for alias in updated_node.names:
            name, note = self._renamed(alias)
            names.append(name)
            notes += [note] if note else []
        if not notes and names == list(updated_node.names):
            return updated_node
        new = updated_node.with_changes(names=names)
        self._note(original_node, [new], " ".join(notes))
        return new

    def _renamed(self, alias: cst.ImportAlias) -> tuple[cst.ImportAlias, str]:
        name = get_full_name_for_node(alias.name) or ""
        tool = _tool(name)
        home = _COUNTERS.get(tool or "", tool)
        if tool is None or (tool in _NOT_OURS and not name.startswith(str(home))):
            return alias, ""
        bound = alias.evaluated_alias
        if bound is None and name != tool:
            return alias, f"Write 'import {_COMPAT}.{tool} as {tool}', and {tool}.NAME for {name}.NAME."
        self._modules[bound or tool] = tool
        asname = alias.asname or cst.AsName(cst.Name(tool))
        return alias.with_changes(name=_dotted(f"{_COMPAT}.{tool}"), asname=asname), ""

    def leave_ImportFrom(
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> SmallStatement | cst.FlattenSentinel[SmallStatement]:
        """`from thop import profile` becomes `from flopsight.compat.thop import profile`; other names stay."""
        module = (
            get_full_name_for_node(updated_node.module) if updated_node.module and not updated_node.relative else ""
        )
        tool = _tool(module or "")
        if tool is None:
            return updated_node
        ours = _dotted(f"{_COMPAT}.{tool}")
        if isinstance(updated_node.names, cst.ImportStar):
            if tool in _NOT_OURS:
                return updated_node
            self._functions |= offered(tool)
            new = updated_node.with_changes(module=ours)
            self._note(original_node, [new])
            return new
        taken = [alias for alias in updated_node.names if alias.evaluated_name in offered(tool)]
        left = [alias for alias in updated_node.names if alias.evaluated_name not in offered(tool)]
        self._functions |= {alias.evaluated_alias or alias.evaluated_name for alias in taken}
        if not taken and tool in _NOT_OURS:
            return updated_node
        missing = "" if tool in _NOT_OURS else ", ".join(alias.evaluated_name for alias in left)
        note = f"{_COMPAT}.{tool} has no {missing}." if missing else ""
        if not left:
            news = [updated_node.with_changes(module=ours)]
        else:
            parts = [(ours, taken), (updated_node.module, left)] if taken else []
            news = [self._part(updated_node, module, names) for module, names in parts] or [updated_node]
        self._note(original_node, news, note)
        return news[0] if len(news) == 1 else cst.FlattenSentinel(news)

    @staticmethod
    def _part(
        node: cst.ImportFrom, module: cst.Attribute | cst.Name | None, names: list[cst.ImportAlias]
    ) -> cst.ImportFrom:
        plain = [alias.with_changes(comma=cst.MaybeSentinel.DEFAULT) for alias in names]
        return node.with_changes(module=module, names=plain, lpar=None, rpar=None)

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        """An import that became two gets two lines."""
        if len(original_node.body) > 1 or len(updated_node.body) < 2:
            return updated_node
        first, *rest = updated_node.body
        lines = [updated_node.with_changes(body=[first]), *(cst.SimpleStatementLine([statement]) for statement in rest)]
        return cst.FlattenSentinel(lines)

    def visit_Call(self, node: cst.Call) -> None:
        """Note a call of a function that was imported from a tool."""
        name = get_full_name_for_node(node.func) or ""
        module, _, attribute = name.rpartition(".")
        tool = self._modules.get(module)
        if name in self._functions or (tool is not None and attribute in offered(tool)):
            line = self._line(node)
            text = self._lines[line - 1].strip()
            self.found.append(Found(line, "call", text, text))
