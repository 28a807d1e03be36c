from __future__ import annotations

import builtins
import csv
import io
import json
from html.parser import HTMLParser

import handmade
import pytest
from handmade import K, M, N

from flopsight import views
from flopsight.errors import InputError, MissingLibraryError
from flopsight.profiles import Profile
from flopsight.views import html, markdown
from flopsight.views.dataframe import dataframe

PROFILES = [handmade.empty, handmade.classifier, handmade.stack]


def everything():
    """A profile with all that can stand below a table."""
    product = handmade.linear()
    calls = [(product, "", 0), (product, "", 1), (handmade.unknown("<here>"), "")]
    return handmade.profile([handmade.module("", "Net<b>|*")], calls, notes=["a < b"])


@pytest.mark.parametrize("profile", [*PROFILES, everything])
@pytest.mark.parametrize("view", views.names())
def test_every_view_shows_every_profile(profile, view) -> None:
    rendered = views.get(view).render(profile())
    assert rendered.endswith("\n")
    assert views.get(view).summary


def test_an_unknown_view_gets_a_sentence() -> None:
    with pytest.raises(InputError, match=r"no view 'htlm'.*Did you mean 'html'"):
        views.get("htlm")


def test_json_is_the_whole_record() -> None:
    profile = handmade.stack()
    again = Profile.from_dict(json.loads(views.get("json").render(profile)))
    assert views.get("text").render(again) == views.get("text").render(profile)


def test_csv_has_a_row_for_each_module() -> None:
    rows = list(csv.DictReader(io.StringIO(views.get("csv").render(handmade.stack(2)))))
    assert [row["path"] for row in rows] == ["", "layers", "layers.0", "layers.0.fc", "layers.1", "layers.1.fc"]
    assert int(rows[0]["macs"]) == 4 * M * K * N
    (nothing,) = csv.DictReader(io.StringIO(views.get("csv").render(handmade.empty())))
    assert nothing["share"] == ""


def test_csv_by_operator() -> None:
    rows = list(csv.DictReader(io.StringIO(views.get("csv").render(handmade.classifier(), by="operator"))))
    assert [row["path"] for row in rows] == ["aten::addmm", "aten::relu"]


class Reader(HTMLParser):
    """Checks that elements are closed in order, and collects text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        if self.open and self.open[-1] in ("td", "th", "li", "h4"):
            self.cells.append(data)


def test_html_is_well_formed_and_escaped() -> None:
    reader = Reader()
    reader.feed(everything()._repr_html_())
    assert not reader.open
    assert {"Net<b>|*", "first at <here>", "a < b", "backward", ">= 1,024"} <= set(reader.cells)
    assert "<b>" not in html.render(everything())


def test_markdown_is_a_table_with_everything_escaped() -> None:
    lines = markdown.render(everything()).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert tables[2].startswith(r"| Net\<b\>\|\* | Net\<b\>\|\* |")
    assert "- unknown: mylib::scan, 1 call, first at \\<here\\>" in lines
    assert "- assumed: a \\< b" in lines
    assert "| backward | 512 | 1,024 | 1,024 | 1 |" in lines
    assert markdown.render(handmade.classifier()).splitlines()[5].startswith("| &nbsp;&nbsp;&nbsp;&nbsp;fc |")


def test_dataframe_has_numbers() -> None:
    pytest.importorskip("pandas")
    frame = dataframe(handmade.stack(2))
    assert list(frame["path"]) == ["", "layers", "layers.0", "layers.0.fc", "layers.1", "layers.1.fc"]
    assert frame["macs"].sum() == (4 + 4 + 2 + 1 + 2 + 1) * M * K * N
    assert frame["params"].iloc[0] == 2 * N * K
    assert len(handmade.empty().to_dataframe()) == 1


def test_without_pandas_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def no_pandas(name, *rest):
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
        return load(name, *rest)

    monkeypatch.setattr(builtins, "__import__", no_pandas)
    with pytest.raises(MissingLibraryError, match=r'pip install "flopsight\[dataframe\]"'):
        dataframe(handmade.empty())
