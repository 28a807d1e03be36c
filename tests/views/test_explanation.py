from __future__ import annotations

import handmade

from flopsight.cost import Cost
from flopsight.views.explanation import markdown


def test_two_conventions_and_their_difference() -> None:
    assert str(handmade.classifier().explain("macs", "ptflops")) == (
        "Net: what each convention counts\n"
        "  part           macs, MACs   ptflops, MACs   difference\n"
        " ────────────────────────────────────────────────────────\n"
        "  contractions          512             512            0\n"
        "  biases                  0              64          +64\n"
        "  activation              0             128         +128\n"
        " ────────────────────────────────────────────────────────\n"
        "  total                 512             704         +192\n"
        "\n"
        "ptflops counts 192 (37.5%) more than macs: activation +128, biases +64."
    )


def test_units_that_differ_are_named() -> None:
    assert str(handmade.classifier().explain("flops", "macs")).endswith(
        "macs counts 512 (50.0%) less than flops, in MACs instead of FLOPs: contractions -512."
    )


def test_conventions_that_agree() -> None:
    assert str(handmade.classifier().explain("macs", "torchvision")).endswith("torchvision counts the same as macs.")


def test_masks_and_unknown_operators() -> None:
    masked = handmade.linear()._replace(cost=Cost(macs=10, masked_macs=4))
    profile = handmade.profile([handmade.module("", "Net")], [(masked, ""), (handmade.unknown(), "")])
    text = str(profile.explain("macs"))
    assert "Attention masks make 4 MACs unnecessary" in text
    assert text.endswith("Lower bounds: mylib::scan unknown.")


def test_a_model_that_does_nothing() -> None:
    assert str(handmade.empty().explain("macs", "thop")).endswith("thop counts the same as macs.")


def test_markdown() -> None:
    assert markdown(handmade.classifier().explain("macs", "flops", "thop")).splitlines() == [
        "| part | macs, MACs | flops, FLOPs | thop, MACs |",
        "| --- | ---: | ---: | ---: |",
        "| contractions | 512 | 1,024 | 512 |",
        "| total | 512 | 1,024 | 512 |",
        "",
        "- flops counts 512 (100.0%) more than macs, in FLOPs instead of MACs: contractions +512.",
        "- thop counts the same as macs.",
    ]
