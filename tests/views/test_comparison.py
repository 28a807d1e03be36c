from __future__ import annotations

import handmade
import pytest
from handmade import K, M, N, module, unknown

import flopsight
from flopsight.analysis.comparison import Compared
from flopsight.comparing.rows import compared_rows
from flopsight.errors import InputError

FAILED = Compared("b_<script>", None, "there is no such model")


def comparison(*columns: str) -> flopsight.Comparison:
    rows = [Compared("a", handmade.classifier()), FAILED]
    return compared_rows(rows, columns or ("params", "macs"))


def test_each_model_has_a_row_and_one_that_failed_its_reason() -> None:
    shown = [line.split() for line in str(comparison()).splitlines()]
    assert shown[0] == ["model", "parameters", "MACs"]
    assert shown[2] == ["a", str(N * K + N), str(M * K * N)]
    assert shown[3] == ["b_<script>", "-", "-"]
    assert str(comparison()).endswith("\n\nb_<script> could not be measured: there is no such model\n")


def test_a_model_that_does_nothing_has_figures_too() -> None:
    made = compared_rows([Compared("a", handmade.empty())], ("class", "macs", "params"))
    assert made.render("csv") == "model,class,macs,params\na,Identity,0,0\n"
    assert str(made).splitlines()[2].split() == ["a", "Identity", "0", "0"]


def test_columns_are_those_of_other_tables() -> None:
    made = comparison("class", "output", "weights", "operators")
    assert made.render("csv").splitlines() == [
        "model,class,output,weights,operators,reason",
        f"a,Net,{M}x{N},{M * K * N + M * N},2,",
        "b_<script>,,,,,there is no such model",
    ]
    with pytest.raises(InputError, match="leave out the column share"):
        comparison("share").render()
    with pytest.raises(InputError, match="Did you mean 'macs'"):
        comparison("mac").render()


def test_without_failures_there_is_no_reason() -> None:
    made = compared_rows([Compared("a", handmade.classifier())], ("macs",))
    assert made.render("latex").splitlines()[2] == r"model & MACs \\"
    assert made.failed == ()


def test_every_format_is_escaped() -> None:
    assert "b_&lt;script&gt;" in comparison()._repr_html_()
    assert r"b\_\<script\>" in comparison().render("markdown")
    assert r"b\_\textless{}script\textgreater{}" in comparison().render("latex")


def test_lower_bounds_and_assumptions_are_told_below() -> None:
    profile = handmade.profile([module("", "Net")], [(unknown(), "")], notes=["ids are below 10"])
    text = compared_rows([Compared("a", profile)], ("macs", "params")).render()
    assert ">= 0" in text
    assert "a: lower bounds; mylib::scan unknown.\na: assumed: ids are below 10" in text


def test_rows_are_found_by_name_and_have_different_ones() -> None:
    made = compared_rows([Compared("a", None, "x"), Compared("a", None, "y"), Compared("a", None, "z")])
    assert [row.name for row in made.rows] == ["a", "a (2)", "a (3)"]
    assert made["a (2)"].reason == "y"
    with pytest.raises(KeyError, match="no row 'b'; there are 'a'"):
        made["b"]


def test_a_dataframe_has_whole_numbers() -> None:
    pytest.importorskip("pandas")
    frame = comparison().to_dataframe()
    assert list(frame.columns) == ["model", "params", "macs", "reason"]
    assert frame["macs"][0] == M * K * N


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(InputError, match="no model to compare"):
        compared_rows([])
