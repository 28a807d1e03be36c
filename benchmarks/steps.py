"""The memory of a training step: by flopsight, by PyTorch's MemTracker, and the step itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

STEP_BATCH = 8


def step(way: str, name: str) -> dict[str, Any]:
    """Seconds for the peak of a training step with Adam, by a run that computes nothing; or for the step itself."""
    import torch

    from flopsight.sources.torchvision_operators import torchvision_importable

    with torchvision_importable():
        from torchvision.models import get_model
    return {"flopsight": _followed, "MemTracker": _tracked, "the step itself": _made}[way](
        torch, lambda: get_model(name), (STEP_BATCH, 3, 224, 224)
    )


def _timed(repeated: Callable[[], int]) -> dict[str, Any]:
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        peak = repeated()
        seconds.append(time.perf_counter() - start)
    return {"first_s": seconds[0], "repeat_s": median(seconds[1:]), "step_peak_bytes": peak}


def _loss(output: Any) -> Any:
    return output.square().mean()


def _followed(torch: Any, make: Callable[[], Any], shape: tuple[int, ...]) -> dict[str, Any]:
    import flopsight

    model = make()

    def peak() -> int:
        options = {"backward": True, "loss": _loss, "optimizer": torch.optim.Adam, "memory": True}
        return flopsight.profile(model, shape, **options).memory.peak_bytes

    return _timed(peak)


def _tracked(torch: Any, make: Callable[[], Any], shape: tuple[int, ...]) -> dict[str, Any]:
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.distributed._tools.mem_tracker import MemTracker

    def peak() -> int:
        with FakeTensorMode():
            model, x = make(), torch.rand(shape)
            optimizer = torch.optim.Adam(model.parameters())
            tracker = MemTracker()
            tracker.track_external(model, optimizer)
            for _ in range(2):  # the state of an optimizer is there after a first step
                with tracker:
                    _loss(model(x)).backward()
                    optimizer.step()
                    optimizer.zero_grad()
                tracker.reset_mod_stats()
            return int(tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"])

    return _timed(peak)


def _made(torch: Any, make: Callable[[], Any], shape: tuple[int, ...]) -> dict[str, Any]:
    model, x = make(), torch.rand(shape)
    optimizer = torch.optim.Adam(model.parameters())

    def once() -> int:
        _loss(model(x)).backward()
        optimizer.step()
        optimizer.zero_grad()
        return 0

    once()
    return _timed(once)


def llama_step(model: Any, x: Any) -> dict[str, Any]:
    """Seconds for a training step of Llama-3.1-405B, forward, backward and AdamW, with its memory followed."""
    import torch

    import flopsight

    start = time.perf_counter()
    options = {"loss": lambda output: output.logits.float().mean(), "optimizer": torch.optim.AdamW}
    profile = flopsight.profile(model, x, backward=True, memory=True, **options)
    peak = profile.memory.peak_bytes
    return {"first_s": time.perf_counter() - start, "step_peak_bytes": peak}
