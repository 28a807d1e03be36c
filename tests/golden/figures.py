"""What a fixed list of models costs, forward and backward: `make golden` writes the figures anew, one file a model.

A change that moves a number shows in the files' diff. The figures hold for the versions of the libraries that each file
names, since those decide which operators a model runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import flopsight
from flopsight import Profile, spec
from flopsight.sources import Request
from flopsight.sources.torchvision_operators import torchvision_importable

HERE = Path(__file__).parent
CONVENTIONS = ("macs", "flops", "linear", "weights", "exact")
PHASES = ("forward", "backward")
IMAGE = (1, 3, 224, 224)
TOKENS = spec(1, 128, dtype="int64")


@dataclass(frozen=True)
class Golden:
    """A model. factory: makes it. inputs: shapes. libraries: whose versions decide what it runs.

    real: with its parameters allocated; otherwise it has none.
    """

    factory: Callable[[], Any]
    inputs: Any
    libraries: tuple[str, ...] = ("torch",)
    real: bool = False


def _vision(name: str) -> Golden:
    def factory() -> Any:
        from torchvision import models

        return getattr(models, name)()

    return Golden(factory, IMAGE, ("torch", "torchvision"))


def _transformer(kind: str, inputs: dict[str, Any], **options: Any) -> Golden:
    def factory() -> Any:
        import transformers

        config = getattr(transformers, kind.partition("For")[0].removesuffix("LMHeadModel") + "Config")
        return getattr(transformers, kind)(config(**options))

    return Golden(factory, inputs, ("torch", "transformers"))


def _lstm() -> Any:
    from torch import nn

    return nn.LSTM(64, 128, num_layers=2, bidirectional=True, batch_first=True)


def _encoder() -> Any:
    from torch import nn

    return nn.TransformerEncoder(nn.TransformerEncoderLayer(256, 8, 1024, batch_first=True), 3)


_IMAGE_MODELS = (
    "resnet50", "vit_b_16", "swin_t", "efficientnet_v2_s", "mobilenet_v3_large", "convnext_tiny",
)  # fmt: skip
MODELS = {name: _vision(name) for name in _IMAGE_MODELS} | {
    "lstm": Golden(_lstm, (2, 32, 64), real=True),
    "transformer_encoder": Golden(_encoder, (2, 64, 256), real=True),
    "gpt2_small": _transformer("GPT2LMHeadModel", {"input_ids": TOKENS}, n_layer=4, n_embd=256, n_head=8),
    "t5_small": _transformer("T5ForConditionalGeneration", {"input_ids": TOKENS, "decoder_input_ids": TOKENS}),
    "mixtral_2_layers": _transformer("MixtralForCausalLM", {"input_ids": TOKENS}, num_hidden_layers=2),
    "mamba_2_layers": _transformer("MambaForCausalLM", {"input_ids": spec(1, 32, dtype="int64")}, num_hidden_layers=2),
}


def versions(golden: Golden) -> dict[str, str] | None:
    """The versions of the model's libraries, without local suffixes; None if one of them is not installed."""
    try:
        return {name: version(name).partition("+")[0] for name in golden.libraries}
    except PackageNotFoundError:
        return None


def run(name: str, golden: Golden) -> Profile:
    """The profile of a step of training: dropout drops, and batch norm takes the statistics of the batch."""
    with torchvision_importable():
        model = Request(name, real=golden.real, train=True).make(golden.factory)
        return flopsight.profile(model, golden.inputs, backward=True)


def figures(name: str) -> dict[str, Any]:
    """All figures of a model, as its file has them."""
    golden = MODELS[name]
    profile = run(name, golden)
    params = profile.params
    return {
        "libraries": versions(golden),
        "parameters": {
            "all": int(params),
            "trainable": params.trainable,
            "tied": params.tied,
            "buffers": params.buffers,
        },
        "unknown": {operator: len(operations) for operator, operations in profile.unknown.items()},
        "total": {phase: _counts(profile.tally(phase=phase)) for phase in PHASES},
        **{phase: {f: _counts(t) for f, t in profile.by_family(phase=phase).items()} for phase in PHASES},
    }


def _counts(tally: Any) -> dict[str, int]:
    return {"calls": tally.calls} | {name: tally.total(name) for name in CONVENTIONS if tally.total(name)}


def text(figures: dict[str, Any], indent: str = "") -> str:
    """JSON with the innermost figures on one line."""
    if not any(isinstance(value, dict) for value in figures.values()):
        return json.dumps(figures)
    rows = [f"{indent}  {json.dumps(name)}: {text(value, indent + '  ')}" for name, value in figures.items()]
    return "{\n" + ",\n".join(rows) + f"\n{indent}}}"


def recorded(name: str) -> dict[str, Any]:
    """The figures that were written last."""
    return json.loads((HERE / f"{name}.json").read_text())


def changes(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Each figure that differs, one a line."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old.keys() | new.keys():
            yield from changes(old.get(name, 0), new.get(name, 0), f"{path} {name}".lstrip())
    elif isinstance(old, dict) or isinstance(new, dict):
        yield from changes(old or {}, new or {}, path)
    elif old != new:
        both_numbers = isinstance(old, int) and isinstance(new, int)
        share = f" ({(new - old) / old:+.2%})" if both_numbers and old else ""
        yield f"{path}: {old:,} -> {new:,}{share}" if both_numbers else f"{path}: {old} -> {new}"


if __name__ == "__main__":
    for name in MODELS:
        before = recorded(name) if (HERE / f"{name}.json").exists() else {}
        after = figures(name)
        (HERE / f"{name}.json").write_text(text(after) + "\n")
        print("\n".join([name, *sorted(f"  {line}" for line in changes(before, after))]))
