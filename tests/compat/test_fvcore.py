from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from compat.originals import MODELS, build
from torch import nn

from flopsight.compat import fvcore
from flopsight.compat._pipe import pipe_table

IMAGE = (1, 3, 64, 64)
NO_TRACE = {"mnasnet1_0": Counter({"aten::dropout_": 1})}
"""In eval mode an in-place dropout is no operator: it is in a trace and does not run."""


@contextmanager
def quiet() -> Iterator[None]:
    """The original traces, and tracing warns."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def cells(table: str) -> list[list[str]]:
    """The cells of a table without their white space, which the original loses with tabulate 0.10."""
    return [[cell.strip(" :-") for cell in line.split("|")] for line in table.splitlines()]


@pytest.fixture(scope="module", params=MODELS)
def both(request: pytest.FixtureRequest, torchvision: None) -> Iterator[tuple[str, nn.Module, Any, Any]]:
    """The original's and our counts of flops and activations for a model."""
    original = pytest.importorskip("fvcore.nn")
    model, image = build(request.param, real=True).eval(), torch.zeros(IMAGE)
    with quiet():
        theirs = [kind(model, image) for kind in (original.FlopCountAnalysis, original.ActivationCountAnalysis)]
        ours = [kind(model, image) for kind in (fvcore.FlopCountAnalysis, fvcore.ActivationCountAnalysis)]
        yield request.param, model, theirs, ours


def test_counts_are_the_originals(both: Any) -> None:
    for theirs, ours in zip(*both[2:], strict=True):
        assert ours.total() == theirs.total()
        assert ours.by_operator() == theirs.by_operator()
        assert ours.by_module() == theirs.by_module()
        assert ours.by_module_and_operator() == theirs.by_module_and_operator()
        assert ours.uncalled_modules() == theirs.uncalled_modules()


def test_unsupported_operators_are_the_originals(both: Any) -> None:
    name, _, (theirs, _), (ours, _) = both
    theirs.total()  # before it has counted, the original does not tell
    assert ours.unsupported_ops() + NO_TRACE.get(name, Counter()) == theirs.unsupported_ops()


def test_tables_are_the_originals(both: Any) -> None:
    original = pytest.importorskip("fvcore.nn")
    _, model, (flops, activations), (our_flops, our_activations) = both
    assert fvcore.flop_count_str(our_flops, our_activations) == original.flop_count_str(flops, activations)
    assert fvcore.parameter_count(model) == original.parameter_count(model)
    for depth in (1, 3):
        ours, theirs = fvcore.parameter_count_table(model, depth), original.parameter_count_table(model, depth)
        assert cells(ours) == cells(theirs)
    assert cells(fvcore.flop_count_table(our_flops)) == cells(original.flop_count_table(flops))
    ours = fvcore.flop_count_table(our_flops, 2, our_activations, show_param_shapes=False)
    theirs = original.flop_count_table(flops, 2, activations, show_param_shapes=False)
    assert cells(ours) == cells(theirs)


def test_attention_is_all_that_the_original_leaves_out_of_a_vision_transformer(torchvision: None) -> None:
    original = pytest.importorskip("fvcore.nn")
    from torchvision.models import VisionTransformer

    layers, heads, width, side, patch = 2, 4, 32, 32, 8
    model = VisionTransformer(side, patch, layers, heads, width, 4 * width).eval()
    tokens = (side // patch) ** 2 + 1
    with quiet():
        theirs = original.FlopCountAnalysis(model, torch.zeros(1, 3, side, side))
        ours = fvcore.FlopCountAnalysis(model, torch.zeros(1, 3, side, side))
        attention = {"scaled_dot_product_attention": layers * 2 * tokens * tokens * width}
        assert ours.by_operator() == theirs.by_operator() + Counter(attention)
        assert "aten::scaled_dot_product_attention" in theirs.unsupported_ops()
        assert "aten::scaled_dot_product_attention" not in ours.unsupported_ops()


class Products(nn.Module):
    """Every way to write a product, each of M*K*N."""

    M, K, N = 4, 6, 8

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(self.K, self.N)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
        return [
            self.linear(x),
            nn.functional.linear(x, y.t()),
            nn.functional.linear(x[None], y.t()),
            x @ y,
            x[None] @ y[None],
            torch.bmm(x[None], y[None]),
            torch.addmm(torch.zeros(self.N), x, y),
            torch.einsum("bmk,bkn->bmn", x[None], y[None]),
        ]


def test_products_have_the_names_that_a_trace_gives_them() -> None:
    M, K, N = Products.M, Products.K, Products.N
    inputs = (torch.zeros(M, K), torch.zeros(K, N))
    analysis = fvcore.FlopCountAnalysis(Products(), inputs).unsupported_ops_warnings(False)
    product = M * K * N
    expected = {"linear": 3 * product, "matmul": 2 * product, "bmm": product, "addmm": product, "einsum": product}
    assert analysis.by_operator() == expected
    original = pytest.importorskip("fvcore.nn")
    with quiet():
        assert original.FlopCountAnalysis(Products(), inputs).by_operator() == expected


class Norms(nn.Module):
    """Everything that fvcore has a handle for."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.up = nn.Conv2d(4, 4, 3, groups=2), nn.ConvTranspose2d(4, 4, 2, stride=2)
        self.batch, self.group, self.instance = nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4)
        self.layer, self.pool, self.fc = nn.LayerNorm(8), nn.AdaptiveAvgPool2d(1), nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer(self.instance(self.group(self.batch(self.up(self.conv(x))))))
        x = nn.functional.interpolate(x, scale_factor=2, mode="bilinear") + nn.functional.interpolate(x, scale_factor=2)
        return self.fc(self.pool(x).flatten(1)) @ torch.ones(5, 4)


@pytest.mark.parametrize("training", [True, False])
def test_handles_written_for_the_original_give_the_same_counts(training: bool) -> None:
    handles = pytest.importorskip("fvcore.nn.flop_count")._DEFAULT_SUPPORTED_OPS
    model, image = Norms().train(training), torch.zeros(2, 4, 6, 6)
    with quiet():
        by_handles = fvcore.JitModelAnalysis(model, image).set_op_handle(**handles)
        expected = fvcore.FlopCountAnalysis(model, image).by_module_and_operator()
        theirs = pytest.importorskip("fvcore.nn").FlopCountAnalysis(model, image).by_module_and_operator()
    assert by_handles.by_module_and_operator() == expected == theirs
    assert len(expected[""]) == 10


def test_table_keeps_the_indentation() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(10, 10), nn.ReLU()), nn.Linear(10, 10))
    table = fvcore.flop_count_table(fvcore.FlopCountAnalysis(model, torch.zeros(1, 10)))
    assert table.splitlines() == [
        "| module       | #parameters or shape   | #flops   |",
        "|:-------------|:-----------------------|:---------|",
        "| model        | 0.22K                  | 0.2K     |",
        "|  0.0         |  0.11K                 |  100     |",
        "|   0.0.weight |   (10, 10)             |          |",
        "|   0.0.bias   |   (10,)                |          |",
        "|  1           |  0.11K                 |  100     |",
        "|   1.weight   |   (10, 10)             |          |",
        "|   1.bias     |   (10,)                |          |",
    ]


def test_table_ends_at_the_depth_asked_for() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), nn.Linear(3, 3))
    table = fvcore.flop_count_table(fvcore.FlopCountAnalysis(model, torch.zeros(1, 3)), max_depth=1)
    assert [row[1] for row in cells(table)[2:]] == ["model", "0", "1"]


def test_table_keeps_a_module_for_what_is_below_it() -> None:
    class Direct(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.direct = nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool2d(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.direct.forward(x)

    analysis = fvcore.FlopCountAnalysis(Direct(), torch.zeros(1, 1, 4, 4)).ancestor_mode("caller")
    assert analysis.by_module() == {"": 16, "direct": 0, "direct.0": 0, "direct.1": 16}
    assert cells(fvcore.flop_count_table(analysis))[2:] == [["", "direct.1", "", "16", ""]]


def test_pipe_tables_align_integers_to_the_right() -> None:
    tabulate = pytest.importorskip("tabulate").tabulate
    rows = [["a", "1", "x"], ["bcdef", "12345678", ""], ["", "", "10"]]
    headers = ["name", "n", "mixed"]
    assert pipe_table(headers, rows) == tabulate(rows, headers=headers, tablefmt="pipe")


def test_an_empty_model_has_a_table() -> None:
    analysis = fvcore.FlopCountAnalysis(nn.Identity(), torch.zeros(1))
    assert "| model" in fvcore.flop_count_table(analysis)
    assert fvcore.flop_count_str(analysis) == "Identity(#params: 0, #flops: 0)"
