"""What a report is made of; what it does in a browser is in test_report_browser.py."""

from __future__ import annotations

import builtins
import json
import re
from pathlib import Path
from typing import Any

import handmade
import pytest
from command_line import refused, run
from handmade import K, M, N
from torch import nn

import flopsight
from flopsight import conventions, views
from flopsight.errors import ConventionError, DeviceError, InputError, MissingLibraryError
from flopsight.views import html
from flopsight.views.icicle import icicle
from flopsight.views.report import render
from flopsight.views.report.chart import chart

PAGES = [handmade.empty, handmade.classifier, handmade.stack, lambda: handmade.profile([], [])]
IMAGES = Path(__file__).parents[2] / "docs" / "images"


def data(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    made: dict[str, Any] = json.loads(found[1])
    return made


def values(table: dict[str, Any], name: str, phase: str = "all") -> list[int]:
    return list(map(int, table["values"][phase][name][0].split()))


def two_phases() -> flopsight.Profile:
    """A block called forward and backward, with a product of its own code in both, and an unknown operator."""
    product = handmade.linear()
    modules = [handmade.module("", "Net"), handmade.module("block", "Block"), handmade.module("block.fc", "Linear")]
    calls = [
        (product, "block", 0), (product, "block.fc", 0), (product, "block.fc", 1), (product, "block.fc", 1),
        (product, "block", 1), (handmade.unknown(), "", 0),
    ]  # fmt: skip
    return handmade.profile(modules, calls, notes=["a < b"])


@pytest.fixture
def net() -> flopsight.Profile:
    return flopsight.profile(nn.Sequential(nn.Linear(K, N), nn.ReLU()), (M, K), backward=True, memory=True)


@pytest.mark.parametrize("profile", PAGES)
def test_any_profile_makes_a_page(profile) -> None:
    page = render(profile())
    assert page.startswith("<!doctype html>")
    assert page.isascii(), "an encoding on its way might change it, and the scripts would not run"
    assert page.endswith("</html>\n")
    assert len(data(page)["modules"]["depth"]) <= len(profile().modules)


def test_rows_are_those_of_the_table_with_every_convention() -> None:
    made = data(render(handmade.stack(3)))
    assert made["modules"]["text"]["name"] == ["Net", "layers.0-2 (3 x)", "(own code)", "fc"]
    assert made["modules"]["text"]["path"][1:3] == [
        "layers.0 to layers.2", "layers.0 to layers.2 (own code)",
    ]  # fmt: skip
    assert made["modules"]["own"] == [0, 0, 1, 0]
    assert values(made["modules"], "macs") == [6 * M * K * N, 6 * M * K * N, 3 * M * K * N, 3 * M * K * N]
    assert values(made["modules"], "params") == [3 * N * K, 3 * N * K, 0, 3 * N * K]
    for name in conventions.names():
        assert values(made["modules"], name)[0] == handmade.stack(3).total(name)
        assert made["totals"]["all"][name][0] == str(handmade.stack(3).total(name))


def test_phases_are_apart_row_by_row() -> None:
    made = data(render(two_phases()))
    assert made["phases"] == ["forward", "backward"]
    assert made["modules"]["text"]["name"] == ["Net", "(own code)", "block", "(own code)", "fc"]
    assert values(made["modules"], "macs", "forward") == [2 * M * K * N, 0, 2 * M * K * N, M * K * N, M * K * N]
    assert values(made["modules"], "macs", "backward") == [3 * M * K * N, 0, 3 * M * K * N, M * K * N, 2 * M * K * N]
    assert values(made["phase"], "macs") == [2 * M * K * N, 3 * M * K * N]
    assert made["totals"]["backward"]["macs"] == [str(3 * M * K * N), "1.536 k"]
    assert made["totals"]["forward"]["macs"][1] == ">= 1.024 k"
    assert made["family"]["text"]["name"] == ["contraction", "unknown"]
    assert values(made["family"], "operators", "backward") == [3, 0]


def test_a_single_phase_is_not_told_apart() -> None:
    assert data(render(handmade.classifier()))["phases"] == []


def test_what_is_unknown_and_assumed_is_in_sight() -> None:
    page = render(two_phases())
    assert "every total is a lower bound" in page
    assert "mylib::scan" in page
    assert "first at net.py:12" in page
    assert "a &lt; b" in page
    assert values(data(page)["modules"], "unknown") == [1, 1, 0, 0, 0]
    assert "Complete" not in page
    assert "the cost of every operator is known, and nothing was assumed" in render(handmade.classifier())


def test_memory_and_time_where_they_are_known(net) -> None:
    page = render(net, roofline=net.roofline("h100-sxm", compute_dtype="tf32"))
    made = data(page)
    assert values(made["modules"], "peak")[0] == int(made["totals"]["all"]["peak"][0]) == net.memory.peak_bytes
    assert values(made["modules"], "peak")[1] == sum(
        nbytes for path, nbytes in net.memory.by_module.items() if path == "0"
    )
    seconds = list(map(float, made["modules"]["values"]["all"]["least"][0].split()))
    roofline = net.roofline("h100-sxm", compute_dtype="tf32")
    assert seconds == [roofline.by_module()[path].least_s for path in ("", "0", "1")]
    parts = [float(made["totals"][phase]["least"][0]) for phase in made["phases"]]
    assert sum(parts) == pytest.approx(roofline.least_s)
    assert made["modules"]["text"]["bound"][0] in ("compute", "memory", "launch")
    assert "Time at best" in page
    assert "peak memory" in page
    plain = render(flopsight.profile(nn.Linear(K, N), (M, K)))
    assert "Time at best" not in plain
    assert "peak" not in data(plain)["totals"]["all"]


def test_the_chart_has_the_most_of_each_stretch(net) -> None:
    made = chart(net, net.memory)
    assert made is not None
    points = list(map(int, made["points"].split()))
    assert points == list(net.memory.timeline)
    assert made["marks"][0] == [0, "0 B"]
    assert made["marks"][-1][0] <= net.memory.peak_bytes
    assert [phase for phase, _ in made["phases"]] == ["forward", "backward"]


def test_the_options_of_a_table_say_how_it_opens() -> None:
    start = data(render(handmade.stack(), convention="thop", depth=1, columns=["macs"], by="dtype"))["start"]
    assert start == {"quantity": "thop", "depth": 1, "columns": ["macs"], "by": "dtype"}
    relu = handmade.profile([handmade.module("", "Net")], [(handmade.relu(2, 3), "")])
    assert data(render(relu))["start"]["quantity"] == "exact", "without contractions there are no MACs to look at"


def test_rows_that_were_chosen_are_those_of_the_table() -> None:
    page = render(handmade.stack(3), only="layers.1*")
    assert data(page)["modules"]["text"]["name"] == ["layers.1", "(own code)", "fc"]
    assert "Modules like layers.1* alone" in page
    made = data(render(two_phases(), flat=True))["modules"]
    assert made["text"]["name"] == ["Net (own code)", "block (own code)", "block.fc"]
    assert values(made, "macs", "backward") == [0, M * K * N, 2 * M * K * N]


def test_a_convention_of_ones_own_comes_first() -> None:
    mine = flopsight.Convention("mine", "Seven each <b>.", "sevens", lambda operation: {"all": 7})
    page = render(handmade.classifier(), convention=mine)
    made = data(page)
    assert made["quantities"][0]["name"] == made["start"]["quantity"] == "mine"
    assert values(made["modules"], "mine") == [14, 7, 7]
    assert "Seven each <b>" not in page


def test_nothing_of_the_model_ends_an_element() -> None:
    bad = "</script><b>\u2028'\""
    profile = handmade.profile(
        [handmade.module("", bad), handmade.module("x", bad)], [(handmade.unknown(bad), "x")], [bad]
    )
    page = render(profile)
    assert "</script><b>" not in page
    assert "\u2028" not in page
    assert data(page)["modules"]["text"]["class"] == ["</script><b>\\u2028'\""] * 2


def test_the_policy_knows_each_script_by_its_hash() -> None:
    page = render(handmade.classifier())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert "default-src &#39;none&#39;" in policy[1] or "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    assert policy[1].count("sha256-") == 3
    assert not re.search(r'\s(on\w+|style|src)="', page.partition("<body>")[2].partition("<script")[0])


def test_a_convention_that_cannot_count_is_left_out() -> None:
    data_ = handmade.classifier().to_dict()
    data_["operations"][1] |= {"operator": "aten::_softmax.default", "family": "softmax", "arguments": {}}
    profile = flopsight.Profile.from_dict(json.loads(json.dumps(data_)))
    page = render(profile)
    assert "Left out: " in page
    assert "thop" not in data(page)["totals"]["all"]
    with pytest.raises(KeyError):
        render(profile, convention="thop")


# --- the doors -----------------------------------------------------------------------------------------------------


def test_report_writes_a_file(tmp_path, net) -> None:
    net.report(tmp_path / "net.html", convention="exact", device="h100-sxm", compute_dtype="tf32", allocator="cuda")
    page = (tmp_path / "net.html").read_text(encoding="utf-8")
    assert data(page)["start"]["quantity"] == "exact"
    assert f"{net.memory_with('cuda').peak_bytes:,}" in page
    assert "products in tf32" in page


def test_what_cannot_be_reported_gets_a_sentence(tmp_path, net) -> None:
    with pytest.raises(ConventionError, match="thopp"):
        net.report(tmp_path / "x.html", convention="thopp")
    with pytest.raises(DeviceError, match="h1000"):
        net.report(tmp_path / "x.html", device="h1000")
    with pytest.raises(InputError, match="memory=True"):
        handmade.classifier().report(tmp_path / "x.html", allocator="cuda")
    form = flopsight.profile(nn.Linear(K, N), ("batch", K))
    with pytest.raises(InputError, match=r"A report is made of numbers.*at\(batch=\.\.\.\)"):
        form.report(tmp_path / "x.html")
    assert not list(tmp_path.iterdir())
    form.at(batch=M).report(tmp_path / "x.html")


def test_without_jinja_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def no_jinja(name, *rest):
        if name == "jinja2":
            raise ModuleNotFoundError("No module named 'jinja2'", name="jinja2")
        return load(name, *rest)

    monkeypatch.setattr(builtins, "__import__", no_jinja)
    with pytest.raises(MissingLibraryError, match=r'pip install "flopsight\[report\]"'):
        render(handmade.empty())
    assert "Net" in handmade.classifier()._repr_html_()


def test_the_command(capsys, tmp_path, net) -> None:
    saved, page = tmp_path / "net.json", tmp_path / "net.html"
    net.save(saved)
    assert run(capsys, "report", str(saved), "-o", str(page), "--module", "0", "--count", "exact") == (0, "", "")
    made = data(page.read_text(encoding="utf-8"))
    assert (made["modules"]["text"]["name"], made["start"]["quantity"]) == (["0"], "exact")
    again = tmp_path / "again.html"
    assert (
        run(capsys, "report", str(saved), "--out", str(again), "--device", "t4", "--compute-dtype", "float32")[0] == 0
    )
    assert "Time at best" in again.read_text(encoding="utf-8")
    code, table, _ = run(capsys, "show", str(saved), "--html", str(page), "--device", "t4")
    assert code == 0
    assert "least time" in table
    assert "Time at best" in page.read_text(encoding="utf-8")
    assert run(capsys, "show", str(saved), "--html", "--device", "t4")[1] == again.read_text(encoding="utf-8").replace(
        ", products in float32", ""
    )


def test_the_command_refuses_with_a_sentence(capsys, tmp_path, net) -> None:
    saved, page = tmp_path / "net.json", str(tmp_path / "net.html")
    net.save(saved)
    assert "Did you mean" in refused(capsys, "report", str(tmp_path / "nett.json"), "-o", page)
    assert "no folder" in refused(capsys, "report", str(saved), "-o", str(tmp_path / "no" / "net.html"))
    assert "Is a directory" in refused(capsys, "report", str(saved), "-o", str(tmp_path))
    assert "thopp" in refused(capsys, "report", str(saved), "-o", page, "--count", "thopp")
    assert "No module" in refused(capsys, "report", str(saved), "-o", page, "--module", "zero")
    assert "is about a device" in refused(capsys, "report", str(saved), "-o", page, "--fused")
    assert "-o/--out" in refused(capsys, "report", str(saved))
    flopsight.profile(nn.Linear(K, N), ("batch", K)).save(saved)
    assert "A report is made of numbers" in refused(capsys, "report", str(saved), "-o", page)
    damaged = net.to_dict()
    damaged["flopsight"], damaged["format"] = "9.0", 99
    saved.write_text(json.dumps(damaged))
    assert "Upgrade it" in refused(capsys, "report", str(saved), "-o", page)


def test_the_view_is_the_report() -> None:
    assert views.get("html").render is render


# --- a notebook ----------------------------------------------------------------------------------------------------


def test_a_notebook_has_bars_and_a_drawing_and_no_script() -> None:
    shown = handmade.stack(3)._repr_html_()
    assert 'style="background-size:50.0% 70%"' in shown
    assert "<svg " in shown
    assert "<script" not in shown
    assert ">layers.0-2 (3 x)<" in shown
    assert html.render(handmade.empty()).count("<svg") == 0


def test_the_drawing_is_as_wide_as_the_shares() -> None:
    drawn = icicle(handmade.stack(3), "macs")
    assert re.findall(r'width="([\d.]+)"', drawn) == ["999.0", "999.0", "499.0"]
    escaped = icicle(handmade.profile([handmade.module("", "<b>")], [(handmade.linear(), "")]), "macs")
    assert "<b>" not in escaped
    assert "&lt;b&gt;" in escaped


def test_pictures_of_the_documentation_are_small() -> None:
    pictures = sorted(IMAGES.glob("*.png"))
    assert len(pictures) >= 3
    assert all(picture.stat().st_size < 250_000 for picture in pictures)
