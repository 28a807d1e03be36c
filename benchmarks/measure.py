"""One measurement, in the process that this file is run as. Prints one line of JSON last.

python measure.py warm TOOL MODEL DEVICE     first and repeated calls, after another, small model
python measure.py cold TOOL MODEL DEVICE     one call; the caller times the whole process
python measure.py llama TOOL WARMUP          a model of 405 billion parameters, on the meta device
python measure.py import                     `import flopsight`
"""

from __future__ import annotations

import json
import resource
import sys
import time
from statistics import median
from typing import Any

REPEATS = 9
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


def main(what: str, *arguments: str) -> None:
    """Measure, and print the result with the process's peak memory."""
    result = {"warm": warm, "cold": cold, "llama": large, "import": importing}[what](*arguments)
    result["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT_BYTES
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
