"""Fused times are held to what PyTorch's compiler emits: it never moves less, nor runs fewer kernels."""

from __future__ import annotations

import re
import shutil
import warnings
from math import prod

import pytest
import torch
from torch import nn

import flopsight

F32 = 4


class Perceptron(nn.Module):
    """A norm, two products with an activation between them, and a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(64), nn.Linear(64, 128), nn.Linear(128, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down(nn.functional.gelu(self.up(self.norm(x)), approximate="tanh"))


class Convolutions(nn.Module):
    """Two convolutions with norms, activations, a residual and a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.Conv2d(16, 16, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.first(x)).relu()
        return (self.second(y) + y).relu().mean((2, 3))


class Chain(nn.Module):
    """Elementwise work and reductions alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.softmax(x.sin() * 2 + x.exp(), -1)
        return (y * x).sum(-1)


def compiled(model: nn.Module, x: torch.Tensor) -> str:
    """The code that PyTorch's compiler writes for a forward."""
    from torch._inductor.utils import run_and_get_code

    torch._dynamo.reset()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, code = run_and_get_code(torch.compile(model), x)
    return str(code[0])


def kernels(code: str) -> int:
    """Calls of compiled loops, and of libraries."""
    return len(re.findall(r"^\s+cpp_fused\w*\(|^\s.*extern_kernels\.\w+\(", code, re.MULTILINE))


def written_bytes(code: str) -> int:
    """Bytes of the buffers that are made, and of those that convolutions return."""
    made = re.findall(r"empty_strided_cpu\(\(([\d, ]*)\)", code)
    made += re.findall(r"assert_size_stride\(buf\d+, \(([\d, ]*)\).*convolution", code)
    return sum(F32 * prod(int(size) for size in shape.split(",") if size.strip()) for shape in made)


@pytest.mark.skipif(not any(map(shutil.which, ("g++", "c++", "clang++"))), reason="there is no C++ compiler here")
@pytest.mark.parametrize(
    ("model", "shape"), [(Perceptron(), (256, 64)), (Convolutions(), (4, 8, 32, 32)), (Chain(), (256, 512))]
)
def test_the_compiler_neither_writes_less_nor_runs_fewer_kernels(model: nn.Module, shape: tuple[int, ...]) -> None:
    record = flopsight.profile(model.eval(), shape)
    fused = record.roofline("h100-sxm", fused=True).total
    code = compiled(model, torch.randn(shape))
    assert 0 < fused.written_bytes <= written_bytes(code)
    assert 0 < fused.kernels <= kernels(code)
    assert fused.kernels < record.roofline("h100-sxm").total.kernels
