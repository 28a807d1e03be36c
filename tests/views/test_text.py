from __future__ import annotations

import handmade
import pytest

from flopsight import Convention
from flopsight.calls import Operation
from flopsight.cost import Cost, TensorSpec
from flopsight.views import text

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
    assert "layers.0-2" in "\n".join(lines)


def test_columns_that_were_asked_for_are_never_left_out() -> None:
    lines = text.render(handmade.classifier(), width=32, columns=["input", "output", "macs", "calls"]).splitlines()
    assert max(map(len, lines)) <= 32
    assert len(lines[1].split()) == 5


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
