"""What a recipe may ask: what forward takes, what the configuration says, and the sizes that the user set."""

from __future__ import annotations

import inspect
import re
from typing import Any

from flopsight.sources import Sizes

CLIP_TOKENS, TOKENS = 77, 512
"""Of text: for UNets, which read CLIP's, and for transformers."""

AUDIO_S = 10.0

CHANNELS = (
    "audio_acoustic_hidden_dim", "in_channels", "in_visual_dim", "in_dim", "io_channels", "latent_channel",
    "latent_dim", "latent_channels",
)  # fmt: skip
PICTURED = ("dec_out_channels", "output_channels", "audio_channels", "out_channels", "out_ch", "input_channels")
"""What configurations call the channels of what a model reads, and of what an autoencoder makes again."""

OF_VIDEO = (
    "patch_size_t", "sample_frames", "video_length", "motion_max_seq_length", "temperal_downsample",
    "temporal_compression_ratio",
)  # fmt: skip
"""What only the configurations of models of video have."""


PLACED = {"img_ids", "img_shapes", "position_ids"}
"""Arguments that tell where tokens stand: a model that takes one is given an image as tokens."""


class Facts:
    """A model and the sizes asked for; `used` collects the sizes that a recipe has read.

    encodes: it is an autoencoder, of what people see or hear. unet: it is a UNet, or steers one. dimensions: 3 of
    videos, 2 of images, 1 of sound. packed: it is given an image as tokens.
    """

    def __init__(self, model: Any, sizes: Sizes) -> None:
        self.model = model
        self.config = model.config
        self.used: set[str] = set()
        self._sizes = sizes
        self.takes = inspect.signature(model.forward).parameters
        self.encodes = "sample" in self.takes and hasattr(model, "encode")
        self.unet = "sample" in self.takes and not self.encodes
        self.packed = bool(PLACED & set(self.takes)) and "img_sizes" not in self.takes  # else it makes the tokens
        self.dimensions = self._dimensions()

    def needs(self, name: str) -> bool:
        """Whether forward cannot be called without an argument."""
        variadic = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
        return self.takes[name].default is inspect.Parameter.empty and self.takes[name].kind not in variadic

    def read(self, *names: str, default: Any = None) -> Any:
        """The first of these that the configuration has set."""
        return next((self.config[name] for name in names if self.config.get(name) is not None), default)

    def stated(self, name: str) -> Any:
        """What the configuration says by more than the class's default."""
        return None if name in self.config.get("_use_default_values", ()) else self.config.get(name)

    def size(self, name: str) -> Any:
        """What the user set."""
        self.used.add(name)
        return getattr(self._sizes, name)

    def _dimensions(self) -> int:
        """By the convolutions that a model is made of, its class and its patches."""
        from torch import nn

        ranks = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}
        made_of = {rank for module in self.model.modules() for kind, rank in ranks.items() if isinstance(module, kind)}
        patch, name = self.read("patch_size"), type(self.model).__name__
        in_time = self.read(*OF_VIDEO) or (isinstance(patch, (list, tuple)) and len(patch) == 3)
        if 3 in made_of or in_time or re.search("3D(Model|Cond)", name):
            return 3
        return 1 if 2 not in made_of and (1 in made_of or "1D" in name) else 2

    @property
    def batch(self) -> int:
        """Examples at a time."""
        return self.size("batch") or 1

    def tokens(self) -> int:
        """Tokens of text."""
        made_for = self.read("max_text_seq_length", "max_sequence_length", "text_len", "num_embeddings")
        return self.size("seq") or made_for or (CLIP_TOKENS if self.unet else TOKENS)

    def seconds(self) -> float:
        """Of sound."""
        return self.size("audio_s") or AUDIO_S

    def channels(self) -> Any:
        """Of what the model reads first."""
        if self.encodes:
            return self.read(*PICTURED, default=1 if self.dimensions == 1 else 3)
        found = self.read(*CHANNELS, default=4 if self.unet else None)
        return 2 * found + 1 if self.read("visual_cond") else found  # with a condition and its mask beside

    def latents(self) -> int:
        """Channels of the latents, without what some models are given beside them."""
        told = [self.read(name) for name in ("out_channels", "out_visual_dim", "out_dim", "latent_channels")]
        return int(min([self.channels() or 0, *filter(None, told)]))

    def patch(self) -> tuple[int, ...]:
        """Frames, rows and columns that become one token."""
        found = self.read("patch_size", default=1)
        return (self.read("patch_size_t", default=1), found, found) if isinstance(found, int) else tuple(found)
