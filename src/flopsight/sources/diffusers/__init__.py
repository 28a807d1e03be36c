"""`diffusers:NAME`: the models of diffusers, built from a configuration; nothing is downloaded.

NAME is a class (`UNet2DConditionModel`, `AutoencoderKL`), the path of a `config.json` or a folder with one.
Constructor arguments are those of the configuration: `diffusers:UNet2DConditionModel(cross_attention_dim=768)`.
"""

from __future__ import annotations

from flopsight.sources import Request, Source, Workload
from flopsight.sources.diffusers.models import model, names


def build(request: Request) -> Workload:
    """The model, and what its forward takes, of the sizes asked for."""
    from flopsight.sources.diffusers.recipes import inputs

    made = model(request)
    found = inputs(made, request.sizes)
    request.refuse_unused(found.used)
    return Workload(made, () if found.complete else None, found.kwargs, request.address)


SOURCE = Source("diffusers", "diffusers:NAME", "a class or config.json of diffusers", build, names=names)
