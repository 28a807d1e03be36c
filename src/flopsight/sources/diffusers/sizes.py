"""Height, width and frames of what a model reads, from those of the picture.

A model of latents has its sizes from how much its autoencoder compresses. The configurations of few tell that, so it
goes by the channels of the latents: the more an autoencoder compresses, the more it needs.
"""

from __future__ import annotations

from flopsight.sources.diffusers.facts import Facts

IMAGE, VIDEO, VAE_IMAGE = (1024, 1024), (480, 832), (512, 512)
"""Height and width, where the configuration does not say."""

FRAMES, UNET_FRAMES = 49, 16
UNET_SIDE = 64

LATENT = 8
"""Pixels of a side that become one latent, of most autoencoders."""

COMPACT = 128 / 3
"""Pixels of a side that become one latent, where a cascade begins."""

PACKED = 16
"""Pixels of a side that become one token, where an image is given as tokens: 8 by the autoencoder, 2 by packing."""

SPATIAL = {2: {3: 1, 31: LATENT, 64: 32, 128: 16}, 3: {3: 1, 31: LATENT, 64: 16, 128: 32}}
"""By dimensions, for up to so many channels of latents: pixels of a side that become one latent."""

TEMPORAL = {11: 4, 12: 6, 127: 4, 128: 8}
"""For up to so many channels of latents: frames that become one latent."""


def image(facts: Facts) -> tuple[int, int]:
    """Height and width of what the model reads: of the picture, or of its latents."""
    asked = facts.size("image")
    if asked is None and (made_for := _made_for(facts)):
        return made_for
    usual = VIDEO if facts.dimensions == 3 else VAE_IMAGE if facts.encodes else IMAGE
    height, width = asked or usual
    factor = 1 if facts.encodes else _compression(facts)
    return int(height // factor), int(width // factor)


def compact(facts: Facts) -> tuple[int, int]:
    """Height and width of the smaller latents that a cascade begins with."""
    height, width = facts.size("image") or IMAGE
    return int(height // COMPACT), int(width // COMPACT)


def _made_for(facts: Facts) -> tuple[int, int] | None:
    if facts.encodes:
        side = facts.stated("sample_size")
    elif height := facts.read("sample_height"):
        return height, facts.read("sample_width")
    else:
        side = facts.read("sample_size", default=UNET_SIDE if facts.unet and "timestep" in facts.takes else None)
    if isinstance(side, int):
        return side, side
    return (side[0], side[1]) if side else None


def _compression(facts: Facts) -> float:
    if "timestep_ratio" in facts.takes:
        return LATENT // 2 if facts.read("effnet_in_channels") else COMPACT
    if told := facts.read("vae_scale_factors", "spatial_compression_ratio"):
        return int(told if isinstance(told, int) else told[-1])
    usual = _up_to(facts.latents(), SPATIAL[max(2, facts.dimensions)])
    packs = facts.dimensions == 2 and facts.patch()[-1] > 1  # of latents that are compressed less
    return min(usual, LATENT) if packs else usual


def frames(facts: Facts) -> int:
    """Of what the model reads: of the video, or of its latents."""
    asked, made_for = facts.size("frames"), facts.read("sample_frames", "num_frames", "video_length")
    if facts.unet:
        return int(asked or made_for or UNET_FRAMES)
    if facts.encodes:
        return asked or FRAMES
    told = facts.read("temporal_compression_ratio")
    if asked is None and made_for and not told:
        return int(made_for)
    usual = facts.read("vae_scale_factors", default=(_up_to(facts.latents(), TEMPORAL),))[0]
    return int(((asked or made_for or FRAMES) - 1) // (told or usual) + 1)


def tokens(facts: Facts) -> tuple[int, int]:
    """Rows and columns of the tokens of an image that is given as such."""
    height, width = facts.size("image") or IMAGE
    return height // PACKED, width // PACKED


def patches(facts: Facts) -> tuple[int, int, int]:
    """Frames, rows and columns of the tokens that the model makes of latents."""
    (height, width), (together, rows, columns) = image(facts), (1, *facts.patch())[-3:]
    return (frames(facts) // together if facts.dimensions == 3 else 1), height // rows, width // columns


def _up_to(channels: int, table: dict[int, int]) -> int:
    return next((factor for most, factor in table.items() if channels <= most), list(table.values())[-1])
