"""What a model works on: a picture, a video or sound, or the latents of one."""

from __future__ import annotations

from typing import Any

from flopsight.sources.diffusers.facts import Facts
from flopsight.sources.transformers.layouts import Layouts, tensor
from flopsight.tracing.inputs import plain, spec

PACKING = ("img_ids", "img_shapes", "position_ids")
"""Arguments that tell where tokens stand: a model that takes one is given an image as tokens."""


def data(facts: Facts) -> Any:
    """Sound, images or videos; or tokens of them."""
    if facts.channels() is None:
        return None
    if facts.dimensions == 1:
        return _sound(facts)
    if "height" in facts.takes:
        return tensor(facts.batch, facts.frames() * _area(facts), facts.channels())
    if any(name in facts.takes for name in PACKING):
        rows, columns = facts.grid()
        return tensor(facts.batch, rows * columns, facts.channels())
    return _video(facts) if facts.dimensions == 3 else _image(facts)


def _area(facts: Facts) -> int:
    height, width = facts.image()
    return height * width


def _image(facts: Facts) -> Any:
    """[B, C, H, W]."""
    return tensor(facts.batch, facts.channels(), *facts.image())


def _video(facts: Facts) -> Any:
    """[B, C, F, H, W], or with frames first or channels last."""
    B, C, F, size = facts.batch, facts.channels(), facts.frames(), facts.image()
    return Layouts(spec(B, C, F, *size), spec(B, F, C, *size), spec(B, F, *size, C))


def _sound(facts: Facts) -> Any:
    """[B, C, samples], or of latents; or with channels last."""
    B, C = facts.batch, facts.read("audio_channels", default=facts.channels())
    rate = facts.read("sampling_rate", "sample_rate")
    length = round(rate * facts.seconds()) if rate else facts.read("sample_size", default=256)
    return Layouts(spec(B, C, length), spec(B, length, C))


def listed(facts: Facts) -> Any:
    """[C, 1, H, W] for each example."""
    return [tensor(facts.channels(), 1, *facts.image()) for _ in range(facts.batch)]


def condition(facts: Facts) -> Any:
    """A picture in pixels for a UNet, which makes latents of it; for a transformer, as what it works on."""
    if facts.unet:
        height, width = facts.image()
        channels = facts.read("conditioning_channels", "ctrl_conditioning_channels", default=3)
        return tensor(facts.batch, channels, 8 * height, 8 * width)
    return data(facts)


def places(facts: Facts) -> Any:
    """[N, axes]: where the tokens of an image stand, one below the other."""
    import torch

    rows, columns = facts.grid()
    axes = len(facts.read("axes_dims_rope", "axes_dims", default=(0, 0, 0)))
    found = torch.zeros(rows, columns, axes)
    found[..., -2 if axes == 3 else 1] += torch.arange(rows)[:, None]
    found[..., -1 if axes == 3 else 2] += torch.arange(columns)[None]
    found = found.reshape(rows * columns, axes)
    return Layouts(found, found.repeat(facts.batch, 1, 1))


def text_places(facts: Facts) -> Any:
    """[tokens, axes]: where the tokens of a text stand: at the origin."""
    import torch

    found = torch.zeros(facts.tokens(), len(facts.read("axes_dims_rope", "axes_dims", default=(0, 0, 0))))
    return Layouts(found, found.repeat(facts.batch, 1, 1))


def shapes(facts: Facts) -> Any:
    """Frames, rows and columns of the tokens of each image."""
    return plain([[(1, *facts.grid())]] * facts.batch)


def all_places(facts: Facts) -> Any:
    """[tokens + N, 3]: where the tokens of text and image stand."""
    import torch

    text, image = text_places(facts).among[0], places(facts).among[0]
    found = torch.cat([text, image])
    return Layouts(found, found.repeat(facts.batch, 1, 1))


def side(at: int) -> Any:
    """Height or width of the latents, as a number."""
    return lambda facts: facts.image()[at]


LATENTS = {
    "sample": data,
    "hidden_states": data,
    "x": listed,
    "img_ids": places,
    "txt_ids": text_places,
    "img_shapes": shapes,
    "position_ids": all_places,
    "controlnet_cond": condition,
    "num_frames": lambda facts: facts.frames() if "height" in facts.takes else None,
    "height": side(0),
    "width": side(1),
}
"""By the argument of forward: a function of the facts that gives a tensor to come, or None where it cannot tell."""
