"""Profiles for other programs: structure, sums, and everything of the user's harmless."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import handmade
import pytest
from handmade import K, M, N

import flopsight
from flopsight.calls import Operation, Scope
from flopsight.cost import Cost
from flopsight.errors import InputError
from flopsight.profiles import Profile
from flopsight.views.stacks import stacks

HOSTILE = "</script>\n\x1b[2J$\\input{x}%&\ud800"


def training() -> Profile:
    """Two blocks, forward and backward, with work of the model's own between them, and an operator that is unknown."""
    modules = [handmade.module(path, kind) for path, kind in (("", "Net"), ("a", "Block"), ("a.fc", "Linear"))]
    product, other = handmade.linear(), handmade.relu(M, N)
    ran = [(product, "a.fc", 0), (other, "a", 0), (product, "", 0), (handmade.unknown(), "a", 0), (product, "a.fc", 1)]
    return handmade.profile(modules, [*ran, (product, "a.fc", 1)])


def nested(profile: Profile) -> Profile:
    """The same with scopes that call each other as paths say."""
    paths = [scope.path for scope in profile.scopes]
    profile.scopes[:] = [
        Scope(path, paths.index(path.rpartition(".")[0]) if path else -1) for path in paths
    ]  # fmt: skip
    return profile


def hostile() -> Profile:
    return handmade.profile(
        [handmade.module("", HOSTILE), handmade.module(HOSTILE, HOSTILE)],
        [(handmade.linear(), HOSTILE), (handmade.unknown(HOSTILE), HOSTILE)], notes=[HOSTILE],
    )  # fmt: skip


class TestStacks:
    def test_each_call_has_the_module_calls_around_it(self) -> None:
        found = [(each.phase, each.scopes) for each in stacks(nested(training()))]
        assert found[:3] == [("forward", (0, 1, 2)), ("forward", (0, 1)), ("forward", (0,))]
        assert found[-1] == ("backward", (0, 1, 2))

    def test_those_of_a_module_begin_at_it(self) -> None:
        found = [each.scopes for each in stacks(nested(training())["a"])]
        assert found == [(1, 2), (1,), (1,), (1, 2), (1, 2)]


def speedscope(profile: Profile, **layout: Any) -> dict[str, Any]:
    """The file, after what the format asks of it was checked (file-format-spec.ts of speedscope)."""
    read: dict[str, Any] = json.loads(profile.render("speedscope", **layout))
    assert read["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    assert read["exporter"] == f"flopsight@{flopsight.__version__}"
    frames = read["shared"]["frames"]
    assert all(set(frame) <= {"name", "file"} for frame in frames)
    assert all(text.isprintable() for frame in frames for text in frame.values())
    assert 0 <= read["activeProfileIndex"] < len(read["profiles"])
    for each in read["profiles"]:
        assert set(each) == {"type", "name", "unit", "startValue", "endValue", "samples", "weights"}
        assert (each["type"], each["startValue"]) == ("sampled", 0)
        assert each["unit"] in {"none", "bytes"}
        assert each["endValue"] == sum(each["weights"])
        assert len(each["weights"]) == len(each["samples"])
        assert all(isinstance(weight, int) and weight > 0 for weight in each["weights"])
        assert all(0 <= index < len(frames) for sample in each["samples"] for index in sample)
    return read


class TestSpeedscope:
    @pytest.mark.parametrize("made", [training, hostile, handmade.stack, handmade.classifier])
    def test_weights_add_up_to_the_totals(self, made) -> None:
        profile = made()
        totals = [each["endValue"] for each in speedscope(profile)["profiles"]]
        moved = sum(call.operation.read_bytes + call.operation.written_bytes for call in profile)
        assert totals == [profile.macs, profile.cost.exact, moved]

    def test_samples_are_stacks_of_phase_modules_and_operator(self) -> None:
        read = speedscope(nested(training()))
        frames = [frame["name"] for frame in read["shared"]["frames"]]
        macs = read["profiles"][0]
        product = ["fc (Linear)", "aten::addmm"]
        assert [[frames[index] for index in sample] for sample in macs["samples"]] == [
            ["forward", "Net (Net)", "a (Block)", *product], ["forward", "Net (Net)", "aten::addmm"],
            ["backward", "Net (Net)", "a (Block)", *product],
        ]  # fmt: skip
        assert macs["weights"] == [M * K * N, M * K * N, 2 * M * K * N]
        assert {"name": "fc (Linear)", "file": "a.fc"} in read["shared"]["frames"]

    def test_one_phase_needs_no_name(self) -> None:
        assert "forward" not in handmade.classifier().render("speedscope")

    def test_a_convention_that_was_asked_for_comes_first(self) -> None:
        first, *others = speedscope(handmade.classifier(), convention="linear")["profiles"]
        assert (first["name"], first["endValue"]) == ("linear FLOPs", 2 * M * K * N)
        assert [each["name"] for each in others] == ["MACs", "exact operations", "bytes read and written"]
        assert len(speedscope(handmade.classifier(), convention="macs")["profiles"]) == 3

    def test_lower_bounds_are_said(self) -> None:
        names = [each["name"] for each in speedscope(training())["profiles"]]
        assert names == [
            "MACs (lower bound: 1 operator unknown)", "exact operations (lower bound: 1 operator unknown)",
            "bytes read and written",
        ]  # fmt: skip

    def test_nothing_is_a_file_too(self) -> None:
        (only,) = speedscope(handmade.empty())["profiles"]
        assert (only["name"], only["weights"]) == ("MACs", [])

    def test_equal_names_of_other_modules_are_other_frames(self) -> None:
        frames = speedscope(nested(handmade.stack(2)))["shared"]["frames"]
        assert [frame["file"] for frame in frames if frame["name"] == "fc (Linear)"] == ["layers.0.fc", "layers.1.fc"]


def trace(text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The file and its timed events, after what the format asks of them was checked."""
    read: dict[str, Any] = json.loads(text)
    about, *events = read["traceEvents"]
    assert (about["ph"], about["name"]) == ("M", "process_name")
    around: list[dict[str, Any]] = []
    now = 0.0
    for event in events:
        assert event["ts"] >= now
        assert (event["pid"], event["tid"]) == (1, 1)
        assert event["name"].isprintable()
        now = event["ts"]
        if event["ph"] == "B":
            around.append(event)
        elif event["ph"] == "E":
            began = around.pop()
            assert event["name"] == began["name"]
            assert event["ts"] > began["ts"]
        else:
            assert event["ph"] == "i"
    assert not around
    return read, events


def shown(events: list[dict[str, Any]]) -> Iterator[tuple[int, str, float]]:
    """Depth, name and place of everything that begins."""
    depth = 0
    for event in events:
        if event["ph"] != "E":
            yield depth, event["name"], event["ts"]
        depth += {"B": 1, "E": -1}.get(event["ph"], 0)


class TestTrace:
    def test_module_calls_are_nested_on_an_axis_of_operations(self) -> None:
        read, events = trace(nested(training()).render("trace"))
        product, other = M * N * (2 * K - 1) + M * N, M * N
        assert list(shown(events)) == [
            (0, "forward", 0), (1, "Net (Net)", 0), (2, "a (Block)", 0), (3, "fc (Linear)", 0), (4, "aten::addmm", 0),
            (3, "aten::relu", product / 1000), (2, "aten::addmm", (product + other) / 1000),
            (2, "mylib::scan: cost unknown", (2 * product + other) / 1000),
            (0, "backward", (2 * product + other) / 1000), (1, "Net (Net)", (2 * product + other) / 1000),
            (2, "a (Block)", (2 * product + other) / 1000), (3, "fc (Linear)", (2 * product + other) / 1000),
            (4, "aten::addmm", (2 * product + other) / 1000), (4, "aten::addmm", (3 * product + other) / 1000),
        ]  # fmt: skip
        assert read["otherData"]["axis"] == "1 ns is 1 exact operation, no time"
        assert "1 ns is 1 exact operation, no time" in read["traceEvents"][0]["args"]["name"]

    @pytest.mark.parametrize("made", [training, hostile, handmade.stack, handmade.classifier])
    def test_events_have_whole_numbers_that_add_up(self, made) -> None:
        profile = made()
        _, events = trace(profile.render("trace"))
        for kind in ("phase", "operator"):
            args = [event["args"] for event in events if event.get("cat") == kind]
            assert sum(each["exact operations"] for each in args) == profile.cost.exact
            assert sum(each["MACs"] for each in args) == profile.macs
        assert events[-1]["ts"] == profile.cost.exact / 1000

    def test_calls_that_count_nothing_divide_no_module(self) -> None:
        nothing = Operation("aten::view.default", "movement", {}, {}, (), Cost(), "float32", reason="a view")
        modules = [handmade.module("", "Net"), handmade.module("a", "Linear")]
        ran = [(handmade.linear(), "a"), (nothing, ""), (handmade.linear(), "a")]
        _, events = trace(nested(handmade.profile(modules, ran)).render("trace"))
        assert [name for _, name, _ in shown(events)] == ["forward", "Net (Net)", "a (Linear)", *["aten::addmm"] * 2]

    def test_an_unknown_operator_says_where_it_is(self) -> None:
        _, events = trace(nested(training()).render("trace"))
        (unknown,) = [event for event in events if event["ph"] == "i"]
        assert (unknown["s"], unknown["args"]) == ("t", {"module": "a"})

    def test_a_large_run_has_an_axis_that_programs_can_read(self) -> None:
        product = handmade.linear(10**6, 10**6, 10**6)
        profile = handmade.profile([handmade.module("", "Net")], [(product, "")])
        read, events = trace(profile.render("trace"))
        assert read["otherData"]["axis"] == "1 ns is 1,000,000 exact operations, no time"
        assert events[-1]["ts"] == 2 * 10**18 / 10**6 / 1000

    def test_with_a_device_the_axis_is_least_time(self) -> None:
        found = nested(training()).roofline("h100-sxm")
        read, events = trace(training().render("trace", roofline=found))
        assert read["otherData"]["axis"] == "least time on NVIDIA H100 SXM5 80 GB, not measured"
        assert events[-1]["ts"] == pytest.approx(found.least_s * 10**6)
        assert [name for _, name, _ in shown(events)] == [
            "forward", "Net (Net)", "a (Block)", "fc (Linear)", "aten::addmm", "aten::relu", "aten::addmm",
            "backward", "Net (Net)", "a (Block)", "fc (Linear)", "aten::addmm", "aten::addmm",
        ]  # fmt: skip
        (forward,) = [event for event in events if event["name"] == "forward" and event["ph"] == "B"]
        assert forward["args"]["operations"] == found.by("phase")["forward"].operations

    def test_nothing_has_no_events(self) -> None:
        assert trace(handmade.empty().render("trace"))[1] == []


class TestJsonLines:
    def test_a_line_is_a_row_with_whole_numbers(self) -> None:
        lines = handmade.stack(2).render("jsonl", columns=["macs", "class"], sort="model").splitlines()
        assert [json.loads(line) for line in lines][:3] == [
            {"path": "", "macs": 4 * M * K * N, "class": "Net"},
            {"path": "layers", "macs": 4 * M * K * N, "class": "ModuleList"},
            {"path": "layers.0", "macs": 2 * M * K * N, "class": "Block"},
        ]
        assert len(handmade.stack(2).render("jsonl", only="*.fc").splitlines()) == 2

    def test_rows_with_unknown_calls_say_so(self) -> None:
        rows = {row["path"]: row for row in map(json.loads, training().render("jsonl").splitlines())}
        assert (rows[""]["unknown"], rows["a"]["unknown"]) == (1, 1)
        assert "unknown" not in rows["a.fc"]

    def test_names_stay_in_their_line(self) -> None:
        lines = hostile().render("jsonl").split("\n")
        assert [json.loads(line)["path"] for line in lines if line] == ["", HOSTILE]


class TestLatex:
    def test_a_table_of_booktabs_with_indents(self) -> None:
        assert handmade.classifier().render("latex", columns=["macs", "share"]) == (
            "% Net\n% Needs \\usepackage{booktabs}.\n\\begin{tabular}{lrr}\n\\toprule\n"
            "module & MACs & \\% of MACs \\\\\n"
            "\\midrule\nNet & 512 & 100.0\\% \\\\\n\\quad fc & 512 & 100.0\\% \\\\\n\\quad act & 0 & 0.0\\% \\\\\n"
            "\\bottomrule\n\\end{tabular}\n"
        )

    def test_lower_bounds_and_what_was_left_out_are_said(self) -> None:
        rendered = training().render("latex", only="a", columns=["macs"])
        assert "% Modules like a alone; shares and totals are of the whole Net.\n" in rendered
        assert "\na & $\\geq$ 1.536 k \\\\\n" in rendered

    def test_every_row_has_every_cell_and_nothing_runs(self) -> None:
        rendered = hostile().render("latex", columns=["class", "macs"])
        lines = rendered.splitlines()
        assert all(line.startswith("% ") for line in lines[: lines.index(r"\begin{tabular}{llr}")])
        rows = [line for line in lines if line.endswith(r"\\")]
        assert len(rows) == 1 + 2
        assert all(len(re.findall(r"(?<!\\)&", row)) == 2 for row in rows)
        assert "\\input" not in "\n".join(rows).replace(r"\textbackslash{}", "")


def test_an_unknown_format_gets_a_sentence() -> None:
    with pytest.raises(InputError, match=r"no view 'latx'.*Did you mean 'latex'"):
        handmade.empty().render("latx")


def test_a_format_is_rendered_with_a_layout() -> None:
    assert handmade.classifier().render("csv", columns=["macs"], top=1) == f"path,macs\nfc,{M * K * N}\n"
