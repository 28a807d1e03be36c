"""What in torchvision's detection models depends on which boxes there are, in a run that assumes only how many.

Their code goes by the values of boxes where hardly any cost does: each is assigned to a level of the feature pyramid,
and each mask is pasted into a box of some size. In such a run boxes go to the levels in turn, and are as large where
masks and keypoints are put in place as the square that the pyramid is made for; suppression is run over all classes
together, as on a GPU, rather than over those that occur, one by one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import torch

from flopsight.tracing.place import active
from flopsight.tracing.untouched.replacement import Replacement

_SIDE = 224
"""Of a box in pixels: the canonical scale of feature pyramids, which `LevelMapper` assigns to level 4."""


@contextmanager
def ordinary_boxes() -> Iterator[None]:
    """torchvision's functions that read the values of boxes find ordinary ones meanwhile."""
    with ExitStack() as stack:
        if "torchvision.models.detection.roi_heads" in sys.modules:
            for replacement in _replacements():
                stack.enter_context(replacement)
        yield


def _levels(original: Callable[..., Any], mapper: Any, boxes: list[torch.Tensor]) -> torch.Tensor:
    original(mapper, boxes)
    with torch._C._DisableTorchDispatch():
        return torch.arange(sum(map(len, boxes))).remainder(mapper.k_max - mapper.k_min + 1)


def _pasted(original: Callable[..., Any], masks: Any, boxes: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    active().dispatcher.ledger.assume(f"Masks and keypoints are put in place in boxes of {_SIDE} by {_SIDE} pixels.")
    return original(masks, _squares(len(boxes)), *args, **kwargs)


def _all_classes(_: Callable[..., Any], *args: Any) -> Any:
    return sys.modules["torchvision.ops.boxes"]._batched_nms_coordinate_trick(*args)


def _squares(count: int) -> torch.Tensor:
    with torch._C._DisableTorchDispatch():
        return torch.tensor([[0.0, 0.0, _SIDE, _SIDE]]).repeat(count, 1)


@cache
def _replacements() -> tuple[Replacement, ...]:
    torchvision: Any = sys.modules["torchvision"]
    boxes, poolers = torchvision.ops.boxes, torchvision.ops.poolers
    roi_heads, transform = torchvision.models.detection.roi_heads, torchvision.models.detection.transform
    return (
        _replacement(poolers.LevelMapper, "__call__", _levels),
        _replacement(boxes, "_batched_nms_vanilla", _all_classes),
        _replacement(roi_heads, "heatmaps_to_keypoints", _pasted),
        _replacement(transform, "paste_masks_in_image", _pasted),
    )


def _replacement(owner: Any, name: str, assumed: Callable[..., Any]) -> Replacement:
    """In place of a function, `assumed` of it and its arguments, in runs that assume how many boxes there are."""

    def call(*args: Any, **kwargs: Any) -> Any:
        dispatcher = getattr(active(), "dispatcher", None)
        if dispatcher is None or dispatcher.selections is None:
            return made.original(*args, **kwargs)
        return assumed(made.original, *args, **kwargs)

    made = Replacement(owner, name, call)
    return made
