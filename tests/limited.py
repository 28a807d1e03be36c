"""Training steps under a real limit of memory. Run as a script: MODEL LIMIT_BYTES BATCH...

The process may map as much as it has when all that lives between steps is there, and what the limit leaves beside that.
Each step says whether it ran. `ENVIRONMENT` has the address space be that of the tensors.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch
from torch import nn

MARGIN_BYTES = 4 * 2**20
"""For pages that are not full, small storages, and what kernels keep."""
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1", "MKL_DISABLE_FAST_MM": "1"}
"""Has glibc map and unmap every tensor by itself, and MKL keep no buffers, as it does on Intel's processors."""


class Blocks(nn.Module):
    """A residual MLP over the positions of an example."""

    shape = (1024, 128)

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(128, 512), nn.GELU(), nn.Linear(512, 128)) for _ in range(4)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = x + block(x)
        return x


class Attention(nn.Module):
    """Patches of an image through three layers of a transformer, and classes."""

    shape = (3, 224, 224)

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 192, 16, 16)
        layers = [nn.TransformerEncoderLayer(192, 3, 768, dropout=0.0, batch_first=True) for _ in range(3)]
        self.layers = nn.Sequential(*layers)
        self.classes = nn.Linear(192, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        return self.classes(self.layers(tokens).mean(1))


MODELS = {"Blocks": Blocks, "Attention": Attention}


def loss(output: torch.Tensor) -> torch.Tensor:
    return output.square().mean()


def step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: int) -> bool:
    """Whether a training step on so many examples runs."""
    try:
        output = model(torch.ones(batch, *model.shape))
        loss(output).backward()
        optimizer.step()
    except RuntimeError as error:
        if "allocate memory" not in str(error):
            raise
        return False
    finally:
        optimizer.zero_grad()
    return True


def mapped_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def main(name: str, limit_bytes: int, batches: list[int]) -> None:
    torch.set_num_threads(1)
    model = MODELS[name]()
    optimizer = torch.optim.AdamW(model.parameters())
    assert step(model, optimizer, 1)  # after which there is the optimizer's state, and what libraries keep
    state = [value for held in optimizer.state.values() for value in held.values()]
    there_bytes = sum(tensor.nbytes for tensor in [*model.parameters(), *model.buffers(), *state])
    most = mapped_bytes() + limit_bytes - there_bytes + MARGIN_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for batch in batches:
        print(batch, step(model, optimizer, batch), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), list(map(int, sys.argv[3:])))
