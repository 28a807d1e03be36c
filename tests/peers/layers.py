"""Single layers that the architectures do not all hold, each with the shape of an input."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((3, 5)), (1, 4, 7, 9)),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d(2), (1, 4, 8, 8)),
    "AvgPool1d": (lambda: nn.AvgPool1d(2), (1, 4, 8)),
    "AvgPool2d": (lambda: nn.AvgPool2d((3, 2)), (1, 4, 9, 8)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(6), (1, 6, 10)),
    "BatchNorm2d without weights": (lambda: nn.BatchNorm2d(6, affine=False), (1, 6, 4, 4)),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(6), (1, 6, 4, 4, 4)),
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3), (1, 4, 9)),
    "Conv2d, depthwise": (lambda: nn.Conv2d(4, 8, 3, groups=4, bias=False), (1, 4, 9, 9)),
    "Conv3d": (lambda: nn.Conv3d(2, 3, 2, stride=2), (1, 2, 4, 4, 4)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2), (1, 4, 5, 5)),
    "ConvTranspose2d, grouped": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (1, 4, 5, 5)),
    "ELU": (lambda: nn.ELU(), (1, 3, 5)),
    "GELU": (lambda: nn.GELU(), (1, 3, 5)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 6), (1, 6, 4, 4)),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(6, affine=True), (1, 6, 4, 4)),
    "LayerNorm": (lambda: nn.LayerNorm(8), (1, 3, 8)),
    "LayerNorm without weights": (lambda: nn.LayerNorm(8, elementwise_affine=False), (1, 3, 8)),
    "LeakyReLU": (lambda: nn.LeakyReLU(), (1, 3, 5)),
    "Linear": (lambda: nn.Linear(7, 5), (1, 7)),
    "Linear without bias": (lambda: nn.Linear(7, 5, bias=False), (1, 7)),
    "Linear, three dimensions": (lambda: nn.Linear(7, 5), (1, 3, 7)),
    "MaxPool1d": (lambda: nn.MaxPool1d(2), (1, 4, 8)),
    "MaxPool2d": (lambda: nn.MaxPool2d((3, 2)), (1, 4, 9, 8)),
    "MaxPool3d": (lambda: nn.MaxPool3d((2, 2, 2)), (1, 4, 4, 4, 4)),
    "PReLU": (lambda: nn.PReLU(3), (1, 3, 5)),
    "ReLU": (lambda: nn.ReLU(), (1, 3, 5)),
    "ReLU6": (lambda: nn.ReLU6(), (1, 3, 5)),
    "SiLU": (lambda: nn.SiLU(), (1, 3, 5)),
    "Softmax": (lambda: nn.Softmax(dim=-2), (1, 3, 5)),
    "Upsample, nearest": (lambda: nn.Upsample(scale_factor=2), (1, 3, 5, 5)),
    "Upsample, bilinear": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (1, 3, 5, 5)),
    "Upsample, bicubic": (lambda: nn.Upsample(scale_factor=2, mode="bicubic"), (1, 3, 5, 5)),
    "Upsample, linear": (lambda: nn.Upsample(scale_factor=2, mode="linear"), (1, 3, 5)),
    "Upsample, trilinear": (lambda: nn.Upsample(scale_factor=2, mode="trilinear"), (1, 3, 2, 2, 2)),
    "GRU": (lambda: nn.GRU(5, 4, batch_first=True), (1, 3, 5)),
    "GRUCell": (lambda: nn.GRUCell(5, 4), (1, 5)),
    "LSTM": (lambda: nn.LSTM(5, 4, num_layers=2, batch_first=True), (1, 3, 5)),
    "LSTM, bidirectional": (lambda: nn.LSTM(5, 4, bidirectional=True, batch_first=True), (1, 3, 5)),
    "LSTM without bias": (lambda: nn.LSTM(5, 4, bias=False, batch_first=True), (1, 3, 5)),
    "LSTMCell": (lambda: nn.LSTMCell(5, 4), (1, 5)),
    "RNN": (lambda: nn.RNN(5, 4, batch_first=True), (1, 3, 5)),
    "RNNCell": (lambda: nn.RNNCell(5, 4), (1, 5)),
}


def layer(name: str) -> tuple[nn.Module, torch.Tensor]:
    """The layer in a container, as a tool would meet it, and an input."""
    make, shape = LAYERS[name]
    return nn.Sequential(make()).eval(), torch.zeros(shape)
