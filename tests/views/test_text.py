from __future__ import annotations

import handmade
import pytest
from rich.cells import cell_len
from rich.text import Text

from flopsight import Convention
from flopsight.calls import Operation
from flopsight.cost import Cost, TensorSpec
from flopsight.profiles import Profile
from flopsight.views import columns, text

ESCAPE = "\x1b"


def test_nothing_prints_well() -> None:
    assert text.render(handmade.empty()) == (
        "Identity\n"
        "module     class      input   output   parameters   MACs   FLOPs   % of exact operations   calls\n"
        "────────────────────────────────────────────────────────────────────────────────────────────────\n"
        "Identity   Identity   -       -                 0      0       0                       -       0\n"
        "\n"
        "MACs        0  multiply-accumulates of contractions\n"
        "FLOPs       0  2 x MACs\n"
        "exact       0  every scalar operation of every operator\n"
        "parameters  0  0 trainable, 0 frozen; 0 B\n"
        "calls       0  operator calls\n"
    )


def test_a_profile_prints_its_tree_and_totals() -> None:
    assert str(handmade.classifier()) == (
        "Net\n"
        "module   class    input   output   parameters   MACs     FLOPs   % of MACs   calls\n"
        "──────────────────────────────────────────────────────────────────────────────────\n"
        "Net      Net      4x16    4x16            144    512   1.024 k      100.0%       1\n"
        "  fc     Linear   4x16    4x16            144    512   1.024 k      100.0%       1\n"
        "  act    ReLU     4x16    4x16              0      0         0        0.0%       1\n"
        "\n"
        "MACs          512  multiply-accumulates of contractions\n"
        "FLOPs       1,024  2 x MACs\n"
        "exact       1,088  every scalar operation of every operator\n"
        "parameters    144  144 trainable, 0 frozen; 576 B\n"
        "calls           2  operator calls\n"
    )


def test_text_is_plain_unless_colour_is_asked_for() -> None:
    assert ESCAPE not in text.render(handmade.classifier())
    assert ESCAPE in text.render(handmade.classifier(), color=True)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_table_fits_the_width(width: int) -> None:
    profile = handmade.stack(12)
    profile.modules["layers.3"].kind = "AnExceptionallyLongNameForABlock"
    lines = text.render(profile, width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert lines.index("") == 3 + 10  # title, heading, rule; each row in one line
    assert ("layers.0-2" if width > 40 else "layers…-2 (3 x)") in "\n".join(lines)


def crowded() -> Profile:
    """Long names, wide characters, a large model, phases, unknown operators and long notes."""
    modules = [handmade.module("", "ForConditionalGenerationWithAVeryLongName" * 2)]
    ran: list[tuple[Operation, str, int]] = []
    for name in ("self_attention_with_a_long_name", "注意力模块" * 8, "b" * 90):
        modules += [handmade.module(name, "視覚的注意機構" * 5), handmade.module(f"{name}.inner", "Linear")]
        ran += [(handmade.linear(10**6, 10**5, 10**6), f"{name}.inner", phase) for phase in (0, 1, 3)]
    ran.append((handmade.unknown("a/very/long/path/to/the/code/of/a/user.py:12" * 2), "", 0))
    return handmade.profile(modules, ran, notes=["A sentence that says at length what was assumed. " * 3, "x" * 250])


@pytest.mark.parametrize("bars", [False, True])
@pytest.mark.parametrize("columns", [None, columns.names()], ids=["default", "all"])
@pytest.mark.parametrize("more", [{}, {"flat": True}, {"top": 2}, {"only": "*inner"}], ids=str)
@pytest.mark.parametrize("profile", [crowded, handmade.empty, handmade.stack])
def test_no_line_is_longer_than_the_terminal(profile, more, columns, bars: bool) -> None:
    if more == {"only": "*inner"} and profile is not crowded:
        more = {"only": "*"}
    made = profile()
    for width in range(60, 201, 7):
        lines = text.render(made, width=width, bars=bars, columns=columns, **more).splitlines()
        assert max(map(cell_len, lines)) <= width


def test_columns_that_were_asked_for_are_never_left_out() -> None:
    wanted = ["input", "output", "macs", "calls"]
    lines = text.render(handmade.classifier(), width=32, columns=wanted).splitlines()
    assert max(map(len, lines)) <= 32
    assert lines[1].split() == ["module", "input", "output", "MACs"]
    assert lines[7].split() == ["module", "calls"]
    assert [lines[8 + row].split() for row in (1, 2, 3)] == [["Net", "1"], ["fc", "1"], ["act", "1"]]
    assert "module   input   output   MACs   calls\n" in text.render(handmade.classifier(), columns=wanted)


def test_numbers_are_never_cut() -> None:
    made = crowded()
    for width in (60, 75, 200):
        (line,) = [line for line in text.render(made, width=width).splitlines() if line.startswith("For")][1:2]
        assert ">= 900.000 P" in line
    assert "900,000,000,000,000,000" in text.render(made, width=60)


def test_texts_that_were_asked_for_are_cut_and_numbers_are_not() -> None:
    rendered = text.render(crowded(), width=60, columns=["class", "macs", "params"])
    name = "ForConditiona…AVeryLongName"
    assert f"\n{name}   {name}\n" in rendered
    assert f"\n{name}   >= 900.000 P            0\n" in rendered


def test_bars_make_room_for_whole_paths_and_not_for_trees() -> None:
    listed = text.render(handmade.stack(3), width=54, bars=True, top=1, columns=None)
    assert "layers.0-2 (3 x) (own code)" in listed
    assert "█" not in listed
    assert "█" in text.render(handmade.stack(3), width=54, bars=True)
    assert "█" in text.render(handmade.stack(3), width=70, bars=True, top=1)


def test_phases_are_shorter_where_there_is_no_room() -> None:
    rows = [line.split() for line in text.render(crowded(), width=60).splitlines()]
    assert ["backward", "300.000", "P", "600.000", "P", "600.000", "P", "3"] in rows
    assert ["backward", *["300,000,000,000,000,000", "600,000,000,000,000,000"]] in [
        line.split()[:3] for line in text.render(crowded(), width=140).splitlines()
    ]


def shares(*macs: int, **options) -> list[str]:
    """The rows of a model of layers with so many multiply-accumulates, drawn with bars."""
    modules = [handmade.module("", "Net"), *(handmade.module(f"m{name}", "Linear") for name in "abcdefgh"[: len(macs)])]
    ran = [(handmade.linear(1, 1, each), node.path) for node, each in zip(modules[1:], macs, strict=True)]
    rendered = text.render(handmade.profile(modules, ran), bars=True, columns=["share"], **options)
    return rendered.split("\n\n")[0].splitlines()[4:]


def test_bars_are_as_long_as_shares() -> None:
    whole, eighth = "█" * 16, "▏"
    assert shares(100)[0].split() == ["ma", "100.0%", whole]
    first, second, third = shares(1000, 875, 125)
    assert first.split() == ["ma", "50.0%", "█" * 8, "◂"]
    assert second.split() == ["mb", "43.8%", "█" * 7, "◂"]
    assert third.split() == ["mc", "6.2%", "█"]
    assert shares(127, 1)[1].split() == ["mb", "0.8%", eighth]
    assert shares(100000, 1)[1].split() == ["mb", "0.0%"]


@pytest.mark.parametrize(("macs", "marked"), [
    ((5, 4, 3, 2), 3), ((5, 4, 2, 2), 2), ((5, 2, 2, 2), 1), ((2, 2, 2, 2), 0), ((5, 4), 1), ((5,), 0),
])  # fmt: skip
def test_rows_that_stand_out_are_marked(macs: tuple[int, ...], marked: int) -> None:
    assert [row.endswith("◂") for row in shares(*macs)] == [True] * marked + [False] * (len(macs) - marked)


def test_only_rows_with_none_below_are_marked() -> None:
    rows = [line for line in text.render(handmade.stack(2), bars=True).splitlines() if "%" in line][1:]
    assert [("◂" in row) for row in rows] == [False] * len(rows)  # all alike
    assert "◂" not in text.render(handmade.stack(4), bars=True, depth=0)


def test_marks_are_not_of_colour_alone_and_colour_not_of_all() -> None:
    plain = shares(5, 4, 3, 2)
    coloured = shares(5, 4, 3, 2, color=True)
    assert [Text.from_ansi(line).plain.rstrip() for line in coloured] == plain
    assert "█" not in text.render(handmade.stack())
    assert "◂" not in text.render(handmade.stack())


def test_what_was_left_out_is_said_below_the_table() -> None:
    assert "\nThe 1 of 2 rows with the greatest % of MACs; together 100.0%.\n" in text.render(
        handmade.classifier(), top=1
    )
    assert "\nModules like f* alone; shares and totals are of the whole Net.\n" in text.render(
        handmade.classifier(), only="f*"
    )


def test_names_are_not_read_as_markup() -> None:
    modules = [handmade.module("", "Net"), handmade.module("[red]", "[/bold]")]
    assert "[red]" in text.render(handmade.profile(modules))


def test_unknown_operators_are_named_and_totals_are_lower_bounds() -> None:
    modules = [handmade.module("", "Net")]
    calls = [(handmade.linear(), ""), (handmade.unknown(), ""), (handmade.unknown(None), "")]
    rendered = text.render(handmade.profile(modules, calls))
    assert "MACs          >= 512  multiply-accumulates of contractions (1 operator unknown)" in rendered
    assert "Unknown cost, missing from the numbers above:" in rendered
    assert "mylib::scan  2 calls  first at net.py:12" in rendered
    assert "Unknown cost" not in text.render(handmade.classifier())


def test_assumptions_are_listed() -> None:
    assert "Assumptions:\n  batch is 1\n" in text.render(
        handmade.profile([handmade.module("", "Net")], notes=["batch is 1"])
    )


def test_phases_are_shown_if_there_is_more_than_forward() -> None:
    modules = [handmade.module("", "Net")]
    product = handmade.linear()
    rendered = text.render(handmade.profile(modules, [(product, "", 0), (product, "", 1), (product, "", 1)]))
    assert "phase      MACs  FLOPs  exact operations  operator calls\n" in rendered
    assert "backward  1,024  2,048             2,048               2\n" in rendered
    assert "phase" not in text.render(handmade.classifier())


def test_masked_macs_give_an_effective_count() -> None:
    spec = TensorSpec((2, 2))
    cost = Cost(macs=100, results=10, masked_macs=40)
    attention = Operation("aten::attention", "attention", {"q": spec}, {}, (spec,), cost, "float32")
    rendered = text.render(handmade.profile([handmade.module("", "Net")], [(attention, "")]))
    assert "effective    60  MACs without those that attention masks make unnecessary" in rendered
    assert "effective" not in text.render(handmade.classifier())


def test_parameters_say_what_they_are() -> None:
    own = [
        handmade.parameter("weight", 8, 4, identity=1),
        handmade.parameter("frozen", 8, identity=2, trainable=False),
        handmade.parameter("mean", 4, identity=3, buffer=True),
    ]
    modules = [
        handmade.module("", "Net", *own),
        handmade.module("head", "Linear", handmade.parameter("w", 8, 4, identity=1)),
    ]
    rendered = text.render(handmade.profile(modules))
    assert "parameters  40  32 trainable, 8 frozen, 32 more tied to them; 160 B" in rendered
    assert "buffers      4  elements; 16 B" in rendered


def test_a_convention_of_ones_own_is_totalled() -> None:
    calls = Convention("calls", "One for each call. More text.", "calls", lambda operation: {"all": 1})
    rendered = text.render(handmade.classifier(), convention=calls)
    assert "calls           2  calls: One for each call\n" in rendered
    assert "% of calls calls" in rendered


def test_title_says_what_was_run() -> None:
    profile = handmade.classifier()
    profile.about = {"inputs": ["float32[4, 8]", ["[2]"], {"mask": "bool[4]"}], "address": "net.py:Net"}
    assert text.render(profile["fc"]).startswith("Net (net.py:Net), module fc on float32[4, 8], [[2]], mask=bool[4]\n")
