"""`smp:NAME`: the architectures of segmentation_models_pytorch, on any of its encoders.

NAME is an architecture (`unet`, `segformer`); constructor arguments are those of its class, as in
`smp:unet(encoder_name="resnet50", classes=19)`.
"""

from __future__ import annotations

from typing import Any

from flopsight.errors import InputError, near
from flopsight.sources import Request, Source, Workload
from flopsight.sources._optional import require

SIDE = 512
"""Of the image, where the encoder is not made for one size: a usual crop, and a multiple of every encoder's stride."""


def _architectures() -> dict[str, Any]:
    library = require("segmentation_models_pytorch", use="A model named smp:...")
    return dict(library.MODEL_ARCHITECTURES_MAPPING)


def names() -> list[str]:
    """Every architecture."""
    return sorted(_architectures())


def build(request: Request) -> Workload:
    """The architecture on the encoder asked for, or on its usual one."""
    architectures = _architectures()
    if request.address not in architectures:
        near_match = near(request.address, sorted(architectures))
        raise InputError(f"segmentation_models_pytorch has no architecture {request.address!r}.{near_match}")
    request.refuse_unused({"batch", "image"})
    arguments = {"encoder_weights": None, **request.arguments}
    model = request.make(architectures[request.address], **arguments)
    image = request.sizes.image or _image_size(model.encoder)
    channels = arguments.get("in_channels", 3)
    return Workload(model, ((request.sizes.batch or 1, channels, *image),), {}, request.address)


def _image_size(encoder: Any) -> tuple[int, int]:
    if getattr(encoder, "is_fixed_input_size", False):
        height, width = encoder.input_size[-2:]
        return height, width
    return SIDE, SIDE


SOURCE = Source(
    "smp",
    "smp:NAME",
    "an architecture of segmentation_models_pytorch",
    build,
    names=names,
    aliases=("segmentation_models_pytorch",),
)
