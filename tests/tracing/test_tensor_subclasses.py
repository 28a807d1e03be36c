"""Weights and inputs that are tensors of a class of their own: counted alike with and without computing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.masked import masked_tensor

import flopsight

INPUT = torch.randn(4, 16)
EXECUTE = pytest.mark.parametrize("execute", [False, True], ids=["fake", "execute"])


class Quantized(torch.Tensor):
    """A weight as whole numbers and a scale for each row, which works as the product of both."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __new__(cls, whole: torch.Tensor, scale: torch.Tensor) -> Quantized:
        return torch.Tensor._make_wrapper_subclass(cls, whole.shape, dtype=scale.dtype, device=whole.device)

    def __init__(self, whole: torch.Tensor, scale: torch.Tensor) -> None:
        self.whole, self.scale = whole, scale

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.ops.aten.detach.default, torch.ops.aten.t.default):
            return cls(func(args[0].whole), func(args[0].scale))
        return func(*(each.whole * each.scale if isinstance(each, cls) else each for each in args), **(kwargs or {}))


class QuantizedFunction(Quantized):
    """The same, with a linear layer of its own."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            if func is nn.functional.linear:
                return func(args[0], args[1].whole * args[1].scale, *args[2:])
            return func(*args, **(kwargs or {}))


@EXECUTE
@pytest.mark.parametrize(("kind", "scaled"), [(Quantized, 0), (QuantizedFunction, 16 * 16)])
def test_a_weight_of_another_class(kind: type[Quantized], scaled: int, execute: bool) -> None:
    model = nn.Sequential(nn.Linear(16, 16, bias=False), nn.Linear(16, 8))
    weight = kind(torch.randint(-8, 8, (16, 16), dtype=torch.int8), torch.rand(16, 1))
    model[0].weight = nn.Parameter(weight, requires_grad=False)
    before = model(INPUT)
    found = flopsight.profile(model, INPUT, execute=execute)
    assert (found.macs, found.cost.multiply) == (4 * 16 * 16 + 4 * 16 * 8, scaled)
    assert flopsight.profile(model, INPUT, backward=True, execute=execute).total("macs", phase="backward") == 4 * 8 * 16
    assert torch.equal(model(INPUT), before)
    assert type(model[0].weight.data) is kind


@EXECUTE
@pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors")
def test_a_masked_tensor_as_input(execute: bool) -> None:
    given = masked_tensor(torch.ones(4, 4), torch.eye(4).bool())
    assert flopsight.profile(lambda x: x + x, given, execute=execute).cost.add == 4 * 4
    assert torch.equal((given + given).get_data().diagonal(), torch.full((4,), 2.0))
