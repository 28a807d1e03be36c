"""What a recipe may ask: what forward takes, what the configuration says, and the sizes that the user set.

A model of latents has its sizes from those of the picture, and from how much its autoencoder compresses. The
configurations tell that of few, so it goes by the channels of the latents: the more an autoencoder compresses, the more
it needs.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from flopsight.sources import Sizes

IMAGE, VIDEO, VAE_IMAGE = (1024, 1024), (480, 832), (512, 512)
"""Height and width, where the configuration does not say."""

FRAMES = 49
UNET_FRAMES = 16
AUDIO_S = 10.0
CLIP_TOKENS, TOKENS = 77, 512
"""Of text: for UNets, which read CLIP's, and for transformers."""

UNET_SIDE = 64
PACKED = 16
"""Pixels of a side that become one token, where an image is given as tokens: 8 by the autoencoder, 2 by packing."""

SPATIAL = {2: {3: 1, 16: 8, 31: 8, 128: 32}, 3: {3: 1, 16: 8, 31: 8, 64: 16, 128: 32}}
"""By dimensions, for up to so many channels of latents: pixels of a side that become one latent."""

TEMPORAL = {12: 6, 127: 4, 128: 8}
"""For up to so many channels of latents: frames that become one latent."""

CHANNELS = ("in_channels", "in_visual_dim", "in_dim", "io_channels", "latent_channel", "input_channels", "num_channels")


class Facts:
    """A model and the sizes asked for; `used` collects the sizes that a recipe has read."""

    def __init__(self, model: Any, sizes: Sizes) -> None:
        self.model = model
        self.config = model.config
        self.used: set[str] = set()
        self._sizes = sizes
        self.takes = inspect.signature(model.forward).parameters
        self.encodes = "sample" in self.takes and not {"timestep", "encoder_hidden_states"} & set(self.takes)
        self.unet = "sample" in self.takes and not self.encodes
        self.dimensions = self._dimensions()

    def needs(self, name: str) -> bool:
        """Whether forward cannot be called without an argument."""
        return self.takes[name].default is inspect.Parameter.empty

    def read(self, *names: str, default: Any = None) -> Any:
        """The first of these that the configuration has set."""
        return next((self.config[name] for name in names if self.config.get(name) is not None), default)

    def stated(self, name: str) -> Any:
        """What the configuration says by more than the class's default."""
        return None if name in self.config.get("_use_default_values", ()) else self.config.get(name)

    def _size(self, name: str) -> Any:
        self.used.add(name)
        return getattr(self._sizes, name)

    def _dimensions(self) -> int:
        """3 of videos, 2 of images, 1 of sound: by the convolutions that a model is made of, its class and its patches."""
        from torch import nn

        ranks = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}
        made_of = {rank for module in self.model.modules() for kind, rank in ranks.items() if isinstance(module, kind)}
        patch, name = self.read("patch_size"), type(self.model).__name__
        in_time = self.read("patch_size_t", "sample_frames", "video_length") or (
            isinstance(patch, (list, tuple)) and len(patch) == 3
        )
        if in_time or re.search("3D|Motion|Video", name) or 3 in made_of:
            return 3
        if re.search("1D|Audio", name) or made_of == {1}:
            return 1
        return 2

    @property
    def batch(self) -> int:
        """Examples at a time."""
        return self._size("batch") or 1

    def tokens(self) -> int:
        """Tokens of text."""
        made_for = self.read("max_text_seq_length", "max_sequence_length", "text_len", "num_embeddings")
        return self._size("seq") or made_for or (CLIP_TOKENS if self.unet else TOKENS)

    def seconds(self) -> float:
        """Of sound."""
        return self._size("audio_s") or AUDIO_S

    def channels(self) -> Any:
        """Of what the model reads first."""
        return self.read(*CHANNELS, default=4 if self.unet else 3 if self.encodes else None)

    def latents(self) -> int:
        """Channels of the latents, without what some models are given beside them."""
        given = self.channels() or 0
        return min(given, self.read("out_channels", "out_visual_dim", "latent_channels", default=given))

    def image(self) -> tuple[int, int]:
        """Height and width of what the model reads: of the picture, or of its latents."""
        asked = self._size("image")
        if asked is None and (made_for := self._made_for()):
            return made_for
        pixels = asked or (
            VAE_IMAGE if self.encodes and self.dimensions == 2 else VIDEO if self.dimensions == 3 else IMAGE
        )
        factor = 1 if self.encodes else self.compression()
        return pixels[0] // factor, pixels[1] // factor

    def _made_for(self) -> tuple[int, int] | None:
        if self.encodes:
            side = self.stated("sample_size")
        elif height := self.read("sample_height"):
            return height, self.read("sample_width")
        else:
            side = self.read("sample_size", default=UNET_SIDE if self.unet else None)
        return (side, side) if isinstance(side, int) else tuple(side) if side else None

    def compression(self) -> int:
        """Pixels of a side that become one latent."""
        if told := self.read("vae_scale_factors"):
            return int(told[-1])
        return _up_to(self.latents(), SPATIAL[self.dimensions])

    def frames(self) -> int:
        """Of what the model reads: of the video, or of its latents."""
        asked, made_for = self._size("frames"), self.read("sample_frames", "num_frames", "video_length")
        if self.unet:
            return asked or made_for or UNET_FRAMES
        if self.encodes:
            return asked or FRAMES
        told = self.read("temporal_compression_ratio")
        if asked is None and made_for and not told:
            return int(made_for)
        compression = told or self.read("vae_scale_factors", default=[_up_to(self.latents(), TEMPORAL)])[0]
        return ((asked or made_for or FRAMES) - 1) // compression + 1

    def grid(self) -> tuple[int, int]:
        """Rows and columns of the tokens of an image."""
        height, width = self._size("image") or IMAGE
        return height // PACKED, width // PACKED


def _up_to(channels: int, table: dict[int, int]) -> int:
    return next((factor for most, factor in table.items() if channels <= most), list(table.values())[-1])
