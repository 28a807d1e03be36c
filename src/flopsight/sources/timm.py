"""`timm:NAME`: the models of timm, at their pretrained input size."""

from __future__ import annotations

from flopsight.errors import InputError, near
from flopsight.sources import Request, Source, Workload
from flopsight.sources._optional import require

_USE = "A model named timm:..."


def names() -> list[str]:
    """Every model timm registers."""
    return list(require("timm", use=_USE).list_models())


def build(request: Request) -> Workload:
    """The model by its registered name, with or without a pretrained tag (`resnet50.a1_in1k`)."""
    timm = require("timm", use=_USE)
    if not timm.is_model(request.address):
        raise InputError(f"timm has no model {request.address!r}.{near(request.address, names())}")
    arguments = {"model_name": request.address, "pretrained": False, **request.arguments}
    model = request.make(timm.create_model, **arguments)
    size = tuple(model.default_cfg.get("input_size", (3, 224, 224)))
    if "img_size" in request.arguments:
        image = request.arguments["img_size"]
        size = (size[0], *((image, image) if isinstance(image, int) else image))
    return Workload(model, ((1, *size),), {}, request.address)


SOURCE = Source("timm", "timm:NAME", "a model of timm", build, names=names)
