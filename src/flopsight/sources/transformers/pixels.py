"""Images and videos, in the layout that a model takes them in.

B examples · F frames · C colours · H, W height and width · P a patch's side · N patches of an image
"""

from __future__ import annotations

from typing import Any

from flopsight.sources._layouts import Layouts
from flopsight.sources.transformers.facts import Facts
from flopsight.tracing.given.inputs import plain, spec


def image(facts: Facts) -> Any:
    """The image of each example, in the first layout below whose sign is among what forward takes."""
    for signs, layout in LAYOUTS:
        if any(sign in facts.takes for sign in signs):
            return layout(facts)
    if facts.read("image_grid_pinpoints", of="vision"):
        return Layouts(*(_some(facts, tiles) for tiles in TILES))
    if facts.read("num_frames", "frames_per_clip", of="vision") or "Video" in facts.name:
        return Layouts(video(facts), *_frame_by_frame(facts).among)
    several = [_some(facts, images) for images in (1, 2, 4)]
    return Layouts(_single(facts), *several, _patches(facts), *_packed(facts).among)


def video(facts: Facts) -> Any:
    """[B, F, C, H, W]."""
    shape = (facts.batch, facts.frames(), facts.channels(), *facts.image())
    return Layouts(spec(*shape), _packed(facts)) if "video_grid_thw" in facts.takes else spec(*shape)


def _single(facts: Facts) -> Any:
    return spec(facts.batch, facts.channels(), *facts.image())


def _some(facts: Facts, images: int) -> Any:
    return spec(facts.batch, images, facts.channels(), *facts.image())


def _frame_by_frame(facts: Facts) -> Any:
    """A single image, or the frames of a video as examples."""
    return Layouts(_single(facts), spec(facts.batch * facts.frames(), facts.channels(), *facts.image()))


def _one_of_several(facts: Facts) -> Any:
    """[B, 1, C, H, W]: a model that takes several images for each text is given one.

    Such models leave out images that are zero throughout: so it has values, ones.
    """
    import torch

    shape = (facts.batch, 1, facts.channels(), *facts.image())
    return Layouts(spec(*shape), plain(torch.ones(shape)), _single(facts))


def _tiled(facts: Facts) -> Any:
    """[B, 1, tiles, C, H, W]."""
    tiles = facts.read("max_num_tiles", of="vision", default=4)
    return spec(facts.batch, 1, tiles, facts.channels(), *facts.image())


def _patch_elems(facts: Facts) -> int:
    together = facts.read("temporal_patch_size", "patch_temporal", of="vision", default=1)
    return facts.channels() * int(together) * facts.patch() ** 2


def _packed(facts: Facts) -> Any:
    """[B*N, C*T*P*P]: the patches of all images, one below the other, each as T frames; or as small images."""
    rows, columns = facts.patches()
    count, side = facts.batch * rows * columns, facts.patch()
    return Layouts(
        spec(count, _patch_elems(facts)),
        spec(count, 2 * _patch_elems(facts)),
        spec(count, facts.channels(), side, side),
        spec(1, count, facts.channels(), side, side),
        spec(1, count, _patch_elems(facts)),
        *_squares(facts),
    )


def _squares(facts: Facts) -> list[Any]:
    """[B*N, T, P, P, C]: each patch of T frames as a small image, colours last; or each group that becomes one."""
    rows, columns = facts.patches()
    count, side, merge = facts.batch * rows * columns, facts.patch(), facts.merge()
    together = int(facts.read("temporal_patch_size", of="vision", default=1))
    return [
        spec(count, together, side, side, facts.channels()),
        spec(count // merge**2, side * merge, side * merge, facts.channels()),
    ]


def _patches(facts: Facts) -> Any:
    """[B, N, C*P*P]: the patches of each image."""
    rows, columns = facts.patches()
    return spec(facts.batch, rows * columns, _patch_elems(facts))


def _strip(facts: Facts) -> Any:
    """[1, C, P, B*N*P]: the patches of all images side by side."""
    rows, columns = facts.patches()
    return spec(1, facts.channels(), facts.patch(), facts.batch * rows * columns * facts.patch())


TILES = range(2, 11)
"""An image may be given whole and again in tiles: how many there are is for the model to say."""

LAYOUTS = (
    (("image_grid_thw", "grid_thw"), _packed),
    (("spatial_shapes", "image_position_ids", "pixel_position_ids"), _patches),
    (("target_sizes",), _strip),
    (("aspect_ratio_ids",), _tiled),
    (("pixel_attention_mask", "perceiver_embeddings"), _one_of_several),
)
"""By arguments that forward takes beside the pixels: how it takes these."""


def high_resolution(facts: Facts) -> Any:
    """[B, C, H, W] for a second tower, which takes larger images."""
    side = getattr(getattr(facts.config, "high_res_vision_config", None), "image_size", None)
    return spec(facts.batch, facts.channels(), side, side) if isinstance(side, int) else _single(facts)


def grid(facts: Facts) -> Any:
    """[B, 3]: frames, rows and columns of the patches of each image; or of the groups that become one."""
    import torch

    (rows, columns), merge = facts.patches(), facts.merge()
    sizes = dict.fromkeys([(1, rows, columns), (1, rows // merge, columns // merge)])
    return Layouts(*(torch.tensor([size] * facts.batch) for size in sizes))


def rows_and_columns(facts: Facts) -> Any:
    """[B, 2]: rows and columns of the patches of each image."""
    import torch

    return torch.tensor([facts.patches()] * facts.batch)


def shape_if_asked(facts: Facts) -> Any:
    """The same, where the model does not see it from the pixels."""
    return Layouts(None, rows_and_columns(facts))


def places(facts: Facts) -> Any:
    """[B, N, 2]: column and row of each patch."""
    import torch

    rows, columns = facts.patches()
    x, y = torch.meshgrid(torch.arange(columns), torch.arange(rows), indexing="xy")
    return torch.stack([x, y], -1).reshape(1, -1, 2).repeat(facts.batch, 1, 1)


def sizes(facts: Facts) -> Any:
    """[B, 2]: height and width of each image."""
    import torch

    return Layouts(None, torch.tensor([facts.image()] * facts.batch))


def mask(facts: Facts) -> Any:
    """Which pixels, or which patches, belong to the image: all of them."""
    import torch

    if "spatial_shapes" in facts.takes:
        rows, columns = facts.patches()
        return torch.ones(facts.batch, rows * columns, dtype=torch.int64)
    pixels = torch.ones(facts.batch, 1, *facts.image(), dtype=torch.int64)
    return Layouts(None, pixels, torch.ones(facts.batch, 1, dtype=torch.bool))


def flattened(facts: Facts) -> Any:
    """[B, N, 2 + C*P*P]: row, column and pixels of each patch."""
    rows, columns = facts.patches()
    return spec(facts.batch, rows * columns, 2 + _patch_elems(facts))


def tile_shape(facts: Facts) -> Any:
    """[B, 1]: which arrangement of tiles an image has: a single one."""
    import torch

    return torch.ones(facts.batch, 1, dtype=torch.int64)


def tile_mask(facts: Facts) -> Any:
    """[B, 1, tiles]: all are of the image."""
    import torch

    return torch.ones(facts.batch, 1, facts.read("max_num_tiles", of="vision", default=4), dtype=torch.int64)


def text_sees_images(facts: Facts) -> Any:
    """[B, tokens, 1]: each token sees the image."""
    import torch

    return (
        torch.ones(facts.batch, facts.tokens(), 1, dtype=torch.int64) if "perceiver_embeddings" in facts.takes else None
    )


def merges(facts: Facts) -> Any:
    """[B]: how many patches become one along a side, for each image."""
    import torch

    return torch.full((facts.batch,), facts.merge())


PIXELS = {
    "pixel_values": image,
    "pixel_values_videos": video,
    "pixel_values_images": _single,
    "prompt_pixel_values": _single,
    "prompt_masks": _single,
    "image": _single,
    "high_res_pixel_values": high_resolution,
    "image_grid_thw": grid,
    "grid_thw": grid,
    "spatial_shapes": rows_and_columns,
    "target_sizes": rows_and_columns,
    "image_sizes": sizes,
    "image_grid_hw": shape_if_asked,
    "image_position_ids": places,
    "pixel_position_ids": places,
    "pixel_attention_mask": mask,
    "image_attention_mask": text_sees_images,
    "flattened_patches": flattened,
    "aspect_ratio_ids": tile_shape,
    "aspect_ratio_mask": tile_mask,
    "image_merge_sizes": merges,
    "merge_sizes": merges,
}
"""By the argument of forward."""
