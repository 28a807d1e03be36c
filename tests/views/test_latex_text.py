from __future__ import annotations

import pytest

from flopsight.views.latex_text import escaped_latex, latex_table


@pytest.mark.parametrize(("text", "expected"), [
    ("layer_1", r"layer\_1"), ("50%", r"50\%"), ("a & b", r"a \& b"), ("{$x^2$}", r"\{\$x\textasciicircum{}2\$\}"),
    ("\\input{x}", r"\textbackslash{}input\{x\}"), ("a\\\\b", r"a\textbackslash{}\textbackslash{}b"),
    ("<b>#~", r"\textless{}b\textgreater{}\#\textasciitilde{}"), (">= 2 G", r"$\geq$ 2 G"),
    ("3×3 → 1", r"3$\times$3 $\rightarrow$ 1"),
    ("a\nb", r"a\textbackslash{}nb"), ("", ""),
])  # fmt: skip
def test_latex_sets_text_as_it_is(text: str, expected: str) -> None:
    assert escaped_latex(text) == expected


def test_a_table_is_of_booktabs() -> None:
    assert latex_table(["model", "MACs"], {1}, [["a_b", "4.1 G"], ["c", ">= 2"]]) == (
        "\\begin{tabular}{lr}\n\\toprule\nmodel & MACs \\\\\n\\midrule\n"
        "a\\_b & 4.1 G \\\\\nc & $\\geq$ 2 \\\\\n\\bottomrule\n\\end{tabular}\n"
    )


def test_a_table_without_rows_has_its_titles() -> None:
    assert latex_table(["model"], set(), []) == (
        "\\begin{tabular}{l}\n\\toprule\nmodel \\\\\n\\midrule\n\\bottomrule\n\\end{tabular}\n"
    )
