r"""Text and tables for LaTeX, in the style of booktabs: `\usepackage{booktabs}`."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from flopsight import units

_SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "×": r"$\times$", "→": r"$\rightarrow$", "·": r"$\cdot$", "−": r"$-$",
}  # fmt: skip
_BOUND = ">= "
_INDENT = r"\quad "


def escaped_latex(text: str) -> str:
    """Text that LaTeX sets as it is; the `>=` of a lower bound as the sign for it."""
    bound = r"$\geq$ " if text.startswith(_BOUND) else ""
    return bound + re.sub(
        r"\W|_", lambda found: _SPECIAL.get(found[0], found[0]), units.printable(text.removeprefix(_BOUND))
    )


def latex_table(
    titles: Sequence[str], numbers: Collection[int], rows: Sequence[Sequence[str]], depths: Sequence[int] = ()
) -> str:
    """A `tabular` with a line for each row.

    titles: of the columns. numbers: the columns, by index, that stand to the right. depths: how far each row is
    indented, not at all if not given.
    """
    indents = [_INDENT * depth for depth in depths] or [""] * len(rows)
    lines = zip(["", *indents], [titles, *rows], strict=True)
    written = [f"{indent}{' & '.join(map(escaped_latex, row))} \\\\" for indent, row in lines]
    alignment = "".join("r" if index in numbers else "l" for index in range(len(titles)))
    return "\n".join([
        f"\\begin{{tabular}}{{{alignment}}}", r"\toprule", written[0], r"\midrule", *written[1:], r"\bottomrule",
        r"\end{tabular}",
    ]) + "\n"  # fmt: skip
