"""`timm:NAME`: the models of timm, at their pretrained input size."""

from __future__ import annotations

import inspect

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
    request.refuse_unused({"batch", "image"})
    given = {"model_name": request.address, "pretrained": False, **request.arguments}
    model, image = request.make(timm.create_model, **given), request.sizes.image
    if image and "img_size" not in given and "img_size" in inspect.signature(type(model).__init__).parameters:
        model = request.make(timm.create_model, **given, img_size=image)  # which is made for one size
    channels, *usual = model.default_cfg.get("input_size", (3, 224, 224))
    if "img_size" in given:
        side = given["img_size"]
        usual = (side, side) if isinstance(side, int) else side
    return Workload(model, ((request.sizes.batch or 1, channels, *(image or usual)),), {}, request.address)


SOURCE = Source("timm", "timm:NAME", "a model of timm", build, names=names, often=True)
