"""The least time of models of torchvision beside their real time on this machine, as a Markdown table.

Run with `python benchmarks/least_time.py`. One thread, so that other work on the machine disturbs least; the machine is
measured before each tenth model and at the end, and the best of each rate counts.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import torch

from flopsight import units
from flopsight.devices import Device
from flopsight.measuring import Measurement, measure, measure_device
from flopsight.sources import resolve

MODELS = (
    "alexnet", "convnext_tiny", "densenet121", "densenet169", "efficientnet_b0", "efficientnet_b1", "efficientnet_b2",
    "efficientnet_v2_s", "googlenet", "inception_v3", "mnasnet0_5", "mnasnet1_0", "mobilenet_v2", "mobilenet_v3_large",
    "mobilenet_v3_small", "regnet_x_400mf", "regnet_x_800mf", "regnet_y_400mf", "regnet_y_800mf", "resnet18",
    "resnet34", "resnet50", "resnext50_32x4d", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "squeezenet1_0",
    "squeezenet1_1", "swin_t", "vgg11", "vit_b_32",
)  # fmt: skip


def best(one: Device, other: Device) -> Device:
    """A device with the better of each rate."""
    return replace(
        one,
        rates={dtype: max(rate, other.rates.get(dtype, 0.0)) for dtype, rate in one.rates.items()},
        memory_bytes_per_s=max(one.memory_bytes_per_s, other.memory_bytes_per_s),
        cache_bytes_per_s=max(one.cache_bytes_per_s or 0.0, other.cache_bytes_per_s or 0.0) or None,
    )


def main() -> int:
    """Measure, print the table, and fail if a model was faster than its least time."""
    torch.set_num_threads(1)
    device = measure_device("cpu")
    found: dict[str, Measurement] = {}
    for index, name in enumerate(MODELS):
        if index % 10 == 9:
            device = best(device, measure_device("cpu"))
        workload = resolve(f"torchvision:{name}")
        found[name] = measure(workload.model, workload.args, on="cpu", device=device)
        print(f"{name}: {found[name].seconds:.4f} s", file=sys.stderr)
    device = best(device, measure_device("cpu"))
    memory = units.rate(device.memory_bytes_per_s, "B")
    print(f"{device.title}: float32 {units.rate(device.rates['float32'])}, memory {memory}\n")
    print("| model | least time | through memory | fused | measured | fastest | measured / least |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    below = []
    for name, measured in found.items():
        record = measured.roofline.record
        line, fused = record.roofline(device), record.roofline(device, fused=True)
        times = (line.repeated_s, line.streamed_s, fused.repeated_s, measured.seconds, measured.best_s)
        print("|", " | ".join([name, *map(units.time, times), f"{measured.seconds / line.repeated_s:.2f}"]), "|")
        if measured.best_s < line.repeated_s:
            below.append(name)
    if below:
        print(f"Faster than the least time: {', '.join(below)}", file=sys.stderr)
    return bool(below)


if __name__ == "__main__":
    sys.exit(main())
