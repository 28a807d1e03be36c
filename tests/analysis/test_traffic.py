from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import flopsight
from flopsight.analysis.traffic import BY_REASON, NO_TRAFFIC, Moves, Traffic, broadcast, traffic
from flopsight.calls import Operation
from flopsight.formulas.registry import load_formulas

F32 = 4


def of(run: Any, *inputs: Any, name: str) -> Traffic:
    """What the one call of an operator in a run reads and writes."""
    record = flopsight.profile(run, [*inputs])
    (operation,) = [operation for operation in record.operations if operation.name == name]
    return traffic(operation, broadcast(record.operations))


def sizes(moved: Traffic) -> tuple[list[int], list[int]]:
    return [size for _, size in moved.reads], list(moved.writes)


def test_every_reason_for_costing_nothing_says_what_moves() -> None:
    reasons = {formula.reason for formula in load_formulas() if formula.reason}
    assert reasons == BY_REASON.keys()


def test_views_and_questions_move_nothing() -> None:
    record = flopsight.profile(lambda x: x.view(6).unsqueeze(0).t().expand(6, 5).detach(), (2, 3))
    stored = broadcast(record.operations)
    assert len(record.operations) >= 5
    assert all(traffic(operation, stored) is NO_TRAFFIC for operation in record.operations)


def test_an_operator_reads_its_inputs_and_writes_its_results() -> None:
    moved = of(lambda x, y: x + y, (8, 4), (8, 4), name="aten::add")
    assert sizes(moved) == ([8 * 4 * F32, 8 * 4 * F32], [8 * 4 * F32])


def test_a_copy_in_place_does_not_read_what_it_overwrites() -> None:
    moved = of(lambda x, y: x.clone().copy_(y), (8, 4), (8, 4), name="aten::copy_")
    assert sizes(moved) == ([0, 8 * 4 * F32], [8 * 4 * F32])


def test_a_fill_reads_nothing() -> None:
    moved = of(lambda x: x.clone().fill_(1), (8, 4), name="aten::fill_")
    assert sizes(moved) == ([], [8 * 4 * F32])


def test_a_lookup_is_not_taken_to_read_the_table() -> None:
    moved = of(nn.Embedding(1000, 16), flopsight.spec(5, dtype="int64"), name="aten::embedding")
    assert sizes(moved) == ([], [5 * 16 * F32])


def test_a_write_to_given_positions_in_place_may_move_next_to_nothing() -> None:
    positions = torch.tensor([1])
    moved = of(lambda x, y: x.clone().index_add_(0, positions, y), (1000, 4), (1, 4), name="aten::index_add_")
    assert moved is NO_TRAFFIC


def test_a_broadcast_tensor_is_read_as_large_as_its_memory() -> None:
    moved = of(lambda x, y: x.expand(8, 4) + y, (1, 4), (8, 4), name="aten::add")
    assert sizes(moved) == ([4 * F32] * 2, [8 * 4 * F32])  # which of two of one shape it is, the record does not say


def test_a_convolution_that_strides_over_elements_reads_the_others_alone() -> None:
    moved = of(nn.Conv2d(3, 5, 1, stride=2), (1, 3, 8, 8), name="aten::convolution")
    assert sizes(moved) == ([3 * 8 * 8 * F32 // 4, 5 * 3 * F32, 5 * F32], [5 * 4 * 4 * F32])


def test_a_square_is_read_once() -> None:
    moved = of(lambda x: x * x, (8, 4), name="aten::mul")
    assert sizes(moved) == ([8 * 4 * F32], [8 * 4 * F32])


def test_the_backward_of_pooling_needs_the_sizes_of_its_input_alone() -> None:
    record = flopsight.profile(nn.MaxPool2d(2), flopsight.spec(1, 3, 8, 8), backward=False)
    assert "aten::max_pool2d_with_indices" in {operation.name for operation in record.operations}
    x = torch.randn(1, 3, 8, 8, requires_grad=True)
    record = flopsight.profile(nn.MaxPool2d(2), x, backward=True)
    (back,) = [operation for operation in record.operations if operation.name.endswith("indices_backward")]
    out, index = 3 * 4 * 4 * F32, 3 * 4 * 4 * 8
    assert sizes(traffic(back, {})) == ([out, 0, index], [3 * 8 * 8 * F32])


def test_an_unknown_operator_moves_nothing_that_is_known() -> None:
    spec = flopsight.TensorSpec((8, 4))
    unknown = Operation("mylib::scan.default", "unknown", {"x": spec}, {}, (spec,), None, "float32")
    assert traffic(unknown, {}) is NO_TRAFFIC


@pytest.mark.parametrize("reason", [reason for reason, moved in BY_REASON.items() if moved is Moves.ALL])
def test_only_copies_are_taken_to_read_everything(reason: str) -> None:
    assert reason.startswith(("copies elements", "changes the element type"))


def test_a_write_in_place_that_keeps_elements_may_move_next_to_nothing() -> None:
    assert of(lambda x: x.clone().tril_(), (8, 8), name="aten::tril_") is NO_TRAFFIC
    assert sizes(of(lambda x: x.tril(), (8, 8), name="aten::tril")) == ([], [8 * 8 * F32])


def test_a_sum_that_is_weighted_by_zero_is_not_read() -> None:
    moved = of(lambda c, a, b: torch.baddbmm(c, a, b, beta=0), (2, 3, 5), (2, 3, 4), (2, 4, 5), name="aten::baddbmm")
    assert sizes(moved) == ([0, 2 * 3 * 4 * F32, 2 * 4 * 5 * F32], [2 * 3 * 5 * F32])


def test_the_gradient_of_a_frozen_convolution_needs_no_input() -> None:
    layer = nn.Conv2d(3, 5, 1).requires_grad_(False)
    record = flopsight.profile(layer, torch.randn(1, 3, 8, 8, requires_grad=True), backward=True)
    (back,) = [operation for operation in record.operations if operation.name == "aten::convolution_backward"]
    assert sizes(traffic(back, {})) == ([5 * 8 * 8 * F32, 0, 5 * 3 * F32], [3 * 8 * 8 * F32])
