"""What is known of composite operators and layers without running them, against PyTorch's own code."""

from __future__ import annotations

import itertools
from functools import partial

import pytest
import torch
from told import compared, orders, t
from torch import nn
from torch.library import _scoped_library
from versions import REFERENCE

from flopsight import profile
from flopsight.tracing import parts
from flopsight.tracing.memo import MEMO
from flopsight.tracing.parts import known

aten = torch.ops.aten


OPERATORS = {
    aten.reshape.default: [
        (partial(torch.reshape, shape=shape), [made])
        for shape in [(6, -1), (-1,), (2, 3, 4), (2, 12), (4, 3, 2), (1, 2, 3, 4, 1), (5, 5), (0, -1)]
        for made in orders(2, 3, 4)
    ],
    aten.flatten.using_ints: [
        (partial(torch.flatten, start_dim=start, end_dim=end), [made])
        for start, end in [(0, -1), (1, -1), (1, 2), (-2, -1), (1, 1), (2, 1), (0, 9)]
        for made in [*orders(2, 3, 4), t(), t(5), t(0, 3, 4)]
    ],
    aten.contiguous.default: [
        (torch.Tensor.contiguous, [made]) for made in [*orders(2, 3, 4), *orders(3, 1, 4), t(0, 3)]
    ],
    aten.pad.default: [
        (partial(nn.functional.pad, pad=pad, **given), [made])
        for pad in [(1, 1), (0, 0), (1, 0, 2, 3), (-1, 0), (1,)]
        for given in [{}, {"value": 2.5}, {"value": 0}, {"mode": "reflect"}, {"mode": "circular"}]
        for made in orders(2, 3, 4)
    ],
    aten.conv1d.default: [
        (partial(nn.functional.conv1d, **given), [made, weight, *bias])
        for given in [{}, {"stride": 2, "padding": 1}, {"dilation": 2}, {"padding": "same"}]
        for made in [*orders(2, 4, 9), t(4, 9), t(2, 3, 9), t(2, 4, 2), t(0, 4, 9), t(2, 4, 9, dtype=torch.float64)]
        for weight in [t(6, 4, 3), t(6, 3)]
        for bias in [[], [t(6)], [t(5)]]
    ],
    aten.conv2d.default: [
        (partial(nn.functional.conv2d, **given), [made, weight, *bias])
        for given in [{}, {"stride": (2, 1)}, {"padding": (1, 2), "dilation": 2}, {"groups": 4}, {"padding": "valid"}]
        for made in [*orders(2, 4, 9, 9), t(4, 9, 9), t(2, 4, 9), t(2, 4, 9, 9, dtype=torch.bfloat16)]
        for weight in [t(8, 4, 3, 3), t(8, 1, 3, 3)]
        for bias in [[], [t(8)]]
    ],
    aten.conv3d.default: [
        (partial(nn.functional.conv3d, **given), [made, weight])
        for given in [{}, {"stride": (2, 1, 1)}, {"padding": 1}]
        for made in [*orders(2, 4, 5, 5, 5), t(4, 5, 5, 5)]
        for weight in [t(6, 4, 3, 3, 3)]
    ],
    aten.linear.default: [
        (nn.functional.linear, [made, weight, *bias])
        for shape in [(3,), (2, 3), (2, 4, 3), (2, 4, 5, 3), (1, 1, 3), (0, 3), (2, 0, 3), (2, 4)]
        for made in orders(*shape)
        for weight in [t(7, 3), t(3)]
        for bias in [[], [t(7)], [t(1)], [t(2, 7)], [t(7, dtype=torch.float64)]]
    ],
    aten.matmul.default: [
        (torch.matmul, [made, second])
        for first, other in [
            ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((5, 6, 2, 3), (3, 4)),
            ((5, 2, 3), (5, 3, 4)), ((5, 6, 2, 3), (5, 6, 3, 4)), ((5, 1, 2, 3), (5, 6, 3, 4)),
            ((1, 1, 2, 3), (1, 1, 3, 4)), ((5, 6, 2, 3), (6, 3, 4)), ((5, 6, 2, 3), (5, 6, 2, 4)),
            ((2, 3), (5, 3, 4)), ((0, 2, 3), (3, 4)), ((5, 0, 2, 3), (5, 0, 3, 4)), ((1, 7, 5, 2, 3), (1, 7, 5, 3, 2)),
        ]
        for made, second in itertools.islice(itertools.product(orders(*first), orders(*other)), 0, None, 2)
    ],
    aten.batch_norm.default: [
        (partial(nn.functional.batch_norm, training=training), [made, t(n), t(n), *rest])
        for training in (False, True)
        for made in [*orders(2, 3, 4, 4), t(2, 3), t(3), t(0, 3, 4)]
        for n in (3, 4)
        for rest in [[], [t(3), t(3)], [t(4), t(3)]]
    ],
    aten.layer_norm.default: [
        (lambda x, *rest, shape=shape: nn.functional.layer_norm(x, shape, *rest), [made, *rest])
        for shape in [(4,), (3, 4), (5,)]
        for made in [*orders(2, 3, 4), t(0, 3, 4)]
        for rest in [[], [t(*shape)], [t(*shape), t(*shape)], [t(7)]]
    ],
    aten.softmax.int: [
        (partial(torch.softmax, dim=dim, dtype=dtype), [made])
        for dim in (0, -1, 7)
        for dtype in (None, torch.float64, torch.float32)
        for made in [*orders(2, 3, 4), t(), t(2, 3, dtype=torch.bfloat16), t(0, 3)]
    ],
    aten.dropout.default: [
        (partial(torch.dropout, p=p, train=train), [made])
        for p in (0.0, 0.5, 1.0, 1.5)
        for train in (False, True)
        for made in [*orders(2, 3, 4), t(0, 3)]
    ],
    aten.max_pool2d.default: [
        (partial(torch.max_pool2d, **given), [made])
        for given in [
            {"kernel_size": 2}, {"kernel_size": (2, 3), "stride": 1}, {"kernel_size": 3, "padding": 1, "dilation": 2},
            {"kernel_size": 2, "ceil_mode": True}, {"kernel_size": 9}, {"kernel_size": 2, "padding": 2},
            {"kernel_size": (2, 2, 2)}, {"kernel_size": 2, "stride": 0},
        ]
        for made in [*orders(2, 3, 7, 7), t(3, 7, 7), t(3, 7), t(0, 3, 7, 7), t(2, 0, 7, 7)]
    ],
    aten.adaptive_avg_pool2d.default: [
        (partial(nn.functional.adaptive_avg_pool2d, output_size=size), [made])
        for size in (1, (1, 1), (2, 1), 3, (None, 1))
        for made in [*orders(2, 3, 4, 4), *orders(2, 1, 4, 4), *orders(3, 1, 1, 1), t(3, 4, 4), t(3, 4), t(0, 3, 4, 4)]
    ],
}  # fmt: skip


@pytest.mark.parametrize("operator", OPERATORS, ids=str)
def test_the_parts_of_an_operator_are_what_pytorch_runs(operator):
    known_of = [compared(run, [made() for made in makers]) for run, makers in OPERATORS[operator]]
    assert sum(known_of) >= 3


LAYERS = [
    nn.Conv1d(4, 6, 3), nn.Conv1d(4, 6, 3, bias=False), nn.Conv1d(4, 6, 3, padding="same"),
    nn.Conv1d(4, 6, 3, padding_mode="circular"), nn.Conv2d(4, 8, 3), nn.Conv2d(4, 8, 3, stride=(2, 1), padding=1),
    nn.Conv2d(4, 8, 3, groups=4), nn.Conv2d(4, 8, 3, dtype=torch.float64),
    nn.Conv3d(4, 6, 2), nn.Conv3d(4, 6, 2, dilation=2, bias=False), nn.Linear(4, 5), nn.Linear(4, 5, bias=False),
    nn.LayerNorm(4), nn.LayerNorm((9, 4)), nn.LayerNorm(4, elementwise_affine=False), nn.LayerNorm(4, bias=False),
    nn.BatchNorm1d(4), nn.BatchNorm1d(4, affine=False), nn.BatchNorm1d(4, eps=-1.0), nn.BatchNorm2d(4, momentum=None),
    nn.BatchNorm2d(4, track_running_stats=False), nn.BatchNorm2d(4, eps=0), nn.BatchNorm3d(4),
    nn.ReLU(), nn.ReLU(inplace=True), nn.SiLU(), nn.SiLU(inplace=True), nn.Hardswish(), nn.Hardswish(inplace=True),
    nn.Sigmoid(), nn.GELU(), nn.GELU("tanh"), nn.Dropout(), nn.Dropout(0.0), nn.Dropout(inplace=True), nn.Identity(),
    nn.MaxPool2d(2), nn.MaxPool2d((2, 3), 1), nn.MaxPool2d(3, padding=1, ceil_mode=True), nn.MaxPool2d(2, 2, 2),
    nn.MaxPool2d(2, return_indices=True), *(nn.AdaptiveAvgPool2d(size) for size in (1, (1, 1), (1, None), 2)),
    nn.Flatten(), nn.Flatten(0, -2), nn.Flatten(1, 9),
]  # fmt: skip
INPUTS = [
    *orders(2, 4, 9, 9), *orders(2, 4, 9), *orders(2, 9, 4), *orders(2, 4), *orders(2, 4, 5, 5, 5), t(4), t(),
    t(0, 4, 9, 9), t(2, 3, 9, 9), t(2, 4, 2, 2), t(1, 4, 1, 1), t(2, 4, 9, 9, dtype=torch.float64),
    t(2, 9, 4, dtype=torch.float64), t(2, 4, dtype=torch.bfloat16),
]  # fmt: skip


@pytest.mark.parametrize("kind", parts.LAYERS, ids=lambda kind: kind.__name__)
def test_what_a_layer_runs_is_what_pytorch_runs(kind):
    layers = [layer.eval() for layer in LAYERS if type(layer) is kind]
    assert sum(compared(layer, [made()]) for layer in layers for made in INPUTS) >= 3


@pytest.mark.parametrize("layer", [nn.Dropout(), nn.BatchNorm2d(4)], ids=lambda layer: type(layer).__name__)
def test_what_a_layer_runs_in_training_is_not_what_it_runs_else(layer):
    assert compared(layer.eval(), [torch.empty(2, 4, 9, 9)])
    assert not any(compared(layer.train(), [made()]) for made in INPUTS)


def changed(layer, **attributes):
    for name, value in attributes.items():
        setattr(layer, name, value)
    return layer


class Whole(int):
    """An integer of the user's."""


def parametrized():
    layer = nn.Linear(4, 5)
    nn.utils.parametrizations.weight_norm(layer)
    return layer


def reordered(layer):
    """With its bias first."""
    weight = layer.weight
    del layer.weight
    layer.weight = weight
    return layer


def shadowed(layer):
    """With an attribute that stands before the parameter of that name."""
    object.__setattr__(layer, "bias", None)
    return layer


ODD = [
    reordered(nn.Conv2d(4, 8, 3)), reordered(nn.Linear(4, 4)), reordered(nn.LayerNorm(4)), shadowed(nn.Conv2d(4, 8, 3)),
    shadowed(nn.Linear(4, 5)), shadowed(nn.LayerNorm(4)), changed(nn.BatchNorm2d(4), running_var=None),
    changed(nn.Conv2d(4, 8, 3), stride=(1.0, 1.0)), changed(nn.Conv2d(4, 8, 3), stride=2),
    changed(nn.Conv2d(4, 8, 3), groups=2), changed(nn.Conv2d(4, 8, 3), stride=(Whole(2), 2)),
    changed(nn.Conv2d(4, 8, 3), _conv_forward=lambda x, w, b: x), changed(nn.Conv2d(4, 8, 3), forward=lambda x: x),
    changed(nn.Conv2d(4, 8, 3), weight=nn.Parameter(torch.empty(8, 4, 3, 1))),
    changed(nn.Dropout(), p=torch.tensor(0.5)), changed(nn.Dropout(), p=2.0), changed(nn.Linear(4, 5), weight=None),
    changed(nn.BatchNorm2d(4), running_mean=torch.empty(3)), changed(nn.BatchNorm2d(4), eps=torch.tensor(1.0)),
    changed(nn.LayerNorm(4), normalized_shape=(4.0,)), parametrized(),
    changed(nn.AdaptiveAvgPool2d(1), output_size=(1, 1, 1)), changed(nn.MaxPool2d(2), ceil_mode=1),
    changed(nn.MaxPool2d(2), kernel_size=(2.0, 2.0)), changed(nn.MaxPool2d(2), stride=None),
]  # fmt: skip


@pytest.mark.parametrize("layer", ODD, ids=lambda layer: type(layer).__name__)
def test_a_layer_that_is_not_as_pytorch_makes_it_runs_its_code(layer):
    for made in [t(2, 4, 9, 9), t(2, 9, 4), t(2, 4)]:
        compared(layer.eval(), [made()])


def test_the_tables_are_held_to_the_version_that_is_tested():
    assert known.HELD_TO == REFERENCE
    assert set(OPERATORS) == {info.func for info in parts.OPERATORS}


LINEAR = nn.Linear(4, 5)


@pytest.mark.filterwarnings("ignore:Warning only once for all operators")
def test_a_kernel_of_the_users_is_run():
    """`linear` may have other parts, for all that its name says."""
    with _scoped_library("aten", "IMPL") as library:
        library.impl("linear", lambda x, weight, bias=None: x @ weight.T @ weight, "CompositeImplicitAutograd")
        MEMO.version = None
        assert profile(LINEAR, (2, 4)).macs == 2 * 2 * 4 * 5
    MEMO.version = None
    assert profile(LINEAR, (2, 4)).macs == 2 * 4 * 5
