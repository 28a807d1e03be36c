"""The table of `docs/migrating.md`: `python -m compat.page`, run in `tests`, writes it anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from compat.differences import FIGURES, Row, rows
from compat.originals import MODELS

from flopsight.sources.torchvision_operators import torchvision_importable

PAGE = Path(__file__).parents[2] / "docs" / "migrating.md"

NAMES = {
    "thop": "thop",
    "ptflops": "ptflops",
    "ptflops_aten": "ptflops, backend aten",
    "flopth": "flopth",
    "torchstat": "torchstat",
}
FIGURE_NAMES = {"macs": "MACs", "flops": "FLOPs", "madd": "MAdd", "read": "MemRead(B)", "written": "MemWrite(B)"}


def title(row: Row) -> str:
    figure = "Flops" if (row.tool, row.figure) == ("torchstat", "flops") else FIGURE_NAMES[row.figure]
    return f"{NAMES[row.tool]}: {figure}"


def lines() -> Iterator[str]:
    every = list(rows())
    yield "| figure | model | the tool | flopsight | why |"
    yield "| --- | --- | --: | --: | --- |"
    for row in every:
        if row.reasons:
            why = "; ".join(f"{reason}: {less:,}" for reason, less in row.reasons.items())
            yield f"| {title(row)} | {row.model} | {row.original:,} | {row.ours:,} | {why} |"
    equal = sum(not row.reasons for row in every)
    yield ""
    yield f"The other {equal} of the {len(every)} figures ({len(FIGURES)} for each of {', '.join(MODELS)}) are equal:"
    yield ""
    yield "| figure | model | both |"
    yield "| --- | --- | --: |"
    for row in every:
        if not row.reasons:
            yield f"| {title(row)} | {row.model} | {row.ours:,} |"


def written(page: str) -> str:
    """The page with its table made anew."""
    table = "\n".join(lines())
    return re.sub(r"(<!-- figures -->\n).*(<!-- end of figures -->)", rf"\1{table}\n\2", page, flags=re.DOTALL)


if __name__ == "__main__":
    with torchvision_importable():
        PAGE.write_text(written(PAGE.read_text()))
