"""One real training step, counted as it runs: forward, backward and optimizer.

python examples/training_step.py
"""

from __future__ import annotations

import torch
from torch import nn

import flopsight


def main() -> None:
    """Train a small classifier for one step and print what the step cost."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.AdamW(model.parameters())
    images, labels = torch.rand(32, 1, 28, 28), torch.randint(10, (32,))

    with flopsight.Profiler() as profiler:
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()

    profile = profiler.profile
    for phase in ("forward", "backward", "optimizer"):
        print(f"{phase:9}  {profile.total('exact', phase=phase):>12,} operations")
    print(profile)


if __name__ == "__main__":
    main()
