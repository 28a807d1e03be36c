"""`ultralytics:NAME`: the YOLO and RT-DETR models of ultralytics, from the configurations that it brings along.

NAME is a configuration with its scale (`yolo11n`, `yolov8x-seg`, `rtdetr-l`), as weights are named, or the path
of one's own (`.yaml`). Constructor arguments are those of the model's class: `ultralytics:yolo11n(nc=3)`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flopsight.errors import InputError, near
from flopsight.sources import Request, Source, Workload
from flopsight.sources._optional import require

SIDE = 640
CLASSIFIED_SIDE = 224
"""Of the images that the published figures are for: of classification, and of everything else."""

_PRETRAINED = "DEFAULT"
"""What a layer from torchvision is given for its weights, which it would download."""

_USE = "A model named ultralytics:..."
_QUIET = {"YOLO_OFFLINE": "True", "YOLO_VERBOSE": "False", "YOLO_AUTOINSTALL": "False"}


@contextmanager
def _offline() -> Iterator[None]:
    """ultralytics asks the network, prints and installs as it is imported; these, which it reads then, stop it."""
    before = {name: os.environ.get(name) for name in _QUIET}
    os.environ.update(_QUIET)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _library() -> Any:
    with _offline():
        require("ultralytics.nn.tasks", use="A model named ultralytics:...")
        return require("ultralytics", use="A model named ultralytics:...")


def names() -> list[str]:
    """Every configuration, in each of its scales."""
    library = _library()
    found = []
    for path in (Path(library.__file__).parent / "cfg" / "models").rglob("*.yaml"):
        scales = library.utils.YAML.load(path).get("scales") or {}
        unscaled = re.match(r"yolo(?:e-)?v?\d+(?![a-z\d])", path.stem)
        stems = [f"{unscaled[0]}{scale}{path.stem[unscaled.end() :]}" for scale in scales] if unscaled else []
        found += stems or [path.stem]
    return sorted(found)


def build(request: Request) -> Workload:
    """The model of that configuration, on an image of the size that its published figures are for."""
    library = _library()
    path = request.address
    if not path.endswith((".yaml", ".yml")):
        if path not in names():
            raise InputError(f"ultralytics has no configuration {path!r}.{near(path, names())}")
        path += ".yaml"
    elif not Path(path).is_file():
        raise InputError(f"There is no file {path}.")
    request.refuse_unused({"batch", "image"})
    config, task, kind = _configuration(library, path)
    model = request.make(kind, cfg=config, verbose=False, **request.arguments)
    side = CLASSIFIED_SIDE if task == "classify" else SIDE
    channels = request.arguments.get("ch", 3)
    shape = (request.sizes.batch or 1, channels, *(request.sizes.image or (side, side)))
    return Workload(model, (shape,), {}, request.address)


def _configuration(library: Any, path: str) -> tuple[dict[str, Any], str, Any]:
    """A configuration without pretrained parts, its task, and the class of its model, which goes by name and task."""
    config = library.nn.tasks.yaml_model_load(path)
    for layer in (*config["backbone"], *config["head"]):
        layer[-1] = [None if argument == _PRETRAINED else argument for argument in layer[-1]]
    by_name = {"rtdetr": library.RTDETR, "-world": library.YOLOWorld, "yoloe": library.YOLOE}
    engine = next((kind for part, kind in by_name.items() if part in Path(path).stem), library.YOLO)
    task = "detect" if engine is library.RTDETR else library.nn.tasks.guess_model_task(config)
    return config, task, engine.task_map.fget(None)[task]["model"]


SOURCE = Source("ultralytics", "ultralytics:NAME", "a YOLO or RT-DETR of ultralytics", build, names=names)
