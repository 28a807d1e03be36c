"""Images and videos, in the layout that a model takes them in.

B examples · F frames · C colours · H, W height and width · P a patch's side · N patches of an image
"""

from __future__ import annotations

from typing import Any

from flopsight.sources.transformers.facts import Facts
from flopsight.sources.transformers.layouts import Layouts
from flopsight.tracing.inputs import spec


def image(facts: Facts) -> Any:
    """The image of each example, in the first layout below whose sign is among what forward takes."""
    for signs, layout in LAYOUTS:
        if any(sign in facts.takes for sign in signs):
            return layout(facts)
    if facts.read("image_grid_pinpoints", of="vision"):
        return _with_tiles(facts)
    single, frames = _single(facts), video(facts)
    if facts.read("num_frames", "frames_per_clip", of="vision"):
        return Layouts(frames, single)
    return Layouts(single, frames, _some(facts, 1), _some(facts, 2))


def video(facts: Facts) -> Any:
    """[B, F, C, H, W]."""
    return spec(facts.batch, facts.frames(), facts.channels(), *facts.image())


def _single(facts: Facts) -> Any:
    return spec(facts.batch, facts.channels(), *facts.image())


def _some(facts: Facts, images: int) -> Any:
    return spec(facts.batch, images, facts.channels(), *facts.image())


def _one_of_several(facts: Facts) -> Any:
    """[B, 1, C, H, W]: a model that takes several images for each text is given one."""
    return _some(facts, 1)


def _with_tiles(facts: Facts) -> Any:
    """The image whole, and once more in tiles of the same size: one here, as it is no larger."""
    return _some(facts, 2)


def _tiled(facts: Facts) -> Any:
    """[B, 1, tiles, C, H, W]."""
    tiles = facts.read("max_num_tiles", of="vision", default=4)
    return spec(facts.batch, 1, tiles, facts.channels(), *facts.image())


def _patch_elems(facts: Facts) -> int:
    return facts.channels() * int(facts.read("temporal_patch_size", of="vision", default=1)) * facts.patch() ** 2


def _packed(facts: Facts) -> Any:
    """[B*N, C*T*P*P]: the patches of all images, one below the other, each as T frames; or as small images."""
    rows, columns = facts.patches()
    count, side = facts.batch * rows * columns, facts.patch()
    return Layouts(
        spec(count, _patch_elems(facts)),
        spec(count, facts.channels(), side, side),
        spec(1, count, facts.channels(), side, side),
        spec(1, count, _patch_elems(facts)),
    )


def _patches(facts: Facts) -> Any:
    """[B, N, C*P*P]: the patches of each image."""
    rows, columns = facts.patches()
    return spec(facts.batch, rows * columns, _patch_elems(facts))


def _strip(facts: Facts) -> Any:
    """[1, C, P, B*N*P]: the patches of all images side by side."""
    rows, columns = facts.patches()
    return spec(1, facts.channels(), facts.patch(), facts.batch * rows * columns * facts.patch())


LAYOUTS = (
    (("image_grid_thw", "grid_thw"), _packed),
    (("spatial_shapes", "image_position_ids", "pixel_position_ids"), _patches),
    (("target_sizes",), _strip),
    (("aspect_ratio_ids",), _tiled),
    (("pixel_attention_mask", "image_attention_mask"), _one_of_several),
)
"""By arguments that forward takes beside the pixels: how it takes these."""


def pixels_or_vectors(facts: Facts) -> Any:
    """What a part of a model calls hidden states: patches where a grid goes with them, else vectors of tokens."""
    from flopsight.sources.transformers.text import vectors

    return _packed(facts) if "grid_thw" in facts.takes else vectors(facts)


def grid(facts: Facts) -> Any:
    """[B, 3]: frames, rows and columns of the patches of each image."""
    import torch

    return torch.tensor([[1, *facts.patches()]] * facts.batch)


def rows_and_columns(facts: Facts) -> Any:
    """[B, 2]: rows and columns of the patches of each image."""
    import torch

    return torch.tensor([facts.patches()] * facts.batch)


def places(facts: Facts) -> Any:
    """[B, N, 2]: column and row of each patch."""
    import torch

    rows, columns = facts.patches()
    x, y = torch.meshgrid(torch.arange(columns), torch.arange(rows), indexing="xy")
    return torch.stack([x, y], -1).reshape(1, -1, 2).repeat(facts.batch, 1, 1)


def sizes(facts: Facts) -> Any:
    """[B, 2]: height and width of each image."""
    import torch

    return torch.tensor([facts.image()] * facts.batch)


def mask(facts: Facts) -> Any:
    """Which pixels, or which patches, belong to the image: all of them."""
    import torch

    if "spatial_shapes" in facts.takes:
        rows, columns = facts.patches()
        return torch.ones(facts.batch, rows * columns, dtype=torch.int64)
    return torch.ones(facts.batch, 1, *facts.image(), dtype=torch.int64)


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

    return torch.ones(facts.batch, facts.tokens(), 1, dtype=torch.int64)


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
    "high_res_pixel_values": _single,
    "hidden_states": pixels_or_vectors,
    "image_grid_thw": grid,
    "grid_thw": grid,
    "spatial_shapes": rows_and_columns,
    "target_sizes": rows_and_columns,
    "image_sizes": sizes,
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
