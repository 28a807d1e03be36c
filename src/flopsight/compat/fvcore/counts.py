"""fvcore's two counters, of flops and of activations, and its functions that make one and ask it."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from torch import nn

from flopsight import conventions
from flopsight.calls import Operation
from flopsight.compat.fvcore.analysis import Handle, JitModelAnalysis


class FlopCountAnalysis(JitModelAnalysis):
    """Counts by module and operator under the convention `fvcore`: a multiply-accumulate is one "flop".

    analysis = FlopCountAnalysis(model, (torch.zeros(1, 3, 224, 224),))
    analysis.total(); analysis.by_module()["layer1"]; analysis.by_operator()["conv"]
    """

    def _count(self, operation: Operation) -> int:
        return conventions.get("fvcore").count(operation)


class ActivationCountAnalysis(JitModelAnalysis):
    """Elements of the results of convolutions, matrix products and attention, by module and operator."""

    def _count(self, operation: Operation) -> int:
        contracts = operation.cost is not None and operation.cost.macs > 0
        return operation.outputs[0].numel if contracts else 0


def flop_count(
    model: nn.Module, inputs: Any, supported_ops: dict[str, Handle | None] | None = None
) -> tuple[defaultdict[str, float], Counter[str]]:
    """10^9 flops by operator, and how often each operator without a count was called."""
    return _by_operator(FlopCountAnalysis(model, inputs), supported_ops, 1e9)


def activation_count(
    model: nn.Module, inputs: Any, supported_ops: dict[str, Handle | None] | None = None
) -> tuple[defaultdict[str, float], Counter[str]]:
    """10^6 activations by operator, and how often each operator without a count was called."""
    return _by_operator(ActivationCountAnalysis(model, inputs), supported_ops, 1e6)


def _by_operator(
    analysis: JitModelAnalysis, handles: dict[str, Handle | None] | None, unit: float
) -> tuple[defaultdict[str, float], Counter[str]]:
    counts = analysis.set_op_handle(**(handles or {})).by_operator()
    return defaultdict(float, {name: count / unit for name, count in counts.items()}), analysis.unsupported_ops()
