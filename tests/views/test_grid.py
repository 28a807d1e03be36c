from __future__ import annotations

import csv
import io
from html.parser import HTMLParser

import pytest

from flopsight.errors import InputError
from flopsight.views import grid
from flopsight.views.grid import Grid

HOSTILE = "<script>alert(1)</script>"
GRID = Grid(
    title="Models",
    titles=("model", "MACs"),
    numbers=frozenset({1}),
    rows=[["a", "4.1 k"], [f"{HOSTILE}|\x1b[31m", ">= 2"]],
    names=("name", "macs"),
    values=[["a", 4100], ["=HYPERLINK()", None]],
    sentences=[f"b: {HOSTILE}"],
)
EMPTY = Grid("", ("model", "MACs"), frozenset({1}), [])


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.add(tag)

    def handle_data(self, data) -> None:
        self.cells.append(data)


def test_text_has_numbers_to_the_right_and_sentences_below() -> None:
    assert grid.text(GRID).splitlines() == [
        "Models",
        "model                                 MACs",
        "──────────────────────────────────────────",
        "a                                    4.1 k",
        r"<script>alert(1)</script>|\x1b[31m    >= 2",
        "",
        "b: <script>alert(1)</script>",
    ]


def test_markdown_is_escaped() -> None:
    assert grid.markdown(GRID).splitlines() == [
        "**Models**",
        "",
        "| model | MACs |",
        "| :-- | --: |",
        "| a | 4.1 k |",
        r"| \<script\>alert(1)\</script\>\|\\x1b\[31m | \>= 2 |",
        "",
        r"- b: \<script\>alert(1)\</script\>",
    ]


def test_latex_is_a_table_alone() -> None:
    assert grid.latex(GRID).splitlines()[4:6] == [
        r"a & 4.1 k \\",
        r"\textless{}script\textgreater{}alert(1)\textless{}/script\textgreater{}\textbar{}"
        r"\textbackslash{}x1b[31m & $\geq$ 2 \\",
    ]
    assert "Models" not in grid.latex(GRID)


def test_csv_has_values_and_no_formulas() -> None:
    assert list(csv.reader(io.StringIO(grid.csv(GRID)))) == [["name", "macs"], ["a", "4100"], ["'=HYPERLINK()", ""]]
    without = Grid("", ("model",), frozenset(), [["a"]])
    assert grid.csv(without) == "model\na\n"


def test_html_is_escaped() -> None:
    read = Tags()
    read.feed(grid.html(GRID))
    assert "script" not in read.tags
    assert {"Models", "a", ">= 2", f"b: {HOSTILE}"} <= set(read.cells)


@pytest.mark.parametrize("name", grid.FORMATS)
def test_a_table_without_rows_is_written(name: str) -> None:
    assert isinstance(grid.render([EMPTY, EMPTY], name), str)


def test_several_go_one_after_the_other_and_the_last_alone_to_a_spreadsheet() -> None:
    assert grid.render([EMPTY, GRID], "text").endswith(grid.text(GRID))
    assert grid.render([EMPTY, GRID], "csv") == grid.csv(GRID)


def test_an_unknown_format_gets_near_ones() -> None:
    with pytest.raises(InputError, match=r"no format 'markdwn'.*Did you mean 'markdown'"):
        grid.render([GRID], "markdwn")
