"""The report in a real browser: what it says it does, by mouse and by keys, on phone and desktop, light and dark."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import handmade
import pytest
from browser import DESKTOP, PHONE, opened
from torch import nn

import flopsight

CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
NAMED = {"button", "combobox", "searchbox", "radio", "checkbox", "region", "image", "treegrid", "table", "navigation"}
MEASURED = """new Promise((done) => new PerformanceObserver((list) => done(list.getEntries()[0].duration))
    .observe({ type: "measure", buffered: true }))"""
LLAMA = (
    "transformers:llama(hidden_size=16384, intermediate_size=53248, num_hidden_layers=126, num_attention_heads=128, "
    "num_key_value_heads=8, vocab_size=128256)"
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    yield from browser.or_skip()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(size, size), nn.ReLU()) for size in (8, 8, 8))
        self.head = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 16))

    def forward(self, images):
        x = self.stem(images).mean((2, 3))
        for block in self.blocks:
            x = block(x)
        return self.head(x)


@pytest.fixture(scope="module")
def profile() -> flopsight.Profile:
    return flopsight.profile(Net(), (2, 3, 6, 6), backward=True, memory=True)


@pytest.fixture(scope="module")
def file(profile: flopsight.Profile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "net.html"
    profile.report(path, device="a100-sxm")
    return path


@pytest.fixture
def page(chromium: Any, file: Path) -> Iterator[Any]:
    with opened(chromium, file) as page:
        yield page


def boxes(page: Any) -> list[str]:
    return page.locator("#graph button .label").evaluate_all("all => all.map(each => each.firstChild.data)")


def rows(page: Any) -> list[str]:
    return page.locator("#module-table tbody th").evaluate_all("all => all.map(each => each.lastChild.textContent)")


def column(page: Any, table: str, number: int) -> list[str]:
    return page.locator(f"{table} tbody tr > :nth-child({number})").all_inner_texts()


def focused(page: Any) -> str:
    return page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText")


# --- as it opens ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_opens_quietly_within_the_width_and_can_be_read(chromium, file, viewport, scheme) -> None:
    with opened(chromium, file, viewport=viewport, color_scheme=scheme) as page:
        assert page.title() == "Net: what it costs"
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        page.locator("summary", has_text="Every way of counting").click()
        assert page.evaluate(CONTRAST) == []


def test_without_scripts_totals_phases_and_memory_are_there(chromium, file, profile) -> None:
    with opened(chromium, file, java_script_enabled=False) as page:
        text = page.locator("main").inner_text()
        assert f"{profile.macs:,}" in text
        assert f"{profile.total('exact', phase='backward'):,}" in text
        assert "need JavaScript" in text
        assert not page.locator("#controls").is_visible()


def test_everything_that_can_be_used_has_a_name(chromium, page) -> None:
    page.locator("#columns summary").click()
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    found = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]]
    assert {role for role, _ in found} >= NAMED | {"main", "heading", "columnheader", "rowheader", "row"}
    assert [role for role, name in found if role in NAMED and not name.strip()] == []
    assert page.locator("html").get_attribute("lang") == "en"


def test_prints_light_without_what_can_only_be_used_on_a_screen(chromium, file) -> None:
    with opened(chromium, file, color_scheme="dark", viewport={"width": 1280, "height": 240}) as page:
        assert page.locator(".tall").evaluate("each => each.scrollHeight > each.clientHeight")
        page.emulate_media(media="print", color_scheme="dark")
        assert not page.locator("#controls").is_visible()
        assert not page.locator("#find").is_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        tall = page.locator(".tall")
        assert tall.evaluate("each => each.scrollHeight <= each.clientHeight + 1")
        assert page.evaluate(CONTRAST) == []
        assert page.pdf()[:4] == b"%PDF"


# --- what is counted -----------------------------------------------------------------------------------------------


def test_the_reader_switches_what_is_counted(page, profile) -> None:
    assert page.locator("#total-exact").inner_text() == f"{profile.macs:,} MACs"
    for name in flopsight.conventions.names():
        page.select_option("#quantity", name)
        assert page.locator("#total").inner_text() == flopsight.units.count(profile.total(name))
        assert f"{profile.total(name):,}" in page.locator("#detail").inner_text()
    page.select_option("#quantity", "params")
    assert page.locator("#module-table thead").inner_text().count("parameters") == 2  # the column, and that of shares
    assert column(page, "#operator-table", 1)[0] == "convolution", "what has no parameters stays as it was"


def test_every_quantity_can_be_counted(page, profile) -> None:
    offered = page.locator("#quantity option").evaluate_all("all => all.map(each => each.value)")
    assert {*flopsight.conventions.names(), "params", "read", "written", "operators", "peak", "least"} <= set(offered)
    for name in offered:
        page.select_option("#quantity", name)
        assert page.locator("#total").inner_text() not in ("", "0", "undefined"), name
        assert boxes(page)[0] == "Net"
    page.select_option("#quantity", "peak")
    assert page.locator("#total-exact").inner_text() == f"{profile.memory.peak_bytes:,} bytes"


def test_phases_are_apart(page, profile) -> None:
    page.get_by_role("radio", name="backward").check()
    backward = profile.total("macs", phase="backward")
    assert page.locator("#total-exact").inner_text() == f"{backward:,} MACs"
    stem = profile.by_module(phase="backward")["stem"].macs
    assert page.get_by_role("row", name="stem").locator("td.number").nth(1).get_attribute("title") == f"{stem:,} MACs"
    page.keyboard.press("ArrowLeft")
    assert page.locator("#total-exact").inner_text() == f"{profile.total('macs', phase='forward'):,} MACs"


# --- the graph -----------------------------------------------------------------------------------------------------


def test_zooming_by_mouse(page) -> None:
    from playwright.sync_api import expect

    assert boxes(page)[:2] == ["Net", "stem"]
    page.locator("#graph button", has_text="head").click()
    assert page.locator("#crumbs li").all_inner_texts() == ["Net", "head"]
    assert boxes(page) == ["Net", "head", "0", "1"]
    expect(page.locator("#graph button").nth(1)).to_have_attribute("style", re.compile("width: 100%"))
    page.locator("#crumbs button", has_text="Net").click()
    assert "stem" in boxes(page)
    page.locator("#graph button", has_text="head").click()
    page.get_by_role("button", name="Zoom out").click()
    assert "stem" in boxes(page)
    assert page.get_by_role("button", name="Zoom out").is_disabled()


def test_zooming_by_keys(page) -> None:
    page.locator("#graph button").first.focus()
    page.keyboard.press("ArrowDown")
    assert focused(page).startswith("stem 8")
    while not focused(page).startswith("head"):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert boxes(page) == ["Net", "head", "0", "1"]
    assert focused(page).startswith("head ")
    page.keyboard.press("ArrowDown")
    assert focused(page).startswith("0 ")
    page.keyboard.press("Escape")
    assert "stem" in boxes(page)
    assert page.locator("#graph button[tabindex='0']").count() == 1


def test_widths_are_shares(page, profile) -> None:
    stem = page.locator("#graph button", has_text="stem").evaluate("each => parseFloat(each.style.width)")
    assert stem == pytest.approx(100 * profile["stem"].macs / profile.macs)


# --- the table -----------------------------------------------------------------------------------------------------


def test_sorting(page) -> None:
    order = rows(page)
    heading = page.locator("#module-table thead th", has_text="% of MACs")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert [name for name in rows(page) if name in ("stem", "head")] == ["stem", "head"]
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert [name for name in rows(page) if name in ("stem", "head")] == ["head", "stem"]
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "none"
    assert rows(page) == order


def test_opening_and_closing(page) -> None:
    every = rows(page)
    page.get_by_role("button", name="Collapse all").click()
    assert rows(page) == ["Net"]
    page.locator("#module-table .twist").click()
    assert rows(page) == ["Net", "stem", "blocks.0-2 (3 x)", "head"]
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert rows(page)[-2:] == ["0", "1"]
    assert page.locator("#module-table tr:focus").get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert rows(page)[-1] == "head"
    page.keyboard.press("Enter")
    assert focused(page).startswith("head "), "Enter shows a row's module in the graph"
    page.get_by_role("button", name="Expand all").click()
    assert rows(page) == every


def test_searching(page) -> None:
    page.get_by_role("searchbox").fill("LINEAR")
    assert rows(page) == ["Net", "blocks.0-2 (3 x)", "0", "head", "0", "1"]
    assert page.locator("#found").inner_text() == "3 of 8 rows"
    assert page.locator("#graph button.match").count() == 3
    page.get_by_role("searchbox").fill("no such module")
    assert page.locator("#module-table tbody").inner_text() == "Nothing is called that."
    page.keyboard.press("Escape")
    assert rows(page)[0] == "Net"
    assert page.locator("#found").inner_text() == ""


def test_columns_are_the_readers(page) -> None:
    page.set_viewport_size(PHONE)
    page.locator("#columns summary").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert page.get_by_role("checkbox", name="thop MACs").bounding_box()["x"] > 0
    page.get_by_role("checkbox", name="thop MACs").check()
    page.get_by_role("checkbox", name="class").uncheck()
    page.keyboard.press("Escape")
    assert not page.get_by_role("checkbox", name="class").is_visible()
    heads = page.locator("#module-table thead th").all_inner_texts()
    assert heads == ["module", "input", "output", "parameters", "MACs", "% of MACs", "thop MACs", "calls"]


def test_operators_by_family_and_by_operator(page, profile) -> None:
    assert set(column(page, "#operator-table", 1)) == set(profile.by_family())
    page.locator("#grouping input").first.focus()
    page.keyboard.press("ArrowRight")
    assert set(column(page, "#operator-table", 1)) == set(profile.by_operator())
    largest = max(tally.macs for tally in profile.by_operator().values())
    assert column(page, "#operator-table", 3)[0] == flopsight.units.share(largest, profile.macs)


def test_memory_is_drawn(page, profile) -> None:
    chart = page.locator("#memory-chart")
    assert flopsight.units.size(profile.memory.peak_bytes) in chart.inner_html()
    assert "backward" in chart.inner_html()
    assert page.locator(".complete").evaluate("each => getComputedStyle(each, '::before').content") == '"✓ "'
    assert chart.locator("path.line").get_attribute("d").count("L") == len(profile.memory.timeline) - 1


def rootless() -> flopsight.Profile:
    profile = handmade.classifier()
    del profile.modules[""]
    return profile


ODD = [handmade.empty, rootless, lambda: handmade.stack(3)["layers.1"], lambda: handmade.profile([], [])]


@pytest.mark.parametrize("odd", ODD, ids=["empty", "rootless", "part", "nothing"])
def test_odd_profiles_open_too(chromium, tmp_path, odd) -> None:
    odd().report(tmp_path / "odd.html")
    with opened(chromium, tmp_path / "odd.html", viewport=PHONE) as page:
        assert page.locator("#total").inner_text() == flopsight.units.count(odd().macs)
        assert len(rows(page)) == len(json.loads(page.locator("#data").text_content())["modules"]["depth"])
        for name in page.locator("#quantity option").evaluate_all("all => all.map(each => each.value)"):
            page.select_option("#quantity", name)


def test_a_lower_bound_is_marked_as_one(chromium, tmp_path) -> None:
    modules = [handmade.module("", "Net"), handmade.module("a", "A"), handmade.module("b", "B")]
    calls = [(handmade.linear(), "a"), (handmade.linear(), "b"), (handmade.unknown(), "b")]
    handmade.profile(modules, calls).report(tmp_path / "low.html")
    with opened(chromium, tmp_path / "low.html") as page:
        assert page.locator("#total-exact").inner_text() == ">= 1,024 MACs"
        assert page.locator("#graph button.low").count() == 2
        assert "of unknown cost" in page.locator("#legend").inner_text()
        assert column(page, "#operator-table", 3) == ["100.0%", "?"], "unknown is not zero"
        assert column(page, "#module-table", 5) == [">= 1.024 k", "512", ">= 512"]


# --- strangers' profiles -------------------------------------------------------------------------------------------

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`javascript:alert(3)µ🔥\u2028{{7*7}}\x1b[31m"
)


def test_a_hostile_profile_runs_nothing_and_shows_harmless_text(chromium, profile, tmp_path) -> None:
    data = json.loads(json.dumps(profile.to_dict()))
    data["model"] = data["about"]["address"] = HOSTILE
    data["about"]["inputs"] = [HOSTILE]
    data["notes"] = [HOSTILE]
    data["modules"][1]["kind"] = HOSTILE
    for operation in data["operations"]:
        operation["operator"] = operation["family"] = operation["dtype"] = HOSTILE
    data["operations"][0].update(cost=None, site=HOSTILE)
    for module in data["modules"]:
        module["path"] = module["path"].replace("head", HOSTILE.replace(".", ""))
    for scope in data["scopes"]:
        scope[0] = scope[0].replace("head", HOSTILE.replace(".", ""))
    for storage in data["storages"]:
        storage[8] = storage[8] and storage[8].replace("head", HOSTILE)
    path = tmp_path / "hostile.html"
    flopsight.Profile.from_dict(data).report(path)
    with opened(chromium, path, viewport=PHONE) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        shown = HOSTILE.replace("\u2028", "\\u2028").replace("\x1b", "\\x1b")
        assert page.locator("h1").inner_text() == shown
        assert shown in page.locator(".notice").first.inner_text()
        assert shown in rows(page)
        assert page.locator("img, script[src], a[href^=javascript]").count() == 0
        assert page.locator("script").count() == 3
        page.get_by_role("button", name="Expand all").click()
        page.get_by_role("radio", name="operator").check()
        page.get_by_role("searchbox").fill("<script>")
        page.locator("#graph button").last.click()


def test_no_digit_is_lost_beyond_53_bits(chromium, profile, tmp_path) -> None:
    data = json.loads(json.dumps(profile.to_dict()))
    data["operations"][0]["cost"] = {"macs": 2**60 + 1}
    path = tmp_path / "large.html"
    large = flopsight.Profile.from_dict(data)
    large.report(path)
    assert large.macs % 2**8, "a Number would show another"
    with opened(chromium, path) as page:
        assert page.locator("#total-exact").inner_text() == f"{large.macs:,} MACs"
        assert f"{large.macs:,} MACs" in page.locator("#detail").inner_text()


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    path = tmp_path_factory.mktemp("llama") / "llama.html"
    from flopsight import cli

    assert cli.main([LLAMA, "--input", "1,2048:int64", "--depth", "0", "--html", str(path)]) == 0
    return path


def test_llama_405b_is_small_and_quick(chromium, llama, capsys) -> None:
    assert llama.stat().st_size < 2 * 1024 * 1024
    with opened(chromium, llama) as page:
        assert page.locator("#total-exact").inner_text() == "844,193,001,897,984 MACs"
        page.locator("#graph button", has_text="layers.0-125 (126 x)").click()
        drawn = page.evaluate("performance.getEntriesByName('drawn')[0].startTime")
        zoomed = page.evaluate(MEASURED)
    size = llama.stat().st_size
    with capsys.disabled():
        print(f"\nLlama-3.1-405B: {size:,} bytes, drawn after {drawn:.0f} ms, zoomed in {zoomed:.0f} ms")
