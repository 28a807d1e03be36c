"""Where a tool's own count is not what its convention says, and why: the tool is wrong, by exactly this much."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flopsight import Convention, Profile, TensorSpec
from flopsight.cost import product


@dataclass(frozen=True)
class Counted:
    """What a convention counts of parts of a profile."""

    profile: Profile
    convention: Convention

    def __call__(
        self,
        *,
        kind: str | None = None,
        operator: str | None = None,
        part: str | None = None,
        called: bool | None = None,
    ) -> int:
        """The count of calls made by modules of a class (`kind`) to an operator, or of one part of them.

        called: by modules that were called, or by those whose weights were used by a function.
        """
        total = 0
        for call in self.profile:
            node = self.profile.modules[call.module]
            if kind not in (None, node.kind) or called not in (None, node.calls > 0):
                continue
            if operator in (None, call.operation.name) and call.operation.cost is not None:
                parts = self.convention.parts(call.operation)
                total += sum(count for name, count in parts.items() if part in (None, name))
        return total

    def parameters(self, kind: str) -> int:
        """Parameters of the called modules of a class."""
        nodes = [node for node in self.profile.modules.values() if node.kind == kind and node.calls]
        return sum(record.spec.numel for node in nodes for record in node.parameters)


@dataclass(frozen=True)
class Reason:
    """Why a tool is wrong about a model. apart: what it says, less what its convention says."""

    why: str
    apart: Callable[[Counted], int]


ATTENTION = "aten::_scaled_dot_product_flash_attention_for_cpu"

STEPS, HIDDEN = 3, 4
CELLS = ("RNNCell", "GRUCell", "LSTMCell")
LSTMS = ("LSTM", "LSTM, bidirectional", "LSTM without bias")
UPSAMPLES = tuple(f"Upsample, {mode}" for mode in ("nearest", "linear", "bilinear", "bicubic", "trilinear"))
INCEPTION = tuple(f"Inception{letter}" for letter in "ABCDE")

SUBCLASS = "It knows layers by their exact class; a subclass counts as nothing."
FUNCTION = "It sees modules only; what the model calls as a function counts as nothing."
ONCE = "It counts a module twice, as module and as function; this model calls the function itself."
TWICE = "It counts nn.Upsample twice, as module and as function; the convention is that of the function."
FUSED = "It has no rule for fused attention."
POSITIONS = "It takes a linear layer's positions beyond the first dimension for one."
TRANSPOSED = "It multiplies the kernel of a transposed convolution with the output's size instead of the input's."
CELL = "It takes the features of a cell's result for time steps."
GATES = (
    "Only its own rule for the module adds the gates' element-wise work; the trace has it as additions and products."
)
WINDOW = "It takes the kernel size of a pooling for the number of positions in its window."
SIZE = "Given a size, it forgets batch and channels of a resampled image."
NOT_KNOWN = "It has no rule for the functions that this model calls."
RECURRENT = "It has no rule for recurrent layers."


def linear_without_positions(c: Counted) -> int:
    """The parameters of called linear layers, each counted once, instead of their count."""
    return c.parameters("Linear") - c(kind="Linear", called=True)


def without_windows(c: Counted) -> int:
    """With a kernel size k as one number, a pooling joins k values instead of k*k."""
    apart = 0
    for call in c.profile:
        if c.profile.modules[call.module].kind in ("MaxPool2d", "AvgPool2d"):
            k = call.operation.arguments["kernel_size"][0]
            apart += (k - k * k) * call.operation.outputs[0].numel
    return apart


def transposed_positions(c: Counted) -> int:
    """Contractions times output positions over input positions, less the contractions."""
    (call,) = [call for call in c.profile if call.operation.name == "aten::convolution"]
    image, result = call.operation.inputs["input"], call.operation.outputs[0]
    assert isinstance(image, TensorSpec), "a convolution has one input"
    inside, outside = product(image.shape[2:]), product(result.shape[2:])
    return c(part="contractions") * outside // inside - c(part="contractions")


_MODELS: dict[tuple[str, str], Reason] = {
    ("thop", "convnext_tiny"): Reason(SUBCLASS, lambda c: -c(kind="LayerNorm2d")),
    ("thop", "densenet121"): Reason(FUNCTION, lambda c: -c(operator="aten::mean")),
    ("thop", "inception_v3"): Reason(FUNCTION, lambda c: -c(operator="aten::avg_pool2d")),
    ("thop", "mobilenet_v2"): Reason(FUNCTION, lambda c: -c(operator="aten::mean")),
    ("thop", "swin_t"): Reason(FUNCTION, lambda c: -c(kind="ShiftedWindowAttention") - c(called=False)),
    ("thop", "vit_b_16"): Reason(FUNCTION, lambda c: -c(kind="MultiheadAttention") - c(called=False)),
    ("thop", "fcn_resnet50"): Reason(FUNCTION, lambda c: -c(part="resample")),
    ("thop", "r3d_18"): Reason(SUBCLASS, lambda c: -c(kind="Conv3DSimple")),
    ("ptflops", "convnext_tiny"): Reason(SUBCLASS, lambda c: -c(kind="LayerNorm2d")),
    ("ptflops", "densenet121"): Reason(ONCE, lambda c: -c(kind="DenseNet") // 2),
    ("ptflops", "googlenet"): Reason(ONCE, lambda c: -c(kind="BasicConv2d") // 2),
    ("ptflops", "inception_v3"): Reason(
        ONCE,
        lambda c: -sum(c(kind=kind) for kind in ("BasicConv2d", *INCEPTION)) // 2,
    ),
    ("ptflops", "mobilenet_v2"): Reason(ONCE, lambda c: -c(kind="MobileNetV2") // 2),
    ("ptflops", "swin_t"): Reason(
        "It leaves F.linear alone, so the projections count as nothing.",
        lambda c: -c(called=False),
    ),
    ("ptflops", "r3d_18"): Reason(SUBCLASS, lambda c: -c(kind="Conv3DSimple")),
    ("ptflops_aten", "vit_b_16"): Reason(FUSED, lambda c: -c(operator=ATTENTION)),
    ("fvcore", "vit_b_16"): Reason(FUSED, lambda c: -c(operator=ATTENTION)),
    ("torchinfo", "convnext_tiny"): Reason(POSITIONS, linear_without_positions),
    ("torchinfo", "swin_t"): Reason(
        f"{POSITIONS} {FUNCTION}",
        lambda c: linear_without_positions(c) - c(kind="ShiftedWindowAttention") - c(called=False),
    ),
    ("torchinfo", "vit_b_16"): Reason(
        f"{POSITIONS} {FUNCTION}",
        lambda c: linear_without_positions(c) - c(kind="MultiheadAttention") - c(called=False),
    ),
    ("deepspeed", "fcn_resnet50"): Reason(SIZE, lambda c: 64 * 64 - c(part="resample")),
    **{
        ("torch_flops", name): Reason(WINDOW, without_windows)
        for name in (
            "alexnet",
            "resnet18",
            "resnet50",
            "resnext50_32x4d",
            "shufflenet_v2_x0_5",
            "squeezenet1_1",
            "vgg11_bn",
            "wide_resnet50_2",
        )
    },
    ("torch_flops", "convnext_tiny"): Reason(SUBCLASS, lambda c: -c(kind="LayerNorm2d")),
    ("torch_flops", "densenet121"): Reason(f"{WINDOW} {NOT_KNOWN}", lambda c: without_windows(c) - c(kind="DenseNet")),
    ("torch_flops", "googlenet"): Reason(f"{WINDOW} {NOT_KNOWN}", lambda c: without_windows(c) - c(kind="BasicConv2d")),
    ("torch_flops", "inception_v3"): Reason(
        f"{WINDOW} {NOT_KNOWN}",
        lambda c: without_windows(c) - sum(c(kind=kind) for kind in ("BasicConv2d", *INCEPTION)),
    ),
    ("torch_flops", "mobilenet_v2"): Reason(NOT_KNOWN, lambda c: -c(kind="MobileNetV2")),
    ("torch_flops", "swin_t"): Reason(NOT_KNOWN, lambda c: -c(kind="ShiftedWindowAttention") - c(called=False)),
    ("torch_flops", "vit_b_16"): Reason(
        f"{NOT_KNOWN} It counts 15 comparisons and a product of sizes.",
        lambda c: 15 + 1 - c(kind="MultiheadAttention") - c(called=False),
    ),
    ("torch_flops", "fcn_resnet50"): Reason(
        f"{WINDOW} {SIZE}", lambda c: without_windows(c) + 64 * 64 - c(part="resample")
    ),
}

GATE_WORK = {
    "thop": {"RNN": 1 + 2, "GRU": 3 * (1 + 2) + 1 + 3, "LSTM": 4 * (1 + 2) + 4},
    "ptflops": {"RNN": 1, "GRU": 1 + 3 + 3, "LSTM": 4 + 3 + 3},
    "deepspeed": {"RNN": 1 + 2 - 2, "GRU": 1 + 3 + 3 + 6 - 6, "LSTM": 4 + 3 + 3 + 8 - 8},
}
"""For each element of the hidden state and step: what a tool's rule for the module adds to its contractions."""


def gates(tool: str, layer: str) -> Reason:
    """What the tool's rule for a recurrent layer adds; a cell is one step, the layers here are three."""
    steps = 1 if layer.endswith("Cell") else STEPS
    work = GATE_WORK[tool][layer.removesuffix("Cell")] * HIDDEN * steps
    return Reason(GATES, lambda c: work)


_LAYERS: dict[tuple[str, str], Reason] = {
    **{(tool, layer): gates(tool, layer) for tool in GATE_WORK for layer in ("RNN", "GRU", *CELLS)},
    **{
        (tool, layer): Reason(TRANSPOSED, transposed_positions)
        for tool in ("thop", "torchinfo")
        for layer in ("ConvTranspose2d", "ConvTranspose2d, grouped")
    },
    **{("ptflops", layer): Reason(TWICE, lambda c: c()) for layer in UPSAMPLES},
    **{("ptflops_aten", layer): Reason(RECURRENT, lambda c: -c()) for layer in LSTMS},
    **{("fvcore", layer): Reason(RECURRENT, lambda c: -c()) for layer in ("RNN", "GRU", *LSTMS)},
    **{("deepspeed_macs", layer): Reason(RECURRENT, lambda c: -c()) for layer in ("RNN", "GRU", *CELLS, *LSTMS)},
    **{("torch_flops", layer): Reason(RECURRENT, lambda c: -c()) for layer in ("RNN", "GRU", *CELLS, *LSTMS)},
    **{
        ("torch_flops", layer): Reason("It has no rule for transposed convolutions.", lambda c: -c())
        for layer in ("ConvTranspose2d", "ConvTranspose2d, grouped")
    },
    ("torchinfo", "Linear, three dimensions"): Reason(POSITIONS, linear_without_positions),
    **{("torchinfo", cell): Reason(CELL, lambda c: (HIDDEN - 1) * c()) for cell in CELLS},
}

REASONS = {**_MODELS, **_LAYERS}
"""By figure and model."""
