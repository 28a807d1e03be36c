"""The machine as a `Device`: the best rates seen in matrix products, convolutions and simple passes over memory.

A measured rate is what PyTorch's own kernels reached, and stands for the machine's peak only as far as they reach it.
The best of everything that was tried is taken, so that the least times made of it stay below what other kernels need.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch.utils.benchmark import Timer

from flopsight.cost import FLOPS_PER_MAC
from flopsight.devices import Device
from flopsight.measuring.place import cache_bytes, memory_bytes, place, title

_SIDES = (256, 512, 1024, 2048, 4096, 8192)
_LONGEST_S = {"cpu": 0.4, "cuda": 0.05}
"""Products that would take longer are not tried."""

_MIN_RUN_S = 0.1
_SMALLEST_BYTES, _LARGE_BYTES = 2**16, 2**28
_CONVOLUTION = (8, 128, 128, 56, 3)
"""N images, C_in and C_out channels, side, kernel: 3.7 G multiply-accumulates that libraries do best."""


def measure_device(on: str | None = None) -> Device:
    """The rates of this machine, in some seconds. on: `cpu` or `cuda`; a graphics card where there is one.

    Raises: InputError.
    """
    at = place(on)
    cached = cache_bytes(at)
    rates = {}
    with _rounding(allowed=False):
        for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
            rates[str(dtype).removeprefix("torch.")] = _product_rate(dtype, at)
    if at.type == "cuda":
        with _rounding(allowed=True):
            rates["tf32"] = _product_rate(torch.float32, at)
    large = max(_LARGE_BYTES, 4 * cached)
    through = _passing_rate((large,), at)
    inside = _passing_rate(_steps(_SMALLEST_BYTES, (cached or large) // 4), at)
    return Device(
        name=f"this-{at.type}",
        title=title(at),
        kind="gpu" if at.type == "cuda" else "cpu",
        rates={name: rate for name, rate in rates.items() if rate},
        memory_bytes=memory_bytes(at),
        memory_bytes_per_s=through if cached else max(through, inside),
        cache_bytes=cached,
        cache_bytes_per_s=max(through, inside) if cached else None,
        source=f"measured by flopsight devices --measure with PyTorch {torch.__version__}",
        date=datetime.date.today().isoformat(),
    )


def _best_s(run: Callable[[], object]) -> float:
    """The shortest of many runs."""
    timer = Timer("run()", globals={"run": run}, num_threads=torch.get_num_threads())
    return float(min(timer.blocked_autorange(min_run_time=_MIN_RUN_S).times))


def _product_rate(dtype: torch.dtype, at: torch.device) -> float:
    """Operations a second of the best of products and, in float32, a convolution; 0 where there is none in a dtype."""
    best, took_s = 0.0, 0.0
    for side in _SIDES:
        if 8 * took_s > _LONGEST_S[at.type]:
            break
        try:
            left, right = (torch.ones(side, side, dtype=dtype, device=at) for _ in range(2))
            took_s = _best_s(lambda left=left, right=right: left @ right)  # type: ignore[misc]
        except RuntimeError:  # PyTorch has no product in this dtype here, or no room for it
            break
        best = max(best, FLOPS_PER_MAC * side**3 / took_s)
    return max(best, _convolution_rate(at)) if dtype is torch.float32 else best


def _convolution_rate(at: torch.device) -> float:
    images, c_in, c_out, side, kernel = _CONVOLUTION
    reached = (kernel * side - 2) ** 2  # of three positions at each place, but two at the border
    best = 0.0
    for layout in (torch.contiguous_format, torch.channels_last):
        image = torch.ones(images, c_in, side, side, device=at).to(memory_format=layout)
        weight = torch.ones(c_out, c_in, kernel, kernel, device=at).to(memory_format=layout)
        took_s = _best_s(lambda image=image, weight=weight: torch.conv2d(image, weight, padding=1))  # type: ignore[misc]
        best = max(best, FLOPS_PER_MAC * images * c_in * c_out * reached / took_s)
    return best


@contextmanager
def _rounding(*, allowed: bool) -> Iterator[None]:
    """Whether graphics cards may round the factors of float32 products; the settings are put back."""
    matrices, others = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matrices.allow_tf32, others.allow_tf32
    matrices.allow_tf32 = others.allow_tf32 = allowed
    try:
        yield
    finally:
        matrices.allow_tf32, others.allow_tf32 = before


def _steps(first: int, last: int) -> Iterable[int]:
    size = first
    while size <= last:
        yield size
        size *= 4


def _passing_rate(sizes: Iterable[int], at: torch.device) -> float:
    """Bytes a second of the best pass over tensors of so many bytes: copying, filling, adding up, scaling in place."""
    best = 0.0
    for size in sizes:
        one, other = (torch.ones(size // 4, device=at) for _ in range(2))
        passes: list[tuple[int, Callable[[], object]]] = [
            (2 * size, lambda one=one, other=other: other.copy_(one)),  # type: ignore[misc]
            (2 * size, lambda one=one: one.mul_(1.0)),  # type: ignore[misc]
            (size, lambda one=one: one.fill_(1.0)),  # type: ignore[misc]
            (size, lambda one=one: one.sum()),  # type: ignore[misc]
        ]
        best = max(best, *(moved / _best_s(run) for moved, run in passes))
    return best
