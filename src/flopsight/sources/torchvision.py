"""`torchvision:NAME`: the models of torchvision, at the size their published figures are for."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

from flopsight.errors import InputError, near
from flopsight.sources import Request, Source, Workload
from flopsight.sources._optional import require

VIDEO_FRAMES = 16
PHOTO = (480, 640)
"""A usual photograph of COCO; detection models resize it themselves."""

FLOW = (520, 960)


def _models() -> Any:
    return require("torchvision", use="A model named torchvision:...").models


def names() -> list[str]:
    """Every model torchvision registers."""
    return list(_models().list_models())


def build(request: Request) -> Workload:
    """The model by its registered name, with the input its default weights were evaluated on."""
    models = _models()
    try:
        builder = models.get_model_builder(request.address)
    except ValueError as error:
        raise InputError(f"torchvision has no model {request.address!r}.{near(request.address, names())}") from error
    weights = {"weights", "weights_backbone"} & set(inspect.signature(builder).parameters)
    arguments = {**dict.fromkeys(weights), **request.arguments}
    with warnings.catch_warnings():  # of an initialisation that is to change
        warnings.simplefilter("ignore", FutureWarning)
        model = request.make(builder, **arguments)
    package = builder.__module__.removeprefix("torchvision.models.").partition(".")[0]
    used = {"batch", "image", "frames"} if package == "video" else {"batch", "image"}
    request.refuse_unused(used)
    return Workload(model, _inputs(models, request, package, model), {}, request.address)


def _inputs(models: Any, request: Request, package: str, model: Any) -> tuple[Any, ...]:
    batch, image = request.sizes.batch or 1, request.sizes.image
    if package == "detection":
        return ([(3, *(image or PHOTO))] * batch,)
    if package == "optical_flow":
        return ((batch, 3, *(image or FLOW)),) * 2
    size = image or _image_size(models, request.address, model)
    return ((batch, 3, *((request.sizes.frames or VIDEO_FRAMES,) if package == "video" else ()), *size),)


def _image_size(models: Any, name: str, model: Any) -> tuple[int, int]:
    if isinstance(fixed := getattr(model, "image_size", None), int):
        return fixed, fixed
    weights = models.get_model_weights(name)
    evaluated = getattr(getattr(weights, "DEFAULT", None), "transforms", None)
    options = getattr(evaluated, "keywords", {})
    size = options.get("crop_size", options.get("resize_size", 224))
    return (size, size) if isinstance(size, int) else tuple(size)


SOURCE = Source(
    "torchvision", "torchvision:NAME", "a model of torchvision", build, names=names, aliases=("tv",), often=True
)
