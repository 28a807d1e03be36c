"""One measurement, in the process that this file is run as. Prints one line of JSON last.

python measure.py warm TOOL MODEL DEVICE     first and repeated calls, after another, small model
python measure.py cold TOOL MODEL DEVICE     one call; the caller times the whole process
python measure.py llama TOOL WARMUP          a model of 405 billion parameters, on the meta device
python measure.py import                     `import flopsight`
python measure.py deepseek                   DeepSeek-V3, built and counted
python measure.py zoo                        every model of torchvision, in as many processes as there are cores
python measure.py closed MODEL               a closed form, resnet50 or llama_3_8b, and one run at numbers
python measure.py search TOOL DEVICE         networks of one search space, after one of them
python measure.py step WAY MODEL             the memory of a training step: flopsight, MemTracker, or the step itself
python measure.py llama_step                 a training step of a model of 405 billion parameters, its memory followed
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import steps

REPEATS = 9
SEARCH_MODELS = 200
SEARCH_LAYERS = 12
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024
LLAMA = {
    "hidden_size": 16384,
    "num_attention_heads": 128,
    "num_key_value_heads": 8,
    "intermediate_size": 53248,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "use_cache": False,
}


def vision(name: str, device: str) -> tuple[Any, Any]:
    """A torchvision model in eval mode and one image of 224 x 224."""
    import torch

    from flopsight.sources.torchvision_operators import torchvision_importable

    with torchvision_importable():
        from torchvision.models import get_model
    with torch.device(device):
        return get_model(name).eval(), torch.rand(1, 3, 224, 224)


def small(device: str) -> tuple[Any, Any]:
    """A model of six layers, so that what a tool loads once is loaded."""
    import torch
    from torch import nn

    with torch.device(device):
        layers = (
            nn.Conv2d(3, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 4),
        )
        return nn.Sequential(*layers).eval(), torch.rand(1, 3, 32, 32)


def llama(layers: int) -> tuple[Any, Any]:
    """A Llama of 405B's width on the meta device, and 2,048 tokens."""
    import torch

    from flopsight.sources.torchvision_operators import torchvision_importable

    with torchvision_importable():
        from transformers import LlamaConfig, LlamaForCausalLM
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(num_hidden_layers=layers, **LLAMA)).eval()
        return model, torch.zeros(1, 2048, dtype=torch.int64)


def calls(tool: str, model: Any, x: Any, repeats: int = REPEATS) -> dict[str, Any]:
    """Seconds of the first call, the median of those after it, and the total."""
    from tools import quietly

    seconds = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        total = quietly(tool, model, x)
        seconds.append(time.perf_counter() - start)
    return {"first_s": seconds[0], "repeat_s": median(seconds[1:]), "total": total}


def warm(tool: str, name: str, device: str) -> dict[str, Any]:
    """First and repeated calls on a model, after a small one."""
    from tools import quietly

    model, x = vision(name, device)
    quietly(tool, *small(device))
    return calls(tool, model, x)


def cold(tool: str, name: str, device: str) -> dict[str, Any]:
    """One call in a process that has done nothing else."""
    from tools import quietly

    return {"total": quietly(tool, *vision(name, device))}


def large(tool: str, warmup: str) -> dict[str, Any]:
    """Llama-3.1-405B, after a small vision model (`small`) or after one block of the same (`block`)."""
    from tools import quietly

    quietly(tool, *(llama(1) if warmup == "block" else small("meta")))
    model, x = llama(126)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {**calls(tool, model, x, repeats=3), "parameters": parameters}


def importing() -> dict[str, Any]:
    """Seconds that `import flopsight` takes."""
    start = time.perf_counter()
    import flopsight  # noqa: F401

    return {"import_s": time.perf_counter() - start, "torch": "torch" in sys.modules}


def deepseek() -> dict[str, Any]:
    """Seconds for making DeepSeek-V3 of its published configuration, transformers' default, and for counting it."""
    from tools import quietly

    from flopsight.sources import resolve

    quietly("flopsight", *small("meta"))
    start = time.perf_counter()
    model = resolve("transformers:deepseek_v3").model
    built = time.perf_counter()
    import torch

    total = quietly("flopsight", model, torch.zeros(1, 2048, dtype=torch.int64, device="meta"))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    count_s = time.perf_counter() - built
    return {"build_s": built - start, "count_s": count_s, "total": total, "parameters": parameters}


def zoo() -> dict[str, Any]:
    """Models a second over all of torchvision, from the call to the last row, starting the processes included."""
    import flopsight
    from flopsight.sources.torchvision_operators import torchvision_importable

    with torchvision_importable():
        from torchvision.models import list_models
    models = [f"torchvision:{name}" for name in list_models()]
    start = time.perf_counter()
    rows = flopsight.sweep(models)
    seconds = time.perf_counter() - start
    counted = sum(row.status == "counted" for row in rows)
    return {"models": len(rows), "counted": counted, "per_s": len(rows) / seconds}


def candidate(widths: list[int]) -> Any:
    """A network of the search space: a convolution, a norm and an activation for each width, every other halving."""
    from torch import nn

    layers: list[nn.Module] = []
    for index, (before, after) in enumerate(zip([3, *widths], widths, strict=False)):
        layers += [nn.Conv2d(before, after, 3, 1 + index % 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 10)).eval()


def search(tool: str, device: str) -> dict[str, Any]:
    """Models a second over random networks of the same operators and other widths; making them is not timed."""
    import torch
    from tools import quietly

    chance = random.Random(0)
    with torch.device(device):
        first, *models = (
            candidate([8 * chance.randint(1, 16) for _ in range(SEARCH_LAYERS)]) for _ in range(1 + SEARCH_MODELS)
        )
        x = torch.rand(1, 3, 64, 64)
    quietly(tool, first, x)
    start = time.perf_counter()
    total = sum(quietly(tool, model, x) for model in models)
    return {"per_s": len(models) / (time.perf_counter() - start), "total": total}


LLAMA_3_8B = (
    "transformers:llama(hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, "
    "num_key_value_heads=8, vocab_size=128256)"
)


def _sides(size: Any) -> tuple[Any, Any]:
    return ("height", "width") if isinstance(size, str) else (size, size)


CLOSED: dict[str, tuple[str, Callable[[Any, Any], dict[str, Any]], tuple[int, int]]] = {
    "resnet50": ("torchvision:resnet50", lambda batch, size: {"x": (batch, 3, *_sides(size))}, (1, 224)),
    "llama_3_8b": (LLAMA_3_8B, lambda batch, seq: {"input_ids": (batch, seq)}, (1, 2048)),
}
"""By name: the address of a model, its input for two sizes, and the sizes of the run at numbers."""


def closed(name: str) -> dict[str, Any]:
    """Seconds for the closed form in all sizes, held to other runs, first and again; and for one run at numbers."""
    import flopsight
    from flopsight.sources import resolve

    address, inputs, numbers = CLOSED[name]
    model = resolve(address).model

    def seconds(first: Any, second: Any) -> float:
        dtype = "int64" if name != "resnet50" else None
        given = {key: flopsight.spec(*shape, dtype=dtype) for key, shape in inputs(first, second).items()}
        start = time.perf_counter()
        flopsight.profile(model, kwargs=given)
        return time.perf_counter() - start

    flopsight.profile(*small("meta"))
    named = ("batch", "size")
    return {"first_s": seconds(*named), "repeat_s": seconds(*named), "run_s": seconds(*numbers)}


MEASUREMENTS: dict[str, Callable[..., dict[str, Any]]] = {
    "warm": warm,
    "cold": cold,
    "llama": large,
    "import": importing,
    "deepseek": deepseek,
    "closed": closed,
    "zoo": zoo,
    "search": search,
    "step": steps.step,
    "llama_step": lambda: steps.llama_step(*llama(126)),
}


def main(what: str, *arguments: str) -> None:
    """Measure, and print the result with the peak memory of the largest process."""
    result = MEASUREMENTS[what](*arguments)
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    result["peak_bytes"] = max(peaks) * RSS_UNIT_BYTES
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
