from __future__ import annotations

import csv
import io
from dataclasses import replace

import handmade
import pytest
from handmade import K, M, N, linear, module, parameter, relu, unknown

import flopsight
from flopsight.errors import InputError
from flopsight.profiles import Profile

MACS = M * K * N
HOSTILE = "<script>alert(1)</script>"


def net(
    width: int = N, *, root: str = "Net", extra: int = 0, head: str = "fc", notes: list[str] | None = None
) -> Profile:
    modules = [module("", root), module(head, "Linear", parameter("weight", width, K, identity=1))]
    calls = [(linear(columns=width), head)]
    for index in range(extra):
        modules.append(module(f"h{index}", "Block"))
        calls.append((relu(M, N), f"h{index}"))
    return handmade.profile(modules, calls, notes)


def lines(found: flopsight.Diff, **options) -> list[list[str]]:
    return [line.split() for line in found.render(**options).splitlines()]


def test_totals_and_changes_are_in_numbers_and_percent() -> None:
    text = flopsight.diff(net(), net(2 * N))
    shown = lines(text)
    assert shown[0] == ["Net", "->", "Net"]
    assert ["MACs", str(MACS), f"{2 * MACS:,}", f"+{MACS}", "+100.0%"] in shown
    assert ["parameters", str(N * K), str(2 * N * K), f"+{N * K}", "+100.0%"] in shown
    (change,) = (line for line in shown if line[:1] == ["changed"])
    weight = [f"{N}x{K}", "->", f"{2 * N}x{K}"]
    assert change == ["changed", "fc", "Linear;", "weight", *weight, f"+{MACS}", "(+100.0%)", f"+{N * K}", "(+100.0%)"]


def test_the_largest_change_comes_first_by_the_first_column() -> None:
    found = flopsight.diff(net(), net(2 * N, extra=2))
    assert [line[1] for line in lines(found) if line[:1] in (["changed"], ["added"])] == ["fc", "h0-1"]
    by_calls = lines(found, columns=["operators", "macs"])
    assert [line[1] for line in by_calls if line[:1] in (["changed"], ["added"])] == ["h0-1", "fc"]


def test_so_many_are_listed_as_asked_and_the_rest_is_counted() -> None:
    found = flopsight.diff(net(), net(2 * N, extra=2)).render(top=1)
    assert "h0-1" not in found
    assert "1 more change, none of them larger; --top 2 lists all." in found


def test_nothing_changed_is_a_sentence() -> None:
    assert flopsight.diff(net(), net()).render() == "Net -> Net\n\nNothing changed.\n"
    for form in ("markdown", "latex", "csv", "html"):
        assert flopsight.diff(net(), net()).render(form)


def test_what_shows_in_no_column_is_counted() -> None:
    old, new = net(extra=1), net(extra=1)
    changed = replace(new.modules["h0"], calls=2)
    text = flopsight.diff(old, replace(new, modules={**new.modules, "h0": changed})).render()
    assert "In shapes or operators, but not in MACs and parameters, changed: 1 more (h0)." in text


def test_profiles_of_different_models_are_told_as_such() -> None:
    text = flopsight.diff(net(), net(2 * N, root="Other", head="proj")).render()
    assert "Net and Other have next to no module in common" in text
    assert f"+{MACS}" in text
    assert "removed" not in text


def test_lower_bounds_stay_lower_bounds() -> None:
    known, bounded = net(), net(2 * N)
    opaque = handmade.profile(list(bounded.modules.values()), [(linear(columns=2 * N), "fc"), (unknown(), "fc")])
    grown = lines(flopsight.diff(known, opaque))
    assert ["MACs", str(MACS), ">=", f"{2 * MACS:,}", ">=", f"+{MACS}", "+100.0%"] in grown
    assert ["unknown", "calls", "0", "1", "+1", "-"] in grown
    assert "Newly unknown: mylib::scan." in flopsight.diff(known, opaque).render()
    assert "Operators are unknown, so totals are lower bounds" in flopsight.diff(known, opaque).render()
    fewer = lines(flopsight.diff(opaque, known))
    assert ["MACs", ">=", f"{2 * MACS:,}", str(MACS), "<=", f"-{MACS}", "-50.0%"] in fewer
    other = unknown()._replace(operator="mylib::other.default")
    neither = handmade.profile(list(bounded.modules.values()), [(linear(), "fc"), (other, "fc")])
    assert ["MACs", ">=", f"{2 * MACS:,}", ">=", str(MACS), "?", "?"] in lines(flopsight.diff(opaque, neither))


def test_a_spreadsheet_gets_totals_and_every_change() -> None:
    rows = list(csv.DictReader(io.StringIO(flopsight.diff(net(), net(2 * N, extra=2)).render("csv", top=1))))
    assert [row["change"] for row in rows] == ["total", "changed", "added"]
    assert [int(row["macs_change"]) for row in rows] == [MACS, MACS, 0]
    assert (rows[2]["old"], rows[2]["new"], rows[2]["times"]) == ("", "h0-1", "2")
    assert (rows[1]["params_old"], rows[1]["params_new"]) == (str(N * K), str(2 * N * K))


def test_notes_are_told() -> None:
    text = flopsight.diff(net(notes=["a < b"]), net(notes=["b < c"])).render()
    assert "Assumed now: b < c" in text
    assert "No longer assumed: a < b" in text


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "html"])
def test_hostile_names_do_no_harm(form: str) -> None:
    old = net(root=HOSTILE, head="a\x1b[31m")
    new = net(2 * N, root=HOSTILE, head="a\x1b[31m", notes=[f"{HOSTILE}\x07"])
    text = flopsight.diff(old, new).render(form)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert (HOSTILE in text) == (form == "text")


@pytest.mark.parametrize("name", ["share", "class", "input", "name"])
def test_what_is_no_number_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=rf"which {name} is not"):
        flopsight.diff(net(), net(2 * N)).render(columns=[name])
    with pytest.raises(InputError, match="no column 'mac'"):
        flopsight.diff(net(), net(2 * N)).render(columns=["mac"])


def test_a_diff_is_shown_in_a_notebook() -> None:
    assert "<table>" in flopsight.diff(net(), net(2 * N))._repr_html_()
    assert str(flopsight.diff(net(), net(2 * N))) == flopsight.diff(net(), net(2 * N)).render()
